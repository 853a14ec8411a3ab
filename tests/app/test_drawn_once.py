"""What is drawn once looks the same for the next visitor, and another file of the run is another picture."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest
import streamlit as st

from app.cache.drawn import FinishedFigure
from app.figures import results as result_figures
from tests.literal import open_page


def shown(app: Any) -> list[tuple[str, str]]:
    """All elements of a page, in their order, without what names the visit."""
    return [(element.type, str(element.proto)) for element in app.main if element.type != "widget"]


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("tab", ["Metrics", "Each class", "ROC curves", "Calibration", "Training", "Lessons"])
def test_the_next_visitor_sees_the_same(tab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_page("compare", tab=tab)
    made: list[str] = []
    for name in ("confusion_matrix", "runs_side_by_side", "per_class", "roc_by_class", "reliability_diagram"):
        monkeypatch.setattr(result_figures, name, lambda *_, name=name, **__: made.append(name))
    second = open_page("compare", tab=tab)
    assert not second.exception and not made
    assert shown(second) == shown(first)


def test_a_finished_figure_is_what_it_was_made_of() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]), layout={"title": "a"})
    finished = FinishedFigure(figure)
    assert finished.to_dict() == figure.to_dict() and finished.to_dict() is finished.to_dict()
    st.plotly_chart(finished)
