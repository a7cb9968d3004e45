"""Trials as dots and lines that know which trial they are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from lightning_sweeps.report.words import in_words


def dots(trials: Sequence[FrozenTrial], names: Mapping[str, str]) -> dict[str, Any]:
    """Of a scatter trace: its trials' numbers, for the page's selection and its panel, and what the mouse shows.

    Args:
        names: short names of the parameters.
    """
    return {
        "mode": "markers",
        "customdata": [trial.number for trial in trials],
        "text": [in_words(trial, names) for trial in trials],
        "hovertemplate": "%{text}<extra></extra>",
    }


def lines(
    trials: Sequence[FrozenTrial], points: Callable[[FrozenTrial], Iterable[tuple[float, float]]]
) -> dict[str, Any]:
    """The same as lines: one trace with gaps, since a thousand of their own take a browser many seconds.

    Args:
        points: of a trial's line.
    """
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int] = []
    for trial in trials:
        line = [*points(trial), (None, None)]
        x += [one for one, _ in line]
        y += [one for _, one in line]
        numbers += [trial.number] * len(line)
    return {"x": x, "y": y, "customdata": numbers}
