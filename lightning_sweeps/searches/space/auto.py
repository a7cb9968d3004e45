"""``hydra/sweeper/sampler=auto``: which sampler draws, by what ``benchmarks/quality.py`` has measured."""

import warnings
from dataclasses import dataclass

from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, TPESampler

from lightning_sweeps.searches.space.several import NAME
from lightning_sweeps.searches.space.space import Space

FEW, MANY = 20, 100  # trials between which a Gaussian process was measured, and is worth its 0.1 to 0.4 s a trial
FIRST, FIRST_OF_OPTUNA = 5, 10  # random trials, of which ten would be half of a small search


@dataclass(frozen=True)
class Search:
    """What the choice depends on beside the space and the budget.

    Args:
        prunes: whether it has a pruner.
        objectives: how many it has.
        constrained: whether trials must fulfil constraints.
    """

    prunes: bool = False
    objectives: int = 1
    constrained: bool = False


def automatic(space: Space, n_trials: int, seed: int | None, search: Search) -> tuple[BaseSampler, str]:
    """The sampler that found most in so many trials of such a space, and why it is that one.

    A Gaussian process learns from complete trials only, and knows no parameters that are there for some trials only.
    """
    why = _why_not_a_gaussian_process(space, n_trials, search)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna calls ``group`` experimental, and GPSampler
        if not why:
            return GPSampler(seed=seed, n_startup_trials=FIRST), f"choices among the parameters, up to {MANY} trials"
        if space.conditions:
            return TPESampler(seed=seed, multivariate=True, group=True), why
    return TPESampler(seed=seed, n_startup_trials=FIRST if n_trials <= FEW else FIRST_OF_OPTUNA), why


def _why_not_a_gaussian_process(space: Space, n_trials: int, search: Search) -> str:
    reasons = {
        "several spaces": NAME in space.rows,
        "conditions": bool(space.conditions),
        "a pruner": search.prunes,
        "several objectives": search.objectives > 1,
        "constraints": search.constrained,
        "numbers only": not any(isinstance(one, CategoricalDistribution) for one in space.distributions.values()),
        f"fewer than {FEW} trials": n_trials < FEW,
        f"more than {MANY} trials": n_trials > MANY,
    }
    return next((why for why, holds in reasons.items() if holds), "")
