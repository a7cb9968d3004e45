"""The config groups ``optimizer`` and ``scheduler``, given to any LightningModule."""

import math
import warnings
from collections.abc import Mapping
from types import MethodType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.safety.trust import build

KEYS_OF_LIGHTNING = ("interval", "frequency", "monitor", "strict", "name", "reduce_on_plateau")


def attach(
    module: LightningModule, optimizer: Mapping[str, Any] | None, scheduler: Mapping[str, Any] | None
) -> list[Callback]:
    """Give the module the ``configure_optimizers`` that the two config groups describe; the callbacks that go with it.

    Without an optimizer the module keeps its own, and a scheduler is refused. LightningCLI attaches its optimizers in
    the same way.

    Args:
        optimizer: ``_target_`` and arguments of a ``torch.optim`` class, without ``params``.
        scheduler: ``scheduler`` (``_target_`` and arguments; every ``None`` left from ``???`` is the number of
            optimizer steps), and the other keys of Lightning's scheduler config: ``interval`` (``step`` or ``epoch``),
            ``frequency``, ``monitor``, ``strict``, ``name``, ``reduce_on_plateau``.

    Raises:
        ConfigError: the two do not fit each other or the module.
    """
    if not optimizer:
        if scheduler:
            raise ConfigError("scheduler: optimizer=none leaves the module its own schedule; add scheduler=none")
        if not is_overridden("configure_optimizers", module):
            raise ConfigError(f"optimizer=none, but {type(module).__name__} has no configure_optimizers of its own")
        return []

    if unset := next((key for key, value in optimizer.items() if value == "???"), None):
        raise ConfigError(f"optimizer.{unset} is ???: give it a value, optimizer.{unset}=...")
    if not module.automatic_optimization and is_overridden("configure_optimizers", module):
        raise ConfigError(
            f"{type(module).__name__} steps its own optimizers (automatic_optimization=False); "
            "add optimizer=none scheduler=none"
        )

    def configure_optimizers(self: LightningModule) -> Any:
        built = make_optimizer(self, optimizer)
        return {"optimizer": built, "lr_scheduler": make_scheduler(self, built, scheduler)} if scheduler else built

    module.configure_optimizers = MethodType(configure_optimizers, module)  # type: ignore[method-assign]
    return [AnotherWhole(scheduler)] if scheduler else []


def make_optimizer(module: LightningModule, config: Mapping[str, Any]) -> Optimizer:
    """The optimizer over the module's trainable parameters, fused unless the config or the precision forbids it."""
    settings = dict(config)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if "fused" in settings and settings["fused"] is None:
        settings["fused"] = _can_fuse(module, parameters)
    optimizer: Optimizer = build(settings, "optimizer", params=parameters)
    _require_eps(optimizer, str(module.trainer.precision))
    return optimizer


def _require_eps(optimizer: Optimizer, precision: str) -> None:
    """Refuse an ``eps`` that is zero in the run's precision, as 1e-8 is in float16: Adam would divide by zero."""
    for eps, dtype in {(group.get("eps"), one.dtype) for group in optimizer.param_groups for one in group["params"]}:
        if eps and torch.tensor(eps, dtype=dtype) == 0:
            name = str(dtype).removeprefix("torch.")
            raise ConfigError(
                f"optimizer.eps={eps} is 0 in {name} (trainer.precision={precision}): the loss would become nan\n"
                "Add optimizer.eps=1e-4, or use a mixed precision"
            )


def _can_fuse(module: LightningModule, parameters: list[torch.nn.Parameter]) -> bool:
    # Lightning refuses to clip gradients that a fused optimizer unscales by itself.
    scaled = "16-mixed" in str(module.trainer.precision) and not str(module.trainer.precision).startswith("bf")
    if scaled and module.trainer.gradient_clip_val is not None:
        return False
    return all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)


