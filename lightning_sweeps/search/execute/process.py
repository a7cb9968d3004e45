"""What happens inside a trial's process, and how it speaks with the supervisor."""

import errno
import faulthandler
import functools
import multiprocessing
import os
import pickle
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lightning_sweeps import trial as trials
from lightning_sweeps.errors import GuardMissingError, RunInterruptedError
from lightning_sweeps.search.engine.outcome import Outcome, judge
from lightning_sweeps.search.engine.signals import TIME_IS_UP
from lightning_sweeps.search.execute.errand import Preparation
from lightning_sweeps.search.execute.gpus import show_gpus
from lightning_sweeps.search.execute.program import Program
from lightning_sweeps.search.execute.ranks import forget_ranks, join_as_rank, start_ranks_by
from lightning_sweeps.search.execute.rehearsal import Rehearsal
from lightning_sweeps.search.execute.slots import Slot
from lightning_sweeps.search.execute.threads import limit_threads
from lightning_sweeps.search.execute.uncomposed import Uncomposed
from lightning_sweeps.search.store.lock import hold_trials_lock

READY = "ready"  # a process has all that it needs, and waits for a trial
BEGUN = "begun"  # it is calling the task function
SAVING, SAVED = "saving", "saved"  # it is writing a checkpoint, or not any more


class ReportingTrial(trials.Trial):
    """The current trial of a search; ``exchange`` gives a report to the study and returns whether to prune."""

    def __init__(
        self, number: int, params: Mapping[str, Any], restarted: bool, exchange: Any, say: Callable[[str], None]
    ) -> None:
        self._say = say
        self.number = number
        self.params = params
        self.restarted = restarted
        self._exchange = exchange
        self._prune = False
        self._last_step: int | None = None

    def report(self, value: float, step: int) -> None:
        if step < 0 or int(step) != step:
            raise ValueError(f"report(step={step}): a step is a whole number, 0 or more")
        if step != self._last_step:
            self._last_step = step
            self._prune = bool(self._exchange(float(value), int(step)))

    @contextmanager
    def saving(self) -> Iterator[None]:
        self._say(SAVING)
        try:
            yield
        finally:
            self._say(SAVED)

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
        except (Exception, SystemExit) as error:  # noqa: BLE001 (anything may be wrong with a config)
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


@dataclass(frozen=True)
class Assignment:
    """What the supervisor gives to a process that is ready.

    Args:
        packed: pickled: the trial's number and parameters, whether it is run again, its config or an ``Uncomposed``.
        folder: the trial's own.
        place: what it may use.
        rank: the environment of another process of a distributed trial; None for the first.
        lock: the supervisor's lock file.
        objectives: how many numbers the task function returns.
    """

    packed: bytes
    folder: Path
    place: Slot
    rank: dict[str, str] | None
    lock: Path
    objectives: int


def run_one(connection: Connection, program: Program) -> None:
    """What a trial's process does once it has all of the program: waits for its trial and runs it."""
    _hear_signals()
    multiprocessing.set_start_method(program.start_method, force=True)
    connection.send(READY)
    try:
        given: Assignment | Preparation | Rehearsal = connection.recv()
    except (EOFError, KeyboardInterrupt):
        return
    if isinstance(given, Rehearsal):
        given(connection, program)
        return
    if isinstance(given, Preparation):
        given(connection)
        return
    try:
        _take(given.place)
        _redirect_output(given.folder)
        hold_trials_lock(given.lock)
    except OSError as error:
        connection.send(_failed(error))
        return
    try:
        number, params, restarted, config = pickle.loads(given.packed)  # noqa: S301 (the supervisor's)
        if isinstance(config, Uncomposed):
            config = config.compose(program)
    except Exception as error:  # noqa: BLE001 (whatever a config's classes raise)
        connection.send(_failed(error))
        return
    if given.rank is None:
        forget_ranks()
        limit_threads(given.place.threads)
        start_ranks_by(connection.send, given.place.threads)
    else:
        join_as_rank(given.rank, config)
        limit_threads(given.place.threads // int(given.rank["WORLD_SIZE"]))

    def exchange(value: float, step: int) -> bool:
        connection.send((value, step))
        return bool(connection.recv())

    @functools.wraps(program.task_function)
    def task(config: Any) -> Any:
        connection.send(BEGUN)
        return program.task_function(config)

    trial, process = ReportingTrial(number, params, restarted, exchange, connection.send), os.getpid()
    outcome = run_trial(trial, program.hydra_context, task, config, given.objectives)
    leave_if_forked(process)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    connection.send(outcome)


def leave_if_forked(process: int) -> None:
    """End here if the main function has forked, and this is the other process that returns from it."""
    if os.getpid() != process:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)


def fail(connection: Connection, error: BaseException) -> None:
    """What a trial's process does instead where the program cannot be imported once more."""
    with suppress(OSError, EOFError, KeyboardInterrupt):
        connection.send(READY)
        given: Assignment = connection.recv()
        _redirect_output(given.folder)
        connection.send(Outcome("no program", reason=not_imported(error)))
        traceback.print_exception(error)


def not_imported(error: BaseException) -> str:
    """Why no trial can be had of a program."""
    if isinstance(error, GuardMissingError):
        return str(error)
    first = (str(error).splitlines() or [""])[0]
    return f"the program cannot be imported once more for its trials: {type(error).__name__}: {first}"


def _hear_signals() -> None:
    """A cluster gives its signals to all processes of a job, of which the supervisor decides what they mean.

    What the trial forks ends by SIGTERM as it does in the program.
    """
    programs = signal.getsignal(signal.SIGTERM)
    if programs in (None, signal.SIG_IGN):  # the server's
        programs = signal.SIG_DFL
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, programs))
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
    """What the trial prints goes into its folder, also what was to go to the program's own streams."""
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(output, descriptor)
        stream = getattr(sys, name)
        try:
            same = stream.fileno() == descriptor
            stream.reconfigure(line_buffering=True)
        except (AttributeError, OSError, ValueError):  # a notebook's, or a test's
            same = False
        if not same:
            setattr(sys, name, open(descriptor, "w", buffering=1, closefd=False))  # noqa: SIM115
    os.close(output)
    faulthandler.enable()
