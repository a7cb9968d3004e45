"""A study with several objectives, as a pruner sees it that judges by the first."""

from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.store.optunas import storage_of


class _OneDirection:
    """The study's storage, but for what Optuna has for one objective only."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        directions: list[StudyDirection] = self._storage.get_study_directions(study_id)
        return directions[:1]

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        trials = self._storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))
        if not trials:
            raise ValueError("no trial is complete")
        best = max if self.get_study_directions(study_id)[0] is StudyDirection.MAXIMIZE else min
        return best(trials, key=lambda trial: trial.values[0])  # type: ignore[no-any-return]


def by_the_first_objective(study: optuna.Study) -> optuna.Study:
    """The same study with the first of its objectives, for its pruner."""
    storage: Any = _OneDirection(storage_of(study))
    return optuna.Study(study.study_name, storage, study.sampler, study.pruner)


def report_and_judge(view: optuna.Study, trial_id: int, value: float, step: int) -> bool:
    """Keep a report, which Optuna refuses where there are several objectives; whether the pruner gives the trial up.

    Args:
        view: see ``by_the_first_objective``.
    """
    storage = storage_of(view)
    storage.set_trial_intermediate_value(trial_id, step, value)
    return view.pruner.prune(view, storage.get_trial(trial_id))
