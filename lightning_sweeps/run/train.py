"""A composed config -> one Lightning run -> its result. Knows nothing of searches."""

import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import BaseFinetuning, Checkpoint, LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.model_helpers import is_overridden
from omegaconf import DictConfig, OmegaConf
from torch.nn.parameter import is_lazy

from lightning_sweeps.callbacks import FiniteLoss, History, RandomState, SaveOnInterrupt
from lightning_sweeps.callbacks.pictures import tensorboards
from lightning_sweeps.errors import (
    CheckpointError,
    ConfigError,
    MetricError,
    NonFiniteLossError,
    RunInterruptedError,
    nearest,
)
from lightning_sweeps.overrides.again import command_again
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.run import optimization, summary
from lightning_sweeps.run.checkpoints import logged_steps, may_load_whole, require_fitting
from lightning_sweeps.run.devices import require_devices, settle_cuda_check
from lightning_sweeps.run.hyperparameters import (
    flat_hyperparameters,
    keep_own_entries,
    log_hyperparameters,
    plain_values,
)
from lightning_sweeps.run.no_profiler import NoProfiler
from lightning_sweeps.run.objective import Objective, ObjectiveTracker, never_logged
from lightning_sweeps.run.predictions import write_predictions
from lightning_sweeps.run.reasons import forget_reasons, note_reason, reason_of_another
from lightning_sweeps.run.result import Result
from lightning_sweeps.run.values import no_validation
from lightning_sweeps.safety.signatures import sign_checkpoints
from lightning_sweeps.safety.trust import build
from lightning_sweeps.trial import current_trial

log = logging.getLogger(__name__)


def run(config: DictConfig) -> float | None:
    """Do what the config says, write everything into Hydra's output folder, and return the objective.

    Raises:
        SweepsError: something that a person can act on; see ``errors``.
    """
    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    _route_messages()
    job = _assemble(plain, folder)
    choices = dict(hydra_config.runtime.choices)
    if job.trainer.is_global_zero:
        log.info(summary.composed(plain, choices, from_here(folder), job.result.parameters))
    # Of a trial, what is searched; of a run, what a person varies.
    hyperparameters = plain_values(current_trial().params) or flat_hyperparameters(plain, choices)
    with _recording(job, hyperparameters):
        _DO[job.result.stage](job)
    if job.trainer.is_global_zero:
        log.info(summary.finished(job.result))
    return job.result.objective


def rehearse(config: DictConfig) -> None:
    """Build what ``run`` builds before it trains, but for data and loggers; the model takes no memory.

    Raises:
        SweepsError: what is wrong with the config.
    """
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    parts, folder = {**plain, "logger": None}, Path(HydraConfig.get().runtime.output_dir)
    try:
        with torch.device("meta"):
            job = _assemble(parts, folder, _build_once)
    except ConfigError:  # perhaps of a module that computes with its weights when it is made
        job = _assemble(parts, folder, build)
    if plain["optimizer"] and _count(job.module) is not None:
        job.module.trainer = job.trainer
        optimization.make_optimizer(job.module, plain["optimizer"])


_built: dict[tuple[str, str], Any] = {}


def _build_once(config: Any, where: str, **arguments: Any) -> Any:
    """``build``, for parts that nobody will run: configurations of one search share most of them."""
    key = where, repr(config)
    if key not in _built:
        _built[key] = build(config, where, **arguments)
    return _built[key]


@dataclass
class _Job:
    """The built parts of one run."""

    module: LightningModule
    datamodule: LightningDataModule | None
    trainer: Trainer
    tracker: ObjectiveTracker
    interrupt: SaveOnInterrupt
    ckpt_path: Path | None
    test_after_fit: bool
    result: Result

    @property
    def loading(self) -> dict[str, Any]:
        """For every stage. A checkpoint holds tensors and plain values only, unless it may be loaded whole."""
        weights_only = self.ckpt_path is None or not may_load_whole(self.ckpt_path)
        return {"datamodule": self.datamodule, "ckpt_path": self.ckpt_path, "weights_only": weights_only}


def _route_messages() -> None:
    """Warnings and Lightning's messages go where ``hydra/job_logging`` says, not to the screen as well."""
    logging.captureWarnings(True)
    # Importing lightning puts a console handler on its logger.
    logger = logging.getLogger("lightning")
    for handler in list(logger.handlers):
        if type(handler) is logging.StreamHandler:
            logger.removeHandler(handler)
    # TensorBoard writes in a thread, and on a full disk that thread and the log fail before the run does.
    threading.excepthook = _log_thread_error
    logging.raiseExceptions = False


