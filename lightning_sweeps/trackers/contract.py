"""What a run tells a tracker beside the metrics, which Lightning tells it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import Logger
from torch import Tensor

Plain = bool | int | float | str


@dataclass(frozen=True)
class About:
    """Which run it is.

    Args:
        name: of the run; a trial's is its search's and its number.
        group: the search that it is a trial of; None for a run of its own.
        folder: the run's.
        shared: the search's folder, or the run's own.
        from_step: the step that a trial goes on from which was interrupted, 0 if it starts over; else None.
        writes: whether this is the process that tells the trackers; of a distributed run one does.
    """

    name: str
    group: str | None
    folder: Path
    shared: Path
    from_step: int | None = None
    writes: bool = True


@dataclass(frozen=True)
class Ending:
    """How a run has ended.

    Args:
        stage: ``fit``, ``validate``, ``test`` or ``predict``.
        objective: its value; None without one.
        metric: which it is the value of; None if the run has no objective.
        metrics: the last value of everything logged.
        step: the last one.
        goes_on: whether it is a trial that was interrupted, and so has not ended for good.
    """

    stage: str
    status: Literal["completed", "pruned", "interrupted", "failed"]
    objective: float | None
    metric: str | None
    metrics: Mapping[str, float]
    step: int
    goes_on: bool


class Tracker:
    """One kind of Lightning's loggers. What a kind does not have, it leaves as it is here."""

    shows_pictures = True

    def settings(self, about: About) -> dict[str, Any]:
        """Arguments of the logger, for those that the config leaves open."""
        return {}

    def overruled(self, node: Mapping[str, Any], about: About) -> dict[str, Any]:
        """Arguments of the logger that count more than those of its config."""
        return {}

    def opening(self, node: Mapping[str, Any]) -> AbstractContextManager[object]:
        """Inside, the logger is made."""
        return nullcontext()

    def opened(self, logger: Any, about: About) -> None:
        """The logger has just been made."""

    def begin(self, logger: Any, about: About, hyperparameters: Mapping[str, Plain]) -> None:
        """The run begins, or goes on. In a distributed run only its first process says so."""
        logger.log_hyperparams(dict(hyperparameters))

    def show(self, logger: Any, tag: str, picture: Tensor, step: int) -> None:
        """Show a picture (3, H, W) in [0, 1]."""

    def end(self, logger: Any, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
        """The run has ended, in whatever way."""


def array(picture: Tensor) -> Any:
    """The picture as bytes (H, W, 3), as most trackers take it."""
    return (picture.clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()


def is_a(logger: Logger, name: str) -> bool:
    """Whether it is of the class of this name: ``pytorch_lightning`` has classes of its own."""
    return any(base.__name__ == name for base in type(logger).__mro__)
