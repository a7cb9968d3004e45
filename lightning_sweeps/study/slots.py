"""What each slot of this machine gets. GPUs are found without starting CUDA in this process."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lightning_sweeps.errors import ConfigError


@dataclass(frozen=True)
class Slot:
    """What one trial may use."""

    gpus: str | None = None  # what it finds in CUDA_VISIBLE_DEVICES; None: leave that as it is
    memory: float = 1.0  # its share of each GPU's memory
    cores: tuple[int, ...] = ()  # the CPU cores that it runs on; none: any
    threads: int = 1


@dataclass(frozen=True)
class Slots:
    """So many trials at once, each with so many threads, and with GPUs of its own where there are any."""

    slots: Sequence[Slot]
    cores: int  # of each

    def place(self, index: int, others: int = 0) -> Slot:
        """A slot, on a machine whose cores are shared with so many slots of other supervisors."""
        slot = self.slots[index]
        if not others:
            return slot
        threads = max(1, self.cores * self.count // (self.count + others))
        return replace(slot, cores=(), threads=threads)  # the system finds cores that are free

    @property
    def count(self) -> int:
        """How many trials run at once."""
        return len(self.slots)

    def described(self) -> str:
        """The GPUs of the slots, for people; empty where there are none."""
        gpus = [slot.gpus for slot in self.slots if slot.gpus is not None]
        if not gpus:
            return ""
        share = f", each with {self.slots[0].memory:.0%} of its memory" if self.slots[0].memory < 1 else ""
        return f", on GPU {' | '.join(gpus)}{share}"


def divide(
    n_jobs: Any, devices_per_trial: Any = 1, trials_per_device: Any = 1, *, on_gpu: bool = True, devices: Any = None
) -> Slots:
    """Divide the machine.

    Args:
        n_jobs: so many slots; ``auto``: as many as the GPUs are enough for, or one.
        devices_per_trial: so many GPUs for each slot.
        trials_per_device: so many slots for each GPU, whose memory they share evenly.
        on_gpu: whether trials may use GPUs at all.
        devices: what each trial's trainer asks for, which is what ``devices_per_trial=auto`` means.

    Raises:
        ConfigError: it cannot be divided so.
    """
    gpus = visible_gpus() if on_gpu else []
    if devices_per_trial == "auto":
        asked = isinstance(devices, int) and not isinstance(devices, bool) and devices > 1
        devices_per_trial = devices if gpus and asked else 1
    counts = {"devices_per_trial": devices_per_trial, "trials_per_device": trials_per_device}
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"hydra.sweeper.{name}={value}: it is a whole number, at least 1")
    if n_jobs != "auto" and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1):
        raise ConfigError(f"hydra.sweeper.n_jobs={n_jobs}: it is a number of trials at once, at least 1, or auto")
    if devices_per_trial > 1 and trials_per_device > 1:
        raise ConfigError("hydra.sweeper: devices_per_trial and trials_per_device are one or the other")
    if devices_per_trial > max(1, len(gpus)):
        raise ConfigError(f"each trial asks for {devices_per_trial} GPUs: there are {len(gpus)} here")
    if trials_per_device > 1 and not gpus:
        raise ConfigError(
            f"hydra.sweeper.trials_per_device={trials_per_device}: there is no GPU here to share.\n"
            "For trials at once on the CPU use hydra.sweeper.n_jobs"
        )
    groups = [
        ",".join(gpus[first : first + devices_per_trial])
        for first in range(0, len(gpus) - devices_per_trial + 1, devices_per_trial)
    ]
    places = groups * trials_per_device  # one on each GPU before a second on any
    count = max(1, len(places)) if n_jobs == "auto" else n_jobs
    if places and count > len(places):
        raise ConfigError(
            f"hydra.sweeper.n_jobs={count}: the GPUs here are enough for {len(places)} trials at once.\n"
            f"Put several on one with hydra.sweeper.trials_per_device=N, or use none with trainer=cpu"
        )
    cores = sorted(os.sched_getaffinity(0))
    share = max(1, len(cores) // count)
    slots = []
    for index in range(count):
        own = tuple(cores[index * share : (index + 1) * share]) if 1 < count <= len(cores) else ()
        gpus_of_slot, memory = (places[index], 1 / trials_per_device) if places else (None, 1.0)
        slots.append(Slot(gpus_of_slot, memory, own, share))
    return Slots(slots, share)


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
