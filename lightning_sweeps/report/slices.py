"""Figures of the objective by each parameter: complete trials as dots, pruned ones as rings."""

from collections.abc import Iterable, Sequence
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.trial import TrialState

from lightning_sweeps.report.axis import Axis
from lightning_sweeps.report.colors import COLORS, SCALE
from lightning_sweeps.report.dots import dots
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective
from lightning_sweeps.report.of_trials import names_of, varied, with_values
from lightning_sweeps.searches.record.ending import STATES

MOST_SLICES = 12
SHAPES = {TrialState.COMPLETE: "circle", TrialState.PRUNED: "circle-open"}


def slices(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """A figure for each parameter that took several values. A pruned trial is at its last value."""
    trials = with_values(study)
    names = names_of(trials)
    pairs = [(one, name) for name in varied(trials) for one in objectives]
    for number, (one, name) in enumerate(pairs[:MOST_SLICES]):
        having = [trial for trial in trials if name in trial.params]
        drawing = go.Figure()
        axis = Axis(name, having[0].distributions[name], having)
        for state, shape in SHAPES.items():
            if some := [trial for trial in having if trial.state is state]:
                color: Any = {"color": COLORS[state], "line": {"width": 1.5}}
                if state is TrialState.COMPLETE:
                    color = {"color": [trial.number for trial in some], "colorscale": SCALE}
                drawing.add_scatter(
                    **dots(some, names),
                    x=[axis.jittered(trial) for trial in some],
                    y=[one.height(trial) for trial in some],
                    name=STATES[state] + (", last value" if state is TrialState.PRUNED else ""),
                    marker={"symbol": shape, "size": 8, **color},
                )
        drawing.update_layout(xaxis={"title": name, **axis.layout()}, yaxis_title=one.name, showlegend=number == 0)
        drawing.update_layout(meta={"brush": True})
        about = "Blue dots are early trials, yellow ones late; rings were pruned."
        if len(pairs) > MOST_SLICES:
            about += f" The first {MOST_SLICES} of {len(pairs)} are shown."
        missing = len(trials) - len(having)
        lacking = f"{missing} trials do not have this parameter." if missing else ""
        yield Figure(f"slice{number}", f"{one.name} by {name}", about if number == 0 else lacking, drawing)
