"""Slots: the devices, cores and threads that one trial gets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.machine import usable_cores
from lightning_sweeps.searches.execute.gpus import Gpus


@dataclass(frozen=True)
class Slot:
    """What one trial may use."""

    gpus: str | None = None  # what it finds in CUDA_VISIBLE_DEVICES; None: leave that as it is
    memory: float = 1.0  # its share of each GPU's memory
    cores: tuple[int, ...] = ()  # the CPU cores that it runs on; none: any
    threads: int = 1


@dataclass(frozen=True)
class Slots:
    """The slots of this machine, each with its threads, and with GPUs of its own if there are any."""

    slots: Sequence[Slot]
    cores: int = 1  # of each
    shared: bool = False  # other searches use these GPUs too

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
        """The GPUs of the slots in words; empty if there are none."""
        gpus = [slot.gpus for slot in self.slots if slot.gpus is not None]
        if not gpus:
            return ""
        share = f", each with {self.slots[0].memory:.0%} of its memory" if self.slots[0].memory < 1 else ""
        others = ", which other searches use too" if self.shared else ""
        return f", on GPU {' | '.join(gpus)}{share}{others}"


@dataclass(frozen=True)
class Asked:
    """How the user wants the machine to be divided.

    Args:
        n_jobs: so many slots; ``auto``: as many as the available GPUs allow, or one.
        devices_per_trial: so many GPUs for each slot; ``auto``: what each trial's trainer asks for.
        trials_per_device: so many slots for each GPU, whose memory they share evenly.
        devices: of the trainer.

    Raises:
        ConfigError: a number that cannot be.
    """

    n_jobs: Any = "auto"
    devices_per_trial: Any = 1
    trials_per_device: Any = 1
    devices: Any = None

    def __post_init__(self) -> None:
        counts = {"devices_per_trial": self.gpus_of_a_slot, "trials_per_device": self.trials_per_device}
        for name, value in counts.items():
            if not _is_count(value):
                raise ConfigError(f"hydra.sweeper.{name}={value}: it is a whole number, at least 1")
        if self.n_jobs != "auto" and not _is_count(self.n_jobs):
            raise ConfigError(
                f"hydra.sweeper.n_jobs={self.n_jobs}: it is a number of trials at once, at least 1, or auto"
            )
        if self.gpus_of_a_slot > 1 and self.trials_per_device > 1:
            raise ConfigError("hydra.sweeper: devices_per_trial and trials_per_device are one or the other")

    @property
    def gpus_of_a_slot(self) -> Any:
        """How many GPUs each slot gets, on a machine that has some."""
        if self.devices_per_trial != "auto":
            return self.devices_per_trial
        return self.devices if _is_count(self.devices) else 1

    @property
    def gpus(self) -> int | None:
        """How many GPUs all slots together can use; None: any number."""
        return None if self.n_jobs == "auto" else self.n_jobs * self.gpus_of_a_slot


def divide(asked: Asked, gpus: Gpus) -> Slots:
    """Divide the machine's cores and these GPUs.

    Raises:
        ConfigError: it cannot be divided so.
    """
    names, trials_per_device = gpus.names, asked.trials_per_device
    devices_per_trial = asked.gpus_of_a_slot if names or asked.devices_per_trial != "auto" else 1
    taken = f", and other searches hold {', '.join(gpus.held)}" if gpus.held else ""
    if devices_per_trial > max(1, len(names)):
        raise ConfigError(f"each trial asks for {devices_per_trial} GPUs: there are {len(names)} here{taken}")
    if trials_per_device > 1 and not names:
        raise ConfigError(
            f"hydra.sweeper.trials_per_device={trials_per_device}: there is no GPU here to share.\n"
            "For trials at once on the CPU use hydra.sweeper.n_jobs"
        )
    groups = [
        ",".join(names[first : first + devices_per_trial])
        for first in range(0, len(names) - devices_per_trial + 1, devices_per_trial)
    ]
    places = groups * trials_per_device  # one on each GPU before a second on any
    count = max(1, len(places)) if asked.n_jobs == "auto" else asked.n_jobs
    if places and count > len(places):
        raise ConfigError(
            f"hydra.sweeper.n_jobs={count}: the available GPUs allow {len(places)} trials at once{taken}.\n"
            "Put several on one with hydra.sweeper.trials_per_device=N, or use none with trainer.accelerator=cpu"
        )
    cores = usable_cores()
    share = max(1, len(cores) // count)
    slots = []
    for index in range(count):
        own = tuple(cores[index * share : (index + 1) * share]) if 1 < count <= len(cores) else ()
        gpus_of_slot, memory = (places[index], 1 / trials_per_device) if places else (None, 1.0)
        slots.append(Slot(gpus_of_slot, memory, own, share))
    return Slots(slots, share, gpus.shared)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
