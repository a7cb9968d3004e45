"""The figures of one study. Optuna draws what it can; colour-blind readers can tell the colours and the marks apart."""

import importlib
import math
import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
import optuna.visualization as draw
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.table import shown
from lightning_sweeps.search.record.table import ranked

FEWEST_FOR_IMPORTANCE = 10
MOST_SLICES = 12
MOST_IN_CONTOUR = 120  # its grid grows with the square
MOST_REPEATS = 30
SCALE = [[0, "#2b6cb0"], [0.5, "#9aa0a6"], [1, "#d99a00"]]  # each end can be seen on white and on black
# Okabe and Ito's palette, darkened or lightened where it must be seen on white and on black; the marks differ too.
COLORS = {
    TrialState.COMPLETE: "#2b83c6",
    TrialState.PRUNED: "#e08e0b",
    TrialState.FAIL: "#d5431e",
    TrialState.RUNNING: "#1a9e77",
    TrialState.WAITING: "#888888",
}
MARKS = {TrialState.COMPLETE: "circle", TrialState.PRUNED: "x", TrialState.FAIL: "triangle-down"}
BEST = "#b0508e"


@dataclass
class Figure:
    """A drawing with its heading and what must be known to read it."""

    name: str
    title: str
    about: str
    drawing: go.Figure | None  # None: there is nothing to draw, and why stands above


def import_importances() -> None:
    """Import what only the figures of many trials need, which takes a second, for scikit-learn."""
    importlib.import_module("optuna.importance")


def figures(study: optuna.Study, metric: str) -> list[Figure]:
    """What can be drawn of this study, in the order in which a person asks."""
    with warnings.catch_warnings(), _quiet():  # of experimental plots, and of trials that a plot leaves out
        warnings.simplefilter("ignore")
        several = len(study.directions) > 1
        makers: list[Callable[[optuna.Study, str], Iterable[Figure]]]
        makers = [_pareto, _objectives] if several else [_history, _curves, _importance, _parallel, _slices, _contour]
        return [figure for maker in [*makers, _repeats, _timeline] for figure in maker(study, metric)]


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _searched(study: optuna.Study) -> list[str]:
    """The parameters that took several values, in the order of the space."""
    values: dict[str, set[str]] = {}
    for trial in _complete(study):
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(str(value))
    return [name for name, different in values.items() if len(different) > 1]


def _shared(study: optuna.Study) -> list[str]:
    """Those of them that every complete trial has: a parameter may depend on another one's value."""
    return [name for name in _searched(study) if all(name in trial.params for trial in _complete(study))]


def _history(study: optuna.Study, metric: str) -> Iterable[Figure]:
    if not _complete(study):
        return
    drawing = draw.plot_optimization_history(study, target_name=metric)
    drawing.data[0].update(name="complete", marker={"color": COLORS[TrialState.COMPLETE]})
    drawing.data[1].update(name="best so far", line={"color": BEST, "shape": "hv"})
    trials = study.get_trials(deepcopy=False)
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED and trial.last_step is not None]
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    last = [trial.intermediate_values[trial.last_step or 0] for trial in pruned]
    lowest = min([*(trial.value or 0.0 for trial in _complete(study)), *last])
    for state, some, heights, text in (
        (TrialState.PRUNED, pruned, last, [f"given up after step {trial.last_step}" for trial in pruned]),
        (TrialState.FAIL, failed, [lowest] * len(failed), [trial.user_attrs.get("reason", "") for trial in failed]),
    ):
        if some:
            drawing.add_scatter(
                x=[trial.number for trial in some],
                y=heights,
                text=text,
                mode="markers",
                name={TrialState.PRUNED: "pruned, last value", TrialState.FAIL: "failed, no value"}[state],
                marker={"color": COLORS[state], "symbol": MARKS[state], "size": 8},
                hovertemplate="trial %{x}: %{y}<br>%{text}<extra></extra>",
            )
    yield Figure("history", "Optimization history", "", drawing)


def _curves(study: optuna.Study, metric: str) -> Iterable[Figure]:
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


def _importance(study: optuna.Study, metric: str) -> Iterable[Figure]:
    count, names = len(_complete(study)), _shared(study)
    if len(names) < 2:
        return
    if count < FEWEST_FOR_IMPORTANCE:
        few = f"{count} complete trials are too few for importances and a contour; {FEWEST_FOR_IMPORTANCE} are needed."
        yield Figure("importance", "Importances", few, None)
        return
    from optuna.importance import PedAnovaImportanceEvaluator  # a second of imports

    drawing = draw.plot_param_importances(
        study, evaluator=PedAnovaImportanceEvaluator(), params=names, target_name=metric
    )
    drawing.update_traces(marker_color=COLORS[TrialState.COMPLETE])
    drawing.update_layout(yaxis_title=None)
    worth = "a hint, no more" if count < 50 else "fair for the strongest; those of the weak ones are noise"
    about = (
        f"How much of what sets the better trials apart each parameter explains (PED-ANOVA, Watanabe et al. 2023). It "
        f"rests on {count} complete trials: {worth}. Pruned trials are not in it."
    )
    yield Figure("importance", "Importances", about, drawing)


