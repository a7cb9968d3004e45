"""Images and labels, and their division for cross-validation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lightning_sweeps.errors import ConfigError

Stage = Literal["train", "val", "test"]


@dataclass
class Split:
    """Images (N, C, H, W), uint8, and labels (N,), int64."""

    images: Tensor
    labels: Tensor


def require_fold(folds: int | None, fold: int) -> None:
    """Refuse a fold that there is not.

    Raises:
        ConfigError: names the setting.
    """
    if folds is None:
        return
    if not isinstance(folds, int) or folds < 2:
        raise ConfigError(f"datamodule.folds={folds}: it is a whole number, at least 2, or null")
    if not isinstance(fold, int) or not 0 <= fold < folds:
        raise ConfigError(f"datamodule.fold={fold}: with folds={folds} it is a whole number from 0 to {folds - 1}")


def divided(train: Split, val: Split, folds: int, fold: int) -> dict[Stage, Split]:
    """Stratified cross-validation over both splits: this fold to validate on, the others to train.

    The division is the same in every process and every run. No image is in two folds, and the folds' sizes differ by
    one image of each class at most.
    """
    images, labels = torch.cat([train.images, val.images]), torch.cat([train.labels, val.labels])
    generator = torch.Generator().manual_seed(0)
    fold_of = torch.empty_like(labels)
    for label in range(int(labels.max()) + 1):
        members = (labels == label).nonzero().flatten()
        fold_of[members[torch.randperm(len(members), generator=generator)]] = torch.arange(len(members)) % folds
    held_out = fold_of == fold
    return {"train": Split(images[~held_out], labels[~held_out]), "val": Split(images[held_out], labels[held_out])}
