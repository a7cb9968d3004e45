"""An axis of a figure that has a parameter's values."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial

JITTER = 0.15  # of the distance of two choices, so that equal values do not cover each other
MOST_WHOLE = 12  # whole numbers with a tick each


class Axis:
    """Where a figure has a parameter's values: choices side by side, each with its count; numbers on their scale.

    Args:
        trials: all of them have the parameter.
    """

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
        """A number where its value is; of a choice its place among them."""
        value = trial.params[self.name]
        return self.choices.index(str(value)) if self.is_of_choices else value

    def jittered(self, trial: FrozenTrial) -> Any:
        """The same, with equal choices beside each other."""
        shift = random.Random(trial.number).uniform(-JITTER, JITTER) if self.is_of_choices else 0  # noqa: S311
        return self.place(trial) + shift

    def layout(self) -> dict[str, Any]:
        """Of a Plotly axis: its scale and its ticks."""
        if self.is_of_choices:
            ticks = [f"{one if len(one) < 24 else one[:21] + '...'} ({self.counts[one]})" for one in self.choices]
            return {"tickvals": list(range(len(ticks))), "ticktext": ticks, "range": [-0.5, len(ticks) - 0.5]}
        if isinstance(self.distribution, IntDistribution) and len(self.values) <= MOST_WHOLE:
            type_ = "log" if self.distribution.log else "linear"
            return {"type": type_, "tickvals": self.values, "ticktext": [str(one) for one in self.values]}
        if getattr(self.distribution, "log", False):
            return {"type": "log", "dtick": 1, "exponentformat": "power"}
        return {"exponentformat": "none"}
