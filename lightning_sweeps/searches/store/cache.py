"""Write-back cache for the trials that this supervisor runs."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.store.database import DataBase
from lightning_sweeps.searches.store.hands import Hands
from lightning_sweeps.searches.store.rows import Noted


class Cache(_CachedStorage):
    """Optuna's cache of finished trials, extended to those that this process runs.

    These are read from memory. What is noted of them is written in one transaction: by ``flush``, or at the latest with
    their state, which is what Optuna asks of a cache. Reports are written at once, since other pruners read them.
    """

    _backend: DataBase

    def __init__(self, backend: DataBase) -> None:
        super().__init__(backend)
        self._own: dict[int, FrozenTrial] = {}
        self._noted: dict[int, Noted] = {}

    def be_patient(self, seconds: float) -> None:
        """Make calls again for so long while the connection is lost."""
        self._backend.patience = seconds

    def create_within(self, study_id: int, limit: int, template: FrozenTrial) -> int | None:
        """Create a trial of our own; None if the study has ``limit`` trials."""
        frozen = self._backend.create_within(study_id, limit, template)
        if frozen is None:
            return None
        with self._lock:
            self._add_trials_to_cache(study_id, [frozen])
        self._hold(copy.deepcopy(frozen))
        return int(frozen._trial_id)  # noqa: SLF001

    def state_and_attribute(self, trial_id: int, key: str) -> tuple[TrialState, Any]:
        """A trial's state and one of its attributes, as the database has them now."""
        return self._backend.state_and_attribute(trial_id, key)

    def change_hands(self, trial_id: int, hands: Hands) -> bool:
        """Change the owner in one transaction. Returns whether the trial was as expected."""
        changed = self._backend.change_hands(trial_id, hands, self._noted.get(trial_id, Noted()))
        self.forget(trial_id)
        if changed and hands.after is TrialState.RUNNING:
            self._hold(super().get_trial(trial_id))
        return changed

    def flush(self) -> None:
        """Write what is noted."""
        for trial_id, noted in self._noted.items():
            if noted.params or noted.user_attrs:
                with suppress(UpdateFinishedTrialError):  # this machine slept, and another one has run the trial
                    self._backend.write_trial(trial_id, noted)
                self._noted[trial_id] = Noted()

    def forget(self, trial_id: int) -> None:
        """Drop what was noted of a trial that now belongs to another supervisor."""
        self._own.pop(trial_id, None)
        self._noted.pop(trial_id, None)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        own = self._own.get(trial_id)
        return copy.deepcopy(own) if own is not None else super().get_trial(trial_id)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        own = self._own.get(trial_id)
        study_id, _ = self._trial_id_to_study_id_and_number.get(trial_id, (None, 0))
        known = self._studies[study_id].param_distribution.get(param_name) if study_id is not None else None
        if own is None or known is None:  # Optuna then compares it with what the study has
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        else:
            check_distribution_compatibility(known, distribution)
            self._noted[trial_id].params[param_name] = (param_value_internal, distribution)
        if own is not None:
            own.distributions[param_name] = distribution
            own.params[param_name] = distribution.to_external_repr(param_value_internal)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if trial_id not in self._own:
            super().set_trial_user_attr(trial_id, key, value)
            return
        self._own[trial_id].user_attrs[key] = value
        self._noted[trial_id].user_attrs[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_system_attr(trial_id, key, value)
        if trial_id in self._own:
            self._own[trial_id].system_attrs[key] = value

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        if trial_id in self._own:
            self._own[trial_id].intermediate_values[step] = intermediate_value

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        if trial_id not in self._own:
            taken = super().set_trial_state_values(trial_id, state, values)
            if taken and state is TrialState.RUNNING:
                self._hold(super().get_trial(trial_id))
            return taken
        if state is TrialState.RUNNING:  # our own trial is running already
            return False
        ended = datetime.now() if state.is_finished() else None  # noqa: DTZ005 (as Optuna's)
        self._backend.write_trial(trial_id, self._noted[trial_id], state, values, ended)
        own = self._own[trial_id]
        self.forget(trial_id)
        if ended is not None:
            own.state, own.values, own.datetime_complete = state, values, ended
            with self._lock:
                self._add_trials_to_cache(self._trial_id_to_study_id_and_number[trial_id][0], [own])
        return True

    def _hold(self, trial: FrozenTrial) -> None:
        self._own[trial._trial_id], self._noted[trial._trial_id] = trial, Noted()  # noqa: SLF001
