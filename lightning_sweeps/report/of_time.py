"""Figures of the course of a search: history, curves, timeline."""

from collections.abc import Iterable, Sequence
from typing import Any

import optuna
import optuna.visualization as draw
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import BEST, COLORS, MARKS
from lightning_sweeps.report.figure import Figure, complete_trials
from lightning_sweeps.report.words import in_words
from lightning_sweeps.searches.record.trials_csv import ranked
from lightning_sweeps.searches.record.words import short_names


def history(study: optuna.Study, metric: str) -> Iterable[Figure]:
    if not complete_trials(study):
        return
    drawing = draw.plot_optimization_history(study, target_name=metric)
    trials = study.get_trials(deepcopy=False)
    names = short_names({name: None for trial in trials for name in trial.params})
    words = [in_words(trials[int(number)], names) for number in drawing.data[0].x]
    drawing.data[0].update(name="complete", marker={"color": COLORS[TrialState.COMPLETE]})
    drawing.data[0].update(text=words, hovertemplate="%{text}<extra></extra>")
    drawing.data[1].update(name="best so far", line={"color": BEST, "shape": "hv"})
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED and trial.last_step is not None]
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    last = [trial.intermediate_values[trial.last_step or 0] for trial in pruned]
    lowest = min([*(trial.value or 0.0 for trial in complete_trials(study)), *last])
    for state, some, heights in ((TrialState.PRUNED, pruned, last), (TrialState.FAIL, failed, [lowest] * len(failed))):
        if some:
            drawing.add_scatter(
                x=[trial.number for trial in some],
                y=heights,
                text=[in_words(trial, names) for trial in some],
                mode="markers",
                name={TrialState.PRUNED: "pruned, last value", TrialState.FAIL: "failed, no value"}[state],
                marker={"color": COLORS[state], "symbol": MARKS[state], "size": 8},
                hovertemplate="%{text}<extra></extra>",
            )
    yield Figure("history", "Optimization history", "", drawing)


def curves(study: optuna.Study, metric: str) -> Iterable[Figure]:
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.intermediate_values]
    if not trials:
        return
    drawing = go.Figure()
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING):
        if some := [trial for trial in trials if trial.state is state]:
            # One line with gaps: a thousand lines of their own take a browser many seconds.
            drawing.add_scatter(
                **_joined(some),
                mode="lines+markers" if max(len(trial.intermediate_values) for trial in some) == 1 else "lines",
                name=state.name.lower(),
                line={"color": COLORS[state], "width": 1, "dash": "dot" if state is TrialState.PRUNED else "solid"},
                opacity=0.6,
                hovertemplate="%{text}, step %{x}: %{y}<extra></extra>",
            )
    if best := next(iter(ranked(study)), None):
        drawing.add_scatter(
            **_joined([best]),
            mode="lines+markers",
            name=f"best, trial {best.number}",
            line={"color": BEST, "width": 3},
            hovertemplate="%{text}, step %{x}: %{y}<extra></extra>",
        )
    drawing.update_layout(xaxis_title="step: finished epochs, or what the trial counts", yaxis_title=metric)
    yield Figure("curves", "Learning curves", "What each trial reported while it ran.", drawing)


def _joined(trials: Sequence[FrozenTrial]) -> dict[str, list[Any]]:
    x: list[Any] = []
    y: list[Any] = []
    text: list[Any] = []
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        x += [*steps, None]
        y += [*(trial.intermediate_values[step] for step in steps), None]
        text += [f"trial {trial.number}"] * (len(steps) + 1)
    return {"x": x, "y": y, "text": text}


def timeline(study: optuna.Study, metric: str) -> Iterable[Figure]:
    del metric
    trials = study.get_trials(deepcopy=False)
    if not any(trial.datetime_start for trial in trials):
        return
    drawing = draw.plot_timeline(study)
    lanes = {trial.number: _lane(trial) for trial in trials}
    for trace in drawing.data:
        trace.marker.color = COLORS.get(TrialState.__members__.get(trace.name, TrialState.WAITING), "#888888")
        trace.marker.line = {"width": 1, "color": "rgba(128,128,128,0.6)"}
        trace.name = trace.name.lower()
        trace.y = [lanes[number] for number in trace.y]
    names = sorted(set(lanes.values()))
    drawing.update_layout(
        title=None,
        barmode="overlay",
        xaxis_title=None,
        yaxis={"title": None, "categoryarray": names[::-1], "type": "category"},
    )
    about = "Who ran when: a row for each slot. A trial that was interrupted reaches from its first start to its end."
    yield Figure("timeline", "Timeline of the slots", about, drawing)


def _lane(trial: FrozenTrial) -> str:
    slot = trial.user_attrs.get("process", {}).get("slot")
    host = trial.user_attrs.get("supervisor", {}).get("host", "")
    return "trials" if slot is None else f"slot {slot}" + (f" of {host}" if host else "")
