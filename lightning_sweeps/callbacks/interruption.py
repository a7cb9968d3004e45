"""Ctrl-C keeps what was learnt."""

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer

from lightning_sweeps.callbacks.quiet import QuietCallback


class SaveOnInterrupt(QuietCallback):
    """Writes the checkpoint to go on from when training is interrupted from the keyboard."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.interrupted = False
        self.saved = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if not isinstance(exception, KeyboardInterrupt):
            return
        self.interrupted = True
        # Distributed, saving is a collective operation, and the other processes may be gone: the last epoch's stands.
        keep = trainer.training and trainer.global_step and not trainer.fast_dev_run  # type: ignore[attr-defined]
        if keep and trainer.world_size == 1:
            trainer.save_checkpoint(self.file)
            self.saved = True
