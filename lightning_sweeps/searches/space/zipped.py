"""Values that go together: ``size: zip(model.width=choice(32,64), model.depth=choice(2,3))`` is one parameter."""

import re
from collections.abc import Iterator

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lightning_sweeps.searches.space.choices import texts_of
from lightning_sweeps.searches.space.hydras import without_shuffle

BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def is_zip(text: object) -> bool:
    """Whether a parameter's text has this form. On a command line Hydra's own grammar refuses it."""
    return isinstance(text, str) and re.fullmatch(r"\s*zip\(.*\)\s*", text, re.DOTALL) is not None


def zipped_names(text: str) -> list[str]:
    """What the zipped columns set."""
    return [column.partition("=")[0].strip() for column in _columns(text)]


def rows(text: str, parser: OverridesParser) -> dict[str, list[str]]:
    """The overrides of each row, by the value that the study keeps for it.

    Raises:
        ValueError: a column has no values, or another number of them.
    """
    columns = []
    for column in _columns(text):
        try:
            (override,) = parser.parse_overrides([column])
        except HydraException as error:
            raise ValueError(f"zip: '{column}' cannot be read; write it as model.width=choice(32,64)") from error
        if not override.is_sweep_override() or override.is_delete():
            raise ValueError(f"zip: {column}: each of its parts has values, as model.width=choice(32,64)")
        if not (override.is_choice_sweep() or override.is_range_sweep()):
            raise ValueError(f"zip: {column}: an interval has no finite number of values")
        name, values = override.get_key_element(), texts_of(without_shuffle(override))
        columns.append([f"{name}={value}" for value in values])
    if len(columns) < 2:
        raise ValueError("zip: two parameters at least go together")
    names = [column[0].partition("=")[0] for column in columns]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"zip: {twice} is in it twice")
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{column[0].partition('=')[0]} has {len(column)}" for column in columns)
        raise ValueError(f"zip: its parts have as many values as each other, and {counts}")
    return {" ".join(row): list(row) for row in zip(*columns, strict=True)}


def _columns(text: str) -> Iterator[str]:
    """The parts between the commas that stand in no brackets or quotes."""
    inside = text.strip()[len("zip(") : -1]
    depth, quote, part = 0, "", ""
    for letter in inside:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += BRACKETS.get(letter, 0)
        if letter == "," and not depth and not quote:
            yield part.strip()
            part = ""
        else:
            part += letter
    yield part.strip()
