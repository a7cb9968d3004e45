"""What happens inside a trial's process, and how it speaks with the supervisor."""

import errno
import faulthandler
import gc
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import process as mp_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lightning_sweeps import trial as trials
from lightning_sweeps.errors import RunInterruptedError
from lightning_sweeps.study.gpus import show_gpus
from lightning_sweeps.study.outcome import Outcome, judge
from lightning_sweeps.study.ranks import divide_threads, forget_ranks, join_as_rank, start_ranks_by
from lightning_sweeps.study.signals import TIME_IS_UP
from lightning_sweeps.study.slots import Slot


class ReportingTrial(trials.Trial):
    """The current trial of a search; ``exchange`` gives a report to the study and returns whether to prune."""

    def __init__(self, number: int, params: Mapping[str, Any], restarted: bool, exchange: Any) -> None:
        self.number = number
        self.params = params
        self.restarted = restarted
        self._exchange = exchange
        self._prune = False
        self._last_step: int | None = None

    def report(self, value: float, step: int) -> None:
        if step != self._last_step:
            self._last_step = step
            self._prune = bool(self._exchange(float(value), int(step)))

    def should_prune(self) -> bool:
        self.pruned = self._prune
        return self.pruned


def run_trial(trial: ReportingTrial, hydra_context: Any, task_function: Any, config: Any, objectives: int) -> Outcome:
    """Run the task function as Hydra's launchers do; never raises an ``Exception``."""
    from hydra.core.utils import JobStatus, run_job

    with trials.running(trial):
        try:
            job = run_job(
                hydra_context=hydra_context,
                task_function=task_function,
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        except KeyboardInterrupt:
            return Outcome("interrupted")
        except Exception as error:  # noqa: BLE001 (anything may be wrong with a config)
            return _failed(error)
    value = job._return_value  # noqa: SLF001 (the property prints an error of its own)
    if job.status is JobStatus.COMPLETED:
        return Outcome("pruned") if trial.pruned else judge(value, objectives)
    if isinstance(value, RunInterruptedError) or type(value).__name__ == "SIGTERMException":  # Lightning's
        return Outcome("interrupted")
    if trial.pruned or type(value).__name__ == "TrialPruned":
        return Outcome("pruned")
    return _failed(value)


def _failed(error: BaseException) -> Outcome:
    with suppress(OSError):  # the disk may be full
        traceback.print_exception(error)
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if "CUDA out of memory" in first:
        asked = re.search(r"Tried to allocate ([\d.]+) (\w+)", first)
        reason = "CUDA out of memory" + (f", {float(asked[1]):.1f} {asked[2]} asked" if asked else "")
    return Outcome("no space" if _is_full_disk(error) else "failed", reason=reason)


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether the error, or one that led to it, is of a full disk: then no trial can do better."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def serve(connection: Connection, shared: bytes, supervisor: str, objectives: int) -> None:
    """The main function of a trial's process: sets itself up, waits for its job and does it."""
    gc.freeze()  # what the server imported is shared with it as long as nobody touches it
    gc.enable()
    import cloudpickle

    from lightning_sweeps.study.lock import hold_trials_lock

    _seed_anew()
    os.setsid()  # the terminal's Ctrl-C is the supervisor's
    _hear_signals()
    threading.Thread(target=_die_with_supervisor, daemon=True).start()
    hydra_context, task_function, singletons = cloudpickle.loads(shared)
    _set_singletons(singletons)
    try:
        job, folder, slot, rank = connection.recv()
    except (EOFError, KeyboardInterrupt):
        return
    try:
        _take(slot)
        _redirect_output(Path(folder))
        hold_trials_lock(Path(supervisor))
    except OSError as error:
        connection.send(_failed(error))
        return
    number, params, restarted, config = cloudpickle.loads(job)
    if rank is None:
        forget_ranks()
        divide_threads(slot.threads, 1)
        start_ranks_by(connection.send, slot.threads)
    else:
        join_as_rank(rank, config)
        divide_threads(slot.threads, int(rank["WORLD_SIZE"]))

    def exchange(value: float, step: int) -> bool:
        connection.send((value, step))
        return bool(connection.recv())

    trial = ReportingTrial(number, params, restarted, exchange)
    outcome = run_trial(trial, hydra_context, task_function, config, objectives)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    connection.send(outcome)


def _seed_anew() -> None:
    """Trials without a seed would all draw what the server would have drawn next; Python's own generator sees to it."""
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _hear_signals() -> None:
    """A cluster gives its signals to all processes of a job, of which the supervisor decides what they mean."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    for number in TIME_IS_UP:
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the programs that a trial starts would inherit


def _take(slot: Slot) -> None:
    """Give this process its slot's devices, before anything starts CUDA."""
    if slot.cores:
        os.sched_setaffinity(0, slot.cores)
    if slot.gpus is not None:
        show_gpus(slot.gpus)
        torch = sys.modules.get("torch")
        if slot.memory < 1 and torch is not None and torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(slot.memory)


def _redirect_output(folder: Path) -> None:
    """What the trial prints goes into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable()


def _set_singletons(state: Any) -> None:
    """Hydra's state of the supervisor, without looking for all plugins again."""
    from hydra.core.plugins import Plugins
    from hydra.core.singleton import Singleton
    from omegaconf.basecontainer import BaseContainer

    everything: Any = {Plugins: Plugins.instance(), **state["instances"]}
    Singleton._instances = everything  # noqa: SLF001
    BaseContainer._resolvers = state["omegaconf_resolvers"]  # noqa: SLF001


def _die_with_supervisor() -> None:
    parent = mp_process.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)
