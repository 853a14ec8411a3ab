"""The threshold line in a real browser: dragged, pressed, clicked; its numbers against NumPy, and its frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.served import serving, settle

# The data of the demonstration, also for the tests' own arithmetic.
PICTURES = """
from types import SimpleNamespace
import numpy as np

def pictures(n, reject="under", ood_images=True, melanomas=True):
    rng = np.random.default_rng(7)
    correct = rng.random(n) < 0.83
    melanoma = (rng.random(n) < 0.12) & melanomas
    m = n // 5 * ood_images
    kinds = rng.choice(["natural", "vehicles, animals, people", "clinical photographs", "X-ray", "blood smears",
                        "noise", "charts"], m, p=[.3, .25, .15, .12, .1, .05, .03])
    if reject == "under":
        values = np.where(correct, rng.beta(9, 1.3, n), rng.beta(4, 2.6, n))
        odd = np.where(kinds == "X-ray", rng.beta(8, 1.5, m), rng.beta(3.2, 3, m))
    else:
        values = rng.gamma(np.where(correct, 9, 11), 12, n)
        odd = rng.gamma(np.where(kinds == "clinical photographs", 14, 45), 14, m)
    return SimpleNamespace(values=values, correct=correct, melanoma=melanoma, ood_images=odd, kinds=kinds)
"""
APP = (
    PICTURES
    + """
import streamlit as st
from app.widgets.threshold import Mark, threshold_bins, threshold_line

st.set_page_config(layout="wide")
query = st.query_params
n, reject = int(query.get("n", 4_750)), query.get("reject", "under")

@st.cache_data
def bins(n, reject, ood_images, melanomas):
    p = pictures(n, reject, ood_images, melanomas)
    kept = float(np.quantile(p.values, 0.05 if reject == "under" else 0.95))
    marks = [Mark(kept, "keeps 95 % of calibrate")]
    marks += [Mark(0.8, "0.8, as published")] if reject == "under" else []
    cheapest = float(np.quantile(p.values, 0.2 if reject == "under" else 0.8))
    marks.append(Mark(cheapest, "cheapest, a miss is 20 referrals"))
    return threshold_bins(p.values, p.correct, p.melanoma, p.ood_images, p.kinds, reject=reject,
                          quantity="The model's confidence" if reject == "under" else "Mahalanobis distance",
                          marks=marks, span=(0, 1) if reject == "under" else None)

def count(name):
    st.session_state[name] = st.session_state.get(name, 0) + 1
    return st.session_state[name]

def take(value):
    st.session_state["threshold"] = value
    count("releases")

st.sidebar.markdown(f"runs of the page: {count('runs')}")
st.title("What does a threshold cost, and whom?")
shown = bins(n, reject, "ood_images" not in query.get("no", ""), "melanomas" not in query.get("no", ""))

@st.fragment
def body():
    figure = st.container()
    threshold = st.number_input("Threshold", value=0.8, step=0.001, format="%.3f", key="threshold", bind="query-params")
    own = [0.25, 0.75] if st.checkbox("own images") else []
    with figure:
        at = threshold_line(shown, threshold, key="line", on_release=take, own=own, heights=query.get("bars", "counts"))
    st.text(f"moves: {count('moves')}, releases: {st.session_state.get('releases', 0)}, at {at!r}")

body()
"""
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with only the line."""
    folder = tmp_path_factory.mktemp("threshold")
    script = folder / "page.py"
    script.write_text(APP, encoding="utf-8")
    with serving(script, folder / "server.log") as address:
        yield address


@pytest.fixture(scope="module")
def pictures() -> SimpleNamespace:
    """What the page shows by default."""
    return made(4_750)


def made(n: int, reject: str = "under") -> SimpleNamespace:
    scope: dict[str, Any] = {}
    exec(PICTURES, scope)
    found = scope["pictures"](n, reject)
    assert isinstance(found, SimpleNamespace)
    return found


def handle(page: Page) -> Locator:
    return page.locator(".threshold [role=slider]")


def visit(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/?{query}")
    expect(handle(page)).to_have_attribute("aria-valuenow", re.compile("."))
    expect(page.get_by_text("moves: 1,")).to_be_visible()
    settle(page)


def threshold(page: Page) -> float:
    return float(handle(page).get_attribute("aria-valuenow") or "nan")


def middle(page: Page) -> tuple[float, float]:
    box = handle(page).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, by: float, steps: int = 6) -> None:
    """Take the handle and move it; the button stays down."""
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y + 5, steps=steps)
    next_frame(page)


