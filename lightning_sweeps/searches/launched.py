"""A search whose trials run under supervisors that a launcher has started."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import optuna

from lightning_sweeps.errors import LauncherError
from lightning_sweeps.searches.engine.budget import Budget
from lightning_sweeps.searches.engine.outcome import State
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.study.news import Reading, maximizes

log = logging.getLogger(__name__)


@dataclass
class Launched:
    """The end of a search that workers have done."""

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
        return not self.tally.count(State.COMPLETE)


def wait_for_workers(launch: Callable[[], int | None], study: optuna.Study, budget: Budget) -> Launched:
    """Run the workers. A launcher complains of a job that it has lost, even if the others have done its work."""
    lost: LauncherError | None = None
    stopped_by = None
    before = len(_counted(study, budget).states)
    try:
        stopped_by = launch()
    except LauncherError as error:
        lost = error
    tally = _counted(study, budget)
    ended = Launched(tally, len(tally.states) - before, stopped_by)
    if lost is not None:
        if not ended.tally.why_end() and len(ended.tally.states) < budget.n_trials:
            raise lost
        log.warning("%s", str(lost).splitlines()[0])
    return ended


def _counted(study: optuna.Study, budget: Budget) -> Tally:
    return Tally(budget, Reading(study, budget.n_trials).news(), maximizes(study))
