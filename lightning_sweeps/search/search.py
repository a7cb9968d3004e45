"""One search: from the sweeper's options to a study, its trials and its results."""

import gc
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from hydra.core.utils import configure_log, setup_globals
from omegaconf import DictConfig, OmegaConf
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError, FolderError, LauncherError
from lightning_sweeps.overrides.again import command_to_go_on, typed
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.safety.passwords import hide_passwords
from lightning_sweeps.search.engine.budget import Budget, Tally
from lightning_sweeps.search.engine.outcome import Outcome
from lightning_sweeps.search.execute.errand import Errand, Prepare
from lightning_sweeps.search.execute.process import ReportingTrial, leave_if_forked, run_trial
from lightning_sweeps.search.execute.processes import Processes
from lightning_sweeps.search.execute.ranks import Launch, start_ranks_by
from lightning_sweeps.search.execute.rehearsing import Rehearsing
from lightning_sweeps.search.execute.servers import Server, Servers
from lightning_sweeps.search.execute.slots import Slots
from lightning_sweeps.search.execute.workers import Worker, check_launcher, launch, storage_url
from lightning_sweeps.search.record.checkpoints_kept import Checkpoints, kept_count
from lightning_sweeps.search.record.ending import summarize, why_failed
from lightning_sweeps.search.record.provenance import record_start
from lightning_sweeps.search.record.table import Results, best_trial
from lightning_sweeps.search.record.view import open_view
from lightning_sweeps.search.space.compose import Composer
from lightning_sweeps.search.space.direction import described, directions
from lightning_sweeps.search.space.job import Job
from lightning_sweeps.search.space.parts import build_pruner, build_sampler
from lightning_sweeps.search.space.samplers import Exhaustive
from lightning_sweeps.search.space.space import Space, parse_space
from lightning_sweeps.search.space.tries import Tries
from lightning_sweeps.search.store.continuity import require_same, require_study
from lightning_sweeps.search.store.disks import warn_of_network
from lightning_sweeps.search.store.lock import FolderLock
from lightning_sweeps.search.store.owners import STORAGE_TROUBLE, Owner
from lightning_sweeps.search.store.search_folder import choose_folder, save_config
from lightning_sweeps.search.store.storage import JOURNAL, be_patient, file_of, open_journal, open_study, open_url
from lightning_sweeps.search.supervisor import Supervisor

log = logging.getLogger(__name__)
SECONDS_TO_END = 5.0  # for the trials of a supervisor that has just been killed
TRIALS_OF_A_LONG_REPORT = 10  # it has importances then, for which scikit-learn is imported
BUDGETS = ("timeout", "trial_timeout", "stop_timeout", "target", "patience", "max_failure_rate", "max_retries")


