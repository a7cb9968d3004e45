"""The loggers of a run, and what they are told of it beside its metrics."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lightning_sweeps.files.folders import DATE
from lightning_sweeps.safety.trust import build
from lightning_sweeps.trackers.contract import About, Ending, Plain
from lightning_sweeps.trackers.known import tracker_named, tracker_of
from lightning_sweeps.trial import current_trial

log = logging.getLogger(__name__)


def build_loggers(nodes: Mapping[str, Any], folder: Path, from_step: int | None) -> list[Logger]:
    """Build the loggers of the config; what it leaves open of names, groups and ids is that of this run or trial.

    Args:
        from_step: the step that an interrupted trial goes on from; None for any other run.
    """
    about, loggers = _about(folder, from_step), []
    for name, node in nodes.items():
        if not node:
            continue
        tracker = tracker_named(str(node.get("_target_")))
        if tracker is None:
            loggers.append(build(node, f"logger.{name}"))
            continue
        settings = tracker.settings(about)
        said = {key: value for key, value in node.items() if value is not None or key not in settings}
        with tracker.opening(node):
            logger = build({**settings, **said, **tracker.overruled(node, about)}, f"logger.{name}")
        tracker.opened(logger, about)
        loggers.append(logger)
    return loggers


def begin(trainer: Trainer, folder: Path, from_step: int | None, hyperparameters: Mapping[str, Plain]) -> None:
    """Tell the trackers that the run begins, or goes on."""
    about = _about(folder, from_step)
    for logger in trainer.loggers:
        if (tracker := tracker_of(logger)) is not None:
            tracker.begin(logger, about, hyperparameters)


def end(trainer: Trainer, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
    """Tell the trackers how the run has ended."""
    for logger in trainer.loggers:
        if (tracker := tracker_of(logger)) is None:
            continue
        try:
            tracker.end(logger, hyperparameters, ending)
        except Exception as error:  # noqa: BLE001 (a server that is gone by now takes no result away)
            log.warning("%s: %s: %s", type(logger).__name__, type(error).__name__, error)


def _about(folder: Path, from_step: int | None) -> About:
    hydra, number = HydraConfig.get(), current_trial().number
    writes = getattr(rank_zero_only, "rank", 0) in (None, 0)
    if number is None:
        return About(_label(folder), None, folder, folder, from_step, writes)
    search = Path(hydra.sweep.dir)
    chosen = hydra.runtime.choices.get("search")
    group = f"{chosen} {_label(search)}" if chosen else _label(search)
    return About(f"{group}/{number}", group, folder, search, from_step, writes)


def _label(folder: Path) -> str:
    """A folder's name; of a dated one from the date on."""
    parts = folder.parts
    dated = next((index for index, part in enumerate(parts) if DATE.fullmatch(part)), len(parts) - 1)
    return "/".join(parts[dated:])
