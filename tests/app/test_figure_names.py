"""Names that are not ours in charts: what Plotly draws of them is what they are, letter by letter.

Plotly reads tags in titles, ticks, legends and hover texts, fills in `%{...}` in hover templates, and computes what
stands on an axis without ticks of its own: 1e5 would be a number there, 2020-01-01 a date.
"""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from app.figures import artefacts, data, elsewhere, masks, preprocessing, results, shares, under_changes
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.sources import TwoForms
from lesion_core.explain.faithfulness import Curve
from lesion_core.foreign_text import visible

NAMES = (
    "<b>bold</b> & <script>x</script>",
    "&lt;i&gt; &amp;",
    "1e5",
    "1e05",
    "2020-01-01",
    "%{x} %{customdata[0]}",
    "<br>two<br>lines",
    "$\\alpha$ _a_ *b*",
    "line\nbreak \u202ebackwards",
    "=SUM(1)",
)
"""Plotly, like a browser, would make something else of each."""
INTERVAL = {"value": [0.5], "low": [0.4], "high": [0.6]}


def share_dots() -> go.Figure:
    table = pd.DataFrame({"group": NAMES, "n": np.arange(15, 15 + len(NAMES)), "share": 0.5, "low": 0.4, "high": 0.6})
    return shares.share_dots(table, "rejected")


def runs_side_by_side() -> go.Figure:
    table = pd.DataFrame(INTERVAL, index=["recall"])
    return results.runs_side_by_side(dict.fromkeys(NAMES, table), {"recall": "Recall"}, NAMES[0])


def catalog() -> pd.DataFrame:
    """A catalog's table whose texts are the names."""
    n = len(NAMES)
    return pd.DataFrame(
        {"diagnosis": ["MEL", "NV"] * n, "site": NAMES * 2, "dx_type": NAMES * 2, "age": 40.0, "sex": NAMES * 2}
    )


def answer_curves() -> go.Figure:
    curve = Curve(np.linspace(0, 1, 3), np.linspace(1, 0, 3))
    return shares.answer_curves(dict.fromkeys(NAMES, curve))


def along_severity() -> go.Figure:
    table = pd.DataFrame({**INTERVAL, "severity": [0]})
    return under_changes.along_severity(dict.fromkeys(NAMES, table), {name: i for i, name in enumerate(NAMES)}, "error")


def outcome_bars() -> go.Figure:
    outcomes = list(under_changes.OUTCOME_LOOKS)
    table = pd.DataFrame({"outcome": outcomes, "n": 1, "share": 0.25, "low": 0.1, "high": 0.4})
    keys = {str(i): name for i, name in enumerate(NAMES)}
    return under_changes.outcome_bars(dict.fromkeys(keys, table), keys, ("0", outcomes[1]))


def lost_by_class() -> go.Figure:
    keys = {str(i): name for i, name in enumerate(NAMES)}
    table = pd.DataFrame({"change": list(keys), "class": "MEL", "n": 30, "sensitivity": 0.8, "under": 0.7, "lost": 0.1})
    return under_changes.lost_by_class(table, keys)


def shares_of_runs() -> go.Figure:
    table = pd.DataFrame([{"row": name, **{key: value[0] for key, value in INTERVAL.items()}} for name in NAMES])
    return under_changes.shares_of_runs(dict.fromkeys(NAMES, table), {name: i for i, name in enumerate(NAMES)}, "share")


ONE = Interval(0.5, 0.4, 0.6, 30, 30)


def panels() -> go.Figure:
    return shares.panels([(name, {"recall": ONE}) for name in NAMES], {"recall": "Recall"})


def forms() -> go.Figure:
    nothing = Interval(np.nan, np.nan, np.nan, 0, 0)
    found = TwoForms(4, 1, 1, 1, 1, 1.0, (nothing, nothing), (nothing, nothing), nothing)
    return elsewhere.forms(dict.fromkeys(NAMES, found))


def matrix() -> go.Figure:
    names = {name: name for name in NAMES}
    return elsewhere.matrix({(name, name): ONE for name in NAMES}, names, names)


