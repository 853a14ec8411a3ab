"""Charts of a segmenter's results."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from app.figures.style import ACCENT, MUTED, RIGHT, WRONG, percent, styled


def jaccard_histogram(jaccard: ArrayLike, threshold: float, mine: float | None = None) -> go.Figure:
    """How many images have a mask of each quality; those under the threshold are failures.

    Args:
        jaccard: (N,) in [0, 1].
        threshold: Under which a mask counts as a failure.
        mine: The Jaccard of the image on the page, if its true mask is known.
    """
    values = np.asarray(jaccard, dtype=np.float64)
    edges = np.linspace(0, 1, 41)
    counts, _ = np.histogram(values, edges)
    failed = edges[:-1] < threshold - 1e-9
    figure = go.Figure(
        go.Bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts,
            width=0.022,
            marker={"color": np.where(failed, WRONG, RIGHT).tolist(), "line": {"width": 0}},
            customdata=np.stack([edges[:-1], edges[1:]], axis=1),
            hovertemplate="Jaccard %{customdata[0]:.3f} to %{customdata[1]:.3f}: %{y} images<extra></extra>",
        )
    )
    styled(figure, 320, showlegend=False, bargap=0)
    figure.add_vline(x=threshold, line={"color": ACCENT, "width": 2})
    share = float((values < threshold).mean()) if len(values) else float("nan")
    figure.add_annotation(
        x=threshold,
        y=1,
        yref="paper",
        text=f"failures under {threshold:g}: {percent(share, 1)} ",
        showarrow=False,
        xanchor="right",
        yanchor="top",
        font={"color": ACCENT},
    )
    if mine is not None:
        figure.add_vline(x=mine, line={"color": MUTED, "width": 1.5, "dash": "dot"})
        figure.add_annotation(
            x=mine,
            y=0.86,
            yref="paper",
            text=" this image ",
            showarrow=False,
            yanchor="top",
            xanchor="right" if mine > 0.5 else "left",
            font={"color": MUTED},
        )
    figure.update_xaxes(title_text="Jaccard with the expert's mask", range=[0, 1], fixedrange=True)
    figure.update_yaxes(title_text="images", rangemode="tozero", fixedrange=True)
    return figure
