"""Batches as slices of tensors that are already in memory: no per-image Python, no worker processes."""

from collections.abc import Iterator
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import SequentialSampler


class Batches:
    """An iterable of batches from tensors of equal length, in Lightning's place of a ``DataLoader``.

    The order of epoch ``e`` depends on ``seed`` and ``e`` alone, so a run that goes on from a checkpoint sees the
    images in the order it would have seen them; ``state_dict`` keeps the place within an epoch.

    Args:
        tensors: the data, first dimension the samples.
        batch_size: samples per batch and process; the last batch may be smaller. Shuffled, a last batch of a single
            sample is left out: batch normalisation cannot take it.
        shuffle: a new order each epoch.
        rank, world_size: this process and the number of processes; each gets its own samples and all get the same
            number of batches. Shuffled, the ``n % world_size`` samples left over sit the epoch out; in order, none do.
    """

    batch_sampler = None  # Lightning looks for it if it finds a sampler

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.tensors = tensors
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self._epoch = 0
        self._ahead = 0  # so many epochs Lightning counts too many
        self._resumed: int | None = None  # the epoch within which a checkpoint was written
        self._position = 0  # the next batch
        self._start = 0  # where the next iteration begins: not at 0 only after load_state_dict

    @property
    def sampler(self) -> "Batches | SequentialSampler":
        """Lightning tells the epoch to ``loader.sampler``, and looks there whether the data come in order."""
        return self if self.shuffle else SequentialSampler(self.tensors[0])

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration.

        After ``max_steps`` has ended a run within an epoch Lightning takes that epoch as done, and goes on with it.
        """
        if self._resumed is not None:
            self._ahead, self._resumed = epoch - self._resumed, None
        self._epoch = epoch - self._ahead

    def __len__(self) -> int:
        samples = len(self.tensors[0])
        if not self.shuffle:
            # The largest share decides, so that no process of a distributed evaluation runs out of batches first.
            return ceil(ceil(samples / self.world_size) / self.batch_size)
        full, rest = divmod(samples // self.world_size, self.batch_size)
        return full + (rest > 1 or (rest == 1 and full == 0))

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        self._position, self._start = self._start, 0
        parts = self._shuffled() if self.shuffle else self._in_order()
        for part in parts[self._position : len(self)]:
            self._position += 1
            yield tuple(_rows(tensor, part) for tensor in self.tensors)

    def _shuffled(self) -> tuple[Tensor, ...]:
        samples = len(self.tensors[0])
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self._epoch)
        order = torch.randperm(samples, generator=generator).to(self.tensors[0].device)
        share = samples // self.world_size
        parts: tuple[Tensor, ...] = order[: share * self.world_size][self.rank :: self.world_size].split(
            self.batch_size
        )  # type: ignore[no-untyped-call]
        return parts

    def _in_order(self) -> Any:
        samples = len(self.tensors[0])
        if self.world_size == 1:
            return [slice(start, start + self.batch_size) for start in range(0, samples, self.batch_size)]
        share = torch.arange(self.rank, samples, self.world_size, device=self.tensors[0].device)
        return share.tensor_split(len(self))

    def state_dict(self) -> dict[str, int]:
        """The place within the epoch, and the epoch, for a checkpoint."""
        return {"position": self._position, "epoch": self._epoch, "ahead": self._ahead}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next iteration where the checkpoint was written."""
        self._start = state["position"]
        self._ahead = state.get("ahead", 0)
        if self._start:  # Lightning makes the iterator, and fetches from it, before it tells the epoch
            self._epoch = self._resumed = state.get("epoch", self._epoch)


def _rows(tensor: Tensor, part: Tensor | slice) -> Tensor:
    # Indexing with a tensor does the same in five times the time.
    return tensor[part] if isinstance(part, slice) else tensor.index_select(0, part)
