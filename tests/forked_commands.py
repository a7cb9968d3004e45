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
import signal
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
    "optuna",
    "orjson",
    "plotly.graph_objs._figure",
    "rich.live",
    "sqlalchemy",
)
OF_OTHERS = (
    *OF_A_SEARCH,
    "lightning.pytorch",
    "lightning.pytorch.loggers",
    "PIL.Image",
    "sklearn.datasets",
    "torch",
    "torch.utils.tensorboard",
    "torchmetrics.classification",
    "torchvision.transforms.v2",
)
PACKAGE = "lightning_sweeps"
ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0\s*(?:\[heap\])?$")  # a line of /proc/self/maps
LOOK_AROUND = {f"{PACKAGE}.runs.warm", f"{PACKAGE}.runs.warm_fit"}  # for what else is imported
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
        """Whether a fork finds this environment as a new interpreter would."""
        return _same_start(environment, self.environment)

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
    return all(one.get(name) == other.get(name) for name in names - {"PYTHONPATH"})


def _serve(commands: IO[str], answers: IO[str]) -> None:
    for line in commands:
        process, replacement = _fork(json.loads(line))
        answers.write(f"{process}\n")
        answers.flush()
        _, status = os.waitpid(process, 0)
        while replaced := _read(replacement):
            process, replacement = _fork(json.loads(replaced))
            _, status = os.waitpid(process, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _fork(command: dict[str, Any]) -> tuple[int, int]:
    """The process, and where it writes what it wants to be replaced by."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        _become(command, writing)
    os.close(writing)
    return process, reading


def _read(descriptor: int) -> bytes:
    """What was written, if anything; processes that were left behind may still hold the other end."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""
    finally:
        os.close(descriptor)


def _replace(command: dict[str, Any], writing: int) -> Callable[[str, Sequence[str]], NoReturn]:
    """An ``os.execvp`` that has the server fork what it would have started, if that is Python as it is here."""
    start, real = dict(os.environ), os.execvp

    def execvp(file: str, arguments: Sequence[str]) -> NoReturn:
        with_options = arguments[1].startswith("-") and arguments[1] != "-m"
        if file != sys.executable or with_options or not _same_start(start, os.environ):
            real(file, arguments)
        there = {"arguments": arguments[1:], "cwd": str(Path.cwd()), "environment": dict(os.environ)}
        os.write(writing, json.dumps({**command, **there}).encode())
        os._exit(0)

    return execvp


def _become(command: dict[str, Any], writing: int) -> NoReturn:
    """Be what ``python`` starts."""
    os.execvp = _replace(command, writing)  # type: ignore[assignment]
    gc.unfreeze = lambda: None  # a look at all that the interpreter has imported would copy its memory
    descriptors = [os.open(os.devnull, os.O_RDONLY)]
    descriptors += [os.open(command[name], os.O_CREAT | os.O_WRONLY | os.O_APPEND) for name in ("out", "err")]
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as an interpreter opens them)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["environment"])
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
