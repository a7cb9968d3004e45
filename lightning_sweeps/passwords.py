"""Passwords of storage URLs go nowhere: not to the screen, not into a file."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightning_sweeps.overrides import quoted

_IN_URL = re.compile(r"(://[^/@\s]*?):[^/\s]+@")
_IN_QUERY = re.compile(r"([?&;][^=&\s]*pass(?:word|wd|file)?=)[^&\s'\"]*", re.IGNORECASE)


def masked(text: str) -> str:
    """The text without the passwords of the URLs in it."""
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub(r"\1:***@", text))


def hide_passwords(config: DictConfig) -> None:
    """Mask the storage in the ``hydra`` node of a config, and what was typed for it.

    ``${oc.env:...}`` stays: it is no password, and what it stands for is read where it is needed.
    """
    hydra: Any = config.hydra
    sweeper: Any = OmegaConf.to_container(hydra.sweeper, resolve=False)
    storage = sweeper.get("storage")
    if not _has_password(storage):
        return
    with read_write(hydra), open_dict(hydra):
        hydra.sweeper.storage = masked(storage)
        typed: Any = OmegaConf.to_container(hydra.overrides.hydra, resolve=False)
        if not any("sweeper.storage" in line for line in typed):  # Hydra composes a job's config from the overrides
            typed.append(f"hydra.sweeper.storage={quoted(storage)}")
        hydra.overrides.hydra = [masked(line) if "sweeper.storage" in line else line for line in typed]


def _has_password(storage: Any) -> bool:
    literal = re.sub(r"\$\{[^}]*\}", "", str(storage))
    return masked(literal) != literal
