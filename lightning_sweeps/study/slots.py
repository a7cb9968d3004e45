"""What each slot of this machine gets. GPUs are found without starting CUDA in this process."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightning_sweeps.errors import ConfigError


@dataclass(frozen=True)
class Slots:
    """So many trials at once, each with so many cores, and with one of the GPUs where there are any."""

    count: int
    cores: int
    gpus: Sequence[str]

    def gpu(self, slot: int) -> str | None:
        """What the slot's process finds in ``CUDA_VISIBLE_DEVICES``; None: leave it as it is."""
        return self.gpus[slot % len(self.gpus)] if self.gpus else None


def divide(n_jobs: Any) -> Slots:
    """Divide the machine.

    Raises:
        ConfigError: ``n_jobs`` is neither a number of slots nor ``auto``, a slot for each GPU or one.
    """
    gpus = visible_gpus()
    if n_jobs == "auto":
        n_jobs = max(1, len(gpus))
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise ConfigError(f"hydra.sweeper.n_jobs={n_jobs}: it is a number of trials at once, at least 1, or auto")
    return Slots(n_jobs, max(1, len(os.sched_getaffinity(0)) // n_jobs), gpus)


def visible_gpus() -> list[str]:
    """What each may be called in ``CUDA_VISIBLE_DEVICES``, which is honoured where it is set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [one.strip() for one in visible.split(",") if one.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [
        str(index) for index, _ in enumerate(line for line in listed.stdout.splitlines() if line.startswith("GPU "))
    ]
