"""Where a study is kept: by default a journal file in the sweep's folder, else any storage URL of Optuna's."""

import fcntl
import os
import re
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.study.space import Space

JOURNAL = "study.journal"


class FileLock(BaseJournalFileLock):
    """The system's own lock, which goes with the process that held it.

    Optuna's lock files stay after ``kill -9`` and make the next process wait for 30 seconds.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._descriptor = -1

    def acquire(self) -> bool:
        self._descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        os.close(self._descriptor)


def masked(url: str) -> str:
    """The storage URL without its password."""
    return re.sub(r"(://[^/@]*?):[^/]*@", r"\1:***@", url)


def open_storage(url: str | None, folder: Path) -> BaseStorage | str:
    """The journal in the folder, less a line that a kill or a full disk cut off; or the URL, for Optuna to open."""
    if url is not None:
        return url
    file = folder / JOURNAL
    if file.is_file():
        _drop_torn_line(file)
    return JournalStorage(JournalFileBackend(str(file), lock_obj=FileLock(folder / f".{JOURNAL}.lock")))


def _drop_torn_line(file: Path) -> None:
    content = file.read_bytes()
    if content and not content.endswith(b"\n"):
        os.truncate(file, content.rfind(b"\n") + 1)


def open_study(
    storage: BaseStorage | str,
    name: str,
    directions: list[str],
    sampler: optuna.samplers.BaseSampler,
    pruner: optuna.pruners.BasePruner,
    space: Space,
) -> optuna.Study:
    """Create the study, or go on with the one of that name.

    Raises:
        ConfigError: its directions or its space are others; shows the difference.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=directions,  # type: ignore[arg-type]
        sampler=sampler,
        pruner=pruner,
        load_if_exists=True,
    )
    before = [direction.name.lower() for direction in study.directions]
    if before != directions:
        raise ConfigError(f"the study '{name}' has direction {before}, not {directions}; a study keeps its direction")
    described, known = space.described(), study.user_attrs.get("space")
    if known is None:
        study.set_user_attr("space", described)
    elif known != described:
        names = [key for key in {**known, **described} if known.get(key) != described.get(key)]
        shown = "; ".join(f"{key}: {known.get(key, 'not there')} -> {described.get(key, 'not there')}" for key in names)
        raise ConfigError(f"the study '{name}' has another search space; a study keeps its space.\nChanged: {shown}")
    return study
