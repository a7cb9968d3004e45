"""What the tests of searches share: the command of the torch-free app, and what it leaves."""

import csv
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna

from lightning_sweeps.searches.store.journal import open_journal

OTHER_FAULTS = "hydra.sweeper.allow_changes=true"  # they are fixed overrides, and do not change what is compared
SEARCH = ["x=interval(-5.0,5.0)", "hydra.sweeper.sampler.seed=7"]


def rows(folder: Path = Path("s")) -> list[dict[str, str]]:
    """The lines of a search's ``trials.csv``."""
    with (folder / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def study(folder: Path = Path("s")) -> optuna.Study:
    """The study in a search's folder."""
    return optuna.load_study(study_name=None, storage=open_journal(folder))


def start(app: Path, *overrides: str, inside: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start the app's search in the folder ``s``; ``inside`` is before its command."""
    return subprocess.Popen(
        [*inside, sys.executable, str(app), "-m", "hydra.sweep.dir=s", *overrides],
        cwd=app.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for an event; fails where it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
