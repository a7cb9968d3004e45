"""``result.json``: what came out of a run, and what it was made with."""

import json
import math
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from lightning_sweeps.files.folders import within, write_atomically
from lightning_sweeps.files.repository import git_state

RECORDED_PACKAGES = (
    "lightning_sweeps",
    "torch",
    "torchvision",
    "lightning",
    "torchmetrics",
    "hydra-core",
    "optuna",
    "numpy",
)


@dataclass
class Result:
    """A run's result. ``metrics`` are the last values of everything logged, ``objective`` the number returned."""

    status: Literal["completed", "pruned", "interrupted", "failed"]
    stage: str
    folder: Path
    objective: float | None = None
    objective_metric: str | None = None
    objective_epoch: int | None = None
    also: dict[str, float] = field(default_factory=dict)  # further objectives
    costs: dict[str, float] = field(default_factory=dict)  # those that were asked for
    metrics: dict[str, float] = field(default_factory=dict)
    best_checkpoint: str | None = None
    last_checkpoint: str | None = None
    epochs: int = 0
    steps: int = 0
    parameters: int | None = 0  # None if they were not known before training
    seconds: float = 0.0
    seed: int | None = None
    threads: int = 0  # of torch's on the CPU: another number may round a sum otherwise
    reason: str | None = None  # if the status is not completed

    def write(self) -> None:
        """Write ``result.json`` into the run's folder.

        Numbers that JSON does not have (NaN) become null; paths are as seen from that folder.
        """
        content = {**asdict(self), "versions": versions(), "git": git_state()}
        del content["folder"]
        for name in ("best_checkpoint", "last_checkpoint"):
            content[name] = None if content[name] is None else within(self.folder, content[name])
        write_atomically(self.folder / "result.json", json.dumps(_finite(content), indent=2) + "\n")


def read_result(folder: Path) -> dict[str, Any]:
    """The ``result.json`` in the folder; empty if there is none."""
    try:
        loaded: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that shape a result."""
    found = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
