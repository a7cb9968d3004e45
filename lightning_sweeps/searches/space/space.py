"""A search space: parameters, and what is typed for their values."""

import itertools
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import Trial

from lightning_sweeps.overrides.text import quoted
from lightning_sweeps.searches.space.condition import Condition, candidates

# Above this a finite space is searched, not enumerated, unless n_trials asks for all of it.
MOST_COMBINATIONS = 100_000
LARGEST_INTEGER = 2**53  # below this Optuna, which keeps numbers as floats, keeps each integer


@dataclass
class Space:
    """The search space, and the overrides that every trial shares.

    Args:
        distributions: of each parameter; its name is what is typed before the ``=``.
        texts: what was typed for each choice, so that values come back as they were meant: null, lists, quoted strings.
        values: of each parameter that has finitely many, in the order of Hydra's own sweeper.
        lines: every override in the order it was typed: what is fixed with its text, what is searched with None.
        conditions: all of which must hold for the override of this name to be there.
        rows: of each parameter whose values set several things at once, the overrides of each value.
        excluded: no combination meets all conditions of one of these.
        keys: what is typed before the ``=`` of a parameter with another name.
    """

    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    texts: dict[str, dict[Any, str]] = field(default_factory=dict)
    values: dict[str, Sequence[Any]] = field(default_factory=dict)
    lines: list[tuple[str, str | None]] = field(default_factory=list)
    conditions: dict[str, tuple[Condition, ...]] = field(default_factory=dict)
    rows: dict[str, dict[Any, list[str]]] = field(default_factory=dict)
    excluded: tuple[tuple[Condition, ...], ...] = ()
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """What is typed before the ``=``."""
        return self.keys.get(name, name)

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """The overrides for these values, including the fixed ones, without those that are not there."""
        params = self.present(params)
        known = {name for name, text in self.lines if text is None}
        added = [(name, None) for name in params if name not in known]  # by a custom search space
        overrides = []
        for name, text in [*self.lines, *added]:
            if text is not None:
                overrides += [text] if self.has(name, params) else []
            elif name in params:
                overrides += self.rows[name][params[name]] if name in self.rows else [self._text(name, params[name])]
        return overrides

    def without(self, names: Container[str]) -> "Space":
        """The space that neither searches nor sets these."""
        return replace(
            self,
            distributions={name: one for name, one in self.distributions.items() if name not in names},
            lines=[line for line in self.lines if line[0] not in names],
        )

    def has(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether a parameter is there with these values of those that it depends on."""
        return all(one.holds(params) for one in self.conditions.get(name, ()))

    def present(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Those of these parameters that are there with the values of the others."""
        if not self.conditions:
            return dict(params)
        order = {name: place for place, name in enumerate(self.distributions)}
        found: dict[str, Any] = {}
        for name in sorted(params, key=lambda name: order.get(name, len(order))):  # what others depend on comes first
            if self.has(name, found):
                found[name] = params[name]
        return found

    def with_value(self, params: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
        """The parameters with this value, and others changed where this one would not be there.

        Raises:
            LookupError: it never is.
        """
        changed = {**params, name: value}
        for other in dict.fromkeys(one.name for one in self.conditions.get(name, ())):
            wanted = [one for one in self.conditions[name] if one.name == other]
            values = candidates(self.distributions[other], wanted)
            values = [changed[other], *values] if other in changed else values
            fits = [one for one in values if all(condition.accepts(one) for condition in wanted)]
            if not fits:
                raise LookupError(name)
            changed = self.with_value(changed, other, fits[0])
        return changed

    def draw(self, trial: Trial) -> None:
        """Have the sampler draw the parameters of a trial."""
        for name, distribution in self.distributions.items():
            if name not in self.conditions or self.has(name, trial.params):  # to read the params is slow
                _suggest(trial, name, distribution)

    def first(self) -> dict[str, Any]:
        """A point of the space: the first choice, or the lower end, of each parameter that is there then."""
        firsts = {}
        for name, one in self.distributions.items():
            firsts[name] = one.choices[0] if isinstance(one, CategoricalDistribution) else one.low  # type: ignore[attr-defined]
        return self.present(firsts)

    @property
    def fixed(self) -> list[str]:
        """What every trial shares."""
        return [text for _, text in self.lines if text is not None]

    def combinations(self) -> list[dict[str, Any]] | None:
        """All points in the order of Hydra's own sweeper, the last parameter fastest; None for an infinite space."""
        if not self.conditions and not self.excluded:
            columns = [self.values.get(name, ()) for name in self.distributions]
            if not 0 < math.prod(map(len, columns)) <= MOST_COMBINATIONS:
                return None
            return [dict(zip(self.distributions, point, strict=True)) for point in itertools.product(*columns)]
        if not self.distributions.keys() <= self.values.keys():
            return None
        points = list(itertools.islice(self._points({}, list(self.distributions)), MOST_COMBINATIONS + 1))
        if len(points) > MOST_COMBINATIONS:
            return None
        return [one for one in points if not any(all(c.holds(one) for c in those) for those in self.excluded)]

    def _points(self, before: dict[str, Any], names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Those that begin with these values. What others depend on comes first."""
        if not names:
            yield before
        elif not self.has(names[0], before):
            yield from self._points(before, names[1:])
        else:
            for value in self.values[names[0]]:
                yield from self._points({**before, names[0]: value}, names[1:])

    def described(self) -> dict[str, str]:
        """Name -> distribution as JSON, to compare with the study's."""
        return {name: distribution_to_json(distribution) for name, distribution in self.distributions.items()}

    def _text(self, name: str, value: Any) -> str:
        if name in self.texts:
            text = self.texts[name][value]
        elif isinstance(value, str):  # suggested by a custom search space
            text = quoted(value)
        else:
            text = "null" if value is None else str(value)
        return f"{self.key(name)}={text}"


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    """Have the sampler draw one parameter."""
    match distribution:
        case FloatDistribution():
            trial.suggest_float(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
        case IntDistribution():
            trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
        case CategoricalDistribution():
            trial.suggest_categorical(name, distribution.choices)
