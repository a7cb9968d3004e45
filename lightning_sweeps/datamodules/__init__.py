"""Image data as Lightning datamodules, held in memory; ``conf/datamodule/digits.yaml`` <-> ``digits.py``.

torchvision is imported by the data sets that need it, not by ``digits``.
"""

from lightning_sweeps.datamodules.batches import Batches
from lightning_sweeps.datamodules.digits import Digits
from lightning_sweeps.datamodules.folds import Split
from lightning_sweeps.datamodules.images import ImageDataModule
from lightning_sweeps.datamodules.torchvision_sets import CIFAR10, MNIST, FashionMNIST

__all__ = ["CIFAR10", "MNIST", "Batches", "Digits", "FashionMNIST", "ImageDataModule", "Split"]