def _log_thread_error(failed: threading.ExceptHookArgs) -> None:
    error = (failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback)
    logging.getLogger("lightning_sweeps.file").error("a thread failed", exc_info=error)


def _assemble(config: Mapping[str, Any], folder: Path, build: Callable[..., Any] = build) -> _Job:
    """Build everything; what can be known wrong before training is an error here."""
    stage = config["stage"]
    if stage not in _DO:
        raise ConfigError(f"stage={stage}: no such stage.{nearest(str(stage), _DO)} Stages: {', '.join(_DO)}")
    _require_parts(config)
    test = _wants_test(config["test"])
    objective = Objective(**config["objective"])
    if stage == "fit" and (reason := no_validation(config)) is not None:
        log.warning("this run has no objective: %s", reason)
    require_devices(config["trainer"])
    settle_cuda_check()
    if config["seed"] is not None:
        seed_everything(config["seed"], workers=True, verbose=False)

    datamodule = build(config["datamodule"], "datamodule") if config.get("datamodule") else None
    filled = OmegaConf.create(_filled(config["model"], datamodule, "model"), flags={"allow_objects": True})
    module: LightningModule = build(filled, "model")
    of_the_schedule = optimization.attach(module, config.get("optimizer"), config.get("scheduler"))
    ckpt_path = Path(config["ckpt_path"]) if config["ckpt_path"] is not None else None
    limits = {name: config["trainer"].get(name) for name in ("max_epochs", "max_steps")}
    continued = _continued(folder / "checkpoints" / "last.ckpt", module, limits)
    if continued.ckpt_path is not None:
        ckpt_path = continued.ckpt_path
    elif ckpt_path is not None:
        require_fitting(ckpt_path, module, **(limits if stage == "fit" else {}))
    elif stage != "fit":
        log.warning("no ckpt_path: the weights are untrained")

    tracker = ObjectiveTracker(objective)
    interrupt = SaveOnInterrupt(folder / "checkpoints" / "last.ckpt")
    # Ours come first: the objective's error is clearer than early stopping's, and no bad loss gets past FiniteLoss.
    callbacks: list[Callback] = [FiniteLoss(), tracker, History(folder / "metrics.csv"), interrupt]
    callbacks += [RandomState(config["seed"]), *of_the_schedule]
    callbacks += [build(node, f"callbacks.{name}") for name, node in (config.get("callbacks") or {}).items() if node]
    loggers = _loggers(config, continued)
    if not loggers:  # Lightning refuses a monitor that has nowhere to log to
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    settings = {
        "default_root_dir": str(folder),
        "enable_checkpointing": any(isinstance(callback, Checkpoint) for callback in callbacks),
        "enable_progress_bar": any(isinstance(callback, ProgressBar) for callback in callbacks),
        **config["trainer"],
    }
    if (profiler := settings.pop("profiler", None)) is None:
        profiler = NoProfiler()
    elif isinstance(profiler, Mapping):
        profiler = build(profiler, "trainer.profiler")
    trainer = build(settings, "trainer", callbacks=callbacks, logger=loggers or False, profiler=profiler)
    sign_checkpoints(trainer)
    result = Result(
        status="failed",
        stage=stage,
        folder=folder,
        objective_metric=objective.metric,
        parameters=_count(module),
        seed=config["seed"],
        threads=torch.get_num_threads(),
    )
    return _Job(module, datamodule, trainer, tracker, interrupt, ckpt_path, test, result)


def _count(module: LightningModule) -> int | None:
    """The number of parameters; None where layers take their shapes from the first batch."""
    parameters = list(module.parameters())
    return None if any(map(is_lazy, parameters)) else sum(parameter.numel() for parameter in parameters)


@dataclass
class _Continued:
    """What a trial that was interrupted goes on from; for any other run nothing."""

    ckpt_path: Path | None = None
    step: int | None = None

    def logger(self, node: Any) -> Any:
        """The logger's config such that what was logged stays, and no step is there twice."""
        if self.step is None or not isinstance(node, Mapping):
            return node
        kind = str(node.get("_target_")).rpartition(".")[2]
        added: dict[str, dict[str, Any]] = {
            "TensorBoardLogger": {"purge_step": self.step},
            "CSVLogger": {"version": f"from_step_{self.step}"},
        }
        return {**node, **added.get(kind, {})}


def _loggers(config: Mapping[str, Any], continued: _Continued) -> list[Logger]:
    nodes = {name: continued.logger(node) for name, node in (config.get("logger") or {}).items() if node}
    loggers = [build(node, f"logger.{name}") for name, node in nodes.items()]
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            keep_own_entries(logger)
    return loggers


