"""Loss, accuracy and macro F1 of an epoch at the price of a list append per step."""

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

# Steps whose outputs are kept before they are counted together. torchmetrics costs about as much per call as a small
# network's training step, whether for one batch or for 64.
FOLD = 64


class EpochMetrics(nn.Module):
    """Collects the steps of one epoch; ``finish`` gives the epoch's values and starts over.

    Distributed, the values are those of all processes together.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.loss = MeanMetric()
        self.scores = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
                "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
            }
        )
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """One step: mean loss (), logits (N, num_classes), labels (N,), all detached."""
        self._pending.append((loss, logits, labels))
        if len(self._pending) == FOLD:
            self._fold()

    def _fold(self) -> None:
        losses, logits, labels = zip(*self._pending, strict=True)
        self._pending.clear()
        sizes = torch.tensor([len(part) for part in labels], dtype=torch.float32)
        stacked = torch.stack(losses).float()
        self.loss.update(stacked, sizes.to(stacked.device))
        self.scores.update(torch.cat(logits).argmax(dim=-1), torch.cat(labels))

    def finish(self) -> dict[str, Tensor]:
        """``loss`` (mean over samples), ``accuracy`` and ``f1``; empty if there was no step."""
        if self._pending:
            self._fold()
        values = {"loss": self.loss.compute(), **self.scores.compute()}
        self.loss.reset()
        self.scores.reset()
        return values
