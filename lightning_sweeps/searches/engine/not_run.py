"""Why a claimed trial is not run."""

from lightning_sweeps.searches.engine.outcome import Finished


class RefusedError(Exception):
    """A claimed trial cannot be proposed; it has failed.

    Args:
        reason: on one line.
    """

    def __init__(self, trial: int, reason: str) -> None:
        super().__init__(reason)
        self.trial, self.reason = trial, reason


class KnownError(Exception):
    """A claimed trial need not be run: another one has had its parameters.

    Args:
        other: that trial's number.
    """

    def __init__(self, trial: int, other: int) -> None:
        super().__init__(f"the same as trial {other}")
        self.trial, self.other = trial, other


class NotBegunError(Exception):
    """A trial has failed while it was being claimed."""

    def __init__(self, finished: Finished) -> None:
        super().__init__(finished.reason)
        self.finished = finished
