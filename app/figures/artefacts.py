"""Charts of the tab Artefacts in the wild: shares with an artefact and without it, and slices drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.style import ACCENT, AXIS, INK, MUTED, PALE, WORDS, layout_of, lengths
from app.foreign_text import chart_text
from lesion_core.analysis.small_slices import RandomSlices

SIDES = {"with": ("with it", ACCENT, "circle", -0.16), "without": ("without it", MUTED, "circle-open", 0.16)}
"""The two sides of a slice: words, colour, mark, and how far from the middle of the row it stands."""
A_BIN = 0.05
"""Width of a bar of the chart of spreads."""


def slices(table: pd.DataFrame, names: Mapping[str, str], titles: Mapping[str, str]) -> go.Figure:
    """A share with each artefact and without it as two dots with intervals, a panel per figure, a row per artefact.

    Args:
        table: Rows of `analysis.slices.COLUMNS`; a share of no images has no dot, one that is not `enough` is grey.
        names: By artefact, from top to bottom.
        titles: By figure, from left to right.
    """
    gap, keys = 0.04, list(titles)
    wide = (1 - gap * (len(keys) - 1)) / len(keys)
    layout = layout_of(96 + 38 * len(names), margin={"l": 8, "r": 16, "t": 58, "b": 28}, annotations=[])
    layout["legend"] |= {"y": 1.1}
    traces: list[dict[str, Any]] = []
    for i, figure in enumerate(keys):
        axis, start = "" if i == 0 else str(i + 1), i * (wide + gap)
        layout[f"xaxis{axis}"] = AXIS | {
            **{"domain": [start, start + wide], "anchor": f"y{axis}", "range": [-0.03, 1.03], "tickformat": ".0%"},
            **{"tickvals": [0, 0.5, 1], "fixedrange": True},
        }
        layout[f"yaxis{axis}"] = AXIS | {
            **{"anchor": f"x{axis}", "range": [len(names) - 0.5, -0.5], "tickvals": list(range(len(names)))},
            **{"ticktext": [chart_text(name) for name in names.values()], "showticklabels": i == 0},
            **{"automargin": i == 0, "fixedrange": True},
        }
        layout["annotations"].append(
            {
                **{"text": chart_text(titles[figure]), "font": WORDS, "showarrow": False},
                **{"x": start, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "bottom"},
            }
        )
        rows = table[table["figure"] == figure].set_index("artefact").reindex(list(names))
        for side, (words, colour, mark, beside) in SIDES.items():
            for sure in (True, False):
                own = rows[(rows["enough"] == sure) & rows[f"{side}_value"].notna()]
                value, low, high = (own[f"{side}_{end}"].to_numpy(np.float64) for end in ("value", "low", "high"))
                shown = colour if sure else PALE
                traces.append(
                    {
                        **{"type": "scatter", "mode": "markers", "cliponaxis": False, "name": words},
                        **{"x": value, "y": [list(names).index(key) + beside for key in own.index]},
                        **{"xaxis": f"x{axis}", "yaxis": f"y{axis}", "legendgroup": side},
                        "showlegend": False,
                        "marker": {"size": 9, "color": shown, "symbol": mark, "line": {"width": 2, "color": shown}},
                        "error_x": {**lengths(low, value, high), "color": shown},
                        "customdata": [
                            [chart_text(names[str(key)]), int(row[f"{side}_n"]), int(row[f"{side}_lesions"]), a, b]
                            for (key, row), a, b in zip(own.iterrows(), low, high, strict=True)
                        ],
                        "hovertemplate": f"%{{customdata[0]}}, {words}: %{{x:.1%}} (%{{customdata[3]:.1%}} to "
                        "%{customdata[4]:.1%}), n = %{customdata[1]:,} images of %{customdata[2]:,} lesions"
                        "<extra></extra>",
                    }
                )
    for side, (words, colour, mark, _) in SIDES.items():  # a trace without dots has no entry in the legend
        look = {"size": 9, "color": colour, "symbol": mark, "line": {"width": 2, "color": colour}}
        traces.append(
            {
                **{"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": words, "marker": look},
                **{"legendgroup": side, "showlegend": True},
            }
        )
    return go.Figure(traces, layout)


def spreads(found: RandomSlices) -> go.Figure:
    """How often the best slice and the worst of a draw lie so far apart, with the median and the largest in 20."""
    edges = np.arange(0, 1 + A_BIN / 2, A_BIN)
    counts, _ = np.histogram(found.spreads - 1e-9, edges)  # a spread at an edge belongs to the bar that ends there
    layout = layout_of(300, margin={"l": 8, "r": 16, "t": 56, "b": 48}, showlegend=False, bargap=0.05)
    middle, rare = found.spread(0.5), found.spread(0.95)
    layout["xaxis"] = AXIS | {
        "range": [0, 1],
        "tickformat": ".0%",
        "title": {"text": "best minus worst share of melanomas found", "font": WORDS},
        "fixedrange": True,
    }
    layout["yaxis"] = AXIS | {"tickformat": ".0%", "automargin": True, "rangemode": "tozero", "fixedrange": True}
    layout["shapes"] = [
        {
            **{"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1},
            "line": {"color": INK, "width": 2, "dash": dash},
        }
        for at, dash in ((middle, "solid"), (rare, "dot"))
    ]
    layout["annotations"] = [
        {
            **{"text": text, "x": at, "xanchor": "left" if at < 0.5 else "right", "y": y, "yref": "paper"},
            **{"yanchor": "bottom", "showarrow": False, "font": WORDS},
        }
        for at, text, y in (
            (middle, f"half of the draws: {100 * middle:.0f} points or more", 1.09),
            (rare, f"one in 20: {100 * rare:.0f} points or more", 1.0),
        )
    ]
    bars = {
        **{"type": "bar", "x": (edges[:-1] + edges[1:]) / 2, "y": counts / counts.sum(), "width": 0.95 * A_BIN},
        "marker": {"color": ACCENT},
        "hovertemplate": "about %{x:.0%} apart: %{y:.1%} of the draws<extra></extra>",
    }
    return go.Figure([bars], layout)
