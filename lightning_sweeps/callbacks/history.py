"""``metrics.csv``: one row an epoch, whatever the loggers."""

import csv
import io
import time
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer

from lightning_sweeps.callbacks.fresh import FreshMetrics
from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.trial import current_trial


class History(QuietCallback):
    """Keeps every epoch's metrics and writes them to a CSV file, whole and atomically.

    A row is complete when the next epoch starts: callbacks are called before the module's own ``on_train_epoch_end``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: list[dict[str, float]] = []
        self._metrics = FreshMetrics()
        self._started = time.monotonic()
        self._epoch_ended = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.monotonic()
        if current_trial().restarted and self.file.is_file():
            with self.file.open() as file:
                rows = [{name: _number(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
            self.rows = [row for row in rows if row["epoch"] < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close_epoch(trainer, trainer.current_epoch - 1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._epoch_ended = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close_epoch(trainer, trainer.current_epoch - 1)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._add(trainer, trainer.current_epoch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._add(trainer, trainer.current_epoch)

    def _close_epoch(self, trainer: Trainer, epoch: int) -> None:
        if self._epoch_ended:
            self._epoch_ended = False
            self._add(trainer, epoch)

    def _add(self, trainer: Trainer, epoch: int) -> None:
        own = {"epoch", "step", "seconds"}  # a module may log these names, of which ours say when
        values = {f"metric_{name}" if name in own else name: one for name, one in self._metrics.take(trainer).items()}
        seconds = round(time.monotonic() - self._started, 3)
        self.rows.append({"epoch": epoch, "step": trainer.global_step, "seconds": seconds, **values})
        if trainer.is_global_zero:
            self._write()

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self.file, text.getvalue())


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)
