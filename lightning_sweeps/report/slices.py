"""Figures of the objective by each parameter: complete trials as dots, pruned ones as rings."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import COLORS, SCALE
from lightning_sweeps.report.dots import dots
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective
from lightning_sweeps.report.of_trials import names_of, varied, with_values
from lightning_sweeps.searches.record.ending import STATES

MOST_SLICES = 12
JITTER = 0.15  # of the distance of two choices, so that equal values do not cover each other
SHAPES = {TrialState.COMPLETE: "circle", TrialState.PRUNED: "circle-open"}
MOST_WHOLE = 12  # whole numbers with a tick each


def slices(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """A figure for each parameter that took several values. A pruned trial stands at its last value."""
    trials = with_values(study)
    names = names_of(trials)
    pairs = [(one, name) for name in varied(trials) for one in objectives]
    for number, (one, name) in enumerate(pairs[:MOST_SLICES]):
        having = [trial for trial in trials if name in trial.params]
        drawing = go.Figure()
        axis = _Axis(name, having[0].distributions[name], having)
        for state, shape in SHAPES.items():
            if some := [trial for trial in having if trial.state is state]:
                color: Any = {"color": COLORS[state], "line": {"width": 1.5}}
                if state is TrialState.COMPLETE:
                    color = {"color": [trial.number for trial in some], "colorscale": SCALE}
                drawing.add_scatter(
                    **dots(some, names),
                    x=[axis.place(trial) for trial in some],
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


class _Axis:
    """Where a parameter's values stand: choices side by side, each with its count; numbers on their scale."""

    def __init__(self, name: str, distribution: BaseDistribution, trials: Sequence[FrozenTrial]) -> None:
        self.name = name
        self.distribution = distribution
        self.counts = Counter(str(trial.params[name]) for trial in trials)
        self.values = sorted({trial.params[name] for trial in trials}) if not self.is_of_choices else []

    @property
    def is_of_choices(self) -> bool:
        return isinstance(self.distribution, CategoricalDistribution)

    @property
    def choices(self) -> list[str]:
        assert isinstance(self.distribution, CategoricalDistribution)  # noqa: S101 (for the type checker)
        return [str(one) for one in self.distribution.choices if str(one) in self.counts]

    def place(self, trial: FrozenTrial) -> Any:
        value = trial.params[self.name]
        if not self.is_of_choices:
            return value
        shift = random.Random(trial.number).uniform(-JITTER, JITTER)  # noqa: S311
        return self.choices.index(str(value)) + shift

    def layout(self) -> dict[str, Any]:
        if self.is_of_choices:
            ticks = [f"{one if len(one) < 24 else one[:21] + '...'} ({self.counts[one]})" for one in self.choices]
            return {"tickvals": list(range(len(ticks))), "ticktext": ticks, "range": [-0.5, len(ticks) - 0.5]}
        if isinstance(self.distribution, IntDistribution) and len(self.values) <= MOST_WHOLE:
            type_ = "log" if self.distribution.log else "linear"
            return {"type": type_, "tickvals": self.values, "ticktext": [str(one) for one in self.values]}
        if getattr(self.distribution, "log", False):
            return {"type": "log", "dtick": 1, "exponentformat": "power"}
        return {"exponentformat": "none"}
