"""A composed config -> the parts of a run."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Checkpoint, LearningRateMonitor, ProgressBar
from omegaconf import OmegaConf

from lightning_sweeps.callbacks import FiniteLoss, History, RandomState, SaveOnInterrupt
from lightning_sweeps.callbacks.costs import Costs, count_parameters
from lightning_sweeps.callbacks.objective import Objective, ObjectiveTracker
from lightning_sweeps.errors import CheckpointError, ConfigError, nearest
from lightning_sweeps.files import latest
from lightning_sweeps.runs import optimization
from lightning_sweeps.runs.checkpoints import logged_steps, may_load_whole, require_fitting
from lightning_sweeps.runs.devices import require_devices, settle_cuda_check
from lightning_sweeps.runs.loggers import build_loggers
from lightning_sweeps.runs.no_profiler import NoProfiler
from lightning_sweeps.runs.result import Result
from lightning_sweeps.runs.values import no_validation, of_another_target
from lightning_sweeps.safety.signatures import sign_checkpoints
from lightning_sweeps.safety.trust import build
from lightning_sweeps.trial import LAST_CHECKPOINT, current_trial

log = logging.getLogger(__name__)
STAGES = ("fit", "validate", "test", "predict")


@dataclass
class Assembly:
    """The built parts of one run."""

    module: LightningModule
    datamodule: LightningDataModule | None
    trainer: Trainer
    tracker: ObjectiveTracker
    interrupt: SaveOnInterrupt
    costs: Costs
    ckpt_path: Path | None
    from_step: int | None  # that an interrupted trial goes on from
    test_after_fit: bool
    result: Result

    @property
    def loading(self) -> dict[str, Any]:
        """For every stage. A checkpoint holds tensors and plain values only, unless it may be loaded whole."""
        weights_only = self.ckpt_path is None or not may_load_whole(self.ckpt_path)
        return {"datamodule": self.datamodule, "ckpt_path": self.ckpt_path, "weights_only": weights_only}


def assemble(config: Mapping[str, Any], folder: Path, build: Callable[..., Any] = build) -> Assembly:
    """Build everything; what can be known wrong before training is an error here."""
    stage = config["stage"]
    if stage not in STAGES:
        raise ConfigError(f"stage={stage}: no such stage.{nearest(str(stage), STAGES)} Stages: {', '.join(STAGES)}")
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
    module = _build_module(config["model"], datamodule, build)
    of_the_schedule = optimization.attach(module, config.get("optimizer"), config.get("scheduler"))
    ckpt_path = Path(latest.checkpoint(str(config["ckpt_path"]))) if config["ckpt_path"] is not None else None
    limits = {name: config["trainer"].get(name) for name in ("max_epochs", "max_steps")}
    continued = _continued(folder / LAST_CHECKPOINT, module, limits)
    if continued.ckpt_path is not None:
        ckpt_path = continued.ckpt_path
    elif ckpt_path is not None:
        require_fitting(ckpt_path, module, **(limits if stage == "fit" else {}))
    elif stage != "fit":
        log.warning("no ckpt_path: the weights are untrained")

    tracker = ObjectiveTracker(objective)
    interrupt = SaveOnInterrupt(folder / LAST_CHECKPOINT)
    # Ours come first: the objective's error is clearer than early stopping's, and no bad loss gets past FiniteLoss.
    costs = Costs(objective.costs)
    callbacks: list[Callback] = [FiniteLoss(), tracker, History(folder / "metrics.csv"), interrupt]
    callbacks += [costs] if objective.costs else []
    callbacks += [RandomState(config["seed"]), *of_the_schedule]
    callbacks += [build(node, f"callbacks.{name}") for name, node in (config.get("callbacks") or {}).items() if node]
    loggers = build_loggers(config.get("logger") or {}, folder, continued.step)
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
        parameters=count_parameters(module),
        seed=config["seed"],
        threads=torch.get_num_threads(),
    )
    from_step = continued.step
    return Assembly(module, datamodule, trainer, tracker, interrupt, costs, ckpt_path, from_step, test, result)


def _build_module(model: Any, datamodule: LightningDataModule | None, build: Callable[..., Any]) -> LightningModule:
    try:
        return build_module(model, datamodule, build)
    except ConfigError as error:
        raise type(error)(f"{error}{_hint_of_defaults(model)}") from error


def build_module(
    model: Any, datamodule: LightningDataModule | None, build: Callable[..., Any] = build
) -> LightningModule:
    """Build the model's config, each ``???`` of which is the datamodule's attribute of that name.

    Raises:
        ConfigError: it cannot be built, or is no LightningModule.
    """
    filled = OmegaConf.create(_filled(model, datamodule, "model"), flags={"allow_objects": True})
    module = build(filled, "model")
    _require_module(module)
    return module  # type: ignore[no-any-return]


@dataclass
class _Continued:
    """What a trial that was interrupted goes on from; for any other run nothing."""

    ckpt_path: Path | None = None
    step: int | None = None


def _continued(last: Path, module: LightningModule, limits: Mapping[str, int | None]) -> _Continued:
    if not current_trial().restarted:
        return _Continued()
    if not last.is_file():
        return _Continued(step=0)
    try:
        require_fitting(last, module, **limits)
        return _Continued(last, logged_steps(last))
    except CheckpointError as error:
        log.warning("the trial starts over: %s", error)
        return _Continued(step=0)


def _require_module(module: Any) -> None:
    if isinstance(module, LightningModule):
        return
    kind = type(module)
    if any(base.__module__.startswith("pytorch_lightning.") for base in kind.__mro__):
        raise ConfigError(
            f"model: {kind.__name__} is of pytorch_lightning, which was imported before lightning_sweeps, so it is "
            "another library here.\nImport lightning_sweeps first, or write lightning.pytorch for pytorch_lightning"
        )
    raise ConfigError(f"model: {kind.__module__}.{kind.__qualname__} is no LightningModule")


def _hint_of_defaults(model: Mapping[str, Any]) -> str:
    runtime = HydraConfig.get().runtime
    folders = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    option = str(runtime.choices.get("model"))
    if not (keys := of_another_target("model", model, option, folders)):
        return ""
    return (
        f"\nOf model={option} it has {', '.join(keys)}: if a config file brings a model of its own, add "
        "'override /model: null' to the file's defaults"
    )


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
