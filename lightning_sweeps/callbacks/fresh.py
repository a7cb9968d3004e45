"""Metrics that are new: Lightning keeps a validation's until the next one, however many epochs that takes."""

from lightning.pytorch import Trainer
from torch import Tensor


class FreshMetrics:
    """Tells what was logged since it was asked last."""

    def __init__(self) -> None:
        self._seen: dict[str, Tensor] = {}

    def take(self, trainer: Trainer) -> dict[str, float]:
        """Name -> value of what is new."""
        metrics = dict(trainer.callback_metrics)
        fresh = {name: value.item() for name, value in metrics.items() if value is not self._seen.get(name)}
        self._seen = metrics
        return fresh
