"""Open a search's folder, or any study in a storage, for reading: running, killed, finished, or another tool's."""

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.files.folders import within
from lightning_sweeps.files.latest import LATEST, search_folder
from lightning_sweeps.safety.passwords import masked_url
from lightning_sweeps.searches.store.journal import JOURNAL, read_journal
from lightning_sweeps.searches.store.search_folder import SAVED, read_saved_config
from lightning_sweeps.searches.store.storage import open_url

SHOWN_NAMES = 10


@dataclass(frozen=True)
class Saved:
    """A study, the folder of its search and that search's config, if there are such."""

    study: optuna.Study
    folder: Path | None = None
    config: Any = None

    def folder_of(self, trial: FrozenTrial) -> Path | None:
        """Where the trial wrote, even if the search's folder has been moved or copied since; None if it is gone."""
        noted = trial.user_attrs.get("folder")
        candidates = []
        if self.folder is not None and noted:  # the part below the search's folder may have slashes of its own
            parts = Path(noted).parts
            candidates += [self.folder.joinpath(*parts[index:]) for index in range(1, len(parts))]
        elif self.folder is not None:
            candidates.append(self.folder / str(trial.number))
        candidates += [Path(noted)] if noted else []
        return next((folder for folder in candidates if folder.is_dir()), None)

    def checkpoint_of(self, trial: FrozenTrial) -> Path | None:
        """The checkpoint that was noted as the trial's best, where its folder is now; it may have been deleted."""
        noted, folder = trial.user_attrs, self.folder_of(trial)
        if folder is None or not (noted.get("checkpoint") and noted.get("folder")):
            return None
        return Path(folder, os.path.relpath(noted["checkpoint"], noted["folder"]))

    def seen(self, path: Path | None) -> str | None:
        """A path as seen from the search's folder, wherever that is now; None without either."""
        return within(self.folder, path) if self.folder is not None and path is not None else None

    def trial(self, number: int) -> FrozenTrial:
        """The trial of this number.

        Raises:
            ConfigError: there is none.
        """
        trials = self.study.get_trials(deepcopy=False)
        if not 0 <= number < len(trials):
            raise ConfigError(f"no trial {number}: its trials are counted from 0 to {len(trials) - 1}")
        return trials[number]


def open_saved(where: str, storage: str | None = None, study_name: str | None = None) -> Saved:
    """Open what the user named.

    Args:
        where: a search's folder, ``latest`` for the newest, or an Optuna storage URL, with ``#NAME`` behind it if it
            has several studies.
        storage: the storage URL of the folder's search, if its password is needed.
        study_name: if the storage has several studies.

    Raises:
        ConfigError: there is no study.
    """
    if "://" in where:
        where, _, named = where.partition("#")
        return Saved(_load(_storage(where), named or study_name, masked_url(where)))
    where = search_folder(where)
    folder = Path(os.path.abspath(where))  # noqa: PTH100 (resolve() would follow links)
    if folder.name == JOURNAL:
        folder = folder.parent
    config = _config(folder, where)
    if storage is not None:
        return Saved(_load(_storage(storage), study_name or _name(config), masked_url(storage)), folder, config)
    if (folder / JOURNAL).is_file():
        return Saved(_load(read_journal(folder), study_name, where), folder, config)
    url = OmegaConf.select(config, "hydra.sweeper.storage")
    if url is None:
        raise ConfigError(f"{where}: no study here (it has no {JOURNAL}).{_below(folder)}")
    if "***" in url:
        raise ConfigError(f"{where}: the password of {url} is kept nowhere; add --storage and the whole URL")
    relative = re.fullmatch(r"(sqlite:///)([^/:][^:]*)", url)
    if relative:  # relative to where the search was started
        url = f"{relative[1]}{Path(config.hydra.runtime.cwd) / relative[2]}"
    return Saved(_load(_storage(url), study_name or _name(config), masked_url(url)), folder, config)


def _config(folder: Path, where: str) -> Any:
    if not folder.is_dir():
        hint = f"; a file of SQLite's is named sqlite:///{where}" if folder.is_file() else ""
        hint = f". Did you mean {LATEST}?" if get_close_matches(where, [LATEST], cutoff=0.75) else hint
        raise ConfigError(f"{where}: no such folder{hint}")
    file = folder / SAVED
    if not file.is_file() and not (folder / JOURNAL).is_file():
        raise ConfigError(f"{where}: no search here (it has no multirun.yaml).{_below(folder)}")
    return read_saved_config(file) if file.is_file() else None


def _below(folder: Path) -> str:
    if (folder.parent / JOURNAL).is_file():
        return f"\nIt is a trial's folder; its search is {folder.parent}"
    found = sorted(file.parent.relative_to(folder) for file in folder.rglob(JOURNAL))
    return f"\nThe newest search below it: {folder / found[-1]}" if found else ""


def _name(config: Any) -> str | None:
    return None if config is None else str(config.hydra.sweeper.get("study_name") or config.hydra.job.name)


def _storage(url: str) -> BaseStorage:
    file = re.fullmatch(r"sqlite:///([^?]+)(?:\?.*)?", url)
    if file and not Path(file[1]).is_file():  # SQLite would create an empty file
        raise ConfigError(f"{url}: there is no file {file[1]}")
    try:
        return open_url(url)
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix("hydra.sweeper.storage=")) from error


def _load(storage: BaseStorage, name: str | None, where: str) -> optuna.Study:
    names = optuna.get_all_study_names(storage)
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        shown = ", ".join(sorted(names)[:SHOWN_NAMES]) + (" ..." if len(names) > SHOWN_NAMES else "")
        problem = (
            f"no study {name!r} in it"
            if name is not None
            else f"{len(names)} studies in it; add --study NAME, or #NAME to the URL"
        )
        problem = problem if names else "no study in it"
        raise ConfigError(f"{where}: {problem}" + (f". There are: {shown}" if names else ""))
    return optuna.load_study(study_name=name, storage=storage)
