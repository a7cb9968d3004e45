"""A progress bar on a terminal, one plain line an epoch elsewhere."""

import logging
import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

from lightning_sweeps.callbacks.fresh import FreshMetrics
from lightning_sweeps.callbacks.quiet import QuietCallback

log = logging.getLogger(__name__)

# The bar is redrawn at this rate, not at every step: on a small network a redraw costs more than a step.
REDRAWS_PER_SECOND = 4


class Progress(QuietCallback, ProgressBar):
    """Lightning's progress bar, drawn with rich, by time instead of by step; costs a clock reading per step."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Any = None
        self._task: Any = None
        self._next_draw = 0.0
        self._epoch_started = 0.0
        self._metrics = FreshMetrics()

    def disable(self) -> None:
        self._close()

    def enable(self) -> None:
        pass

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # A run that goes on within an epoch does not start that epoch.
        self._epoch_started = time.monotonic() if trainer.fit_loop.restarting else 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finish_epoch(trainer)
        self._epoch_started = time.monotonic()
        self._open(trainer)
        if self._bar is not None:
            last = f"/{trainer.max_epochs - 1}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
            total = self.total_train_batches
            self._bar.reset(
                self._task,
                description=f"epoch {trainer.current_epoch}{last}",
                total=total if total != float("inf") else None,
            )

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is None or (now := time.monotonic()) < self._next_draw:
            return
        self._next_draw = now + 1 / REDRAWS_PER_SECOND
        loss = outputs.get("loss") if isinstance(outputs, dict) else None
        speed = (batch_idx + 1) / max(now - self._epoch_started, 1e-6)
        text = f"{speed:.0f} it/s" + (f"  loss {float(loss):.4g}" if loss is not None else "")
        self._bar.update(self._task, completed=batch_idx + 1, text=text, refresh=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finish_epoch(trainer)
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def _open(self, trainer: Trainer) -> None:
        if self._bar is not None or not trainer.is_global_zero or not sys.stdout.isatty():
            return
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as RichProgress,
        )

        # auto_refresh would be a thread that competes with training for the interpreter.
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", text="")
        self._bar.start()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _finish_epoch(self, trainer: Trainer) -> None:
        """The finished epoch's line: when the next one starts, since only then its training metrics are there."""
        if not self._epoch_started:
            return
        seconds = time.monotonic() - self._epoch_started
        self._epoch_started = 0.0
        # What the module wants on a progress bar, or everything if it does not say.
        fresh = self._metrics.take(trainer)
        chosen = {name: value for name, value in trainer.progress_bar_metrics.items() if name in fresh}
        metrics = chosen or fresh
        values = "  ".join(f"{name} {value:<7.4g}" for name, value in sorted(metrics.items()) if _is_number(value))
        # current_epoch has moved on already, here and in on_train_end.
        line = f"epoch {trainer.current_epoch - 1:>3}  {seconds:.1f} s  {values}".rstrip()
        if trainer.is_global_zero:
            if self._bar is not None:
                self._bar.console.print(line, highlight=False)
                logging.getLogger("lightning_sweeps.file").info(line)
            else:
                log.info(line)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
