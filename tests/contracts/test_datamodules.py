"""What every datamodule of this package keeps."""

import subprocess
import sys

import pytest
import torch

from lightning_sweeps.datamodules import CIFAR10, MNIST, Digits, FashionMNIST, ImageDataModule
from lightning_sweeps.errors import ConfigError, DataError


class DataModuleContract:
    """Inherited once per datamodule; a subclass makes one."""

    batch_size = 8

    def make(self, **settings) -> ImageDataModule:
        raise NotImplementedError

    @pytest.fixture
    def datamodule(self, data_files):
        datamodule = self.make(batch_size=self.batch_size)
        datamodule.prepare_data()
        datamodule.setup("fit")
        return datamodule

    def test_knows_shape_and_classes_before_it_loads(self):
        datamodule = self.make()
        assert len(datamodule.image_shape) == 3
        assert datamodule.num_classes == len(datamodule.class_names) == 10

    def test_keeps_bytes_in_memory(self, datamodule):
        for split in datamodule.splits.values():
            assert split.images.dtype == torch.uint8
            assert split.labels.dtype == torch.int64
            assert split.images.shape == (len(split.labels), *datamodule.image_shape)
            assert split.labels.min() >= 0
            assert split.labels.max() < datamodule.num_classes

    def test_splits_share_no_image(self, datamodule):
        seen = [{image.numpy().tobytes() for image in split.images} for split in datamodule.splits.values()]
        assert seen[0].isdisjoint(seen[1])
        assert seen[0].isdisjoint(seen[2])
        assert seen[1].isdisjoint(seen[2])

    def test_splits_are_the_same_in_every_process(self, datamodule):
        again = self.make(seed=123, batch_size=1)
        again.setup("fit")
        for stage, split in datamodule.splits.items():
            assert torch.equal(split.images, again.splits[stage].images)
            assert torch.equal(split.labels, again.splits[stage].labels)

    def test_model_sees_normalised_floats(self, datamodule):
        images, labels = datamodule.on_after_batch_transfer(next(iter(datamodule.train_dataloader())), 0)
        assert images.dtype == torch.float32
        assert images.shape == (self.batch_size, *datamodule.image_shape)
        assert labels.shape == (self.batch_size,)
        raw = datamodule.splits["val"].images[:1]
        mean = torch.tensor(datamodule.mean).view(1, -1, 1, 1)
        std = torch.tensor(datamodule.std).view(1, -1, 1, 1)
        normalised, _ = datamodule.on_after_batch_transfer((raw, labels[:1]), 0)
        torch.testing.assert_close(normalised, (raw / 255 - mean) / std)

    def test_all_loaders_give_every_sample_once(self, datamodule):
        for stage, loader in (
            ("val", datamodule.val_dataloader()),
            ("test", datamodule.test_dataloader()),
            ("test", datamodule.predict_dataloader()),
        ):
            labels = torch.cat([labels for _, labels in loader])
            assert torch.equal(labels, datamodule.splits[stage].labels)
        labels = torch.cat([labels for _, labels in datamodule.train_dataloader()])
        expected = datamodule.splits["train"].labels
        assert labels.bincount().tolist() == expected.bincount().tolist()

    @pytest.mark.parametrize("batch_size", [0, -1, 2.5])
    def test_refuses_an_impossible_batch_size(self, batch_size):
        with pytest.raises(ConfigError, match=r"datamodule.batch_size"):
            self.make(batch_size=batch_size)

    def test_refuses_a_batch_larger_than_the_data(self, data_files):
        with pytest.raises(DataError, match=r"larger than the \d+ training images; use at most \d+"):
            self.make(batch_size=10**6).setup("fit")

    def test_augments_batches_in_training_only(self, data_files):
        datamodule = self.make(batch_size=self.batch_size, augmentation={"shift": 1, "flip": True, "crop": 1})
        datamodule.setup("fit")
        batch = next(iter(datamodule.val_dataloader()))
        plain, _ = datamodule.on_after_batch_transfer(batch, 0)
        again, _ = datamodule.on_after_batch_transfer(batch, 0)
        assert torch.equal(plain, again)
        assert datamodule.augment(batch[0]).shape == batch[0].shape


class TestDigits(DataModuleContract):
    def make(self, **settings):
        return Digits(**settings)

    def test_is_what_scikit_learn_ships(self):
        from sklearn.datasets import load_digits

        datamodule = Digits()
        datamodule.setup("fit")
        bunch = load_digits()
        theirs = sorted(
            zip((bunch.images * 255 // 16).astype("uint8").reshape(-1, 64).tolist(), bunch.target.tolist(), strict=True)
        )
        images = torch.cat([split.images for split in datamodule.splits.values()]).reshape(-1, 64).tolist()
        labels = torch.cat([split.labels for split in datamodule.splits.values()]).tolist()
        assert sorted(zip(images, labels, strict=True)) == theirs

    def test_is_stratified(self):
        datamodule = Digits()
        datamodule.setup("fit")
        for split in datamodule.splits.values():
            shares = split.labels.bincount() / len(split.labels)
            assert (shares - 0.1).abs().max() < 0.01


class TestMNIST(DataModuleContract):
    def make(self, **settings):
        return MNIST("data", **settings)

    def test_says_where_the_files_go(self, own_folder):
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte, .* into .*/nowhere/MNIST/raw"):
            MNIST("nowhere", download=False).setup("fit")

    def test_says_that_a_file_is_damaged(self, data_files):
        file = data_files / "MNIST" / "raw" / "train-images-idx3-ubyte"
        file.write_bytes(file.read_bytes()[:1000])
        with pytest.raises(DataError, match="damaged"):
            self.make(batch_size=1).setup("fit")


class TestFashionMNIST(DataModuleContract):
    def make(self, **settings):
        return FashionMNIST("data", **settings)


class TestCIFAR10(DataModuleContract):
    def make(self, **settings):
        return CIFAR10("data", **settings)

    def test_says_that_a_checksum_is_wrong(self, data_files):
        file = data_files / "cifar-10-batches-py" / "data_batch_2"
        file.write_bytes(b"x" + file.read_bytes())
        with pytest.raises(DataError, match=r"CIFAR10 in .*(damaged|no CIFAR10)|there is no CIFAR10"):
            self.make(batch_size=1).setup("fit")


FETCH = """
import sys, time
from pathlib import Path
from lightning_sweeps.datamodules import torchvision_sets

class Slow(torchvision_sets.TorchvisionSet):
    dataset, folder, files, val_size = "Slow", "slow", ("a", "b"), 1
    def load(self): raise NotImplementedError
    def _open(self, train, download=False):
        (self.data_dir / "slow").mkdir(exist_ok=True)
        with open(self.data_dir / "fetched", "a") as file: file.write("x")
        for name in self.files:
            (self.data_dir / "slow" / name).touch()
            time.sleep(0.5)

Slow.__abstractmethods__ = frozenset()
Slow(data_dir="data").prepare_data()
assert all(Path("data/slow", name).is_file() for name in "ab")
"""


@pytest.mark.slow
def test_trials_that_need_one_data_set_fetch_it_once(own_folder):
    fetching = [subprocess.Popen([sys.executable, "-c", FETCH]) for _ in range(2)]
    assert [process.wait(60) for process in fetching] == [0, 0]
    assert (own_folder / "data" / "fetched").read_text() == "x"