def search(
    options: Mapping[str, Any],
    hydra_context: Any,
    task_function: Any,
    config: DictConfig,
    arguments: Sequence[str],
    slots: Slots,
    servers: tuple[Servers, Server] | None,
    report: Prepare | None,
    supervise: Callable[..., object],
) -> float | None:
    """Do what ``hydra/sweeper=study`` promises; returns the best value.

    Args:
        servers: of the trials' processes, and the first of them, opened; None where trials run in this process.
        report: prepares to write the report of a search's folder, as its storage and its name in it tell; the writing
            returns why there is none, if so. None where none is wanted.
        supervise: what a worker on another machine calls, with the first five of these and ``join`` among the options.

    Raises:
        SweepsError: something that a person can act on, before the first trial.
        SystemExit: 1 where too many trials failed or none was complete, 130 after Ctrl-C.
    """
    _settle(config, hydra_context)
    url = storage_url(options["storage"])
    hide_passwords(config)
    plan = _plan(options, hydra_context, config, arguments, task_function)
    join, workers = bool(options["join"]), options["workers"]
    gpus = check_launcher(config, int(workers)) if workers is not None else ()
    name = options["study_name"] or str(config.hydra.job.name)

    storage = open_url(url) if url is not None else None
    with ExitStack() as stack:
        processes = None
        if servers is not None:
            processes = Processes(*servers, len(plan.directions), slots, plan.start_timeout)
            stack.callback(processes.close)
            if not join:  # whoever began the search has done so
                _rehearse(plan, processes, task_function)
        folder = choose_folder(config, join=join)
        lock = FolderLock(folder, join=join)
        stack.callback(lock.release)
        study, changed = _open_study(plan, storage, folder, name, config, options)
        warn_of_network(file_of(url, folder))
        if not join:
            save_config(config, folder)
            at_once = {"n_jobs": slots.count} if workers is None else {"workers": int(workers)}
            _record_start(plan, study, folder, config, changed, at_once)
        errand = Errand(report) if report is not None else None
        if errand is not None:
            stack.callback(errand.close)
        results = Results(study, folder, list(plan.space.distributions))
        checkpoints = Checkpoints(study, folder, options["keep_checkpoints"])
        if workers is not None:
            _announce(plan, folder, config)
            worker = Worker(supervise, options, hydra_context, task_function, config, arguments, gpus)
            fixed = plan.space.fixed
            be_patient(study._storage, options["grace_period"])  # noqa: SLF001 (it is asked again hours later)
            ended: Supervisor | _Ended = _wait_for_workers(
                lambda: launch(worker, url, int(workers), folder, fixed), study, plan.budget
            )
        else:

            def after(trials: Sequence[FrozenTrial]) -> None:
                results.update(trials)
                checkpoints.tidy()

            owner = Owner(study, folder, options["grace_period"], slots.count)
            stack.callback(owner.close)
            ended = _supervise(
                plan, owner, folder, hydra_context, task_function, config, slots, processes, after, errand
            )
        results.finish()
        checkpoints.tidy()
        if join and not (lock.is_last() and ended.stopped_by is None):
            log.info("left after %s", ended.ending)  # the rest is said by who leaves last
            return sys.exit(130) if ended.stopped_by is not None else None
        if errand is not None:
            _write_report(errand, (str(folder), url, name))
        summarize(study, ended.ending, folder, checkpoints)
    return _leave(ended, config, folder)


def _open_study(
    plan: "_Plan",
    storage: BaseStorage | None,
    folder: Path,
    name: str,
    config: DictConfig,
    options: Mapping[str, Any],
) -> tuple[optuna.Study, list[str]]:
    """The study, in this storage or in the folder's journal, and what is not as it was at its earlier starts."""
    alone = not options["join"]
    if storage is None and (folder / JOURNAL).is_file():
        storage = open_journal(folder, alone=alone)
    require_study(folder, storage, name)
    study = plan.open(storage or open_journal(folder, alone=alone), name)
    allowed = bool(options["allow_changes"])
    return study, require_same(study, config, plan.space.fixed, allow_changes=allowed, join=not alone)


def _record_start(
    plan: "_Plan", study: optuna.Study, folder: Path, config: DictConfig, changed: list[str], at_once: dict[str, int]
) -> None:
    said = {"changed": changed, "trials": len(study.get_trials(deepcopy=False))} if changed else {}
    settings = {"cwd": config.hydra.runtime.cwd, "sampler": plan.why, "n_trials": plan.budget.n_trials}
    record_start(study, folder, {**settings, **at_once, **said})


def _write_report(errand: Errand, where: tuple[str, str | None, str]) -> None:
    """A search that has ended well does not fail for its report, nor for one more Ctrl-C."""
    try:
        wrong = errand.do(where)
    except KeyboardInterrupt:
        wrong = "interrupted"
    if wrong:
        log.warning("no report.html: %s", wrong)


