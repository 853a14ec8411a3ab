"""Charts of shares: who is rejected, figures of groups side by side, and how an answer changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.style import (
    ACCENT,
    AXIS,
    MUTED,
    PALE,
    SMALL_TYPE,
    SMALLEST,
    STRANGE,
    WORDS,
    WRONG,
    layout_of,
    lengths,
    styled,
)
from app.foreign_text import chart_text
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.slices import FEWEST
from lesion_core.explain.faithfulness import Curve


def share_dots(
    table: pd.DataFrame, title: str, smallest: int = SMALLEST, colours: Mapping[str, str] | None = None
) -> go.Figure:
    """Shares of groups as dots with intervals; groups under `smallest` images are grey.

    Args:
        table: group, n, share, low, high, from top to bottom; groups that are NaN have no dot.
        title: What the share is, on the axis.
        smallest: Images under which a share says little.
        colours: By group; the others have the accent.
    """
    groups = table["group"].astype(str).tolist()
    names = [chart_text(group) for group in groups]
    value, low, high = (table[c].to_numpy(np.float64) for c in ("share", "low", "high"))
    n = table["n"].to_numpy(np.int64)
    rows: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        rows.setdefault(PALE if n[i] < smallest else (colours or {}).get(group, ACCENT), []).append(i)
    traces = [
        {
            "type": "scatter",
            "x": value[own],
            "y": own,
            "mode": "markers",
            "showlegend": False,
            "cliponaxis": False,
            "marker": {"size": 10, "color": colour},
            "error_x": {**lengths(low[own], value[own], high[own]), "color": colour},
            "customdata": [[names[i], n[i], low[i], high[i]] for i in own],
            "hovertemplate": "%{customdata[0]}: %{x:.1%} (%{customdata[2]:.1%} to %{customdata[3]:.1%}), "
            "n = %{customdata[1]}<extra></extra>",
        }
        for colour, own in rows.items()  # Plotly gives all error bars of a trace one colour
    ]
    labels = [
        f'<span style="color:{MUTED}">{name}, n {c:,}</span>' if c < smallest else f"{name}, n {c:,}"
        for name, c in zip(names, n, strict=True)
    ]
    layout = layout_of(90 + 28 * max(len(groups), 1), margin={"l": 8, "r": 24, "t": 8, "b": 48})
    layout["xaxis"] = AXIS | {
        "range": [-0.01, 1.01],
        "tickformat": ".0%",
        "title": {"text": title, "font": WORDS},
        "fixedrange": True,
    }
    layout["yaxis"] = AXIS | {
        "tickvals": list(range(len(groups))),
        "ticktext": labels,
        "range": [len(groups) - 0.5, -0.5],
        "fixedrange": True,
        "automargin": True,
    }
    return go.Figure(traces, layout)  # at once: each later change is checked against all of Plotly's names again


LINE = 46
"""Pixels of a row of dots, with its value above each."""


def panels(
    rows: Sequence[tuple[str, Mapping[str, Interval]]],
    titles: Mapping[str, str],
    second: Sequence[str] = (),
    fewest: int = FEWEST,
) -> go.Figure:
    """Shares as dots with intervals, a panel per figure, a row per group; of fewer than `fewest` lesions they are grey.

    Args:
        rows: Name and figures of each row, from top to bottom; a figure that is missing or NaN has no dot.
        titles: By key of a figure, what stands above its panel, from left to right.
        second: Figures of another kind, in another colour.
        fewest: Lesions.
    """
    names, keys = [chart_text(name) for name, _ in rows], list(titles)
    gap = 0.03
    wide = (1 - gap * (len(keys) - 1)) / len(keys)
    traces: list[dict[str, Any]] = []
    narrow = max(14, 60 // len(keys))
    layout = layout_of(80 + LINE * len(rows), margin={"l": 8, "r": 16, "t": 50, "b": 24}, annotations=[])
    for i, key in enumerate(keys):
        axis = "" if i == 0 else str(i + 1)
        start = i * (wide + gap)
        layout[f"xaxis{axis}"] = AXIS | {
            "domain": [start, start + wide],
            "anchor": f"y{axis}",
            "range": [-0.06, 1.06],
            "tickvals": [0, 0.5, 1],
            "ticktext": ["0", "0.5", "1"],
            "fixedrange": True,
        }
        layout[f"yaxis{axis}"] = AXIS | {
            "anchor": f"x{axis}",
            "range": [len(rows) - 0.4, -0.6],
            "tickvals": list(range(len(rows))),
            "ticktext": names if i == 0 else [],
            "showticklabels": i == 0,
            "automargin": i == 0,
            "fixedrange": True,
        }
        layout["annotations"].append(
            {
                **{"text": "<br>".join(wrap(chart_text(titles[key]), narrow)), "align": "left"},
                **{
                    "font": WORDS,
                    "showarrow": False,
                    "x": start,
                    "xref": "paper",
                    "xanchor": "left",
                    "y": 1,
                    "yref": "paper",
                    "yanchor": "bottom",
                },
            }
        )
        for y, (name, found) in enumerate(zip(names, (found for _, found in rows), strict=True)):
            if key not in found or np.isnan((one := found[key]).value):
                continue
            value, low, high = (np.array([v]) for v in (one.value, one.low, one.high))
            colour = PALE if one.n_groups < fewest else STRANGE if key in second else ACCENT
            traces.append(
                {
                    "type": "scatter",
                    "x": value,
                    "y": [y],
                    "xaxis": f"x{axis}",
                    "yaxis": f"y{axis}",
                    "mode": "markers+text",
                    "text": [f"{one.value:.2f}"],
                    "textposition": "top center",
                    "textfont": {"size": SMALL_TYPE},
                    "showlegend": False,
                    "cliponaxis": False,
                    "marker": {"size": 9, "color": colour, "symbol": "diamond" if key in second else "circle"},
                    "error_x": {**lengths(low, value, high), "color": colour},
                    "customdata": [[name, chart_text(titles[key]), one.low, one.high, one.n_images, one.n_groups]],
                    "hovertemplate": "%{customdata[0]}, %{customdata[1]}: %{x:.3f} (%{customdata[2]:.3f} to "
                    "%{customdata[3]:.3f}), n = %{customdata[4]:,} images of %{customdata[5]:,} lesions<extra></extra>",
                }
            )
    return go.Figure(traces, layout)


def answer_curves(curves: Mapping[str, Curve]) -> go.Figure:
    """The answer while pixels are deleted or inserted, each with its area.

    Args:
        curves: By ``deletion`` and ``insertion``.
    """
    figure = go.Figure()
    for kind, curve in curves.items():
        figure.add_trace(
            go.Scatter(
                x=curve.share,
                y=curve.answer,
                mode="lines+markers",
                name=f"{chart_text(kind)}, area {curve.area:.3f}",
                line={
                    "color": WRONG if kind == "deletion" else ACCENT,
                    "dash": "solid" if kind == "deletion" else "dash",
                },
                hovertemplate="%{x:.0%} of the pixels: %{y:.1%}<extra></extra>",
            )
        )
    styled(figure, 320)
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%", title_text="pixels changed, the most important first")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title_text="probability of the class")
    return figure
