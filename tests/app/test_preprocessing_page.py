"""The page Preprocessing: its controls stand on the run's own settings, and go along to another run's."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.literal import open_page, text

SHARP, EVEN = "resnet50-isic2019", "resnet101-isic2019"


def stands_on(app: AppTest) -> tuple[bool, int, bool]:
    """Equal detail, pixels, and whether these are the run's own settings."""
    assert not app.exception
    own = "the run's own settings" in text(app)
    assert own != ("not the run's settings" in text(app))
    return app.toggle(key="detail").value, app.slider(key="size").value, own


@pytest.mark.slow
def test_controls_that_nobody_touched_go_along_to_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESION_RUNS", raising=False)
    monkeypatch.delenv("LESION_DATA", raising=False)
    app = open_page("preprocessing", run=SHARP, image="synthetic-MEL-1")
    assert stands_on(app) == (False, 176, True)
    app.selectbox(key="run").set_value(EVEN).run()
    assert stands_on(app) == (True, 128, True)
    app.selectbox(key="run").set_value(SHARP).run()
    assert stands_on(app) == (False, 176, True)
    app.toggle(key="hair").set_value(True).run()
    assert stands_on(app) == (False, 176, False)
    app.selectbox(key="run").set_value(EVEN).run()
    assert stands_on(app) == (False, 176, False), "what a visitor set stays"
    assert app.toggle(key="hair").value


@pytest.mark.parametrize("size", ["inf", "-inf", "nan", "1e309", "9" * 400, "0", "1025", "word"])
def test_a_link_with_a_size_that_cannot_be_opens_the_page(size: str) -> None:
    app = open_page("preprocessing", size=size)
    assert not app.exception
    assert 16 <= app.slider(key="size").value <= 1024
