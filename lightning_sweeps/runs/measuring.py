"""What a run would cost, told from a few of its batches."""

import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.callbacks.costs import count_parameters
from lightning_sweeps.callbacks.objective import ObjectiveTracker
from lightning_sweeps.runs.assembly import assemble

BATCHES = 2  # the first one also warms up
ALONE = {"devices": 1, "num_nodes": 1, "strategy": "auto"}
OFF = {
    "max_epochs": 1,
    "max_steps": -1,
    "limit_train_batches": BATCHES,
    "limit_val_batches": 1,
    "num_sanity_val_steps": 0,
    "val_check_interval": 1.0,
    "check_val_every_n_epoch": 1,
    "enable_progress_bar": False,
    "profiler": None,
}


def measure(config: DictConfig) -> dict[str, Any]:
    """Build everything, and train for two batches, of which nothing is kept.

    A run of several processes that each have the whole module (DDP) is measured in one of them, without the others.

    Returns:
        ``parameters``: of the model; ``batches``: of an epoch, for each process; ``epochs``; ``seconds``: that the run
        would take. What cannot be told is None. Or ``unmeasured``: why nothing was trained.

    Raises:
        SweepsError: what is wrong with the config.
    """
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    asked = plain["trainer"]
    quiet = {**plain, "logger": None, "callbacks": None, "test": False, "trainer": {**asked, **OFF}}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        job = assemble(quiet, Path(folder))
        if (processes := job.trainer.world_size) > 1:
            if not isinstance(job.trainer.strategy, DDPStrategy):
                why = f"{type(job.trainer.strategy).__name__} may divide the module between {processes} processes"
                return {"parameters": count_parameters(job.module), "unmeasured": why}
            job = assemble({**quiet, "trainer": {**quiet["trainer"], **ALONE}}, Path(folder))
        stopwatch = _Stopwatch()
        kept = [one for one in job.trainer.callbacks if isinstance(one, ObjectiveTracker)]  # type: ignore[attr-defined]
        job.trainer.callbacks = [*kept, stopwatch]  # type: ignore[attr-defined]
        job.trainer.fit(job.module, datamodule=job.datamodule)
    epochs = asked.get("max_epochs")
    train_batches, val_batches = (
        None if count is None else math.ceil(count / processes)
        for count in (stopwatch.train_batches, stopwatch.val_batches)
    )
    batches = _of_an_epoch(train_batches, asked.get("limit_train_batches"))
    val_batches = _of_an_epoch(val_batches, asked.get("limit_val_batches"))
    seconds = None
    if epochs is not None and epochs >= 0 and None not in (batches, val_batches, stopwatch.train):
        each = (batches or 0) * (stopwatch.train or 0.0) + (val_batches or 0) * (stopwatch.val or 0.0)
        seconds = round(epochs * each, 3)
    return {"parameters": count_parameters(job.module), "batches": batches, "epochs": epochs, "seconds": seconds}


class _Stopwatch(Callback):
    """Seconds of a batch, and how many there would be without limits; None for what is not known."""

    def __init__(self) -> None:
        self.train: float | None = None
        self.val: float | None = None
        self.train_batches: int | None = None
        self.val_batches: int | None = None
        self._begun = math.nan

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._begun = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        _finish(pl_module)
        self.train = time.perf_counter() - self._begun
        self.train_batches = _length(trainer.train_dataloader)

    def on_validation_batch_start(self, *_: Any) -> None:
        self._begun = time.perf_counter()

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        _finish(pl_module)
        self.val = time.perf_counter() - self._begun
        self.val_batches = _length(trainer.val_dataloaders)


def _finish(module: LightningModule) -> None:
    """Wait for what a GPU has been given to do."""
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)


def _length(loaders: Any) -> int | None:
    """Batches of a loader, or of several one after another."""
    try:
        if isinstance(loaders, list | tuple):
            return sum(len(one) for one in loaders)
        if isinstance(loaders, Mapping):
            return sum(len(one) for one in loaders.values())
        return len(loaders)
    except TypeError:  # an iterable has no length
        return None


def _of_an_epoch(count: int | None, limit: Any) -> int | None:
    if count is None:
        return limit if isinstance(limit, int) and limit != 1 else None
    if limit is None:
        return count
    return min(count, limit) if isinstance(limit, int) else int(count * limit)
