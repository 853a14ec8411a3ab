"""A projector and a phone in one room: vote, reload, lost network, talk, second vote, reveal."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.served import PATIENCE, ROOT, serving
from tests.browser.test_accessibility import findings


class Neighbour:
    """Somebody else's phone, without a browser."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._opened = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.ask("join", {})

    def ask(self, what: str, body: dict[str, object] | None = None) -> dict[str, object]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._address}/{what}", data, {"Content-Type": "application/json"})
        with self._opened.open(request, timeout=60) as answer:
            return dict(json.load(answer))

    def vote(self, value: object) -> None:
        self.ask("answer", {"ballot": self.ask("state")["ballot"], "value": value})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard without runs: a room needs none."""
    folder = tmp_path_factory.mktemp("room")
    (folder / "runs").mkdir()
    with serving(ROOT / "app" / "Home.py", folder / "log", LESION_RUNS=str(folder / "runs"), LESION_DATA="") as address:
        yield address
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    yield opened
    context.close()


def wait_for_image(phone: Page) -> None:
    """Until the phone's image has come. `wait_for_function` would look again by a script that the page forbids."""
    for _ in range(200):
        if phone.evaluate("document.querySelector('img')?.naturalWidth > 0"):
            return
        phone.wait_for_timeout(50)
    raise AssertionError("No image came within ten seconds.")


def check_phone(phone: Page) -> None:
    """Large buttons, nothing cut off, and nothing that assistive technology cannot use."""
    heights = phone.locator("button").evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
    assert all(height >= 48 for height in heights), heights
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert findings(phone) == []


def test_a_class_votes_twice_and_nothing_is_lost(page: Page, phone: Page, server: str) -> None:
    loaded: list[int] = []
    phone.on("response", lambda answer: loaded.append(int(answer.headers.get("content-length", 0))))
    page.goto(f"{server}/room")
    page.get_by_role("button", name="Open a room").click()
    code = page.locator(".st-key-room-code-large h2").inner_text().strip()
    phone.goto(f"{server}/r/{code.lower()}")
    expect(phone.get_by_text("You are in")).to_be_visible()
    assert phone.url.endswith(code) and sum(loaded) < 60_000
    expect(page.get_by_text("1 person in the room")).to_be_visible()
    page.reload()
    expect(page.locator(".st-key-room-code-large h2")).to_have_text(code)  # the teacher's cookie

    page.get_by_role("textbox", name="Question", exact=True).fill("Whose model is better?")
    page.get_by_role("textbox", name="Options, one per line").fill("Team A\n* Team B")
    page.get_by_role("button", name="Ask", exact=True).click()
    first = phone.get_by_role("button", name="Team A")
    expect(first).to_have_attribute("aria-pressed", "false")
    check_phone(phone)
    first.tap()
    expect(phone.get_by_role("status")).to_contain_text("Your answer is in")
    phone.reload()
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("1 of 1 answered")).to_be_visible()

    neighbours = [Neighbour(f"{server}/r/{code}") for _ in range(5)]
    for neighbour in neighbours:
        neighbour.vote("a")
    phone.context.set_offline(True)
    phone.get_by_role("button", name="Team B").tap()
    expect(phone.get_by_role("status")).to_contain_text("No network. Your answer is kept")
    check_phone(phone)
    phone.context.set_offline(False)
    expect(phone.get_by_role("status")).to_contain_text("Your answer is in")
    expect(page.get_by_text("6 of 6 answered")).to_be_visible()

    page.get_by_role("button", name="Talk, then vote again").click()
    expect(phone.get_by_text("Talk to a neighbour")).to_be_visible()
    assert page.locator(".js-plotly-plot").count() == 0
    page.get_by_role("button", name="Vote again", exact=True).click()
    expect(phone.get_by_text("Second vote")).to_be_visible()
    expect(phone.get_by_text("Your first answer: Team B")).to_be_visible()
    assert phone.locator("[aria-pressed=true]").count() == 0, "nothing is chosen beforehand"
    phone.get_by_role("button", name="Team B").tap()
    for neighbour in neighbours:
        neighbour.vote("b")
    expect(page.get_by_text("6 of 6 answered")).to_be_visible()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    expect(page.get_by_text("5 of 6 changed their answer")).to_be_visible()
    expect(phone.get_by_text("Right: Team B")).to_be_visible()
    check_phone(phone)
    assert phone.get_by_role("button").count() == 0, "the answer is locked"


