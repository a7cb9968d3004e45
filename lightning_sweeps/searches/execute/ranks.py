"""Distributed trials: their processes join the trial, instead of running the whole command once more."""

import os
import socket
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import open_dict, read_write

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.execute.threads import limit_threads

LAUNCHERS = [
    f"{package}.launchers.subprocess_script"
    for package in (
        "lightning.pytorch.strategies",
        "lightning.fabric.strategies",
        "pytorch_lightning.strategies",
        "lightning_fabric.strategies",
    )
]
OF_A_RANK = ("LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """A trial's first process asks for the others: the environment of each."""

    environments: list[dict[str, str]]


def forget_ranks() -> None:
    """Remove the variables that another distributed run or the cluster's engine has left for Lightning."""
    for name in OF_A_RANK:
        os.environ.pop(name, None)
    if "SLURM_NTASKS" in os.environ:  # Slurm's tasks are supervisors; by this name Lightning knows to leave Slurm alone
        os.environ["SLURM_JOB_NAME"] = "interactive"
        _ignore_srun()


def join_as_rank(environment: Mapping[str, str], config: Any) -> None:
    """Become another process of a distributed trial; the first one writes the config and the log."""
    os.environ.clear()
    os.environ.update(environment)
    if "SLURM_NTASKS" in os.environ:
        _ignore_srun()
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.output_subdir = None
        config.hydra.job.name = f"{config.hydra.job.name}.rank{environment['LOCAL_RANK']}"


def _ignore_srun() -> None:
    warnings.filterwarnings("ignore", "The `srun` command is available")  # srun is used, to start the supervisor


def start_ranks_by(send: Callable[[Launch], None], cores: int) -> None:
    """Let Lightning's launchers, as far as they are imported, ask the supervisor for a trial's other processes.

    This replaces a private method. torchrun's variables, which Lightning reads first, are no way out: they give the
    number of processes before the trainer is made, and in a user's own program only its trainer knows that.
    Tested with Lightning 2.6; ``tests/test_private_parts.py`` fails if a release has another launcher.

    Args:
        send: to the supervisor.
        cores: of the slot, to be divided among the processes.
    """

    def launch(launcher: Any) -> None:
        count = launcher.num_processes
        if launcher.num_nodes > 1:
            raise ConfigError(f"trainer.num_nodes={launcher.num_nodes}: a trial runs on one machine")
        port = _reserved_port()
        common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0", "WORLD_SIZE": str(count)}
        send(Launch([{**os.environ, **common, "LOCAL_RANK": str(rank)} for rank in range(1, count)]))
        os.environ.update(common, LOCAL_RANK="0")
        launcher.cluster_environment._main_port = port  # noqa: SLF001 (it may have chosen one already)
        limit_threads(cores // count)

    for name in LAUNCHERS:
        if name in sys.modules:
            sys.modules[name]._SubprocessScriptLauncher._call_children_scripts = launch  # noqa: SLF001


_reservations: list[socket.socket] = []


def _reserved_port() -> int:
    """A free port. It stays bound, so that no other trial gets it; this trial's own store may listen on it."""
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", 0))
    _reservations.append(reservation)
    return int(reservation.getsockname()[1])
