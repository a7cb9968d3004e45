"""What a saved config has that the config files do not compose by themselves: as overrides, and as an experiment."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.groups import CONF, add_config_folder
from lightning_sweeps.overrides.text import quoted, written


@dataclass(frozen=True)
class Primary:
    """The config that a program starts from: the folder of its config files, if any, and the name of the first.

    ``added`` are the folders that ``--config-dir`` named.
    """

    folder: Path | None
    name: str
    added: tuple[Path, ...] = ()


_GONE = object()
_NO_PART_OF_A_RECIPE = ("experiment", "search")


def drift(saved: Mapping[str, Any], primary: Primary, overrides: Sequence[str]) -> list[str]:
    """Overrides that bring back the saved config if the config files have changed since; empty if they have not.

    Args:
        saved: a run's config, as plain containers with its interpolations.
        overrides: what was typed for that run.
    """
    composed, _ = _compose(primary, overrides)
    return [
        f"~{key}" if value is _GONE else f"++{key}={written(value)}"
        for key, value in _differences(saved, composed).items()
    ]


def experiment(
    saved: Mapping[str, Any], choices: Mapping[str, Any], primary: Primary, name: str, program: str, about: str
) -> str:
    """The text of ``experiment/NAME.yaml`` that composes the saved config: its choices, and the values that differ.

    Args:
        choices: config group -> option of the saved run.
        program: the command that composes it, up to the overrides.
        about: a comment.

    Raises:
        ConfigError: no experiment can compose it, since it lacks a key of the config files.
    """
    _, usual = _compose(primary, [])
    chosen = {group: option for group, option in choices.items() if not _no_part(group) and option != usual.get(group)}
    chosen |= {group: None for group in usual if group not in choices and not _no_part(group)}  # typed as ~group
    base, _ = _compose(
        primary,
        [f"{group}={written(option)}" if option is not None else f"~{group}" for group, option in chosen.items()],
    )
    values = _differences(saved, base)
    if gone := [key for key, value in values.items() if value is _GONE]:
        raise ConfigError(
            f"the run has no {', '.join(gone)}, which the configs have, and an experiment cannot take a key away.\n"
            "Leave --to-experiment out to run the trial as it was"
        )
    content: dict[str, Any] = {}
    if chosen:
        content["defaults"] = [{f"override /{group}": option} for group, option in chosen.items()]
    for key, value in values.items():
        *path, last = key.split(".")
        node = content
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    override = f"experiment={name}" if "experiment" in usual else f"+experiment={name}"
    text = f"# @package _global_\n# {program} {override}\n# {about}\n{OmegaConf.to_yaml(content)}"
    _require_same(text, saved, primary, name, override)
    return text


def _no_part(group: str) -> bool:
    return group.startswith("hydra") or group in _NO_PART_OF_A_RECIPE


def _require_same(text: str, saved: Mapping[str, Any], primary: Primary, name: str, override: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "experiment", f"{name}.yaml")
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        composed, _ = _compose(primary, [f"hydra.searchpath=[{quoted(f'file://{folder}')}]", override])
    if left := _differences(saved, composed):
        raise ConfigError(
            f"no experiment can compose this run: {', '.join(left)} would be otherwise.\n"
            f"The defaults of {primary.name}.yaml must begin with _self_, or its own values win over an experiment's"
        )


def _compose(primary: Primary, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config and the choices of its groups."""
    if primary.folder is None:
        raise ConfigError("its program has its config in its code, and no config files to compose from")
    if primary.folder != CONF:
        add_config_folder(CONF)
    for folder in primary.added:
        add_config_folder(folder)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(primary.folder)):
        config = compose(primary.name, list(overrides), return_hydra_config=True)
    plain: Any = OmegaConf.to_container(config, resolve=False)
    choices: dict[str, Any] = plain.pop("hydra")["runtime"]["choices"]
    return plain, choices


def _differences(wanted: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> the wanted value, or that it should not be there."""
    found: dict[str, Any] = {}
    for key in [*wanted, *(key for key in given if key not in wanted)]:
        name = f"{prefix}{key}"
        if key not in wanted:
            found[name] = _GONE
        elif isinstance(wanted[key], Mapping) and isinstance(given.get(key), Mapping):
            found |= _differences(wanted[key], given[key], f"{name}.")
        elif key not in given or (type(wanted[key]), wanted[key]) != (type(given[key]), given[key]):
            found[name] = wanted[key]
    return found
