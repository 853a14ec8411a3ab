"""A visitor walks through the pages: the same image and run at each stop, and the browser's history is theirs."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.served import settle, visit

ON_ONE_IMAGE = ["Analyse", "Explain", "Segment", "Preprocessing"]
OTHERS = ["Overview", "Dataset", "Compare", "Out of distribution"]


def go(page: Page, name: str) -> None:
    """To a page by the sidebar."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=re.compile(rf"{name}$")).click()
    expect(page).to_have_url(re.compile(rf"/{name.lower().replace(' ', '_')}([?#]|$)"))
    settle(page)


def back(page: Page) -> None:
    page.go_back()
    settle(page)


def linked(page: Page) -> dict[str, str]:
    """The parameters of the link; one that stands there twice fails."""
    found = parse_qs(urlsplit(page.url).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in found.values()), page.url
    assert "None" not in [value for values in found.values() for value in values], page.url
    return {name: values[0] for name, values in found.items()}


def stem(page: Page) -> str:
    return urlsplit(page.url).path.strip("/")


def shows(page: Page, title: str) -> None:
    """The list of images and the image itself, where the page has one, are of this title."""
    expect(page.get_by_role("combobox", name="Image").first).to_have_value(title)
    expect(page.locator(f"img[alt*='{title}']").first).to_be_attached()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_one_image_and_one_run_on_every_page(browser: Browser, page: Page, server: str) -> None:
    visit(page, server, "analyse?image=synthetic-BCC-2&run=small")
    title = "Synthetic basal cell carcinoma 2"
    shows(page, title)
    page.get_by_role("link", name="Look at other classes and layers").click()
    expect(page.locator("h1")).to_contain_text("Where did the model look?")
    settle(page)
    shows(page, title)
    walked = [("analyse", "What does the model say"), ("explain", "Where did the model look?")]
    for name in ["Segment", "Compare", "Preprocessing", "Overview", "Out of distribution", "Dataset", "Analyse"]:
        go(page, name)
        walked.append((stem(page), page.locator("h1").inner_text()))
        assert linked(page)["image"] == "synthetic-BCC-2" and linked(page)["run"] == "small"
        if name in ON_ONE_IMAGE:
            shows(page, title)
    for expected, question in reversed(walked[:-1]):
        back(page)
        expect(page.locator("h1")).to_contain_text(question)
        settle(page)
        assert stem(page) == expected
        assert linked(page)["image"] == "synthetic-BCC-2" and linked(page)["run"] == "small"
    shows(page, title)
    go(page, "Explain")
    page.reload()
    settle(page)
    shows(page, title)
    other = browser.new_page(viewport={"width": 1280, "height": 800})
    visit(other, page.url.rsplit("/", 1)[0], page.url.rsplit("/", 1)[1])
    shows(other, title)
    other.close()


def test_a_choice_is_one_step_of_the_history(page: Page, server: str) -> None:
    visit(page, server, "explain?image=synthetic-MEL-1")
    box = page.get_by_role("combobox", name="Image").first
    for title in ("Synthetic melanocytic nevus 1", "Synthetic vascular lesion 2"):
        box.fill(title)
        page.get_by_role("option", name=title).click()
        settle(page)
        shows(page, title)
    go(page, "Segment")
    shows(page, "Synthetic vascular lesion 2")
    back(page)
    shows(page, "Synthetic vascular lesion 2")
    back(page)
    shows(page, "Synthetic melanocytic nevus 1")
    back(page)
    shows(page, "Synthetic melanoma 1")
    page.go_forward()
    settle(page)
    shows(page, "Synthetic melanocytic nevus 1")


@pytest.mark.parametrize(
    ("link", "label", "choice", "parameter"),
    [
        ("explain?image=synthetic-MEL-1", "Models", "Models", "beside"),
        ("segment?image=synthetic-MEL-1", "Mask", "Mask", "show"),
        ("compare", "Benign or malignant", "Benign or malignant", "view"),
        ("out_of_distribution", "Calibration set", "Calibration set", "on"),
        ("preprocessing?image=synthetic-MEL-1&hair=true", "Hair", "Hair", "after"),
    ],
)
def test_back_undoes_a_choice_and_forward_makes_it_again(
    page: Page, server: str, link: str, label: str, choice: str, parameter: str
) -> None:
    visit(page, server, link)
    group = page.get_by_role("radio", name=label, exact=True)
    group.first.click()
    expect(page).to_have_url(re.compile(rf"[?&]{parameter}="))
    settle(page)
    expect(group.first).to_be_checked()
    chosen = linked(page)[parameter]
    back(page)
    assert parameter not in linked(page)
    expect(group.first).not_to_be_checked()
    page.go_forward()
    settle(page)
    assert linked(page)[parameter] == chosen
    expect(page.get_by_role("radio", name=choice, exact=True).first).to_be_checked()


