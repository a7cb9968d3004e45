"""Commands in forks of an interpreter that has made their slow imports already: torch's and Lightning's take seconds.

All else that a command does, it does as ever, in a process of its own. What this package's modules read of a process
when they are imported, the command's own process imports.
"""

import atexit
import ctypes
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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module, reload
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from typing import IO, Any, NoReturn
from unittest.mock import patch

OF_A_SEARCH = (
    "cloudpickle",
    "hydra",
    "jinja2",
    "multiprocessing.connection",
    "multiprocessing.popen_fork",
    "optuna",
    "orjson",
    "plotly.graph_objects",
    *(f"plotly.graph_objs._{kind}" for kind in ("bar", "contour", "figure", "layout", "scatter")),
    "plotly.io._json",
    "plotly.offline",
    "rich.live",
    "sqlalchemy",
)
OF_OTHERS = (
    *OF_A_SEARCH,
    "filelock",
    "fsspec.implementations.chained",
    "lightning.pytorch",
    "lightning.pytorch.loggers",
    "PIL.Image",
    "sklearn.datasets",
    "tensorboard.plugins.hparams.metadata",
    "torch",
    "torch.utils.tensorboard",
    "torchmetrics.classification",
    "torchvision.transforms.v2",
)
PACKAGE = "lightning_sweeps"
ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0\s*(?:\[heap\])?$")  # a line of /proc/self/maps
LOOK_AROUND = {f"{PACKAGE}.runs.warm", f"{PACKAGE}.runs.warm_fit"}  # for what else is imported
THREADS = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}  # which torch takes later too
# They are read when an interpreter or a library starts.
READ_AT_A_START = ("OMP_", "MKL_", "PYTHON", "LD_", "TORCH_")


