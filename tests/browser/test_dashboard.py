"""The main paths in a real browser: every page opens, a picture is uploaded, a slider moved, a wipe dragged."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.navigation import GROUPS

ROOT = Path(__file__).parent.parent.parent
STEMS = [stem for entries in GROUPS.values() for stem, _, _ in entries]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE = 60_000  # ms; the model loads within it on a busy machine

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def server(runs_root: Path, data_root: Path) -> Iterator[str]:
    """The dashboard on a free port, with the small run and the synthetic data."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LESION_RUNS": str(runs_root), "LESION_DATA": str(data_root)}
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app/Home.py",
        "--server.headless=true",
        "--server.address=127.0.0.1",
        f"--server.port={port}",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.25)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a laptop's size that collects what goes wrong in `page.problems`."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    # Streamlit's client first looks for its server below the page's own path; those two answers are meant to be 404.
    opened.on(
        "response",
        lambda r: (
            problems.append(f"{r.status} {r.url}")
            if r.status >= 400 and not r.url.endswith(("/_stcore/health", "/_stcore/host-config"))
            else None
        ),
    )
    # What the browser itself takes back, a picture that the next one replaces or a reload cuts off, did not fail.
    opened.on(
        "requestfailed",
        lambda r: (
            problems.append(f"{r.failure} {r.url}")
            if not r.url.startswith("data:") and r.failure != "net::ERR_ABORTED"
            else None
        ),
    )
    opened.on("console", lambda m: problems.append(m.text) if m.type == "error" and "404" not in m.text else None)
    opened.problems = problems  # type: ignore[attr-defined]
    yield opened
    opened.close()


def visit(page: Page, server: str, link: str) -> None:
    """Open a link and wait until its script has run."""
    page.goto(f"{server}/{link}")
    expect(page.locator("h1")).to_contain_text("?", timeout=PATIENCE)
    settle(page)


def settle(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)


@pytest.mark.parametrize("stem", STEMS)
def test_a_page_opens_without_a_problem(page: Page, server: str, stem: str) -> None:
    visit(page, server, "" if stem == "overview" else stem)  # the default page has no path
    expect(page.get_by_test_id("stException")).to_have_count(0)
    too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(too_wide)
    assert page.problems == []  # type: ignore[attr-defined]


def test_a_picture_is_uploaded_and_answered(page: Page, server: str, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))
    visit(page, server, "analyse")
    page.get_by_role("button", name="Use your own picture").click()
    page.locator("input[type=file]").set_input_files(str(picture))
    expect(page.get_by_text("mine.png").first).to_be_visible(timeout=PATIENCE)
    settle(page)
    expect(page.get_by_alt_text("The picture: mine.png")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_slider_moves_the_map_and_the_link(page: Page, server: str) -> None:
    visit(page, server, "explain?opacity=40")
    thumb = page.get_by_role("slider").first
    expect(thumb).to_have_value("40")
    thumb.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("new URL(location.href).searchParams.get('opacity') === '45'", timeout=PATIENCE)
    settle(page)
    page.reload()
    expect(page.get_by_role("slider").first).to_have_value("45", timeout=PATIENCE)


def test_the_threshold_line_is_dragged_into_the_link(page: Page, server: str) -> None:
    visit(page, server, "out_of_distribution?score=confidence&on=calibrate")
    handle = page.locator("[role=slider][aria-valuetext]")
    expect(handle).to_be_visible(timeout=PATIENCE)
    box = handle.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = float(handle.get_attribute("aria-valuenow") or "nan")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y, steps=6)
    during = float(handle.get_attribute("aria-valuenow") or "nan")
    assert during != before, "it moves while it is held"
    assert "threshold=" not in page.url, "the server hears of it on release only"
    page.mouse.up()
    page.wait_for_function("new URL(location.href).searchParams.get('threshold') !== null", timeout=PATIENCE)
    settle(page)
    in_link = float(page.evaluate("new URL(location.href).searchParams.get('threshold')"))
    assert in_link == pytest.approx(during, abs=2e-3)
    page.reload()
    handle = page.locator("[role=slider][aria-valuetext]")
    expect(handle).to_be_visible(timeout=PATIENCE)
    assert float(handle.get_attribute("aria-valuenow") or "nan") == pytest.approx(in_link, abs=2e-3)


def test_the_link_of_a_picture_survives_a_reload(page: Page, server: str) -> None:
    visit(page, server, "explain?image=synthetic-BCC-2&target=DF&layer=layer3")
    expect(page.get_by_alt_text("Grad-CAM for DF, layer3, over the picture")).to_be_visible(timeout=PATIENCE)
    page.reload()
    expect(page.get_by_alt_text("Grad-CAM for DF, layer3, over the picture")).to_be_visible(timeout=PATIENCE)
    assert "image=synthetic-BCC-2" in page.url


def test_the_tab_of_segment_is_in_the_link_and_stays_with_the_next_picture(page: Page, server: str) -> None:
    visit(page, server, "segment?image=synthetic-BKL-1")
    page.get_by_role("tab", name="The failures first").click()
    page.wait_for_function("new URL(location.href).searchParams.get('tab') === 'The failures first'", timeout=PATIENCE)
    worst = page.get_by_text("test pictures, with their Jaccard")
    expect(worst).to_be_visible(timeout=PATIENCE)
    settle(page)
    page.reload()
    expect(worst).to_be_visible(timeout=PATIENCE)
    settle(page)
    page.get_by_test_id("stPageLink").get_by_role("link").filter(has_text=", ").first.click()
    expect(page.get_by_text("of the expert's mask.")).to_be_visible(timeout=PATIENCE)
    settle(page)
    expect(worst).to_be_visible(timeout=PATIENCE)
    assert "image=SYN_" in page.url and "tab=" in page.url
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.problems == []  # type: ignore[attr-defined]


def test_the_wipe_follows_pointer_and_keys(page: Page, server: str) -> None:
    visit(page, server, "preprocessing?image=synthetic-MEL-1")
    handle = page.locator(".wipe [role=slider]")
    expect(handle).to_be_visible(timeout=PATIENCE)
    start = float(handle.get_attribute("aria-valuenow") or "nan")
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert float(handle.get_attribute("aria-valuenow") or "nan") > start
    box = handle.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 120, y, steps=5)
    page.mouse.up()
    assert float(handle.get_attribute("aria-valuenow") or "nan") < start


def test_painting_over_the_picture_asks_again(page: Page, server: str) -> None:
    visit(page, server, "explain?image=synthetic-MEL-1&tab=Ask+back")
    after = page.get_by_alt_text("Grad-CAM after the change")
    expect(after).to_be_visible(timeout=PATIENCE)
    untouched = after.get_attribute("src")
    assert untouched == page.get_by_alt_text("Grad-CAM before the change").get_attribute("src")
    canvas = page.locator("canvas[aria-label^='Paint over']")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.4 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=8)
    page.mouse.up()
    expect(after).not_to_have_attribute("src", untouched or "", timeout=PATIENCE)
    settle(page)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(after).to_have_attribute("src", untouched or "", timeout=PATIENCE)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.problems == []  # type: ignore[attr-defined]
