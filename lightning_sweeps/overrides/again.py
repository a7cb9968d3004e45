"""Commands that the user can copy: how to start this run again."""

import json
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.command_line import from_here, program
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.overrides.text import key_of, override_value, replaced

GO_ON = "LIGHTNING_SWEEPS_GO_ON"  # a search's folder, and the overrides that were typed to go on with it
ONE_RUN = "LIGHTNING_SWEEPS_ONE_RUN"  # the folder of the one trial that the command is to run again


def command_again(overrides: Iterable[str], *, multirun: bool = False, **changed: object) -> str:
    """The shell command that was typed, with these values instead.

    >>> command_again(["model=mlp", "ckpt_path=old.ckpt"], ckpt_path="new.ckpt")
    'python -m lightning_sweeps model=mlp ckpt_path=new.ckpt'
    """
    added = [f"{key}={override_value(value)}" for key, value in changed.items()]
    return shlex.join([*program(), *(["-m"] if multirun else []), *replaced(overrides, added)])


def command_to_go_on(config: DictConfig, folder: Path, **changed: object) -> str:
    """The command that goes on with a search, with these values instead."""
    if folders_of_configs(config.hydra, "main")[:1] == (CONF,):
        more = [f"{key}={override_value(value)}" for key, value in changed.items()]
        return shlex.join(["python", "-m", "lightning_sweeps.resume", from_here(folder), *more])
    lines = [line for line in typed(config.hydra) if key_of(line) != "hydra.sweeper.detach"]
    return command_again(lines, multirun=True, **{"hydra.sweep.dir": from_here(folder), **changed})


def note_what_to_go_on_with(folder: Path, changed: Sequence[str]) -> None:
    """For the program that this process becomes."""
    os.environ[GO_ON] = json.dumps([str(folder), *changed])


def go_on_with_what_was_noted(config: DictConfig) -> None:
    """Take the folder from there if the program has given Hydra other overrides than those of its command line.

    Raises:
        ConfigError: further overrides were typed, which the program does not take.
    """
    alone = os.environ.pop(ONE_RUN, None)
    if alone is not None and f"hydra.sweep.dir={override_value(alone)}" not in typed(config.hydra):
        raise ConfigError(
            f"{shlex.join(program())} takes no overrides from its command line, so it cannot run a single trial again"
        )
    folder, *changed = json.loads(os.environ.pop(GO_ON, "[null]"))
    given = typed(config.hydra)
    here = f"hydra.sweep.dir={override_value(folder)}"
    if folder is None or here in given:
        return
    ignored = [override for override in changed if override not in given]
    if ignored:
        raise ConfigError(
            f"{shlex.join(program())} takes no overrides from its command line.\nWrite into it: {', '.join(ignored)}"
        )
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = folder
        config.hydra.overrides.hydra.append(here)


def typed(hydra: DictConfig) -> list[str]:
    """The overrides as they were typed, without the ``-m``."""
    lines: Any = OmegaConf.to_container(hydra.overrides, resolve=False)  # they may hold ${...}
    return [line for line in [*lines["hydra"], *lines["task"]] if not line.startswith("hydra.mode=")]


def folders_of_configs(hydra: DictConfig, provider: str) -> tuple[Path, ...]:
    """The folders of configs that a command was started with.

    Args:
        provider: Hydra's word for who names them: ``main``, which is none for a program whose config is in its code;
            ``command-line``, by ``--config-dir``.
    """
    sources = (source.path for source in hydra.runtime.config_sources if source.provider == provider and source.path)
    return tuple(folder for path in sources if (folder := Path(str(path))).is_absolute())
