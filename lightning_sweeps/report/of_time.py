"""Figures of the course of a search: history, curves, timeline."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import BEST, COLORS, MARKS
from lightning_sweeps.report.dots import dots, lines
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective
from lightning_sweeps.report.of_trials import complete_trials, names_of
from lightning_sweeps.report.words import in_words
from lightning_sweeps.searches.record.ending import STATES
from lightning_sweeps.searches.record.trials_csv import ranked
from lightning_sweeps.searches.space.constraints import violated

MOST_WHOLE = 12  # whole numbers with a tick each
SHORT = timedelta(seconds=1)  # of a bar whose end is not known
LONG_AGO = 5  # times the longest trial


def history(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """A figure for each objective: every trial at its value, and the best so far."""
    complete = complete_trials(study)
    if not complete:
        return
    trials = study.get_trials(deepcopy=False)
    names = names_of(trials)
    finite = [trial for trial in complete if all(map(math.isfinite, trial.values))]
    allowed = [trial for trial in finite if not violated(trial)]
    endless = [trial for trial in complete if not all(map(math.isfinite, trial.values))]
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED and trial.last_step is not None]
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    for one in objectives:
        lowest = min(filter(math.isfinite, (one.height(trial) for trial in [*complete, *pruned])), default=0.0)
        drawing = go.Figure()
        drawing.update_layout(meta={"brush": True}, xaxis=_counted(len(trials)), yaxis_title=one.name)
        drawing.update_layout(xaxis_title="trial")
        for name, some, heights, color, mark in (
            ("complete", allowed, [one.value(trial) for trial in allowed], COLORS[TrialState.COMPLETE], "circle"),
            (
                "violates a constraint",
                broken := [trial for trial in finite if violated(trial)],
                [one.value(trial) for trial in broken],
                COLORS[TrialState.WAITING],
                "square-open",
            ),
            (
                "pruned, last value",
                pruned,
                [one.height(trial) for trial in pruned],
                COLORS[TrialState.PRUNED],
                MARKS[TrialState.PRUNED],
            ),
            (
                "infinite value",
                endless,
                [lowest] * len(endless),
                COLORS[TrialState.WAITING],
                "triangle-up-open",
            ),
            (
                "failed, no value",
                failed,
                [lowest] * len(failed),
                COLORS[TrialState.FAIL],
                MARKS[TrialState.FAIL],
            ),
        ):
            if some:
                drawing.add_scatter(
                    **dots(some, names),
                    x=[trial.number for trial in some],
                    y=heights,
                    name=name,
                    marker={"color": color, "symbol": mark, "size": 8},
                )
        drawing.add_scatter(
            **_best_so_far(allowed, one, trials[-1].number),
            mode="lines",
            name="best so far",
            line={"color": BEST, "shape": "hv"},
        )
        title = "Optimization history" if len(objectives) == 1 else f"History of {one.name}"
        yield Figure("history" if len(objectives) == 1 else f"history{one.index}", title, "", drawing)


def _best_so_far(trials: Sequence[FrozenTrial], objective: Objective, last: int) -> dict[str, list[Any]]:
    x: list[int] = []
    y: list[float] = []
    for trial in trials:
        value = objective.value(trial)
        x.append(trial.number)
        y.append(value if not y or objective.better(value, y[-1]) else y[-1])
    return {"x": [*x, last], "y": [*y, *y[-1:]]} if y else {"x": x, "y": y}


def _counted(count: int) -> dict[str, Any]:
    """An axis of whole numbers."""
    return {"tickformat": "d", **({"dtick": 1} if count <= MOST_WHOLE else {})}


def curves(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """What trials reported; those with a single report as dots."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.intermediate_values]
    if not trials:
        return
    drawing = go.Figure()
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING):
        some = [trial for trial in trials if trial.state is state]
        line = {"color": COLORS[state], "width": 1, "dash": "dot" if state is TrialState.PRUNED else "solid"}
        for single in (False, True):
            those = [trial for trial in some if (len(trial.intermediate_values) == 1) is single]
            if those:
                drawing.add_scatter(
                    **lines(those, _reports),
                    mode="markers" if single else "lines",
                    name=STATES[state] + (", one report" if single else ""),
                    line=line,
                    marker={"color": COLORS[state], "symbol": "circle-open", "size": 7},
                    opacity=0.6,
                    hovertemplate="trial %{customdata}, step %{x}: %{y}<extra></extra>",
                )
    if best := next(iter(ranked(study) if len(objectives) == 1 else []), None):
        drawing.add_scatter(
            **lines([best], _reports),
            mode="lines+markers",
            name=f"best, trial {best.number}",
            line={"color": BEST, "width": 3},
            hovertemplate="trial %{customdata}, step %{x}: %{y}<extra></extra>",
        )
    name = objectives[0].name if len(objectives) == 1 else "what was reported"
    drawing.update_layout(xaxis_title="step: finished epochs, or what the trial counts", yaxis_title=name)
    drawing.update_layout(meta={"brush": True})
    yield Figure("curves", "Learning curves", "What each trial reported while it ran.", drawing)


