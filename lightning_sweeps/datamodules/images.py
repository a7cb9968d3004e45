"""The datamodule that all image sets here share: load once, keep as tensors, hand out slices."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from lightning_sweeps.datamodules.batches import Batches
from lightning_sweeps.datamodules.folds import Split, Stage, divided, require_fold
from lightning_sweeps.errors import ConfigError, DataError

DTYPES = {"64-true": torch.float64, "bf16-true": torch.bfloat16, "16-true": torch.float16}  # of the others float32


class ImageDataModule(LightningDataModule):
    """Images in memory, as bytes, normalised and augmented batch by batch on the device that trains.

    A subclass names its classes, shape and normalisation, and loads its splits.

    Args:
        batch_size: training images per batch and device.
        eval_batch_size: the same for validation, test and prediction.
        seed: of the order of the training images.
        on_device: keep the images on the training device. ``auto``: if they take less than half its free memory.
        augmentation: ``shift``, ``flip``, ``crop``; see ``augmentation.augmentation``.
        folds: for cross-validation: training and validation images together are divided into so many, each with its
            share of every class.
        fold: the one to validate on, from 0; the others train.

    Raises:
        ConfigError: a setting cannot be.
        DataError: from ``setup``: the data is not there, or smaller than a batch.
    """

    class_names: ClassVar[tuple[str, ...]]
    image_shape: ClassVar[tuple[int, int, int]]  # channels, height, width
    mean: ClassVar[tuple[float, ...]]  # per channel, of pixels in [0, 1]
    std: ClassVar[tuple[float, ...]]

    def __init__(
        self,
        batch_size: int = 64,
        eval_batch_size: int = 1024,
        seed: int = 0,
        on_device: Literal["auto"] | bool = "auto",
        augmentation: dict[str, Any] | None = None,
        folds: int | None = None,
        fold: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"datamodule.{name}={value}: it must be a whole number of at least 1")
        if on_device != "auto" and not isinstance(on_device, bool):
            raise ConfigError(f"datamodule.on_device={on_device}: it is true, false or auto")
        require_fold(folds, fold)
        self.folds, self.fold = folds, fold
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.seed = seed
        self.on_device = on_device
        self.augment = self._make_augmentation(augmentation or {})
        self.splits: dict[Stage, Split] = {}
        self._train_batches: Batches | None = None
        self._start: dict[str, int] = {"position": 0}

    @staticmethod
    def _make_augmentation(settings: dict[str, Any]) -> Callable[[Tensor], Tensor] | None:
        if not any(settings.values()):
            return None
        from lightning_sweeps.datamodules.augmentation import augmentation

        return augmentation(**settings)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def load(self) -> dict[Stage, Split]:
        """Read all splits into memory. The split must be the same in every process and every run."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        if not self.splits:
            self.splits = self.load()
            if self.folds is not None:
                self.splits |= divided(self.splits["train"], self.splits["val"], self.folds, self.fold)
            size = len(self.splits["train"].labels)
            if self.batch_size > size:
                raise DataError(
                    f"datamodule.batch_size={self.batch_size} is larger than the {size} training images; "
                    f"use at most {size}"
                )
        device = self._device()
        for split in self.splits.values():
            split.images, split.labels = split.images.to(device), split.labels.to(device)
        # Bytes to normalised floats in one multiplication and one addition.
        std = torch.tensor(self.std, device=self._compute_device()).view(1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=std.device).view(1, -1, 1, 1)
        self._scale, self._bias = 1 / (255 * std), -mean / std
        self._dtype = DTYPES.get(str(getattr(self.trainer, "precision", None)), torch.float32)

    def _compute_device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")

    def _device(self) -> torch.device:
        device = self._compute_device()
        if device.type == "cpu" or self.on_device is False:
            return torch.device("cpu")
        if self.on_device == "auto" and device.type == "cuda":
            size = sum(split.images.nbytes + split.labels.nbytes for split in self.splits.values())
            free, _ = torch.cuda.mem_get_info(device)
            return device if size < free / 2 else torch.device("cpu")
        return device

    def _batches(self, stage: Stage, batch_size: int, shuffle: bool = False) -> Batches:
        split = self.splits[stage]
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return Batches(
            (split.images, split.labels),
            batch_size,
            shuffle=shuffle,
            seed=self.seed,
            rank=rank,
            world_size=world_size,
        )

    def train_dataloader(self) -> Batches:
        overfits = bool(getattr(self.trainer, "overfit_batches", 0))  # the same batches in each epoch
        self._train_batches = self._batches("train", self.batch_size, shuffle=not overfits)
        self._train_batches.load_state_dict(self._start)
        self._start = {"position": 0}
        return self._train_batches

    def state_dict(self) -> dict[str, Any]:
        """The place within the epoch, 0 at its end.

        Lightning asks the loader itself, but does not give the place back if a scheduler wanted to know the number
        of steps: the loader was made too early then.
        """
        if self._train_batches is None:
            return dict(self._start)
        place = self._train_batches.state_dict()
        ended = self.trainer is None or place["position"] >= self.trainer.num_training_batches
        return {**place, "position": 0} if ended else place

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._start = {"position": 0, **state_dict}

    def val_dataloader(self) -> Batches:
        return self._batches("val", self.eval_batch_size)

    def test_dataloader(self) -> Batches:
        return self._batches("test", self.eval_batch_size)

    def predict_dataloader(self) -> Batches:
        return self._batches("test", self.eval_batch_size)

    def transfer_batch_to_device(
        self, batch: tuple[Tensor, Tensor], device: torch.device, dataloader_idx: int
    ) -> tuple[Tensor, Tensor]:
        images, labels = batch
        return images.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """Bytes (N, C, H, W) -> normalised numbers of the trainer's precision, augmented in training."""
        images, labels = batch
        if self.augment is not None and self.trainer is not None and self.trainer.training:
            images = self.augment(images)
        return torch.addcmul(self._bias, images, self._scale).to(self._dtype), labels
