"""Ctrl-C and SIGTERM keep what was learnt, to the step."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.terminal.handlers import install, restore
from lightning_sweeps.trial import current_trial


class SaveOnInterrupt(QuietCallback):
    """Stops training at the end of a step and writes the checkpoint to go on from when Ctrl-C or SIGTERM comes.

    An exception in the middle of a step would leave the weights, the loops' counters and the data's place apart. So the
    first Ctrl-C is kept until the step has ended, and what belongs to the step: the validation that it is time for, the
    end of its epoch. A second one stops at once, with what was saved before. Distributed, saving needs all processes at
    the same step, so there the first stops at once.

    Args:
        file: the checkpoint.
        each_epoch: write it after each epoch as well, for a process that is killed without a word.
    """

    def __init__(self, file: Path, *, each_epoch: bool = False) -> None:
        self.file = file
        self.each_epoch = each_epoch
        self.interrupted = False
        self.saved = False
        self._asked: set[int] = set()  # the signals that have come
        self._handlers: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.world_size == 1:
            self._handlers = install(self._ask, signal.SIGINT, signal.SIGTERM)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._asked and not _belongs_to_more(trainer):
            self._save(trainer)
            raise KeyboardInterrupt

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Not when the next begins: going on from there Lightning would leave out that epoch.
        if self._asked or self.each_epoch:
            self._save(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._asked:
            raise KeyboardInterrupt

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()
        self.interrupted = isinstance(exception, KeyboardInterrupt)

    def _save(self, trainer: Trainer) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            with current_trial().saving():
                trainer.save_checkpoint(self.file, weights_only=False)
            self.saved = True

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if number in self._asked:
            raise KeyboardInterrupt
        if not self._asked:
            # A handler may interrupt a line that Python's own stream is writing, which it cannot enter twice.
            with suppress(OSError):
                os.write(2, b"\nstopping after this step; Ctrl-C again stops at once\n")
        self._asked.add(number)

    def _restore(self) -> None:
        restore(self._handlers)
        self._handlers = {}


def _belongs_to_more(trainer: Trainer) -> bool:
    """Whether a validation or the epoch's end comes next, which a run that goes on from here would take as done."""
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher  # noqa: SLF001
    return loop.batch_progress.is_last_batch or (fetcher is not None and loop._should_check_val_fx(fetcher))  # noqa: SLF001
