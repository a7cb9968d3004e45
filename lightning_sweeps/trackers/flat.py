"""Nested values as flat hyperparameters."""

from collections.abc import Mapping
from typing import Any

from lightning_sweeps.trackers.contract import Plain


def flatten(node: Mapping[str, Any], prefix: str, flat: dict[str, Plain]) -> None:
    """Add the node's values to the flat ones: ``model/net/width``. What begins with ``_`` is Hydra's."""
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        if isinstance(value, Mapping):
            flatten(value, f"{prefix}/{key}", flat)
        else:
            flat[f"{prefix}/{key}"] = plain(value)


def plain(value: Any) -> Plain:
    """The value, or as text if it is a list, None or another object."""
    return value if isinstance(value, bool | int | float | str) else str(value)
