"""Batches: slices in an order that depends on seed and epoch alone."""

from itertools import chain

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_sweeps.datamodules import Batches


def batches(samples=100, **settings):
    data = torch.arange(samples)
    return Batches((data, data * 2), **{"batch_size": 8, **settings})


def order(loader):
    return torch.cat([first for first, _ in loader]).tolist()


def test_in_order_gives_views_without_a_copy():
    loader = batches()
    first, _ = next(iter(loader))
    assert first.data_ptr() == loader.tensors[0].data_ptr()
    assert order(loader) == list(range(100))


def test_shuffled_gives_each_sample_once_with_its_label():
    loader = batches(shuffle=True)
    assert sorted(order(loader)) == list(range(100))
    assert all(torch.equal(second, first * 2) for first, second in loader)


def test_order_changes_with_the_epoch_and_the_seed_and_with_nothing_else():
    first, same, other = batches(shuffle=True), batches(shuffle=True), batches(shuffle=True, seed=1)
    assert order(first) == order(first) == order(same) != order(other)
    before = order(first)
    first.set_epoch(1)
    assert order(first) != before


def test_goes_on_within_an_epoch():
    loader, restored = batches(shuffle=True), batches(shuffle=True)
    iterator = iter(loader)
    seen = [next(iterator) for _ in range(5)]
    restored.load_state_dict(loader.state_dict())
    rest = order(restored)
    assert len(rest) == 100 - sum(len(first) for first, _ in seen)
    assert set(rest).isdisjoint(torch.cat([first for first, _ in seen]).tolist())
    assert len(order(restored)) == 100, "the next epoch is whole again"


@pytest.mark.parametrize(("samples", "expected"), [(17, [8, 8]), (18, [8, 8, 2]), (16, [8, 8]), (1, [1])])
def test_a_single_left_over_sample_is_left_out_of_training(samples, expected):
    loader = batches(samples, shuffle=True)
    assert [len(first) for first, _ in loader] == expected
    assert len(loader) == len(expected)


@pytest.mark.parametrize("samples", [256, 257, 258, 259, 300, 5])
@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_the_evaluation_without_gaps_and_in_step(samples, world_size):
    loaders = [batches(samples, batch_size=64, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert len({len(list(loader)) for loader in loaders}) == 1
    assert sorted(chain.from_iterable(order(loader) for loader in loaders)) == list(range(samples))


@pytest.mark.parametrize("samples", [256, 257, 300])
def test_processes_share_the_training_in_step(samples):
    loaders = [batches(samples, shuffle=True, rank=rank, world_size=2) for rank in range(2)]
    assert len({tuple(len(first) for first, _ in loader) for loader in loaders}) == 1
    seen = list(chain.from_iterable(order(loader) for loader in loaders))
    assert len(seen) == len(set(seen)) == samples // 2 * 2


class Counting(pl.LightningModule):
    """Notes which batches it sees, in which stage."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen = torch.nn.Linear(1, 1), []

    def training_step(self, batch, index):
        self.seen.append(("train", index, batch[0].flatten().tolist()))
        return self.layer(batch[0]).sum()

    def validation_step(self, batch, index):
        self.seen.append(("val", index, batch[0].flatten().tolist()))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


@pytest.mark.filterwarnings("ignore")  # Lightning's, of workers and of overfitting
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"limit_train_batches": 3},
        {"limit_train_batches": 0.5},
        {"limit_val_batches": 1},
        {"limit_val_batches": 0},
        {"overfit_batches": 2},
        {"overfit_batches": 0.5},
        {"val_check_interval": 2},
        {"val_check_interval": 0.5},
        {"check_val_every_n_epoch": 2},
        {"num_sanity_val_steps": 0},
        {"num_sanity_val_steps": -1},
        {"max_steps": 7},
        {"accumulate_grad_batches": 3},
        {"fast_dev_run": True},
        {"fast_dev_run": 2},
        {"min_steps": 20, "max_epochs": 1},
        {"reload_dataloaders_every_n_epochs": 1},
    ],
    ids=str,
)
def test_every_argument_of_the_trainer_does_what_it_does_with_a_dataloader(arguments):
    data = torch.arange(22.0).view(-1, 1)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    seen = []
    for ours in (False, True):
        loaders = (
            [Batches((data[start:],), 4) for start in (0, 12)]
            if ours
            else [DataLoader(TensorDataset(data[start:]), batch_size=4) for start in (0, 12)]
        )
        module = Counting()
        trainer = pl.Trainer(accelerator="cpu", **{"max_epochs": 3, **quiet, **arguments})
        trainer.fit(module, *loaders)
        seen.append((module.seen, trainer.global_step))
    assert seen[0] == seen[1]
