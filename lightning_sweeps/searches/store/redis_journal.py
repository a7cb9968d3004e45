"""Optuna's journal in a Redis server."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages.journal import JournalRedisBackend

SECONDS_OF_A_TURN = 60  # after that a supervisor that was killed in its turn has lost it


class RedisJournal(JournalRedisBackend):
    """Raises Optuna's storage error if the server is away. No call is repeated: the journal would have it twice."""

    def __init__(self, url: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            super().__init__(url)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        with _said():
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with _said():
            super().append_logs(logs)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A context that one supervisor at a time is in."""
        with (
            _said(),
            self._redis.lock(f"{self._prefix}:turn", timeout=SECONDS_OF_A_TURN, blocking_timeout=2 * SECONDS_OF_A_TURN),
        ):
            yield


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StorageInternalError(str(error)) from error
