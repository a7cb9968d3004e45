"""``hydra.sweeper.conditions`` and ``exclude``: what is there, or left out, with certain values of others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from optuna.distributions import CategoricalDistribution, FloatDistribution

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.overrides.text import flat, key_of
from lightning_sweeps.searches.space.choices import choices_of
from lightning_sweeps.searches.space.condition import TEXT, Condition
from lightning_sweeps.searches.space.several import NAME as SPACES
from lightning_sweeps.searches.space.space import Space

OPTION = "hydra.sweeper.conditions"
EXCLUDE = "hydra.sweeper.exclude"
SHOWN_CHOICES = 10


def conditional(space: Space, given: Mapping[str, Any] | None) -> Space:
    """The space with conditions; a parameter comes after those that it depends on.

    A condition on what is fixed is decided here: if it does not hold, the parameter that depends on it is searched no
    more, and not set.

    Args:
        given: parameter -> a condition, or a list of which all must hold; keys may be nested.

    Raises:
        ConfigError: a condition that names no parameter, can never hold, or depends on itself.
    """
    found = _Names(space)
    parsed = {}
    for name, texts in flat(given or {}):
        where = f"{OPTION}.{name}"
        if f"~{name}" in found.known:  # left out on the command line
            continue
        parsed[found.named(name, where)] = [_parse(where, text, found) for text in _texts(where, texts)]
    conditions: dict[str, tuple[Condition, ...]] = {}
    absent: set[str] = set()
    parents_first = _parents_first(space, parsed)
    for name in parents_first:
        if any(one.name in absent or not _can_hold(one, found) for one in parsed.get(name, ())):
            absent.add(name)
        rest = tuple(one for one in parsed.get(name, ()) if one.name in space.distributions)
        if name not in absent and (all_of_them := (*space.conditions.get(name, ()), *rest)):
            conditions[name] = all_of_them
    order = [name for name in parents_first if name in space.distributions.keys() - absent]
    result = replace(
        space,
        distributions={name: space.distributions[name] for name in order},
        lines=[line for line in space.lines if line[0] not in absent],
        conditions=conditions,
    )
    for name in conditions:
        _require_possible(name, result)
    return result


class _Names:
    """What may be meant by a name: a searched parameter, or an override that every trial shares."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.fixed = {name: text.partition("=")[2] for name, text in space.lines if text is not None and "=" in text}
        self.known = {key_of(name): name for name, _ in space.lines}

    def named(self, name: str, where: str) -> str:
        """The name as the space has it.

        Raises:
            ConfigError: there is no such parameter.
        """
        if name not in self.known:
            if any(key_of(line) == name for lines in self.space.rows.get(SPACES, {}).values() for line in lines):
                raise ConfigError(
                    f"{where}: {name} says which space of the list a trial has.\nPut what depends on it into that space"
                )
            hint = nearest(name, self.known) or "\nName it in hydra.sweeper.params or on the command line"
            raise ConfigError(f"{where}: {name} is neither searched nor set.{hint}")
        return self.known[name]

    def values(self, name: str) -> Sequence[Any] | None:
        """The choices of a parameter; None if it is a range of numbers."""
        if name in self.fixed:
            return _values(self.fixed[name])
        distribution = self.space.distributions[name]
        return distribution.choices if isinstance(distribution, CategoricalDistribution) else None


