"""What the threshold line is given: counts between thresholds, against NumPy on the images themselves."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from app.widgets.threshold import BARS, KINDS, OTHER_KINDS, Mark, ThresholdBins, threshold_bins
from lesion_core.errors import ConfigError, DataError

Reject = Literal["under", "over"]
Floats = NDArray[np.float64]
SIDES: list[Reject] = ["under", "over"]


def bins_of(
    values: Any,
    correct: Any = None,
    melanoma: Any = None,
    ood_images: Any = (),
    kinds: Any = None,
    reject: Reject = "under",
    **options: Any,
) -> ThresholdBins:
    n = len(values)
    return threshold_bins(
        values,
        np.ones(n, bool) if correct is None else correct,
        np.zeros(n, bool) if melanoma is None else melanoma,
        ood_images,
        ["thing"] * len(ood_images) if kinds is None else kinds,
        reject=reject,
        quantity="score",
        **options,
    )


def kept(bins: ThresholdBins, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many are kept with the threshold on each edge, as the browser sums them."""
    low = np.cumsum(counts)[:-1]
    return counts.sum() - low if bins.reject == "under" else low


def kept_literally(bins: ThresholdBins, values: Floats) -> list[int]:
    return [int((values >= e).sum() if bins.reject == "under" else (values <= e).sum()) for e in bins.edges]


def pictures(n: int, m: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "values": rng.beta(5, 2, n),
        "correct": rng.random(n) < 0.8,
        "melanoma": rng.random(n) < 0.1,
        "ood_images": rng.beta(2, 2, m),
        "kinds": rng.choice([f"kind {k}" for k in range(9)], m),
    }


@pytest.mark.parametrize("reject", SIDES)
def test_every_edge_keeps_what_numpy_keeps(reject: Reject) -> None:
    p = pictures(700, 300)
    bins = bins_of(**p, reject=reject, marks=[Mark(0.8, "published"), Mark(float(p["values"][3]), "an image's own")])
    v, right, mel = p["values"], p["correct"], p["melanoma"]
    for counts, among in (
        (bins.right, right),
        (bins.wrong, ~right),
        (bins.melanoma_right, right & mel),
        (bins.melanoma_wrong, ~right & mel),
    ):
        assert len(counts) == len(bins.edges) + 1
        assert kept(bins, counts).tolist() == kept_literally(bins, v[among])
        assert [bins.kept(counts, edge) for edge in bins.edges] == kept_literally(bins, v[among])
    assert list(bins.ood_images)[-1] == OTHER_KINDS
    assert len(bins.ood_images) == KINDS
    told_apart = np.isin(p["kinds"], list(bins.ood_images))
    for kind, counts in bins.ood_images.items():
        among = ~told_apart if kind == OTHER_KINDS else p["kinds"] == kind
        assert kept(bins, counts).tolist() == kept_literally(bins, p["ood_images"][among])


@settings(max_examples=60)
@example(values=np.zeros(1), marks=[2.225073858507203e-309], reject="under")  # a span too small to have decimals
@given(
    arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6, width=32)),
    st.lists(st.floats(-1e6, 1e6), max_size=3),
    st.sampled_from(SIDES),
)
def test_whatever_the_values_edges_rise_and_nobody_is_lost(values: Floats, marks: list[float], reject: Reject) -> None:
    bins = bins_of(values, ood_images=values * 3, reject=reject, marks=[Mark(value, "mark") for value in marks])
    assert (np.diff(bins.edges) > 0).all()
    assert set(marks) <= set(bins.edges.tolist())
    assert kept(bins, bins.right).tolist() == kept_literally(bins, values)
    assert kept(bins, bins.ood_images["thing"]).tolist() == kept_literally(bins, values * 3)
    assert (bins.bars[0], bins.bars[-1]) == (0, len(bins.edges) - 1)
    assert len(bins.edges) <= 25 * BARS + 1 + len(marks)


@pytest.mark.parametrize("reject", SIDES)
def test_a_picture_on_the_threshold_is_kept(reject: Reject) -> None:
    values = np.array([0.2, 0.5, 0.5, 0.5, 0.9, 1.0])
    bins = bins_of(values, reject=reject, span=(0, 1))
    at = dict(zip(bins.edges.tolist(), kept(bins, bins.right).tolist(), strict=True))
    wanted = {0.0: 6, 0.5: 5, 0.501: 2, 1.0: 1} if reject == "under" else {0.0: 0, 0.499: 1, 0.5: 4, 1.0: 6}
    assert {edge: at[edge] for edge in wanted} == wanted


