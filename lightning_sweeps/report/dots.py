"""Trials as dots that know which trial they are."""

from collections.abc import Mapping, Sequence
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
