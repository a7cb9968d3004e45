"""A study in a database that may be unreachable for a while."""

import functools
import time
from collections.abc import Callable, Container
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError

from lightning_sweeps.searches.store import rows
from lightning_sweeps.searches.store.hands import Hands

LONGEST_PAUSE = 5.0
# A machine that is cut off gets no answer, not even an error; without these a call would wait for a quarter of an hour.
POSTGRESQL = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
POSTGRESQL |= {"tcp_user_timeout": 10_000}  # milliseconds
MYSQL = {"connect_timeout": 5, "read_timeout": 20, "write_timeout": 20}


class DataBase(RDBStorage):
    """Optuna's storage. If the connection is lost, it repeats a call for ``patience`` seconds.

    A call whose reply got lost may have been carried out. Setting a value twice does no harm, nor does finishing a
    trial twice; a trial that was created twice is found by ``Owner.put_back``.
    """

    def __init__(self, url: str) -> None:
        self.patience = 0.0  # at first none, so that a mistyped host is reported at once
        self._trying = False
        options: dict[str, Any] = {}
        if url.startswith("postgresql"):
            options["connect_args"] = dict(POSTGRESQL)
        elif url.startswith("mysql"):
            options["connect_args"] = dict(MYSQL)
        for _ in range(3):
            try:
                super().__init__(url, engine_kwargs=options)
                break
            except (IntegrityError, ProgrammingError):  # another supervisor is just creating the tables
                time.sleep(1.0)
        else:
            super().__init__(url, engine_kwargs=options)

    def create_within(self, study_id: int, limit: int, template: FrozenTrial) -> FrozenTrial | None:
        """Create a trial; None if the study has ``limit`` trials, even if others create some at the same moment."""
        with _create_scoped_session(self.scoped_session) as session:
            return rows.create_trial(session, study_id, limit, template)

    def state_and_attribute(self, trial_id: int, key: str) -> tuple[TrialState, Any]:
        """See ``rows.state_and_attribute``."""
        with _create_scoped_session(self.scoped_session) as session:
            return rows.state_and_attribute(session, trial_id, key)

    def change_hands(self, trial_id: int, hands: Hands, noted: rows.Noted) -> bool:
        """See ``rows.change_hands``; in one transaction."""
        with _create_scoped_session(self.scoped_session) as session:
            return rows.change_hands(session, trial_id, hands, noted)

    def write_trial(self, trial_id: int, noted: rows.Noted, *state: Any) -> None:
        """See ``rows.write_trial``; in one transaction."""
        with _create_scoped_session(self.scoped_session) as session:
            rows.write_trial(session, trial_id, noted, *state)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        included = sorted(one for one in included_trial_ids if one <= trial_id_greater_than)
        with _create_scoped_session(self.scoped_session) as session:
            trials = rows.read_trials(session, study_id, included, trial_id_greater_than)
        return trials if states is None else [trial for trial in trials if trial.state in states]


def _patient(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def patient(self: DataBase, *arguments: Any, **named: Any) -> Any:
        if self._trying:  # inside another of these calls
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


_INNER = ("_create_new_trial", "_set_trial_param", "_get_trials", "_get_best_trial_id")  # the calls of Optuna's cache
_CALLS = ("get_", "set_", "create_", "change_", "write_", "state_and_")
for _name, _call in (vars(RDBStorage) | vars(DataBase)).items():
    if callable(_call) and not isinstance(_call, staticmethod) and (_name in _INNER or _name.startswith(_CALLS)):
        setattr(DataBase, _name, _patient(_call))