def slices() -> go.Figure:
    keys = {str(i): name for i, name in enumerate(NAMES)}
    sides = {f"{side}_{end}": 0.5 for side in ("with", "without") for end in ("n", "lesions", "value", "low", "high")}
    table = pd.DataFrame([{"artefact": key, "figure": "recall", **sides, "enough": True} for key in keys])
    return artefacts.slices(table, keys, {"recall": "Recall"})


FOREIGN: dict[Callable[..., go.Figure], Callable[[], go.Figure]] = {
    shares.share_dots: share_dots,
    shares.panels: panels,
    elsewhere.forms: forms,
    elsewhere.matrix: matrix,
    artefacts.slices: slices,
    shares.answer_curves: answer_curves,
    results.runs_side_by_side: runs_side_by_side,
    under_changes.along_severity: along_severity,
    under_changes.outcome_bars: outcome_bars,
    under_changes.lost_by_class: lost_by_class,
    under_changes.shares_of_runs: shares_of_runs,
    data.site_bars: lambda: data.site_bars(catalog()),
    data.share_bars: lambda: data.share_bars(catalog(), "dx_type", {}),
}
"""Figures that show names from outside, drawn with these."""
OURS = {
    results.confusion_matrix,
    results.per_class,
    results.roc_by_class,
    results.reliability_diagram,
    results.training_history,
    data.diagnosis_bars,
    data.age_histogram,
    masks.jaccard_histogram,
    artefacts.spreads,
    preprocessing.rgb_histograms,
    preprocessing.change_of_answer,
}
"""Figures that show only diagnoses, which must be known ones, and words of this project."""


def texts(figure: go.Figure) -> Iterator[str]:
    """Everything in a figure that Plotly reads markup in."""

    def walk(value: Any, key: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(inner, name)
        elif isinstance(value, list | tuple | np.ndarray):
            for inner in value:
                yield from walk(inner, key)
        elif isinstance(value, str) and key in ("text", "ticktext", "name", "customdata", "hovertemplate", "x", "y"):
            yield value

    yield from walk(figure.to_dict(), "")


def drawn(text: str) -> str:
    """What a reader sees of a text: our own tags gone, entities resolved."""
    return html.unescape(re.sub(r"</?(?:b|span|extra)\b[^>]*>|<br>", "", text))


def test_every_figure_is_either_drawn_with_odd_names_or_takes_none() -> None:
    made = {
        function
        for module in (artefacts, data, elsewhere, masks, preprocessing, results, shares, under_changes)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert made == set(FOREIGN) | OURS


@pytest.mark.parametrize("draw", FOREIGN.values(), ids=[function.__name__ for function in FOREIGN])
def test_names_are_drawn_letter_by_letter(draw: Callable[[], go.Figure]) -> None:
    figure = draw()
    found = list(texts(figure))
    for name in NAMES:
        assert any(visible(name) in drawn(text) for text in found), name
    for text in found:
        assert not re.search(r"<(?!/?(?:b|span|extra)\b|br>)", text), "a tag that is not ours"
        assert "<b>bold" not in text and "<br>two" not in text, "a tag of a name"


@pytest.mark.parametrize("draw", FOREIGN.values(), ids=[function.__name__ for function in FOREIGN])
def test_a_name_is_never_part_of_a_template(draw: Callable[[], go.Figure]) -> None:
    for trace in draw().data:
        assert "customdata[0]} %{" not in (trace.hovertemplate or "") and "%{x} %{customdata[0]}" not in (
            trace.hovertemplate or ""
        )


@pytest.mark.parametrize("draw", FOREIGN.values(), ids=[function.__name__ for function in FOREIGN])
def test_a_name_is_never_a_place_that_plotly_computes(draw: Callable[[], go.Figure]) -> None:
    figure = draw()
    for trace in figure.data:
        for axis in ("x", "y"):
            texts_there = [value for value in np.asarray(trace[axis]).tolist() if isinstance(value, str)]
            if not any(name in texts_there for name in NAMES):
                continue
            assert figure.layout[f"{axis}axis"].type == "category"


def test_different_names_have_different_places() -> None:
    ticks = data.site_bars(catalog()).layout.yaxis
    assert len(set(ticks.tickvals)) == len(NAMES) and len(set(ticks.ticktext)) == len(NAMES)
