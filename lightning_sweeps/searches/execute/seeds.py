"""Reseed after the fork, or unseeded trials share one random stream. A seed that the program has set is kept."""

import random
import sys
from collections.abc import Iterable
from typing import Any

BITS_OF_A_PERSONS_SEED = 32  # torch draws 64 bits if nobody sets its seed
BITS_OF_A_GENERATORS_SEED = 96  # NumPy draws 128


class Generators:
    """The random generators of a program that will be forked, perhaps by way of a process in between.

    A program that has set a seed has set it for every trial, which then draws what a run of the program draws. NumPy
    and torch tell whether that was so; Python's own generator does not, and goes with them.

    Args:
        objects: all that the program has.
    """

    def __init__(self, objects: Iterable[object]) -> None:
        self._pythons = random.getstate() if _seeded() else None  # a fork reseeds it
        self._unseeded = _made_without_a_seed(objects)

    def after_fork(self) -> None:
        """Reseed, in a trial, the generators that nobody has seeded."""
        numpy, torch = sys.modules.get("numpy.random"), sys.modules.get("torch")
        for generator in self._unseeded:
            bits = generator.bit_generator
            bits.state = type(bits)().state
        if numpy is not None and not _numpy_seeded():
            numpy.seed()
        if torch is not None and not _torch_seeded():
            torch.default_generator.seed()
        if self._pythons is not None:
            random.setstate(self._pythons)


def _made_without_a_seed(objects: Iterable[object]) -> list[Any]:
    """NumPy's ``default_rng()`` and the like."""
    numpy = sys.modules.get("numpy.random")
    if numpy is None:
        return []
    return [one for one in objects if type(one) is numpy.Generator and _is_unseeded(one)]


def seeded_states() -> dict[str, Any]:
    """The states of the generators that the program has seeded, to be set in another interpreter."""
    states: dict[str, Any] = {}
    if _seeded():
        states["random"] = random.getstate()
    if _numpy_seeded():
        states["numpy"] = sys.modules["numpy.random"].get_state()
    if _torch_seeded():
        states["torch"] = sys.modules["torch"].get_rng_state()
    return states


def set_states(states: dict[str, Any]) -> None:
    """Set them, as far as their libraries are imported."""
    if "random" in states:
        random.setstate(states["random"])
    if "numpy" in states and "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(0)  # this marks it as seeded
        sys.modules["numpy.random"].set_state(states["numpy"])
    if "torch" in states and "torch" in sys.modules:
        sys.modules["torch"].set_rng_state(states["torch"])


def _seeded() -> bool:
    return _numpy_seeded() or _torch_seeded()  # Lightning's seed_everything does both


def _numpy_seeded() -> bool:
    numpy = sys.modules.get("numpy.random")
    return numpy is not None and numpy.get_bit_generator().seed_seq is None


def _torch_seeded() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and int(torch.initial_seed()).bit_length() <= BITS_OF_A_PERSONS_SEED


def _is_unseeded(generator: Any) -> bool:
    entropy = getattr(generator.bit_generator.seed_seq, "entropy", None)
    return isinstance(entropy, int) and entropy.bit_length() > BITS_OF_A_GENERATORS_SEED
