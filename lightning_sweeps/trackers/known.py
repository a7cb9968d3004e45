"""Which tracker a logger logs to."""

from typing import Any

from lightning_sweeps.trackers.aim import Aim
from lightning_sweeps.trackers.comet import Comet
from lightning_sweeps.trackers.contract import Tracker, is_a
from lightning_sweeps.trackers.csv_files import CSVFiles
from lightning_sweeps.trackers.mlflow import MLflow
from lightning_sweeps.trackers.tensorboard import TensorBoard
from lightning_sweeps.trackers.trackio import Trackio
from lightning_sweeps.trackers.wandb import WandB

TRACKERS = {  # by the names of Lightning's classes
    "AimLogger": Aim(),
    "CometLogger": Comet(),
    "CSVLogger": CSVFiles(),
    "MLFlowLogger": MLflow(),
    "TensorBoardLogger": TensorBoard(),
    "TrackioLogger": Trackio(),
    "WandbLogger": WandB(),
}


def tracker_of(logger: Any) -> Tracker | None:
    """The tracker that a logger logs to; None for one that nobody knows here, which gets metrics alone."""
    return next((tracker for name, tracker in TRACKERS.items() if is_a(logger, name)), None)


def tracker_named(target: str) -> Tracker | None:
    """The same for a ``_target_``, before there is a logger."""
    return TRACKERS.get(target.rpartition(".")[2])
