"""A sampler for the first trials, another one for those that follow."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState


class Staged(BaseSampler):
    """Spreads the first trials evenly over the space, and then learns from them.

    Args:
        first: draws the trials with the first numbers, as points of the whole space.
        then: draws the others.
        n_first: how many there are of the first.
        space: the parameters that are always there.
    """

    def __init__(
        self, first: BaseSampler, then: BaseSampler, n_first: int, space: Mapping[str, BaseDistribution]
    ) -> None:
        self.first = first
        self.then = then
        self.n_first = n_first
        self.space = {name: one for name, one in space.items() if not one.single()}

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        return self.first if trial.number < self.n_first else self.then

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        if trial.number < self.n_first:
            return self.space  # else it would first have to see a trial
        return self.then.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._of(trial).after_trial(study, trial, state, values)
