"""Where a study is kept: by default a journal file in the sweep's folder, else any storage URL of Optuna's."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, json_to_distribution
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.safety.passwords import masked, masked_url, remember
from lightning_sweeps.search.space.space import Space
from lightning_sweeps.search.store.hands import Hands
from lightning_sweeps.search.store.locking import lock

JOURNAL = "study.journal"
EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql", "redis": "redis"}  # module -> what brings it
HINTS = {module: f"Install it with: pip install 'lightning-sweeps[{extra}]'" for module, extra in EXTRAS.items()}
HINTS |= {"psycopg2": "Write postgresql+psycopg://...", "MySQLdb": "Write mysql+pymysql://..."}
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
        try:
            lock(self._descriptor, self.journal)
        except FolderError:
            self.release()
            raise
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
        lines = file.read_bytes().splitlines()
        if lines and not _is_entry(lines[-1]):  # which Optuna would notice when it writes the next
            raise _damaged(file, f"line {len(lines)} of it cannot be read")
    return _open(JournalFile(str(file), lock_obj=FileLock(file)), file)


def read_journal(folder: Path) -> BaseStorage:
    """The journal as it is: what is torn may be a line that a running search is just writing."""
    return _open(JournalFileBackend(str(folder / JOURNAL)), folder / JOURNAL)


def _open(backend: JournalFileBackend, file: Path) -> BaseStorage:
    try:
        return JournalStorage(backend)
    except (ValueError, LookupError, AssertionError, TypeError, AttributeError) as error:
        lines = enumerate(file.read_bytes().splitlines(), start=1)
        bad = next((number for number, line in lines if not _is_entry(line)), None)
        raise _damaged(file, f"line {bad} of it cannot be read" if bad else f"it cannot be read ({error!r})") from error


def _damaged(file: Path, where: str) -> FolderError:
    return FolderError(
        f"{file} is damaged: {where}.\nMake a copy of it, and take that line out; the rest of the study is good"
    )


def _is_entry(line: bytes) -> bool:
    """Whether it is a line of a journal."""
    try:
        JournalOperation(json.loads(line)["op_code"])
    except (ValueError, LookupError, TypeError):
        return False
    return True


def open_url(url: str) -> BaseStorage:
    """What an Optuna storage URL names.

    Raises:
        ConfigError: it cannot be opened; tells no password.
    """
    remember(url)
    file = file_of(url, Path())
    if file is not None and ":" not in str(file):  # neither :memory: nor a URI
        with suppress(OSError):  # then SQLAlchemy says what it cannot do
            file.parent.mkdir(parents=True, exist_ok=True)
    try:
        if url.startswith(("redis://", "rediss://")):
            from lightning_sweeps.search.store.redis_journal import RedisJournal

            return JournalStorage(RedisJournal(url))
        from lightning_sweeps.search.store.cache import Cache
        from lightning_sweeps.search.store.database import DataBase

        return Cache(DataBase(url))
    except Exception as error:  # noqa: BLE001 (each database has errors of its own)
        lines = (line.strip() for line in masked(str(error)).splitlines())
        reason = next(filter(None, lines), type(error).__name__)
        missing = getattr(error.__cause__ or error, "name", None)  # Optuna wraps what SQLAlchemy could not import
        if missing in HINTS:
            reason = f"No module named '{missing}'. {HINTS[missing]}"
        raise ConfigError(f"hydra.sweeper.storage={masked_url(url)}: cannot be opened. {reason}") from None


def file_of(url: str | None, folder: Path) -> Path | None:
    """The file that a study is kept in, where it is one."""
    if url is None:
        return folder / JOURNAL
    return Path(url.removeprefix("sqlite:///").partition("?")[0]) if url.startswith("sqlite:///") else None


def be_patient(storage: BaseStorage, seconds: float) -> None:
    """Have a data base's calls made again for so long where the connection is lost."""
    if (cache := _cache(storage)) is not None:
        cache._backend.patience = seconds  # noqa: SLF001


