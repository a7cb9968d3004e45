"""torchvision's image sets, read by torchvision's own loaders (download, checksums) and kept as tensors."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from lightning_sweeps.datamodules.folds import Split, Stage
from lightning_sweeps.datamodules.images import ImageDataModule
from lightning_sweeps.errors import DataError

log = logging.getLogger(__name__)
SECONDS_OF_A_DOWNLOAD = 3600.0


class TorchvisionSet(ImageDataModule):
    """A data set of ``torchvision.datasets`` with the constructor ``(root, train, download)``.

    The last ``val_size`` of the training images in a fixed random order are the validation images.

    Args:
        data_dir: where the files are or go; relative to the working folder.
        download: fetch what is not there.
        settings: of ``ImageDataModule``.

    Raises:
        DataError: the files are not there and are not to be fetched; from ``setup``: they cannot be, or are damaged.
            It says where to put which.
    """

    dataset: ClassVar[str]  # the class in torchvision.datasets
    folder: ClassVar[str]  # below data_dir
    files: ClassVar[tuple[str, ...]]  # in the folder
    val_size: ClassVar[int]

    def __init__(self, data_dir: str = "data", download: bool = True, **settings: Any) -> None:
        super().__init__(**settings)
        self.data_dir = Path(data_dir)
        self.download = download
        if not download and not self._is_there():
            raise self._error(f"there is no {self.dataset} in {self.data_dir.absolute()}, and download=false")

    def prepare_data(self) -> None:
        if not self.download:
            return
        with self._turn():  # a file that is there may be half of one that another process fetches
            # torchvision reads everything once more to find that there is nothing to download.
            if not self._is_there():
                self._open(train=True, download=True)

    def load(self) -> dict[Stage, Split]:
        train_set, test_set = self._open(train=True), self._open(train=False)
        images, labels = self._as_tensors(train_set)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
        val_size = min(self.val_size, len(labels) // 6)
        train, val = order[:-val_size].sort().values, order[-val_size:].sort().values
        return {
            "train": Split(images[train], labels[train]),
            "val": Split(images[val], labels[val]),
            "test": Split(*self._as_tensors(test_set)),
        }

    def _is_there(self) -> bool:
        return all((self.data_dir / self.folder / file).is_file() for file in self.files)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Those who fetch the same data do so one after another: the trials of several slots."""
        lock = FileLock(self.data_dir / f".{self.folder.replace('/', '-')}.lock")
        with ExitStack() as stack:
            try:
                self.data_dir.mkdir(parents=True, exist_ok=True)
                try:
                    stack.enter_context(lock.acquire(timeout=0))
                except Timeout:
                    log.info("another process is fetching %s; waiting for it", self.dataset)
                    stack.enter_context(lock.acquire(timeout=SECONDS_OF_A_DOWNLOAD))
            except Timeout as error:
                raise DataError(
                    f"another process has been fetching {self.dataset} for an hour: {lock.lock_file}"
                ) from error
            except OSError:  # data that may only be read
                pass
            yield

    def _open(self, train: bool, download: bool = False) -> Any:
        import torchvision.datasets

        folder = self.data_dir.absolute()
        try:
            return getattr(torchvision.datasets, self.dataset)(str(self.data_dir), train=train, download=download)
        except (RuntimeError, OSError, ValueError, EOFError, AssertionError, LookupError) as error:
            reason = " ".join(str(error).split())
            if "not found" in reason and not download:
                problem = f"there is no {self.dataset} in {folder}"
            elif download and isinstance(error, OSError | RuntimeError) and "corrupted" not in reason:
                problem = f"there is no {self.dataset} in {folder}, and it cannot be downloaded ({reason})"
            else:
                problem = f"{self.dataset} in {folder} is damaged ({reason or 'not in the format of its files'})"
            raise self._error(problem) from error

    def _as_tensors(self, dataset: Any) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) uint8 and (N,) int64 from torchvision's ``data`` and ``targets``."""
        images, labels = torch.as_tensor(dataset.data), torch.as_tensor(dataset.targets)
        if len(images) != len(labels):
            folder = self.data_dir.absolute()
            raise self._error(f"{self.dataset} in {folder} is damaged ({len(images)} images, {len(labels)} labels)")
        return images.permute(0, 3, 1, 2).contiguous() if images.ndim == 4 else images.unsqueeze(1), labels

    def _error(self, problem: str) -> DataError:
        folder = self.data_dir.absolute() / self.folder
        return DataError(
            f"{problem}.\nPut {', '.join(self.files)} into {folder}, "
            f"or name the folder that has {self.folder}: datamodule.data_dir=/path"
        )


_IDX_FILES = tuple(f"{split}-{part}-ubyte" for split in ("train", "t10k") for part in ("images-idx3", "labels-idx1"))


class MNIST(TorchvisionSet):
    """70,000 handwritten digits, 28x28: 55,000 train, 5,000 validation, 10,000 test."""

    dataset = "MNIST"
    folder = "MNIST/raw"
    files = _IDX_FILES
    val_size = 5_000
    class_names = tuple("0123456789")
    image_shape = (1, 28, 28)
    mean = (0.1307,)
    std = (0.3081,)


class FashionMNIST(TorchvisionSet):
    """70,000 pieces of clothing, 28x28: 55,000 train, 5,000 validation, 10,000 test."""

    dataset = "FashionMNIST"
    folder = "FashionMNIST/raw"
    files = _IDX_FILES
    val_size = 5_000
    class_names = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot")
    image_shape = (1, 28, 28)
    mean = (0.2860,)
    std = (0.3530,)


class CIFAR10(TorchvisionSet):
    """60,000 colour photographs, 32x32: 45,000 train, 5,000 validation, 10,000 test."""

    dataset = "CIFAR10"
    folder = "cifar-10-batches-py"
    files = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
    val_size = 5_000
    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    image_shape = (3, 32, 32)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
