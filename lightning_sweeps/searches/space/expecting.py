"""A sampler that looks first where good values are expected."""

import math
import random
from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from lightning_sweeps.searches.space.wrapping import Wrapping

FIRST = 3  # trials that are all drawn around the expected values
SPREAD = 0.15  # of the range, on the parameter's own scale: the standard deviation around an expected value
TRUST = 0.7  # the probability of an expected choice


class Expecting(Wrapping):
    """Draws some parameters around expected values, and leaves the rest to another sampler.

    That is so for the first three trials, and then with a probability that falls as two by the trial's number, so that
    a wrong expectation costs a few trials. PriorBand (Mallik et al. 2023) mixes its draws in a similar way.

    Args:
        expected: the parameters' values.
        seed: with one a trial's draws depend on it and on the trial's number alone.
    """

    def __init__(self, sampler: BaseSampler, expected: Mapping[str, Any], seed: int | None) -> None:
        super().__init__(sampler)
        self.expected = expected
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311
        self._around = False

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if self.seed is not None:
            self._random.seed(self.seed * 1_000_003 + trial.number)
        self._around = trial.number < FIRST or self._random.random() < 2 / (trial.number + 1)
        super().before_trial(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        drawn = super().sample_relative(study, trial, search_space)
        return {name: self._draw(name, search_space[name], value) for name, value in drawn.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        value = super().sample_independent(study, trial, param_name, param_distribution)
        return self._draw(param_name, param_distribution, value)

    def _draw(self, name: str, distribution: BaseDistribution, otherwise: Any) -> Any:
        if not self._around or name not in self.expected:
            return otherwise
        return near(self.expected[name], distribution, self._random)


def near(value: Any, distribution: BaseDistribution, drawing: random.Random) -> Any:
    """A value near this one: of numbers from a normal distribution that is cut off at the ends of the range."""
    if isinstance(distribution, CategoricalDistribution):
        others = [one for one in distribution.choices if one != value]
        return value if not others or drawing.random() < TRUST else drawing.choice(others)
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101 (for the type checker)
    low, high, step = distribution.low, distribution.high, distribution.step
    if low == high:
        return low
    there, back = (math.log, math.exp) if distribution.log else (float, float)
    first, last = there(low), there(high)
    while True:
        place = drawing.gauss(there(value), SPREAD * (last - first))
        if first <= place <= last:
            break
    found = min(max(back(place), low), high)
    if step is None:
        return found
    found = low + round((found - low) / step) * step
    return int(found) if isinstance(distribution, IntDistribution) else found
