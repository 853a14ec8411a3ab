"""Charts of a run's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from app.figures.style import (
    ACCENT,
    BLACK,
    GRID,
    INK,
    MARKS,
    MUTED,
    PALE,
    SHARES,
    SMALL_TYPE,
    WHITE,
    WHITE_FROM,
    WORDS,
    colour_of,
    lengths,
    name_of,
    styled,
    swatch,
)
from app.foreign_text import chart_text
from lesion_core.config import ROLE_NAMES


def confusion_matrix(
    counts: ArrayLike, classes: Sequence[str], n: ArrayLike, chosen: tuple[str, str] | None = None, height: int = 470
) -> go.Figure:
    """The confusion matrix as square markers that can be clicked; `customdata` is truth, prediction, count.

    Args:
        counts: (K, K), true class by row, predicted class by column.
        classes: K codes.
        n: (K,) images of each true class; more than its row adds up to where an image is undecided.
        chosen: Truth and prediction of a cell to frame.
        height: Pixels.

    Returns:
        One trace of K * K points, row by row. A class without images has empty, uncoloured cells.
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
    ink = [WHITE if s > WHITE_FROM else BLACK for s in values]
    figure = go.Figure(
        go.Scatter(
            x=[j for _, j in places],
            y=[i for i, _ in places],
            mode="markers+text",
            text=text,
            textfont={"size": SMALL_TYPE if k > 2 else 18, "color": ink},
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
            "%{customdata[2]} images<extra></extra>",
            # A click marks the cell by its frame; the others stay readable.
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
    ticks = list(range(k))
    styled(
        figure,
        height,
        showlegend=False,
        margin={"l": 120, "r": 8, "t": 66, "b": 8},
        dragmode=False,
        clickmode="event+select",
    )
    figure.update_xaxes(
        tickvals=ticks,
        ticktext=[swatch(c) for c in classes],
        side="top",
        range=[-0.5, k - 0.5],
        showgrid=False,
        title_text="the model says",
        constrain="domain",
        fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=ticks,
        range=[k - 0.5, -0.5],
        showgrid=False,
        title_text="the truth is",
        scaleanchor="x",
        ticktext=[f"{swatch(c)}, n {int(t):,}" for c, t in zip(classes, totals, strict=True)],
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
    """Figures of each class as dots with intervals, one panel per metric.

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
                    error_x={**lengths(low[one], value[one], high[one]), "color": colour_of(code)},
                    customdata=[[low[i], high[i], name_of(code)]],
                    hovertemplate=f"{name}, %{{customdata[2]}}: %{{x:.3f}} (%{{customdata[0]:.3f}} to "
                    "%{customdata[1]:.3f})<extra></extra>",
                ),
                row=1,
                col=column,
            )
    styled(figure, 80 + 36 * len(classes), margin={"l": 96, "r": 16, "t": 32, "b": 32})
    figure.update_xaxes(range=[-0.03, 1.03], tickvals=[0, 0.5, 1], fixedrange=True)
    figure.update_yaxes(categoryorder="array", categoryarray=list(classes)[::-1], fixedrange=True)
    figure.update_yaxes(tickvals=list(classes), ticktext=[swatch(c) for c in classes], col=1)
    return figure


def runs_side_by_side(
    tables: Mapping[str, pd.DataFrame], metrics: Mapping[str, str], chosen: str, height: int = 470
) -> go.Figure:
    """Figures of several runs as dots with intervals, under each figure one row per run.

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
        ticks[row] = f"<b>{chart_text(name)}</b>"
        for run, table in tables.items():
            row += 1
            found = table.loc[key]
            value, low, high = (found[[c]].to_numpy(np.float64) for c in ("value", "low", "high"))
            lowest = float(np.nanmin([lowest, value[0], low[0]]))
            colour = ACCENT if run == chosen else MUTED
            ticks[row] = f'<span style="color:{colour}">{chart_text(run)}</span>'
            figure.add_trace(
                go.Scatter(
                    x=value,
                    y=[row],
                    mode="markers",
                    showlegend=False,
                    cliponaxis=False,
                    marker={"size": 10, "color": colour, "symbol": "circle" if run == chosen else "circle-open"},
                    error_x={**lengths(low, value, high), "color": colour},
                    customdata=[[chart_text(run), chart_text(name), low[0], high[0]]],
                    hovertemplate="%{customdata[0]}, %{customdata[1]}: %{x:.3f} (%{customdata[2]:.3f} to "
                    "%{customdata[3]:.3f})<extra></extra>",
                )
            )
            text = f"{value[0]:.3f}" if np.isfinite(value[0]) else "none"
            figure.add_annotation(
                x=1.03, xref="paper", y=row, text=text, showarrow=False, xanchor="left", font={"color": colour}
            )
        row += 1.3
    styled(figure, height, margin={"l": 8, "r": 48, "t": 8, "b": 32})
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
    """ROC curves, one per class in its colour and with a mark of its own, with the area in the legend.

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
    for (code, rows), mark in zip(curves.groupby("class", sort=False), cycle(MARKS)):
        area = auroc.get(str(code), float("nan"))
        figure.add_trace(
            go.Scatter(
                x=rows["fpr"],
                y=rows["tpr"],
                mode="lines+markers",
                name=f"{code}, {area:.3f}",
                line={"color": colour_of(str(code)), "width": 2},
                marker={"symbol": mark, "size": 9, "maxdisplayed": 12},
                hovertemplate=f"{name_of(str(code))}: finds %{{y:.1%}}, false alarms %{{x:.1%}}<extra></extra>",
            )
        )
    styled(
        figure,
        460,
        legend={
            "orientation": "v",
            "x": 1.02,
            "y": 1,
            "yanchor": "auto",
            "title": {"text": "class, AUROC", "font": WORDS},
        },
    )
    figure.update_xaxes(title_text="false alarms (1 - specificity)", range=[-0.01, 1.01], tickformat=".0%")
    figure.update_yaxes(title_text="found (sensitivity)", range=[-0.01, 1.01], tickformat=".0%")
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
                error_y=lengths(low, value, high),
                customdata=rows["n"],
                hovertemplate="confidence %{x:.2f}, right %{y:.1%}, n = %{customdata}<extra></extra>",
            )
        )
    styled(figure, 440)
    figure.update_xaxes(title_text="the model's confidence (mean of a bin)", range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(title_text="share that is right", range=[0, 1.02], tickformat=".0%")
    return figure


def training_history(history: pd.DataFrame, best_epoch: int | None) -> go.Figure:
    """Loss and balanced accuracy by epoch, of the training and the validation set.

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
                    name=f"{panels[metric].lower()}, {ROLE_NAMES[phase]}",
                    line={"color": colour, "dash": dash, "width": 2},
                    marker={"size": 6},
                    hovertemplate="epoch %{x}: %{y:.3f}<extra></extra>",
                ),
                row=1,
                col=column,
            )
    if best_epoch is not None:
        figure.add_vline(x=best_epoch + 1, line={"color": INK, "dash": "dot", "width": 1})
    styled(figure, 380, legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0})
    figure.update_xaxes(title_text="epoch", dtick=1 if history["epoch"].nunique() <= 20 else None)
    return figure