def _continued(last: Path, module: LightningModule, limits: Mapping[str, int | None]) -> _Continued:
    if not current_trial().restarted:
        return _Continued()
    if not last.is_file():
        return _Continued(step=0)
    try:
        require_fitting(last, module, **limits)
        return _Continued(last, logged_steps(last))
    except CheckpointError as error:
        log.warning("the trial begins anew: %s", error)
        return _Continued(step=0)


def _require_parts(config: Mapping[str, Any]) -> None:
    for group in ("model", "trainer"):
        if not config.get(group):
            raise ConfigError(f"{group}: none is composed; name an option, {group}=..., or give it a _target_")
    for name in ("logger", "callbacks"):
        if config["trainer"].get(name) is not None:
            raise ConfigError(f"trainer.{name}: a run's are those of the group {name}; type {name}=none, or see --help")
    seed = config["seed"]
    if seed is not None and not (isinstance(seed, int) and 0 <= seed < 2**32):
        raise ConfigError(f"seed={seed}: it is a whole number from 0 to {2**32 - 1}, or null")


def _filled(node: Any, datamodule: LightningDataModule | None, where: str) -> Any:
    """Every ``???`` of the model's config becomes the datamodule's attribute of the same name."""
    if not isinstance(node, Mapping):
        return node
    filled = {}
    for key, value in node.items():
        name = f"{where}.{key}"
        if value != "???":
            filled[key] = _filled(value, datamodule, name)
        elif hasattr(datamodule, str(key)):
            given = getattr(datamodule, str(key))
            filled[key] = list(given) if isinstance(given, tuple) else given
        else:
            source = type(datamodule).__name__ if datamodule is not None else "the missing datamodule"
            raise ConfigError(f"{name} is ???, and {source} has no attribute {key} to take it from; set {name}=...")
    return filled


def _wants_test(given: Any) -> bool:
    if given == "auto":  # a search looks at validation data only, or the test would say what was chosen by it
        return HydraConfig.get().mode is not RunMode.MULTIRUN
    if not isinstance(given, bool):
        raise ConfigError(f"test={given}: it is true, false or auto")
    return given


@contextmanager
def _recording(job: _Job, hyperparameters: dict[str, Any]) -> Iterator[None]:
    """Write ``result.json`` and the HParams entry however the run ends, and make its error one to act on."""
    started = time.monotonic()
    result, trainer = job.result, job.trainer
    forget_reasons(result.folder, trainer.global_rank)
    try:
        with _clearer_errors(job):
            yield
        result.status = "pruned" if current_trial().pruned else "completed"
    except BaseException as error:
        first = _first_error(error, result.folder, trainer)
        result.status = "interrupted" if isinstance(first, RunInterruptedError | KeyboardInterrupt) else "failed"
        result.reason = " ".join(f"{type(first).__name__}: {first}".split())
        if first is not error:
            raise first from error
        raise
    finally:
        result.seconds = round(time.monotonic() - started, 3)
        _collect(job)
        if job.trainer.is_global_zero:
            goes_on = job.result.status == "interrupted" and current_trial().number is not None
            if result.stage == "fit" and not goes_on:  # one entry for a trial, when it has ended
                for logger in tensorboards(job.trainer):
                    log_hyperparameters(logger, hyperparameters, result)
            result.write()


@contextmanager
def _clearer_errors(job: _Job) -> Iterator[None]:
    """Errors of Lightning's and the loss's as those that a person can act on."""
    try:
        yield
    except SystemExit:
        # After Ctrl-C Lightning shuts down in order, ignores further ones, and exits with code 1.
        if not job.interrupt.interrupted:
            raise
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise _interrupted(job) from None
    except NonFiniteLossError as error:
        raise _with_last_good_checkpoint(error, job) from error
    except (MisconfigurationException, RuntimeError) as error:
        if (clearer := _of_a_missing_metric(error, job)) is not None:
            raise clearer from error
        raise


def _of_a_missing_metric(error: Exception, job: _Job) -> MetricError | None:
    """Early stopping, checkpoints and schedulers each have their own words for a metric that is not there."""
    match = re.search(r"(?:monitor='|conditioned on metric `?)([^'`\s]+)", str(error))
    if match is None or match.group(1) in job.trainer.callback_metrics:
        return None
    metric = match.group(1)
    return never_logged(
        "objective.metric" if metric == job.tracker.objective.metric else "monitor", metric, job.trainer
    )


