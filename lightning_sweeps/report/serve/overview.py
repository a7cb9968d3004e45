"""All searches below a folder: the state of each, what it found, and how much room it takes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna.exceptions import OptunaError

from lightning_sweeps.errors import SweepsError
from lightning_sweeps.report.facts import metric_of
from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record.ending import counted
from lightning_sweeps.searches.record.saved import Saved, open_saved
from lightning_sweeps.searches.record.standing import standing
from lightning_sweeps.searches.record.trials_csv import best_trial
from lightning_sweeps.searches.store.journal import JOURNAL
from lightning_sweeps.searches.store.lock import is_locked
from lightning_sweeps.searches.store.search_folder import SAVED

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Row:
    """One search of the overview; only its name and what is wrong if it cannot be read."""

    name: str
    state: str
    trials: str = ""
    best: str = ""
    metric: str = ""
    begun: str = ""
    size: float = 0.0  # MiB


def searches_below(root: Path) -> Iterator[Path]:
    """The folders of the searches, and none that are within another search."""
    for folder, below, files in os.walk(root):
        if SAVED in files or JOURNAL in files:
            below.clear()
            yield Path(folder)
        below.sort()


class Overview:
    """Reads what has changed since it was asked last.

    Args:
        root: the folder below which searches are.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, tuple[object, Row]] = {}

    def rows(self) -> list[Row]:
        """The newest first."""
        found = []
        for folder in searches_below(self.root):
            now = fingerprint(folder)
            before = self._known.get(folder)
            if before is None or before[0] != now or before[1].state == "running":
                self._known[folder] = now, self._row(folder)
            found.append(self._known[folder][1])
        return sorted(found, key=lambda row: (row.begun, row.name), reverse=True)

    def _row(self, folder: Path) -> Row:
        name = os.path.relpath(folder, self.root)
        try:
            saved = open_saved(str(folder))
            return _told(name, saved, _size(folder) / MEBIBYTE)
        except (SweepsError, OptunaError, OSError) as error:
            return Row(name, str(error).splitlines()[0])


def _told(name: str, saved: Saved, size: float) -> Row:
    trials = saved.study.get_trials(deepcopy=False)
    state, _ = standing(saved, trials)
    begun = min((trial.datetime_start for trial in trials if trial.datetime_start), default=None)
    best = best_trial(saved.study)
    found = "" if best is None else f"{shown(best.value)} (trial {best.number})"
    if len(saved.study.directions) > 1:
        found = f"front of {len(saved.study.best_trials)}"
    began = "" if begun is None else f"{begun:%Y-%m-%d %H:%M:%S}"
    return Row(name, state, counted(trials) or "none", found, metric_of(saved), began, size)


def fingerprint(folder: Path) -> tuple[object, ...]:
    """Changes when the search has told something, has begun or has ended."""
    told: list[object] = [is_locked(folder)]
    for name in (JOURNAL, "trials.csv", SAVED):
        try:
            stat = (folder / name).stat()
        except OSError:
            continue
        told.append((name, stat.st_size, stat.st_mtime_ns))
    return tuple(told)


def _size(folder: Path) -> int:
    """Bytes of all its files; one that vanishes meanwhile counts nothing."""
    total = 0
    for where, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(Path(where, name)).st_size
            except OSError:
                continue
    return total
