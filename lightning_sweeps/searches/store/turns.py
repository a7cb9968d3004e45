"""Taking turns at a storage that cannot create a trial within a limit, or change its owner, in one step."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from lightning_sweeps.searches.store.locking import lock
from lightning_sweeps.searches.store.optunas import backend_of, file_of_journal

# Locks that a database keeps beside its tables, whose rows Optuna itself locks; they go with the connection.
KEY = 7_207_321_014
POSTGRESQL = f"SELECT pg_advisory_lock({KEY})", f"SELECT pg_advisory_unlock({KEY})"
MYSQL = f"SELECT GET_LOCK('lightning_sweeps.{KEY}', 60)", f"SELECT RELEASE_LOCK('lightning_sweeps.{KEY}')"
LOCKS = {"postgresql": POSTGRESQL, "mysql": MYSQL, "mariadb": MYSQL}


def turn(storage: BaseStorage) -> Any:
    """A context in which no other supervisor has its turn."""
    backend = backend_of(storage)
    if hasattr(backend, "turn"):  # Redis
        return backend.turn()
    if isinstance(backend, JournalFileBackend):
        return _beside(Path(file_of_journal(backend)))
    if isinstance(backend, RDBStorage):
        return _in_database(backend.engine)
    return nullcontext()


@contextmanager
def _beside(file: Path) -> Iterator[None]:
    with file.with_name(f".{file.name}.turn").open("w") as locked:
        lock(locked.fileno(), Path(locked.name))
        yield


@contextmanager
def _in_database(engine: Any) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with nullcontext() if engine.url.database in (None, "", ":memory:") else _beside(Path(engine.url.database)):
            yield
        return
    take, leave = LOCKS[engine.dialect.name]
    with engine.connect() as connection:
        connection.exec_driver_sql(take)
        try:
            yield
        finally:
            connection.exec_driver_sql(leave)