def test_a_series_of_pictures_survives_a_reload_and_a_lost_network(page: Page, phone: Page, server: str) -> None:
    loaded: list[int] = []
    phone.on("response", lambda answer: loaded.append(int(answer.headers.get("content-length", 0))))
    page.goto(f"{server}/room")
    page.get_by_role("button", name="Open a room").click()
    code = page.locator(".st-key-room-code-large h2").inner_text().strip()
    page.get_by_role("radio", name="Right or wrong, item after item").click()
    expect(page.get_by_role("textbox", name="Items, one per line")).to_be_visible()  # the form of this kind
    page.get_by_role("textbox", name="Question", exact=True).fill("Is that so?")
    page.get_by_role("textbox", name="Items, one per line").fill("This is malignant.")
    images = page.get_by_role("combobox", name="Images, one per item in their order, or none")
    for number in range(1, 5):
        images.click()
        images.fill(f"Synthetic image {number}")
        page.get_by_role("option", name=f"Synthetic image {number}", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("0 of 0 answered")).to_be_visible()

    phone.goto(f"{server}/r/{code}")
    expect(phone.get_by_text("1 of 4")).to_be_visible()
    wait_for_image(phone)
    phone.wait_for_timeout(1000)  # the image of the next item comes ahead
    assert sum(loaded) < 300_000
    check_phone(phone)
    phone.get_by_role("button", name="Right").tap()
    expect(phone.get_by_text("2 of 4")).to_be_visible()
    expect(phone.get_by_role("status")).to_contain_text("Your answer is in")
    phone.reload()
    expect(phone.get_by_text("2 of 4")).to_be_visible()
    wait_for_image(phone)
    phone.wait_for_timeout(1000)

    phone.context.set_offline(True)
    phone.get_by_role("button", name="Wrong").tap()
    expect(phone.get_by_text("3 of 4")).to_be_visible()
    expect(phone.get_by_role("status")).to_contain_text("No network. Your answer is kept")
    wait_for_image(phone)  # it had come ahead
    phone.get_by_role("button", name="Right").tap()
    expect(phone.get_by_text("4 of 4")).to_be_visible()
    expect(phone.get_by_text("The image did not come yet")).to_be_visible()
    check_phone(phone)
    phone.context.set_offline(False)
    expect(phone.get_by_role("status")).to_contain_text("Your answer is in")
    wait_for_image(phone)
    phone.get_by_role("button", name="Wrong").tap()
    expect(phone.get_by_text("All 4 are answered.")).to_be_visible()
    expect(page.get_by_text("1 of 1 answered, 1 to the end")).to_be_visible()

    neighbours = [Neighbour(f"{server}/r/{code}") for _ in range(4)]
    for neighbour in neighbours:
        neighbour.vote([True, True, False, False])
    expect(page.get_by_text("5 of 5 answered, 5 to the end")).to_be_visible()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    expect(phone.get_by_text("You said Right.")).to_be_visible()
    phone.get_by_role("button", name="Next").tap()
    expect(phone.get_by_text("You said Wrong.")).to_be_visible()
    check_phone(phone)


def test_a_wrong_code_is_a_sentence_and_a_field(phone: Page, server: str) -> None:
    phone.goto(f"{server}/r/BBBB")
    expect(phone.get_by_role("heading")).to_contain_text("There is no room BBBB")
    phone.get_by_label("The code on the wall").fill("x")
    phone.get_by_role("button", name="Go in").tap()
    expect(phone.get_by_role("status")).to_contain_text("four letters or digits")
    check_phone(phone)
