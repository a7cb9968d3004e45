"""What a study has so far, and which part of the budget that uses up."""

import time
from collections.abc import Callable

from lightning_sweeps.searches.engine.budget import Budget
from lightning_sweeps.searches.engine.outcome import Finished, News, State

FIRST_FAILURES = 3


class Tally:
    """Counts a study's trials.

    Args:
        before: what the study had at this start.
        maximize: whether a greater value is better; None if the study has several objectives, and so no best trial.
        clock: in seconds.
    """

    def __init__(
        self, budget: Budget, before: News, maximize: bool | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.budget = budget
        self.best: Finished | None = None
        self.unfinished = 0  # trials that run, here or under another supervisor, or wait to be run again
        self.states: dict[int, State] = {}  # of the finished trials
        self.started = clock()
        self._clock = clock
        self._maximize = maximize
        self._counts = dict.fromkeys(State, 0)
        self._last_better = 0
        self._steps: dict[State, list[int]] = {State.COMPLETE: [], State.PRUNED: []}
        self.note(before)
        self.at_start = len(self.states)
        self.failed_at_start = self.count(State.FAILED)

    def note(self, news: News) -> None:
        """Count what has finished since, also under other supervisors."""
        self.unfinished = news.unfinished
        for trial in news.finished:
            self.states[trial.number] = trial.state
            self._counts[trial.state] += 1
            if trial.step is not None and trial.state in self._steps:
                self._steps[trial.state].append(trial.step)
            if trial.state is not State.COMPLETE or self._maximize is None or not trial.feasible:
                continue
            if self.best is None or self._better(trial.values[0], self.best.values[0]):
                self.best, self._last_better = trial, len(self.states)

    def count(self, state: State) -> int:
        """The finished trials in this state."""
        return self._counts[state]

    @property
    def saved(self) -> float | None:
        """The part of all steps that pruned trials have not taken; None before a trial has shown how many there are."""
        whole, cut = self._steps[State.COMPLETE], self._steps[State.PRUNED]
        if not whole or not cut or not max(whole):
            return None
        return 1 - (sum(whole) + sum(cut)) / (sum(whole) + max(whole) * len(cut))

    @property
    def more(self) -> bool:
        """Whether the budget has trials that nobody has begun."""
        return len(self.states) + self.unfinished < self.budget.n_trials

    def why_end(self) -> str:
        """The budget that is used up; empty while there is none. ``n_trials`` is looked at before each trial."""
        budget, finished = self.budget, len(self.states)
        # Failures of an earlier start do not count: their cause may have been mended since.
        here, failed = finished - self.at_start, self.count(State.FAILED) - self.failed_at_start
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
        return self._clock() - self.started

    def seconds_left(self) -> float | None:
        """Until the end, if it goes on as since this start; None before the first trial has finished."""
        here = len(self.states) - self.at_start
        left = max(0, self.budget.n_trials - len(self.states)) * self.seconds / here if here else None
        if self.budget.timeout is None:
            return left
        until_timeout = max(0.0, self.budget.timeout - self.seconds)
        return until_timeout if left is None else min(left, until_timeout)

    def _better(self, a: float, b: float) -> bool:
        return a > b if self._maximize else a < b
