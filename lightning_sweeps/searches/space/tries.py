"""Choose the configurations that are built once before the first trial, to find values that cannot work."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.compose import Composer
from lightning_sweeps.searches.space.space import Space

MOST_VALUES = 16  # of one parameter that are tried
Refusal = str | None  # what is wrong with a configuration; None if nothing is, or nobody can say
INSIDE = 1e-3  # the ends of a continuous range are hardly ever drawn, points this far inside are


@dataclass
class Tries:
    """Looks for values with which no configuration can be built.

    Args:
        ask: what is wrong with a configuration; None if nothing is, or nobody can say.
    """

    space: Space
    compose: Composer
    ask: Callable[[Any], Refusal]
    _known: dict[tuple[str, ...], Refusal] = field(default_factory=dict)

    def require_buildable(self) -> None:
        """Try each value with the first of the others, and only if that is refused with further ones.

        A value may suit some of the others only, as where one must divide another. Such a search goes on.

        Raises:
            ConfigError: a value, or what all have in common, suits none of them.
        """
        columns = {name: _values(one) for name, one in self.space.distributions.items()}
        if not columns and (reason := self._refusal({})):
            raise ConfigError(reason)
        for name, column in columns.items():
            for value in column:
                points = (self.space.with_value(one, name, value) for one in _points(columns, name, value))
                if (reason := self._refusal(next(points))) and all(map(self._refusal, points)):
                    raise ConfigError(self._explained(columns, name, value, reason))

    def _explained(self, columns: dict[str, list[Any]], name: str, value: Any, reason: str) -> str:
        """The reason and the value that causes it, unless the config's own value is refused in the same words."""
        without = {other: column[0] for other, column in columns.items() if other != name}
        if self._refusal(without) == reason:
            return reason
        said = self.space.overrides(self.space.with_value({}, name, value))
        key = self.space.key(name)
        shown = next((line for line in said if line.partition("=")[0] == key), f"{name}={value}")
        hint = ""
        if isinstance(self.space.distributions[name], FloatDistribution) and "'float' object" in reason:
            hint = f"\nFor whole numbers write {name}=int(interval(...))"
        return f"{reason if reason.startswith(shown) else f'{shown}: {reason}'}{hint}"

    def _refusal(self, point: dict[str, Any]) -> Refusal:
        overrides = self.space.overrides(point)
        if tuple(overrides) not in self._known:
            try:
                reason = self.ask(self.compose.numbered(overrides))
            except (HydraException, OmegaConfBaseException, ConfigError):  # its trial says so
                reason = None
            self._known[tuple(overrides)] = reason
        return self._known[tuple(overrides)]


def _values(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        every = max(1, -(-len(distribution.choices) // MOST_VALUES))
        return list(distribution.choices[::every])
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101 (for the type checker)
    low, high = distribution.low, distribution.high
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        low, high = low + INSIDE * (high - low), high - INSIDE * (high - low)
    return [low] if low == high else [low, high]


def _points(columns: dict[str, list[Any]], name: str, value: Any) -> Iterator[dict[str, Any]]:
    """The value with the first of the others, with their last, and with those that stand at its own place."""
    place = columns[name].index(value)
    for chosen in (0, -1, place):
        yield {other: column[min(chosen, len(column) - 1)] for other, column in columns.items()} | {name: value}
