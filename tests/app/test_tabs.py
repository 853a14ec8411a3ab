"""Tabs are in the link, which decides: during a visit too, back and forth, with the title of an earlier version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.literal import open_page, text

pytestmark = pytest.mark.usefixtures("with_run")
OPEN = {
    "Metrics": "In brackets the 95 %",
    "ROC curves": "the nearer to the upper left corner",
    "Training": "dotted line",
}


def tab_in_link(app: Any) -> str | None:
    """What AppTest gives as it was set, or as a list."""
    found = app.query_params.get("tab")
    return found[-1] if isinstance(found, list) else found


def test_a_link_opened_during_a_visit_decides_which_tab_is_open() -> None:
    app = open_page("compare", tab="ROC curves")
    for title in ("Training", "ROC curves", None, "Training", "There is none", "ROC curves"):
        if title is None:
            del app.query_params["tab"]
        else:
            app.query_params["tab"] = title
        app.run()
        assert not app.exception
        expected = title if title in OPEN else "Metrics"
        assert [name for name, words in OPEN.items() if words in text(app)] == [expected], title
        assert (tab_in_link(app) or "Metrics") == expected


def test_a_former_title_opened_during_a_visit_is_mended() -> None:
    app = open_page("explain", image="synthetic-MEL-1", tab="Numbers and download")
    app.query_params["tab"] = "Ask back"
    app.run()
    assert not app.exception and tab_in_link(app) == "Change the image"


def test_a_rerun_keeps_the_tab() -> None:
    app = open_page("compare", tab="Training")
    app.run()
    assert OPEN["Training"] in text(app) and tab_in_link(app) == "Training"


def test_within_a_visit_a_link_to_another_page_opens_its_tab() -> None:
    """Forth and back over all pages with tabs: none keeps the tab of the one before."""
    walk = [
        ("compare", "Training"),
        ("explain", "The whole test set"),
        ("out_of_distribution", "All scores"),
        ("dataset", "Sex"),
        ("segment", "The failures first"),
    ]
    app = open_page("compare")
    for stem, title in (*walk, *reversed(walk)):
        app.switch_page(f"../pages/{stem}.py")
        app.query_params["tab"] = title
        app.run()
        assert not app.exception
        assert tab_in_link(app) == title, stem
        assert [tab.label for tab in app.tabs if tab.children] == [title], stem  # only the open one is drawn
