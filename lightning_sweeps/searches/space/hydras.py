"""What is used of Hydra and OmegaConf beside their public interface to compose the configs of trials.

Hydra's public way to a job's config, ``load_sweep_config``, reads and merges all config files for each trial. It takes
a tenth of a second, more than all else that a search adds to a trial. Tested with Hydra 1.4 and OmegaConf 2.4; if a
release has other names, ``tests/test_private_parts.py`` says which.
"""

import dataclasses
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from omegaconf import DictConfig, ValueNode


def apply_overrides(values: list[Override], config: DictConfig) -> None:
    """Apply overrides of values, not of config groups, as Hydra does."""
    ConfigLoaderImpl._apply_overrides_to_config(values, config)


def holds(config: DictConfig, key: str, value: Any) -> bool:
    """Whether a value is at this key of a config, which may have converted it to the type that the key has."""
    node = held(config, key)
    if not isinstance(node, ValueNode):
        return False
    # The type decides whether 1 and 1.0, or a name and its enum, are one. Not-a-number does not equal itself.
    told, there = node.validate_and_convert(value), node._value()
    return bool(told == there) or repr(told) == repr(there)


def held(config: DictConfig, key: str) -> Any:
    """What is at this key, for people; not resolved."""
    return config._select_impl(key, throw_on_missing=False, throw_on_resolution_failure=False)[2]


def without_shuffle(override: Override) -> Override:
    """The override in the order in which it was typed; ``shuffle`` gives another one each time that it is asked."""
    value = override.value()
    if isinstance(value, ChoiceSweep | RangeSweep) and value.shuffle:
        return dataclasses.replace(override, _value=dataclasses.replace(value, shuffle=False))
    return override
