"""What ends a search."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError

FIRST_FAILURES = 3


@dataclass(frozen=True)
class Budget:
    """Trials count over the whole study, seconds from this start.

    Raises:
        ConfigError: a number that cannot be.
    """

    n_trials: int
    timeout: float | None = None
    trial_timeout: float | None = None
    stop_timeout: float = 120.0
    target: float | None = None
    patience: int | None = None
    max_failure_rate: float = 0.5
    max_retries: int = 0

    def __post_init__(self) -> None:
        least = {"n_trials": 1, "patience": 1, "max_retries": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"hydra.sweeper.{name}={value}: it is a whole number, at least {low}")
        if self.target is not None and math.isnan(self.target):
            raise ConfigError(f"hydra.sweeper.target={self.target}: it is the value at which the search may end")
        if not 0 <= self.max_failure_rate <= 1:
            raise ConfigError(f"hydra.sweeper.max_failure_rate={self.max_failure_rate}: it is from 0 to 1")


class Tally:
    """What the study has so far, and which budget that uses up."""

    def __init__(self, study: optuna.Study, budget: Budget) -> None:
        self.study = study
        self.budget = budget
        self.states: dict[int, TrialState] = {}  # of the finished trials
        self.best: FrozenTrial | None = None  # of a study with one objective
        self.trials: list[FrozenTrial] = []  # as they were read last
        self.unfinished = 0  # trials that run, here or under another supervisor, or wait to be run again
        self.started = time.monotonic()
        self._last_better = 0
        self._settled = 0  # so many trials at the beginning of the study have ended and are counted
        self.at_start = self.failed_at_start = 0
        self.update()
        self.at_start = len(self.states)
        self.failed_at_start = self.count(TrialState.FAIL)

    def update(self) -> list[FrozenTrial]:
        """Read the study, to which other supervisors may write as well; gives what it has."""
        trials = self.trials = self.study.get_trials(deepcopy=False)
        recent = trials[self._settled :]
        budgeted = recent[: max(0, self.budget.n_trials - self._settled)]
        self.unfinished = sum(not trial.state.is_finished() for trial in budgeted)
        new = [trial for trial in recent if trial.state.is_finished() and trial.number not in self.states]
        self._settled += settled(recent)
        for trial in _in_order(new):
            self.states[trial.number] = trial.state
            if trial.state is not TrialState.COMPLETE or len(self.study.directions) > 1:
                continue
            if self.best is None or self._better(trial.values[0], self.best.values[0]):
                self.best, self._last_better = trial, len(self.states)
        return trials

    def count(self, state: TrialState) -> int:
        """The finished trials in this state."""
        return sum(one is state for one in self.states.values())

    def why_end(self) -> str:
        """The budget that is used up; empty while there is none. ``n_trials`` is looked at before each trial."""
        budget, finished = self.budget, len(self.states)
        # Failures of an earlier start have been seen, and their cause may have been mended.
        here, failed = finished - self.at_start, self.count(TrialState.FAIL) - self.failed_at_start
        if here >= FIRST_FAILURES and failed == here and budget.max_failure_rate < 1:
            return f"failures: the first {failed} trials failed"
        if failed > budget.max_failure_rate * max(budget.n_trials - self.at_start, here):
            return f"failures: {failed} of {here} trials, more than max_failure_rate={budget.max_failure_rate}"
        if budget.timeout is not None and self.seconds >= budget.timeout:
            return f"timeout={budget.timeout} s"
        if budget.target is not None and self.best and not self._better(budget.target, self.best.values[0]):
            return f"target={budget.target}"
        if budget.patience is not None and finished - self._last_better >= budget.patience:
            return f"patience={budget.patience}"
        return ""

    @property
    def seconds(self) -> float:
        """Since this start."""
        return time.monotonic() - self.started

    def seconds_left(self) -> float | None:
        """Until the end, if it goes on as since this start; None before the first trial has finished."""
        here = len(self.states) - self.at_start
        left = max(0, self.budget.n_trials - len(self.states)) * self.seconds / here if here else None
        if self.budget.timeout is None:
            return left
        until_timeout = max(0.0, self.budget.timeout - self.seconds)
        return until_timeout if left is None else min(left, until_timeout)

    def _better(self, a: float, b: float) -> bool:
        return a > b if self.study.direction is optuna.study.StudyDirection.MAXIMIZE else a < b


def settled(trials: Sequence[FrozenTrial]) -> int:
    """How many of them, from the first on, have ended, and need not be looked at again."""
    return next((index for index, trial in enumerate(trials) if not trial.state.is_finished()), len(trials))


def _in_order(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    return sorted(trials, key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete, trial.number))
