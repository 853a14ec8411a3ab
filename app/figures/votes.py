"""Two votes of a class side by side, large enough for the last row."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.style import ACCENT, AXIS, INK, SOFT, layout_of
from app.foreign_text import chart_text
from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.labels import diagnosis
from lesion_core.teaching.questions import ChoiceQuestion, LineQuestion, NumberQuestion, Question, SeriesQuestion
from lesion_core.teaching.reading import ReadingQuestion
from lesion_core.teaching.tallies import Tally

TYPE = 18
"""Pixels of words."""
BINS = 25
LONGEST = 48
"""Letters of an item that is named in the figure; longer ones, and images, are numbered."""
WORDS: dict[str, Any] = {"color": INK, "size": TYPE}


def share_told(k: int, n: int) -> str:
    """A share with its 95 % interval (Clopper and Pearson).

    Example:
        >>> share_told(19, 27)
        '19 of 27 (50 to 86 %)'
    """
    found = clopper_pearson(k, n)
    return f"{k} of {n} ({100 * found.low:.0f} to {100 * found.high:.0f} %)"


def votes(question: Question, first: Tally, second: Tally | None) -> go.Figure | None:
    """The answers to a question in one vote, or in two; None where there are too few to show, and for a reader study,
    which has figures of its own."""
    if isinstance(question, ReadingQuestion):
        return None
    told = [(name, each) for name, each in (("first vote", first), ("second vote", second)) if each is not None]
    if isinstance(question, NumberQuestion | LineQuestion):
        return _values(question, told)
    if isinstance(question, SeriesQuestion):
        numbered = any(item.image or len(item.text) > LONGEST for item in question.items)
        names = [str(number) if numbered else item.text for number, item in enumerate(question.items, 1)]
        rows = [
            (f"{name}: {question.yes if item.right else question.no}" if item.right is not None else name)
            for name, item in zip(names, question.items, strict=True)
        ]
        shares = [(name, [(None if yes is None else yes, n) for yes, n in each.items or ()]) for name, each in told]
        return _bars(rows, shares, f"said “{question.yes}”")
    if isinstance(question, ChoiceQuestion):
        titles = {option.key: option.text for option in question.options}
    else:
        titles = {code: diagnosis(code).name for code in question.codes}
    rows = [("✓ " if key == question.right else "") + title for key, title in titles.items()]
    counted = [(name, [(each.counts[key], each.n) for key in titles]) for name, each in told if each.counts]
    return _bars(rows, [(name, list(row)) for name, row in counted], "")


def _bars(rows: list[str], shares: list[tuple[str, list[tuple[int | None, int]]]], title: str) -> go.Figure | None:
    traces = []
    for number, (name, row) in enumerate(shares):
        if not any(k is not None for k, _ in row):
            continue
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "y": list(range(len(row))),
                "x": [0 if k is None else k / n for k, n in row],
                "text": ["" if k is None else share_told(k, n) for k, n in row],
                "textposition": "outside",
                "cliponaxis": False,
                "textfont": WORDS,
                "hoverinfo": "skip",
                "marker": {"color": SOFT if number == 0 and len(shares) > 1 else ACCENT},
            }
        )
    if not traces:
        return None
    each = 38 + 34 * len(traces) if len(rows) <= 5 else 16 + 26 * len(traces)
    layout = layout_of(80 + each * len(rows), margin={"l": 8, "r": 210, "t": 48, "b": 40}, bargap=0.25)
    layout["legend"] |= {"font": WORDS}
    layout["xaxis"] = AXIS | {"range": [0, 1], "tickformat": ".0%", "fixedrange": True, "title": {"text": title}}
    layout["yaxis"] = AXIS | {
        "tickvals": list(range(len(rows))),
        "ticktext": [_wrapped(row) for row in rows],
        "tickfont": WORDS,
        "range": [len(rows) - 0.5, -0.5],
        "automargin": True,
        "fixedrange": True,
    }
    # Bars of one row stand from top to bottom in the order of the votes.
    for trace, offset in zip(traces, [[0.0], [-0.2, 0.2]][len(traces) - 1], strict=True):
        trace |= {"width": 0.36 if len(traces) > 1 else 0.6, "offset": offset - (0.18 if len(traces) > 1 else 0.3)}
    return go.Figure(traces, layout)


def _wrapped(text: str, width: int = 30) -> str:
    lines = [""]
    for word in text.split():
        lines = [*lines, word] if len(lines[-1]) + len(word) > width else [*lines[:-1], f"{lines[-1]} {word}"]
    return "<br>".join(chart_text(line.strip()) for line in lines if line.strip())


def _values(question: NumberQuestion | LineQuestion, told: list[tuple[str, Tally]]) -> go.Figure | None:
    told = [(name, each) for name, each in told if each.values]
    if not told:
        return None
    edges = np.linspace(question.least, question.most, BINS + 1)
    layout = layout_of(420, margin={"l": 56, "r": 24, "t": 64, "b": 64}, barmode="group", bargap=0.08)
    traces = []
    for number, (name, each) in enumerate(told):
        values = np.array(each.values)
        traces.append(
            {
                "type": "bar",
                "name": f"{name}: middle {np.median(values):.3g}, half from {np.quantile(values, 0.25):.3g} "
                f"to {np.quantile(values, 0.75):.3g}, n = {each.n}",
                "x": (edges[:-1] + edges[1:]) / 2,
                "y": np.histogram(values, edges)[0],
                "hoverinfo": "skip",
                "marker": {"color": SOFT if number == 0 and len(told) > 1 else ACCENT},
            }
        )
    layout["legend"] |= {"font": WORDS}
    axis = AXIS | {"tickfont": WORDS, "fixedrange": True}
    layout["xaxis"] = axis | {
        "range": [question.least, question.most],
        "title": {"text": chart_text(question.unit), "font": WORDS},
    }
    layout["yaxis"] = axis | {"title": {"text": "people", "font": WORDS}, "rangemode": "tozero", "tickformat": "d"}
    figure = go.Figure(traces, layout)
    if question.right is not None:
        figure.add_vline(question.right, line={"color": INK, "width": 3, "dash": "dash"})
    return figure
