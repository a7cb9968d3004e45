"""How a search that was started from Python is shown: its lines, or in a notebook a bar."""

import csv
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from lightning_sweeps.api.command import print_line

BUDGET = re.compile(r", (\d+) trials")  # of the line that announces the search
TRIAL = re.compile(r"trial +\d+  ")


@contextmanager
def showing(folder: Path, *, show: bool) -> Iterator[Callable[[str], None] | None]:
    """What is given each line of a search in this folder; None if nobody is to see them."""
    if not show:
        yield None
    elif not _in_a_notebook():
        yield print_line
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of missing widgets; then the bar is a line of text
            from tqdm.auto import tqdm

        with tqdm(unit="trial") as bar:
            yield _Bar(bar, folder)


class _Bar:
    """A line per finished trial moves the bar; the others are printed."""

    def __init__(self, bar: Any, folder: Path) -> None:
        self.bar = bar
        self.folder = folder

    def __call__(self, line: str) -> None:
        if self.bar.total is None and (found := BUDGET.search(line)):
            self.bar.total = int(found[1])
        if TRIAL.search(line):
            self._update()
        else:
            print_line(line)

    def _update(self) -> None:
        try:
            with (self.folder / "trials.csv").open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except OSError:
            return
        self.bar.n = len(rows)
        shown: dict[str, Any] = {}
        with suppress(OSError, yaml.YAMLError):  # there is none before the first complete trial
            best = yaml.safe_load((self.folder / "best.yaml").read_text(encoding="utf-8"))
            shown["best"] = f"{best['value']:.6g} (trial {best['number']})"
        for state, word in (("PRUNED", "pruned"), ("FAIL", "failed")):
            if count := sum(row["state"] == state for row in rows):
                shown[word] = count
        self.bar.set_postfix(shown, refresh=False)
        self.bar.refresh()


def _in_a_notebook() -> bool:
    """Whether this process is a kernel of Jupyter's."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
