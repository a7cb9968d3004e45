"""Overrides as text, in the grammar of Hydra."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any


def replaced(overrides: Iterable[str], changed: Iterable[str]) -> list[str]:
    """The overrides with others in their places.

    >>> replaced(["model=mlp", "seed=1"], ["seed=2"])
    ['model=mlp', 'seed=2']
    """
    changed = list(changed)
    keys = {key_of(override) for override in changed}
    return [*(override for override in overrides if key_of(override) not in keys), *changed]


def key_of(override: str) -> str:
    """What an override sets: ``a.b`` of ``+a.b=1``."""
    return override.lstrip("+").partition("=")[0]


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """What is in nested mappings, under names with dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def override_value(value: object) -> str:
    """The text of a value, quoted for Hydra's grammar where it must be, and not where the user would not."""
    return str(value) if re.fullmatch(r"[\w./-]+", str(value), re.ASCII) else quoted(str(value))


def quoted(text: str) -> str:
    """The text as a quoted string of Hydra's grammar: there a backslash is special only before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"


def written(value: Any) -> str:
    """The value in Hydra's grammar, whatever it holds."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(str(key))}:{written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(written, value)) + "]"
    return quoted(str(value))


def _key(text: str) -> str:
    """In Hydra's grammar a key has no quotes."""
    return re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", text)
