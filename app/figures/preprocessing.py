"""Charts of what preprocessing changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.style import MARGIN, PALE, axis_name, styled
from lesion_core.imaging.arrays import Pixels
from lesion_core.labels import diagnosis


def rgb_histograms(before: Pixels, after: Pixels, height: int = 260) -> go.Figure:
    """The share of pixels at each level of red, green and blue: grey before, coloured after."""
    figure = make_subplots(1, 3, subplot_titles=("Red", "Green", "Blue"), shared_yaxes=True, horizontal_spacing=0.03)
    levels = np.arange(0, 256, 4)
    for c, colour in enumerate(("#B5442C", "#1E7B4F", "#2B62A8")):
        shares = [np.bincount(p[..., c].ravel() // 4, minlength=64) / p[..., c].size for p in (before, after)]
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=shares[0],
                name="original",
                line={"color": PALE, "width": 1},
                fill="tozeroy",
                fillcolor="rgba(154,165,166,0.35)",
                showlegend=c == 0,
                hovertemplate="%{x}: %{y:.1%} before<extra></extra>",
            ),
            1,
            c + 1,
        )
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=shares[1],
                name="processed",
                line={"color": colour, "width": 2.5},
                showlegend=c == 0,
                hovertemplate="%{x}: %{y:.1%} after<extra></extra>",
            ),
            1,
            c + 1,
        )
    styled(figure, height, margin={**MARGIN, "t": 30}, legend={"y": -0.15, "yanchor": "top"})
    figure.update_yaxes(tickformat=".0%", title_text=None)
    figure.update_xaxes(range=[0, 255], dtick=64, title_text=None)
    return figure


def change_of_answer(before: pd.Series[float], after: pd.Series[float], top: int = 5, height: int = 260) -> go.Figure:
    """The most probable diagnoses: an open circle for the image as it is, a full one after the steps.

    Args:
        before: Probability by code.
        after: The same codes.
        top: How many diagnoses, by the larger of the two.
        height: Pixels.
    """
    chosen = pd.concat([before, after], axis=1).max(axis=1).nlargest(top).index[::-1]
    figure = go.Figure()
    for code in chosen:
        entry, x = diagnosis(str(code)), [before[code], after[code]]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[axis_name(entry.code)] * 2,
                mode="lines+markers",
                line={"color": entry.colour, "width": 3},
                marker={
                    "size": 15,
                    "symbol": ["circle-open", "circle"],
                    "color": entry.colour,
                    "line": {"color": entry.colour, "width": 3},
                },
                customdata=["as it is", "after the steps"],
                showlegend=False,
                hovertemplate="%{y}, %{customdata}: %{x:.1%}<extra></extra>",
            )
        )
    styled(
        figure,
        height,
        margin={**MARGIN, "r": 20},
        xaxis={"range": [-0.02, 1.02], "tickformat": ".0%", "title": None},
        yaxis={"title": None},
    )
    return figure
