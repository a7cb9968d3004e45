"""The seam between a run and a search: report a value, ask whether to stop."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

LAST_CHECKPOINT = Path("checkpoints", "last.ckpt")  # in a trial's or a run's folder: the one to go on from

DIRECTIONS = {"min": "minimize", "max": "maximize"}  # Lightning's word for a mode, and Optuna's


class Trial:
    """What a run may know of the search it belongs to. This one belongs to none: it keeps nothing and never prunes."""

    number: int | None = None
    params: Mapping[str, Any] = {}
    directions: tuple[str, ...] = ()  # of the search: minimize or maximize, for each objective
    folder: Path | None = None  # of this trial
    restarted: bool = False  # an earlier process of this trial was interrupted; its files are in the folder
    ckpt_path: Path | None = None  # the checkpoint that it left, for ``trainer.fit(..., ckpt_path=...)``
    pruned: bool = False  # the last answer of should_prune
    take: Literal["best", "last"] = "best"  # which report counts if the program returns None

    def report(self, value: float, step: int) -> None:
        """Tell the search an intermediate value of the objective; ``step`` counts what was spent, such as epochs."""

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Inside, a checkpoint is written: a search that is stopped does not kill this trial before it is whole."""
        yield

    def should_prune(self) -> bool:
        """Whether the search gives this trial up. Then end the run soon, by returning or with any value."""
        return False


_current = Trial()


def current_trial() -> Trial:
    """The trial that this process runs; outside of a search one that does nothing."""
    return _current


@contextmanager
def running(trial: Trial) -> Iterator[None]:
    """Make this the current trial for a while."""
    global _current  # noqa: PLW0603 (a process runs one trial)
    before, _current = _current, trial
    try:
        yield
    finally:
        _current = before
