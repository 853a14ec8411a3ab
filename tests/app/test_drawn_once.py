"""What is drawn once looks the same for the next visitor, and another file of the run is another picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.cache import drawn, encoded, images
from app.cache.drawn import FinishedFigure
from app.figures import results as result_figures
from lesion_core.config import Preprocessing
from lesion_core.imaging.arrays import Pixels
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


@pytest.mark.parametrize(("own", "times"), [(False, 1), (True, 2)])
def test_nothing_that_shows_a_visitors_own_image_is_kept(
    own: bool, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (drawn, encoded, images):
        monkeypatch.setattr(module, "own_image", lambda: own)
    made: list[str] = []
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)

    @drawn.drawn_once()
    def part(pixels: Pixels) -> None:
        made.append(f"part of {pixels.shape}")

    def draw() -> Pixels:
        made.append("file")
        return image

    for _ in range(2):
        part(image)
        encoded.encoded("a key", draw)
        images.preprocess(Preprocessing(), image)
    assert made.count("part of (40, 60, 3)") == made.count("file") == times
    assert (images._preprocessed().weight == 0) == own and (encoded._files().weight == 0) == own


def test_a_page_with_an_own_image_knows_that_it_is_one() -> None:
    app = AppTest.from_string("import streamlit as st\nfrom app.state import own_image\nst.text(str(own_image()))\n")
    for chosen, expected in ((None, "False"), ("synthetic-MEL-1", "False"), ("upload", "True")):
        app.session_state["image"] = chosen
        assert app.run().text[0].value == expected
