"""One search: from the sweeper's options to a study, its trials and its results."""

import functools
import gc
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import optuna
from hydra.core.utils import setup_globals
from omegaconf import DictConfig
from optuna.storages import BaseStorage

from lightning_sweeps.overrides.again import command_to_go_on
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.safety.passwords import hide_passwords
from lightning_sweeps.searches.again import noted_pattern
from lightning_sweeps.searches.detached import has_begun
from lightning_sweeps.searches.dry_run import dry_run, wants_dry_run
from lightning_sweeps.searches.engine.loop import Loop
from lightning_sweeps.searches.execute.errand import Errand, Prepare
from lightning_sweeps.searches.execute.hydras_log import log_as_hydra
from lightning_sweeps.searches.execute.processes import Processes
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.execute.rehearsing import Rehearsing
from lightning_sweeps.searches.execute.servers import Server, Servers
from lightning_sweeps.searches.execute.slots import Slots
from lightning_sweeps.searches.execute.workers import Worker, check_launcher, launch, storage_url
from lightning_sweeps.searches.launched import Launched, wait_for_workers
from lightning_sweeps.searches.options import Options
from lightning_sweeps.searches.plan import Plan, make_plan
from lightning_sweeps.searches.record.ending import summarize, why_failed
from lightning_sweeps.searches.record.provenance import EVERYTHING, record_start
from lightning_sweeps.searches.record.record import Record
from lightning_sweeps.searches.record.screen import on_screen
from lightning_sweeps.searches.record.trials_csv import best_trial
from lightning_sweeps.searches.record.words import number_of
from lightning_sweeps.searches.space.direction import described
from lightning_sweeps.searches.space.samplers import Exhaustive
from lightning_sweeps.searches.space.tries import Tries
from lightning_sweeps.searches.store.disks import warn_of_network
from lightning_sweeps.searches.store.journal import JOURNAL, open_journal
from lightning_sweeps.searches.store.lock import FolderLock
from lightning_sweeps.searches.store.optunas import storage_of
from lightning_sweeps.searches.store.search_folder import choose_folder, save_config
from lightning_sweeps.searches.store.storage import be_patient, file_of, open_url
from lightning_sweeps.searches.study.continuity import require_same, require_study
from lightning_sweeps.searches.study.owners import Owner
from lightning_sweeps.searches.supervise import supervise

log = logging.getLogger(__name__)

SECONDS_TO_END = 5.0  # that the trials of a supervisor that has just been killed get


def search(
    options: Options,
    program: Program,
    arguments: Sequence[str],
    slots: Slots,
    servers: tuple[Servers, Server] | None,
    report: Prepare | None,
    sweep: Callable[[Options, Program, Sequence[str]], object],
) -> float | None:
    """Do what ``hydra/sweeper=study`` promises; returns the best value.

    Args:
        arguments: the overrides that were typed, but for Hydra's own.
        servers: of the trials' processes, and the first of them, opened; None if trials run in this process.
        report: prepares to write the report of a search's folder, as its storage and its name in it tell; the writing
            returns why there is none, if so. None if none is wanted.
        sweep: what a worker on another machine calls.

    Raises:
        SweepsError: something that the user can act on, before the first trial.
        SystemExit: 1 if too many trials failed or none was complete, 130 after Ctrl-C.
    """
    config, join = program.config, options.join
    _settle(program)
    url = storage_url(options.storage)
    hide_passwords(config)
    plan = make_plan(options, program, arguments)
    gpus = check_launcher(config, int(options.workers)) if options.workers is not None else ()
    name = options.study_name or str(config.hydra.job.name)
    storage = open_url(url) if url is not None else None
    with ExitStack() as stack:
        console = stack.enter_context(on_screen(shared=servers is None and options.workers is None))
        processes = None
        if servers is not None:
            processes = Processes(*servers, plan.directions, slots, plan.start_timeout)
            stack.callback(processes.close)
            if not join:  # the supervisor that began the search has done so
                _rehearse(plan, processes, program.task_function)
        if wants_dry_run(options.dry_run, program.task_function, config):
            dry_run(plan, config, processes, program.task_function, slots.count)
            return None
        folder = choose_folder(config, join=join)
        getattr(program.task_function, "folders", []).append(folder)
        lock = FolderLock(folder, join=join)
        stack.callback(lock.release)
        study, changed = _open_study(plan, storage, folder, name, config, options)
        warn_of_network(file_of(url, folder))
        if not join:
            save_config(config, folder)
            at_once = {"n_jobs": slots.count} if options.workers is None else {"workers": int(options.workers)}
            _record_start(plan, study, folder, config, changed, at_once)
        errand = stack.enter_context(closing(Errand(report))) if report is not None else None
        record = Record(study, folder, list(plan.space.distributions), options.keep_checkpoints)
        if options.workers is not None:
            _announce(plan, folder, config)
            has_begun()
            be_patient(storage_of(study), options.grace_period)  # the next call may come hours later
            worker = Worker(functools.partial(sweep, options.of_a_worker(), program, list(arguments)), config, gpus)
            at_work = functools.partial(
                launch, worker, program.hydra_context, url, int(options.workers), folder, plan.space.fixed
            )
            ended: Loop | Launched = wait_for_workers(at_work, study, plan.budget)
        else:
            owner = Owner(study, folder, options.grace_period, slots.count)
            stack.callback(owner.close)
            owner.put_back((), SECONDS_TO_END)
            _announce(plan, folder, config, f", {slots.count} at a time{slots.described()}")
            ended = supervise(plan, owner, program, slots.count, processes, record.update, errand, console)
        record.finish()
        if join and not (lock.is_last() and ended.stopped_by is None):
            log.info("left after %s", ended.ending)  # the rest is said by who leaves last
            return sys.exit(130) if ended.stopped_by is not None else None
        if errand is not None:
            _write_report(errand, (str(folder), url, name))
        summarize(study, ended.ending, ended.tally, folder, record.checkpoints)
    return _leave(ended, study, config, folder)


