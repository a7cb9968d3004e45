"""Which classes are taken for which, as a picture in TensorBoard."""

import logging
import time
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lightning_sweeps.callbacks.pictures import show, shown_by
from lightning_sweeps.callbacks.quiet import QuietCallback

log = logging.getLogger(__name__)
# With epochs of a second, a picture for each would take part of that second, and nobody could look at them all.
SECONDS_BETWEEN_PICTURES = 10


class ConfusionMatrix(QuietCallback):
    """Draws the confusion matrix of validation (at most every ten seconds, and the last) and of the test.

    It reads ``logits`` (N, num_classes) from what the step returns and the labels (N,) from the batch's second part; a
    module whose steps return anything else is passed over. Distributed, it shows the first process's share.
    """

    def __init__(self) -> None:
        self._counted: list[tuple[Tensor, Tensor]] = []
        self._classes = 0
        self._said = False
        self._last_picture = -float("inf")

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if not trainer.sanity_checking:
            self._count(trainer, outputs, batch)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        self._count(trainer, outputs, batch)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._counted.clear()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if time.monotonic() - self._last_picture > SECONDS_BETWEEN_PICTURES:
            self._last_picture = time.monotonic()
            self._draw(trainer, "val/confusion")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, "val/confusion")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, "test/confusion")

    def _count(self, trainer: Trainer, outputs: Any, batch: Any) -> None:
        if not (isinstance(outputs, dict) and "logits" in outputs and shown_by(trainer)):
            return
        logits: Any = outputs["logits"]
        labels: Any = batch[1] if isinstance(batch, list | tuple) and len(batch) > 1 else None
        if not _are_of_classes(logits, labels):
            self._say_once("the confusion matrix is left out: it needs logits (N, classes) and labels (N,)")
            return
        self._classes = max(self._classes, logits.shape[-1])
        self._counted.append((logits.argmax(dim=-1), labels))

    def _say_once(self, text: str) -> None:
        if not self._said:
            self._said = True
            log.info(text)

    def _draw(self, trainer: Trainer, tag: str) -> None:
        counted, self._counted = self._counted, []
        if counted:
            from torchmetrics.functional.classification import multiclass_confusion_matrix

            predicted, labels = (torch.cat(parts) for parts in zip(*counted, strict=True))
            if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self._classes:
                self._say_once("the confusion matrix is left out: there are labels without a logit of their own")
                return
            matrix = multiclass_confusion_matrix(predicted, labels, self._classes).cpu()
            show(
                trainer,
                tag,
                draw_matrix(
                    matrix,
                    getattr(trainer.datamodule, "class_names", None),  # type: ignore[attr-defined]
                ),
            )


def _are_of_classes(logits: Any, labels: Any) -> bool:
    return (
        isinstance(logits, Tensor)
        and isinstance(labels, Tensor)
        and logits.ndim == 2
        and logits.shape[-1] > 1
        and labels.shape == logits.shape[:1]
        and not labels.is_floating_point()
    )


def draw_matrix(matrix: Tensor, class_names: Any = None) -> Tensor:
    """Counts (K, K), rows the true classes -> a picture (3, H, W) in [0, 1] with names, counts and shares in blue."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    classes = len(matrix)
    names = [str(name) for name in class_names] if class_names else [str(index) for index in range(classes)]
    font = ImageFont.load_default(size=13)
    margin = 16 + max(int(font.getlength(name)) for name in names)
    cell, top = max(12, min(44, 1200 // classes)), 40
    size = (margin + classes * cell + 8, top + classes * cell + 8)
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    pen.text((margin, 4), "predicted", fill="black", font=font)
    shares = matrix / matrix.sum(dim=1, keepdim=True).clamp_min(1)
    for row in range(classes):
        pen.text((8, top + row * cell + cell // 3), names[row], fill="black", font=font)
        pen.text((margin + row * cell + 4, 22), names[row][: max(1, cell // 8)], fill="black", font=font)
        for column in range(classes):
            share, count = float(shares[row, column]), int(matrix[row, column])
            # Square root: one mistake in a hundred must be seen.
            paint = tuple(int(255 - (255 - channel) * share**0.5) for channel in (8, 81, 156))
            left, upper = margin + column * cell, top + row * cell
            pen.rectangle((left, upper, left + cell - 2, upper + cell - 2), fill=paint)
            if count and cell >= 24:
                colour = "white" if share > 0.25 else "black"
                pen.text((left + 4, upper + cell // 3), str(count), fill=colour, font=font)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
