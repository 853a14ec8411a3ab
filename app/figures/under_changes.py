"""Charts of a test set under changes: figures along the severity, outcomes, and which diagnosis loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.style import (
    AXIS,
    BLACK,
    GRID,
    INK,
    MUTED,
    SMALL_TYPE,
    SMALLEST,
    WORDS,
    layout_of,
    lengths,
    run_look,
)
from app.foreign_text import chart_text
from lesion_core.analysis.predictions import Floats

OUTCOME_LOOKS = {
    "consistently_correct": ("stays right", "#8CC0C2"),
    "correct_then_wrong": ("right, then wrong", "#D55E00"),
    "wrong_then_correct": ("wrong, then right", "#E9C46A"),
    "consistently_wrong": ("stays wrong", "#5F6E70"),
}
"""Young's outcomes, by the keys of `analysis.robustness.outcomes.OUTCOMES`, in a few words and a colour."""
LOST = [[0.0, "#2F868B"], [0.5, "#F4F7F6"], [1.0, "#D55E00"]]
"""Sensitivity won, then lost; black words can be read on all of it."""
MOST_LOST = 0.5
"""Sensitivity lost that has the strongest colour."""


def along_severity(
    tables: Mapping[str, pd.DataFrame], places: Mapping[str, int], title: str, height: int = 320
) -> go.Figure:
    """A figure over the severity, a line with its interval as a band for each run.

    Args:
        tables: By run: severity, value, low, high.
        places: Of each run in the list of all, for its look.
        title: Of the upright axis.
        height: Pixels.
    """
    traces: list[dict[str, Any]] = []
    most = 0.0
    for run, table in tables.items():
        colour, dash, mark = run_look(places[run])
        at, value, low, high = (table[name].to_numpy(np.float64) for name in ("severity", "value", "low", "high"))
        known = np.isfinite(low) & np.isfinite(high)
        most = max(most, float(np.nanmax(np.concatenate([value, high]), initial=0)))
        traces += [
            {
                "type": "scatter",
                "x": np.concatenate([at[known], at[known][::-1]]),
                "y": np.concatenate([high[known], low[known][::-1]]),
                "fill": "toself",
                "fillcolor": colour,
                "opacity": 0.16,
                "line": {"width": 0},
                "hoverinfo": "skip",
                "showlegend": False,
            },
            {
                "type": "scatter",
                "x": at,
                "y": value,
                "mode": "lines+markers",
                "name": chart_text(run),
                "line": {"color": colour, "width": 2.5, "dash": dash},
                "marker": {"size": 9, "symbol": mark, "color": colour},
                "customdata": [[chart_text(run), *ends] for ends in zip(low.tolist(), high.tolist(), strict=True)],
                "hovertemplate": "%{customdata[0]}, severity %{x}: %{y:.1%} (%{customdata[1]:.1%} to "
                "%{customdata[2]:.1%})<extra></extra>",
            },
        ]
    severities = sorted({int(one) for table in tables.values() for one in table["severity"]})
    layout = layout_of(height, margin={"l": 52, "r": 8, "t": 34, "b": 44})
    layout["xaxis"] = AXIS | {
        "tickvals": severities,
        "ticktext": ["as it is" if one == 0 else str(one) for one in severities],
        "title": {"text": "severity", "font": WORDS},
        "fixedrange": True,
    }
    layout["yaxis"] = AXIS | {
        "range": [0, min(1.02, max(0.1, 1.08 * most))],
        "tickformat": ".0%",
        "title": {"text": title, "font": WORDS},
        "fixedrange": True,
    }
    return go.Figure(traces, layout)


def outcome_bars(
    shares: Mapping[str, pd.DataFrame], names: Mapping[str, str], chosen: tuple[str, str] | None = None
) -> go.Figure:
    """The four outcomes of each change as one bar; `customdata` is the change and the outcome.

    Args:
        shares: By change: outcome, n, share, low, high.
        names: What a person reads for each change.
        chosen: Change and outcome of the piece to frame.
    """
    keys, told = list(shares), {key: chart_text(name) for key, name in names.items()}
    traces = []
    for outcome, (words, colour) in OUTCOME_LOOKS.items():
        rows = [table[table["outcome"] == outcome].iloc[0] for table in shares.values()]
        framed = [(key, outcome) == chosen for key in keys]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": words,
                "y": list(range(len(keys))),
                "x": [float(row["share"]) for row in rows],
                "customdata": [
                    [key, outcome, int(row["n"]), float(row["low"]), float(row["high"])]
                    for key, row in zip(keys, rows, strict=True)
                ],
                "marker": {
                    "color": colour,
                    "line": {"color": [INK if f else GRID for f in framed], "width": [3 if f else 0.5 for f in framed]},
                },
                "hovertext": [told[key] for key in keys],
                "hovertemplate": f"%{{hovertext}}, {words}: %{{x:.1%}} (%{{customdata[3]:.1%}} to "
                "%{customdata[4]:.1%}), n = %{customdata[2]}<extra></extra>",
                "selected": {"marker": {"opacity": 1}},
                "unselected": {"marker": {"opacity": 1}},
            }
        )
    layout = layout_of(
        70 + 23 * max(1, len(keys)), margin={"l": 8, "r": 8, "t": 34, "b": 28}, barmode="stack", bargap=0.22
    )
    layout |= {"clickmode": "event+select", "dragmode": False}
    layout["xaxis"] = AXIS | {"range": [0, 1], "tickformat": ".0%", "showgrid": False, "fixedrange": True}
    layout["yaxis"] = AXIS | {
        "tickvals": list(range(len(keys))),
        "ticktext": [f"<b>{told[key]}</b>" if chosen and key == chosen[0] else told[key] for key in keys],
        "range": [len(keys) - 0.4, -0.6],
        "showgrid": False,
        "fixedrange": True,
        "automargin": True,
    }
    return go.Figure(traces, layout)


