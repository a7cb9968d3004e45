"""The process that trials are forked from: it imports what they need once, while the search itself is being set up."""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cloudpickle

from lightning_sweeps.environment import environment
from lightning_sweeps.study.signals import TIME_IS_UP

TASK = "LIGHTNING_SWEEPS_TASK"  # names a file with the pickled task function, for study/preload.py


@contextmanager
def open_server(task_function: Callable[..., Any], cores: int, *, preload: bool) -> Iterator[Any]:
    """A multiprocessing context whose processes come from the server; from fresh interpreters where there is no fork.

    Args:
        task_function: its attribute ``preload`` names modules that the server imports.
        cores: for the threads of each process.
        preload: the server imports also what the task function refers to.
    """
    threads = {name: os.environ.get(name, str(cores)) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    # Threads that wait for each other spin; beside another supervisor's that makes a trial many times slower.
    threads["GOMP_SPINCOUNT"] = os.environ.get("GOMP_SPINCOUNT", "10000")
    python_path = os.pathsep.join(entry for entry in sys.path if entry)
    with tempfile.NamedTemporaryFile() as task, environment(**threads, PYTHONPATH=python_path):
        task.write(cloudpickle.dumps(task_function))
        task.flush()
        if "forkserver" not in multiprocessing.get_all_start_methods():
            yield multiprocessing.get_context("spawn")
            return
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["lightning_sweeps.study.preload", *getattr(task_function, "preload", ())])
        server: Any = multiprocessing.forkserver._forkserver  # noqa: SLF001
        task_file = {TASK: task.name if preload else None}
        with _ignored(signal.SIGTERM, *TIME_IS_UP), environment(**task_file):
            server.ensure_running()
        try:
            yield context
        finally:  # not left to itself: it may still be importing
            with suppress(ProcessLookupError, TypeError):
                os.kill(server._forkserver_pid, signal.SIGKILL)  # noqa: SLF001
            server._stop()  # noqa: SLF001


@contextmanager
def _ignored(*numbers: int) -> Iterator[None]:
    """What is started inside ignores these signals: a cluster gives them to all processes of a job."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
