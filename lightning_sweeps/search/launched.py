"""A search whose trials run under supervisors that a launcher has started."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from lightning_sweeps.errors import LauncherError
from lightning_sweeps.search.engine.budget import Budget, Tally

log = logging.getLogger(__name__)


@dataclass
class Launched:
    """What is left to say where workers have done the search."""

    study: optuna.Study
    tally: Tally
    finished_here: int  # trials that ended since this start
    stopped_by: int | None = None

    @property
    def ending(self) -> str:
        budget = self.tally.budget
        if self.stopped_by is not None:
            return "interrupted"
        return self.tally.why_end() or (f"n_trials={budget.n_trials}" if not self.tally.unfinished else "its workers")

    @property
    def failed(self) -> bool:
        return not self.tally.count(TrialState.COMPLETE)


def wait_for_workers(launch: Callable[[], int | None], study: optuna.Study, budget: Budget) -> Launched:
    """Run them. A launcher complains of a job that it lost also where the others have done what was left."""
    lost: LauncherError | None = None
    stopped_by = None
    before = len(Tally(study, budget).states)
    try:
        stopped_by = launch()
    except LauncherError as error:
        lost = error
    tally = Tally(study, budget)
    ended = Launched(study, tally, len(tally.states) - before, stopped_by)
    if lost is not None:
        if not ended.tally.why_end() and len(ended.tally.states) < budget.n_trials:
            raise lost
        log.warning("%s", str(lost).splitlines()[0])
    return ended
