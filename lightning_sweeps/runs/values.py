"""Values of the wrong kind, found by comparing with the config files before anything heavy is imported."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.metric_names import is_of_validation
from lightning_sweeps.overrides.groups import find_groups

_COUNTS = {f"trainer.{name}" for name in ("max_epochs", "min_epochs", "max_steps", "min_steps")}
_FROM_ONE = {f"trainer.{name}" for name in ("accumulate_grad_batches", "check_val_every_n_epoch", "num_nodes")}
_WORDS = {"trainer.deterministic": (True, False, "warn")}  # Lightning takes any other for true
# Their own documentation allows more kinds than the value in the file shows.
_FREE = {"trainer.devices", "trainer.fast_dev_run"}


def require_kinds(config: Mapping[str, Any], choices: Mapping[str, Any], folders: Sequence[Path]) -> None:
    """Where a config file has a number, a boolean or a list, the composed value must be one too.

    ``None`` and interpolations in the file allow anything; a list may stand for a number (a width per layer).

    Args:
        config: the composed config as plain containers.
        choices: config group -> option.
        folders: where the config files are searched.

    Raises:
        ConfigError: names the key, the value, and what the file has there.
    """
    groups = find_groups(folders)
    for group, option in choices.items():
        file = groups.get(group, {}).get(str(option))
        if file is not None and isinstance(config.get(group), Mapping):
            _compare(_plain(file), config[group], group, file)
    root = next(file for folder in folders if (file := folder / "config.yaml").is_file())
    defaults = {key: value for key, value in _plain(root).items() if key not in ("defaults", "hydra")}
    _compare(defaults, config, "", root)
    _require_words(config)


def of_another_target(group: str, given: Mapping[str, Any], option: str, folders: Sequence[Path]) -> list[str]:
    """Keys that a group's option has left in a config whose ``_target_`` is another than the option's.

    A config file that has a ``model:`` of its own is merged into the default model.

    Args:
        given: what was composed for the group.
        folders: where the config files are searched.
    """
    file = find_groups(folders).get(group, {}).get(option)
    example = _plain(file) if file is not None else {}
    if example.get("_target_") in (None, given.get("_target_")):
        return []
    return [key for key in example if key in given and not key.startswith("_")]


def require_a_validation(config: Mapping[str, Any]) -> None:
    """A search by a metric of the validation needs one.

    Raises:
        ConfigError: the run ends before the first.
    """
    reason = no_validation(config)
    if (stage := config.get("stage")) in ("test", "predict") and is_of_validation(str(config["objective"]["metric"])):
        reason = f"stage={stage} has no validation"
    if reason is not None:
        raise ConfigError(f"objective.metric={config['objective']['metric']}: {reason}")


def no_validation(config: Mapping[str, Any]) -> str | None:
    """Why a run will never log the objective, if its name says that it is of the validation; None if it may."""
    metric = str((config.get("objective") or {}).get("metric"))
    trainer = config.get("trainer") or {}
    every, epochs, limit = (
        trainer.get(name) for name in ("check_val_every_n_epoch", "max_epochs", "limit_val_batches")
    )
    if not is_of_validation(metric) or trainer.get("fast_dev_run"):
        return None
    if epochs == 0:
        return "trainer.max_epochs=0 trains nothing"
    if limit == 0:
        return "trainer.limit_val_batches=0 leaves no validation"
    if isinstance(every, int) and isinstance(epochs, int) and 0 < epochs < every:
        return f"the first validation comes after epoch {every}, and trainer.max_epochs={epochs} ends before"
    return None


def _plain(file: Path) -> Mapping[str, Any]:
    return _read(file, file.stat().st_mtime_ns)


@functools.cache
def _read(file: Path, _changed: int) -> Mapping[str, Any]:
    loaded: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    return loaded or {}


def read_examples(choices: Mapping[str, Any], folders: Sequence[Path]) -> None:
    """Read these choices' config files now, so that the processes forked from this one need not."""
    groups = find_groups(folders)
    for group, option in choices.items():
        file = groups.get(group, {}).get(str(option))
        if file is not None:
            _plain(file)
    for folder in folders:
        _plain(folder / "config.yaml")


def _compare(example: Mapping[str, Any], given: Mapping[str, Any], where: str, file: Path) -> None:
    for key, shown in example.items():
        name = f"{where}.{key}" if where else str(key)
        value = given.get(key)
        if key not in given or value is None or name in _FREE or (isinstance(value, str) and value[:2] in ("??", "${")):
            continue
        if isinstance(shown, Mapping) and isinstance(value, Mapping):
            _compare(shown, value, name, file)
        elif name in _COUNTS and isinstance(value, float):
            raise ConfigError(f"{name}={value}: this must be a whole number")
        elif (wanted := _wanted(shown)) is not None and not _is(value, wanted):
            raise ConfigError(f"{name}={value}: this must be {wanted}, as in {file.name}, which has {key}: {shown}")
        elif name in _FROM_ONE and value < 1:
            raise ConfigError(f"{name}={value}: this must be at least 1")


def _require_words(config: Mapping[str, Any]) -> None:
    for name, words in _WORDS.items():
        group, _, key = name.partition(".")
        value = (config.get(group) or {}).get(key)
        if value is not None and value not in words and "${" not in str(value):
            raise ConfigError(f"{name}={value}: it is {', '.join(map(str, words)).lower()}")


def _wanted(shown: Any) -> str | None:
    if isinstance(shown, bool):
        return "true or false"
    if isinstance(shown, int | float):
        return "a number"
    return "a list" if isinstance(shown, list) else None


def _is(value: Any, wanted: str) -> bool:
    if wanted == "true or false":
        return isinstance(value, bool)
    if wanted == "a number" and isinstance(value, int | float):
        return not isinstance(value, bool)
    return isinstance(value, list)
