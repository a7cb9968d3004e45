"""Batches: slices in an order that depends on seed and epoch alone."""

from itertools import chain

import pytest
import torch

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
