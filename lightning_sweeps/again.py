"""Commands that a person can copy: how to start this run again."""

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.groups import CONF
from lightning_sweeps.overrides import override_value, replaced

PROGRAM = "LIGHTNING_SWEEPS_PROGRAM"  # what was typed, where a cluster's own program is the one that runs


def command_again(overrides: Iterable[str], *, multirun: bool = False, **changed: object) -> str:
    """The shell command that was typed, with these values instead.

    >>> command_again(["model=mlp", "ckpt_path=old.ckpt"], ckpt_path="new.ckpt")
    'python -m lightning_sweeps model=mlp ckpt_path=new.ckpt'
    """
    added = [f"{key}={override_value(value)}" for key, value in changed.items()]
    return shlex.join([*program(), *(["-m"] if multirun else []), *replaced(overrides, added)])


def command_to_go_on(config: DictConfig, folder: Path) -> str:
    """The command that goes on with a search."""
    if main_folder(config.hydra) == CONF:
        return shlex.join(["python", "-m", "lightning_sweeps.resume", from_here(folder)])
    return command_again(typed(config.hydra), multirun=True, **{"hydra.sweep.dir": from_here(folder)})


def typed(hydra: DictConfig) -> list[str]:
    """The overrides as they were typed, without the ``-m``."""
    lines: Any = OmegaConf.to_container(hydra.overrides, resolve=False)  # they may hold ${...}
    return [line for line in [*lines["hydra"], *lines["task"]] if not line.startswith("hydra.mode=")]


def main_folder(hydra: DictConfig) -> Path:
    """The folder of configs that a command was started with."""
    return Path(str(next(source.path for source in hydra.runtime.config_sources if source.provider == "main")))


def program() -> list[str]:
    """What was typed before the first argument: ``python train.py``, ``python -m lightning_sweeps``."""
    if PROGRAM in os.environ:
        return shlex.split(os.environ[PROGRAM])
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name and not spec.name.startswith(("pytest", "_pytest")):
        return ["python", "-m", spec.name.removesuffix(".__main__").removesuffix(".resume").removesuffix(".join")]
    script = Path(sys.argv[0]) if sys.argv else Path()
    if script.suffix == ".py":
        return ["python", from_here(script)]
    if script.name in ("", "-c", "lightning_sweeps") or not script.is_file():
        return ["python", "-m", "lightning_sweeps"]
    return [from_here(script)]  # an installed command


def start_of(noted: Sequence[str]) -> list[str]:
    """What starts the program that was noted so, with this Python."""
    first, *rest = noted
    return [sys.executable if first == "python" else first, *rest]


def from_here(path: Path) -> str:
    """The path as one would type it: relative where it lies below the working folder."""
    absolute = os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative
