"""When a run's first step began and its last step ended."""

import time
from pathlib import Path

from lightning.pytorch import Callback


class Stamps(Callback):
    """Writes both, in seconds since the epoch, into a file of the run's folder."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.first = self.last = 0.0

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        self.first = self.first or time.time()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self.last = time.time()

    def on_train_end(self, trainer, module) -> None:
        self.file.write_text(f"{self.first} {self.last}")
