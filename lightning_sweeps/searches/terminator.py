"""``hydra.sweeper.terminator=auto``: end a search when what is left to gain is less than the noise of a value."""

import warnings
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.searches.engine.around import Around
from lightning_sweeps.searches.engine.contracts import Scheduler
from lightning_sweeps.searches.engine.outcome import Finished, State
from lightning_sweeps.searches.record.certainty import noise_of

WAYS = ("auto",)
LEAST_TRIALS = 20  # complete ones, before the bound means anything


class Terminating(Around):
    """A scheduler that has nothing more to propose when the search may end.

    The bound of the regret is Optuna's (Makarova et al. 2022): a Gaussian process through the values says how much
    better the best point of the space can be. The noise is that of ``certainty``.
    """

    def __init__(self, scheduler: Scheduler, study: optuna.Study) -> None:
        super().__init__(scheduler)
        self.study = study
        self._why = ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna calls it experimental
            from optuna.terminator import RegretBoundEvaluator

            self._bound: Any = RegretBoundEvaluator()

    @property
    def exhausted(self) -> str:
        return self._why or self.scheduler.exhausted

    def on_finished(self, finished: Finished) -> None:
        self.scheduler.on_finished(finished)
        if finished.state is State.COMPLETE and not self._why:
            self._why = self._may_end()

    def _may_end(self) -> str:
        trials = self.study.get_trials(deepcopy=False)
        complete = sum(trial.state is optuna.trial.TrialState.COMPLETE for trial in trials)
        known = noise_of(self.study)
        if complete < LEAST_TRIALS or known is None:
            return ""
        try:
            bound = float(self._bound.evaluate(trials, self.study.direction))
        except ValueError:  # the trials have no parameter in common
            return ""
        noise, _ = known
        return f"terminator: at most {bound:.2g} is left to gain, and the noise is {noise:.2g}" if bound < noise else ""


def require_terminator(given: Any, objectives: int) -> bool:
    """Whether there is one.

    Raises:
        ConfigError: there is no such one, or it knows one objective only.
    """
    if given is None:
        return False
    if given not in WAYS:
        raise ConfigError(f"hydra.sweeper.terminator={given}: it is auto, or null.{nearest(str(given), WAYS)}")
    if objectives > 1:
        raise ConfigError("hydra.sweeper.terminator=auto: it bounds the regret of one objective, and there are several")
    return True
