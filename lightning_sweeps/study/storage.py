"""Where a study is kept: by default a journal file in the sweep's folder, else any storage URL of Optuna's."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import json_to_distribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.storages.journal._storage import JournalOperation

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.passwords import masked
from lightning_sweeps.study.database import DataBase
from lightning_sweeps.study.space import Space

JOURNAL = "study.journal"
_WAITS_FOR_THE_DISK = {
    JournalOperation.CREATE_STUDY,
    JournalOperation.SET_STUDY_USER_ATTR,
    JournalOperation.SET_TRIAL_STATE_VALUES,
}


class FileLock(BaseJournalFileLock):
    """The system's own lock, which goes with the process that held it.

    Optuna's lock files stay after ``kill -9`` and make the next process wait for 30 seconds.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self._descriptor = -1
        self._seen = False

    def acquire(self) -> bool:
        # Optuna would begin an empty journal where the old one has been deleted.
        there = self.journal.is_file()
        if self._seen and not there:
            raise FolderError(f"{self.journal} is gone: somebody deleted or moved it while the search was running")
        self._seen = there
        self._descriptor = os.open(self.journal.with_name(f".{self.journal.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        os.close(self._descriptor)


class JournalFile(JournalFileBackend):
    """Optuna's journal file, which waits for the disk when a trial is told, not for each parameter and report.

    A process that is killed loses nothing either way. A machine that loses power loses what its running trials wrote
    since the last told one; they are run again anyway.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if any(log["op_code"] in _WAITS_FOR_THE_DISK for log in logs):
            super().append_logs(logs)
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with get_lock_file(self._lock), Path(self._file_path).open("ab") as file:
            file.write(lines.encode())


def open_journal(folder: Path, *, alone: bool = True) -> BaseStorage:
    """The journal in the folder, less a line that a kill or a full disk cut off.

    Args:
        alone: nobody else is just writing a line.
    """
    file = folder / JOURNAL
    if alone and file.is_file():
        _drop_torn_line(file)
    return _open(JournalFile(str(file), lock_obj=FileLock(file)), file)


def read_journal(folder: Path) -> BaseStorage:
    """The journal as it is: what is torn may be a line that a running search is just writing."""
    return _open(JournalFileBackend(str(folder / JOURNAL)), folder / JOURNAL)


def _open(backend: JournalFileBackend, file: Path) -> BaseStorage:
    try:
        return JournalStorage(backend)
    except (ValueError, KeyError) as error:
        lines = enumerate(file.read_bytes().splitlines(), start=1)
        bad = next((number for number, line in lines if not _is_json(line)), None)
        where = f"line {bad} of it cannot be read" if bad else f"it cannot be read ({error!r})"
        raise FolderError(
            f"{file} is damaged: {where}.\nMake a copy of it, and take that line out; the rest of the study is good"
        ) from error


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def open_url(url: str) -> BaseStorage:
    """What an Optuna storage URL names.

    Raises:
        ConfigError: it cannot be opened; tells no password.
    """
    try:
        return optuna.storages.get_storage(DataBase(url))
    except Exception as error:  # noqa: BLE001 (each database has errors of its own)
        lines = (line.strip() for line in masked(str(error)).splitlines())
        reason = next(filter(None, lines), type(error).__name__)
        raise ConfigError(f"hydra.sweeper.storage={masked(url)}: cannot be opened. {reason}") from None


def file_of(url: str | None, folder: Path) -> Path | None:
    """The file that a study is kept in, where it is one."""
    if url is None:
        return folder / JOURNAL
    return Path(url.removeprefix("sqlite:///").partition("?")[0]) if url.startswith("sqlite:///") else None


def be_patient(storage: BaseStorage, seconds: float) -> None:
    """Have a data base's calls made again for so long where the connection is lost."""
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, DataBase):
        backend.patience = seconds


def _drop_torn_line(file: Path) -> None:
    content = file.read_bytes()
    if content and not content.endswith(b"\n"):
        os.truncate(file, content.rfind(b"\n") + 1)


@contextmanager
def turn(study: optuna.Study) -> Iterator[None]:
    """Supervisors that create trials inside do so one after another, where the storage can be locked for it."""
    storage: Any = study._storage  # noqa: SLF001
    storage = getattr(storage, "_backend", storage)
    if isinstance(storage, JournalFileBackend):
        journal = Path(storage._file_path)  # noqa: SLF001
        with journal.with_name(f".{journal.name}.turn").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    elif isinstance(storage, RDBStorage) and storage.engine.dialect.name != "sqlite":
        # The row of the study itself is locked by Optuna when it creates a trial.
        row = "SELECT 1 FROM study_user_attributes WHERE study_id = :study AND key = 'space' FOR UPDATE"
        with storage.engine.begin() as connection:
            connection.execute(sqlalchemy.text(row), {"study": study._study_id})  # noqa: SLF001
            yield
    else:
        yield


def open_study(
    storage: BaseStorage,
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
        shown = "; ".join(f"{key}: {_readable(known.get(key))} -> {_readable(described.get(key))}" for key in names)
        raise ConfigError(f"the study '{name}' has another search space; a study keeps its space.\nChanged: {shown}")
    return study


def _readable(distribution: str | None) -> str:
    return "not there" if distribution is None else str(json_to_distribution(distribution))