def without(space: Space, excluded: Sequence[Any]) -> Space:
    """The space without combinations.

    Args:
        excluded: each a condition, or a list of conditions all of which a combination meets that is left out.

    Raises:
        ConfigError: a condition names no parameter, the space is infinite, or nothing is left of it.
    """
    if not isinstance(excluded, Sequence) or isinstance(excluded, str):
        raise ConfigError(f"{EXCLUDE}={excluded}: it is a list, of which each part leaves combinations out")
    if not excluded:
        return space
    found, all_of_them = _Names(space), space.combinations()
    if all_of_them is None:
        raise ConfigError(f"{EXCLUDE}: a space with an interval has no combinations to leave out.\nUse {OPTION}")
    parsed = []
    for one in excluded:
        conditions = [_parse(EXCLUDE, text, found) for text in _texts(EXCLUDE, one)]
        if all(_can_hold(condition, found) for condition in conditions):
            parsed.append(tuple(one for one in conditions if one.name in space.distributions))
    result = replace(space, excluded=tuple(parsed))
    if not result.combinations():
        raise ConfigError(f"{EXCLUDE}: it leaves out all {len(all_of_them)} combinations")
    return result


def _texts(where: str, given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, Sequence) or not all(isinstance(one, str) for one in texts):
        raise ConfigError(f"{where}: {given}: a condition is a text as optimizer=sgd, or a list of such texts")
    return list(texts)


def _parse(where: str, text: str, found: _Names) -> Condition:
    parts = TEXT.fullmatch(text)
    if parts is None:
        raise ConfigError(f"{where}: '{text}' is no condition; write parameter=value, or != < <= > >= in its place")
    other = found.named(parts["name"], where)
    compared = parts["operator"].replace("==", "=")
    try:
        values = _values(parts["values"])
    except (HydraException, ValueError) as error:
        raise ConfigError(
            f"{where}: '{text}' cannot be read; values have commas between them, and quotes where needed"
        ) from error
    choices = found.values(other)
    numbers = compared not in ("=", "!=") or choices is None
    if numbers and not all(map(_is_number, [*values, *(one for one in choices or () if one is not None)])):
        raise ConfigError(f"{where}: '{text}' compares numbers, and these are none")
    distribution = found.space.distributions.get(other)
    if compared == "=" and isinstance(distribution, FloatDistribution) and distribution.step is None:
        raise ConfigError(f"{where}: '{text}': of a range of numbers no draw is exactly this one; use <= or >=")
    if choices is not None and not numbers and other not in found.fixed:
        for value in values:
            if value not in choices:
                shown = ", ".join(map(str, choices[:SHOWN_CHOICES]))
                hint = nearest(str(value), map(str, choices))
                raise ConfigError(f"{where}: {parts['name']} is never {value}.{hint} It is one of {shown}")
    return Condition(other, compared, tuple(values), text.strip())


def _values(text: str) -> list[Any]:
    """The values as the study keeps them, of a text with commas between them."""
    (override,) = OverridesParser.create().parse_overrides([f"x={text}"])
    if not override.is_choice_sweep():
        (override,) = OverridesParser.create().parse_overrides([f"x={text},{text}"])
    return list(choices_of(override))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _can_hold(condition: Condition, found: _Names) -> bool:
    """Whether it is not decided, or decided in favour, by what is fixed."""
    return condition.name not in found.fixed or condition.accepts(_values(found.fixed[condition.name])[0])


def _parents_first(space: Space, parsed: Mapping[str, Sequence[Condition]]) -> list[str]:
    """The names in an order in which each comes after those that it depends on; else in the order of the space."""
    names = [name for name, _ in space.lines]
    graph = {name: {one.name for one in (*parsed.get(name, ()), *space.conditions.get(name, ()))} for name in names}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " -> ".join(key_of(name) for name in reversed(error.args[1]))
        raise ConfigError(
            f"{OPTION}: they form a circle: {circle}.\nOne of them must be there without the others"
        ) from error
    order: dict[str, None] = {}

    def add(name: str) -> None:
        for parent in sorted(graph[name], key=names.index):
            add(parent)
        order[name] = None

    for name in names:
        add(name)
    return list(order)


def _require_possible(name: str, space: Space) -> None:
    try:
        space.with_value({}, name, None)
    except LookupError:
        texts = " and ".join(one.text for one in space.conditions[name])
        raise ConfigError(f"{OPTION}.{key_of(name)}: {texts} never holds in this space") from None
