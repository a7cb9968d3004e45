"""``trials.csv`` and ``best.yaml``, which are rewritten after each trial."""

import csv
import io
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.files.folders import within, write_atomically
from lightning_sweeps.overrides.again import command_again
from lightning_sweeps.searches.space.constraints import violated
from lightning_sweeps.searches.study.news import settled
from lightning_sweeps.searches.study.parts import FIRST_PART, PARTS

COLUMNS = ("number", "state", "value", "value_step", "last_report", "epochs", "seconds", "folder", "reason")
FIRST = 3  # of them stand before the parameters


class Results:
    """Keeps a row for each finished trial. The parameters' columns are there before the first trial has finished."""

    def __init__(self, study: optuna.Study, folder: Path, parameters: Sequence[str] = ()) -> None:
        self.study = study
        self.folder = folder
        self.rows: dict[int, dict[str, Any]] = {}
        self._columns = [*COLUMNS[:FIRST], *map(_column, parameters), *COLUMNS[FIRST:]]
        self._take = Take.of(study)
        self._names = study.metric_names or []
        self._lines: dict[int, str] = {}  # a row as text, so that a long study costs no more per trial than a short one
        self._best: FrozenTrial | None = None
        self._settled = 0  # this many trials at the start of the study have ended and have their rows
        self.update()

    def update(self, trials: Sequence[FrozenTrial] | None = None) -> None:
        """Rewrite both files. ``trials`` are the study's, if they have just been read."""
        trials = self.study.get_trials(deepcopy=False) if trials is None else trials
        recent = trials[self._settled :]
        self._settled += settled(recent)
        told = [trial for trial in recent if trial.state.is_finished() and trial.number not in self.rows]
        for trial in told:
            self.rows[trial.number] = new = self._row(trial)
            if added := [name for name in new if name not in self._columns]:
                self._columns[FIRST - len(COLUMNS) : FIRST - len(COLUMNS)] = added
                self._lines.clear()
        for number in self.rows.keys() - self._lines.keys():
            self._lines[number] = self._line(self.rows[number])
        header = self._line({name: name for name in self._columns})
        text = header + "".join(self._lines[number] for number in sorted(self._lines))
        write_atomically(self.folder / "trials.csv", text)
        if len(self.study.directions) > 1:
            front = [_of_the_front(one, self.folder, self._names) for one in self.study.best_trials]
            if told and front:
                write_atomically(self.folder / "best.yaml", OmegaConf.to_yaml(OmegaConf.create({"front": front})))
            return
        best = best_trial(self.study, [*told, *([self._best] if self._best else [])])
        if best is not None and best is not self._best:
            self._best = best
            write_atomically(self.folder / "best.yaml", OmegaConf.to_yaml(OmegaConf.create(_best(best, self.folder))))

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        told = row(trial, self._take, self._names)
        return {**told, "folder": within(self.folder, told["folder"]) if told["folder"] else ""}

    def _line(self, row: Mapping[str, Any]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self._columns, lineterminator="\n").writerow(row)
        return text.getvalue()

    def finish(self) -> None:
        """Write the files once more, and ``optimization_results.yaml`` as the stock Optuna sweeper does."""
        self.update()
        found: dict[str, Any] = {"name": "optuna"}
        if len(self.study.directions) > 1:
            best = self.study.best_trials
            found["solutions"] = [{"params": trial.params, "values": trial.values} for trial in best]
        elif (trial := best_trial(self.study)) is not None:
            found |= {"best_params": trial.params, "best_value": trial.value}
        write_atomically(self.folder / "optimization_results.yaml", OmegaConf.to_yaml(OmegaConf.create(found)))


def best_trial(study: optuna.Study, trials: Sequence[FrozenTrial] | None = None) -> FrozenTrial | None:
    """The best complete trial, of these or of all; None before the first, and for several objectives."""
    if len(study.directions) > 1:
        return None
    trials = study.get_trials(deepcopy=False) if trials is None else trials
    return min(_complete(trials), key=_rank(study), default=None)


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """The complete trials of a study with one objective, best first."""
    return sorted(_complete(study.get_trials(deepcopy=False)), key=_rank(study))


def _complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state is TrialState.COMPLETE and not violated(trial)]


def _rank(study: optuna.Study) -> Callable[[FrozenTrial], tuple[float, int]]:
    sign = -1 if study.direction is optuna.study.StudyDirection.MAXIMIZE else 1
    return lambda trial: (sign * (trial.value or 0.0), trial.number)


