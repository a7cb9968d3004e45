"""Lines on the screen, which may in truth be a full disk, or a reader that has gone."""

import logging
import os
import sys

_unwritten: list[OSError] = []  # the first error of a write


class Console(logging.StreamHandler):  # type: ignore[type-arg] # the config names the stream
    """Python's own handler prints a traceback for each line that cannot be written; this one says it once."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name in ``logging``)
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _note(error)
        else:
            super().handleError(record)


def could_write() -> bool:
    """Whether everything that was printed has arrived. After the first failure nothing more is printed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _note(error)
    if _unwritten:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains on its way out
    return not _unwritten


def say(text: str) -> None:
    """Print; if that fails, say so and leave with exit code 1."""
    try:
        sys.stdout.write(text)
    except OSError as error:
        _note(error)
    if not could_write():
        sys.exit(1)


def _note(error: OSError) -> None:
    if not _unwritten and not isinstance(error, BrokenPipeError):  # nobody wants to read more, as after | head
        sys.stderr.write(f"error: stdout cannot be written: {error.strerror}\n")
    _unwritten.append(error)
