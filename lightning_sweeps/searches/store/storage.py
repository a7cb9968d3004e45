"""The storage of a study: a journal file in the sweep's folder by default, else any Optuna storage URL."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.safety.passwords import masked, masked_url, remember
from lightning_sweeps.searches.store.hands import Hands
from lightning_sweeps.searches.store.journal import JOURNAL
from lightning_sweeps.searches.store.known_tables import are_known
from lightning_sweeps.searches.store.optunas import id_in_storage, storage_of
from lightning_sweeps.searches.store.turns import turn

EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql", "redis": "redis"}  # module -> the extra that installs it
HINTS = {module: f"Install it with: pip install 'lightning-sweeps[{extra}]'" for module, extra in EXTRAS.items()}
HINTS |= {"psycopg2": "Write postgresql+psycopg://...", "MySQLdb": "Write mysql+pymysql://..."}


def open_url(url: str) -> BaseStorage:
    """Open the storage that an Optuna storage URL names.

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
            from lightning_sweeps.searches.store.redis_journal import RedisJournal

            return JournalStorage(RedisJournal(url))
        if not are_known():
            return optuna.storages.get_storage(optuna.storages.RDBStorage(url))
        from lightning_sweeps.searches.store.cache import Cache
        from lightning_sweeps.searches.store.database import DataBase

        return Cache(DataBase(url))
    except Exception as error:  # noqa: BLE001 (each database has errors of its own)
        lines = (line.strip() for line in masked(str(error)).splitlines())
        reason = next(filter(None, lines), type(error).__name__)
        missing = getattr(error.__cause__ or error, "name", None)  # Optuna wraps what SQLAlchemy could not import
        if missing in HINTS:
            reason = f"No module named '{missing}'. {HINTS[missing]}"
        if "://" not in url:
            reason = "Write sqlite:///study.db, or postgresql+psycopg://host/name"
        elif _tells_of_a_password(reason, url):
            reason = "Write an @ in its user or password as %40, a / as %2F, and a : as %3A"
        raise ConfigError(f"hydra.sweeper.storage={masked_url(url)}: cannot be opened. {reason}") from None


def _tells_of_a_password(reason: str, url: str) -> bool:
    """Whether a part of one that was taken for a host or a port is in an error's text."""
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    return any(part in reason for part in re.split(r"[:@/?#\s]", password) if part)


def file_of(url: str | None, folder: Path) -> Path | None:
    """The file that keeps a study; None if a server does."""
    if url is None:
        return folder / JOURNAL
    return Path(url.removeprefix("sqlite:///").partition("?")[0]) if url.startswith("sqlite:///") else None


def be_patient(storage: BaseStorage, seconds: float) -> None:
    """Let a database's calls be repeated for this long if the connection is lost."""
    if (cache := _cache(storage)) is not None:
        cache.be_patient(seconds)


def create_within(study: optuna.Study, limit: int, template: FrozenTrial) -> int | None:
    """The id of a new trial; None if there are ``limit``, even if other supervisors create some just now."""
    storage: Any = storage_of(study)
    if (cache := _cache(storage)) is not None:
        created: int | None = cache.create_within(id_in_storage(study), limit, template)
        return created
    with turn(storage):
        if len(study.get_trials(deepcopy=False)) >= limit:
            return None
        return int(storage.create_new_trial(id_in_storage(study), template))


def flush(study: optuna.Study) -> None:
    """Write what was noted of trials, so that everybody sees it."""
    if (cache := _cache(storage_of(study))) is not None:  # the others write it at once
        cache.flush()


def forget(study: optuna.Study, trial_id: int) -> None:
    """Drop what was noted of a trial that belongs to another supervisor now."""
    if (cache := _cache(storage_of(study))) is not None:
        cache.forget(trial_id)


def state_and_attribute(study: optuna.Study, trial_id: int, key: str) -> tuple[TrialState, Any]:
    """A trial's state and one of its attributes, as the storage has them now."""
    storage = storage_of(study)
    if (cache := _cache(storage)) is not None:
        found: tuple[TrialState, Any] = cache.state_and_attribute(trial_id, key)
        return found
    frozen = storage.get_trial(trial_id)
    return frozen.state, frozen.user_attrs.get(key)


def change_hands(study: optuna.Study, trial_id: int, hands: Hands) -> bool:
    """Change a trial's owner if it is still as it was seen, in one step for all supervisors."""
    storage: Any = storage_of(study)
    if (cache := _cache(storage)) is not None:
        changed: bool = cache.change_hands(trial_id, hands)
        return changed
    with turn(storage):
        if not hands.fit(*state_and_attribute(study, trial_id, hands.key)):
            return False
        if hands.record is not None:  # before the state: if we are killed now, we have taken nothing
            storage.set_trial_user_attr(trial_id, hands.key, hands.record)
        return bool(storage.set_trial_state_values(trial_id, hands.after)) or hands.after is not TrialState.RUNNING


def _cache(storage: Any) -> Any:
    """The storage if it is a ``Cache``, else None. Its module takes a quarter of a second to import."""
    return storage if hasattr(storage, "create_within") else None
