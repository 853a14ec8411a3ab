"""Charts of whether a map knows which answers are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.figures.style import ACCENT, AXIS, INK, MUTED, WORDS, layout_of, lengths
from app.foreign_text import chart_text

LEAST, MOST = 0.3, 1.0
"""Ends of the axis, where no interval reaches further."""


@dataclass(frozen=True)
class Dot:
    """An AUROC with its interval.

    Attributes:
        name: What it is of.
        value: In [0, 1], as are `low` and `high`; NaN has no dot.
        low: Lower end of its interval.
        high: Upper end.
        n: Images.
        reference: Drawn in another colour and form: what the others are compared with.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    reference: bool = False

    @property
    def words(self) -> str:
        """The figure and its interval."""
        return in_words(self.value, self.low, self.high)


def in_words(value: float, low: float, high: float) -> str:
    """An AUROC with its interval, as text."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.3f}" + (f" ({low:.3f} to {high:.3f})" if np.isfinite(low) else "")


def auroc_dots(dots: Sequence[Dot]) -> go.Figure:
    """AUROCs as dots with intervals, from top to bottom, each with its figure at the right, and the line of a coin."""
    ends = [end for dot in dots for end in (dot.value, dot.low, dot.high) if np.isfinite(end)]
    least, most = min([LEAST, *ends]), MOST
    traces = [
        {
            "type": "scatter",
            "x": [dot.value for dot in own],
            "y": [place for place, dot in enumerate(dots) if dot.reference == reference],
            "mode": "markers",
            "showlegend": False,
            "cliponaxis": False,
            "marker": {"size": 12, "color": colour, "symbol": "diamond" if reference else "circle"},
            "error_x": {**_error_bars(own), "color": colour},
            "customdata": [[chart_text(dot.name), dot.words, dot.n] for dot in own],
            "hovertemplate": "%{customdata[0]}: %{customdata[1]}, n = %{customdata[2]:,}<extra></extra>",
        }
        for reference, colour in ((False, ACCENT), (True, INK))
        if (own := [dot for dot in dots if dot.reference == reference])
    ]
    layout = layout_of(84 + 40 * len(dots), margin={"l": 8, "r": 176, "t": 26, "b": 48})
    layout["xaxis"] = AXIS | {
        "range": [least - 0.02, most + 0.01],
        "title": {"text": 'AUROC for "the answer is right"', "font": WORDS},
        "fixedrange": True,
    }
    layout["yaxis"] = AXIS | {
        "tickvals": list(range(len(dots))),
        "ticktext": [chart_text(dot.name) for dot in dots],
        "range": [len(dots) - 0.5, -0.5],
        "fixedrange": True,
        "automargin": True,
    }
    layout["shapes"] = [
        {
            "type": "line",
            "x0": 0.5,
            "x1": 0.5,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": MUTED, "dash": "dot"},
        }
    ]
    coin = {
        "x": 0.5,
        "y": 1.0,
        "yref": "paper",
        "yanchor": "bottom",
        "text": "a coin",
        "showarrow": False,
        "font": WORDS,
    }
    layout["annotations"] = [coin, *(_figure_of(dot, place) for place, dot in enumerate(dots))]
    return go.Figure(traces, layout)


def _error_bars(dots: Sequence[Dot]) -> Mapping[str, object]:
    low, value, high = (np.array([getattr(dot, name) for dot in dots]) for name in ("low", "value", "high"))
    return lengths(low, value, high)


def _figure_of(dot: Dot, place: int) -> Mapping[str, object]:
    """The figure in words, right of the axis."""
    return {
        "x": 1.0,
        "xref": "paper",
        "xanchor": "left",
        "xshift": 10,
        "y": place,
        "text": dot.words,
        "showarrow": False,
        "font": {"size": WORDS["size"], "color": INK},
    }
