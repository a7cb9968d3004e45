"""Hydra overrides <-> Optuna distributions."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra_plugins.hydra_optuna_sweeper._impl import create_optuna_distribution_from_override
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides import quoted

# Above this a finite space is searched, not enumerated, unless n_trials asks for all of it.
MOST_COMBINATIONS = 100_000


@dataclass
class Space:
    """The search space, and the overrides that every trial shares.

    ``typed`` has every override in the order it was typed: what is fixed as text, what is searched as None. ``texts``
    keeps for each choice the text that was typed for it, so that values come back as they were meant: null, lists,
    quoted strings.
    """

    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    texts: dict[str, dict[Any, str]] = field(default_factory=dict)
    typed: dict[str, str | None] = field(default_factory=dict)

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """What to type for these values, with all that is fixed."""
        added = [name for name in params if name not in self.typed]  # by a custom search space
        lines = {**self.typed, **dict.fromkeys(added)}
        return [
            f"{name}={self._text(name, params[name])}" if line is None else line
            for name, line in lines.items()
            if line is not None or name in params
        ]

    def combinations(self) -> list[dict[str, Any]] | None:
        """All points in the order of Hydra's own sweeper, the last parameter fastest; None for an infinite space."""
        values = [_values(distribution) for distribution in self.distributions.values()]
        size = 1
        for column in values:
            size *= len(column or ())
        if not 0 < size <= MOST_COMBINATIONS:
            return None
        columns = [column for column in values if column is not None]
        return [dict(zip(self.distributions, point, strict=True)) for point in itertools.product(*columns)]

    def described(self) -> dict[str, str]:
        """Name -> distribution as JSON, to compare with the study's."""
        return {name: distribution_to_json(distribution) for name, distribution in self.distributions.items()}

    def _text(self, name: str, value: Any) -> str:
        if name in self.texts:
            return self.texts[name][value]
        if isinstance(value, str):  # suggested by a custom search space
            return quoted(value)
        return "null" if value is None else str(value)


def parse_space(params: Mapping[str, Any] | None, arguments: Sequence[str], config_loader: Any) -> Space:
    """Split ``hydra.sweeper.params`` and the command line, which wins, into the space and the fixed overrides.

    Raises:
        ConfigError: a sweep that is empty or that Optuna cannot draw from.
    """
    lines = [f"{key}={value}" for key, value in (params or {}).items()]
    overrides: dict[str, Override] = {}
    for override in OverridesParser.create(config_loader=config_loader).parse_overrides([*lines, *arguments]):
        key = override.get_key_element()
        overrides[f"~{key}" if override.is_delete() else key] = override
    space = Space()
    for name, override in overrides.items():
        if not override.is_sweep_override():
            space.typed[name] = str(override.input_line)
            continue
        space.typed[name] = None
        try:
            _add(space, name, override)
        except (ValueError, AssertionError, NotImplementedError) as error:
            raise ConfigError(f"{override.input_line}: {error}") from error
    return space


def _add(space: Space, name: str, override: Override) -> None:
    if not override.is_choice_sweep():
        space.distributions[name] = create_optuna_distribution_from_override(override)
        return
    texts = list(override.sweep_string_iterator())
    if not texts:
        raise ValueError("nothing to choose from")
    plain: list[Any] = [_plain(value, text) for value, text in zip(override.sweep_iterator(), texts, strict=True)]
    # 1, 1.0 and true are equal in Python; then their texts tell them apart.
    values = plain if len(set(plain)) == len(plain) else list(dict.fromkeys(texts))
    space.texts[name] = dict(zip(values, texts if values is plain else values, strict=True))
    space.distributions[name] = CategoricalDistribution(values)


def _plain(value: Any, text: str) -> bool | int | float | str | None:
    if isinstance(value, QuotedString):
        return str(value.text)
    return value if value is None or isinstance(value, bool | int | float | str) else text


def _values(distribution: BaseDistribution) -> list[Any] | None:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        steps = round((distribution.high - distribution.low) / distribution.step)
        return [distribution.low + index * distribution.step for index in range(steps)] + [distribution.high]
    return None