def _reports(trial: FrozenTrial) -> list[tuple[float, float]]:
    return sorted(trial.intermediate_values.items())


def timeline(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """A bar for each trial from its first start to its end, in a row for each slot."""
    del objectives
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.datetime_start]
    if not trials:
        return
    names = names_of(trials)
    now = _now(trials)
    drawing = go.Figure()
    kinds: dict[tuple[str, str], list[FrozenTrial]] = {}
    for trial in trials:
        kinds.setdefault(_kind(trial), []).append(trial)
    for (kind, color), some in sorted(kinds.items()):
        drawing.add_bar(
            x=[1000 * max(0.0, (_end(trial, now) - _start(trial)).total_seconds()) for trial in some],
            y=[_lane(trial) for trial in some],
            base=[_start(trial).isoformat() for trial in some],
            orientation="h",
            name=kind,
            customdata=[trial.number for trial in some],
            text=[in_words(trial, names) for trial in some],
            hovertemplate="%{text}<extra></extra>",
            textposition="none",
            marker={"color": color, "line": {"width": 1, "color": "rgba(128,128,128,0.6)"}},
        )
    slots = sorted({_lane(trial) for trial in trials}, reverse=True)
    drawing.update_layout(
        barmode="overlay", xaxis_type="date", yaxis={"categoryarray": slots, "type": "category"}, showlegend=True
    )
    about = "Who ran when: a row for each slot. A trial that was interrupted reaches from its first start to its end."
    yield Figure("timeline", "Timeline of the slots", about, drawing)


def _kind(trial: FrozenTrial) -> tuple[str, str]:
    """Its name and its colour."""
    if trial.state is TrialState.COMPLETE and violated(trial):
        return "violates a constraint", COLORS[TrialState.WAITING]
    return STATES[trial.state], COLORS[trial.state]


def _start(trial: FrozenTrial) -> datetime:
    assert trial.datetime_start is not None  # noqa: S101 (for the type checker)
    return trial.datetime_start


def _end(trial: FrozenTrial, now: datetime) -> datetime:
    """Of a trial that has none, now if it runs."""
    if trial.datetime_complete is not None:
        return trial.datetime_complete
    return now if trial.state is TrialState.RUNNING else _start(trial) + SHORT


def _now(trials: Sequence[FrozenTrial]) -> datetime:
    """The end of the time line.

    If all that runs began long ago, it was killed, and the last end is as good as any (Optuna's rule, and its factor).
    """
    now = datetime.now()  # noqa: DTZ005 (as Optuna notes its times)
    ends = [trial.datetime_complete - _start(trial) for trial in trials if trial.datetime_complete is not None]
    running = [now - _start(trial) for trial in trials if trial.state is TrialState.RUNNING]
    if running and (not ends or min(running) < LONG_AGO * max(ends)):
        return now
    return max((trial.datetime_complete for trial in trials if trial.datetime_complete is not None), default=now)


def _lane(trial: FrozenTrial) -> str:
    slot = trial.user_attrs.get("process", {}).get("slot")
    host = trial.user_attrs.get("supervisor", {}).get("host", "")
    return "trials" if slot is None else f"slot {slot}" + (f" of {host}" if host else "")
