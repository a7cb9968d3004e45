"""The trials of a search for the page's table and its panel."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.facts import rerun_command
from lightning_sweeps.report.logged import logged
from lightning_sweeps.report.objectives import objective_names
from lightning_sweeps.report.table import shown, trials_table
from lightning_sweeps.searches.record.ending import STATES
from lightning_sweeps.searches.record.provenance import starts_of
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import best_trial, ranked

FIRST = ("number", "value", "state")
LOGS = ("output.log", "run.log")
LINES, LINES_OF_A_FAILURE, LONGEST_LINE = 8, 40, 200  # of a log, in the panel
SHOWN_OF_A_COMMIT = 12
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]")  # colours and the like
Start = dict[str, Any]
Cell = tuple[str, str]


def table(saved: Saved) -> tuple[list[str], list[tuple[int, list[Cell]]]]:
    """The names of the columns that have a value, and the rows with their trials' numbers, the best first."""
    names, rows = trials_table(saved)
    objectives = objective_names(saved.study)
    for row, trial in zip(rows, saved.study.get_trials(deepcopy=False), strict=True):
        row |= dict(zip(objectives, trial.values or (), strict=False))
    names = [*(name for name in names if name != "value" or not objectives), *objectives]
    filled = [name for name in names if any(row.get(name, "") != "" for row in rows)]
    first = [name for name in (FIRST[0], *objectives, *FIRST[1:]) if name in filled]
    header = list(dict.fromkeys([*first, *filled]))
    place = {number: place for place, number in enumerate(best_first(saved))}
    rows = sorted(rows, key=lambda row: place[int(row["number"])])
    return header, [(int(row["number"]), [cell(row.get(name, "")) for name in header]) for row in rows]


def best_first(saved: Saved) -> list[int]:
    """The numbers of the trials: complete ones by their value, pruned ones by how far they came, then the others."""
    study = saved.study
    complete = [one.number for one in ranked(study)] if len(study.directions) == 1 else []
    trials = study.get_trials(deepcopy=False)
    pruned = [one for one in trials if one.state is TrialState.PRUNED]
    pruned.sort(key=lambda trial: (-(trial.last_step or 0), trial.number))
    return list(dict.fromkeys([*complete, *(one.number for one in pruned), *(one.number for one in trials)]))


def front(saved: Saved) -> tuple[list[str], list[tuple[int, list[Cell]]]] | None:
    """Header and rows of the Pareto front; None of a study with one objective."""
    study = saved.study
    if len(study.directions) == 1:
        return None
    members, names = study.best_trials, objective_names(study)
    params = list(dict.fromkeys(name for trial in members for name in trial.params))
    rows = [
        (
            trial.number,
            [cell(one) for one in (trial.number, *trial.values, *(trial.params.get(name, "") for name in params))],
        )
        for trial in members
    ]
    return ["trial", *names, *params], rows


def states(saved: Saved) -> list[tuple[str, int]]:
    """The states of the trials in words, and of how many trials."""
    counts = Counter(STATES[trial.state] for trial in saved.study.get_trials(deepcopy=False))
    return [(words, counts[words]) for words in dict.fromkeys(STATES.values()) if counts[words]]


def details(saved: Saved, page: Path) -> dict[str, Any]:
    """What the panel says of each trial, in plain values.

    Args:
        page: the file, from which paths are seen.
    """
    best, starts = best_trial(saved.study), starts_of(saved.study)
    trials = saved.study.get_trials(deepcopy=False)
    return {
        "best": None if best is None else best.number,
        "trials": {trial.number: _detail(saved, trial, page, starts) for trial in trials},
        "logged": logged(saved, trials),
    }


def _detail(saved: Saved, trial: FrozenTrial, page: Path, starts: Sequence[Start]) -> dict[str, Any]:
    noted, folder, study = trial.user_attrs, saved.folder_of(trial), saved.study
    facts = [("state", STATES[trial.state])]
    names = objective_names(study) or ["value"]
    facts += [(name, shown(value)) for name, value in zip(names, trial.values or (), strict=False)]
    if trial.last_step is not None:
        last = trial.intermediate_values[trial.last_step]
        facts.append(("last report", f"{shown(last)} at step {trial.last_step}"))
    facts += [(name, shown(noted[name])) for name in ("epochs", "seconds", "seed", "reason") if name in noted]
    if git := _git(trial, starts):
        facts.append(("commit", git))
    detail: dict[str, Any] = {
        "state": STATES[trial.state],
        "facts": facts,
        "params": {name: shown(value) for name, value in trial.params.items()},
    }
    if saved.folder is not None and "overrides" in noted:
        detail["rerun"] = rerun_command(saved.folder, trial.number)
    if folder is not None:
        files = [folder, *(folder / name for name in LOGS if (folder / name).is_file())]
        if "checkpoint" in noted and (file := folder / "checkpoints" / Path(noted["checkpoint"]).name).is_file():
            files.append(file)
        detail["links"] = [
            ["folder" if file == folder else file.name, os.path.relpath(file, page.absolute().parent)] for file in files
        ]
        detail["log"] = _tail(folder, LINES_OF_A_FAILURE if trial.state is TrialState.FAIL else LINES)
    return detail


def _git(trial: FrozenTrial, starts: Sequence[Start]) -> str:
    """The commit of the last start before the trial began; empty if none is known."""
    began = trial.datetime_start.astimezone() if trial.datetime_start else None
    before = [one for one in starts if began is None or datetime.fromisoformat(one["started"]) <= began]
    git = (before or list(starts[:1]) or [{}])[-1].get("git")
    if not git:
        return ""
    return str(git["commit"])[:SHOWN_OF_A_COMMIT] + (", with uncommitted changes" if git["dirty"] else "")


def _tail(folder: Path, lines: int) -> str:
    """The last lines that the trial said."""
    for file in (folder / name for name in LOGS):
        try:
            with file.open("rb") as opened:
                opened.seek(max(0, file.stat().st_size - lines * LONGEST_LINE))
                said = opened.read().decode(errors="replace")
        except OSError:
            continue
        if said.strip():
            shown = said.rstrip().split("\n")[-lines:]
            return "\n".join(ESCAPES.sub("", line.split("\r")[-1])[:LONGEST_LINE] for line in shown)
    return ""


def cell(value: Any) -> Cell:
    """What is shown, and what is sorted by."""
    text = shown(value)
    return text, repr(value) if isinstance(value, int | float) else text
