"""The configs of ``hydra/sweeper=study``: stock names, a few more, and the pruners."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from lightning_sweeps.searches.space import hub

# Every combination once, in order, if the space is finite and the budget covers it; else TPE. It is no dataclass,
# so that a file of the stock sweeper, whose own default is TPE, may name that and its arguments here.
AUTO_SAMPLER = {"_target_": "lightning_sweeps.searches.space.samplers.Auto", "seed": None}


@dataclass
class Pruner:
    """Base of the pruners' configs; their arguments are those of Optuna's classes."""

    _target_: str = MISSING


@dataclass
class NoPruner(Pruner):
    _target_: str = "optuna.pruners.NopPruner"


@dataclass
class MedianPruner(Pruner):
    _target_: str = "optuna.pruners.MedianPruner"
    n_startup_trials: int = 5
    n_warmup_steps: int = 0
    interval_steps: int = 1
    n_min_trials: int = 1


@dataclass
class PercentilePruner(MedianPruner):
    _target_: str = "optuna.pruners.PercentilePruner"
    percentile: float = 25.0


@dataclass
class AshaPruner(Pruner):
    _target_: str = "optuna.pruners.SuccessiveHalvingPruner"
    # Optuna has "auto" and 4. These lose 0.03 points on MNIST for 56 % of the epochs: docs/quality.md
    min_resource: Any = 2
    reduction_factor: int = 2
    min_early_stopping_rate: int = 0
    bootstrap_count: int = 0


@dataclass
class HyperbandPruner(Pruner):
    _target_: str = "optuna.pruners.HyperbandPruner"
    min_resource: int = 1
    max_resource: Any = "auto"
    reduction_factor: int = 3
    bootstrap_count: int = 0


@dataclass
class ThresholdPruner(Pruner):
    _target_: str = "optuna.pruners.ThresholdPruner"
    lower: float | None = None
    upper: float | None = None
    n_warmup_steps: int = 0
    interval_steps: int = 1


@dataclass
class PatientPruner(Pruner):
    _target_: str = "optuna.pruners.PatientPruner"
    wrapped_pruner: Any = None
    patience: int = 3
    min_delta: float = 0.0


@dataclass
class WilcoxonPruner(Pruner):
    _target_: str = "optuna.pruners.WilcoxonPruner"
    p_threshold: float = 0.1
    n_startup_steps: int = 2


PRUNERS = {
    "none": NoPruner,
    "median": MedianPruner,
    "percentile": PercentilePruner,
    "asha": AshaPruner,
    "hyperband": HyperbandPruner,
    "threshold": ThresholdPruner,
    "patient": PatientPruner,
    "wilcoxon": WilcoxonPruner,
}


@dataclass
class StudySweeper:
    """Options of the stock Optuna sweeper under their names, then those of this sweeper."""

    _target_: str = "lightning_sweeps.command.sweeper.StudySweeper"
    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "auto"}, {"pruner": "none"}])

    sampler: Any = MISSING
    direction: Any = None  # minimize, maximize, or a list of them; null: what the config's objective.mode says
    repeats: Any | None = None  # run each trial with so many seeds
    folds: Any | None = None  # or on so many folds of the datamodule
    aggregate: str = "mean"  # of the values of a trial's parts: mean, median, worst, bound
    warm_start: Any = "auto"  # the first trials: config, overrides, a CSV file, an earlier search; null: none
    priors: Any | None = None  # parameter -> value near which good ones are expected
    constraints: Any | None = None  # what a trial must fulfil to count: [parameters<100000, seconds_per_step<0.01]
    on_duplicate: str = "run"  # parameters that a trial has had: run them again, reuse its values, or skip: draw others
    on_oom: str = "fail"  # or halve_batch: a trial that ran out of memory runs again, with half the batch
    detach: Any = False  # go on without the terminal, and say the rest in search.log
    dry_run: bool = False  # compose and try what would be run, print a table, and leave nothing behind
    storage: Any | None = None  # an Optuna storage URL; null: a journal file in the sweep's folder
    study_name: str | None = None
    n_trials: int | None = None  # finished trials of the study; null: every combination, or 20
    n_jobs: Any = "auto"  # slots: trials at once; auto: one for each GPU, or 1
    devices_per_trial: Any = "auto"  # GPUs of a slot; auto: trainer.devices, or 1
    trials_per_device: int = 1  # slots that share a GPU, each with its part of the memory
    max_failure_rate: float = 0.5
    params: Any | None = None  # parameter -> its values, or a list of such, of which each trial has one
    conditions: Any | None = None  # parameter -> optimizer=sgd, or a list: it is there only if they hold
    exclude: list[Any] | None = None  # combinations that are left out: conditions, or lists of which all hold
    search_space: Any = None  # the name of params in the stock sweeper's first versions
    custom_search_space: str | None = None

    pruner: Pruner = MISSING
    keep_checkpoints: str = "all"  # or best, or top_3: those of other finished trials are deleted
    report: bool = True  # write report.html at the end
    workers: int | None = None  # supervisors for hydra/launcher to start; null: this command is the only one
    allow_changes: bool = False  # go on with other fixed overrides than those that the study's trials have
    join: bool = False  # add a supervisor to the search that runs in hydra.sweep.dir
    preload: bool = True  # what the main function refers to is imported once for all trials, not by each
    start_method: str = "${oc.env:LIGHTNING_SWEEPS_START_METHOD,auto}"  # of trials: auto, fork, forkserver or spawn
    start_timeout: Any = None  # seconds within which a trial must have begun; null: a fair time
    isolation: str = "process"  # or none: trials run in this process, for a debugger
    timeout: Any = None  # of this start: seconds, or 1h30m
    trial_timeout: Any = None  # of a trial
    stop_timeout: Any = 120.0  # seconds for a stopped trial that is writing a checkpoint; others have ten
    target: float | None = None  # stop when the best value is this good
    patience: int | None = None  # stop after so many finished trials without a better one
    terminator: Any | None = None  # auto: stop when less is left to gain than the noise of a value
    grace_period: Any = 60.0  # seconds without a sign of life after which a supervisor elsewhere counts as gone
    max_retries: int = 0  # for trials that something outside has ended: a signal, a lost process


def register() -> None:
    """Put the configs where Hydra finds them."""
    store = ConfigStore.instance()  # in a launcher's job it has them already, with the rest of Hydra's state
    store.store(group="hydra/sweeper", name="study", node=StudySweeper, provider="lightning_sweeps", replace=True)
    parts = {("sampler", "auto"): AUTO_SAMPLER, **{("pruner", name): node for name, node in PRUNERS.items()}}
    hubs = {(f"{part}/hub", name): node for part in hub.KINDS for name, node in hub.nodes(part).items()}
    for (part, name), node in {**parts, **hubs}.items():
        store.store(group=f"hydra/sweeper/{part}", name=name, node=node, provider="lightning_sweeps", replace=True)
