"""The interpreter that the tests' commands are forked from."""

import atexit
import ctypes
import fcntl
import gc
import json
import os
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import IO, Any, NoReturn

from forked_commands import THREADS, Origin, execvp, popen
from shared_imports import import_hydras_plugins, import_this_package, meet_this_process

FREE = 900  # a descriptor's number that neither the server nor a command uses, nor those above it
ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0\s*(?:\[heap\])?$")  # a line of /proc/self/maps


class _Server:
    """Forks what it is told to, from its only thread, until a stream ends."""

    def __init__(self, listening: socket.socket, until: IO[str]) -> None:
        self._origin = Origin.here(listening.getsockname())
        self._listening, self._until = listening, until
        self._running: list[_Process] = []

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._until, self._listening, *(one.ended for one in self._running)], [], [])
            if self._until in ready:
                return
            for one in [one for one in self._running if one.ended in ready]:
                if not one.goes_on():
                    self._running.remove(one)
            if self._listening in ready:
                told, _ = self._listening.accept()
                self._hear(told)

    def _hear(self, told: socket.socket) -> None:
        text, descriptors, _, _ = socket.recv_fds(told, 1 << 20, 64)
        if not text:  # who asked is gone
            return
        command = json.loads(text)
        for one in self._running:
            if one.pid == command.get("instead_of"):
                one.next = one.command | command, descriptors
                told.send(b"then")
                return
        self._running.append(_Process(self._origin, command, descriptors, told))


class _Process:
    """A fork, as the server sees it.

    Args:
        told: who hears which process it is, and how it ended.
    """

    def __init__(
        self, origin: Origin, command: dict[str, Any], descriptors: Sequence[int], told: socket.socket
    ) -> None:
        self._origin, self._told = origin, told
        self._fork(command, descriptors)

    def _fork(self, command: dict[str, Any], descriptors: Sequence[int]) -> None:
        self.command = command
        self.next: tuple[dict[str, Any], Sequence[int]] | None = None
        self.pid = os.fork()
        if not self.pid:
            _become(self._origin, self._told, command, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self.ended = os.pidfd_open(self.pid)

    def goes_on(self) -> bool:
        """It has ended: begin what takes its place, or say how it ended. Whether something runs."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.ended)
        if self.next is None:
            _say(self._told, f"status {status}")
            self._told.close()
            return False
        self._fork(*self.next)
        return True


def _say(told: socket.socket, words: str) -> None:
    with suppress(OSError):  # who started it may be gone
        told.send(words.encode())


def _become(origin: Origin, told: socket.socket, command: dict[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Be what ``python`` starts."""
    os.execvp, subprocess.Popen = execvp(origin), popen(origin)  # type: ignore[assignment, misc]
    gc.unfreeze = lambda: None  # a look at all that the interpreter has imported would copy its memory
    if command["session"]:
        os.setsid()
    _say(told, f"pid {os.getpid()}")
    _take(descriptors, [0, 1, 2, *command["passed"]])
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as an interpreter opens them)
    os.chdir(command["cwd"])
    threads = [os.environ.get(name) for name in THREADS]
    os.environ.clear()
    os.environ.update(command["environment"])
    if "torch" in sys.modules and threads != [os.environ.get(name) for name in THREADS]:
        sys.modules["torch"].set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    program, *arguments = command["arguments"]
    sys.orig_argv = [sys.executable, *command["arguments"]]
    sys.argv = command["arguments"]
    first = command["cwd"] if program == "-m" else str(Path(program).absolute().parent)
    sys.path[:1] = [first, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    meet_this_process(program == "-m" and arguments[0])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code: object = 0
    try:
        if program == "-m":
            module, *sys.argv[1:] = arguments
            runpy._run_module_as_main(module)
        else:
            main.__file__, main.__loader__ = program, SourceFileLoader("__main__", program)
            exec(compile(Path(program).read_bytes(), program, "exec"), vars(main))
    except SystemExit as left:
        code = left.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException as error:  # noqa: BLE001 (shown, as an interpreter does)
        traceback.print_exc()
        code = error if isinstance(error, KeyboardInterrupt) else 1
    with suppress(BaseException):
        threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if isinstance(code, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(int(code or 0))  # type: ignore[call-overload]


def _take(descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Have these descriptors, under these numbers, and no others."""
    apart = [fcntl.fcntl(one, fcntl.F_DUPFD, FREE) for one in descriptors]
    os.closerange(0, FREE)
    for descriptor, number in zip(apart, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _take_huge_pages() -> None:
    """A fork copies the table of a process' pages: a tenth of the time if they are huge. Linux 6.1 and later."""
    collapse, size = 25, 2 << 20
    with suppress(OSError, AttributeError):
        madvise = ctypes.CDLL(None).madvise
        for line in Path("/proc/self/maps").read_text().splitlines():
            if found := ANONYMOUS.match(line):
                start, end = (int(text, 16) // size * size for text in found.groups())
                if end > start + size:
                    madvise(ctypes.c_void_p(start + size), ctypes.c_size_t(end - start - size), collapse)


def _leave_ends_to_the_interpreter() -> None:
    """What its imports have to do at its own end, its forks need not: torch takes 30 ms to forget its operators."""
    for finalizer in list(weakref.finalize._registry):
        finalizer.atexit = False


if __name__ == "__main__":
    for name in sys.argv[2:]:
        import_module(name)
    import_hydras_plugins()
    import_this_package()
    _leave_ends_to_the_interpreter()
    gc.freeze()
    _take_huge_pages()
    _Server(socket.socket(fileno=int(sys.argv[1])), sys.stdin).serve()
    gc.unfreeze()
