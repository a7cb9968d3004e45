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
        """Where a trial is in a figure: a complete one at its value, another one at what it reported last."""
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
    names = objective_names(study) or [metric]
    return [
        Objective(index, name, direction is StudyDirection.MAXIMIZE)
        for index, (name, direction) in enumerate(zip(names, study.directions, strict=True))
    ]


def objective_names(study: optuna.Study) -> list[str]:
    """Of several objectives, each by its name; none of a single one."""
    count = len(study.directions)
    return [] if count == 1 else study.metric_names or [f"objective {place}" for place in range(count)]
