"""What a run costs beside its quality: parameters, seconds, memory."""

import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.nn.parameter import is_lazy

from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.errors import ConfigError
from lightning_sweeps.metric_names import COSTS

STEPS_TO_WARM_UP = 3
MOST_STEPS = 1000  # whose seconds are kept
Moment = float | torch.cuda.Event | None  # None: there is no step from here to the next one
BYTES_OF_RSS = 1 if sys.platform == "darwin" else 1024


class Costs(QuietCallback):
    """Measures those of ``COSTS`` that were asked for.

    ``parameters``: how many the module has. ``seconds_per_step``: the median time from one training step's start to the
    next one's, without the first few. ``peak_memory``: in MB, of tensors on the GPU, or of the whole process on a CPU.
    ``seconds``: of training, with its validations.

    Raises:
        ConfigError: there is no such cost.
    """

    def __init__(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in COSTS:
                raise ConfigError(f"objective.measure: {name}: no such cost. There are {', '.join(COSTS)}")
        self.names = list(dict.fromkeys(names))
        self._starts: list[Moment] = []
        self._begun = 0.0
        self._seconds = 0.0
        self._gpu: torch.device | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begun = time.perf_counter()
        if pl_module.device.type == "cuda":
            self._gpu = pl_module.device  # when the costs are asked for, Lightning has moved the module back to the CPU
            torch.cuda.reset_peak_memory_stats(self._gpu)

    def on_train_batch_start(self, *_: Any) -> None:  # type: ignore[override]
        if "seconds_per_step" in self.names and len(self._starts) < MOST_STEPS:
            self._starts.append(self._now())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._starts.append(None)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seconds = time.perf_counter() - self._begun

    def measured(self, module: LightningModule) -> dict[str, float]:
        """The costs that were asked for, as far as they are known."""
        known = {
            "parameters": count_parameters(module),
            "seconds_per_step": self._seconds_per_step(),
            "peak_memory": self._peak_memory(),
            "seconds": self._seconds or None,
        }
        return {name: float(value) for name in self.names if (value := known[name]) is not None}

    def _peak_memory(self) -> float | None:
        if self._gpu is not None:
            return torch.cuda.max_memory_allocated(self._gpu) / 1e6
        try:
            import resource
        except ImportError:  # on Windows
            return None
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_OF_RSS / 1e6

    def _now(self) -> Moment:
        """On a GPU: when it gets there, and not when it is told to, since Python may be many steps ahead of it."""
        if self._gpu is None:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _seconds_per_step(self) -> float | None:
        if self._gpu is not None:
            torch.cuda.synchronize(self._gpu)
        pairs = zip(self._starts, self._starts[1:], strict=False)
        steps = [_seconds(before, after) for before, after in pairs if before is not None and after is not None]
        return statistics.median(steps[STEPS_TO_WARM_UP:] or steps) if steps else None


def _seconds(before: Any, after: Any) -> float:
    if isinstance(before, float):
        return float(after - before)
    return float(before.elapsed_time(after)) / 1000


def count_parameters(module: LightningModule) -> int | None:
    """The number of parameters; None if layers take their shapes from the first batch."""
    parameters = list(module.parameters())
    return None if any(map(is_lazy, parameters)) else sum(parameter.numel() for parameter in parameters)
