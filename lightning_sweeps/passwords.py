"""Passwords of storage URLs go nowhere: not to the screen, not into a file."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

_IN_URL = re.compile(r"(://[^/@\s]*?):[^/\s]*@")
_IN_QUERY = re.compile(r"([?&;][^=&\s]*pass(?:word|wd|file)?=)[^&\s'\"]*", re.IGNORECASE)


def masked(text: str) -> str:
    """The text without the passwords of the URLs in it."""
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub(r"\1:***@", text))


def hide_passwords(config: DictConfig) -> None:
    """Mask the storage in the ``hydra`` node of a config, and what was typed for it."""
    hydra: Any = config.hydra
    with read_write(hydra), open_dict(hydra):
        storage = OmegaConf.select(hydra, "sweeper.storage")
        if storage is not None:
            hydra.sweeper.storage = masked(str(storage))
        typed: Any = OmegaConf.to_container(hydra.overrides.hydra, resolve=False)
        hydra.overrides.hydra = [masked(line) if "sweeper.storage" in line else line for line in typed]