def _drop_torn_line(file: Path) -> None:
    content = file.read_bytes()
    if content and not content.endswith(b"\n"):
        os.truncate(file, content.rfind(b"\n") + 1)


def create_within(study: optuna.Study, limit: int, template: FrozenTrial) -> int | None:
    """The id of a new trial; None where there are ``limit``, also where other supervisors create some just now."""
    storage: Any = study._storage  # noqa: SLF001
    if (cache := _cache(storage)) is not None:
        created: int | None = cache.create_within(study._study_id, limit, template)  # noqa: SLF001
        return created
    with _turn(storage):
        if len(study.get_trials(deepcopy=False)) >= limit:
            return None
        return int(storage.create_new_trial(study._study_id, template))  # noqa: SLF001


@contextmanager
def _turn(storage: Any) -> Iterator[None]:
    """Those who create trials in a journal do so one after another."""
    backend = getattr(storage, "_backend", None)
    turn = getattr(backend, "turn", None)
    if turn is not None:  # Redis
        with turn():
            yield
    elif isinstance(backend, JournalFileBackend):
        journal = Path(backend._file_path)  # noqa: SLF001
        with journal.with_name(f".{journal.name}.turn").open("w") as file:
            lock(file.fileno(), Path(file.name))
            yield
    else:
        yield


def flush(study: optuna.Study) -> None:
    """Have what was noted of trials seen by all."""
    if (cache := _cache(study._storage)) is not None:  # noqa: SLF001 (the others write it at once)
        cache.flush()


def forget(study: optuna.Study, trial_id: int) -> None:
    """The trial is another's: what was noted of it and not yet written is not."""
    if (cache := _cache(study._storage)) is not None:  # noqa: SLF001
        cache.forget(trial_id)


def state_and_attribute(study: optuna.Study, trial_id: int, key: str) -> tuple[TrialState, Any]:
    """What the storage says now of a trial: its state and one of its attributes."""
    storage = study._storage  # noqa: SLF001
    if (cache := _cache(storage)) is not None:
        found: tuple[TrialState, Any] = cache.state_and_attribute(trial_id, key)
        return found
    frozen = storage.get_trial(trial_id)
    return frozen.state, frozen.user_attrs.get(key)


def change_hands(study: optuna.Study, trial_id: int, hands: Hands) -> bool:
    """Give a trial to another, or back, if it still is as it was seen; nobody else comes in between."""
    storage: Any = study._storage  # noqa: SLF001
    if (cache := _cache(storage)) is not None:
        changed: bool = cache.change_hands(trial_id, hands)
        return changed
    with _turn(storage):
        if not hands.fit(*state_and_attribute(study, trial_id, hands.key)):
            return False
        if hands.record is not None:  # first: one that is killed now has taken nothing
            storage.set_trial_user_attr(trial_id, hands.key, hands.record)
        return bool(storage.set_trial_state_values(trial_id, hands.after)) or hands.after is not TrialState.RUNNING


def _cache(storage: Any) -> Any:
    """The storage where it is a ``Cache``, else None. Its module takes a quarter of a second to import."""
    return storage if hasattr(storage, "create_within") else None


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
        shown = "; ".join(f"{key} was {_typed(known.get(key))}, now {_typed(described.get(key))}" for key in names)
        raise ConfigError(
            f"the study '{name}' has another search space; a study keeps its space.\nChanged: {shown}. "
            "Search in another folder, or in a study of another name"
        )
    return study


def _typed(noted: str | None) -> str:
    """A distribution as a person types it."""
    if noted is None:
        return "not there"
    distribution = json_to_distribution(noted)
    if isinstance(distribution, CategoricalDistribution):
        return f"choice({','.join(map(str, distribution.choices))})"
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101 (for the type checker)
    step = f",step={distribution.step}" if distribution.step not in (None, 1) else ""
    text = f"interval({distribution.low},{distribution.high}{step})"
    text = f"int({text})" if isinstance(distribution, IntDistribution) else text
    return f"tag(log,{text})" if distribution.log else text
