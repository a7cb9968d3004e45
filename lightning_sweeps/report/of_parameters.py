"""Figures of the parameters: importance, contour, parallel coordinates, repeats."""

import importlib
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
import optuna.visualization as draw
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import COLORS, SCALE
from lightning_sweeps.report.figure import Figure, complete_trials
from lightning_sweeps.report.slices import searched
from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record.trials_csv import ranked

FEWEST_FOR_IMPORTANCE = 10
MOST_IN_CONTOUR = 120  # its grid grows with the square
MOST_REPEATS = 30


def import_importances() -> None:
    """Import what only the figures of many trials need, which takes a second, for scikit-learn."""
    importlib.import_module("optuna.importance")


def importance(study: optuna.Study, metric: str) -> Iterable[Figure]:
    count, names = len(complete_trials(study)), shared(study)
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


def parallel(study: optuna.Study, metric: str) -> Iterable[Figure]:
    names = shared(study)
    if len(names) < 2:
        return
    trials = complete_trials(study)
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


def contour(study: optuna.Study, metric: str) -> Iterable[Figure]:
    names, complete = shared(study), complete_trials(study)
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


def repeats(study: optuna.Study, metric: str) -> Iterable[Figure]:
    """Trials that differ in nothing but their seed."""
    if len(study.directions) > 1:
        return
    groups: dict[tuple[tuple[str, str], ...], list[FrozenTrial]] = {}
    for trial in complete_trials(study):
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


def shared(study: optuna.Study) -> list[str]:
    """Those of them that every complete trial has: a parameter may depend on another one's value."""
    return [name for name in searched(study) if all(name in trial.params for trial in complete_trials(study))]
