"""One figure."""

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass
class Figure:
    """A drawing with its heading and what must be known to read it."""

    name: str
    title: str
    about: str
    drawing: go.Figure | None  # None: there is nothing to draw, and the lines above say why