def test_an_image_that_a_choice_has_just_replaced_can_still_be_fetched(page: Page, server: str) -> None:
    visit(page, server, "segment?image=synthetic-MEL-2")
    image = page.get_by_alt_text("The mask over the image").first
    replaced = str(image.evaluate("image => image.src"))
    page.get_by_role("radio", name="Mask", exact=True).first.click()
    expect(page).to_have_url(re.compile("[?&]show=mask"))
    settle(page)
    assert image.evaluate("image => image.src") != replaced
    assert page.request.get(replaced).status == 200, "a browser on a slow line is still asking for it"


def test_an_own_image_goes_along_and_a_link_to_it_says_whose_it_was(
    browser: Browser, page: Page, server: str, tmp_path: Path
) -> None:
    own = tmp_path / "mine.png"
    cv2.imwrite(str(own), np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))
    visit(page, server, "analyse")
    page.get_by_role("button", name="Use your own image").click()
    page.locator("input[type=file]").set_input_files(str(own))
    expect(page.get_by_alt_text("The image: mine.png")).to_be_visible()
    settle(page)
    for name in ("Explain", "Compare", "Segment", "Preprocessing", "Analyse"):
        go(page, name)
        if name in ON_ONE_IMAGE:
            expect(page.locator("img[alt*='mine.png']").first).to_be_attached()
    link = page.url
    other = browser.new_page(viewport={"width": 1280, "height": 800})
    other.goto(link)
    expect(other.get_by_text("This link was to somebody's own image")).to_be_visible()
    other.close()


@pytest.mark.parametrize("name", ON_ONE_IMAGE)
def test_an_absent_image_is_named_and_not_replaced(page: Page, server: str, name: str) -> None:
    visit(page, server, f"{name.lower()}?image=ISIC_none&run=small")
    expect(page.get_by_text("There is no image ISIC_none here")).to_be_visible()
    assert linked(page)["image"] == "ISIC_none"
    go(page, "Compare")
    go(page, "Explain")
    expect(page.get_by_text("There is no image ISIC_none here")).to_be_visible()
    box = page.get_by_role("combobox", name="Image").first
    box.fill("Synthetic melanoma 1")
    page.get_by_role("option", name="Synthetic melanoma 1").click()
    settle(page)
    shows(page, "Synthetic melanoma 1")
    back(page)
    expect(page.get_by_text("There is no image ISIC_none here")).to_be_visible()


def test_an_absent_run_is_named_and_not_replaced(page: Page, server: str) -> None:
    page.goto(f"{server}/compare?run=none_of_ours")
    expect(page.get_by_text("There is no run 'none_of_ours'")).to_be_visible()
    assert linked(page)["run"] == "none_of_ours"
    box = page.get_by_role("combobox", name="Run").first
    box.click()
    page.get_by_role("option", name="small").click()
    expect(page).to_have_url(re.compile("[?&]run=small(&|$)"))
    settle(page)
    expect(page.get_by_text("There is no run")).to_have_count(0)
    assert linked(page)["run"] == "small"


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("explain?image=synthetic-MEL-1&target=XYZ", "XYZ"),
        ("explain?image=synthetic-MEL-1&method=tea_leaves", "tea_leaves"),
        ("out_of_distribution?score=tea_leaves", "tea_leaves"),
        ("compare?view=tea_leaves", "tea_leaves"),
        ("dataset?data=tea_leaves", "tea_leaves"),
    ],
)
def test_what_else_a_link_names_and_is_not_here_is_told(page: Page, server: str, link: str, asked: str) -> None:
    visit(page, server, link)
    expect(page.get_by_text(f"The link asks for {asked}, which is not here.").first).to_be_visible()
    assert asked in linked(page).values()


def test_the_start_page_has_its_own_name_too_and_an_unknown_page_says_so(
    page: Page, problems: list[str], server: str
) -> None:
    visit(page, server, "overview?run=small")
    assert stem(page) == "overview"
    expect(page.get_by_text("Page not found")).to_have_count(0)
    page.goto(f"{server}/no_such_page")
    expect(page.get_by_text("Page not found")).to_be_visible()
    assert "does not seem to exist" in problems.pop() and not problems


def test_the_hidden_truth_is_nowhere(page: Page, server: str) -> None:
    visit(page, server, "analyse?image=synthetic-DF-2&run=small")
    expect(page.get_by_text("true diagnosis: dermatofibroma")).to_be_visible()
    page.get_by_text("Hide the truth").click()
    expect(page).to_have_url(re.compile("[?&]hide=1"))
    settle(page)
    for name in ON_ONE_IMAGE:
        go(page, name)
        found = linked(page)
        assert found["hide"] == "1" and re.fullmatch("case-[0-9a-f]{6}", found["image"])
        content = page.get_by_test_id("stMain").inner_html()
        for telling in ("Synthetic", "synthetic-", "true diagnosis", "true:", "RIGHT", "WRONG"):
            assert telling not in content, (name, telling)
    page.get_by_text("Hide the truth").click()
    expect(page).not_to_have_url(re.compile("[?&]hide="))
    settle(page)
    assert linked(page)["image"] == "synthetic-DF-2"