def next_frame(page: Page) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def numbers(page: Page) -> dict[str, list[int]]:
    """The counts on the screen."""
    names = ["kept", "right", "through", "melanomas", "found", "missed", "sent"]
    texts = {name: page.locator(f".threshold [data-count={name}]").inner_text() for name in names}
    return {
        name: [int(digits.replace(",", "")) for digits in re.findall(r"\d[\d,]*", text)] for name, text in texts.items()
    }


def counted(p: SimpleNamespace, at: float, reject: str = "under") -> dict[str, list[int]]:
    """The same counts, from the pictures."""
    kept, through = (p.values >= at, p.ood_images >= at) if reject == "under" else (p.values <= at, p.ood_images <= at)
    mel = p.melanoma
    return {
        "kept": [int(kept.sum()), len(kept)],
        "right": [int((kept & p.correct).sum()), int(kept.sum())],
        "through": [int(through.sum()), len(through)],
        "melanomas": [int(mel.sum())],
        "found": [int((kept & mel & p.correct).sum())],
        "missed": [int((kept & mel & ~p.correct).sum())],
        "sent": [int((~kept & mel).sum())],
    }


def test_the_numbers_are_numpys_while_the_line_is_dragged(page: Page, server: str, pictures: SimpleNamespace) -> None:
    visit(page, server)
    assert threshold(page) == 0.8
    assert numbers(page) == counted(pictures, 0.8)
    drag(page, -130)
    seen = {0.8}
    for move in (40, -90, 55, 20):
        x, y = middle(page)
        page.mouse.move(x + move, y, steps=4)
        next_frame(page)
        at = threshold(page)
        seen.add(at)
        assert numbers(page) == counted(pictures, at)
        share = page.locator(".threshold [data-share=kept]").inner_text()
        assert share == f"{100 * (pictures.values >= at).mean():.1f} %"
    assert len(seen) == 5
    page.mouse.up()


def test_a_score_is_rejected_over_the_line(page: Page, server: str) -> None:
    p = made(4_750, "over")
    visit(page, server, "reject=over&threshold=200")
    assert numbers(page) == counted(p, 200, "over")
    drag(page, -60)
    assert numbers(page) == counted(p, threshold(page), "over")
    page.mouse.up()


def test_kinds_and_points_move_with_the_line(page: Page, server: str, pictures: SimpleNamespace) -> None:
    visit(page, server)
    shares = page.locator(".threshold .kind b")
    points = page.locator(".threshold .curve .point")
    before = [points.nth(i).get_attribute("cx") for i in range(2)]
    drag(page, -100)
    at = threshold(page)
    of_kind = pictures.ood_images[pictures.kinds == "natural"]
    assert shares.first.inner_text() == f"{100 * (of_kind >= at).mean():.1f} %"
    assert all(points.nth(i).get_attribute("cx") != before[i] for i in range(2))
    page.mouse.up()


def test_only_letting_go_reruns_and_only_once(page: Page, server: str) -> None:
    visit(page, server)
    drag(page, -80, steps=20)
    page.wait_for_timeout(700)
    expect(page.get_by_text("moves: 1, releases: 0")).to_be_visible()
    page.mouse.up()
    at = threshold(page)
    expect(page.get_by_text(f"moves: 2, releases: 1, at {at!r}")).to_be_visible()
    page.wait_for_timeout(500)
    expect(page.get_by_text("moves: 2, releases: 1")).to_be_visible()
    expect(page.get_by_text("runs of the page: 1")).to_be_visible()  # the fragment alone ran
    assert threshold(page) == at
    assert f"threshold={at:g}" in page.url
    page.reload()
    expect(handle(page)).to_have_attribute("aria-valuenow", f"{at:g}")


def test_a_click_beside_the_line_brings_it_there(page: Page, server: str) -> None:
    visit(page, server)
    x, y = middle(page)
    page.mouse.click(x - 200, y - 60)
    expect(page.get_by_text("releases: 1")).to_be_visible()
    assert threshold(page) < 0.5
    assert abs(middle(page)[0] - (x - 200)) < 1


