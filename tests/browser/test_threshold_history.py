"""A walk through the page of the threshold: score, number, line and link agree at each stop, back and forth."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.served import settle

State = dict[str, Any]


def handle(page: Page) -> Locator:
    return page.locator(".threshold [role=slider]").last  # for a moment there are two, of two scores


def opened(page: Page) -> None:
    """Wait until the line is there and no script runs."""
    expect(handle(page)).to_have_attribute("aria-valuenow", re.compile("."))
    settle(page)


def seen(page: Page) -> State | None:
    """What the page shows at this moment; None while one state makes way for another."""
    opened(page)
    read = "(roots) => roots.map((r) => ['.value', '[data-count=kept]'].map((at) => r.querySelector(at).textContent))"
    lines = page.locator(".threshold").evaluate_all(read)
    rest = page.evaluate(
        """() => { const all = (at) => [...document.querySelectorAll(at)];
           return { score: all('.st-key-score input').map((e) => e.value),
                    box: all('.st-key-threshold input').map((e) => e.value),
                    chosen: all(':is(.st-key-on, .st-key-bars) [aria-checked=true]').map((e) => e.textContent),
                    badges: all('.st-key-at_the_line [data-testid=stBadge], .st-key-at_the_line .stMarkdownBadge')
                      .map((e) => e.textContent),
                    veiled: all('[aria-busy=true]').length }; }"""
    )
    if len(lines) != 1 or rest.pop("veiled"):
        return None
    return {**rest, "line": lines[0]}


def state(page: Page, wanted: Callable[[State], bool] = bool) -> State:
    """What the page shows once it stands still: then number, line and link are of one mind.

    Args:
        page: The page.
        wanted: What is waited for, since a busy machine may not have begun to change it; not for ever.
    """
    for _ in range(60):
        before = seen(page)
        page.wait_for_timeout(700)
        found = seen(page)
        if found and found == before and found["box"] == found["line"][:1] and wanted(found):
            break
    assert found
    assert found["box"] == found["line"][:1], found
    (at,) = found["box"]
    link = page.evaluate("Object.fromEntries(new URL(location.href).searchParams)")
    if "threshold" in link:
        assert float(link["threshold"]) == pytest.approx(float(at), abs=10.0 ** -len(at.split(".")[-1]))
    return found


def choose_score(page: Page, name: str) -> None:
    page.locator(".st-key-score input").click()
    page.get_by_role("option", name=name, exact=True).click()


def drag(page: Page, by: float) -> None:
    box = handle(page).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y, steps=5)
    page.mouse.up()


def type_number(page: Page, number: str) -> None:
    field = page.locator(".st-key-threshold input")
    field.fill(number)
    field.press("Enter")


def press(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()


DEEDS: list[Callable[[Page], None]] = [
    lambda page: choose_score(page, "Energy"),
    lambda page: drag(page, -90),
    lambda page: press(page, "Shares"),
    lambda page: choose_score(page, "Margin"),
    lambda page: press(page, "Calibration set"),
    lambda page: type_number(page, "0.25"),
    lambda page: choose_score(page, "Unsure or unusual"),
    lambda page: choose_score(page, "Confidence, as published"),
    lambda page: page.get_by_role("button", name="0.8, as published").click(),
]


def test_the_history_of_the_browser_is_that_of_the_visitor(page: Page, browser: Browser, server: str) -> None:
    page.goto(f"{server}/out_of_distribution?score=confidence&threshold=0.7&moved=calibrate")
    states = [state(page)]
    assert (states[0]["score"], states[0]["box"]) == (["Confidence, as published"], ["0.700"])
    for i, deed in enumerate(DEEDS):
        before, last = page.evaluate("history.length"), states[-1]
        deed(page)
        states.append(state(page, lambda found, last=last: found != last))  # type: ignore[misc]
        assert states[-1] != last, f"deed {i} changed nothing"
        assert page.evaluate("history.length") == before + 1, f"deed {i}: one entry of the history for one deed"
    for i in reversed(range(len(DEEDS))):
        page.go_back()
        assert state(page, states[i].__eq__) == states[i], f"back to {i}"
    for i in range(1, len(states)):
        page.go_forward()
        assert state(page, states[i].__eq__) == states[i], f"forward to {i}"
    there, one_less = states[-5], states[-6]
    for _ in range(4):
        page.go_back()
    assert state(page, there.__eq__) == there, "several steps at once"
    page.reload()
    assert state(page, there.__eq__) == there, "after a reload"
    other = browser.new_page(viewport=page.viewport_size)
    other.goto(page.url)
    assert state(other, there.__eq__) == there, "in a new tab"
    other.close()
    page.go_back()
    assert state(page, one_less.__eq__) == one_less, "back over the reload"


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_tabs_are_on_the_first_screen(page: Page, server: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{server}/out_of_distribution")
    opened(page)
    box = page.get_by_role("tab", name="Who is rejected").bounding_box()
    assert box
    assert box["y"] + box["height"] <= size[1]
    small = page.locator(".threshold").evaluate(
        """(root) => [...root.querySelectorAll('*')].filter((e) => e.textContent.trim() && !e.children.length
             && parseFloat(getComputedStyle(e).fontSize) < 13).map((e) => e.textContent)"""
    )
    assert small == []


def test_what_speaks_of_the_last_threshold_is_veiled_until_it_is_drawn_again(page: Page, server: str) -> None:
    page.goto(f"{server}/out_of_distribution?score=confidence&threshold=0.4")
    opened(page)
    veiled = page.locator("[aria-busy=true]:is(.st-key-threshold, .st-key-at_the_line)")
    expect(veiled).to_have_count(0)
    box = handle(page).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=5)
    expect(veiled).to_have_count(2)
    assert all("blur" in (place.get_attribute("style") or "") for place in veiled.all())
    page.mouse.up()
    # Once it can be read again, it is of the new threshold.
    expect(veiled).to_have_count(0)
    assert page.locator(".st-key-threshold input").input_value() == page.locator(".threshold .value").inner_text()
    handle(page).press("ArrowRight")
    expect(veiled).to_have_count(2)
    handle(page).press("ArrowLeft")  # back where it was
    expect(veiled).to_have_count(0)
