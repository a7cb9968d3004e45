"""Several spaces as one: ``hydra.sweeper.params`` as a list, of which each trial has one part."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.condition import Condition
from lightning_sweeps.searches.space.space import Space

OPTION = "hydra.sweeper.params"
NAME = "space"  # of the parameter that says which part it is


def is_several(params: Any) -> bool:
    """Whether it is a list of spaces."""
    return isinstance(params, Sequence) and not isinstance(params, str)


def joined(parts: Sequence[Space], common: Space) -> Space:
    """One space whose first parameter, ``space``, says which of the parts a trial has.

    A value of it sets what is fixed in its part. What is searched in the part is there with it. The same parameter in
    several parts is one if its values are the same; else the one of the second part is ``name#2``, and so on.

    Args:
        common: what is searched and fixed beside the parts.

    Raises:
        ConfigError: a part is empty, or sets what another place sets.
    """
    labels: dict[str, list[str]] = {}
    for number, part in enumerate(parts, start=1):
        if not part.lines:
            raise ConfigError(f"{OPTION}: part {number} of the list is empty")
        label = " ".join(part.fixed) or f"part {number}"
        labels[label if label not in labels else f"{label} (part {number})"] = part.fixed
    taken = {name for one in (*parts, common) for name, _ in one.lines}
    if NAME in taken:
        raise ConfigError(f"{OPTION}: '{NAME}' says which part of the list a trial has, and is a parameter too")
    merged = _Merged(list(labels))
    for number, (label, part) in enumerate(zip(labels, parts, strict=True), start=1):
        merged.add(number, label, part)
    names = list(merged.there)
    return Space(
        distributions={NAME: CategoricalDistribution(list(labels)), **merged.distributions, **common.distributions},
        texts={**merged.texts, **common.texts},
        values={NAME: list(labels), **merged.values, **common.values},
        lines=[(NAME, None), *((name, None) for name in names), *common.lines],
        conditions=merged.conditions(),
        rows={NAME: labels, **merged.rows, **common.rows},
        keys=merged.keys,
    )


@dataclass
class _Merged:
    """What is searched in the parts so far.

    Args:
        labels: of all parts.
        there: the labels of the parts in which a parameter is.
    """

    labels: Collection[str]
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    texts: dict[str, dict[Any, str]] = field(default_factory=dict)
    values: dict[str, Sequence[Any]] = field(default_factory=dict)
    rows: dict[str, dict[Any, list[str]]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    there: dict[str, list[str]] = field(default_factory=dict)

    def add(self, number: int, label: str, part: Space) -> None:
        for key, distribution in part.distributions.items():
            name = next((one for one in self._named(key) if self._is_same(one, key, part)), None)
            if name is None:
                name = key if key not in self.distributions else f"{key}#{number}"
                self.distributions[name] = distribution
                for mine, theirs in self._columns(part):
                    if key in theirs:
                        mine[name] = theirs[key]
                if name != key:
                    self.keys[name] = key
                self.there[name] = []
            self.there[name].append(label)

    def _named(self, key: str) -> list[str]:
        return [name for name in self.distributions if self.keys.get(name, name) == key]

    def _is_same(self, name: str, key: str, part: Space) -> bool:
        same = self.distributions[name] == part.distributions[key]
        return same and all(mine.get(name) == theirs.get(key) for mine, theirs in self._columns(part))

    def _columns(self, part: Space) -> Sequence[tuple[dict[str, Any], Mapping[str, Any]]]:
        return (self.texts, part.texts), (self.values, part.values), (self.rows, part.rows)

    def conditions(self) -> dict[str, tuple[Condition, ...]]:
        """What is not in all parts is there with some."""
        some = {name: labels for name, labels in self.there.items() if len(labels) < len(self.labels)}
        return {
            name: (Condition(NAME, "=", tuple(labels), f"{NAME}={','.join(labels)}"),) for name, labels in some.items()
        }
