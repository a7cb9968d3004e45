"""Stop at the first loss that is NaN or infinite, before it reaches a checkpoint."""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.errors import NonFiniteLossError

# Elsewhere reading the loss waits for the device, so many steps are read at once there.
READ_AT_EACH_STEP = ("cpu",)
STEPS_PER_READ = 32


class FiniteLoss(QuietCallback):
    """Raises ``NonFiniteLossError`` with the step of the first bad loss.

    On the CPU each step is checked at once, on an accelerator every 32 steps and before anything is saved.
    """

    def __init__(self) -> None:
        self._unread: list[tuple[int, Tensor]] = []

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        # With manual optimization a step returns what it likes.
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not pl_module.automatic_optimization:
            return
        if loss.device.type in READ_AT_EACH_STEP:
            if not math.isfinite(loss.item()):
                raise _not_finite(loss.item(), batch_idx, trainer)
            return
        self._unread.append((batch_idx, loss.detach().reshape(())))  # a loss may have one dimension
        if len(self._unread) >= STEPS_PER_READ:
            self._read(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._read(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._read(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._read(trainer)

    def _read(self, trainer: Trainer) -> None:
        unread, self._unread = self._unread, []
        if not unread:
            return
        losses = torch.stack([loss for _, loss in unread]).tolist()
        for (batch_idx, _), loss in zip(unread, losses, strict=True):
            if not math.isfinite(loss):
                raise _not_finite(loss, batch_idx, trainer)


def _not_finite(loss: float, batch_idx: int, trainer: Trainer) -> NonFiniteLossError:
    return NonFiniteLossError(f"the loss became {loss} at batch {batch_idx} of epoch {trainer.current_epoch}")
