"""Hydra overrides -> a search space."""

import math
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, ListExtensionOverrideValue, Override
from hydra_plugins.hydra_optuna_sweeper._impl import create_optuna_distribution_from_override
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.text import flat, written
from lightning_sweeps.searches.space.choices import choices_of
from lightning_sweeps.searches.space.hydras import without_shuffle
from lightning_sweeps.searches.space.listed import from_file
from lightning_sweeps.searches.space.several import OPTION, is_several, joined
from lightning_sweeps.searches.space.space import MOST_COMBINATIONS, Space
from lightning_sweeps.searches.space.zipped import is_zip, rows, zipped_names

LARGEST_INTEGER = 2**53  # below this Optuna, which keeps numbers as floats, keeps each integer


def parse_space(params: Any, arguments: Sequence[str], config_loader: Any) -> Space:
    """Split ``hydra.sweeper.params`` and the command line, which wins, into the space and the fixed overrides.

    Args:
        params: parameter -> its values as a text; keys may be nested. Or a list of such, of which a trial has one.

    Raises:
        ConfigError: a sweep that is empty or that Optuna cannot draw from.
    """
    parser = OverridesParser.create(config_loader=config_loader)
    if not is_several(params):
        return _parse(params or {}, arguments, parser)
    overrides = parser.parse_overrides(list(arguments))
    typed = {
        identity(one): None if one.is_sweep_override() else str(one.input_line).partition("=")[2] for one in overrides
    }
    parts = []
    for number, one in enumerate(params, start=1):
        if not isinstance(one, Mapping):
            raise ConfigError(f"{OPTION}: part {number} of the list, {one}, is no space: parameters with their values")
        part = _parse(one, (), parser)
        fixed = {name: text.partition("=")[2] for name, text in part.lines if text is not None}
        if all(typed.get(name) in (None, text) for name, text in fixed.items()):
            parts.append(part.without(typed))
    if not parts:
        raise ConfigError(f"{OPTION}: none of the {len(params)} spaces has what was typed, or the list is empty")
    return joined(parts, _parse({}, arguments, parser))


def _parse(params: Mapping[str, Any], arguments: Sequence[str], parser: OverridesParser) -> Space:
    typed = parser.parse_overrides(list(arguments))
    pinned = {identity(override) for override in typed}
    configured = [one for one in parser.parse_overrides(_lines(params)) if identity(one) not in pinned]
    space = Space()
    left_out = {str(one.input_line)[1:] for one in typed if one.is_delete()}
    zips = {name for name, text in flat(params) if is_zip(text)}
    typed = [one for one in typed if not (one.is_delete() and str(one.input_line)[1:] in zips)]
    for name, text in flat(params):
        if is_zip(text) and name not in left_out:
            _add_rows(space, name, text, parser, {identity(one) for one in (*configured, *typed)})
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


def _add_rows(space: Space, name: str, text: str, parser: OverridesParser, taken: Collection[str]) -> None:
    where = f"hydra.sweeper.params.{name}"
    if twice := [one for one in (name, *zipped_names(text)) if one.lstrip("+") in taken]:
        raise ConfigError(f"{where}: {twice[0]} is set twice; leave it out in one place (~{name}: all of {name})")
    try:
        space.rows[name] = rows(text, parser)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
    space.lines.append((name, None))
    space.values[name] = list(space.rows[name])
    space.distributions[name] = CategoricalDistribution(space.values[name])


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


def _lines(params: Mapping[str, Any]) -> list[str]:
    """``hydra.sweeper.params`` as overrides, but for what is zipped."""
    lines = []
    for name, value in flat(params):
        if isinstance(value, Sequence) and not isinstance(value, str):
            items = ",".join(map(str, value))
            raise ConfigError(
                f"hydra.sweeper.params.{name} is a list. "
                f"Write the values to choose from as a text, {name}: {items}, and one list as {name}: '[{items}]'"
            )
        if not is_zip(value):
            try:
                lines.append(f"{name}={from_file(value) if isinstance(value, str) else written(value)}")
            except ValueError as error:
                raise ConfigError(f"hydra.sweeper.params.{name}: {error}") from error
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
    choices = choices_of(ordered)
    if not choices:
        raise ValueError("nothing to choose from")
    space.texts[name] = choices
    space.distributions[name] = CategoricalDistribution(list(choices))
    space.values[name] = _shuffled(override, list(choices))


def _nearly_log(tags: Iterable[str]) -> str | None:
    """A tag that was meant to be ``log``; Hydra lets the user use any."""
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
