"""The charts of the pages of results: data in, a Plotly figure out. No Streamlit, no files, no model.

Diagnoses have the colours of `lesion_core.labels`. Right, wrong and strange differ in lightness as well as in
hue, and what is a threshold or a reference is a line with words on it, so that no chart needs colour to be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from plotly.subplots import make_subplots

from lesion_core.labels import diagnosis

if TYPE_CHECKING:
    from lesion_core.explain.faithfulness import Curve

INK, MUTED, GRID, PALE = "#1C2B2D", "#6B7A7C", "#E3E8E6", "#B9C4C3"
ACCENT = "#0B6E75"
RIGHT, WRONG, STRANGE = "#8CC0C2", "#1C2B2D", "#8561A8"
"""Pictures with a correct answer, with a wrong one, and pictures that are no lesion."""
SHARES = [[0.0, "#F4F7F6"], [0.25, "#BFDCDD"], [0.5, "#74B3B6"], [0.75, "#2F868B"], [1.0, "#064A50"]]
"""Shares from 0 to 1 in one hue, light to dark."""
SIDES = {"benign": "#2C6E9B", "malignant": "#9C3D00"}

SMALLEST = 20
"""Pictures of a group under which its share says little."""


def colour_of(code: str) -> str:
    """The colour of a diagnosis, or of a side of benign against malignant.

    Raises:
        DataError: The code is unknown.
    """
    return SIDES[code] if code in SIDES else diagnosis(code).colour


def name_of(code: str) -> str:
    """The plain name of a diagnosis, or of a side of benign against malignant."""
    return code if code in SIDES else diagnosis(code).name


def percent(value: float, digits: int = 0) -> str:
    """A share as text: 0.873 is '87 %', NaN is 'none'."""
    return f"{100 * value:.{digits}f} %" if np.isfinite(value) else "none"


def _swatch(code: str) -> str:
    return f'<span style="color:{colour_of(code)}">■</span> {code}'


def _styled(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    figure.update_layout(
        **{
            "height": height,
            "margin": {"l": 56, "r": 16, "t": 32, "b": 48},
            "plot_bgcolor": "rgba(0,0,0,0)",
            "paper_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": INK, "size": 13},
            "hoverlabel": {"font": {"size": 13}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None},
            **layout,
        }
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, title_font_color=MUTED)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, title_font_color=MUTED)
    return figure


def _lengths(low: NDArray[np.float64], value: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, Any]:
    """Error bars from interval ends, as the lengths that Plotly wants."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "thickness": 1.5,
        "width": 0,
    }


