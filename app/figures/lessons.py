"""Charts of lessons: few marks, large words, and the guesses that were made before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.figures.style import ACCENT, AXIS, INK, MUTED, NOTHING, PALE, RIGHT, STRANGE, WORDS, WRONG, layout_of
from app.foreign_text import chart_text

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """A dot with its interval.

    Attributes:
        name: At the axis.
        ends: The figure and its interval, on the axis; NaN draws nothing.
        text: Beside the dot: the figure, and its n.
        pale: It is there to compare with.
    """

    name: str
    ends: tuple[float, float, float]
    text: str = ""
    pale: bool = False


@dataclass(frozen=True)
class Guess:
    """A place on the axis that somebody committed to.

    Attributes:
        value: On the axis.
        text: The words at the line.
    """

    value: float
    text: str


def intervals(
    rows: Sequence[Row],
    title: str,
    span: tuple[float, float] = (0.0, 1.0),
    *,
    per_cent: bool = True,
    guess: Guess | None = None,
    others: Sequence[float] = (),
    reference: Guess | None = None,
) -> go.Figure:
    """Dots with intervals, one row each, under the guesses.

    Args:
        rows: From top to bottom.
        title: Of the axis.
        span: Of the axis; widened to hold the guesses.
        per_cent: Whether the axis is written in per cent.
        guess: The visitor's own.
        others: Those of a class, drawn as ticks under the rows.
        reference: A line that is not a guess, such as a coin.
    """
    ends = [*span, *others, *([guess.value] if guess else [])]
    room = 0.02 * (max(ends) - min(ends))
    figure = go.Figure(
        layout=layout_of(100 + (52 if len(rows) <= 6 else 36) * len(rows), margin={"l": 8, "r": 120, "t": 44, "b": 52})
    )
    if reference:
        _line(figure, reference, MUTED, "dot", "bottom right")
    if guess:
        _line(figure, guess, STRANGE, "dash", "top")
    for pale, colour in ((False, ACCENT), (True, PALE)):
        own = [i for i, row in enumerate(rows) if row.pale == pale and np.isfinite(row.ends[0])]
        value, low, high = np.array([rows[i].ends for i in own], np.float64).reshape(-1, 3).T
        figure.add_scatter(
            x=value,
            y=own,
            mode="markers",
            showlegend=False,
            cliponaxis=False,
            marker={"size": 14, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": high - value,
                "arrayminus": value - low,
                "thickness": 2.5,
                "width": 0,
                "color": colour,
            },
            customdata=[chart_text(f"{rows[i].name}: {rows[i].text}") for i in own],
            hovertemplate="%{customdata}<extra></extra>",
        )
    if others:
        figure.add_scatter(
            x=list(others),
            y=[len(rows) - 0.45] * len(others),
            mode="markers",
            showlegend=False,
            marker={"symbol": "line-ns-open", "size": 14, "color": STRANGE, "line": {"width": 2}},
            hovertemplate="a guess: %{x}<extra></extra>",
        )
    for i, row in enumerate(rows):
        figure.add_annotation(
            x=1.01, xref="paper", xanchor="left", y=i, text=chart_text(row.text), showarrow=False, align="left"
        )
    figure.update_xaxes(
        AXIS
        | {
            "range": [min(ends) - room, max(ends) + room],
            "tickformat": ".0%" if per_cent else "",
            "title": {"text": title, "font": WORDS},
            "fixedrange": True,
        }
    )
    figure.update_yaxes(
        AXIS
        | {
            "tickvals": list(range(len(rows))),
            "ticktext": [chart_text(row.name) for row in rows],
            "range": [len(rows) - 0.3, -0.6],
            "tickfont": {"color": INK, "size": 15},
            "showgrid": False,
            "fixedrange": True,
            "automargin": True,
        }
    )
    return figure


def _line(figure: go.Figure, at: Guess, colour: str, dash: str, where: str) -> None:
    figure.add_vline(
        x=at.value,
        line={"color": colour, "dash": dash, "width": 2},
        annotation={"text": chart_text(at.text), "font": {"color": INK, "size": 15}},
        annotation_position=where,
    )


def confidences(
    right: Floats,
    wrong: Floats,
    lines: Sequence[Guess],
    title: str,
    *,
    outside: Floats | None = None,
    split: bool = True,
) -> go.Figure:
    """How many images have which confidence, under lines that were drawn.

    Args:
        right, wrong: (N,), (M,) confidences of right and of wrong answers.
        lines: Where lines stand; the first is the visitor's own.
        title: Of the axis.
        outside: Confidences of OOD images.
        split: Tell right from wrong; not before a question is answered.
    """
    figure = go.Figure(
        layout=layout_of(
            400,
            barmode="stack",
            bargap=0.05,
            margin={"l": 56, "r": 16, "t": 48, "b": 96},
            legend={"y": -0.25, "yanchor": "top"},  # the words of lines stand over the plot
        )
    )
    parts = [("right answers", right, RIGHT), ("wrong answers", wrong, WRONG)]
    if not split:
        parts = [("images", np.concatenate([right, wrong]), NOTHING)]
    if outside is not None and len(outside):
        parts.append(("OOD images", outside, STRANGE))
    edges = np.linspace(0, 1, 41)
    for name, values, colour in parts:
        counts, _ = np.histogram(values, edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            name=name,
            marker_color=colour,
            showlegend=split,
            hovertemplate=f"{name}, confidence %{{x:.2f}}: %{{y}}<extra></extra>",
        )
    for i, at in enumerate(lines):
        if i == 0:
            _line(figure, at, STRANGE, "dash", "top left" if at.value > 0.3 else "top right")  # the axis is left of 0
        else:
            _line(figure, at, MUTED, "dot", "top")
    figure.update_xaxes(
        AXIS | {"range": [0, 1.01], "title": {"text": title, "font": WORDS}, "fixedrange": True, "tickformat": ".1f"}
    )
    figure.update_yaxes(AXIS | {"title": {"text": "images", "font": WORDS}, "fixedrange": True})
    return figure


WIDE = 40
"""Dots in a row of `thousand`."""


def thousand(found: int, false: int, missed: int, guess: float | None = None) -> go.Figure:
    """1,000 people as dots: who is called ill, and who of them is.

    Args:
        found: Ill, and called ill.
        false: Healthy, and called ill.
        missed: Ill, and not called ill.
        guess: The visitor's guess of ``found / (found + false)``, in [0, 1]: a mark where the ill would then end.
    """
    rest = 1000 - found - false - missed
    groups = (
        ("ill, called ill", found, ACCENT, "circle"),
        ("healthy, called ill", false, PALE, "circle"),
        ("ill, missed", missed, WRONG, "diamond"),
        ("healthy, left alone", rest, NOTHING, "circle-open"),
    )
    figure = go.Figure(layout=layout_of(430, margin={"l": 8, "r": 8, "t": 48, "b": 8}))
    start = 0
    for name, n, colour, symbol in groups:
        places = np.arange(start, start + n)
        figure.add_scatter(
            x=places % WIDE,
            y=places // WIDE,
            mode="markers",
            name=f"{n:,} {name}",
            marker={"size": 9, "color": colour, "symbol": symbol},
            hoverinfo="name",
        )
        start += n
    if guess is not None:
        place = min(max(round(guess * (found + false)) - 1, 0), found + false - 1)
        figure.add_annotation(
            x=place % WIDE,
            y=place // WIDE,
            text=f"your guess: {100 * guess:.0f} % of the alarms, up to here",
            arrowcolor=STRANGE,
            arrowwidth=2,
            ax=0,
            ay=70,
            font={"color": INK, "size": 15},
            bgcolor="rgba(127,127,127,0.15)",
        )
    figure.update_xaxes(visible=False, range=[-1, WIDE], fixedrange=True)
    figure.update_yaxes(visible=False, range=[1000 / WIDE, -1], fixedrange=True)
    return figure