class Commands:
    """Runs ``python -m MODULE ...`` and ``python SCRIPT ...`` in forks of one interpreter.

    Args:
        folder: for what commands say.
        modules: that the interpreter imports before the first command.
    """

    def __init__(self, folder: Path, modules: Sequence[str] = OF_OTHERS) -> None:
        self.folder = folder
        self.environment = dict(os.environ)
        self._server = subprocess.Popen(
            [sys.executable, __file__, *modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Whether a fork finds this environment as a new interpreter would. Only Linux tells that a fork has ended."""
        return hasattr(os, "pidfd_open") and _same_start(environment, self.environment)

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        timeout: float = 300,
        stdout: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """What ``python`` with these arguments does in this folder.

        Args:
            stdout: a device that takes the place of what is read back.

        Raises:
            subprocess.TimeoutExpired: it takes longer; it is killed.
        """
        output = [self.folder / name for name in ("out", "err")]
        for file in output:
            file.unlink(missing_ok=True)
        command = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment)}
        output[0].touch()
        self._tell({**command, "out": str(stdout or output[0]), "err": str(output[1])})
        process, late = int(self._answer()), threading.Event()

        def kill() -> None:
            late.set()
            os.kill(process, signal.SIGKILL)

        timer = threading.Timer(timeout, kill)
        timer.start()
        code = int(self._answer())
        timer.cancel()
        if late.is_set():
            raise subprocess.TimeoutExpired(arguments, timeout)
        said = [file.read_text() for file in output]
        return subprocess.CompletedProcess([sys.executable, *arguments], code, *said)

    def close(self) -> None:
        """End the interpreter."""
        assert self._server.stdin is not None
        with self._server:
            self._server.stdin.close()
            assert self._server.wait(timeout=60) == 0

    def _tell(self, command: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(command) + "\n")
        self._server.stdin.flush()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


def _same_start(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    names = {name for name in (*one, *other) if name.startswith(READ_AT_A_START)}
    return all(one.get(name) == other.get(name) for name in names - {"PYTHONPATH", *THREADS})


def _serve(commands: IO[str], answers: IO[str]) -> None:
    for line in commands:
        process = _Process(json.loads(line))
        answers.write(f"{process.pid}\n")
        answers.flush()
        answers.write(f"{_tend(process)}\n")
        answers.flush()


class _Process:
    """A fork, as the server sees it.

    Args:
        streams: its standard output and error; those that the command names if there are none.
        told: who hears how it ended.
    """

    def __init__(self, command: dict[str, Any], streams: Sequence[int] = (), told: socket.socket | None = None) -> None:
        self.told = told
        self.code: int | None = None
        self._fork(command, streams)

    def _fork(self, command: dict[str, Any], streams: Sequence[int]) -> None:
        self.asks, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.command, self._next = command, b""
        self.pid = os.fork()
        if not self.pid:
            self.asks.close()
            _become(command, theirs, streams)
        theirs.close()
        for descriptor in streams:
            os.close(descriptor)
        self.ended = os.pidfd_open(self.pid)

    def hear(self) -> "_Process | None":
        """What it asks for: to be replaced when it has ended, or that another one is started."""
        asked, streams, _, _ = socket.recv_fds(self.asks, 1 << 20, 2)
        if not streams:
            self._next = asked or self._next  # nothing: it has closed its end
            return None
        started = _Process({**self.command, **json.loads(asked)}, streams, self.asks)
        self.asks.send(str(started.pid).encode())
        return started

    def end(self) -> None:
        """It has ended; begin what it is replaced by, or tell how it ended."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.ended)
        self.asks.close()
        if self._next:
            self._fork({**self.command, **json.loads(self._next)}, ())
            return
        self.code = os.waitstatus_to_exitcode(status)
        if self.told is not None:
            with suppress(OSError):
                self.told.send(str(self.code).encode())


def _tend(first: _Process) -> int:
    """Wait for a process, and start what it asks for; its exit code."""
    running = [first]
    while first.code is None:
        ready, _, _ = select.select([one.asks for one in running] + [one.ended for one in running], [], [])
        for one in list(running):
            if one.asks in ready and (started := one.hear()):
                running.append(started)
            if one.ended in ready:
                one.end()
                if one.code is not None:
                    running.remove(one)
    return first.code


def _is_alike(command: Sequence[str], start: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Whether it starts Python as it is here."""
    with_options = command[1].startswith("-") and command[1] != "-m"
    return command[0] == sys.executable and not with_options and _same_start(start, environment)


def _asking(server: socket.socket) -> tuple[Callable[[str, Sequence[str]], NoReturn], type[subprocess.Popen[Any]]]:
    """An ``os.execvp`` and a ``Popen`` that have the server fork what they would have started."""
    start, real = dict(os.environ), os.execvp

    def there(command: Sequence[str], environment: Mapping[str, str]) -> bytes:
        asked = {"arguments": command[1:], "cwd": str(Path.cwd()), "environment": dict(environment)}
        return json.dumps(asked).encode()

    def execvp(file: str, arguments: Sequence[str]) -> NoReturn:
        if not _is_alike([file, *arguments[1:]], start, os.environ):
            real(file, arguments)
        server.send(there(arguments, os.environ))
        os._exit(0)

    class Popen(subprocess.Popen[Any]):
        def __new__(cls, command: Any, **how: Any) -> Any:
            if how.keys() != {"env", "stdout"} or not _is_alike(command, start, how["env"]):
                return super().__new__(cls)
            socket.send_fds(server, [there(command, how["env"])], [how["stdout"].fileno(), 2])
            return _Started(int(server.recv(64)), server)

    return execvp, Popen


class _Started:
    """A process that the server has started, as ``Popen`` has it."""

    def __init__(self, pid: int, server: socket.socket) -> None:
        self.pid = pid
        self._server = server

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        return int(self._server.recv(64))


def _become(command: dict[str, Any], server: socket.socket, streams: Sequence[int]) -> NoReturn:
    """Be what ``python`` starts."""
    os.execvp, subprocess.Popen = _asking(server)  # type: ignore[assignment, misc]
    gc.unfreeze = lambda: None  # a look at all that the interpreter has imported would copy its memory
    ways = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    written = list(streams) or [os.open(command[name], ways) for name in ("out", "err")]
    for number, descriptor in enumerate([os.open(os.devnull, os.O_RDONLY), *written]):
        os.dup2(descriptor, number)
        os.close(descriptor)
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
    _meet_this_process(program == "-m" and arguments[0])
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
    except BaseException:  # noqa: BLE001 (shown, as an interpreter does)
        traceback.print_exc()
        code = 1
    with suppress(BaseException):
        threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(int(code or 0))  # type: ignore[call-overload]


def _import_hydras_plugins() -> None:
    """All that Hydra looks through when it starts. What it finds there, each command finds for itself."""
    for package in ("hydra._internal.core_plugins", "hydra_plugins"):
        with suppress(ImportError):
            there = import_module(package)
            for module in walk_packages(there.__path__, f"{package}."):
                if module.name.rpartition(".")[2].startswith("_"):  # Hydra leaves these out; one imports Ray
                    continue
                with suppress(ImportError):
                    import_module(module.name)


class _NothingElse(MetaPathFinder):
    """Refuses to import what is not there already, but for modules of the standard library and of this package."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        top = fullname.partition(".")[0]
        if fullname in LOOK_AROUND or not (top == PACKAGE or top in sys.stdlib_module_names):
            raise ImportError(fullname)
        return None


def _import_this_package() -> None:
    """What of it needs nothing that is not imported yet, and reads no variable and no folder of a process' own."""
    finder = _NothingElse()
    sys.meta_path.insert(0, finder)
    with patch.object(type(os.environ), "__getitem__", _refuse), patch.object(os, "getcwd", _refuse):
        for module in walk_packages(import_module(PACKAGE).__path__, f"{PACKAGE}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):
                    import_module(module.name)
    sys.meta_path.remove(finder)


def _refuse(*_: Any) -> NoReturn:
    raise ImportError("each process has its own")


def _meet_this_process(command: str | bool) -> None:
    """Let this package see whose process it is in now, as its first import does."""
    there = sys.modules.get(PACKAGE)
    if there is None:
        return
    found = find_spec(PACKAGE)
    if found is None or found.origin != there.__file__:  # a command of another copy
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        return
    reload(there)
    if command in sys.modules and not hasattr(sys.modules[command], "__path__"):
        del sys.modules[command]  # it is run, not imported


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
    for name in sys.argv[1:]:
        import_module(name)
    _import_hydras_plugins()
    _import_this_package()
    _leave_ends_to_the_interpreter()
    gc.freeze()
    _take_huge_pages()
    _serve(sys.stdin, sys.stdout)
    gc.unfreeze()