def confusion_matrix(
    counts: ArrayLike, classes: Sequence[str], n: ArrayLike, chosen: tuple[str, str] | None = None, height: int = 470
) -> go.Figure:
    """The confusion matrix as square markers that can be clicked; `customdata` is truth, prediction, count.

    Args:
        counts: (K, K), true class by row, predicted class by column.
        classes: K codes.
        n: (K,) pictures of each true class; more than its row adds up to where a picture is undecided.
        chosen: Truth and prediction of a cell to frame.
        height: Pixels.

    Returns:
        One trace of K * K points, row by row. A class without pictures has empty, uncoloured cells.
    """
    cells, totals = np.asarray(counts), np.asarray(n, dtype=np.float64)
    k = len(classes)
    share = np.divide(cells, totals[:, None], out=np.full(cells.shape, np.nan), where=totals[:, None] > 0)
    places = [(i, j) for i in range(k) for j in range(k)]
    values = share.ravel()
    text = [
        "" if np.isnan(s) else f"<b>{c:,}</b><br>{100 * s:.0f} %" if c else "·"
        for c, s in zip(cells.ravel(), values, strict=True)
    ]
    framed = [chosen == (classes[i], classes[j]) for i, j in places]
    ink = ["#FFFFFF" if s > 0.55 else INK for s in values]
    figure = go.Figure(
        go.Scatter(
            x=[j for _, j in places],
            y=[i for i, _ in places],
            mode="markers+text",
            text=text,
            textfont={"size": 12 if k > 2 else 18, "color": ink},
            customdata=[[classes[i], classes[j], int(cells[i, j])] for i, j in places],
            marker={
                "symbol": "square",
                "size": (height - 90) / k - 3,
                "color": np.nan_to_num(values),
                "colorscale": SHARES,
                "cmin": 0,
                "cmax": 1,
                "opacity": 1,
                "line": {"color": ["#D55E00" if f else GRID for f in framed], "width": [3 if f else 1 for f in framed]},
            },
            hovertemplate="truth %{customdata[0]}, the model says %{customdata[1]}: "
            "%{customdata[2]} pictures<extra></extra>",
            # A click marks the cell by its frame; the others stay readable.
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
    ticks = list(range(k))
    _styled(
        figure,
        height,
        showlegend=False,
        margin={"l": 120, "r": 8, "t": 66, "b": 8},
        dragmode=False,
        clickmode="event+select",
    )
    figure.update_xaxes(
        tickvals=ticks,
        ticktext=[_swatch(c) for c in classes],
        side="top",
        range=[-0.5, k - 0.5],
        showgrid=False,
        title="the model says",
        constrain="domain",
        fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=ticks,
        range=[k - 0.5, -0.5],
        showgrid=False,
        title="the truth is",
        scaleanchor="x",
        ticktext=[f"{_swatch(c)}, n {int(t):,}" for c, t in zip(classes, totals, strict=True)],
        constrain="domain",
        fixedrange=True,
    )
    return figure


CLASS_METRICS = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision": "Precision",
    "f1": "F1",
    "auroc": "AUROC",
}


def per_class(table: pd.DataFrame, classes: Sequence[str]) -> go.Figure:
    """Figures of each class as dots with intervals, one panel a metric.

    Args:
        table: Long form, with class, metric, value, low, high, n_images. A figure that is NaN has no dot.
        classes: Codes from top to bottom.
    """
    figure = make_subplots(
        1, len(CLASS_METRICS), shared_yaxes=True, subplot_titles=list(CLASS_METRICS.values()), horizontal_spacing=0.025
    )
    by_metric = table.set_index(["metric", "class"])
    for column, (key, name) in enumerate(CLASS_METRICS.items(), start=1):
        rows = by_metric.loc[key].reindex(list(classes))
        value, low, high = (rows[c].to_numpy(np.float64) for c in ("value", "low", "high"))
        for i, code in enumerate(classes):
            one = slice(i, i + 1)
            figure.add_trace(
                go.Scatter(
                    x=value[one],
                    y=[code],
                    mode="markers",
                    showlegend=False,
                    marker={"size": 9, "color": colour_of(code)},
                    error_x={**_lengths(low[one], value[one], high[one]), "color": colour_of(code)},
                    customdata=[[low[i], high[i], name_of(code)]],
                    hovertemplate=f"{name}, %{{customdata[2]}}: %{{x:.3f}} (%{{customdata[0]:.3f}} to "
                    "%{customdata[1]:.3f})<extra></extra>",
                ),
                row=1,
                col=column,
            )
    _styled(figure, 80 + 36 * len(classes), margin={"l": 96, "r": 16, "t": 32, "b": 32})
    figure.update_xaxes(range=[-0.03, 1.03], tickvals=[0, 0.5, 1], fixedrange=True)
    figure.update_yaxes(categoryorder="array", categoryarray=list(classes)[::-1], fixedrange=True)
    figure.update_yaxes(tickvals=list(classes), ticktext=[_swatch(c) for c in classes], col=1)
    return figure


def runs_side_by_side(
    tables: Mapping[str, pd.DataFrame], metrics: Mapping[str, str], chosen: str, height: int = 470
) -> go.Figure:
    """Figures of several runs as dots with intervals, under each figure a row a run.

    Args:
        tables: By run: value, low, high by metric. A figure that is NaN has no dot.
        metrics: Key to name, from top to bottom.
        chosen: The run that is marked.
        height: Pixels.
    """
    figure = go.Figure()
    ticks: dict[float, str] = {}
    row, lowest = 0.0, 0.8
    for key, name in metrics.items():
        ticks[row] = f"<b>{name}</b>"
        for run, table in tables.items():
            row += 1
            found = table.loc[key]
            value, low, high = (found[[c]].to_numpy(np.float64) for c in ("value", "low", "high"))
            lowest = float(np.nanmin([lowest, value[0], low[0]]))
            colour = ACCENT if run == chosen else MUTED
            ticks[row] = f'<span style="color:{colour}">{run}</span>'
            figure.add_trace(
                go.Scatter(
                    x=value,
                    y=[row],
                    mode="markers",
                    showlegend=False,
                    cliponaxis=False,
                    marker={"size": 10, "color": colour, "symbol": "circle" if run == chosen else "circle-open"},
                    error_x={**_lengths(low, value, high), "color": colour},
                    customdata=[[run, name, low[0], high[0]]],
                    hovertemplate="%{customdata[0]}, %{customdata[1]}: %{x:.3f} (%{customdata[2]:.3f} to "
                    "%{customdata[3]:.3f})<extra></extra>",
                )
            )
            text = f"{value[0]:.3f}" if np.isfinite(value[0]) else "none"
            figure.add_annotation(
                x=1.03, xref="paper", y=row, text=text, showarrow=False, xanchor="left", font={"color": colour}
            )
        row += 1.3
    _styled(figure, height, margin={"l": 8, "r": 48, "t": 8, "b": 32})
    figure.update_xaxes(range=[lowest - 0.04, 1.0], dtick=0.1, fixedrange=True)
    figure.update_yaxes(
        tickvals=list(ticks),
        ticktext=list(ticks.values()),
        range=[row - 0.5, -0.7],
        showgrid=False,
        fixedrange=True,
        automargin=True,
    )
    return figure


def roc_by_class(curves: pd.DataFrame, auroc: Mapping[str, float]) -> go.Figure:
    """ROC curves, one a class in its colour, with the area in the legend.

    Args:
        curves: class, fpr, tpr.
        auroc: Area by class; classes that are missing in `curves` are left out.
    """
    figure = go.Figure(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="guessing, 0.500",
            hoverinfo="skip",
            line={"color": PALE, "dash": "dot", "width": 1.5},
        )
    )
    for code, rows in curves.groupby("class", sort=False):
        area = auroc.get(str(code), float("nan"))
        figure.add_trace(
            go.Scatter(
                x=rows["fpr"],
                y=rows["tpr"],
                mode="lines",
                name=f"{code}, {area:.3f}",
                line={"color": colour_of(str(code)), "width": 2},
                hovertemplate=f"{name_of(str(code))}: finds %{{y:.1%}}, false alarms %{{x:.1%}}<extra></extra>",
            )
        )
    _styled(figure, 460, legend={"orientation": "v", "x": 1.02, "y": 1, "title": "class, AUROC"})
    figure.update_xaxes(title="false alarms (1 - specificity)", range=[-0.01, 1.01], tickformat=".0%")
    figure.update_yaxes(title="found (sensitivity)", range=[-0.01, 1.01], tickformat=".0%")
    return figure


