"""A command in a process of its own, started from Python, so that nothing of it stays in the caller's process."""

import codecs
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

Program = str | Path | Sequence[str]  # what Python runs: ``"train.py"``, ``["-m", "my_package"]``
OURS = ("-m", "lightning_sweeps")
PROGRAM = "program"  # in a search's folder: the folder of a function that was packed
OF_A_TERMINAL = ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_INTERACTIVE")  # would have a live table among the lines
SHOWN_LINES = 10  # of a program that fails without an error message of this package's
INTERRUPTED = 130  # the exit code after Ctrl-C
SECONDS_TO_HEAR_THE_REST = 1.0  # after a command's end: what it leaves running may hold its output open


def do(command: Sequence[str], show: Callable[[str], None] | None, **variables: str) -> tuple[int, str]:
    """Run the command to its end, in this folder, and with this process's environment.

    A ``KeyboardInterrupt``, as by Ctrl-C or a notebook's stop button, is passed on to the command, which stops in
    order; so is each further one. If this process dies, Linux kills the command.

    Args:
        show: is given each line that the command prints; None if nobody is to see them.
        variables: further ones of its environment.

    Returns:
        The exit code, and the error in the command's words, which may be empty.
    """
    to_terminal = show is print_line and _is_terminal()
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=reading,
            stdout=None if to_terminal else subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_environment(to_terminal=to_terminal), **variables},
            start_new_session=True,
        )
        _tie(reading, process.pid)
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    errors = _Errors(process.stderr, shown=show is not None)
    errors.start()
    with process:
        try:
            code = _follow(process, show)
        finally:
            if process.poll() is None:  # an exception of what shows the lines
                os.killpg(process.pid, signal.SIGKILL)
            os.close(writing)
        errors.join(SECONDS_TO_HEAR_THE_REST)
        return code, errors.said


def start_of(program: Program | None) -> list[str]:
    """What starts a program with this Python; None is this package's own."""
    parts = [str(program)] if isinstance(program, str | Path) else list(program or OURS)
    return [sys.executable, *parts]


def unless_empty(folder: Path) -> Path | None:
    """The folder of what has failed; taken away, and None, if it had not begun."""
    if not folder.is_dir():
        return None
    if {one.name for one in folder.iterdir()} <= {PROGRAM}:
        shutil.rmtree(folder)
        return None
    return folder


def print_line(line: str) -> None:
    """Show a line as ``print`` does, also in a notebook."""
    print(line, flush=True)  # noqa: T201


def _environment(*, to_terminal: bool) -> dict[str, str]:
    """This process's, without what a notebook tells its own kernel."""
    environment = dict(os.environ)
    if not to_terminal:
        for name in OF_A_TERMINAL:
            environment.pop(name, None)
    if environment.get("MPLBACKEND", "").startswith("module://"):  # Matplotlib would draw into a cell
        del environment["MPLBACKEND"]
    return environment


def _is_terminal() -> bool:
    """Whether ``print`` writes on a terminal: not in a notebook, nor if somebody captures it."""
    try:
        return sys.stdout.isatty() and sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):
        return False


def _tie(descriptor: int, group: int) -> None:
    try:
        from lightning_sweeps.searches.execute.lifeline import tie_group

        tie_group(descriptor, group)
    except (ImportError, AttributeError, OSError):  # on other systems it goes on alone
        return


def _follow(process: subprocess.Popen[bytes], show: Callable[[str], None] | None) -> int:
    while True:
        try:
            for line in _lines(process):
                if show is not None:
                    show(line)
            return process.wait()
        except KeyboardInterrupt:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What the process prints until it ends, even if another one holds its output open."""
    if process.stdout is None:
        return
    decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(SECONDS_TO_HEAR_THE_REST):
                if process.poll() is not None:
                    break
                continue
            if not (read := os.read(process.stdout.fileno(), 65536)):
                break
            *lines, rest = (rest + decoder.decode(read)).split("\n")
            yield from lines
    if rest:
        yield rest


class _Errors(threading.Thread):
    """Reads what a command says on stderr: warnings are passed on, an error is kept for an exception."""

    def __init__(self, stream: IO[bytes] | None, *, shown: bool) -> None:
        super().__init__(daemon=True)
        self._stream = stream or ()
        self._shown = shown
        self._error: list[str] = []
        self._last: deque[str] = deque(maxlen=SHOWN_LINES)

    def run(self) -> None:
        for read in self._stream:
            line = read.decode(errors="replace")
            if self._error or line.startswith("error: "):
                self._error.append(line.removeprefix("error: "))
                continue
            if line.strip() and not line.startswith("Set the environment variable HYDRA_FULL_ERROR"):
                self._last.append(line)
            if self._shown:
                sys.stderr.write(line)

    @property
    def said(self) -> str:
        """The error; of a program that fails in another way its last lines, which name the exception."""
        return "".join(self._error or self._last).strip()
