"""Pictures for TensorBoard."""

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor


def show(trainer: Trainer, tag: str, picture: Tensor) -> None:
    """Log a picture (3, H, W) in [0, 1] to every TensorBoard logger of the trainer."""
    for logger in tensorboards(trainer):
        logger.experiment.add_image(tag, picture, global_step=trainer.global_step)


def tensorboards(trainer: Trainer) -> list[TensorBoardLogger]:
    """The trainer's TensorBoard loggers, in the process that writes them."""
    return [log for log in trainer.loggers if isinstance(log, TensorBoardLogger)] if trainer.is_global_zero else []