@dataclass
class _Plan:
    """What the options mean, checked."""

    space: Space
    directions: list[str]
    pruner: optuna.pruners.BasePruner
    sampler: optuna.samplers.BaseSampler
    why: str
    budget: Budget
    compose: Composer
    start_timeout: float | None

    def open(self, storage: BaseStorage, name: str) -> optuna.Study:
        """The study, new or to go on with; the budget is for what it lacks."""
        study = open_study(storage, name, self.directions, self.sampler, self.pruner, self.space)
        if isinstance(self.sampler, Exhaustive):
            n_trials = self.sampler.go_on_after(study.get_trials(deepcopy=False))
            self.budget = replace(self.budget, n_trials=n_trials)
        return study


def _plan(
    options: Mapping[str, Any],
    hydra_context: Any,
    config: DictConfig,
    arguments: Sequence[str],
    task_function: Any,
) -> _Plan:
    space = parse_space(options["params"], arguments, hydra_context.config_loader)
    chosen = directions(options["direction"], config)
    pruner = build_pruner(options["pruner"])
    _require_objective(config, chosen, pruner)
    if len(chosen) > (returned := getattr(task_function, "objectives", len(chosen))):
        raise ConfigError(
            f"hydra.sweeper.direction={','.join(chosen)}: a run here returns {returned} value, so name one direction"
        )
    sampler, n_trials, why = build_sampler(options, space, typed(config.hydra))
    kept_count(options["keep_checkpoints"], len(chosen))
    budget = Budget(n_trials, **{name: options[name] for name in BUDGETS})
    accept = getattr(task_function, "check", None)
    compose = Composer(space, hydra_context, config, options["custom_search_space"], accept)
    compose.check()
    return _Plan(space, chosen, pruner, sampler, why, budget, compose, options["start_timeout"])


@dataclass
class _Ended:
    """What is left to say where workers have done the search."""

    study: optuna.Study
    tally: Tally
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


def _wait_for_workers(launch: Callable[[], int | None], study: optuna.Study, budget: Budget) -> _Ended:
    """Run them. A launcher complains of a job that it lost also where the others have done what was left."""
    lost: LauncherError | None = None
    stopped_by = None
    try:
        stopped_by = launch()
    except LauncherError as error:
        lost = error
    ended = _Ended(study, Tally(study, budget), stopped_by)
    if lost is not None:
        if not ended.tally.why_end() and len(ended.tally.states) < budget.n_trials:
            raise lost
        log.warning("%s", str(lost).splitlines()[0])
    return ended


def _supervise(
    plan: _Plan,
    owner: Owner,
    folder: Path,
    hydra_context: Any,
    task_function: Any,
    config: DictConfig,
    slots: Slots,
    processes: Processes | None,
    after: Callable[[Sequence[FrozenTrial]], None],
    errand: Errand | None,
) -> Supervisor:
    """Run trials until a budget is used."""
    owner.put_back((), SECONDS_TO_END)
    _announce(plan, folder, config, f", {slots.count} at a time{slots.described()}")
    study, objectives = owner.study, len(plan.directions)
    if processes is not None:
        processes.lock = owner.lock.file
        processes.errand = errand if plan.budget.n_trials >= TRIALS_OF_A_LONG_REPORT else None
    with open_view(OmegaConf.select(config, "objective.metric"), in_processes=processes is not None) as view:
        supervisor = Supervisor(
            study,
            Tally(study, plan.budget),
            slots.count,
            owner,
            plan.compose,
            processes,
            lambda job, report: _run_here(job, report, hydra_context, task_function, config, objectives),
            after,
            view,
        )
        try:
            supervisor.run()
        except (*STORAGE_TROUBLE, ConfigError) as error:
            if isinstance(error, ConfigError) and not any(trial.state.is_finished() for trial in study.trials):
                raise  # nothing to go on with
            again = command_to_go_on(config, folder)
            raise FolderError(f"the search stopped: {error}.\nWhat was told is kept; go on with: {again}") from error
    return supervisor


