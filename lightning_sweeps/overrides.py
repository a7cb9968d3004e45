"""Overrides as text, in the grammar of Hydra."""

import re
from collections.abc import Iterable


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


def override_value(value: object) -> str:
    """The text of a value, quoted for Hydra's grammar where it must be, and not where a person would not."""
    return str(value) if re.fullmatch(r"[\w./-]+", str(value)) else quoted(str(value))


def quoted(text: str) -> str:
    """The text as a quoted string of Hydra's grammar: there a backslash is special only before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"
