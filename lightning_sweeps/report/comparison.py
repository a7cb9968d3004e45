"""Several searches side by side."""

import bisect
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import DASHES, LINES
from lightning_sweeps.report.differences import but_for_seeds
from lightning_sweeps.report.facts import seconds_of
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record.provenance import starts_of
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.words import clock

Line = dict[str, Any]


@dataclass(frozen=True)
class Course:
    """The best so far of a search: after how many seconds which finished trial had brought it to what."""

    seconds: list[float]
    best: list[float | None]

    def at(self, seconds: float) -> float | None:
        """What was the best then."""
        place = bisect.bisect_right(self.seconds, seconds)
        return self.best[place - 1] if place else None


def compare(searches: Sequence[tuple[str, Saved]], metric: str) -> list[Figure]:
    """Best so far against finished trials and against time; searches that differ in seeds only as one band."""
    by_trials, by_time = go.Figure(), go.Figure()
    banded = False
    for index, (name, courses) in enumerate(_grouped(searches)):
        color, dash = LINES[index % len(LINES)], DASHES[index % len(DASHES)]
        line = {"color": color, "dash": dash, "shape": "hv", "width": 2}
        most = max(len(course.best) for course in courses)
        counts = list(range(1, most + 1))
        by_count = [[(course.best[:count] or [None])[-1] for course in courses] for count in counts]
        times = sorted({time for course in courses for time in course.seconds})
        at_times = [[course.at(time) for course in courses] for time in times]
        for drawing, x, values in ((by_trials, counts, by_count), (by_time, times, at_times)):
            if len(courses) > 1:
                banded = True
                _band(drawing, x, values, line, name)
            else:
                drawing.add_scatter(x=x, y=[one for (one,) in values], name=name, mode="lines", line=line)
    by_trials.update_layout(xaxis_title="finished trials", yaxis_title=metric)
    by_time.update_layout(xaxis_title="seconds since the first trial began", yaxis_title=metric)
    about = (
        " A band reaches from the worst to the best of searches that differ in their seeds only, around their median."
    )
    about = about if banded else ""
    return [
        Figure("by_trials", "Best so far, by trials", f"Pruned and failed trials count as finished.{about}", by_trials),
        Figure("by_time", "Best so far, by time", f"Time in which a search was not running is in it.{about}", by_time),
    ]


def _grouped(searches: Sequence[tuple[str, Saved]]) -> list[tuple[str, list[Course]]]:
    groups: dict[str, list[tuple[str, Course]]] = {}
    for place, (name, saved) in enumerate(searches):
        if (course := _course(saved.study)) is not None:
            groups.setdefault(but_for_seeds(saved) or f"#{place}", []).append((name, course))
    return [
        (
            those[0][0] if len(those) == 1 else f"{those[0][0]} and {len(those) - 1} more seeds",
            [one for _, one in those],
        )
        for those in groups.values()
    ]


def _band(
    drawing: go.Figure, x: Sequence[float], values: Sequence[Sequence[float | None]], line: Line, name: str
) -> None:
    known = [[one for one in those if one is not None] for those in values]
    edge = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "showlegend": False, "hoverinfo": "skip"}
    edge |= {"legendgroup": name}
    x = [at for at, those in zip(x, known, strict=True) if those]
    known = [those for those in known if those]
    fill = "rgba({},{},{},0.2)".format(*(int(line["color"][place : place + 2], 16) for place in (1, 3, 5)))
    drawing.add_scatter(x=x, y=[min(those) for those in known], **edge)
    drawing.add_scatter(x=x, y=[max(those) for those in known], fill="tonexty", fillcolor=fill, **edge)
    medians = [statistics.median(those) for those in known]
    drawing.add_scatter(x=x, y=medians, name=name, legendgroup=name, mode="lines", line=line)


def _course(study: optuna.Study) -> Course | None:
    finished = _finished(study)
    if not finished:
        return None
    begin = min(trial.datetime_start or datetime.max for trial in finished)  # noqa: DTZ901 (Optuna's are naive)
    seconds = [((trial.datetime_complete or begin) - begin).total_seconds() for trial in finished]
    return Course(seconds, _best_so_far(study, finished))


def comparison_table(searches: Sequence[tuple[str, Saved]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what each search tried and found."""
    header = ["search", "sampler", "pruner", "complete", "pruned", "failed", "best", "trial", "work"]
    rows = []
    for name, saved in searches:
        trials = saved.study.get_trials(deepcopy=False)
        counts = [sum(trial.state is state for trial in trials) for state in _COUNTED]
        best = _best_so_far(saved.study, finished)[-1] if (finished := _finished(saved.study)) else None
        number = next((trial.number for trial in trials if trial.values and trial.values[0] == best), "")
        starts = starts_of(saved.study)
        start = starts[-1] if starts else {}
        work = sum(seconds_of(trial) for trial in trials)
        found = [shown(best) if best is not None else "", number, clock(work)]
        rows.append([str(one) for one in (name, start.get("sampler", ""), start.get("pruner", ""), *counts, *found)])
    return header, rows


_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return sorted(trials, key=lambda trial: trial.datetime_complete or datetime.max)  # noqa: DTZ901


def _best_so_far(study: optuna.Study, finished: Sequence[FrozenTrial]) -> list[float | None]:
    pick = max if study.direction is optuna.study.StudyDirection.MAXIMIZE else min
    best: float | None = None
    found = []
    for trial in finished:
        if trial.state is TrialState.COMPLETE and trial.value is not None:
            best = trial.value if best is None else pick(best, trial.value)
        found.append(best)
    return found
