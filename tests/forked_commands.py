"""Commands in forks of an interpreter that has made their slow imports already (``fork_server.py``).

All else that a command does, it does as ever, in a process of its own: it has its arguments, its environment, its
streams and its exit code, can be killed, and starts others, which are forked in the same way.
"""

import inspect
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, NoReturn, Self
from uuid import uuid4

from shared_imports import OF_OTHERS

THREADS = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}  # which torch takes later too
# They are read when an interpreter or a library starts.
READ_AT_A_START = ("OMP_", "MKL_", "PYTHON", "LD_", "TORCH_")


class Origin(NamedTuple):
    """Where an interpreter listens, and the environment and the group of processes that it was started in."""

    address: str | bytes
    environment: Mapping[str, str]
    group: int

    @classmethod
    def here(cls, address: str | bytes) -> Self:
        return cls(address, dict(os.environ), os.getpgrp())

    def is_like(self, command: Any, environment: Mapping[str, str], *, group: int | None) -> bool:
        """Whether this starts Python as the interpreter was started. Only Linux tells that a fork has ended.

        Args:
            group: of processes that it is in; None is one of its own.
        """
        if group not in (None, self.group) or not hasattr(os, "pidfd_open"):
            return False
        if isinstance(command, str) or command[0] != sys.executable:
            return False
        names = {name for name in (*environment, *self.environment) if name.startswith(READ_AT_A_START)}
        changed = {name for name in names if environment.get(name) != self.environment.get(name)}
        program = "".join(map(str, command[1:2]))  # none: what is typed
        return (program == "-m" or program.endswith(".py")) and changed <= {"PYTHONPATH", *THREADS}

    def begin(
        self, command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int], **more: Any
    ) -> socket.socket:
        """Have it fork a command; where it says how that goes."""
        told = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told.connect(self.address)
        what = {"arguments": list(map(str, command[1:])), "environment": dict(environment), "cwd": str(Path.cwd())}
        socket.send_fds(told, [json.dumps(what | more).encode()], descriptors)
        return told


class Interpreter:
    """An interpreter that has made its imports. Commands of Python are forked from it.

    Args:
        modules: that it imports before the first command.
    """

    def __init__(self, modules: Sequence[str] = OF_OTHERS) -> None:
        origin = Origin.here(f"\0{uuid4()}")  # no file of this address is left
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(origin.address)
            listening.listen()
            self._server = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(listening.fileno()), *modules],
                stdin=subprocess.PIPE,
                pass_fds=[listening.fileno()],
            )
        self.Popen = popen(origin)

    def run(
        self, arguments: Sequence[str], cwd: Path | None = None, stdout: IO[str] | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """What ``python`` with these arguments does, in five minutes at most.

        Args:
            stdout: what takes the place of what is read back.
            variables: of its environment.

        Raises:
            subprocess.TimeoutExpired: it takes longer; it is killed.
        """
        command = [sys.executable, *arguments]
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:  # no pipes: what it leaves running may hold them
            streams = {"stdin": subprocess.DEVNULL, "stdout": stdout or out, "stderr": err}
            with self.Popen(command, cwd=cwd, env=os.environ | variables, **streams) as process:  # type: ignore[call-overload]
                try:
                    code = process.wait(300)
                except BaseException:
                    process.kill()
                    raise
            said = [file.read() for file in (out, err) if not file.seek(0)]
        return subprocess.CompletedProcess(command, code, *said)

    def close(self) -> None:
        """End the interpreter."""
        assert self._server.stdin is not None
        with self._server:
            self._server.stdin.close()
            assert self._server.wait(timeout=60) == 0


def popen(origin: Origin) -> type[subprocess.Popen[Any]]:
    """A ``Popen`` that has an interpreter fork what starts Python as that was started. All else it starts itself."""

    class Popen(subprocess.Popen[Any]):
        _told: socket.socket | None = None

        def _execute_child(self, *arguments: Any, **named: Any) -> None:
            real = super()._execute_child  # type: ignore[misc]
            how = inspect.signature(real).bind(*arguments, **named).arguments
            environment = os.environ if how["env"] is None else how["env"]
            group = None if how["start_new_session"] else os.getpgrp()
            if how["shell"] or how["preexec_fn"] or not origin.is_like(how["args"], environment, group=group):
                real(*arguments, **named)
                return
            streams = [how[name] for name in ("p2cread", "c2pwrite", "errwrite")]
            streams = [number if given == -1 else given for number, given in enumerate(streams)]
            passed = sorted(how["pass_fds"])
            more = {"passed": passed, "session": how["start_new_session"]}
            if how["cwd"] is not None:
                more["cwd"] = str(Path(how["cwd"]).absolute())
            self._told = origin.begin(how["args"], environment, [*streams, *passed], **more)
            self._child_created = True
            self._try_wait(0)
            pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(how[name] for name in pipes))  # type: ignore[attr-defined]

        def _try_wait(self, wait_flags: int) -> tuple[int, int]:
            """Hear from the interpreter as ``os.waitpid`` does from the system: (0, 0) if it has not ended."""
            if self._told is None:
                return super()._try_wait(wait_flags)  # type: ignore[misc, no-any-return]
            try:
                said, _, number = self._told.recv(64, socket.MSG_DONTWAIT if wait_flags else 0).partition(b" ")
            except BlockingIOError:
                return 0, 0
            if said == b"pid":
                self.pid = int(number)
                return 0, 0
            self._told.close()
            return self.pid, int(number or signal.SIGKILL)  # no number: the interpreter is gone

        def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
            if self._told is None:
                return super()._internal_poll(_deadstate)  # type: ignore[misc, no-any-return]
            with suppress(subprocess.TimeoutExpired):
                self.wait(0)
            return self.returncode

    return Popen


def execvp(origin: Origin) -> Callable[[str, list[str]], NoReturn]:
    """An ``os.execvp`` that has an interpreter fork what takes this process's place."""
    real = os.execvp

    def execute(file: str, arguments: list[str]) -> NoReturn:
        if not origin.is_like([file, *arguments[1:]], os.environ, group=os.getpgrp()):
            real(file, arguments)
        origin.begin(arguments, os.environ, [0, 1, 2], passed=[], instead_of=os.getpid()).recv(64)
        os._exit(0)

    return execute
