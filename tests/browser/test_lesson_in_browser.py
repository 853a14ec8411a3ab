"""A lesson in a browser: the figure comes after the answer, keys turn the pages, and a step is a link."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.served import settle, visit


def test_a_guess_is_locked_drawn_on_the_figure_and_kept(page: Page, server: str) -> None:
    visit(page, server, "lessons?lesson=people&step=2")
    charts, lock = page.locator(".js-plotly-plot"), page.get_by_role("button", name="Lock my answer")
    expect(lock).to_be_disabled()
    expect(charts).to_have_count(0)
    field = page.locator("input[type=number]")
    expect(field).to_have_value("")
    field.fill("83")
    field.press("Tab")
    lock.click()
    settle(page)
    expect(page.get_by_text("Your answer:")).to_contain_text("83")
    expect(charts.get_by_text("your guess: 83 %")).to_be_visible()
    page.locator("h1").click()  # the keys belong to the page, not to a field
    page.keyboard.press("PageDown")
    expect(page).to_have_url(re.compile("step=3"))
    settle(page)
    expect(charts).to_have_count(0)
    page.keyboard.press("PageUp")
    settle(page)
    expect(charts.get_by_text("your guess: 83 %")).to_be_visible()  # it stays for the visit
    page.go_back()
    expect(page).to_have_url(re.compile("step=3"))
    settle(page)
    expect(page.get_by_role("heading", name="The price of a miss")).to_be_visible()
    page.get_by_role("button", name="All lessons").click()
    settle(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Teacher's sheet").first.click()
    sheet = Path(saved.value.path()).read_text(encoding="utf-8")
    assert "What students say" in sheet and "<script" not in sheet
