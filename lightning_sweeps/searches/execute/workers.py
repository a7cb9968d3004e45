"""Supervisors on other machines, or as other processes, placed by one of Hydra's launchers."""

import multiprocessing
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.environment import environment
from lightning_sweeps.errors import ConfigError, LauncherError, SweepsError
from lightning_sweeps.files.folders import claim
from lightning_sweeps.machine import bind_to, usable_cores
from lightning_sweeps.overrides.command_line import PROGRAM, from_here, program
from lightning_sweeps.safety.passwords import hide_passwords, masked_url
from lightning_sweeps.searches.execute.gpus import hold_for, show_gpus
from lightning_sweeps.terminal.handlers import handled

URL = "LIGHTNING_SWEEPS_STORAGE"  # a launcher may write its jobs to the disk, where no password belongs


class Worker:
    """What a launcher runs as its job: a supervisor that joins the search.

    Args:
        supervise: joins the search of ``config``, and returns when its budget is used.
        gpus: of this machine, that all workers are to divide.
    """

    def __init__(self, supervise: Callable[[], object], config: DictConfig, gpus: Sequence[str]) -> None:
        self.supervise = supervise
        self.config = config
        self.program = shlex.join(program())
        self.share = 1  # of this machine, if all workers run on it
        self.gpus = gpus  # of which each gets its share
        self.url: str | None = None

    def __call__(self, config: DictConfig) -> None:
        """Supervise until the budget is used. The job's own config names the worker only."""
        multiprocessing.set_start_method("spawn", force=True)  # joblib's does not work in a trial's process
        if self.share > 1:
            _take_share(int(OmegaConf.select(config, "worker", default=0)), self.share, self.gpus)
        with environment(**({URL: self.url} if self.url else {}), **{PROGRAM: self.program}):
            try:
                self.supervise()
            except SystemExit as left:
                if left.code in (None, 0, 1, 130):  # the command that launched the workers reports it
                    return
                if isinstance(left.code, int):  # an exit code of the launcher's
                    raise
                raise RuntimeError(left.code) from None


def storage_url(given: Any) -> str | None:
    """The storage's URL with its password, which a worker finds in its environment.

    Raises:
        ConfigError: it is no URL, or one that is known with ``***`` only.
    """
    if given is not None and not isinstance(given, str):
        raise ConfigError(f"hydra.sweeper.storage={given}: it is an Optuna storage URL, such as sqlite:///study.db")
    if given is None or "***" not in given:
        return given
    url = os.environ.get(URL, "")
    if masked_url(url) != given:
        raise ConfigError("hydra.sweeper.storage: its password is kept nowhere; give the whole URL again")
    return url


def check_launcher(config: DictConfig, count: int) -> Sequence[str]:
    """Check that this many supervisors can be launched.

    Returns:
        The GPUs of this machine that they are to divide, which no search holds; they take them a moment later.

    Raises:
        ConfigError: they cannot.
    """
    if count < 1:
        raise ConfigError(f"hydra.sweeper.workers={count}: it is a number of supervisors, at least 1")
    if _launcher(config) == "basic":
        raise ConfigError(
            f"hydra.sweeper.workers={count}: say who starts them, hydra/launcher=joblib, ray, submitit_slurm or "
            "submitit_local.\nFor trials at once on this machine use hydra.sweeper.n_jobs"
        )
    if _launcher(config) != "joblib":
        return ()
    with hold_for(config, None) as gpus:
        names = gpus.names
    if 0 < len(names) < count:
        raise ConfigError(
            f"hydra.sweeper.workers={count}: joblib's share this machine, and its GPUs allow "
            f"{len(names)} of them.\nFor several trials on a GPU use hydra.sweeper.trials_per_device"
        )
    return names


def launch(
    worker: Worker, hydra_context: Any, url: str | None, count: int, folder: Path, fixed: Sequence[str]
) -> int | None:
    """Run this many supervisors through the configured launcher, and wait until they have left.

    Args:
        fixed: the overrides that all trials share. A launcher composes its jobs' configs, and ``search=cnn`` also
            says what the sweeper is.

    Returns:
        The signal of Ctrl-C if that stopped workers on this machine.

    Raises:
        LauncherError: the launcher cannot start them, or has lost one.
    """
    name = _launcher(worker.config)
    if name == "joblib":
        worker.share = count
    if name.startswith("ray"):  # its workers do not have this environment, and it keeps jobs in memory
        worker.url = url
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=hydra_context, task_function=worker, config=worker.config
    )
    state: Any = HydraConfig.instance().cfg
    hide_passwords(state)  # a launcher's jobs are given Hydra's state
    (folder / "workers").mkdir(exist_ok=True)
    jobs = []
    for number in range(count):
        own = claim(folder / "workers" / str(number)).relative_to(folder)
        jobs.append([*fixed, f"hydra.sweep.dir='{folder}'", f"hydra.sweep.subdir='{own}'", f"++worker={number}"])
    stopped: list[int] = []
    try:
        with environment(**({URL: url} if url else {})), _left_to_workers(name, stopped):
            launcher.launch(jobs, initial_job_idx=0)
    except SweepsError:
        raise
    except KeyboardInterrupt:
        sys.stderr.write("\nthe workers go on without this command, or end with their engine; see its own tools\n")
        raise
    except Exception as error:  # each engine has errors of its own
        raise LauncherError(
            f"hydra/launcher={name}: {_first_and_last_line(error)}.\nNothing is lost, and workers that still run go "
            f"on; add others with: python -m lightning_sweeps.join {from_here(folder)}"
        ) from error
    return stopped[0] if stopped else None


def _launcher(config: DictConfig) -> str:
    return str(config.hydra.runtime.choices["hydra/launcher"])


@contextmanager
def _left_to_workers(name: str, stopped: list[int]) -> Iterator[None]:
    """Leave a terminal's Ctrl-C to workers that are its processes: they stop in order, and are waited for."""
    if name not in ("joblib", "submitit_local"):
        yield
        return
    with handled(lambda number, _: stopped.append(number), signal.SIGINT):
        yield


def _first_and_last_line(error: Exception) -> str:
    """The first and last line of an error: what failed, and the reason at the end of its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    return " ... ".join(dict.fromkeys([lines[0], lines[-1]])).rstrip(".") if lines else type(error).__name__


def _take_share(number: int, count: int, gpus: Sequence[str]) -> None:
    """Keep to this worker's part of the machine."""
    cores = usable_cores()
    bind_to(cores[number::count] or cores)
    if gpus:
        show_gpus(",".join(gpus[number::count]))
