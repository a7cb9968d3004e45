"""Pictures for the trackers that show some."""

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor

from lightning_sweeps.trackers.contract import Tracker
from lightning_sweeps.trackers.known import tracker_of


def show(trainer: Trainer, tag: str, picture: Tensor) -> None:
    """Log a picture (3, H, W) in [0, 1] to every tracker of the trainer that shows pictures."""
    for logger, tracker in shown_by(trainer):
        tracker.show(logger, tag, picture, trainer.global_step)


def shown_by(trainer: Trainer) -> list[tuple[Logger, Tracker]]:
    """The trainer's loggers that show pictures, in the process that writes them."""
    if not trainer.is_global_zero:
        return []
    found = [(logger, tracker_of(logger)) for logger in trainer.loggers]
    return [(logger, tracker) for logger, tracker in found if tracker is not None and tracker.shows_pictures]