def _first_error(error: BaseException, folder: Path, trainer: Trainer) -> BaseException:
    """The one that led to this one, where another process had it."""
    if trainer.world_size == 1:
        return error
    if not trainer.is_global_zero:
        note_reason(folder, trainer.global_rank, error)
        return error
    return reason_of_another(folder, trainer.world_size, error) or error


def _fit(job: _Job) -> None:
    frozen = [type(one).__name__ for one in job.trainer.callbacks if isinstance(one, BaseFinetuning)]  # type: ignore[attr-defined]
    if job.ckpt_path is not None and frozen:
        log.warning("going on: Lightning freezes again what %s had unfrozen, until it unfreezes once more", frozen[0])
    job.trainer.fit(job.module, **job.loading)
    _collect(job)
    if job.test_after_fit and not current_trial().pruned and _has_test(job):
        if job.result.best_checkpoint is None and job.trainer.checkpoint_callbacks:
            metric = job.tracker.objective.metric
            log.warning("no checkpoint follows objective.metric=%s; the last weights are tested", metric)
        best = job.result.best_checkpoint
        # If this run has written it, whatever a module keeps in its checkpoint may be read back.
        whole = best is not None and may_load_whole(Path(best))
        with _as_in_a_new_process(job.trainer):
            job.trainer.test(
                job.module, datamodule=job.datamodule, ckpt_path=best, weights_only=not whole, verbose=False
            )


@contextmanager
def _as_in_a_new_process(trainer: Trainer) -> Iterator[None]:
    """Have no callback put a fit's weights in place of a checkpoint's, as those do that average weights.

    So the test after a fit is the one that ``stage=test`` makes of the same file.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    changing = [one for one in callbacks if type(one).on_load_checkpoint is not Callback.on_load_checkpoint]
    for callback in changing:
        callback.on_load_checkpoint = lambda *_: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        for callback in changing:
            del callback.on_load_checkpoint


def _validate(job: _Job) -> None:
    job.trainer.validate(job.module, verbose=False, **job.loading)


def _test(job: _Job) -> None:
    job.trainer.test(job.module, verbose=False, **job.loading)


def _predict(job: _Job) -> None:
    batches = job.trainer.predict(job.module, **job.loading)
    if job.trainer.is_global_zero:
        file = write_predictions(batches or [], job.result.folder)
        log.info("predictions in %s", from_here(file))


_DO = {"fit": _fit, "validate": _validate, "test": _test, "predict": _predict}


def _has_test(job: _Job) -> bool:
    if job.trainer.fast_dev_run:  # type: ignore[attr-defined]
        return False
    source = job.datamodule if job.datamodule is not None else job.module
    return is_overridden("test_step", job.module) and is_overridden("test_dataloader", source)


def _collect(job: _Job) -> None:
    """Bring the result up to date with the trainer."""
    result, trainer = job.result, job.trainer
    result.metrics |= {name: float(value) for name, value in trainer.callback_metrics.items()}
    if result.stage != "fit":
        if result.objective_metric in result.metrics:
            result.objective = result.metrics[result.objective_metric]
        return
    if (chosen := job.tracker.chosen) is not None:
        result.objective, result.objective_epoch = chosen.value, chosen.epoch
    result.epochs, result.steps = trainer.current_epoch, trainer.global_step
    result.best_checkpoint = _best_checkpoint(trainer, job.tracker.objective)
    if job.interrupt.file.is_file():
        result.last_checkpoint = from_here(job.interrupt.file)


def _best_checkpoint(trainer: Trainer, objective: Objective) -> str | None:
    """What follows the objective among the checkpoints; without an objective, the first that follows something."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            fits = (callback.monitor, callback.mode) == (objective.metric, objective.mode)
            if fits or objective.metric is None:
                return from_here(Path(callback.best_model_path))
    return None


def _interrupted(job: _Job) -> RunInterruptedError:
    file = job.interrupt.file
    if not file.is_file():
        return RunInterruptedError("interrupted, with nothing learnt yet to keep")
    what = "saved" if job.interrupt.saved else "the last epoch's checkpoint is"
    return RunInterruptedError(
        f"interrupted in epoch {job.trainer.current_epoch}; {what} {from_here(file)}. Go on with:\n"
        f"{command_again(HydraConfig.get().overrides.task, ckpt_path=from_here(file))}"
    )


def _with_last_good_checkpoint(error: NonFiniteLossError, job: _Job) -> NonFiniteLossError:
    file = job.interrupt.file
    kept = f"the last good checkpoint is {from_here(file)}" if file.is_file() else "there was no checkpoint yet"
    return NonFiniteLossError(f"{error}; {kept}.\nTry a lower optimizer.lr, or trainer.gradient_clip_val=1")
