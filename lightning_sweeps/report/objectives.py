"""What a search optimizes: one objective, or several by their names."""

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


@dataclass(frozen=True)
class Objective:
    """One of a study's objectives."""

    index: int
    name: str
    maximize: bool

    def value(self, trial: FrozenTrial) -> float:
        """A complete trial's."""
        return float(trial.values[self.index])

    def height(self, trial: FrozenTrial) -> float:
        """Where a trial stands in a figure: a complete one at its value, another one at what it reported last."""
        if trial.state is TrialState.COMPLETE:
            return self.value(trial)
        return float(trial.intermediate_values[trial.last_step or 0])

    def better(self, one: float, other: float) -> bool:
        """Whether the one is better than the other."""
        return one > other if self.maximize else one < other


def objectives_of(study: optuna.Study, metric: str) -> Sequence[Objective]:
    """All of the study's.

    Args:
        metric: the name of a single one.
    """
    several = len(study.directions) > 1
    names = study.metric_names or [f"objective {index}" for index in range(len(study.directions))]
    return [
        Objective(index, names[index] if several else metric, direction is StudyDirection.MAXIMIZE)
        for index, direction in enumerate(study.directions)
    ]
