"""The engine with a study's parts in its places: runs trials on this machine until a budget is used."""

from collections.abc import Callable, Sequence

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial
from rich.console import Console

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.overrides.again import command_to_go_on
from lightning_sweeps.searches.detached import has_begun
from lightning_sweeps.searches.engine.contracts import Executor, Member, Scheduler
from lightning_sweeps.searches.engine.loop import Loop
from lightning_sweeps.searches.engine.signals import Signals
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.execute.errand import Errand
from lightning_sweeps.searches.execute.executor import SECONDS_TO_LEAVE, ProcessExecutor
from lightning_sweeps.searches.execute.in_process import InProcessExecutor
from lightning_sweeps.searches.execute.processes import Processes
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.plan import Plan
from lightning_sweeps.searches.record.live import open_view
from lightning_sweeps.searches.record.words import short_names
from lightning_sweeps.searches.study.ledger import StudyLedger
from lightning_sweeps.searches.study.news import Reading, maximizes
from lightning_sweeps.searches.study.owners import Owner
from lightning_sweeps.searches.study.parts import PartsScheduler
from lightning_sweeps.searches.study.scheduler import StudyScheduler
from lightning_sweeps.searches.study.smaller_batches import SmallerBatches
from lightning_sweeps.searches.study.trouble import STORAGE_TROUBLE
from lightning_sweeps.searches.terminator import Terminating

TRIALS_OF_A_LONG_REPORT = 10  # from here on it has importances, for which scikit-learn is imported


def supervise(
    plan: Plan,
    owner: Owner,
    program: Program,
    slots: int,
    processes: Processes | None,
    after: Callable[[Sequence[FrozenTrial]], None],
    errand: Errand | None,
    console: Console | None,
) -> Loop:
    """Run trials until a budget is used.

    Args:
        processes: None if trials run in this process.
        after: called with the study's trials each time that they have been read.
        errand: to be done after the last trial, if it is worth a process that gets ready for it.
        console: the terminal; None if there is none.

    Raises:
        ConfigError: no trial can be begun.
        FolderError: the search cannot go on; says how to go on with it later.
    """
    study, budget, config = owner.study, plan.budget, program.config
    reading = Reading(study, budget.n_trials)
    tally = Tally(budget, reading.news(), maximizes(study))
    if processes is None:
        executor: Executor = InProcessExecutor(program, plan.directions)
    else:
        processes.lock = owner.lock.file
        processes.errand = errand if budget.n_trials >= TRIALS_OF_A_LONG_REPORT else None
        leave = min(SECONDS_TO_LEAVE, budget.trial_timeout or SECONDS_TO_LEAVE)
        executor = ProcessExecutor(processes, lambda: owner.others_here(reading.trials), leave)
    ledger, scheduler = StudyLedger(owner, reading, after, plan.constraints), _scheduler(plan, study)
    metric = OmegaConf.select(config, "objective.metric")
    unit = "part" if plan.parts is not None else "epoch" if metric else "step"
    names = short_names(plan.space.distributions)
    with open_view(console if processes is not None else None, metric, names, unit) as view:
        loop = Loop(ledger, scheduler, executor, view, tally, slots)
        try:
            with Signals() as signals:
                has_begun()  # from here on a signal stops it as it should
                loop.run(signals)
        except (*STORAGE_TROUBLE, ConfigError) as error:
            if isinstance(error, ConfigError) and not any(trial.state.is_finished() for trial in study.trials):
                raise  # there is nothing to resume
            again = command_to_go_on(config, owner.folder)
            raise FolderError(f"the search stopped: {error}.\nWhat was told is kept; go on with: {again}") from error
    return loop


def _scheduler(plan: Plan, study: optuna.Study) -> Scheduler:
    scheduler = _of_parts(plan, study)
    if plan.halves_batches:
        scheduler = SmallerBatches(scheduler, plan.compose.changed)
    return Terminating(scheduler, study) if plan.terminates else scheduler


def _of_parts(plan: Plan, study: optuna.Study) -> Scheduler:
    if (parts := plan.parts) is None:
        return StudyScheduler(study, plan.compose, reuses=plan.reuses)

    def part_of(whole: Member, number: int) -> Member:
        return plan.compose.part(whole, number, parts.overrides(whole.config, number))

    return PartsScheduler(study, plan.compose, part_of, parts, reuses=plan.reuses)
