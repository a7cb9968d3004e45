"""The folder of a run, made before Hydra writes into it."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightning_sweeps.errors import FolderError, SweepsError
from lightning_sweeps.files.folders import DATE, claim, require_inside
from lightning_sweeps.overrides.text import key_of
from lightning_sweeps.safety.passwords import hide_passwords
from lightning_sweeps.trackers.ready import require_no_secrets

CLAIMED = "LIGHTNING_SWEEPS_CLAIMED"  # the folder that the process which started this run has made for it


def new_folder(kind: str, overrides: Sequence[str], beside: Path | None = None) -> tuple[Path, list[str]]:
    """A folder of its own for a command that is started from here, dated or what an override names.

    Args:
        kind: ``run`` or ``sweep``.
        beside: a search's folder of another program, whose own folders it takes then.

    Returns:
        The folder, which is new and empty, and the overrides that do not name it.
    """
    named, others = folder_named(kind, overrides)
    if named is None and beside is not None:  # the user may not know which kind it is
        named, others = folder_named("run", others)
    now = datetime.now()  # noqa: DTZ005 (as Hydra's own folders)
    base = Path(f"outputs/{kind}s")
    if beside is not None:
        base = beside.parent.parent if DATE.fullmatch(beside.parent.name) else beside.with_name(f"{beside.name}-again")
    folder = named or base / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}"
    return claim(folder.absolute()), others


def folder_named(kind: str, overrides: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The folder that ``hydra.run.dir=`` or ``hydra.sweep.dir=`` names, if one does, and the other overrides."""
    key = f"hydra.{kind}.dir"
    named = [override.partition("=")[2].strip("'\"") for override in overrides if key_of(override) == key]
    return Path(named[-1]) if named else None, [override for override in overrides if key_of(override) != key]


class ClaimRunFolder(Callback):
    """Hydra callback: makes ``hydra.run.dir`` this run's own before Hydra writes the first file, without passwords."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        hide_passwords(config)
        try:
            require_inside(config.hydra.output_subdir)
            require_no_secrets(OmegaConf.to_container(config, resolve=False).get("logger"))  # type: ignore[union-attr]
        except SweepsError as error:
            sys.exit(f"error: {error}")  # Hydra swallows whatever else a callback raises
        # Processes that Lightning starts for DDP share the folder of the one that started them.
        if "LOCAL_RANK" in os.environ or not config.hydra.run.dir:
            return
        if os.environ.pop(CLAIMED, None) == str(config.hydra.run.dir):
            return
        try:
            folder = claim(Path(config.hydra.run.dir))
        except FolderError:
            return  # Hydra swallows what a callback raises; its own mkdir fails next, for the same reason
        with read_write(config), open_dict(config):
            OmegaConf.update(config, "hydra.run.dir", str(folder))
