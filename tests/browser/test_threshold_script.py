"""The threshold line's arithmetic, in Chromium: the shares that its script counts are those of NumPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Page

from app.widgets import threshold
from app.widgets.threshold import Mark, ThresholdBins, threshold_bins

SCRIPT = Path(threshold.__file__).with_suffix(".js")
INSIDE = "return { percent, niceStep, ticks, decimalsOf, series, ThresholdLine };"


@pytest.fixture
def script(page: Page) -> Page:
    """A blank page in which `inside` holds what the script defines; nothing is drawn."""
    source = SCRIPT.read_text(encoding="utf-8")
    assert source.count("export default") == 1
    page.evaluate(
        "(source) => { window.inside = new Function(source)(); }", source.replace("export default", "void ") + INSIDE
    )
    return page


def seen(reject: Literal["under", "over"], seed: int) -> tuple[dict[str, Any], ThresholdBins]:
    """Images with many ties, and their bins."""
    rng = np.random.default_rng(seed)
    images = {
        "dermoscopy": rng.integers(0, 60, 900) / 60,
        "correct": rng.random(900) < 0.8,
        "melanoma": rng.random(900) < 0.1,
        "ood_images": rng.integers(0, 60, 300) / 60,
        "kinds": rng.choice(["natural", "X-ray", "chart"], 300),
    }
    arrays = list(images.values())
    return images, threshold_bins(
        *arrays, reject=reject, quantity="score", marks=[Mark(0.5, "a half"), Mark(1 / 3, "a third")]
    )


@pytest.mark.parametrize("reject", ["under", "over"])
def test_every_share_of_the_script_is_numpys(script: Page, reject: Literal["under", "over"]) -> None:
    images, bins = seen(reject, seed=3)
    counted = script.evaluate(
        """(bins) => {
          const line = Object.create(inside.ThresholdLine.prototype);
          line.bins = bins;
          const kinds = bins.ood_images.map((kind) => kind.counts);
          const all = [bins.right, bins.wrong, bins.melanomaRight, bins.melanomaWrong, ...kinds].map(inside.series);
          return bins.edges.map((_, i) => all.map((s) => line.kept(s, i)));
        }""",
        bins.payload(),
    )
    v, right, mel = images["dermoscopy"], images["correct"], images["melanoma"]
    groups = [v[right], v[~right], v[right & mel], v[~right & mel]]
    groups += [images["ood_images"][images["kinds"] == kind] for kind in bins.ood_images]
    wanted = [[int((g >= e).sum() if reject == "under" else (g <= e).sum()) for g in groups] for e in bins.edges]
    assert counted == wanted


def test_the_script_and_python_snap_to_the_same_edge(script: Page) -> None:
    _, bins = seen("under", seed=5)
    asked = np.random.default_rng(0).uniform(-0.2, 1.2, 400).tolist() + bins.edges.tolist()
    found = script.evaluate(
        """([bins, asked]) => {
          const line = Object.create(inside.ThresholdLine.prototype);
          line.bins = bins;
          return asked.map((value) => bins.edges[line.nearest(value)]);
        }""",
        [bins.payload(), asked],
    )
    assert found == [bins.snap(value) for value in asked]


def test_a_share_never_reads_as_all_or_none_when_it_is_not(script: Page) -> None:
    cases = {
        (0, 0): "none",
        (0, 7): "0.0 %",
        (1, 100_000): "< 0.1 %",
        (99_999, 100_000): "> 99.9 %",
        (7, 7): "100.0 %",
        (1, 8): "12.5 %",
        (999, 1_000): "99.9 %",
    }
    assert {case: script.evaluate("(case_) => inside.percent(...case_)", list(case)) for case in cases} == cases


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-14.2, -1.1), (3, 4000), (0.9991, 0.9999), (-5, 1e9)])
def test_ticks_are_round_inside_and_enough(script: Page, low: float, high: float) -> None:
    step, places, decimals = script.evaluate(
        """([low, high]) => { const step = inside.niceStep(high - low, 5);
           return [step, inside.ticks(low, high, step), inside.decimalsOf(step)]; }""",
        [low, high],
    )
    digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digit - d) for d in (1, 2, 5)) < 1e-6
    assert 5 <= len(places) <= 13
    room = 1e-6 * step
    assert low - room <= places[0] and places[-1] <= high + room
    assert places == pytest.approx([step * round(place / step) for place in places], abs=room)
    assert round(step, decimals) == pytest.approx(step)