def make_scheduler(module: LightningModule, optimizer: Optimizer, config: Mapping[str, Any]) -> dict[str, Any]:
    """Lightning's ``lr_scheduler`` dictionary. Values given as ``???`` become the run's number of optimizer steps."""
    settings, _ = _planned(module, config["scheduler"])
    lightnings = {
        key: value for key, value in config.items() if key not in ("scheduler", "_target_") and value is not None
    }
    if unknown := [key for key in lightnings if key not in KEYS_OF_LIGHTNING]:
        raise ConfigError(f"scheduler.{unknown[0]}: no such key.{nearest(unknown[0], KEYS_OF_LIGHTNING)}")
    if "ReduceLROnPlateau" in settings["_target_"]:
        if "monitor" not in lightnings:
            raise ConfigError("scheduler=plateau watches a metric: set scheduler.monitor or objective.metric")
        # It has something to judge after an epoch with a validation only.
        lightnings = {"frequency": module.trainer.check_val_every_n_epoch or 1, **lightnings}
    return {**lightnings, "scheduler": build(settings, "scheduler", optimizer=optimizer)}


class AnotherWhole(QuietCallback):
    """Gives a run that goes on for longer than planned the schedule of its new length, at the step it has reached.

    The state in the checkpoint has the old whole: torch's cosine would rise again after it, and one-cycle would stop.

    Args:
        scheduler: the config that made it.
    """

    def __init__(self, scheduler: Mapping[str, Any]) -> None:
        self.config = scheduler["scheduler"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        settings, wholes = _planned(pl_module, self.config)
        for one in trainer.lr_scheduler_configs:
            if any(getattr(one.scheduler, name, whole) != whole for name, whole in wholes.items()):
                _replay(one.scheduler, settings)


def _replay(scheduler: Any, settings: Mapping[str, Any]) -> None:
    """Set a scheduler and its optimizer to the state they would have with these settings from the start."""
    twin = _twin(scheduler.optimizer)
    replayed = build(settings, "scheduler", optimizer=twin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no step of the optimizer comes before these
        for _ in range(scheduler.last_epoch):
            replayed.step()
    scheduler.load_state_dict(replayed.state_dict())
    for group, other in zip(scheduler.optimizer.param_groups, twin.param_groups, strict=True):
        group |= {name: value for name, value in other.items() if name != "params"}


def _planned(module: LightningModule, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """The scheduler's settings with the run's number of steps, and which of them are that."""
    wholes = {name: _total_steps(module) for name, value in config.items() if value == "???"}
    return {**config, **wholes}, wholes


def _twin(optimizer: Optimizer) -> Optimizer:
    """A copy of the optimizer with one number per group, at the beginning of its schedule."""
    groups: list[dict[str, Any]] = []
    for group in optimizer.param_groups:
        kept = {name: value for name, value in group.items() if name not in ("params", "initial_lr")}
        begun = {"lr": group.get("initial_lr", group["lr"])}
        groups.append({**kept, **begun, "params": [torch.zeros(1, requires_grad=True)]})
    return type(optimizer)(groups, lr=groups[0]["lr"])  # type: ignore[call-arg]


def _total_steps(module: LightningModule) -> int:
    steps = module.trainer.estimated_stepping_batches
    if not math.isfinite(steps) or steps < 1:
        raise ConfigError("this scheduler needs the number of steps: set trainer.max_epochs or trainer.max_steps")
    return int(steps)


def warmup_cosine(optimizer: Optimizer, total_steps: int, warmup: float = 0.1, start_factor: float = 0.01) -> LambdaLR:
    """Linear warm-up from ``start_factor`` over the first ``warmup`` share of the steps, then cosine decay to 0.

    Not torch's ``SequentialLR``: that keeps its milestones in the checkpoint, and a run that goes on for more epochs
    would follow the schedule of the shorter one.

    Raises:
        ConfigError: ``warmup`` is not in [0, 1).
    """
    if not 0 <= warmup < 1:
        raise ConfigError(f"scheduler.scheduler.warmup={warmup}: it is a share of the steps, at least 0 and below 1")
    warm_steps = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < warm_steps:
            return start_factor + (1 - start_factor) * step / warm_steps
        done = (step - warm_steps) / max(1, total_steps - warm_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return LambdaLR(optimizer, factor)
