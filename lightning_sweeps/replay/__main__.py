"""``python -m lightning_sweeps.replay SEARCH hydra/sweeper/pruner=asha``: what another pruner would have saved or lost.

It replays the curves that the search has, in seconds: nothing is trained. With commas,
``hydra/sweeper/pruner=median,asha hydra.sweeper.pruner.reduction_factor=2,3``, every combination is tried.
"""

import json
import sys
from dataclasses import asdict
from typing import Any

import optuna
from optuna.pruners import WilcoxonPruner
from rich.console import Console
from rich.table import Table

from lightning_sweeps.errors import SweepsError
from lightning_sweeps.replay.curves import Stored, read
from lightning_sweeps.replay.pruners import GROUP, OPTION, pruners
from lightning_sweeps.replay.simulation import Replayed, replay
from lightning_sweeps.searches.record.saved import open_saved
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Interruptible
from lightning_sweeps.terminal.parser import Parser

WIDE = 160  # columns, where no terminal says how many there are


def main() -> None:
    """Read the command line and do it."""
    parser = Parser("python -m lightning_sweeps.replay", __doc__)
    parser.add_argument("search", metavar="SEARCH", help="a search's folder, or a storage URL")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help=f"{GROUP}= and {OPTION}...=")
    parser.add_study()
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        named = pruners(given.overrides)
        saved = open_saved(given.search, given.storage, given.study)
        stored = read(saved)
        found = {}
        for one in named:
            by_parts = stored.in_parts and isinstance(one.pruner, WilcoxonPruner)
            found[one.typed] = replay(read(saved, by_parts=True) if by_parts else stored, one.pruner)
    except SweepsError as error:
        sys.exit(f"error: {error}")
    if given.json:
        say(json.dumps(_plain(stored, found), indent=2) + "\n")
    else:
        _show(stored, found)


def _steps(stored: Stored) -> int:
    return sum(len(curve.steps) for curve in stored.curves)


def _plain(stored: Stored, found: dict[str, Replayed]) -> dict[str, Any]:
    best = next(curve for curve in stored.curves if curve.number == stored.best)
    search = {"steps": _steps(stored), "best": stored.best, "value": best.value, "left_out": stored.left_out}
    return {"search": search, "pruners": {typed: asdict(one) for typed, one in found.items()}}


def _show(stored: Stored, found: dict[str, Replayed]) -> None:
    steps, what = _steps(stored), "parts" if stored.in_parts else "steps"
    best = next(curve for curve in stored.curves if curve.number == stored.best)
    left_out = f"; {stored.left_out} others failed, reported nothing or have not ended" if stored.left_out else ""
    say(
        f"{len(stored.curves)} trials, {stored.n_jobs} at a time, took {steps} {what}; "
        f"best {best.value:.6g} (trial {best.number}){left_out}\n"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    unknown = {number for one in found.values() for number in one.unknown}
    for name in ("pruner", what, "saved", "pruned", *(("unknown",) if unknown else ()), "best", "trial"):
        table.add_column(name, justify="left" if name == "pruner" else "right", overflow="fold")
    table.add_column("")
    for typed, one in found.items():
        table.add_row(
            typed.replace(f"{GROUP}=", "").replace(OPTION, ""),
            str(one.steps),
            f"{1 - one.steps / steps:.0%}",
            str(len(one.pruned)),
            *((str(len(one.unknown)),) if unknown else ()),
            "-" if one.value is None else f"{one.value:.6g}",
            "-" if one.best is None else str(one.best),
            "the best survives" if one.best == stored.best else f"trial {stored.best} is pruned",
        )
    console = Console(highlight=False)
    console.print(table, width=None if console.is_terminal else WIDE)
    if unknown:
        say(
            f"The search itself pruned {len(unknown)} trials that these pruners would have let go on. Nobody knows how "
            "they would have ended; their steps are counted as far as they are known.\n"
        )
    if not stored.ran_everything:
        say("A real search may draw other parameters, since its sampler learns from what was pruned.\n")


if __name__ == "__main__":
    with Interruptible():
        main()