def test_a_confidence_has_thousandths_as_edges_and_fifty_bars() -> None:
    bins = bins_of([0.3, 0.9], span=(0, 1), marks=[Mark(0.8, "published"), Mark(0.73128, "95 % kept")])
    assert bins.decimals == 3
    assert len(bins.edges) == 1002
    assert {0.001, 0.1, 0.3, 0.7, 0.73128, 0.8, 0.999} <= set(bins.edges.tolist())
    borders = bins.edges[bins.bars]
    assert borders.tolist() == [round(0.02 * i, 2) for i in range(51)]


@pytest.mark.parametrize(("low", "high"), [(-14.2, -1.1), (3, 4000), (0.9991, 0.9999), (1e-7, 3e-6), (-5, 1e9)])
def test_bars_are_some_dozens_and_cover_the_values(low: float, high: float) -> None:
    bins = bins_of(np.linspace(low, high, 50))
    assert 20 <= len(bins.bars) - 1 <= BARS
    assert bins.edges[0] <= low < high <= bins.edges[-1]
    assert 400 <= len(bins.edges) <= 1251


def test_ood_images_far_out_leave_dermoscopy_its_room() -> None:
    values = np.random.default_rng(0).normal(100, 10, 5000)
    bins = bins_of(values, ood_images=np.full(10, 1e6), reject="over")
    assert bins.edges[-1] < 200
    assert bins.ood_images["thing"][-1] == 10
    assert kept(bins, bins.right)[-1] >= 4990


def test_one_value_has_an_axis_too() -> None:
    for value in (0.0, 7.0, -1e9):
        bins = bins_of([value, value])
        assert bins.edges[0] < value < bins.edges[-1]
        assert kept(bins, bins.right)[0] == 2
        assert kept(bins, bins.right)[-1] == 0


def test_nobody_in_a_group_is_no_problem() -> None:
    bins = bins_of([0.5, 0.7], correct=np.zeros(2, bool))
    assert bins.ood_images == {}
    assert bins.right.sum() == bins.melanoma_right.sum() == bins.melanoma_wrong.sum() == 0
    assert bins.payload()["ood_images"] == []


def test_a_threshold_goes_to_the_nearest_edge() -> None:
    bins = bins_of([0.3, 0.9], span=(0, 1), marks=[Mark(0.73128, "95 % kept")])
    cases = {0.73128: 0.73128, 0.7314: 0.73128, 0.7317: 0.732, -3: 0, 7: 1, 0.8: 0.8, 0.12349: 0.123}
    assert {value: bins.snap(value) for value in cases} == cases


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": [0.5, float("nan"), float("inf")]}, "2 of 3 values of dermoscopy are NaN or infinite"),
        ({"ood_images": [float("-inf")]}, "1 of 1 values of OOD images are NaN or infinite"),
        ({"values": []}, "There are no dermoscopic images"),
        ({"values": [[0.5]]}, "are not a list"),
        ({"correct": [True]}, "Correctness of shape"),
        ({"correct": [1, 0, 1]}, "Correctness of shape"),
        ({"melanoma": np.zeros(4, bool)}, "Melanoma of shape"),
        ({"ood_images": [0.1, 0.2], "kinds": ["one"]}, "1 kinds do not fit 2"),
        ({"ood_images": [0.1], "kinds": [None]}, "0 kinds do not fit 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as problem:
        bins_of(**{"values": [0.1, 0.2, 0.3], **change})
    assert problem.value.remedy


@pytest.mark.parametrize(
    "options",
    [
        {"marks": [Mark(float("nan"), "mark")]},
        {"span": (0, float("inf"))},
        {"span": (1, 0)},
    ],
)
def test_marks_and_span_are_numbers(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Give finite numbers"):
        bins_of([0.1, 0.2], **options)


@pytest.mark.parametrize("reject", SIDES)
def test_a_million_pictures_are_bins_of_under_150_kb(reject: Reject) -> None:
    p = pictures(1_000_000, 200_000)
    bins = bins_of(**p, reject=reject, marks=[Mark(0.8, "published")], span=(0, 1) if reject == "under" else None)
    assert len(json.dumps(bins.payload())) < 150_000
    assert bins.right.sum() + bins.wrong.sum() == 1_000_000
