"""A figure of the objective over two parameters."""

import math
from collections.abc import Iterable, Sequence

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.axis import Axis
from lightning_sweeps.report.colors import COLORS, SCALE
from lightning_sweeps.report.dots import dots
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective
from lightning_sweeps.report.of_parameters import FEWEST_FOR_IMPORTANCE, importances
from lightning_sweeps.report.of_trials import complete_trials, names_of, shared
from lightning_sweeps.searches.record.trials_csv import ranked
from lightning_sweeps.searches.space.constraints import violated

MOST_TRIALS = 120  # the grid grows with the square


def contour(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """The objective over the two most important parameters, and the trials that it is drawn from.

    Optuna has such a figure, whose dots do not know their trials. Its module imports Matplotlib where that is
    installed, for which the end of a search would wait half a second.
    """
    complete = [trial for trial in complete_trials(study) if all(map(math.isfinite, trial.values))]
    names = shared(complete)
    if len(names) < 2 or len(complete) < FEWEST_FOR_IMPORTANCE or len(objectives) > 1:
        return
    weights = importances(complete, names, objectives[0])
    pair = sorted(names, key=lambda name: -weights[name])[:2]
    about = "The two most important."
    chosen = complete
    if len(complete) > MOST_TRIALS:
        finite = {trial.number for trial in complete}
        best_first = [trial for trial in ranked(study) if trial.number in finite] or complete
        chosen = [best_first[len(best_first) * index // MOST_TRIALS] for index in range(MOST_TRIALS)]
        about += f" Drawn from {MOST_TRIALS} of the {len(complete)} complete trials, from the best to the worst."
    across, up = (Axis(name, chosen[-1].distributions[name], chosen) for name in pair)
    short = names_of(complete)
    drawing = go.Figure(_surface(chosen, across, up, objectives[0]))
    for name, symbol, some in (
        ("complete", "circle", [trial for trial in chosen if not violated(trial)]),
        ("violates a constraint", "circle-open", [trial for trial in chosen if violated(trial)]),
    ):
        if some:
            drawing.add_scatter(
                **dots(some, short),
                x=[across.jittered(trial) for trial in some],
                y=[up.jittered(trial) for trial in some],
                name=name,
                marker={
                    "color": "black",
                    "symbol": symbol,
                    "size": 7,
                    "line": {"width": 1.5, "color": COLORS[TrialState.WAITING]},
                },
                showlegend=False,
            )
    drawing.update_layout(xaxis={"title": pair[0], **across.layout()}, yaxis={"title": pair[1], **up.layout()})
    yield Figure("contour", f"{pair[0]} and {pair[1]}", about, drawing)


def _surface(trials: Sequence[FrozenTrial], across: Axis, up: Axis, objective: Objective) -> go.Contour:
    """The best value at each place, with straight lines between them."""
    best: dict[tuple[float, float], float] = {}
    for trial in trials:
        place, value = (across.place(trial), up.place(trial)), objective.value(trial)
        if place not in best or objective.better(value, best[place]):
            best[place] = value
    x, y = (sorted({place[side] for place in best}) for side in (0, 1))
    return go.Contour(
        x=x,
        y=y,
        z=[[best.get((one, other)) for one in x] for other in y],
        colorbar={"title": objective.name},
        colorscale=SCALE,
        connectgaps=True,
        contours_coloring="heatmap",
        hoverinfo="skip",
        line_smoothing=1.3,
    )
