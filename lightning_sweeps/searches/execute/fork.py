"""Trials as forks: of a server that is itself a fork of the program, or that has imported the program once."""

import gc
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import warnings
from collections.abc import Collection, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from lightning_sweeps.searches.engine.signals import STOP, TIME_IS_UP
from lightning_sweeps.searches.execute.forkable import why_not_fork
from lightning_sweeps.searches.execute.importing import forkable_imports, has_lightning
from lightning_sweeps.searches.execute.inherited import Inherited
from lightning_sweeps.searches.execute.lifeline import tie
from lightning_sweeps.searches.execute.process import run_one
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.execute.server import Child, Told, serve, tell
from lightning_sweeps.searches.execute.settings import set_warning_filters


def start_quietly(target: Any, *arguments: Any) -> Any:
    """Fork this process without Python's warning about other threads: those of OpenBLAS do no harm."""
    filters = list(warnings.filters)
    # Trials keep what the program believes of its process, such as its name.
    process = multiprocessing.get_context("fork").Process(
        target=_with_filters, args=(filters, target, *arguments), name="MainProcess", daemon=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def _with_filters(filters: list[Any], target: Any, *arguments: Any) -> None:
    set_warning_filters(filters)
    target(*arguments)


def serve_forks(
    control: socket.socket, program: Program, inherited: Inherited, handlers: Mapping[int, Any]
) -> NoReturn:
    """Be the server that trials are forked from.

    Args:
        inherited: of the program, before any fork.
        handlers: the program's own, of the signals that are ignored here.
    """
    reason = why_not_fork()
    if reason is None:
        _import_what_runs_need(program)
        reason = why_not_fork()  # an import may have started threads
    if reason is not None:
        tell(control, Told.UNFIT, f"the program cannot be forked: {reason}")
        os._exit(0)
    inherited.leave_the_end_to_the_program()
    gc.freeze()  # memory stays shared with the trials as long as nobody touches it

    def start(connection: int, lifeline: int, others: Collection[int]) -> Child:
        process = start_quietly(_be_a_trial, program, inherited, handlers, connection, lifeline, others)
        return Child(process.pid, lambda: _reap(process))

    serve(control, start)


def _reap(process: Any) -> int:
    process.join()
    code = process.exitcode
    process.close()
    return int(code)


def _be_a_trial(
    program: Program,
    inherited: Inherited,
    handlers: Mapping[int, Any],
    connection: int,
    lifeline: int,
    others: Collection[int],
) -> None:
    os.setsid()  # the supervisor handles the terminal's Ctrl-C
    tie(lifeline)
    for descriptor in others:
        os.close(descriptor)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    inherited.begin_a_trial()
    run_one(Connection(connection), program)
    inherited.end_a_trial()


def ignore_signals() -> dict[int, Any]:
    """Ignore the signals that a terminal or a cluster sends to all processes; the supervisor handles them.

    Returns:
        The handlers that the program has.
    """
    signal.set_wakeup_fd(-1)
    handlers = {}
    for number in (*STOP, *TIME_IS_UP):
        handlers[int(number)] = signal.getsignal(number)
        signal.signal(number, signal.SIG_IGN)
    handlers[int(signal.SIGCHLD)] = signal.getsignal(signal.SIGCHLD)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return {number: handler for number, handler in handlers.items() if handler is not None}  # None: not Python's


def _import_what_runs_need(program: Program) -> None:
    """Import once for all trials. An import that fails here fails again in a trial, which reports it.

    The garbage collector is off meanwhile: it would walk through the new modules again and again.
    """
    collects = gc.isenabled()
    gc.disable()
    with forkable_imports(), suppress(Exception, SystemExit):
        for name in program.preload:
            importlib.import_module(name)
        if "torch" in sys.modules:  # its first optimizer would import these 900 modules in each trial
            importlib.import_module("torch._dynamo")
        if has_lightning():
            importlib.import_module("lightning_sweeps.runs.warm_fit")
    if collects:
        gc.enable()
