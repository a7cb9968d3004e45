"""The life of a trial's process, and what it tells the supervisor."""

import functools
import multiprocessing
import os
import pickle
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lightning_sweeps.errors import GuardMissingError
from lightning_sweeps.searches.engine.outcome import Outcome
from lightning_sweeps.searches.execute.errand import Preparation
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.execute.ranks import forget_ranks, join_as_rank, start_ranks_by
from lightning_sweeps.searches.execute.rehearsal import Rehearsal
from lightning_sweeps.searches.execute.setting_up import hear_signals, ignore_interrupts, redirect_output, take_devices
from lightning_sweeps.searches.execute.slots import Slot
from lightning_sweeps.searches.execute.task import BEGUN, READY, ReportingTrial, failed, leave_if_forked, run_trial
from lightning_sweeps.searches.execute.threads import limit_threads
from lightning_sweeps.searches.execute.uncomposed import Uncomposed
from lightning_sweeps.searches.store.lock import hold_trials_lock


@dataclass(frozen=True)
class Assignment:
    """The trial, as the supervisor gives it to a process that is ready.

    Args:
        packed: pickled: the trial's ``Facts``, and its config or an ``Uncomposed``.
        folder: the trial's own.
        place: what it may use.
        rank: the environment of another process of a distributed trial; None for the first.
        lock: the supervisor's lock file.
    """

    packed: bytes
    folder: Path
    place: Slot
    rank: dict[str, str] | None
    lock: Path


def run_one(connection: Connection, program: Program) -> None:
    """Wait for a trial and run it, in a process that has the whole program."""
    hear_signals()
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
        take_devices(given.place)
        redirect_output(given.folder)
        hold_trials_lock(given.lock)
    except OSError as error:
        connection.send(failed(error))
        return
    try:
        facts, config = pickle.loads(given.packed)  # noqa: S301 (the supervisor's)
        if isinstance(config, Uncomposed):
            config = config.compose(program)
    except Exception as error:  # noqa: BLE001 (whatever a config's classes raise)
        connection.send(failed(error))
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

    trial, process = ReportingTrial(facts, exchange, connection.send), os.getpid()
    outcome = run_trial(trial, program.hydra_context, task, config)
    ignore_interrupts()
    leave_if_forked(process)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    connection.send(outcome)


def fail(connection: Connection, error: BaseException) -> None:
    """Tell the supervisor that the program cannot be imported, instead of running a trial."""
    with suppress(OSError, EOFError, KeyboardInterrupt):
        connection.send(READY)
        given: Assignment = connection.recv()
        redirect_output(given.folder)
        connection.send(Outcome("no program", reason=not_imported(error)))
        traceback.print_exception(error)


def not_imported(error: BaseException) -> str:
    """Why the program cannot be imported for a trial."""
    if isinstance(error, GuardMissingError):
        return str(error)
    first = (str(error).splitlines() or [""])[0]
    return f"the program cannot be imported once more for its trials: {type(error).__name__}: {first}"
