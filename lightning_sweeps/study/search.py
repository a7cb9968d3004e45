"""One search: from the sweeper's options to a study, its trials and its results."""

import gc
import logging
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle
import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import configure_log, setup_globals
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.trial import Trial

from lightning_sweeps.again import command_again, from_here
from lightning_sweeps.errors import ConfigError
from lightning_sweeps.folders import claim
from lightning_sweeps.study.gpus import visible_gpus
from lightning_sweeps.study.lock import SUPERVISOR, FolderLock
from lightning_sweeps.study.process import Outcome, ReportingTrial, run_trial, serve
from lightning_sweeps.study.results import Results, best_trial
from lightning_sweeps.study.samplers import Auto, choose
from lightning_sweeps.study.space import Space, parse_space
from lightning_sweeps.study.storage import masked, open_storage, open_study
from lightning_sweeps.study.summary import say, summarize
from lightning_sweeps.study.supervisor import Budget, Job, Running, Supervisor

log = logging.getLogger(__name__)
BUDGETS = ("timeout", "trial_timeout", "target", "patience", "max_failure_rate", "max_retries")


def search(
    options: Mapping[str, Any], hydra_context: Any, task_function: Any, config: DictConfig, arguments: Sequence[str]
) -> float | None:
    """Do what ``hydra/sweeper=study`` promises; returns the best value.

    Raises:
        SweepsError: something that a person can act on, before the first trial.
        SystemExit: 1 where too many trials failed or none was complete, 130 after Ctrl-C.
    """
    gc.enable()  # ``main`` turned it off for the imports
    setup_globals()
    _log_as_hydra(config, hydra_context)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = options["storage"]
    if url is not None:
        if "***" in str(url):
            raise ConfigError("hydra.sweeper.storage: its password is kept nowhere; give the whole URL again")
        _hide_password(config, str(url))
    if options["isolation"] not in ("process", "none"):
        raise ConfigError(f"hydra.sweeper.isolation={options['isolation']}: it is process or none")
    space = parse_space(options["params"], arguments, hydra_context.config_loader)
    directions = _directions(options["direction"], config)
    pruner = _build(options["pruner"], "optuna.pruners.*")
    if len(directions) > 1 and not isinstance(pruner, optuna.pruners.NopPruner):
        raise ConfigError("a pruner compares one objective, and there are several; use hydra/sweeper/pruner=none")
    sampler, n_trials, why = _sampler(options, space)
    gpus = visible_gpus()
    slots = _slots(options["n_jobs"], gpus)
    folder = _folder(config)
    lock = FolderLock(folder)
    try:
        study = open_study(
            open_storage(str(url) if url is not None else None, folder),
            options["study_name"] or str(config.hydra.job.name),
            directions,
            sampler,
            pruner,
            space,
        )
        OmegaConf.save(config, folder / "multirun.yaml")
        log.info("search in %s\n%s, %s trials, %s at a time", from_here(folder), why, n_trials, slots)
        results = Results(study, folder)
        results.write()
        extend = _extender(options["custom_search_space"], config)
        with _processes(hydra_context, task_function, folder, slots, gpus) as start:
            supervisor = Supervisor(
                study,
                space,
                Budget(n_trials, **{name: options[name] for name in BUDGETS}),
                slots if options["isolation"] == "process" else 1,
                lambda trial, restarted: _compose(trial, restarted, space, hydra_context, config, folder),
                start if options["isolation"] == "process" else None,
                lambda job, report: _run_here(job, report, hydra_context, task_function),
                results,
                say,
                extend,
            )
            supervisor.run()
        results.write()
        _log_as_hydra(config, hydra_context)  # isolation=none left the last trial's handlers
        summarize(study, supervisor.ending, folder)
    finally:
        lock.release()
    if supervisor.stopped_by is not None:
        overrides = [*config.hydra.overrides.hydra, *arguments]
        again = command_again(overrides, multirun=True, **{"hydra.sweep.dir": from_here(folder)})
        log.info("go on with:\n%s", again)
        sys.exit(130)
    if supervisor.failed:
        sys.exit(1)
    best = best_trial(study)
    return best.value if best is not None else None


def _log_as_hydra(config: DictConfig, hydra_context: Any) -> None:
    hydra = config.hydra
    configure_log(hydra.hydra_logging, hydra.verbose, execution_whitelist=hydra_context.execution_whitelist)


def _hide_password(config: DictConfig, url: str) -> None:
    """Nothing that is saved or logged from here on has the storage's password."""
    hidden = masked(url)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweeper.storage = hidden
        config.hydra.overrides.hydra = [str(line).replace(url, hidden) for line in config.hydra.overrides.hydra]


