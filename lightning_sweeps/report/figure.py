"""One figure."""

from dataclasses import dataclass

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState


@dataclass
class Figure:
    """A drawing with its heading and what must be known to read it."""

    name: str
    title: str
    about: str
    drawing: go.Figure | None  # None: there is nothing to draw, and why stands above


def complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
