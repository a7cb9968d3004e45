"""The Pareto front of several objectives, two of them at a time."""

import itertools
from collections.abc import Iterable, Sequence

import optuna
import plotly.graph_objects as go
from optuna.trial import TrialState

from lightning_sweeps.report.colors import BEST, COLORS
from lightning_sweeps.report.dots import dots
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective
from lightning_sweeps.report.of_trials import complete_trials, names_of
from lightning_sweeps.searches.space.constraints import violated

MOST_PAIRS = 6


def pareto(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """A figure for each pair of objectives."""
    complete = complete_trials(study)
    if not complete:
        return
    names = names_of(complete)
    front = {trial.number for trial in study.best_trials}
    groups = (
        ("another one is better", [one for one in complete if one.number not in front and not violated(one)]),
        ("violates a constraint", [one for one in complete if violated(one)]),
        ("Pareto front", [one for one in complete if one.number in front]),
    )
    markers = (
        {"color": COLORS[TrialState.COMPLETE], "symbol": "circle", "size": 8},
        {"color": COLORS[TrialState.WAITING], "symbol": "square-open", "size": 8},
        {"color": BEST, "symbol": "diamond", "size": 11},
    )
    for place, (one, other) in enumerate(list(itertools.combinations(objectives, 2))[:MOST_PAIRS]):
        drawing = go.Figure()
        for (name, some), marker in zip(groups, markers, strict=True):
            if some:
                drawing.add_scatter(
                    **dots(some, names),
                    x=[one.value(trial) for trial in some],
                    y=[other.value(trial) for trial in some],
                    name=name,
                    marker=marker,
                )
        drawing.update_layout(
            xaxis_title=f"{one.name} ({_way(one)} is better)", yaxis_title=f"{other.name} ({_way(other)} is better)"
        )
        drawing.update_layout(meta={"brush": True})
        title = "Pareto front" if len(objectives) == 2 else f"Pareto front: {one.name} and {other.name}"
        about = "No trial is better than one of the front in all objectives."
        yield Figure("pareto" if place == 0 else f"pareto{place}", title, about if place == 0 else "", drawing)


def _way(objective: Objective) -> str:
    return "more" if objective.maximize else "less"
