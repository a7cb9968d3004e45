"""What the model sees: a grid of training images in TensorBoard."""

import math
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torchvision.utils import make_grid

from lightning_sweeps.callbacks.pictures import show, shown_by
from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.trial import current_trial


class SampleImages(QuietCallback):
    """Shows the first training batch, normalised and augmented as it reaches the model.

    In a search the first trial shows them for all. Batches that do not begin with images (N, C, H, W), C 1 or 3, are
    passed over.
    """

    def __init__(self, num_images: int = 32) -> None:
        self.num_images = num_images

    def on_train_batch_start(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx or trainer.current_epoch or current_trial().number or not shown_by(trainer):
            return
        images = batch[0] if isinstance(batch, list | tuple) and batch else batch
        if isinstance(images, Tensor) and images.ndim == 4 and images.shape[1] in (1, 3) and images.numel():
            show(trainer, "train/images", grid(images[: self.num_images].detach().float().cpu()))


def grid(images: Tensor, gap: int = 2) -> Tensor:
    """Images (N, C, H, W) of any range -> one picture (3, H', W') in [0, 1], as square as can be."""
    # Small images are enlarged, so that the user can see them.
    images = images.repeat_interleave(scale := max(1, 48 // images.shape[-1]), -1).repeat_interleave(scale, -2)
    columns = math.ceil(math.sqrt(len(images)))
    picture: Tensor = make_grid(images, nrow=columns, padding=gap, pad_value=1.0, normalize=True)
    return picture
