"""``hydra.sweeper.priors``: where good values are expected."""

from collections.abc import Mapping
from typing import Any

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.point import point_of_values
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.warm_start import WarmStart

OPTION = "hydra.sweeper.priors"


def expected(given: Any, space: Space, *, samples: bool) -> dict[str, Any]:
    """The expected values as the study keeps them.

    Args:
        given: parameter -> value; keys may be nested.
        samples: whether a sampler draws trials.

    Raises:
        ConfigError: there is no such parameter or value, or nothing is drawn.
    """
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{OPTION}={given}: it is parameters with values, as {{optimizer.lr: 1e-3}}")
    if not samples:
        raise ConfigError(f"{OPTION}: every combination of this space is run, so nothing is drawn near a value")
    return point_of_values(given, OPTION, space)


def with_expected(first: WarmStart, expected: Mapping[str, Any], n_trials: int) -> WarmStart:
    """A further first trial, with the expected values; a sampler draws the rest of it."""
    if not expected or dict(expected) in first.points or len(first.points) >= n_trials:
        return first
    said = f"{first.said}, then one the priors'" if first.points else "the first one has the priors' values"
    return WarmStart([*first.points, expected], said, first.history)
