"""Charts of the page Robustness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.style import BLACK, GRID, INK, MARGIN, SMALL_TYPE, WHITE, colour_of, styled, swatch
from app.robustness.series import OUTCOMES, Outcome
from lesion_core.analysis.predictions import Floats

DASHES = ("solid", "dash", "dot", "dashdot")


def probabilities_by_severity(
    probabilities: Floats, classes: Sequence[str], chosen: int, rejected: Sequence[int], height: int = 300
) -> go.Figure:
    """The probability of every class over the severity, a line each; severities that are rejected lie on grey.

    Args:
        probabilities: (6, K), severity 0 first.
        classes: K codes.
        chosen: The severity that the image is shown at.
        rejected: Severities that the policy rejects.
        height: Pixels.
    """
    figure = go.Figure()
    for severity in rejected:
        figure.add_vrect(x0=severity - 0.5, x1=severity + 0.5, fillcolor=GRID, opacity=0.7, line_width=0, layer="below")
    order = np.argsort(-probabilities.max(axis=0))
    for rank, k in enumerate(order.tolist()):
        named = rank < 4  # the others stay under a few per cent
        figure.add_trace(
            go.Scatter(
                x=list(range(len(probabilities))),
                y=probabilities[:, k],
                mode="lines+markers",
                name=swatch(classes[k]),
                showlegend=named,
                line={"color": colour_of(classes[k]), "width": 3 if named else 1, "dash": DASHES[rank % 4]},
                marker={"size": 8 if named else 4},
                hovertemplate=f"{classes[k]}, severity %{{x}}: %{{y:.1%}}<extra></extra>",
            )
        )
    figure.add_vline(x=chosen, line={"color": INK, "width": 1})
    styled(figure, height, margin={**MARGIN, "t": 30, "l": 44, "b": 40})
    figure.update_xaxes(title_text="severity", dtick=1, range=[-0.5, len(probabilities) - 0.5], fixedrange=True)
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title_text=None, fixedrange=True)
    return figure


def outcomes(rows: Mapping[str, Sequence[Outcome]], names: Mapping[str, str], chosen: tuple[str, int]) -> go.Figure:
    """Every change by every severity as squares that can be clicked; `customdata` is the change's key and severity.

    Args:
        rows: Outcome by severity 1 to 5, by the change's key.
        names: What a person reads for each change.
        chosen: Key and severity of the square to frame.
    """
    keys = list(rows)
    places = [(key, severity) for key in keys for severity in range(1, 1 + len(rows[key]))]
    found = [rows[key][severity - 1] for key, severity in places]
    framed = [place == chosen for place in places]
    height = 60 + 27 * len(keys)
    figure = go.Figure(
        go.Scatter(
            x=[severity for _, severity in places],
            y=[keys.index(key) for key, _ in places],
            mode="markers+text",
            text=[OUTCOMES[one][2] for one in found],
            textfont={"size": SMALL_TYPE, "color": [BLACK if one == "rejected" else WHITE for one in found]},
            customdata=[[key, severity] for key, severity in places],
            marker={
                "symbol": "square",
                "size": 24,
                "opacity": 1,
                "color": [OUTCOMES[one][1] for one in found],
                "line": {
                    "color": [INK if frame else GRID for frame in framed],
                    "width": [3 if f else 1 for f in framed],
                },
            },
            hovertext=[
                f"{names[key]}, severity {severity}: {OUTCOMES[one][0]}"
                for (key, severity), one in zip(places, found, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
    styled(figure, height, showlegend=False, margin={"l": 150, "r": 8, "t": 46, "b": 8}, dragmode=False)
    figure.update_layout(clickmode="event+select")
    figure.update_xaxes(dtick=1, range=[0.4, 5.6], side="top", title_text="severity", showgrid=False, fixedrange=True)
    figure.update_yaxes(
        tickvals=list(range(len(keys))),
        ticktext=[names[key] for key in keys],
        range=[len(keys) - 0.4, -0.6],
        showgrid=False,
        fixedrange=True,
    )
    return figure
