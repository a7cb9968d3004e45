"""The values of a choice: as the study keeps them, and as they were typed."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from lightning_sweeps.overrides.text import written


def choices_of(override: Override) -> dict[Any, str]:
    """The different values of a choice as the study keeps them, each with what is typed for it."""
    choices = {(type(value), value): text for value, text in _given(override)}
    values = [value for _, value in choices]
    if len(set(values)) < len(values):  # 1, 1.0 and true are equal in Python; their texts tell them apart
        values = list(choices.values())
    return dict(zip(values, choices.values(), strict=True))


def texts_of(override: Override) -> list[str]:
    """What is typed for each value of a choice or a range, in their order."""
    return [text for _, text in _given(override)]


def _given(override: Override) -> Iterator[tuple[Any, str]]:
    given = zip(override.sweep_iterator(), override.sweep_string_iterator(), strict=True)
    return itertools.starmap(_choice, given)


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