def _directions(given: Any, config: DictConfig) -> list[str]:
    mode = {"min": "minimize", "max": "maximize"}.get(str(OmegaConf.select(config, "objective.mode")))
    if given is None:
        return [mode or "minimize"]
    several = OmegaConf.is_list(given) or isinstance(given, list | tuple)
    many = [str(getattr(one, "name", one)) for one in (given if several else [given])]
    for one in many:
        if one not in ("minimize", "maximize"):
            raise ConfigError(f"hydra.sweeper.direction={one}: it is minimize or maximize, or a list of them")
    if mode is not None and len(many) == 1 and many[0] != mode:
        raise ConfigError(
            f"hydra.sweeper.direction={many[0]}, but objective.mode means {mode}: they contradict each other."
            "\nLeave the direction out; it follows objective.mode"
        )
    return many


def _build(node: Any, *trusted: str) -> Any:
    return instantiate(node, _execution_whitelist_=(*trusted, "lightning_sweeps.study.samplers.*"))


def _sampler(options: Mapping[str, Any], space: Space) -> tuple[optuna.samplers.BaseSampler, int, str]:
    node = options["sampler"]
    configured = _build(node, "optuna.samplers.*", "hydra_plugins.hydra_optuna_sweeper.*")
    seed = node.get("seed") if hasattr(node, "get") else None
    if options["custom_search_space"] and isinstance(configured, Auto):
        configured = optuna.samplers.TPESampler(seed=seed)
    return choose(configured, seed, space, options["n_trials"])


def _slots(n_jobs: Any, gpus: Sequence[str]) -> int:
    if n_jobs == "auto":
        return max(1, len(gpus))
    if isinstance(n_jobs, int) and n_jobs >= 1:
        return n_jobs
    raise ConfigError(f"hydra.sweeper.n_jobs={n_jobs}: it is a number of trials at once, at least 1, or auto")


def _folder(config: DictConfig) -> Path:
    """A folder of its own, or the one of the search to go on with, where ``hydra.sweep.dir`` names it."""
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    named = any(str(line).startswith("hydra.sweep.dir=") for line in config.hydra.overrides.hydra)
    there = named and folder.is_dir()
    if not (there and ((folder / SUPERVISOR).is_file() or not any(folder.iterdir()))):
        folder = claim(folder)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder)
    return folder


def _extender(target: str | None, config: DictConfig) -> Any:
    if not target:
        return None
    function = instantiate({"_target_": target, "_partial_": True})
    return lambda trial: function(config, trial)


def _compose(trial: Trial, restarted: bool, space: Space, hydra_context: Any, master: DictConfig, folder: Path) -> Job:
    params = dict(trial.params)
    overrides = [*space.fixed, *space.overrides(params)]
    config = hydra_context.config_loader.load_sweep_config(master, overrides)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.job.id = str(trial.number)
        config.hydra.job.num = trial.number
        config.hydra.sweep.dir = str(folder)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(config)
        subdir = str(OmegaConf.select(config, "hydra.sweep.subdir"))
        HydraConfig.instance().cfg = before
    earlier = trial.user_attrs.get("folder")
    if restarted and earlier and Path(earlier).parent != folder and Path(earlier).is_dir():
        with read_write(config.hydra), open_dict(config.hydra):  # begun by another start on a shared storage
            config.hydra.sweep.dir, config.hydra.sweep.subdir = str(Path(earlier).parent), Path(earlier).name
        return Job(trial, params, overrides, Path(earlier), restarted, config)
    return Job(trial, params, overrides, folder / subdir, restarted, config)


@contextmanager
def _processes(hydra_context: Any, task_function: Any, folder: Path, slots: int, gpus: Sequence[str]) -> Any:
    """How to start a trial's process: from a forkserver that has imported what the app imports."""
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    cores = max(1, len(os.sched_getaffinity(0)) // slots)
    if hasattr(context, "set_forkserver_preload"):
        context.set_forkserver_preload(["lightning_sweeps.study.preload", *getattr(task_function, "preload", ())])
    shared = cloudpickle.dumps((hydra_context, task_function, Singleton.get_state()))
    threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    path = os.environ.get("PYTHONPATH")
    for name, value in threads.items():
        os.environ[name] = value or str(cores)
    os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)

    def start(job: Job, slot: int) -> Running:
        ours, theirs = context.Pipe()
        packed = cloudpickle.dumps((job.trial.number, job.params, job.restarted, job.config))
        process = context.Process(
            target=serve,
            args=(
                theirs,
                shared,
                packed,
                str(job.folder),
                str(folder),
                cores,
                gpus[slot % len(gpus)] if gpus else None,
            ),
            name=f"trial-{job.trial.number}",
        )
        process.start()
        theirs.close()
        return Running(job, process, ours, slot)

    try:
        yield start
    finally:
        for name, value in {**threads, "PYTHONPATH": path}.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run_here(job: Job, report: Any, hydra_context: Any, task_function: Any) -> Outcome:
    return run_trial(
        ReportingTrial(job.trial.number, job.params, job.restarted, report), hydra_context, task_function, job.config
    )
