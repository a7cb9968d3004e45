"""Parallel coordinates: a line for each trial, complete or pruned, over axes for objectives and parameters."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import BEST, COLORS
from lightning_sweeps.report.dots import lines
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective
from lightning_sweeps.report.of_trials import names_of, varied, with_values
from lightning_sweeps.searches.record.trials_csv import ranked

NOT_SET = -0.14  # the height, below the axes, of a parameter that a trial does not have
MOST_AXES = 16
TICKS = 5
LONGEST_TICK = 14
FROM_BEST = ("#d99a00", "#c99f3e", "#b5a06f", "#9aa0a6", "#7690ab", "#5580ae", "#2b6cb0")


class Axis:
    """Where the values of one objective or parameter stand, from 0 to 1, and what is written beside them."""

    def __init__(self, name: str, values: Sequence[Any], distribution: BaseDistribution | None = None) -> None:
        self.name = name
        self._log = bool(getattr(distribution, "log", False))
        self._choices: list[str] = []
        if isinstance(distribution, CategoricalDistribution):
            self._choices = [str(one) for one in distribution.choices]
            self._low, self._high = 0.0, len(self._choices) - 1.0
            self.ticks = [(one, self.place(one)) for one in self._choices]
        else:
            finite = [self._scaled(value) for value in values if math.isfinite(value)]
            self._low, self._high = min(finite, default=0.0), max(finite, default=1.0)
            whole = isinstance(distribution, IntDistribution)
            self.ticks = [(f"{value:.4g}", self.place(value)) for value in self._marked(values, whole=whole)]

    def place(self, value: Any) -> float:
        """Its height; an infinite one is at an end."""
        if self._choices:
            at = float(self._choices.index(str(value))) if str(value) in self._choices else 0.0
        else:
            at = self._scaled(value)
        if self._high == self._low or math.isnan(at):
            return 0.5
        return min(1.0, max(0.0, (at - self._low) / (self._high - self._low)))

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self._log and value > 0 else float(value)

    def _marked(self, values: Sequence[Any], *, whole: bool) -> list[float]:
        """Round numbers between the ends."""
        if whole and len(set(values)) <= TICKS:
            return sorted(set(values))
        if self._log:
            decades = range(math.ceil(self._low - 1e-9), math.floor(self._high + 1e-9) + 1)
            if len(decades) > 1:
                return [10.0**power for power in decades[:: max(1, len(decades) // TICKS)]]
            return [10**self._low, 10**self._high]
        step = _round_step((self._high - self._low) / TICKS, whole=whole)
        if not step:
            return [self._low]
        return [step * index for index in range(math.ceil(self._low / step), math.floor(self._high / step) + 1)]


def _round_step(rough: float, *, whole: bool) -> float:
    """The next of 1, 2, 5, 10, ..."""
    if rough <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return max(1.0, step) if whole else step


def parallel(study: optuna.Study, objectives: Sequence[Objective]) -> Iterable[Figure]:
    """Drawn where trials differ in two parameters."""
    trials = with_values(study)
    names = varied(trials)[: MOST_AXES - len(objectives)]
    if len(names) < 2:
        return
    short = names_of(trials)
    axes = [Axis(one.name, [one.height(trial) for trial in trials]) for one in objectives]
    for name in names:
        having = [trial for trial in trials if name in trial.params]
        axes.append(Axis(short[name], [trial.params[name] for trial in having], having[0].distributions[name]))
    heights: dict[int, list[float]] = {}
    for trial in trials:
        own = [axis.place(one.height(trial)) for axis, one in zip(axes, objectives, strict=False)]
        given = [
            axis.place(trial.params[name]) if name in trial.params else NOT_SET
            for axis, name in zip(axes[len(objectives) :], names, strict=True)
        ]
        heights[trial.number] = [round(place, 4) for place in (*own, *given)]
    drawing = go.Figure()
    groups = _groups(study, trials)
    for index, (title, color, some) in enumerate(groups):
        dotted = title == "pruned"
        drawing.add_scatter(
            **lines(some, lambda trial: enumerate(heights[trial.number])),
            mode="lines",
            name=title,
            legendgroup=title,
            showlegend=all(title != later for later, _, _ in groups[index + 1 :]),
            line={"color": color, "width": 1 if dotted else 1.5, "dash": "dot" if dotted else "solid"},
            opacity=0.5 if dotted else 0.8,
            hovertemplate="trial %{customdata}<extra></extra>",
        )
    lacking = any(NOT_SET in places for places in heights.values())
    drawing.update_layout(**_layout(axes, lacking=lacking))
    how = (
        "Gold lines are the best, blue ones the worst" if len(objectives) == 1 else "Purple lines are the Pareto front"
    )
    about = f"{how}; dotted ones were pruned, and stand at their last value. Drag along an axis to choose."
    yield Figure("parallel", "Parallel coordinates", about, drawing)


Group = tuple[str, str, list[FrozenTrial]]


def _groups(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[Group]:
    """The pruned ones first, below the others, and the best last, each group with its colour."""
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    groups: list[Group] = [("pruned", COLORS[TrialState.PRUNED], pruned)]
    if len(study.directions) > 1:
        front = {trial.number for trial in study.best_trials}
        groups.append(("complete", COLORS[TrialState.COMPLETE], [one for one in complete if one.number not in front]))
        groups.append(("Pareto front", BEST, [one for one in complete if one.number in front]))
    else:
        places = {trial.number: place for place, trial in enumerate(ranked(study))}
        by_color: list[list[FrozenTrial]] = [[] for _ in FROM_BEST]
        for trial in complete:
            place = places.get(trial.number, len(complete) - 1)  # one that violates a constraint is with the worst
            by_color[place * len(FROM_BEST) // len(complete)].append(trial)
        groups += [("complete", color, some) for color, some in reversed(list(zip(FROM_BEST, by_color, strict=True)))]
    return [group for group in groups if group[2]]


def _layout(axes: Sequence[Axis], *, lacking: bool) -> dict[str, Any]:
    written: dict[str, Any] = {"showarrow": False, "xanchor": "left", "xshift": 4, "font": {"size": 11}}
    labels = [
        {**written, "x": place, "y": height, "text": text if len(text) <= LONGEST_TICK else f"{text[:LONGEST_TICK]}…"}
        for place, axis in enumerate(axes)
        for text, height in axis.ticks
    ]
    if lacking:
        labels.append({**written, "x": 0, "y": NOT_SET, "text": "not set", "xanchor": "right", "xshift": -4})
    lines = [
        {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": {"color": "#888888", "width": 1}}
        for place in range(len(axes))
    ]
    return {
        "annotations": labels,
        "shapes": lines,
        "xaxis": {
            "tickvals": list(range(len(axes))),
            "ticktext": [axis.name for axis in axes],
            "side": "top",
            "showgrid": False,
            "zeroline": False,
            "range": [-0.4, len(axes) - 0.5],
            "fixedrange": True,
        },
        "yaxis": {"visible": False, "range": [NOT_SET - 0.06 if lacking else -0.04, 1.04], "fixedrange": True},
        "legend": {"orientation": "h", "y": -0.02, "yanchor": "top"},
        "margin": {"l": 48, "t": 40, "b": 32},
        "meta": {"axes": [axis.name for axis in axes]},
    }