def reliability_diagram(before: pd.DataFrame, after: pd.DataFrame) -> go.Figure:
    """Accuracy against confidence, before and after the temperature; the diagonal is honest.

    Args:
        before, after: Rows of `lesion_core.analysis.calibration.reliability`; empty bins are left out.
    """
    figure = go.Figure(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="honest",
            hoverinfo="skip",
            line={"color": PALE, "dash": "dot", "width": 1.5},
        )
    )
    for table, name, colour, symbol in (
        (before, "before the temperature", MUTED, "circle-open"),
        (after, "after it", ACCENT, "circle"),
    ):
        rows = table[table["n"] > 0]
        value, low, high = (rows[c].to_numpy(np.float64) for c in ("accuracy", "accuracy_low", "accuracy_high"))
        figure.add_trace(
            go.Scatter(
                x=rows["confidence"],
                y=value,
                mode="lines+markers",
                name=name,
                marker={"size": 9, "symbol": symbol},
                line={"color": colour, "width": 1.5},
                error_y=_lengths(low, value, high),
                customdata=rows["n"],
                hovertemplate="confidence %{x:.2f}, right %{y:.1%}, n = %{customdata}<extra></extra>",
            )
        )
    _styled(figure, 440)
    figure.update_xaxes(title="the model's confidence (mean of a bin)", range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(title="share that is right", range=[0, 1.02], tickformat=".0%")
    return figure


def training_history(history: pd.DataFrame, best_epoch: int | None) -> go.Figure:
    """Loss and balanced accuracy by epoch, train and select.

    Args:
        history: Long form: epoch, phase, metric, value. What is not there is not drawn.
        best_epoch: Where to draw the line of the chosen epoch.
    """
    panels = {"loss": "Loss", "balanced_accuracy": "Balanced accuracy"}
    figure = make_subplots(1, 2, subplot_titles=list(panels.values()), horizontal_spacing=0.09)
    for column, metric in enumerate(panels, start=1):
        for phase, colour, dash in (("train", MUTED, "dash"), ("select", ACCENT, "solid")):
            rows = history[(history["phase"] == phase) & (history["metric"] == metric)].sort_values("epoch")
            if rows.empty:
                continue
            figure.add_trace(
                go.Scatter(
                    x=rows["epoch"] + 1,
                    y=rows["value"],
                    mode="lines+markers",
                    name=f"{panels[metric].lower()}, {phase}",
                    line={"color": colour, "dash": dash, "width": 2},
                    marker={"size": 6},
                    hovertemplate="epoch %{x}: %{y:.3f}<extra></extra>",
                ),
                row=1,
                col=column,
            )
    if best_epoch is not None:
        figure.add_vline(x=best_epoch + 1, line={"color": INK, "dash": "dot", "width": 1})
    _styled(figure, 380, legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0})
    figure.update_xaxes(title="epoch", dtick=1 if history["epoch"].nunique() <= 20 else None)
    return figure