def _column(parameter: str) -> str:
    return f"params_{parameter}" if parameter in COLUMNS else parameter


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the columns of these rows: the parameters of all of them between value and epochs."""
    parameters = {name: None for one in rows for name in one if name not in COLUMNS}
    return [*COLUMNS[:FIRST], *parameters, *COLUMNS[FIRST:]]


@dataclass(frozen=True)
class Take:
    """Which of a trial's reports is its value: ``best``, ``last``, or Optuna's rule if the program has none."""

    take: str | None
    maximize: bool

    @classmethod
    def of(cls, study: optuna.Study) -> "Take":
        """What ``objective.take`` says in the study's search."""
        objective = study.user_attrs.get("objective")
        take = objective.get("take") if isinstance(objective, Mapping) else None
        return cls(take, study.directions[0] is optuna.study.StudyDirection.MAXIMIZE)

    def value(self, trial: FrozenTrial) -> tuple[Any, Any]:
        """The value and the step of that report; empty text for what is missing."""
        if trial.values and len(trial.values) > 1:
            return list(trial.values), ""
        reports = {step: value for step, value in trial.intermediate_values.items() if not math.isnan(value)}
        value = trial.values[0] if trial.values else ""
        if self.take == "best" and reports:
            step = (max if self.maximize else min)(reports, key=lambda step: (reports[step], -step * self._sign))
            value = reports[step] if trial.state is TrialState.PRUNED else value
            return value, step if value == reports[step] else ""
        same = [step for step in reports if reports[step] == value]
        return value, "" if not same else trial.last_step if trial.last_step in same else same[0]

    @property
    def _sign(self) -> int:
        return 1 if self.maximize else -1


def row(trial: FrozenTrial, take: Take, names: Sequence[str] = ()) -> dict[str, Any]:
    """A trial's row of the table; empty text for what it does not have.

    Args:
        names: of several objectives, which have a column each beside the list of all.
    """
    attributes = trial.user_attrs
    reported: int | str = "" if trial.last_step is None else trial.last_step
    seconds = trial.duration.total_seconds() if trial.duration else ""
    value, step = take.value(trial)
    last: float | str = "" if trial.last_step is None else trial.intermediate_values[trial.last_step]
    if PARTS in attributes:  # it has reported after parts, not after epochs
        reported, step, last = "", "", ""
    return {
        "number": trial.number,
        "state": trial.state.name,
        "value": value,
        **dict(zip(names, trial.values or [""] * len(names), strict=False)),
        **spread(trial),
        **{_column(name): given for name, given in trial.params.items()},
        "value_step": step,
        "last_report": last,
        "epochs": attributes.get("epochs", reported),
        "seconds": attributes.get("seconds", seconds),
        "folder": attributes.get("folder", ""),
        "reason": attributes.get("reason") or "".join(f"violates {text} " for text in violated(trial)).strip(),
    }


def spread(trial: FrozenTrial) -> dict[str, Any]:
    """The standard deviation and the values of a trial's parts, if it has parts and one objective."""
    parts = trial.user_attrs.get(PARTS)
    if not parts or any(len(values) > 1 for values in parts.values()):
        return {}
    values = [one for (one,) in parts.values()]
    return {"value_std": statistics.stdev(values) if len(values) > 1 else "", "value_parts": values}


def _of_the_front(trial: FrozenTrial, folder: Path, names: Sequence[str]) -> dict[str, Any]:
    values = dict(zip(names, trial.values, strict=True)) if names else list(trial.values)
    told = _best(trial, folder)
    del told["value"]
    return {"number": told.pop("number"), "values": values, **told}


def _best(trial: FrozenTrial, folder: Path) -> dict[str, Any]:
    names = ("overrides", "folder", "checkpoint", "epochs", "seconds", "seed")
    noted: dict[str, Any] = {name: trial.user_attrs.get(name) for name in names}
    for name in ("folder", "checkpoint"):
        noted[name] = None if noted[name] is None else within(folder, noted[name])
    return {
        "number": trial.number,
        "value": trial.values[0] if trial.values else None,
        **spread(trial),
        **noted,
        **_command(trial),
    }


def _command(trial: FrozenTrial) -> dict[str, str]:
    """What runs the trial again, or, if it has parts, the first of them."""
    noted = trial.user_attrs
    if FIRST_PART in noted:
        return {"command_of_first_part": command_again(noted[FIRST_PART])}
    return {"command": command_again(noted.get("overrides", []))}
