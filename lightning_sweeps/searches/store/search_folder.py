"""The folder of a search, and the config that is kept there for a resume."""

import copy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lightning_sweeps.errors import ConfigError, FolderError, unreadable
from lightning_sweeps.files.folders import claim, write_atomically
from lightning_sweeps.overrides.again import typed
from lightning_sweeps.overrides.text import key_of
from lightning_sweeps.searches.store.journal import JOURNAL
from lightning_sweeps.searches.store.lock import SUPERVISOR

SAVED = "multirun.yaml"
TYPE_AGAIN = "Type the search's command again with hydra.sweep.dir naming its folder; that rewrites the file"
OF_A_SEARCH = {JOURNAL, "trials.csv", "best.yaml", SAVED, "provenance.json", "report.html"}
OF_A_SEARCH |= {"optimization_results.yaml", "git.diff"}
OF_ONE_START = ("allow_changes", "detach")
SHOWN_NAMES = 3


def choose_folder(config: DictConfig, *, join: bool) -> Path:
    """A new folder, or that of the search to resume, if ``hydra.sweep.dir`` names it."""
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    if join:
        if config.hydra.sweeper.storage is not None:  # perhaps on a machine that shares no folder
            folder.mkdir(parents=True, exist_ok=True)
        elif not (folder / SUPERVISOR).is_file():
            raise FolderError(f"{folder}: no search here to join")
        return folder
    named = any(key_of(line) == "hydra.sweep.dir" for line in typed(config.hydra))
    if named and folder.is_dir():
        _require_room(folder)
    else:
        folder = claim(folder)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder)
    return folder


def save_config(config: DictConfig, folder: Path) -> None:
    """Save the config for a resume. What was allowed for one start is not allowed for the next."""
    kept = copy.deepcopy(config)
    with read_write(kept.hydra), open_dict(kept.hydra):
        for name in OF_ONE_START:
            kept.hydra.sweeper[name] = False
        dropped = {f"hydra.sweeper.{name}" for name in OF_ONE_START}
        for name in ("hydra", "task"):
            lines: Any = OmegaConf.to_container(config.hydra.overrides[name], resolve=False)
            kept.hydra.overrides[name] = [line for line in lines if key_of(line) not in dropped]
    write_atomically(folder / SAVED, OmegaConf.to_yaml(kept))


def read_saved_config(file: Path) -> Any:
    """What ``save_config`` has kept.

    Raises:
        ConfigError: the file is empty, cut off or no YAML.
    """
    try:
        saved = OmegaConf.load(file)
        whole = OmegaConf.select(saved, "hydra.overrides.task") is not None
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file} cannot be read: {unreadable(error)}.\n{TYPE_AGAIN}") from error
    if not whole:
        raise ConfigError(f"{file} is empty, or not all of it is there.\n{TYPE_AGAIN}")
    return saved


def _require_room(folder: Path) -> None:
    """Refuse a folder that has something else in it: nothing may be overwritten, or mixed with a search."""
    if (folder / SUPERVISOR).is_file():
        return
    taken = sorted(one.name for one in folder.iterdir() if one.name in OF_A_SEARCH or one.name.isdecimal())
    if taken:
        shown = ", ".join(taken[:SHOWN_NAMES]) + (", ..." if len(taken) > SHOWN_NAMES else "")
        raise FolderError(f"{folder}: {shown} there may be another search's; name another folder: hydra.sweep.dir=...")
