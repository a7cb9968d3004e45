"""Which number a run returns."""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.errors import ConfigError, MetricError, nearest
from lightning_sweeps.metric_names import COSTS, is_of_validation
from lightning_sweeps.trial import current_trial

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Objective:
    """A logged metric, and how its values over the epochs become one.

    Args:
        also: further objectives, each with its mode: costs as ``parameters``, or metrics at the epoch of the first.
        measure: costs that are noted only.

    Raises:
        ConfigError: a mode is not ``min`` or ``max``, or ``take`` is not ``best`` or ``last``.
    """

    metric: str | None
    mode: Literal["min", "max"] = "max"
    take: Literal["best", "last"] = "best"
    also: Mapping[str, Literal["min", "max"]] | None = None
    measure: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise ConfigError(f"objective.mode={self.mode}: it is min or max")
        if self.metric == "":
            raise ConfigError("objective.metric is empty: name a logged metric, or null for a run without an objective")
        if self.take not in ("best", "last"):
            raise ConfigError(f"objective.take={self.take}: it is best or last")
        if self.also is not None and not isinstance(self.also, Mapping):
            raise ConfigError(f"objective.also={self.also}: write {{parameters: min, val/loss: min}}")
        for name, mode in self.others.items():
            if mode not in ("min", "max"):
                raise ConfigError(f"objective.also.{name}={mode}: it is min or max")
        for name in self.logged:
            if hint := nearest(name, COSTS):
                raise ConfigError(f"objective.also.{name}: no cost has this name.{hint}")
        if self.metric in self.others:
            raise ConfigError(f"objective.also.{self.metric}: it is objective.metric already")

    @property
    def others(self) -> Mapping[str, str]:
        """The further objectives, each with its mode."""
        return self.also or {}

    @property
    def costs(self) -> list[str]:
        """What is to be measured."""
        return [*(name for name in self.others if name in COSTS), *(self.measure or ())]

    @property
    def logged(self) -> list[str]:
        """The further objectives that are logged metrics."""
        return [name for name in self.others if name not in COSTS]

    def better(self, a: float, b: float) -> bool:
        """Whether a is better than b."""
        return a < b if self.mode == "min" else a > b


@dataclass(frozen=True)
class Observation:
    """The metric's value at the end of an epoch (counted from 0)."""

    epoch: int
    value: float
    others: Mapping[str, float] = field(default_factory=dict)


