"""Three ways to start trials' processes, named as in ``multiprocessing``; the first that works is taken.

``fork``: trials are forked from a server that is itself a fork of the program. ``forkserver``: a new interpreter
imports the program once, and trials are forked from that. ``spawn``: each trial is a new interpreter.
"""

import multiprocessing.spawn
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cloudpickle

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.command_line import arguments
from lightning_sweeps.searches.engine.signals import STOP, TIME_IS_UP
from lightning_sweeps.searches.execute import seeds, settings
from lightning_sweeps.searches.execute.fork import ignore_signals, serve_forks, start_quietly
from lightning_sweeps.searches.execute.forkable import why_not_fork
from lightning_sweeps.searches.execute.fresh_server import command
from lightning_sweeps.searches.execute.inherited import Inherited
from lightning_sweeps.searches.execute.lifeline import tie
from lightning_sweeps.searches.execute.program import Program, pack
from lightning_sweeps.terminal.handlers import handled

FORK, FORKSERVER, SPAWN = "fork", "forkserver", "spawn"
WAYS = (FORK, FORKSERVER, SPAWN)
TAKEN = {
    FORK: "trials are forked from the program",
    FORKSERVER: "trials are forked from a second interpreter that imports the program once",
    SPAWN: "each trial starts an interpreter of its own and imports the program",
}


class Server:
    """The process that trials' processes are started from, as the supervisor sees it."""

    def __init__(self, control: socket.socket, lifeline: int, process: Any) -> None:
        self.control = control
        self.ready = False
        self.gone = False
        self.died = False  # it has ended without being closed
        self.opened = time.monotonic()
        self._lifeline = lifeline
        self._process = process

    def close(self) -> None:
        """End it at once. Its trials, if there are any, go on without it."""
        self.control.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
            self._process.kill()  # it may not have tied itself to us yet
            wait = self._process.join if hasattr(self._process, "join") else self._process.wait
            wait()


class Servers:
    """Opens servers, each in the next way to start processes.

    Args:
        start_method: one of the ways; ``auto``: the first that works for this program.
        preload: false: no trial shares what the program has imported.
    """

    def __init__(self, program: Program, start_method: str, *, preload: bool) -> None:
        if start_method not in (*WAYS, "auto"):
            raise ConfigError(f"hydra.sweeper.start_method={start_method}: it is auto, fork, forkserver or spawn")
        if not preload and start_method not in ("auto", SPAWN):
            raise ConfigError(f"hydra.sweeper.preload=false means start_method=spawn, and not {start_method}")
        self.program = program
        self.asked = start_method
        if start_method == "auto":
            self._left = list(WAYS) if preload and sys.platform == "linux" else [SPAWN]
        else:
            self._left = [start_method]
        self.passed_over = ""  # which way is taken instead of an earlier one, and why, for people
        self._packed: Any = None
        self._stack = ExitStack()

    def open(self) -> Server:
        """A server in the first way that is left.

        Raises:
            ConfigError: there is none, or the program cannot be taken to another process.
        """
        if self._left[0] == FORK:
            reason = why_not_fork()
            if reason is None:
                return self._fork()
            self.pass_over(f"the program cannot be forked: {reason}")
        return self._start_interpreter()

    def pass_over(self, reason: str, *, again: bool = False) -> None:
        """Give up the first way, which does not work.

        Args:
            again: it may be tried once more if it is the last; the program can be forked only when a search begins.

        Raises:
            ConfigError: there is no other.
        """
        if len(self._left) > 1:
            del self._left[0]
        elif self.asked == FORK or not again:
            raise ConfigError(f"hydra.sweeper.start_method={self._left[0]}: {reason}")
        missing = "" if self._left[0] == FORK else ", without what it makes below if __name__ == '__main__'"
        self.passed_over = f"{TAKEN[self._left[0]]}{missing} ({reason})"

    @property
    def imports_each_time(self) -> bool:
        """Whether each process imports the program."""
        return self._left[0] == SPAWN

    @property
    def is_last(self) -> bool:
        """Whether no other way is left."""
        return len(self._left) == 1

    def close(self) -> None:
        """Close the files that new interpreters read."""
        self._stack.close()

    def _fork(self) -> Server:
        inherited = Inherited()
        ours, theirs = socket.socketpair()
        lifeline, end = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP, *TIME_IS_UP))
        try:
            process = start_quietly(_be_the_server, self.program, inherited, mask, theirs, lifeline, (ours, end))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        os.close(lifeline)
        return Server(ours, end, process)

    def _start_interpreter(self) -> Server:
        way = self._left[0]
        world = self._world()
        ours, theirs = socket.socketpair()
        lifeline, end = os.pipe()
        # A cluster sends these signals to all processes of a job, and the supervisor alone decides what they mean.
        with theirs, handled(signal.SIG_IGN, *STOP, *TIME_IS_UP):
            process = subprocess.Popen(  # noqa: S603
                command(_interpreter(), way, world, theirs.fileno(), lifeline),
                pass_fds=(world, theirs.fileno(), lifeline),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
        os.close(lifeline)
        return Server(ours, end, process)

    def _world(self) -> int:
        """A nameless file for a new interpreter, in memory on Linux, since there may be passwords in it."""
        if self._packed is None:
            first = {
                "path": list(sys.path),
                "argv": list(sys.argv),
                "typed": [sys.argv[0], *arguments()],  # as the program found it
                "command": _interpreter(),
                "main": _main_module(self.program),
                "ignored": [int(number) for number in STOP if signal.getsignal(number) is signal.SIG_IGN],
                "program": pack(self.program),
                "settings": cloudpickle.dumps(settings.taken()),
                "seeds": seeds.seeded_states(),
            }
            self._packed = self._stack.enter_context(_nameless_file())
            self._packed.write(pickle.dumps(first))
            self._packed.flush()
        return int(self._packed.fileno())


def _be_the_server(
    program: Program,
    inherited: Inherited,
    mask: set[signal.Signals],
    control: socket.socket,
    lifeline: int,
    of_the_supervisor: tuple[socket.socket, int],
) -> None:
    control_of_the_supervisor, end = of_the_supervisor
    control_of_the_supervisor.close()
    os.close(end)
    os.setsid()
    tie(lifeline)
    handlers = ignore_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    serve_forks(control, program, inherited, handlers)


def _nameless_file() -> Any:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("lightning_sweeps"), "wb")
    return tempfile.TemporaryFile()


def _interpreter() -> list[str]:
    """This Python with its flags, as ``multiprocessing`` starts it."""
    parts = multiprocessing.spawn.get_command_line()
    return [os.fsdecode(part) for part in parts[: parts.index("-c")]]


def _main_module(program: Program) -> tuple[str, str] | None:
    """Where the program's main module is imported from; None where it cannot be, or would begin to work at once."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name:
        defines_the_task = program.task_function.__module__ == "__main__"
        return ("module", spec.name) if defines_the_task or not spec.name.endswith("__main__") else None
    if file is None or not Path(file).is_file() or Path(file).stem == "ipython":
        return None
    return "path", os.path.abspath(file)  # noqa: PTH100 (resolve() would follow links)
