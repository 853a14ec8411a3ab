"""The main paths in a real browser: every page opens, a picture is uploaded, a slider moved, a wipe dragged."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.navigation import GROUPS
from lesion_core.ood.evaluation import evaluate_score
from lesion_core.ood.scores import Scorer
from lesion_core.runs.classifier import Run
from tests.browser.served import settle, visit

STEMS = [stem for entries in GROUPS.values() for stem, _, _ in entries]


@pytest.mark.parametrize("stem", STEMS)
def test_a_page_opens_without_a_problem(page: Page, server: str, stem: str) -> None:
    visit(page, server, "" if stem == "overview" else stem)  # the default page has no path
    expect(page.get_by_test_id("stException")).to_have_count(0)
    too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(too_wide)


def test_a_picture_is_uploaded_and_answered(page: Page, server: str, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))
    visit(page, server, "analyse")
    page.get_by_role("button", name="Use your own image").click()
    page.locator("input[type=file]").set_input_files(str(picture))
    expect(page.get_by_text("mine.png").first).to_be_visible()
    settle(page)
    expect(page.get_by_alt_text("The image: mine.png")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_slider_moves_the_map_and_the_link(page: Page, server: str) -> None:
    visit(page, server, "explain?opacity=40")
    thumb = page.get_by_role("slider").first
    expect(thumb).to_have_value("40")
    thumb.focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"[?&]opacity=45(&|$)"))
    settle(page)
    page.reload()
    expect(page.get_by_role("slider").first).to_have_value("45")


def test_the_severity_moves_in_the_browser_and_then_in_the_link(page: Page, server: str) -> None:
    visit(page, server, "robustness?image=synthetic-MEL-1&change=gaussian_noise&severity=1")
    slider = page.get_by_role("slider", name="Severity of gaussian noise")
    expect(slider).to_have_value("1")
    image = page.get_by_alt_text("Synthetic melanoma 1, gaussian noise 1")
    before = image.get_attribute("src")
    slider.focus()
    slider.evaluate("(e) => { e.value = 4; e.dispatchEvent(new Event('input', { bubbles: true })); }")
    after = page.get_by_alt_text("Synthetic melanoma 1, gaussian noise 4")
    expect(after).to_be_visible()
    assert after.get_attribute("src") != before and "severity=1" in page.url, "the server hears of it on release only"
    slider.evaluate("(e) => e.dispatchEvent(new Event('change', { bubbles: true }))")
    expect(page).to_have_url(re.compile(r"[?&]severity=4(&|$)"))
    settle(page)
    page.go_back()
    settle(page)
    expect(page.get_by_role("slider", name="Severity of gaussian noise")).to_have_value("1")
    again = page.get_by_role("slider", name="Severity of gaussian noise")
    again.evaluate("(e) => { e.value = 4; e.dispatchEvent(new Event('change', { bubbles: true })); }")
    expect(page).to_have_url(re.compile(r"[?&]severity=4(&|$)"))  # where it was let go before
    settle(page)
    page.goto(page.url.replace("severity=4", "severity=5"))
    expect(page.get_by_role("slider", name="Severity of gaussian noise")).to_have_value("5")


def test_the_threshold_line_is_dragged_into_the_link(page: Page, server: str) -> None:
    visit(page, server, "out_of_distribution?score=confidence&on=calibrate")
    handle = page.locator("[role=slider][aria-valuetext]")
    expect(handle).to_be_visible()
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
    expect(page).to_have_url(re.compile(r"[?&]threshold="))
    settle(page)
    in_link = float(page.evaluate("new URL(location.href).searchParams.get('threshold')"))
    assert in_link == pytest.approx(during, abs=2e-3)
    page.reload()
    handle = page.locator("[role=slider][aria-valuetext]")
    expect(handle).to_be_visible()
    assert float(handle.get_attribute("aria-valuenow") or "nan") == pytest.approx(in_link, abs=2e-3)


@pytest.mark.parametrize(("score", "on"), [("confidence", "test"), ("mahalanobis", "calibrate")])
def test_the_line_counts_the_images_of_the_run(page: Page, server: str, small_run: Run, score: str, on: str) -> None:
    judged = evaluate_score(small_run, Scorer.of(small_run), score)
    table, strange = judged.split(on), judged.ood_images["shown"]
    visit(page, server, f"out_of_distribution?score={score}&on={on}")
    handle = page.locator("[role=slider][aria-valuetext]")
    expect(handle).to_have_attribute("aria-valuenow", re.compile("."))
    settle(page)
    for key in ("", "PageDown", "PageDown", "ArrowRight", "End", "Home"):
        if key:
            handle.press(key)
        page.wait_for_timeout(400)
        settle(page)
        at = float(handle.get_attribute("aria-valuenow") or "nan")
        kept, let_in = ~judged.rejected(table["shown"], at), ~judged.rejected(strange, at)
        right = int((kept & table["correct"].to_numpy(bool)).sum())
        wanted = [
            f"{kept.sum():,} of {len(kept):,}",
            f"{right:,} of {kept.sum():,}" if kept.any() else "nothing is answered",
            f"{let_in.sum():,} of {len(let_in):,}",
        ]
        assert [
            page.locator(f"[data-count={name}]").first.inner_text() for name in ("kept", "right", "through")
        ] == wanted


def test_the_link_of_a_picture_survives_a_reload(page: Page, server: str) -> None:
    visit(page, server, "explain?image=synthetic-BCC-2&target=DF&layer=layer3")
    expect(page.get_by_alt_text("Grad-CAM for DF, layer3, over the image")).to_be_visible()
    page.reload()
    expect(page.get_by_alt_text("Grad-CAM for DF, layer3, over the image")).to_be_visible()
    assert "image=synthetic-BCC-2" in page.url


def test_the_tab_of_segment_is_in_the_link_and_stays_with_the_next_picture(page: Page, server: str) -> None:
    visit(page, server, "segment?image=synthetic-BKL-1")
    page.get_by_role("tab", name="The failures first").click()
    expect(page).to_have_url(re.compile(r"[?&]tab=The(\+|%20)failures(\+|%20)first(&|$)"))
    worst = page.get_by_text("test images, with their Jaccard")
    expect(worst).to_be_visible()
    settle(page)
    page.reload()
    expect(worst).to_be_visible()
    settle(page)
    page.locator(".gallery .tile").first.click()
    expect(page.get_by_text("of the expert's mask.")).to_be_visible()
    settle(page)
    expect(worst).to_be_visible()
    assert "image=SYN_" in page.url and "tab=" in page.url
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_the_wipe_follows_pointer_and_keys(page: Page, server: str) -> None:
    visit(page, server, "preprocessing?image=synthetic-MEL-1")
    handle = page.locator(".wipe [role=slider]")
    expect(handle).to_be_visible()
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
    expect(after).to_be_visible()
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
    expect(after).not_to_have_attribute("src", untouched or "")
    settle(page)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(after).to_have_attribute("src", untouched or "")
    expect(page.get_by_test_id("stException")).to_have_count(0)
