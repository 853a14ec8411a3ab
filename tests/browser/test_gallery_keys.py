"""The gallery in a real browser: one place of the keyboard, links that are links, one picture enlarged, a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import serving, settle

HOME = """
import streamlit as st

st.set_page_config(layout="wide")
st.navigation([st.Page("../pages/gallery.py", default=True), st.Page("../pages/analyse.py")]).run()
"""
GALLERY = """
import numpy as np
import streamlit as st
from app.gallery import Entry, Order, pictures
from app.widgets.gallery import Word
from lesion_core.data.samples import synthetic_samples

st.session_state["runs"] = st.session_state.get("runs", 0) + 1
samples = synthetic_samples()
n = np.arange(len(samples))

def entries(places):
    return [
        Entry(samples[i].id, f"<b>{i}</b> **x**", samples[i] if i != 3 else None, (samples[i].id,), (Word("RIGHT"),))
        for i in places
    ]

st.title("Which one?")
st.text(f"runs of the page: {st.session_state['runs']}")
pictures(len(samples), entries, key="all", label="All of them", a_page=10,
         orders=(Order("first", "first first", n), Order("last", "last first", n, highest_first=True)))
"""
ANALYSE = """
import streamlit as st

st.title("One?")
st.text(f"image: {st.query_params.get('image')}, visits: {st.session_state.get('runs', 0) > 0}")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with only a gallery, and one on which its pictures open."""
    folder = tmp_path_factory.mktemp("gallery")
    for name, script in (("app/Home", HOME), ("pages/gallery", GALLERY), ("pages/analyse", ANALYSE)):
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(script, encoding="utf-8")
    with serving(folder / "app" / "Home.py", folder / "server.log", STREAMLIT_BROWSER_GATHER_USAGE_STATS="false") as at:
        yield at


def visit(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/{query}")
    expect(page.locator(".gallery .tile").first).to_be_visible()
    settle(page)


def focused(page: Page) -> str:
    """The words of the element that has the focus, in shadow roots too."""
    said = page.evaluate(
        """() => { let on = document.activeElement;
           while (on?.shadowRoot?.activeElement) on = on.shadowRoot.activeElement;
           return on?.getAttribute("aria-label") || (on?.querySelector(".title") ?? on)?.textContent || ""; }"""
    )
    return str(said)


def name(i: int) -> str:
    """Of a picture, which no script reads as markup."""
    return f"<b>{i}</b> **x**"


def test_names_are_texts(page: Page, server: str) -> None:
    visit(page, server)
    assert page.locator(".gallery .title").all_inner_texts() == [name(i) for i in range(10)]
    expect(page.locator(".gallery b")).to_have_count(0)


def test_one_picture_is_in_the_order_of_tab_and_arrows_move(page: Page, server: str) -> None:
    visit(page, server)
    tiles = page.locator(".gallery .tile")
    columns = len({box["x"] for tile in tiles.all() if (box := tile.bounding_box())})
    assert 2 < columns < 10
    page.locator(".gallery select").focus()
    for _ in range(3):  # the pager's button back is disabled on the first page
        page.keyboard.press("Tab")
        if focused(page) == name(0):
            break
    at = 0
    assert focused(page) == name(at)
    for key, to in (
        ("ArrowRight", 1),
        ("ArrowDown", 1 + columns),
        ("ArrowLeft", columns),
        ("ArrowUp", 0),
        ("ArrowLeft", 0),  # there is none
        ("End", 9),
        ("ArrowRight", 9),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert focused(page) == name(to), key
        assert page.locator(".gallery .tile[tabindex='0']").count() == 1


def test_pages_and_orders_are_in_the_link_and_only_the_gallery_runs(page: Page, server: str) -> None:
    visit(page, server)
    first = page.locator(".gallery .tile").first
    first.focus()
    page.keyboard.press("PageDown")
    expect(page).to_have_url(re.compile(r"[?&]page=2(&|$)"))
    expect(first).to_contain_text(name(10))
    assert focused(page) == name(10)
    page.get_by_role("button", name="Next page").click()
    expect(first).to_contain_text(name(20))
    page.get_by_label("Sort").select_option("last")
    expect(first).to_contain_text(name(23))
    expect(page).to_have_url(re.compile(r"\?order=last$"))
    expect(page.get_by_text("runs of the page: 1")).to_be_visible()
    page.reload()
    expect(first).to_contain_text(name(23))


def test_a_picture_opens_within_the_visit_and_back_finds_the_same_pictures(page: Page, server: str) -> None:
    visit(page, server, "?order=last&page=2")
    first = page.locator(".gallery .tile").first
    expect(first).to_contain_text(name(13))
    image = first.locator(".fact").inner_text()
    for _ in range(2):
        first.focus()
        page.keyboard.press("Enter")
        expect(
            page.get_by_text(f"image: {image}, visits: True")
        ).to_be_visible()  # the same visit: nothing was reloaded
        settle(page)
        page.go_back()
        expect(first).to_contain_text(name(13))
        settle(page)
    with page.context.expect_page() as opened:
        first.click(modifiers=["Control"])
    expect(opened.value.get_by_text(f"image: {image}, visits: False")).to_be_visible()
    opened.value.close()
    expect(first).to_contain_text(name(13))


def test_space_enlarges_arrows_go_on_and_escape_closes(page: Page, server: str) -> None:
    visit(page, server)
    page.locator(".gallery .tile").nth(1).focus()
    page.keyboard.press(" ")
    panel = page.get_by_role("group", name=f"{name(1)}, enlarged")
    expect(panel).to_be_visible()
    expect(panel).to_have_attribute("aria-busy", "false")
    small = panel.locator("img").get_attribute("src")
    panel.get_by_role("button", name="Outline").click()
    expect(panel.locator(".note")).to_contain_text("mask")
    assert panel.locator("img").get_attribute("src") != small
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # over the one that is not on this machine
    expect(page.get_by_role("group", name=f"{name(4)}, enlarged")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".large")).to_be_hidden()
    assert focused(page) == name(4)
    expect(page.get_by_text("runs of the page: 1")).to_be_visible()


def test_what_is_not_here_says_so_and_opens_nothing(page: Page, server: str) -> None:
    visit(page, server)
    tile = page.locator(".gallery .tile").nth(3)
    expect(tile).to_contain_text("not on this machine")
    assert tile.get_attribute("href") is None


@pytest.mark.parametrize(("width", "columns"), [(390, {2}), (1280, {6, 7, 8, 9}), (1920, {6, 7, 8, 9, 10})])
def test_columns_follow_the_screen(page: Page, server: str, width: int, columns: set[int]) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    visit(page, server)
    boxes = [box for tile in page.locator(".gallery .tile").all() if (box := tile.bounding_box())]
    assert len({box["x"] for box in boxes}) in columns
    assert all(box["x"] + box["width"] <= width for box in boxes)