class ObjectiveTracker(QuietCallback):
    """Watches the objective's metric and fails early if it is never logged.

    A metric of the validation is read when the validation ends. One that is logged in training is complete only when
    the next epoch starts: callbacks are called before the module's own ``on_train_epoch_end``.

    Args:
        where: the metric is named, for messages.
    """

    def __init__(self, objective: Objective, where: str = "objective.metric") -> None:
        self.objective = objective
        self.where = where
        self.observations: list[Observation] = []
        self._validated = False
        self._logged_in_validation = False
        self._before_validation: Tensor | None = None
        self._epoch_ended = False

    @property
    def chosen(self) -> Observation | None:
        """The observation that ``objective.take`` asks for; None before the first, or without a metric."""
        if not self.observations:
            return None
        if self.objective.take == "last":
            return self.observations[-1]
        best = self.observations[0]
        for observation in self.observations:
            if math.isnan(best.value) or self.objective.better(observation.value, best.value):
                best = observation
        return best

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # A module need not log there what it logs later: a hint, and no error.
        metric, logged = str(self.objective.metric), sorted(trainer.callback_metrics)
        if is_of_validation(metric) and metric not in logged and (hint := _nearest(metric, logged)):
            log.warning("%s=%s is not logged in the sanity check.%s", self.where, metric, hint)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_of_validation(str(self.objective.metric)) and not _has_validation(trainer):
            metric = self.objective.metric
            log.warning("%s=%s: there are no validation batches, so no objective", self.where, metric)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._before_validation = self._current(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        self._validated = True
        # A metric of training is still there from the epoch before, as the same tensor.
        if self._current(trainer) is not self._before_validation:
            self._logged_in_validation = True
            self._observe(trainer, trainer.current_epoch)
        elif is_of_validation(str(self.objective.metric)):
            self._require(trainer)  # before the rest of the epoch; the sanity check may have logged less

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close_epoch(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._epoch_ended = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close_epoch(trainer)

    def _close_epoch(self, trainer: Trainer) -> None:
        if not self._epoch_ended:
            return
        self._epoch_ended = False
        if not self._logged_in_validation:
            self._observe(trainer, trainer.current_epoch - 1)
        # A run that max_steps ends before the first validation has no objective, and nothing is wrong.
        if self._validated or not trainer.enable_validation:
            self._require(trainer)

    def _current(self, trainer: Trainer) -> Tensor | None:
        return trainer.callback_metrics.get(self.objective.metric) if self.objective.metric else None

    def _observe(self, trainer: Trainer, epoch: int) -> None:
        value = self._current(trainer)
        if value is None:
            return
        if not math.isfinite(value):
            log.warning("%s is %s in epoch %s", self.objective.metric, float(value), epoch)
        missing = [name for name in self.objective.logged if name not in trainer.callback_metrics]
        if missing and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            raise never_logged("objective.also", missing[0], trainer)
        others = {name: float(trainer.callback_metrics[name]) for name in self.objective.logged if name not in missing}
        self.observations.append(Observation(epoch, float(value), others))
        trial = current_trial()
        # The step is what was spent: finished epochs, or validations if an epoch has several.
        trial.report(float(value), step=epoch + 1 if _validates_by_epoch(trainer) else len(self.observations))
        if trial.should_prune():  # every process of a distributed trial gets the same answer
            trainer.should_stop = True
            # Lightning would first complete the least that a run must do.
            trainer.fit_loop.min_epochs = None
            trainer.fit_loop.epoch_loop.min_steps = None

    def state_dict(self) -> dict[str, Any]:
        """What was observed, for a trial that goes on after an interruption."""
        return {"observations": [(one.epoch, one.value, dict(one.others)) for one in self.observations]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # A run that the user lets go on from another run's checkpoint has an objective of its own.
        if current_trial().ckpt_path is not None:
            self.observations = [Observation(*observation) for observation in state_dict["observations"]]

    def _require(self, trainer: Trainer) -> None:
        metric = self.objective.metric
        debugging = bool(trainer.fast_dev_run)  # type: ignore[attr-defined]
        if is_of_validation(str(metric)) and not _has_validation(trainer) and current_trial().number is None:
            return  # said when training began; a run is worth something without an objective, a trial is not
        if metric is not None and metric not in trainer.callback_metrics and not self.observations and not debugging:
            raise never_logged(self.where, metric, trainer)


def _has_validation(trainer: Trainer) -> bool:
    """Whether a validation has a batch; the sanity check has set the loaders up, if there was one."""
    counts = trainer.num_val_batches
    return trainer.enable_validation and (sum(counts) if isinstance(counts, list) else counts) > 0


def _validates_by_epoch(trainer: Trainer) -> bool:
    if not trainer.enable_validation:
        return True
    # val_check_batch is None if validations come by the clock.
    return trainer.check_val_every_n_epoch is not None and (
        (trainer.val_check_batch or 0) >= trainer.num_training_batches
    )


def never_logged(key: str, metric: str, trainer: Trainer) -> MetricError:
    """The error for a config key that names a metric which nothing logs."""
    logged = sorted(trainer.callback_metrics)
    return MetricError(
        f"{key}={metric}: this metric is never logged.{_nearest(metric, logged)}\n"
        f"Logged so far: {', '.join(logged) or 'nothing; objective.metric=null is a run without an objective'}"
    )


def _nearest(metric: str, logged: list[str]) -> str:
    """The same metric of the first of several loaders, else the nearest of the same phase, else of all."""
    loaders = [name for name in logged if name.startswith(f"{metric}/dataloader_idx_")]
    phase = re.split(r"[/_]", metric)[0]
    same_phase = [name for name in logged if re.split(r"[/_]", name)[0] == phase]
    if loaders:
        return f" Did you mean '{loaders[0]}'?"
    return nearest(metric, same_phase) or nearest(metric, logged)
