"""Trials that ran out of memory, as samplers see them: infeasible, so that they stay away."""

import math
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.store.optunas import with_other_trials

OUT_OF_MEMORY = "out_of_memory"  # an attribute of a failed trial


def staying_away(sampler: BaseSampler) -> BaseSampler:
    """The sampler, or one that learns from trials that ran out of memory, if it can."""
    return StaysAway(sampler) if isinstance(getattr(sampler, "sampler", sampler), TPESampler) else sampler


class StaysAway(BaseSampler):
    """A sampler that learns from trials that ran out of memory, which are failed ones in the study.

    It sees them as pruned ones that violate a constraint. Of Optuna's samplers TPE learns from such.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self.sampler = sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.sampler.infer_relative_search_space(_seen(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.sampler.sample_relative(_seen(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.sampler.sample_independent(_seen(study), trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self.sampler.after_trial(study, trial, state, values)


def _seen(study: Study) -> Study:
    return with_other_trials(study, _is_out_of_memory, _infeasible)


def _is_out_of_memory(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.FAIL and OUT_OF_MEMORY in trial.user_attrs


def _infeasible(trial: FrozenTrial) -> FrozenTrial:
    """It has no value and no report, so that nothing but the violation can speak for it."""
    violated = {**trial.system_attrs, "constraints": [math.inf]}
    return FrozenTrial(
        number=trial.number,
        state=TrialState.PRUNED,
        value=None,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
        system_attrs=violated,
        intermediate_values={},
        trial_id=trial.number,
    )