def _open_study(
    plan: Plan, storage: BaseStorage | None, folder: Path, name: str, config: DictConfig, options: Options
) -> tuple[optuna.Study, list[str]]:
    """The study, in this storage or in the folder's journal, and what is not as it was at its earlier starts."""
    alone = not options.join
    if storage is None and (folder / JOURNAL).is_file():
        storage = open_journal(folder, alone=alone)
    require_study(folder, storage, name)
    study = plan.open(storage or open_journal(folder, alone=alone), name)
    if (pattern := noted_pattern()) is not None:
        plan.run_again(study, pattern)
    allowed = options.allow_changes
    return study, require_same(study, config, plan.space.fixed, allow_changes=allowed, join=not alone)


def _record_start(
    plan: Plan, study: optuna.Study, folder: Path, config: DictConfig, changed: list[str], at_once: dict[str, int]
) -> None:
    said = {"changed": changed, "trials": len(study.get_trials(deepcopy=False))} if changed else {}
    settings = {"cwd": config.hydra.runtime.cwd, "sampler": plan.why, "n_trials": plan.budget.n_trials}
    everything = {EVERYTHING: isinstance(plan.sampler, Exhaustive)}
    record_start(study, folder, {**settings, **everything, **at_once, **said})


def _write_report(errand: Errand, where: tuple[str, str | None, str]) -> None:
    """A search that has ended well does not fail for its report, nor for one more Ctrl-C."""
    try:
        wrong = errand.do(where)
    except KeyboardInterrupt:
        wrong = "interrupted"
    if wrong:
        log.warning("no report.html: %s", wrong)


def _rehearse(plan: Plan, processes: Processes, task_function: Any) -> None:
    """Know before the first trial what cannot be built, of programs that can say so."""
    if not hasattr(task_function, "rehearse") or plan.compose.extend is not None:
        return
    with closing(Rehearsing(processes)) as asked:
        Tries(plan.space, plan.compose, asked).require_buildable()


def _leave(ended: Loop | Launched, study: optuna.Study, config: DictConfig, folder: Path) -> float | None:
    if ended.stopped_by is not None or ended.ending.startswith("timeout"):
        log.info("go on with:\n%s", command_to_go_on(config, folder))
    if ended.stopped_by is not None:
        sys.exit(130)
    if ended.failed:
        sys.exit(f"error: {why_failed(study, ended.ending)}")
    _say_what_is_left(ended, study, config, folder)
    best = best_trial(study)
    return best.value if best is not None else None


def _say_what_is_left(ended: Loop | Launched, study: optuna.Study, config: DictConfig, folder: Path) -> None:
    finished, sampler = len(ended.tally.states), study.sampler
    if isinstance(sampler, Exhaustive) and (failed := sampler.failed(study.get_trials(deepcopy=False))):
        more = {"hydra.sweeper.n_trials": finished + len(failed)}
        log.info("to run the failed trials again:\n%s", command_to_go_on(config, folder, **more))
    elif ended.finished_here:
        return
    elif isinstance(sampler, Exhaustive):
        log.info("nothing was left to do: each combination has been run")
    else:
        more = {"hydra.sweeper.n_trials": 2 * finished}
        log.info("nothing was left to do; for more trials:\n%s", command_to_go_on(config, folder, **more))


def _announce(plan: Plan, folder: Path, config: DictConfig, more: str = "") -> None:
    what = described(plan.directions, config)
    each = f", each the {plan.parts}" if plan.parts is not None else ""
    more += f"\n{plan.first.said}" if plan.first.said else ""
    trials = number_of(plan.budget.n_trials)
    log.info("search in %s: %s\n%s, %s%s%s", from_here(folder), what, plan.why, trials, each, more)


def _settle(program: Program) -> None:
    gc.enable()  # ``main`` turned it off for the imports
    setup_globals()
    log_as_hydra(program.config, program.hydra_context)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