def test_the_line_follows_the_pointer_where_the_page_is_enlarged(page: Page, server: str) -> None:
    """As presenter size does it: what is drawn lies where it belongs, and the handle stays under the pointer."""
    visit(page, server)
    page.evaluate("document.querySelector('[data-testid=stMain]').style.zoom = 1.4")
    page.wait_for_timeout(300)  # the chart is drawn anew for its new width
    handle(page).scroll_into_view_if_needed()
    x, _ = middle(page)
    drag(page, -150)
    assert abs(middle(page)[0] - (x - 150)) < 2
    page.mouse.up()
    places = page.locator(".threshold").evaluate(
        """root => { const ends = (e) => [e.getBoundingClientRect().left, e.getBoundingClientRect().right];
           return { handle: ends(root.querySelector('.handle')), axis: ends(root.querySelector('.bars .base')),
                    shades: [...root.querySelectorAll('.shade')].map(ends) }; }"""
    )
    assert places["shades"]
    for left, right in places["shades"]:  # rejected is what lies under the threshold
        assert left == pytest.approx(places["axis"][0], abs=2)
        assert right == pytest.approx(sum(places["handle"]) / 2, abs=2)


def test_a_rerun_leaves_a_held_line_alone(page: Page, server: str) -> None:
    visit(page, server)
    drag(page, -80)
    page.mouse.up()
    drag(page, -60)  # while the first one's rerun is under way
    held, x = threshold(page), middle(page)[0]
    expect(page.get_by_text("releases: 1")).to_be_visible()
    settle(page)
    assert threshold(page) == held
    assert middle(page)[0] == x
    page.mouse.up()
    expect(page.get_by_text(f"releases: 2, at {held!r}")).to_be_visible()
    assert threshold(page) == held


def test_a_value_from_the_page_moves_the_line(page: Page, server: str, pictures: SimpleNamespace) -> None:
    visit(page, server)
    drag(page, -80)
    page.mouse.up()
    expect(page.get_by_text("releases: 1")).to_be_visible()
    field = page.get_by_role("spinbutton")
    field.fill("0.4321")
    field.press("Enter")
    expect(handle(page)).to_have_attribute("aria-valuenow", "0.432")
    assert numbers(page) == counted(pictures, 0.432)
    expect(page.get_by_text("releases: 1, at 0.432")).to_be_visible()


