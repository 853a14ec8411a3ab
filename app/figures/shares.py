"""Charts of shares: who is rejected, and how an answer changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.style import ACCENT, AXIS, MUTED, PALE, SMALLEST, WORDS, WRONG, layout_of, lengths, styled
from app.foreign_text import chart_text
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
