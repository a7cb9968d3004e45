"""What a sampler sees beside the study's trials: those of an earlier search, and why some have failed."""

import math
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.space.wrapping import Wrapping, innermost
from lightning_sweeps.searches.store.optunas import with_other_trials

OUT_OF_MEMORY = "out_of_memory"  # an attribute of a failed trial


def informed(sampler: BaseSampler, history: Sequence[FrozenTrial] = ()) -> BaseSampler:
    """The sampler, or one that knows more, if it can learn from that."""
    learns = history or isinstance(innermost(sampler), TPESampler)
    return Informed(sampler, history) if learns else sampler


class Informed(Wrapping):
    """A sampler that knows the trials of an earlier search, and learns from those that ran out of memory.

    The latter are failed ones in the study. It sees them as pruned ones that violate a constraint; of Optuna's samplers
    TPE learns from such.

    Args:
        history: trials of an earlier search with the same space.
    """

    def __init__(self, sampler: BaseSampler, history: Sequence[FrozenTrial]) -> None:
        super().__init__(sampler)
        # Before the study's own, whose numbers begin with 0.
        self.history = [_copy(one, number=place - len(history)) for place, one in enumerate(history)]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Optuna looks for parameters that all trials share up to a number, and takes the least for 0."""
        seen = with_other_trials(study, self._numbered_from_0) if self.history else study
        return super().infer_relative_search_space(seen, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return super().sample_relative(with_other_trials(study, self._known), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        seen = with_other_trials(study, self._known)
        return super().sample_independent(seen, trial, param_name, param_distribution)

    def _known(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        return [*self.history, *(_infeasible(one) if _is_out_of_memory(one) else one for one in trials)]

    def _numbered_from_0(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        return [_copy(one, number=place) for place, one in enumerate(self._known(trials))]


def imports_of(sampler: BaseSampler) -> Sequence[str]:
    """What a sampler imports when it draws from what it has learned."""
    return ("scipy.optimize", "scipy.stats", "torch") if isinstance(innermost(sampler), GPSampler) else ()


def _is_out_of_memory(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.FAIL and OUT_OF_MEMORY in trial.user_attrs


def _infeasible(trial: FrozenTrial) -> FrozenTrial:
    """It has no value and no report, so that nothing but the violation can speak for it."""
    violated = {**trial.system_attrs, "constraints": [math.inf]}
    return _copy(trial, state=TrialState.PRUNED, values=None, intermediate_values={}, system_attrs=violated)


def _copy(trial: FrozenTrial, **changed: Any) -> FrozenTrial:
    kept = {
        "number": trial.number,
        "state": trial.state,
        "values": trial.values,
        "params": trial.params,
        "distributions": trial.distributions,
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": trial.intermediate_values,
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
    }
    return FrozenTrial(value=None, trial_id=trial.number, **{**kept, **changed})