def _rehearse(plan: _Plan, processes: Processes, task_function: Any) -> None:
    """Know before the first trial what cannot be built, of programs that can say so."""
    if not hasattr(task_function, "rehearse") or plan.compose.extend is not None:
        return
    with closing(Rehearsing(processes)) as asked:
        Tries(plan.space, plan.compose, asked).require_buildable()


def _leave(supervisor: Supervisor | _Ended, config: DictConfig, folder: Path) -> float | None:
    if supervisor.stopped_by is not None or supervisor.ending.startswith("timeout"):
        log.info("go on with:\n%s", command_to_go_on(config, folder))
    if supervisor.stopped_by is not None:
        sys.exit(130)
    if supervisor.failed:
        sys.exit(f"error: {why_failed(supervisor.study, supervisor.ending)}")
    tally = supervisor.tally
    if isinstance(supervisor.study.sampler, Exhaustive) and (failed := tally.count(TrialState.FAIL)):
        more = {"hydra.sweeper.n_trials": len(tally.states) + failed}
        log.info("to run what failed again:\n%s", command_to_go_on(config, folder, **more))
    elif tally.at_start == len(tally.states) and isinstance(supervisor.study.sampler, Exhaustive):
        log.info("nothing was left to do: each combination has been run")
    elif tally.at_start == len(tally.states):
        more = {"hydra.sweeper.n_trials": 2 * len(tally.states)}
        log.info("nothing was left to do; for more trials:\n%s", command_to_go_on(config, folder, **more))
    best = best_trial(supervisor.study)
    return best.value if best is not None else None


def _announce(plan: _Plan, folder: Path, config: DictConfig, more: str = "") -> None:
    what = described(plan.directions, config)
    log.info("search in %s: %s\n%s, %s trials%s", from_here(folder), what, plan.why, plan.budget.n_trials, more)


def _settle(config: DictConfig, hydra_context: Any) -> None:
    gc.enable()  # ``main`` turned it off for the imports
    setup_globals()
    _log_as_hydra(config, hydra_context)
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _log_as_hydra(config: DictConfig, hydra_context: Any) -> None:
    hydra = config.hydra
    configure_log(hydra.hydra_logging, hydra.verbose, execution_whitelist=hydra_context.execution_whitelist)


def _require_objective(config: DictConfig, directions: Sequence[str], pruner: optuna.pruners.BasePruner) -> None:
    if len(directions) > 1 and not isinstance(pruner, optuna.pruners.NopPruner):
        raise ConfigError("a pruner compares one objective, and there are several; use hydra/sweeper/pruner=none")
    objective = OmegaConf.select(config, "objective")
    if OmegaConf.is_dict(objective) and "metric" in objective and objective.metric is None:
        raise ConfigError("objective.metric=null: a search needs a number to compare; name a logged metric")


def _refuse_ranks(_: Launch) -> None:
    raise ConfigError("a distributed trial has several processes; leave hydra.sweeper.isolation=none out")


def _run_here(
    job: Job, report: Any, hydra_context: Any, task_function: Any, master: DictConfig, objectives: int
) -> Outcome:
    for module in getattr(task_function, "preload", ()):
        importlib.import_module(module)
    start_ranks_by(_refuse_ranks, 1)
    trial = ReportingTrial(job.trial.number, job.params, job.restarted, report, lambda _: None)
    process = os.getpid()
    try:
        with _ctrl_c_raising():
            outcome = run_trial(trial, hydra_context, task_function, job.config, objectives)
        leave_if_forked(process)
        return outcome
    finally:
        _log_as_hydra(master, hydra_context)  # the trial's handlers write into its folder
        gc.collect()  # a module and its trainer refer to each other, and the next trial's need their memory


@contextmanager
def _ctrl_c_raising() -> Iterator[None]:
    """The search's own handler only notes it, for a loop that does not turn while a trial runs in this process."""
    if threading.current_thread() is not threading.main_thread():  # Python lets only that one
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
