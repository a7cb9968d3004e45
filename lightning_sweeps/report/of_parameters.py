"""Figures of the parameters: importance, repeats."""

import importlib
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightning_sweeps.report.colors import COLORS, LINES
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective
from lightning_sweeps.report.of_trials import complete_trials, names_of, shared, with_values
from lightning_sweeps.report.table import shown

FEWEST_FOR_IMPORTANCE = 10
MOST_REPEATS = 30
LONGEST_NAME = 30  # beside a bar


def import_importances() -> None:
    """Import what only the figures of many trials need, which takes a second, for scikit-learn."""
    importlib.import_module("optuna.importance")


def importance(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """For each objective a bar for each parameter; hollow ones have the pruned trials in them."""
    complete, every = complete_trials(study), with_values(study)
    names = shared(every)
    if len(names) < 2:
        return
    pruned = len(every) - len(complete)
    if len(every) < FEWEST_FOR_IMPORTANCE:
        few = f"{len(every)} trials with a value are too few for importances; {FEWEST_FOR_IMPORTANCE} are needed."
        yield Figure("importance", "Importances", few, None)
        return
    short = names_of(every)
    drawing = go.Figure()
    bars: list[tuple[str, dict[str, float], dict[str, Any]]] = []
    for one in objectives:
        color = COLORS[TrialState.COMPLETE] if len(objectives) == 1 else LINES[one.index % len(LINES)]
        of = f" for {one.name}" if len(objectives) > 1 else ""
        if len(complete) >= FEWEST_FOR_IMPORTANCE:
            bars.append((f"complete trials{of}", importances(complete, names, one), {"color": color}))
        if pruned:
            hollow = {"color": "rgba(0,0,0,0)", "line": {"color": COLORS[TrialState.PRUNED], "width": 1.5}}
            bars.append((f"with pruned ones at their last value{of}", importances(every, names, one), hollow))
    order = sorted(names, key=lambda name: bars[0][1][name])
    for title, found, marker in bars:
        drawing.add_bar(
            y=[_cut(short[name]) for name in order],
            x=[found[name] for name in order],
            orientation="h",
            name=title,
            marker=marker,
            text=[f"{found[name]:.2f}" for name in order],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    drawing.update_layout(barmode="group", xaxis_title="importance", showlegend=len(bars) > 1, yaxis_type="category")
    worth = "a hint, no more" if len(complete) < 50 else "fair for the strongest; those of the weak ones are noise"
    but = (
        f" Hollow bars count the {pruned} pruned ones too, at the last value that they reported: what is pruned early "
        "is among the worst."
        if pruned
        else ""
    )
    about = (
        f"How much of what sets the better trials apart each parameter explains (PED-ANOVA, Watanabe et al. 2023). It "
        f"rests on {len(complete)} complete trials: {worth}.{but}"
    )
    yield Figure("importance", "Importances", about, drawing)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def importances(trials: Sequence[FrozenTrial], names: Sequence[str], objective: Objective) -> dict[str, float]:
    """By parameter; they sum up to 1."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances  # a second of imports

    study = optuna.create_study(direction="maximize" if objective.maximize else "minimize")
    study.add_trials(
        [
            create_trial(params=trial.params, distributions=trial.distributions, value=objective.height(trial))
            for trial in trials
        ]
    )
    try:
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=list(names))
    except ValueError:  # all values are the same
        return dict.fromkeys(names, 0.0)


def repeats(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """Trials that differ in nothing but their seed."""
    if len(objectives) > 1:
        return
    groups: dict[tuple[tuple[str, str], ...], list[FrozenTrial]] = {}
    for trial in complete_trials(study):
        rest = tuple((name, shown(value)) for name, value in trial.params.items() if name.rpartition(".")[2] != "seed")
        if len(rest) < len(trial.params):
            groups.setdefault(rest, []).append(trial)
    repeated = {rest: trials for rest, trials in groups.items() if len(trials) > 1}
    if not repeated:
        return
    sign = -1 if objectives[0].maximize else 1

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
    drawing.update_layout(yaxis_title=objectives[0].name)
    about = "Trials that differ in nothing but the seed, with mean and standard deviation; the best mean first."
    yield Figure("repeats", "Distribution over seeds", about, drawing)
