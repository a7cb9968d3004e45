"""The trials of a search for the page's table and its panel."""

import os
import shlex
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.table import shown, trials_table
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import best_trial, ranked

FIRST = ("number", "value", "state")
LOGS = ("output.log", "run.log")
Cell = tuple[str, str]


def table(saved: Saved) -> tuple[list[str], list[tuple[int, list[Cell]]]]:
    """The names of the columns that have a value, and the rows with their trials' numbers, the best first."""
    names, rows = trials_table(saved)
    filled = [name for name in names if any(row.get(name, "") != "" for row in rows)]
    first = [name for name in FIRST if name in filled]
    header = [*first, *(name for name in filled if name not in first)]
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


def details(saved: Saved, page: Path) -> dict[str, Any]:
    """What the panel says of each trial, in plain values.

    Args:
        page: the file, from which paths are seen.
    """
    best = best_trial(saved.study)
    trials = {trial.number: _detail(saved, trial, page) for trial in saved.study.get_trials(deepcopy=False)}
    return {"best": None if best is None else best.number, "trials": trials}


def _detail(saved: Saved, trial: FrozenTrial, page: Path) -> dict[str, Any]:
    noted, folder = trial.user_attrs, saved.folder_of(trial)
    facts = [("state", trial.state.name.lower())]
    if trial.values:
        facts.append(("value", shown(list(trial.values))))
    if trial.last_step is not None:
        last = trial.intermediate_values[trial.last_step]
        facts.append(("last report", f"{shown(last)} at step {trial.last_step}"))
    facts += [(name, shown(noted[name])) for name in ("epochs", "seconds", "seed", "reason") if name in noted]
    detail: dict[str, Any] = {
        "facts": facts,
        "params": {name: shown(value) for name, value in trial.params.items()},
    }
    if saved.folder is not None and "overrides" in noted:
        where = shlex.quote(str(saved.folder))
        detail["rerun"] = f"python -m lightning_sweeps.rerun {where} --trial {trial.number}"
    if folder is not None:
        files = [folder, *(folder / name for name in LOGS if (folder / name).is_file())]
        if "checkpoint" in noted and (file := folder / "checkpoints" / Path(noted["checkpoint"]).name).is_file():
            files.append(file)
        detail["links"] = [[file.name, os.path.relpath(file, page.absolute().parent)] for file in files]
    return detail


def cell(value: Any) -> Cell:
    """What is shown, and what is sorted by."""
    text = shown(value)
    return text, repr(value) if isinstance(value, int | float) else text
