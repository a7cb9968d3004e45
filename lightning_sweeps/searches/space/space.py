"""Hydra overrides <-> Optuna distributions."""

import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, ListExtensionOverrideValue, Override, QuotedString
from hydra.errors import HydraException
from hydra_plugins.hydra_optuna_sweeper._impl import create_optuna_distribution_from_override
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import Trial

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.text import quoted, written
from lightning_sweeps.searches.space.hydras import without_shuffle

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
    """

    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    texts: dict[str, dict[Any, str]] = field(default_factory=dict)
    values: dict[str, Sequence[Any]] = field(default_factory=dict)
    lines: list[tuple[str, str | None]] = field(default_factory=list)

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """The overrides for these values, including the fixed ones."""
        known = {name for name, text in self.lines if text is None}
        added = [(name, None) for name in params if name not in known]  # by a custom search space
        return [
            f"{name}={self._text(name, params[name])}" if text is None else text
            for name, text in [*self.lines, *added]
            if text is not None or name in params
        ]

    @property
    def fixed(self) -> list[str]:
        """What every trial shares."""
        return [text for _, text in self.lines if text is not None]

    def combinations(self) -> list[dict[str, Any]] | None:
        """All points in the order of Hydra's own sweeper, the last parameter fastest; None for an infinite space."""
        columns = [self.values.get(name, ()) for name in self.distributions]
        if not 0 < math.prod(map(len, columns)) <= MOST_COMBINATIONS:
            return None
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
    parser = OverridesParser.create(config_loader=config_loader)
    typed = parser.parse_overrides(list(arguments))
    pinned = {identity(override) for override in typed}
    configured = [one for one in parser.parse_overrides(_lines(params or {})) if identity(one) not in pinned]
    space = Space()
    for override in _in_force([*configured, *typed]):
        name = override.get_key_element()
        if not override.is_sweep_override():
            space.lines.append((name, str(override.input_line)))
            continue
        space.lines.append((name, None))
        try:
            _add(space, name, override)
        except (ValueError, AssertionError, NotImplementedError) as error:
            raise ConfigError(
                f"{override.input_line}: {str(error) or 'Hydra has no way to sweep over this'}"
            ) from error
    return space


def identity(override: Override) -> str:
    """What an override sets or takes away, whatever its prefix: ``a.b``, ``group@package``."""
    key = override.key_or_group
    return key if override.package is None else f"{key}@{override.package}"


def _in_force(overrides: Sequence[Override]) -> list[Override]:
    """Drop the sweeps whose values a later override replaces: nothing depends on them."""
    return [
        one
        for index, one in enumerate(overrides)
        if not (one.is_sweep_override() and any(_replaces(later, one) for later in overrides[index + 1 :]))
    ]


def _replaces(later: Override, one: Override) -> bool:
    """Whether an override replaces an earlier one. A dict is merged into what is there, ``extend_list`` adds to it."""
    if identity(later) != identity(one) or later.is_list_extend():
        return False
    value = later.value()
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    return not any(isinstance(one, dict | ListExtensionOverrideValue) for one in values)


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    """Have the sampler draw a parameter of a trial."""
    match distribution:
        case FloatDistribution():
            trial.suggest_float(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
        case IntDistribution():
            trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
        case CategoricalDistribution():
            trial.suggest_categorical(name, distribution.choices)


def _lines(params: Mapping[str, Any], prefix: str = "") -> list[str]:
    """``hydra.sweeper.params`` as overrides; keys may be nested."""
    lines = []
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            lines += _lines(value, f"{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            items = ",".join(map(str, value))
            raise ConfigError(
                f"hydra.sweeper.params.{name} is a list. "
                f"Write the values to choose from as a text, {name}: {items}, and one list as {name}: '[{items}]'"
            )
        else:
            lines.append(f"{name}={value if isinstance(value, str) else written(value)}")
    return lines


def _add(space: Space, name: str, override: Override) -> None:
    if override.is_delete():
        raise ValueError("what is deleted cannot be searched; leave the values out")
    if name in space.distributions:
        raise ValueError("the same is searched twice")
    if not override.is_choice_sweep() and (tag := _nearly_log(getattr(override.value(), "tags", ()))):
        raise ValueError(f"tag({tag},...) draws on no logarithmic scale; that tag is log")
    ordered = without_shuffle(override)
    distribution = None if override.is_choice_sweep() else create_optuna_distribution_from_override(ordered)
    if isinstance(distribution, IntDistribution) and _largest(distribution) >= LARGEST_INTEGER:
        raise ValueError("Optuna keeps no integers from 2**53 on in a range; write those that you mean, with commas")
    if isinstance(distribution, FloatDistribution) and not math.isfinite(distribution.high - distribution.low):
        raise ValueError("a range has two finite ends")
    if isinstance(distribution, IntDistribution | FloatDistribution):
        space.distributions[name] = distribution
        if override.is_range_sweep() and _count(distribution) <= MOST_COMBINATIONS:
            space.values[name] = _shuffled(override, list(ordered.sweep_iterator()))
        return
    given = zip(ordered.sweep_iterator(), ordered.sweep_string_iterator(), strict=True)
    choices = {(type(value), value): text for value, text in itertools.starmap(_choice, given)}
    if not choices:
        raise ValueError("nothing to choose from")
    values = [value for _, value in choices]
    if len(set(values)) < len(values):  # 1, 1.0 and true are equal in Python; their texts tell them apart
        values = list(choices.values())
    space.texts[name] = dict(zip(values, choices.values(), strict=True))
    space.distributions[name] = CategoricalDistribution(values)
    space.values[name] = _shuffled(override, list(values))


def _nearly_log(tags: Iterable[str]) -> str | None:
    """A tag that was meant to be ``log``; Hydra lets a person use any."""
    return next((tag for tag in tags if tag != "log" and get_close_matches("log", [tag.lower()], cutoff=0.6)), None)


def _shuffled(override: Override, values: list[Any]) -> Sequence[Any]:
    """The values in the order in which they run. The same command always shuffles them in the same way."""
    if getattr(override.value(), "shuffle", False):
        random.Random(str(override.input_line)).shuffle(values)  # noqa: S311
    return values


def _largest(distribution: IntDistribution) -> int:
    return max(abs(distribution.low), abs(distribution.high))


def _count(distribution: IntDistribution | FloatDistribution) -> float:
    return (distribution.high - distribution.low) / distribution.step + 1 if distribution.step else math.inf


def _choice(value: Any, text: str) -> tuple[bool | int | float | str | None, str]:
    """The value as the study keeps it, and what is typed for it."""
    if isinstance(value, QuotedString):
        return str(value.text), text
    if isinstance(value, str | list | dict):  # Hydra takes away the quotes of a text inside of choice(...)
        try:
            value = OverridesParser.create().parse_override(f"x={text}").value()
        except HydraException:
            text = written(value)
    return (value if _is_plain(value) else text), text


def _is_plain(value: Any) -> bool:
    """Whether it can be compared. Not-a-number equals nothing, not even itself."""
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
