"""Every page, light and dark, on a desk, on a phone and before a room: axe-core finds nothing serious, the words of
charts can be read, nothing is cut off sideways."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.navigation import GROUPS
from tests.browser.served import settle, visit

STEMS = [stem for entries in GROUPS.values() for stem, _, _ in entries]
LINKS = [
    "" if stem == "overview" else stem  # the default page has no path
    for stem in STEMS
] + ["explain?beside=classes", "compare?tab=ROC+curves", "compare?tab=Each+class", "compare?present=1"]
NOT_OURS = {
    # Streamlit puts a div between the list of pages and its items.
    "list": "[data-testid=stSidebarNavItems]",
    "listitem": "[data-testid=stSidebarNavItems] *",
    # The label of a slider that is switched off, which no rule asks contrast of, is not tied to it.
    "color-contrast": "[data-testid=stSlider] [data-testid=stWidgetLabel]",
}
"""What cannot be changed from here: rule to what it is found on, with the reason."""
SEVERE = ("serious", "critical")
CHART_WORDS = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = luminance(channels(getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor));
  return [...document.querySelectorAll('.js-plotly-plot text, .js-plotly-plot tspan')]
    .filter((e) => !e.querySelector('tspan') && e.textContent.trim() && e.textContent !== '■')
    .filter((e) => !e.closest('.textpoint') && e.getBoundingClientRect().width > 0)
    .map((e) => {
      const look = getComputedStyle(e), ink = luminance(channels(look.fill));
      return { words: e.textContent, size: parseFloat(look.fontSize),
               contrast: (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05) };
    });
}"""
"""Of the words of all charts: size and contrast. The words in the cells of a matrix lie on their own colours, which
`tests/app/test_figure_style.py` looks at."""


def visit_drawn(page: Page, server: str, link: str) -> None:
    """Until its charts and widgets are drawn, too."""
    visit(page, server, link)
    if link.startswith(("out_of_distribution", "robustness")):
        own = page.locator("[data-testid=stMain] :is([role=slider], input[type=range])[aria-valuetext]")
        expect(own).to_be_visible()  # its script has written the names
    if page.viewport_size and page.viewport_size["width"] > 640 and "present=" not in link:
        expect(page.get_by_test_id("stSidebar").get_by_role("link").last).to_be_visible()
    page.wait_for_timeout(500)  # what is drawn after the script has run: charts, and the fading in of elements


def findings(page: Page) -> list[str]:
    """What is serious, as rule and selector."""
    found: list[dict[str, Any]] = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{entry['id']}: {node['target']} {node['html'][:120]}"
        for entry in found
        if entry["impact"] in SEVERE
        for node in entry["nodes"]
        if not (
            entry["id"] in NOT_OURS
            and isinstance(node["target"][-1], str)
            and page.locator(node["target"][-1]).first.evaluate(
                "(element, selector) => !!element.closest(selector)", NOT_OURS[entry["id"]]
            )
        )
    ]


@pytest.mark.parametrize("link", LINKS)
def test_a_page_can_be_used_by_everybody(page: Page, server: str, link: str) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        visit_drawn(page, server, link)
        ground = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
        assert (ground == "rgb(252, 252, 250)") == (theme == "light"), "the theme follows the system"
        assert findings(page) == [], theme
        for words in page.evaluate(CHART_WORDS):
            assert words["size"] >= 13 and words["contrast"] >= 4.5, (theme, words)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth") <= 390


def test_every_button_has_a_name_that_is_a_word(page: Page, server: str) -> None:
    visit_drawn(page, server, "preprocessing")
    expect(page.locator(".wipe [role=slider]")).to_be_visible()
    names = [
        str(node["name"]["value"])
        for node in page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        if not node.get("ignored") and node["role"]["value"] in ("button", "slider", "switch", "combobox", "radio")
    ]
    assert len(names) > 15
    assert [name for name in names if not name.strip() or name.endswith(" icon")] == []
    assert len({name for name in names if "Settings of" in name}) == 6


def test_presenter_size_goes_along(page: Page, server: str) -> None:
    visit_drawn(page, server, "explain")
    size = page.locator("h1").evaluate("element => parseFloat(getComputedStyle(element).fontSize)")
    page.get_by_role("button", name="Presenter size").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    settle(page)
    assert "present=1" in page.url
    assert page.locator("h1").evaluate("element => parseFloat(getComputedStyle(element).fontSize)") == 1.5 * size
    picture, picker = page.get_by_alt_text("The image: ").first, page.get_by_role("combobox", name="Image").first
    at = [element.bounding_box() for element in (page.locator("h1"), picture, picker)]
    assert at[0] and at[1] and at[2]
    assert at[0]["y"] < at[1]["y"] < at[2]["y"], "the headline, the image, then what is set"
    page.get_by_role("link", name="Segment").click()
    expect(page.locator("h1")).to_contain_text("Where does the lesion end?")
    settle(page)
    assert "present=1" in page.url
    page.go_back()
    expect(page.locator("h1")).to_contain_text("Where did the model look?")
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    page.get_by_role("button", name="Leave presenter size").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    settle(page)
    assert "present" not in page.url


def test_the_matrix_can_be_read_on_a_phone(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit_drawn(page, server, "compare")
    cells = page.locator(".js-plotly-plot").first.locator(".textpoint text")
    expect(cells.first).to_be_visible()
    boxes = [box for box in (cell.bounding_box() for cell in cells.all()) if box]
    overlap = [
        (a, b)
        for i, a in enumerate(boxes)
        for b in boxes[i + 1 :]
        if a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    ]
    assert len(boxes) > 9 and overlap == []
