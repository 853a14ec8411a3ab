"""Charts of the tab Somewhere else: lesions in two forms, and trained here, tested there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from app.figures.style import (
    AXIS,
    BLACK,
    GRID,
    SHARES,
    SMALL_TYPE,
    WHITE,
    WHITE_FROM,
    layout_of,
)
from app.foreign_text import chart_text
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.sources import TwoForms

PARTS = {
    "both": ("answered in both forms", "#0072B2", WHITE),
    "only_dermoscopy": ("only as dermoscopy", "#56B4E9", BLACK),
    "only_close_up": ("only as close-up", "#D55E00", BLACK),
    "neither": ("in neither", "#9AA5A6", BLACK),
}
"""What becomes of a lesion in its two forms: words, colour, colour of the number on it: 4.5:1 in either theme."""


def forms(rows: Mapping[str, TwoForms]) -> go.Figure:
    """Lesions by what is answered, a stacked bar per row.

    Args:
        rows: By name.
    """
    names = [f"{chart_text(name)}, n {found.lesions:,}" for name, found in rows.items()]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "y": names,
            "x": [getattr(found, key) / max(found.lesions, 1) for found in rows.values()],
            "name": words,
            "marker": {"color": colour, "line": {"color": GRID, "width": 1}},
            "text": [f"{getattr(found, key):,}" if getattr(found, key) else "" for found in rows.values()],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textangle": 0,
            "textfont": {"size": SMALL_TYPE, "color": ink},
            "hovertemplate": f"{words}: %{{text}} lesions, %{{x:.0%}}<extra></extra>",
        }
        for key, (words, colour, ink) in PARTS.items()
    ]
    layout = layout_of(90 + 44 * len(rows), margin={"l": 8, "r": 16, "t": 40, "b": 24}, barmode="stack", bargap=0.25)
    layout["xaxis"] = AXIS | {"range": [0, 1], "tickformat": ".0%", "fixedrange": True}
    layout["yaxis"] = AXIS | {"type": "category", "autorange": "reversed", "automargin": True, "fixedrange": True}
    return go.Figure(traces, layout)


def matrix(cells: Mapping[tuple[str, str], Interval], rows: Mapping[str, str], columns: Mapping[str, str]) -> go.Figure:
    """What a network that was trained on one source says of another, as squares with its value; where a key is a row
    and a column, the square is framed.

    Args:
        cells: By the keys of row and column.
        rows: What was trained on, from top to bottom: key to name.
        columns: What was tested on, from left to right.
    """
    places = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
    keys = [(list(rows)[i], list(columns)[j]) for i, j in places]
    found = [cells.get(key) for key in keys]
    values = np.array([np.nan if one is None else one.value for one in found])
    at_home = [row == column for row, column in keys]
    images = {column: one.n_images for (_, column), one in cells.items()}
    height = 80 + 62 * len(rows)
    layout = layout_of(height, margin={"l": 8, "r": 8, "t": 62, "b": 8}, showlegend=False, dragmode=False)
    layout["xaxis"] = AXIS | {
        "tickvals": list(range(len(columns))),
        "ticktext": [f"{chart_text(name)}<br>n {images.get(key, 0):,}" for key, name in columns.items()],
        "range": [-0.5, len(columns) - 0.5],
        "side": "top",
        "showgrid": False,
        "fixedrange": True,
    }
    layout["yaxis"] = AXIS | {
        "tickvals": list(range(len(rows))),
        "ticktext": [chart_text(name) for name in rows.values()],
        "range": [len(rows) - 0.5, -0.5],
        "showgrid": False,
        "fixedrange": True,
        "automargin": True,
    }
    return go.Figure(
        {
            "type": "scatter",
            "x": [j for _, j in places],
            "y": [i for i, _ in places],
            "mode": "markers+text",
            "text": ["" if np.isnan(value) else f"{value:.2f}" for value in values],
            "textfont": {"size": 15, "color": [WHITE if value > WHITE_FROM else BLACK for value in values]},
            "customdata": [
                [
                    *(chart_text(rows[row]), chart_text(columns[column])),
                    "none" if one is None else f"{one.low:.3f} to {one.high:.3f}, n = {one.n_images:,} images",
                ]
                for (row, column), one in zip(keys, found, strict=True)
            ],
            "marker": {
                "symbol": "square",
                "size": 52,
                "color": np.nan_to_num(values),
                "colorscale": SHARES,
                "cmin": 0,
                "cmax": 1,
                "opacity": 1,
                "line": {
                    "color": ["#D55E00" if one else GRID for one in at_home],
                    "width": [3 if one else 1 for one in at_home],
                },
            },
            "hovertemplate": "trained on %{customdata[0]}, tested on %{customdata[1]}: %{text} (%{customdata[2]})"
            "<extra></extra>",
        },
        layout,
    )
