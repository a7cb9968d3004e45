"""What makes a user's own Trainer part of a search."""

import sys
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from lightning.pytorch import LightningModule, Trainer

from lightning_sweeps.callbacks.interruption import SaveOnInterrupt
from lightning_sweeps.callbacks.objective import Objective, ObjectiveTracker
from lightning_sweeps.callbacks.one_curve import OneCurve
from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.callbacks.random_state import RandomState
from lightning_sweeps.errors import ConfigError
from lightning_sweeps.metric_names import says_the_contrary
from lightning_sweeps.partials import let_partials_be_pickled
from lightning_sweeps.safety.signatures import sign_checkpoints
from lightning_sweeps.trial import DIRECTIONS, LAST_CHECKPOINT, Trial, current_trial

let_partials_be_pickled()  # templates give their modules such
METRICS = "lightning_sweeps_metrics"  # in a checkpoint


class TrialCallback(QuietCallback):
    """Reports a metric to the search, ends training if the trial is pruned, and keeps what an interrupted trial needs.

    Outside of a search it does nothing. In one it reports ``monitor`` after each validation (or each epoch, if it is
    logged in training), and a pruned trial stops after it, in all its processes. After each epoch, and when the search
    is stopped, it saves ``checkpoints/last.ckpt`` in the trial's folder. A trial that was interrupted goes on from
    there if the program says so: ``trainer.fit(..., ckpt_path=current_trial().ckpt_path)``.

    With several objectives, of which Optuna keeps no reports, it saves and reports nothing.

    Args:
        monitor: a metric that the module logs. Left out in a run that has an ``objective``: that one's.
        mode: ``min`` or ``max``; left out: as the search's direction says.
        take: which report is the trial's value if the program returns None, the ``best`` or the ``last``.
        save: whether to keep the checkpoint; False for trials that are short.

    Raises:
        ConfigError: when the fit begins: it contradicts the search or the run's ``objective``.
        MetricError: after the first validation: nobody logs ``monitor``.
    """

    _watched: ClassVar[Trial | None] = None  # the trial that has a fit with this callback

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """A Trainer of ``pytorch_lightning``, the same library under its other name, wants its own kind of callback."""
        other = getattr(sys.modules.get("pytorch_lightning"), "Callback", QuietCallback)
        if issubclass(cls, other):
            return super().__new__(cls)
        return super().__new__(type(cls.__name__, (cls, other), {"__module__": cls.__module__}))

    def __init__(
        self,
        monitor: str | None = None,
        mode: Literal["min", "max"] | None = None,
        take: Literal["best", "last"] | None = None,
        *,
        save: bool = True,
    ) -> None:
        if mode not in (None, "min", "max"):
            raise ConfigError(f"TrialCallback(mode='{mode}'): it is min or max, or left out")
        if take not in (None, "best", "last"):
            raise ConfigError(f"TrialCallback(take='{take}'): it is best or last")
        self.monitor = monitor
        self.mode = mode
        self.take = take
        self.save = save
        self._set_up = False
        self._metrics: dict[str, float] = {}  # of the checkpoint that the trial goes on from

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        trial = current_trial()
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        run = next((one for one in callbacks if isinstance(one, ObjectiveTracker)), None)
        if stage != "fit" or self._set_up:
            return
        if run is not None:
            self._require_same(run.objective)
        elif trial.number is not None:
            if TrialCallback._watched is trial:
                raise ConfigError(
                    "this trial has a second fit with a TrialCallback, whose reports and checkpoint would be taken for "
                    "the first one's: give the callback, and ckpt_path, to the fit that is searched"
                )
            self._set_up, TrialCallback._watched = True, trial
            # The last in the list saves the others' states as they are after the epoch, the first is saved by each.
            callbacks[:] = [*self._first(trial), *callbacks, *self._last(trial, trainer)]
            sign_checkpoints(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._set_up:
            checkpoint[METRICS] = {name: float(value) for name, value in trainer.callback_metrics.items()}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._set_up and current_trial().ckpt_path is not None:
            self._metrics = checkpoint.get(METRICS, {})

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """If the trial was interrupted after its last epoch, no epoch has logged what the program may ask for next."""
        metrics: dict[str, Any] = trainer.callback_metrics
        for name, value in self._metrics.items():
            metrics.setdefault(name, torch.tensor(value))

    def _first(self, trial: Trial) -> list[QuietCallback]:
        parts: list[QuietCallback] = [OneCurve(), RandomState(str(trial.folder))]
        if len(trial.directions) == 1:
            parts.append(ObjectiveTracker(self._objective(trial), "TrialCallback: monitor"))
        return parts

    def _last(self, trial: Trial, trainer: Trainer) -> list[QuietCallback]:
        if not self.save or trial.folder is None:
            return []
        file = trial.folder / LAST_CHECKPOINT
        return [SaveOnInterrupt(file, each_epoch=not _is_kept(file, trainer))]

    def _objective(self, trial: Trial) -> Objective:
        if not self.monitor:
            raise ConfigError(
                "TrialCallback() has no metric to report: name one that the module logs, monitor='val/loss'"
            )
        direction = trial.directions[0]
        mode: Literal["min", "max"] = "min" if direction == DIRECTIONS["min"] else "max"
        other = f"hydra.sweeper.direction={DIRECTIONS['max' if mode == 'min' else 'min']}"
        if self.mode not in (None, mode):
            raise ConfigError(
                f"TrialCallback(monitor='{self.monitor}', mode='{self.mode}'), but the search would {direction}: "
                f"type {other}, or leave the mode out"
            )
        if self.mode is None and says_the_contrary(self.monitor, direction):
            raise ConfigError(
                f"the search would {direction} {self.monitor}, whose name says the contrary: type {other}, or write "
                f"TrialCallback(mode='{mode}') if that is meant"
            )
        if self.take is not None:
            trial.take = self.take
        return Objective(self.monitor, mode, trial.take)

    def _require_same(self, objective: Objective) -> None:
        """The run reports its objective already."""
        for name, key in {"monitor": "metric", "mode": "mode", "take": "take"}.items():
            given, has = getattr(self, name), getattr(objective, key)
            if given not in (None, has):
                raise ConfigError(
                    f"callbacks: TrialCallback({name}='{given}'), but objective.{key}={has}: they contradict."
                    "\nA run reports its objective by itself: leave TrialCallback out"
                )


def _is_kept(file: Path, trainer: Trainer) -> bool:
    """Whether a checkpoint callback of the program's own writes this file after each epoch."""
    callbacks: list[Any] = trainer.checkpoint_callbacks
    own = [one for one in callbacks if getattr(one, "save_last", None) is True and one.dirpath]
    return any(Path(one.dirpath) == file.parent for one in own)