def lost_by_class(table: pd.DataFrame, names: Mapping[str, str]) -> go.Figure:
    """The sensitivity that each change takes from each diagnosis: changes by row, diagnoses by column with n.

    Args:
        table: change, class, n, sensitivity, under, lost.
        names: What a person reads for each change.
    """
    keys, codes = list(dict.fromkeys(table["change"])), list(dict.fromkeys(table["class"]))
    told = {key: chart_text(name) for key, name in names.items()}

    def cells(column: str) -> Floats:
        grid = table.pivot_table(column, "change", "class")
        return grid.reindex(index=keys, columns=codes).to_numpy(np.float64)

    lost, n = cells("lost"), cells("n")
    words = [["" if np.isnan(one) else _points(-100 * one) for one in row] for row in lost]
    most = {code: int(np.nanmax(n[:, j])) for j, code in enumerate(codes)}
    heat = {
        "type": "heatmap",
        "z": lost,
        "x": list(range(len(codes))),
        "y": list(range(len(keys))),
        "zmin": -MOST_LOST,
        "zmax": MOST_LOST,
        "colorscale": LOST,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "customdata": np.dstack([cells("sensitivity"), cells("under"), n]),
        "hovertext": [[f"{told[key]}, {code}" for code in codes] for key in keys],
        "hovertemplate": "%{hovertext}: sensitivity %{customdata[0]:.1%} as it is, %{customdata[1]:.1%} under the "
        "change, n = %{customdata[2]}<extra></extra>",
    }
    layout = layout_of(90 + 22 * max(1, len(keys)), margin={"l": 8, "r": 8, "t": 56, "b": 8})
    layout["annotations"] = [
        {
            "x": j,
            "y": i,
            "text": words[i][j],
            "showarrow": False,
            "font": {"size": SMALL_TYPE, "color": BLACK},
        }
        for i in range(len(keys))
        for j in range(len(codes))
        if words[i][j]
    ]
    layout["xaxis"] = AXIS | {
        "side": "top",
        "tickvals": list(range(len(codes))),
        "ticktext": [
            f'<span style="color:{MUTED}">{code}<br>n {most[code]:,}, few</span>'
            if most[code] < SMALLEST
            else f"{code}<br>n {most[code]:,}"
            for code in codes
        ],
        "range": [-0.5, len(codes) - 0.5],
        "showgrid": False,
        "fixedrange": True,
    }
    layout["yaxis"] = AXIS | {
        "tickvals": list(range(len(keys))),
        "ticktext": [told[key] for key in keys],
        "range": [len(keys) - 0.5, -0.5],
        "showgrid": False,
        "fixedrange": True,
        "automargin": True,
    }
    return go.Figure(heat, layout)


def _points(value: float) -> str:
    """Percentage points with their sign, a true minus; 0 has none."""
    return f"{value:+.0f}".replace("-", "\N{MINUS SIGN}") if round(value) else "0"


def shares_of_runs(tables: Mapping[str, pd.DataFrame], places: Mapping[str, int], title: str) -> go.Figure:
    """Shares with intervals as dots, a row per kind and in it a dot per run.

    Args:
        tables: By run: row (what a person reads), value, low, high; the rows of the first run give the order.
        places: Of each run in the list of all, for its look.
        title: Of the axis.
    """
    rows = list(dict.fromkeys(str(row) for table in tables.values() for row in table["row"]))
    step = min(0.22, 0.7 / max(1, len(tables)))
    traces = []
    for rank, (run, table) in enumerate(tables.items()):
        colour, _, mark = run_look(places[run])
        value, low, high = (table[name].to_numpy(np.float64) for name in ("value", "low", "high"))
        shift = (rank - (len(tables) - 1) / 2) * step
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": chart_text(run),
                "showlegend": len(tables) > 1,
                "x": value,
                "y": [rows.index(str(row)) + shift for row in table["row"]],
                "marker": {"size": 10, "symbol": mark, "color": colour},
                "error_x": {**lengths(low, value, high), "color": colour},
                "customdata": [
                    [chart_text(run), chart_text(str(row)), a, b]
                    for row, a, b in zip(table["row"], low.tolist(), high.tolist(), strict=True)
                ],
                "hovertemplate": "%{customdata[0]}, %{customdata[1]}: %{x:.1%} (%{customdata[2]:.1%} to "
                "%{customdata[3]:.1%})<extra></extra>",
            }
        )
    height = 100 + (26 + 10 * len(tables)) * max(1, len(rows))
    layout = layout_of(height, margin={"l": 8, "r": 24, "t": 34 if len(tables) > 1 else 8, "b": 48})
    layout["xaxis"] = AXIS | {
        "rangemode": "tozero",
        "tickformat": ".0%",
        "title": {"text": title, "font": WORDS},
        "fixedrange": True,
    }
    layout["yaxis"] = AXIS | {
        "tickvals": list(range(len(rows))),
        "ticktext": [chart_text(row) for row in rows],
        "range": [len(rows) - 0.5, -0.5],
        "fixedrange": True,
        "automargin": True,
    }
    return go.Figure(traces, layout)
