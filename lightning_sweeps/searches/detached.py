"""``hydra.sweeper.detach``: a search goes on without the terminal that it was typed in."""

import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from omegaconf import DictConfig

from lightning_sweeps.overrides.again import note_what_to_go_on_with, typed
from lightning_sweeps.overrides.command_line import from_here, program, start_of
from lightning_sweeps.overrides.text import override_value, replaced
from lightning_sweeps.searches.store.lock import SUPERVISOR, SUPERVISORS, FolderLock
from lightning_sweeps.searches.store.search_folder import choose_folder
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.handlers import handled

READY = "LIGHTNING_SWEEPS_DETACHED"  # the descriptor on which the detached command says that the search has begun
LOG = "search.log"  # in the search's folder: what the command says
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_FOR_AN_ENGINE = 60.0  # to take the jobs; after that it is left to its own tools

_ready: list[int] = []  # of this process, if it is detached


def is_detached() -> bool:
    """Whether this process is one that ``detach`` has started."""
    if READY in os.environ:
        _ready.append(int(os.environ.pop(READY)))  # nobody else may take it for theirs
        os.set_inheritable(_ready[0], False)
    return bool(_ready)


def has_begun() -> None:
    """Tell the terminal, if one waits, that all has been checked and the search is under way."""
    while _ready:
        os.write(descriptor := _ready.pop(), b"1")
        os.close(descriptor)


def detach(config: DictConfig, folders: list[Path], *, join: bool, launched: bool) -> NoReturn:
    """Start the command once more, in a session of its own; leave when the search has begun, or could not begin.

    Args:
        folders: is given the search's, when it has begun.
        launched: a launcher starts supervisors, so the search has begun when they are its engine's.

    Raises:
        FolderError: the folder is another search's.
    """
    folder = choose_folder(config, join=join)
    FolderLock(folder, join=join).release()  # or its errors would come after what the other one says
    output = folder / LOG
    begun_at = output.stat().st_size if output.is_file() else 0
    lines = replaced(typed(config.hydra), [f"hydra.sweep.dir={override_value(str(folder))}"])
    note_what_to_go_on_with(folder, [])  # for programs that take no overrides
    interrupts: list[int] = []
    with handled(lambda number, _: interrupts.append(number), signal.SIGINT):
        process, reading = _start([*start_of(program()), "-m", *lines], output)
        begun = _wait(process, reading, folder, interrupts, launched=launched)
    if interrupts:
        sys.exit(130)
    said = output.read_bytes()[begun_at:].decode(errors="replace")
    if not begun:
        _leave_nothing(folder, output)
        sys.stderr.write(said)
        sys.exit(process.returncode)
    folders.append(folder)
    shown = shlex.quote(from_here(folder))
    say(
        f"{said}it goes on without this terminal, and says the rest in {from_here(output)}\n"
        f"its state: python -m lightning_sweeps.status {shown}\nstop it: kill {process.pid}\n"
    )
    sys.exit(0)


def _start(command: list[str], output: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The process, and where it says that the search has begun."""
    reading, writing = os.pipe()
    with output.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**_environment(), READY: str(writing)},
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    return process, reading


def _environment() -> dict[str, str]:
    """This process's, without what this package's own command tells Hydra so that it can explain errors itself."""
    return {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}


def _wait(
    process: subprocess.Popen[bytes], reading: int, folder: Path, interrupts: list[int], *, launched: bool
) -> bool:
    """Whether the search has begun, rather than the process ended with an error. An interrupt is passed on."""
    begun, deadline = False, 0.0
    while not begun or (time.monotonic() < deadline and not any(_taken(folder))):
        if interrupts:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            return False
        if process.poll() is not None:
            return process.returncode == 0
        if begun:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        elif select.select([reading], [], [], SECONDS_BETWEEN_LOOKS)[0] and os.read(reading, 1):
            begun, deadline = True, time.monotonic() + (SECONDS_FOR_AN_ENGINE if launched else 0.0)
    return True


def _taken(folder: Path) -> Iterator[Path]:
    """Signs that an engine has the jobs: submitit's note of one that has a number, or a supervisor at work."""
    yield from folder.glob(".submitit/*/*_submitted.pkl")
    yield from (folder / SUPERVISORS).glob("*")


def _leave_nothing(folder: Path, output: Path) -> None:
    ours = {output, folder / SUPERVISOR}
    if set(folder.iterdir()) <= ours:
        for file in ours:
            file.unlink(missing_ok=True)
        folder.rmdir()
