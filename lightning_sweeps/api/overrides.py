"""Overrides that a Python program gives."""

from collections.abc import Sequence
from typing import Any

from lightning_sweeps.errors import ConfigError

MULTIRUN = ("-m", "--multirun")


def typed(given: Any) -> list[str]:
    """The overrides as a list of texts.

    Raises:
        ConfigError: they are none.
    """
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):
        raise ConfigError(f"overrides are a list of texts, ['model=mlp', 'seed=1'], and not {given!r}")
    if any(one in MULTIRUN for one in given):
        raise ConfigError("-m is what search() adds, and run() does not")
    return list(given)
