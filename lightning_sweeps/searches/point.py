"""A point of the space, as the user types it: for the first trials, and for priors."""

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from optuna.distributions import distribution_to_json

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.overrides.text import flat, key_of, written
from lightning_sweeps.searches.space.choices import choices_of
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.store.optunas import contains
from lightning_sweeps.searches.study.opening import typed


def point_of_values(given: Mapping[str, Any], where: str, space: Space) -> dict[str, Any]:
    """The same of values as a config holds them; keys may be nested."""
    texts = {name: str(value) if name in space.rows else written(value) for name, value in flat(given)}
    return point_of(texts, where, space)


def point_of(texts: Mapping[str, str], where: str, space: Space) -> dict[str, Any]:
    """The values that were typed, as the study keeps them.

    What a zip or a list of spaces sets stands for its value. Of parameters with one key, as several spaces have them,
    the first one is meant that may be there and has the value.

    Raises:
        ConfigError: a parameter is not searched, or a value is outside its range.
    """
    named = {name: _named(name, space) for name in texts}
    point = _rows({name: text for name, text in texts.items() if not named[name]}, where, space)
    order = list(space.distributions)  # what others depend on comes first
    for name in sorted(filter(named.get, texts), key=lambda name: order.index(named[name][0])):
        there = [one for one in named[name] if not _is_absent(one, point, space)] or named[name]
        values = {one: value_of(name, texts[name], where, space, one) for one in there}
        fits = [one for one, value in values.items() if contains(space.distributions[one], value)]
        meant = (fits or there)[0]
        point[meant] = values[meant]
    return inside(point, where, space)


def _named(name: str, space: Space) -> list[str]:
    return [one for one in space.distributions if name in (key_of(one), key_of(space.key(one)))]


def _rows(texts: Mapping[str, str], where: str, space: Space) -> dict[str, Any]:
    """The values of zips, or of several spaces, that set these keys."""
    point: dict[str, Any] = {}
    left = dict(texts)
    for parameter, rows in space.rows.items():
        keys = {key_of(line) for lines in rows.values() for line in lines}
        asked = {name: left.pop(name) for name in texts if name in keys}
        if not asked:
            continue
        found = next((value for value, lines in rows.items() if _sets(lines, asked)), None)
        if found is None:
            shown = " ".join(f"{name}={text}" for name, text in asked.items())
            raise ConfigError(f"{where}: no value of {parameter} has {shown}")
        point[parameter] = found
    for name in left:
        raise ConfigError(f"{where}: {name} is not searched.{nearest(name, map(key_of, space.distributions))}")
    return point


def _sets(lines: list[str], asked: Mapping[str, str]) -> bool:
    held = {key_of(line): line.partition("=")[2] for line in lines}
    return all(name in held and same(held[name], text) for name, text in asked.items())


def _is_absent(name: str, point: Mapping[str, Any], space: Space) -> bool:
    """Whether a parameter is not there with these values, as far as they are known."""
    conditions = space.conditions.get(name, ())
    return any(one.name in point and not one.accepts(point[one.name]) for one in conditions)


def value_of(name: str, text: str, where: str, space: Space, key: str) -> Any:
    """The value as the study keeps it.

    Args:
        name: as it was typed.
        key: of the parameter.

    Raises:
        ConfigError: Hydra's grammar has no such value.
    """
    if key in space.rows:
        return text
    try:
        (value, *_) = choices_of(OverridesParser.create().parse_override(f"x={text},{text}"))
    except HydraException as error:
        raise ConfigError(f"{where}: {name}={text} cannot be read") from error
    return value


def inside(point: Mapping[str, Any], where: str, space: Space) -> dict[str, Any]:
    """The point, with values of what its parameters depend on.

    Raises:
        ConfigError: a value is outside, or two of them exclude each other.
    """
    for name, value in point.items():
        if not contains(space.distributions[name], value):
            allowed = typed(distribution_to_json(space.distributions[name]))
            raise ConfigError(f"{where}: {key_of(name)}={value} is outside of {allowed}")
    whole = dict(point)
    for name in point:
        if _is_absent(name, point, space):
            conditions = " and ".join(one.text for one in space.conditions[name])
            raise ConfigError(f"{where}: {key_of(name)} is there only if {conditions}")
        if not space.has(name, whole):  # what it depends on was left out, and would be drawn
            whole = space.with_value(whole, name, point[name])
    return whole


def same(a: str, b: str) -> bool:
    """Whether two texts mean the same value."""
    values = [choices_of(OverridesParser.create().parse_override(f"x={text},{text}")) for text in (a, b)]
    return bool(next(iter(values[0])) == next(iter(values[1])))
