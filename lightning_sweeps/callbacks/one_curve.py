"""TensorBoard shows one curve for a trial that was interrupted and goes on."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer

from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.trial import current_trial


class OneCurve(QuietCallback):
    """Tells TensorBoard to forget what was logged after the checkpoint that the trial goes on from.

    A ``purge_step`` does that for a logger that is made with it; this does it for any.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not (current_trial().restarted and trainer.is_global_zero):
            return
        # Lightning logs under this number, not under the optimizers' global_step. Hyperparameters, which may have been
        # logged again by now, stand at step 0.
        step = max(1, trainer.fit_loop.epoch_loop._batches_that_stepped)  # noqa: SLF001
        for logger in trainer.loggers:
            # By name, since pytorch_lightning has a class of its own.
            if any(one.__name__ == "TensorBoardLogger" for one in type(logger).__mro__):
                _forget_from(step, logger.experiment)  # type: ignore[attr-defined]


def _forget_from(step: int, writer: Any) -> None:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    writer.file_writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)
