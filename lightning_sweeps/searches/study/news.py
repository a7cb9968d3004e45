"""What has changed in a study since it was read last."""

from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.engine.outcome import Finished, News, State
from lightning_sweeps.searches.space.constraints import violated

STATES = {TrialState.COMPLETE: State.COMPLETE, TrialState.PRUNED: State.PRUNED, TrialState.FAIL: State.FAILED}


class Reading:
    """Reads a study again and again, to which other supervisors may write as well.

    Args:
        n_trials: of the budget.

    Attributes:
        trials: as they were read last.
    """

    def __init__(self, study: optuna.Study, n_trials: int) -> None:
        self.study = study
        self.n_trials = n_trials
        self.trials: list[FrozenTrial] = []
        self._known: set[int] = set()
        self._settled = 0  # this many trials at the start of the study have ended and are known

    def news(self) -> News:
        """What has finished since the last call, in the order in which it did."""
        trials = self.trials = self.study.get_trials(deepcopy=False)
        recent = trials[self._settled :]
        budgeted = recent[: max(0, self.n_trials - self._settled)]
        new = [trial for trial in recent if trial.state.is_finished() and trial.number not in self._known]
        new.sort(key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete, trial.number))
        self._known.update(trial.number for trial in new)
        self._settled += settled(recent)
        return News([finished(trial) for trial in new], sum(not trial.state.is_finished() for trial in budgeted))


def finished(trial: FrozenTrial) -> Finished:
    """A finished trial in the engine's words."""
    values, reason = trial.values or (), str(trial.user_attrs.get("reason", ""))
    if against := violated(trial):
        reason = f"violates {', '.join(against)}"
    return Finished(trial.number, STATES[trial.state], values, trial.params, reason, trial.last_step, not against)


def maximizes(study: optuna.Study) -> bool | None:
    """Whether a greater value is better; None if the study has several objectives."""
    return study.direction is StudyDirection.MAXIMIZE if len(study.directions) == 1 else None


def settled(trials: Sequence[FrozenTrial]) -> int:
    """How many of them, from the first on, have ended, and need not be looked at again."""
    return next((index for index, trial in enumerate(trials) if not trial.state.is_finished()), len(trials))
