"""Arguments of Optuna's samplers and pruners, compared with their annotations before anything is drawn."""

import builtins
import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightning_sweeps.errors import ConfigError

# The least value, by the beginning of an argument's name. Optuna itself finds out in the middle of a search.
LEAST = {
    "n_startup_": 0,
    "n_warmup_": 0,
    "n_min_": 1,
    "n_ei_": 1,
    "popsize": 1,
    "population_size": 2,
    "min_resource": 1,
    "max_resource": 1,
    "reduction_factor": 2,
    "interval_steps": 1,
    "patience": 0,
}
NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def require_kinds(where: str, built: type, given: Mapping[str, Any]) -> None:
    """Refuse an argument whose type is not the one that the class declares.

    Args:
        where: the config key of the arguments.
        given: name -> value, in plain values.

    Raises:
        ConfigError: names the argument and the kind.
    """
    made_by = inspect.unwrap(vars(built).get("__init__", built))
    try:
        hints = typing.get_type_hints(made_by, localns=_Names(made_by))
    except Exception:  # noqa: BLE001 (annotations are anybody's)
        return
    for name, value in given.items():
        least = next((number for part, number in LEAST.items() if name.startswith(part)), None)
        if least is not None and isinstance(value, int | float) and value < least:
            raise ConfigError(f"{where}.{name}={value}: this must be at least {least}")
        if name in hints and not _fits(value, hints[name]):
            wanted = [_named(kind) for kind in _members(hints[name]) if kind is not type(None)]
            raise ConfigError(f"{where}.{name}={value}: this must be {' or '.join(wanted)}")


class _Names(dict[str, Any]):
    """Resolves names in annotations. Many are imported for type checkers only; a missing name fits anything."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        known = (vars(builtins), vars(typing), vars(collections.abc), getattr(function, "__globals__", {}))
        for names in known:
            self.update(names)

    def __missing__(self, name: str) -> Any:
        return Any


def _named(kind: Any) -> str:
    kind = typing.get_origin(kind) or kind
    return NAMES.get(kind) or f"a {getattr(kind, '__name__', kind)}, which a config gives by its _target_"


def _members(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of this type. Types that are unknown here accept everything."""
    for member in _members(hint):
        kind = typing.get_origin(member) or member
        if kind is Callable or kind is typing.Callable:
            fits = callable(value) or isinstance(value, Mapping)  # a config of a function
        elif kind is float:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        elif kind in (int, bool, str):
            fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        elif kind is type(None):
            fits = value is None
        elif kind in (list, tuple, Sequence):
            fits = isinstance(value, list | tuple)
        elif isinstance(kind, type) and kind.__module__.startswith("optuna."):
            fits = isinstance(value, kind | Mapping)
        else:
            fits = True
        if fits:
            return True
    return False
