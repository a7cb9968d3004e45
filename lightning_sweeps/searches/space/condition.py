"""A condition under which a parameter is there: ``optimizer=sgd``, ``model.depth>=2``."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TEXT = re.compile(r"\s*(?P<name>[^\s=!<>]+)\s*(?P<operator>==|!=|<=|>=|=|<|>)\s*(?P<values>\S.*?)\s*")


@dataclass(frozen=True)
class Condition:
    """What another parameter's value must be.

    Args:
        name: of the other parameter, as its space has it.
        operator: one of ``OPERATORS``.
        values: to compare with; of several any will do, and with ``!=`` none may be it.
        text: as it was typed.
    """

    name: str
    operator: str
    values: tuple[Any, ...]
    text: str

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether it is met. It is not if the other parameter is not there itself."""
        return self.name in params and self.accepts(params[self.name])

    def accepts(self, value: Any) -> bool:
        """Whether it is met by this value of the other parameter."""
        if self.operator not in ("=", "!=") and value is None:
            return False
        met = [OPERATORS[self.operator](value, one) for one in self.values]
        return all(met) if self.operator == "!=" else any(met)


def candidates(distribution: BaseDistribution, conditions: Iterable[Condition]) -> list[Any]:
    """Values of a parameter among which one meets these conditions, if any value does."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101 (for the type checker)
    low, high, step = distribution.low, distribution.high, distribution.step
    named = [value for one in conditions for value in one.values]
    if step is None:
        between = [math.nextafter(value, way) for value in named for way in (-math.inf, math.inf)]
        return [value for value in (low, high, *named, *between) if low <= value <= high]
    places = {round((value - low) / step) + shift for value in named for shift in (-1, 0, 1)}
    points = [low + place * step for place in sorted(places)]
    return [value for value in (low, high, *points) if low <= value <= high]
