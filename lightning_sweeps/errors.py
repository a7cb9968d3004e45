"""The errors that the user can act on.

Each message says, in one or two lines, what was wrong, where, and what to type instead. ``explain`` prints them
without a traceback. Everything else is a bug, ours or the user's, and its traceback goes to the log.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class SweepsError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigError(SweepsError):
    """The composed config asks for something that cannot be."""


class UntrustedTargetError(ConfigError):
    """A ``_target_`` that nobody allowed in Python code or in the environment."""


class DeviceError(SweepsError):
    """The devices that were asked for are not here."""


class DataError(SweepsError):
    """The data is not there, cannot be fetched, or does not fit the settings."""


class CheckpointError(SweepsError):
    """A checkpoint that is missing, unreadable, or of another model."""


class LauncherError(SweepsError):
    """A launcher could not start the supervisors, or lost one."""


class FolderError(SweepsError):
    """The output folder cannot be written."""


class MetricError(SweepsError):
    """A metric that something waits for is never logged."""


class NonFiniteLossError(SweepsError):
    """The loss became NaN or infinite."""


class RankError(SweepsError):
    """Another process of a distributed run has failed."""


class CommandError(SweepsError):
    """A run or search that was started from Python has failed. The message is what its command said.

    Args:
        folder: where its log is; None if it had not begun.
    """

    def __init__(self, message: str, folder: Path | None) -> None:
        super().__init__(message)
        self.folder = folder


class RunInterruptedError(SweepsError):
    """Ctrl-C. The message says how to go on."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest of the known names, or the empty string."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.61)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def unreadable(error: Exception) -> str:
    """The file and line of what is no YAML, and what is wrong there; of other errors their own words."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"{mark.name}, line {mark.line + 1}: not YAML: {getattr(error, 'problem', None) or error}"


class GuardMissingError(BaseException):
    """The program begins its search again when it is only imported. Not an ``Exception``, which Hydra would print."""

    def __str__(self) -> str:
        return "A script must call its main function below: if __name__ == '__main__':"
