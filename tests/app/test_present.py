"""Presenter size: in the link, on every page, until it is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import state
from tests.literal import open_page


@pytest.fixture(autouse=True)
def without_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LESION_RUNS", str(tmp_path))
    monkeypatch.delenv("LESION_DATA", raising=False)


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def pressed(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return app.run()


def test_it_is_switched_on_and_left_by_a_button_and_is_in_the_link() -> None:
    app = open_page("dataset")
    assert state.PRESENT not in app.query_params
    app = pressed(app, "Presenter size")
    assert app.query_params[state.PRESENT] in ("1", ["1"]) and "Presenter size" not in labels(app)
    app = pressed(app, "Leave presenter size")
    assert state.PRESENT not in app.query_params and "Presenter size" in labels(app)


def test_a_link_opens_it_and_every_link_to_a_page_holds_it() -> None:
    app = open_page("dataset", present="1")
    assert "Leave presenter size" in labels(app) and not app.exception
    links = [element.proto for element in app.get("page_link")]
    assert len(links) > 8
    assert all("present=1" in link.query_string for link in links)
