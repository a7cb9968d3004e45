"""A study in a data base that may be away for a while: restarted, or cut off."""

import functools
import time
from collections.abc import Callable
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError

LONGEST_PAUSE = 5.0
# A machine that is cut off gets no answer, not even an error; without these a call would wait for a quarter of an hour.
POSTGRESQL = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
POSTGRESQL |= {"tcp_user_timeout": 10_000}  # milliseconds


class DataBase(RDBStorage):
    """Optuna's storage, whose calls are made again for ``patience`` seconds where the connection is lost.

    A call whose answer was lost has perhaps been carried out. To set something twice does no harm, nor to finish a
    trial; a trial that was created twice is found by ``Owner.put_back``.
    """

    def __init__(self, url: str) -> None:
        self.patience = 0.0  # a mistyped host is said at once
        self._trying = False
        options: dict[str, Any] = {"pool_pre_ping": True} if "sqlite" not in url else {}
        if url.startswith("postgresql"):
            options["connect_args"] = dict(POSTGRESQL)
        for _ in range(3):
            try:
                super().__init__(url, engine_kwargs=options)
                break
            except (IntegrityError, ProgrammingError):  # another one is just creating the tables
                time.sleep(1.0)
        else:
            super().__init__(url, engine_kwargs=options)


def _patient(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def patient(self: DataBase, *arguments: Any, **named: Any) -> Any:
        if self._trying:  # within another call of these
            return call(self, *arguments, **named)
        until, pause, again = time.monotonic() + self.patience, 0.1, False
        self._trying = True
        try:
            while True:
                try:
                    return call(self, *arguments, **named)
                except UpdateFinishedTrialError:
                    if again and call.__name__ == "set_trial_state_values":
                        return True
                    raise
                except (StorageInternalError, OperationalError, InterfaceError) as error:
                    if not _is_lost(error) or time.monotonic() + pause > until:
                        raise
                time.sleep(pause)
                pause, again = min(2 * pause, LONGEST_PAUSE), True
        finally:
            self._trying = False

    return patient


def _is_lost(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__ or error.__context__
    return False


_OWN = ("_create_new_trial", "_get_trials")  # which Optuna's cache calls
for _name, _call in list(vars(RDBStorage).items()):
    if (
        callable(_call)
        and not isinstance(_call, staticmethod)
        and (_name in _OWN or _name.startswith(("get_", "set_", "create_")))
    ):
        setattr(DataBase, _name, _patient(_call))
