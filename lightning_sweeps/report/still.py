"""A study as it was when it was read."""

from collections.abc import Container
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState


class StillStudy(optuna.Study):
    """Reads its trials once and copies none: Optuna's figures ask for all of them once a parameter and once a trial."""

    def __init__(self, study: optuna.Study) -> None:
        vars(self).update(vars(study))
        self._still = study.get_trials(deepcopy=False)
        self._attributes = study.user_attrs

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return [trial for trial in self._still if states is None or trial.state in states]

    @property
    def user_attrs(self) -> dict[str, Any]:
        return self._attributes