def _parallel(study: optuna.Study, metric: str) -> Iterable[Figure]:
    names = _shared(study)
    if len(names) < 2:
        return
    trials = _complete(study)
    values = [trial.value or 0.0 for trial in trials]
    # Optuna draws a line of its own for each trial, in fixed colours; this one type of plotly's takes thousands.
    drawing = go.Figure(
        go.Parcoords(
            line={"color": values, "colorscale": SCALE, "showscale": True},
            dimensions=[
                {"label": metric, "values": values},
                *(
                    _axis(name, [trial.params[name] for trial in trials], trials[0].distributions[name])
                    for name in names
                ),
            ],
        )
    )
    drawing.update_layout(margin_t=72)  # the axes' names
    about = "A line for each complete trial. Drag along an axis to choose."
    yield Figure("parallel", "Parallel coordinates", about, drawing)


def _axis(name: str, values: Sequence[Any], distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        places = {str(choice): place for place, choice in enumerate(distribution.choices)}
        codes = [places.get(str(value), 0) for value in values]
        return {"label": name, "values": codes, "tickvals": list(places.values()), "ticktext": list(places)}
    if getattr(distribution, "log", False):
        logs = [math.log10(value) for value in values]
        ticks = [min(logs) + (max(logs) - min(logs)) * part / 4 for part in range(5)]
        return {"label": name, "values": logs, "tickvals": ticks, "ticktext": [f"{10**tick:.2g}" for tick in ticks]}
    return {"label": name, "values": list(values)}


def _slices(study: optuna.Study, metric: str) -> Iterable[Figure]:
    for number, name in enumerate(_searched(study)[:MOST_SLICES]):
        drawing = draw.plot_slice(study, params=[name], target_name=metric)
        drawing.update_traces(marker_colorscale=SCALE, marker_showscale=False)
        about = "Blue marks are early trials, yellow ones late." if number == 0 else ""
        yield Figure(f"slice{number}", f"{metric} by {name}", about, drawing)


def _contour(study: optuna.Study, metric: str) -> Iterable[Figure]:
    names, complete = _shared(study), _complete(study)
    if len(names) < 2 or len(complete) < FEWEST_FOR_IMPORTANCE:
        return
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    importances = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=names)
    pair = list(importances)[:2]
    about = "The two most important."
    if len(complete) > MOST_IN_CONTOUR:
        best_first = ranked(study)
        chosen = [best_first[len(complete) * index // MOST_IN_CONTOUR] for index in range(MOST_IN_CONTOUR)]
        about += f" Drawn from {MOST_IN_CONTOUR} of the {len(complete)} complete trials, from the best to the worst."
        study = optuna.create_study(direction=study.direction)
        study.add_trials(chosen)
    drawing = draw.plot_contour(study, params=pair, target_name=metric)
    drawing.update_traces(colorscale=SCALE, reversescale=False, selector={"type": "contour"})
    yield Figure("contour", f"{pair[0]} and {pair[1]}", about, drawing)


def _pareto(study: optuna.Study, metric: str) -> Iterable[Figure]:
    del metric
    if len(study.directions) <= 3 and _complete(study):
        drawing = draw.plot_pareto_front(study)
        drawing.update_traces(marker_showscale=False)
        drawing.data[0].update(marker={"color": COLORS[TrialState.COMPLETE], "colorscale": None})
        drawing.data[-1].update(marker={"color": BEST, "colorscale": None, "symbol": "diamond"})
        yield Figure("pareto", "Pareto front", "No trial is better than one of the front in all objectives.", drawing)


def _objectives(study: optuna.Study, metric: str) -> Iterable[Figure]:
    del metric
    if not _complete(study):
        return
    for index in range(len(study.directions)):
        name = f"objective {index}"

        def target(trial: FrozenTrial, index: int = index) -> float:
            return float(trial.values[index])

        drawing = draw.plot_optimization_history(study, target=target, target_name=name)
        drawing.data[0].update(marker={"color": COLORS[TrialState.COMPLETE]})
        yield Figure(f"history{index}", f"History of {name}", "", drawing)


def _repeats(study: optuna.Study, metric: str) -> Iterable[Figure]:
    """Trials that differ in nothing but their seed."""
    if len(study.directions) > 1:
        return
    groups: dict[tuple[tuple[str, str], ...], list[FrozenTrial]] = {}
    for trial in _complete(study):
        rest = tuple((name, shown(value)) for name, value in trial.params.items() if name.rpartition(".")[2] != "seed")
        if len(rest) < len(trial.params):
            groups.setdefault(rest, []).append(trial)
    repeated = {rest: trials for rest, trials in groups.items() if len(trials) > 1}
    if not repeated:
        return
    sign = -1 if study.direction is optuna.study.StudyDirection.MAXIMIZE else 1

    def mean(trials: Sequence[FrozenTrial]) -> float:
        return statistics.mean(trial.value or 0.0 for trial in trials)

    drawing = go.Figure()
    for rest, trials in sorted(repeated.items(), key=lambda item: sign * mean(item[1]))[:MOST_REPEATS]:
        values = [trial.value or 0.0 for trial in trials]
        name = "<br>".join(f"{key}={value}" for key, value in rest) or "all else the same"
        drawing.add_box(
            y=values,
            name=f"{name}<br>{statistics.mean(values):.4g} ± {statistics.stdev(values):.2g}",
            boxpoints="all",
            boxmean="sd",
            marker_color=COLORS[TrialState.COMPLETE],
            showlegend=False,
        )
    drawing.update_layout(yaxis_title=metric)
    about = "Trials that differ in nothing but the seed, with mean and standard deviation; the best mean first."
    yield Figure("repeats", "Distribution over seeds", about, drawing)


def _timeline(study: optuna.Study, metric: str) -> Iterable[Figure]:
    del metric
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.datetime_start is not None]
    if not trials:
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
