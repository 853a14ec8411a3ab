"""A bar of the page Robustness is clicked: its images are shown, and the link leads somebody else to the same."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from app.robustness.sides import TURNED
from lesion_core.imaging.changes.registry import CHANGES
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.robustness import write_robustness
from tests.browser.served import ROOT, serving, visit
from tests.runs.tables import robustness_rows

LINK = "robustness?run=small&tab=The+whole+test+set"
BARS = ".js-plotly-plot:has(.barlayer .point)"
FIRST = "gaussian_noise"
"""The change that a link without one means."""


@pytest.fixture(scope="module")
def measured(small_run: Run, data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard with a run that has answers under four changes."""
    root = tmp_path_factory.mktemp("runs")
    run = open_run(Path(shutil.copytree(small_run.folder, root / "small")))
    write_robustness(run, robustness_rows(run, 24, (FIRST, "pixelate", "hair", "ink")))
    with serving(
        ROOT / "app" / "Home.py", root / "server.log", LESION_RUNS=str(root), LESION_DATA=str(data_root)
    ) as address:
        yield address


def test_a_bar_is_clicked_and_its_link_shows_the_same(browser: Browser, page: Page, measured: str) -> None:
    visit(page, measured, LINK)
    expect(page.locator(BARS)).to_have_count(1)
    pieces = page.locator(BARS).evaluate("gd => gd.data.map((t) => t.customdata.map((c) => [c[0], c[1], c[2]]))")
    trace, place, (change, outcome, n) = next(
        (t, i, piece)
        for t, row in enumerate(pieces)
        for i, piece in enumerate(row)
        if piece[0] != FIRST and piece[1] in TURNED and piece[2] > 1
    )
    piece = page.locator(f"{BARS} .barlayer .trace.bars").nth(trace).locator(".point path").nth(place)
    piece.scroll_into_view_if_needed()
    box = piece.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile(rf"[?&]change={change}(&|$)"))
    heading = f"{CHANGES[change].name}: {n} of 24 images"
    expect(page.get_by_text(heading)).to_be_visible()
    unasked = outcome == next(iter(TURNED))
    assert parse_qs(urlsplit(page.url).query).get("sides") == (None if unasked else [outcome])
    other = browser.new_page(viewport={"width": 1280, "height": 800})
    visit(other, measured, page.url.rsplit("/", 1)[1])
    expect(other.get_by_text(heading)).to_be_visible()
    expect(other.get_by_role("combobox", name="Change")).to_have_value(CHANGES[change].name)
    other.close()