def test_keys_move_the_line(page: Page, server: str) -> None:
    visit(page, server)
    handle(page).focus()
    for key, at in (
        ("ArrowRight", 0.801),
        ("ArrowUp", 0.802),
        ("ArrowLeft", 0.801),
        ("Shift+ArrowRight", 0.82),
        ("PageDown", 0.8),
        ("Shift+ArrowLeft", 0.78),
        ("End", 1),
        ("ArrowRight", 1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        next_frame(page)
        assert threshold(page) == at, key
    expect(page.get_by_text(", at 0.0")).to_be_visible()
    assert "answers 100.0 % of dermoscopy" in (handle(page).get_attribute("aria-valuetext") or "")
    assert handle(page).get_attribute("aria-valuemin") == "0"
    assert handle(page).get_attribute("aria-valuemax") == "1"


def test_keys_that_follow_each_other_are_one_release(page: Page, server: str) -> None:
    visit(page, server)
    handle(page).evaluate("""(handle) => { for (let i = 0; i < 30; i++) for (const kind of ["keydown", "keyup"])
        handle.dispatchEvent(new KeyboardEvent(kind, { key: "ArrowLeft", bubbles: true })); }""")
    expect(page.get_by_text("moves: 2, releases: 1, at 0.77")).to_be_visible()


def test_a_mark_takes_the_line_exactly(page: Page, server: str, pictures: SimpleNamespace) -> None:
    visit(page, server)
    mark = page.get_by_role("button", name="keeps 95 %")
    mark.click()
    exact = float(np.quantile(pictures.values, 0.05))
    expect(page.get_by_text(f"releases: 1, at {exact!r}")).to_be_visible()
    expect(mark).to_have_attribute("aria-pressed", "true")
    assert threshold(page) == exact
    assert numbers(page) == counted(pictures, exact)


def test_nobody_to_count_has_its_own_words(page: Page, server: str) -> None:
    visit(page, server, "no=ood_images,melanomas")
    expect(page.locator(".threshold .empty")).to_have_text("No OOD images in this run.")
    expect(page.get_by_text("no OOD images in this run", exact=True)).to_be_visible()
    expect(page.get_by_text("No melanomas in this run")).to_be_visible()
    drag(page, 300)
    expect(page.get_by_text("nothing is answered")).to_be_visible()
    page.mouse.up()


def test_own_images_come_and_go_as_ticks_while_the_counts_stay(page: Page, server: str) -> None:
    visit(page, server)
    ticks, before = page.locator(".threshold path.own"), numbers(page)
    expect(ticks).to_have_count(0)
    for count in (2, 0):
        page.get_by_text("own images").click()
        expect(ticks).to_have_count(count)
        assert numbers(page) == before


@pytest.mark.parametrize("bars", ["counts", "shares"])
def test_bars_are_as_high_as_what_they_count(page: Page, server: str, pictures: SimpleNamespace, bars: str) -> None:
    visit(page, server, f"bars={bars}")
    edges, styles = page.locator(".threshold").evaluate(
        """(root) => [root.line.bins.bars.map((edge) => root.line.bins.edges[edge]),
           ['fill-right', 'outline-wrong', 'fill-strange'].map((s) => root.querySelector(`.${s}`).getAttribute('d'))]"""
    )
    groups = [pictures.values[pictures.correct], pictures.values[~pictures.correct], pictures.ood_images]
    heights = []
    for path, values in zip(styles, groups, strict=True):
        ys = [float(y) for y in re.findall(r"V([\d.]+)", path)]
        counts = np.histogram(values, np.array(edges))[0]
        bottom, tops = max(ys), [y for y in ys if y < max(ys)]
        heights.append(np.array([bottom - y for y in tops]))
        share = counts[counts > 0] / (1 if bars == "counts" else len(values))
        assert heights[-1] / heights[-1].max() == pytest.approx(share / share.max(), abs=0.01)
        heights[-1] = heights[-1].max() / share.max()
    # Right and wrong answers have one scale; only as counts is it that of images.
    assert heights[0] == pytest.approx(heights[1], rel=0.01)
    unit = "images per bar" if bars == "counts" else "share of each group per bar"
    expect(page.locator(".threshold .legend.upper")).to_contain_text(f"Dermoscopy, {unit}")


@pytest.mark.parametrize(("width", "height", "tall"), [(1280, 800, 410), (1920, 1080, 560)])
def test_it_is_on_the_first_screen_and_nothing_is_cut(
    page: Page, server: str, width: int, height: int, tall: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    visit(page, server)
    box = page.locator(".threshold").bounding_box()
    assert box
    assert box["height"] == tall
    assert box["y"] + box["height"] <= height
    cut = page.locator(".threshold").evaluate(
        """(root) => [...root.querySelectorAll('.note, .label, .tile b, .legend, .marks button, figcaption, svg text')]
           .filter((e) => e.getClientRects().length)  // the kinds are not on a laptop's screen
           .filter((e) => e.getBoundingClientRect().right > root.getBoundingClientRect().right + 1
                          || e.getBoundingClientRect().left < root.getBoundingClientRect().left - 1)
           .map((e) => e.textContent)"""
    )
    assert cut == []


def test_a_million_pictures_move_smoothly(page: Page, server: str) -> None:
    visit(page, server, "n=1000000")
    move = page.locator(".threshold").evaluate(
        """(root) => { const began = performance.now();
           for (let i = 0; i < 400; i++) root.line.move(i * 2);
           return (performance.now() - began) / 400; }"""
    )
    drag(page, -20)
    page.evaluate("""() => { window.seen = []; let last = performance.now();
        const step = (now) => { window.seen.push(now - last); last = now; requestAnimationFrame(step); };
        requestAnimationFrame(step); }""")
    page.wait_for_timeout(1000)
    still = np.array(page.evaluate("window.seen.splice(0)")[2:])
    x, y = middle(page)
    for i in range(120):
        page.mouse.move(x - 3 * i if i < 60 else x - 360 + 3 * i, y)
    frames = np.array(page.evaluate("window.seen"))
    page.mouse.up()
    print(
        f"{len(frames)} frames, median {np.median(frames):.1f} ms, 95 % under {np.quantile(frames, 0.95):.1f} ms "
        f"(nothing moves: {np.median(still):.1f} ms); a move takes {move:.2f} ms of script"
    )
    assert len(frames) > 20
    assert np.median(frames) < max(20, 1.5 * float(np.median(still)))  # a machine that is busy draws fewer frames
    assert move < 8