def share_dots(
    table: pd.DataFrame, title: str, smallest: int = SMALLEST, colours: Mapping[str, str] | None = None
) -> go.Figure:
    """Shares of groups as dots with intervals; groups under `smallest` pictures are grey.

    Args:
        table: group, n, share, low, high, from top to bottom; groups that are NaN have no dot.
        title: What the share is, on the axis.
        smallest: Pictures under which a share says little.
        colours: By group; the others have the accent.
    """
    groups = table["group"].astype(str).tolist()
    value, low, high = (table[c].to_numpy(np.float64) for c in ("share", "low", "high"))
    n = table["n"].to_numpy(np.int64)
    figure = go.Figure()
    for i, group in enumerate(groups):
        colour = PALE if n[i] < smallest else (colours or {}).get(group, ACCENT)
        one = slice(i, i + 1)
        figure.add_trace(
            go.Scatter(
                x=value[one],
                y=[i],
                mode="markers",
                showlegend=False,
                cliponaxis=False,
                marker={"size": 10, "color": colour},
                error_x={**_lengths(low[one], value[one], high[one]), "color": colour},
                customdata=[[group, n[i], low[i], high[i]]],
                hovertemplate="%{customdata[0]}: %{x:.1%} (%{customdata[2]:.1%} to %{customdata[3]:.1%}), "
                "n = %{customdata[1]}<extra></extra>",
            )
        )
    _styled(figure, 90 + 28 * max(len(groups), 1), margin={"l": 200, "r": 24, "t": 8, "b": 48})
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%", title=title, fixedrange=True)
    labels = [
        f'<span style="color:{MUTED}">{g}, n {c:,}</span>' if c < smallest else f"{g}, n {c:,}"
        for g, c in zip(groups, n, strict=True)
    ]
    figure.update_yaxes(
        tickvals=list(range(len(groups))), ticktext=labels, range=[len(groups) - 0.5, -0.5], fixedrange=True
    )
    return figure


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
                name=f"{kind}, area {curve.area:.3f}",
                line={
                    "color": WRONG if kind == "deletion" else ACCENT,
                    "dash": "solid" if kind == "deletion" else "dash",
                },
                hovertemplate="%{x:.0%} of the pixels: %{y:.1%}<extra></extra>",
            )
        )
    _styled(figure, 320)
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%", title="pixels changed, the most important first")
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title="probability of the class")
    return figure


def jaccard_histogram(jaccard: ArrayLike, threshold: float, mine: float | None = None) -> go.Figure:
    """How many pictures have a mask of each quality; those under the threshold are failures.

    Args:
        jaccard: (N,) in [0, 1].
        threshold: Under which a mask counts as a failure.
        mine: The Jaccard of the picture on the page, if its true mask is known.
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
            hovertemplate="Jaccard %{customdata[0]:.3f} to %{customdata[1]:.3f}: %{y} pictures<extra></extra>",
        )
    )
    _styled(figure, 320, showlegend=False, bargap=0)
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
            text=" this picture ",
            showarrow=False,
            yanchor="top",
            xanchor="right" if mine > 0.5 else "left",
            font={"color": MUTED},
        )
    figure.update_xaxes(title="Jaccard with the expert's mask", range=[0, 1], fixedrange=True)
    figure.update_yaxes(title="pictures", rangemode="tozero", fixedrange=True)
    return figure
