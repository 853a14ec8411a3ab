"""Slices by artefact, against loops that count image by image."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.intervals import clopper_pearson, share_interval
from lesion_core.analysis.slices import COLUMNS, FEWEST, FIGURES, compare, difference, holm, of_melanoma, slices
from lesion_core.errors import DataError

CLASSES = ("MEL", "NV", "BCC")


def data_of(rng: np.random.Generator, n: int, lesions: int) -> EvaluationData:
    probabilities = rng.dirichlet(np.ones(3), n)
    probabilities[0] = 1 / 3  # undecided
    groups = rng.integers(0, lesions, n).astype(str)
    table = pd.DataFrame({"image_id": [f"i{i}" for i in range(n)]})
    return EvaluationData(table, rng.integers(0, 3, n), probabilities, groups, CLASSES)


def literal_holm(p: list[float]) -> list[float]:
    """The i-th smallest of m times m - i + 1, and never under what a smaller one got."""
    m = sum(not math.isnan(v) for v in p)
    out = list(p)
    for i, own in enumerate(p):
        if math.isnan(own):
            continue
        worst = 0.0
        for k, other in enumerate(p):
            before = not math.isnan(other) and (other < own or (other == own and k <= i))
            if before:
                rank = sum(not math.isnan(v) and (v < other or (v == other and j < k)) for j, v in enumerate(p))
                worst = max(worst, other * (m - rank))
        out[i] = min(1.0, worst)
    return out


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan), st.sampled_from([0.01, 0.05, 1.0])), max_size=12))
def test_holm_is_the_literal_one(p: list[float]) -> None:
    np.testing.assert_allclose(holm(p), literal_holm(p), rtol=1e-12)


def test_holm_as_published() -> None:
    # Four p values: 0.01 * 4, 0.02 * 3, 0.03 * 2 (raised to the one before), 0.9.
    np.testing.assert_allclose(holm([0.9, 0.03, 0.01, 0.02]), [0.9, 0.06, 0.04, 0.06])
    for bad in ([1.2], [-0.1], [[0.1]]):
        with pytest.raises(DataError, match="P values"):
            holm(bad)


def test_holm_keeps_false_claims_rare() -> None:
    rng = np.random.default_rng(0)
    claims = [(holm(rng.random(21)) < 0.05).any() for _ in range(2000)]
    assert np.mean(claims) < 0.065


def test_every_share_is_what_a_loop_counts() -> None:
    rng = np.random.default_rng(1)
    data = data_of(rng, 150, 60)
    present = {"ruler": rng.random(150) < 0.4, "ink": rng.random(150) < 0.1}
    rejected = rng.random(150) < 0.2
    found = slices(data, present, rejected)
    assert list(found.columns) == list(COLUMNS)
    assert len(found) == 2 * (2 * len(CLASSES) + 1) and set(found["figure"]) <= set(FIGURES)
    fewer = slices(data, present, rejected, asked=of_melanoma)
    assert set(fewer["figure"]) | set(found["figure"]) == set(FIGURES) and len(fewer) == 2 * 3
    nevi = [i for i in range(150) if data.truth[i] == 1 and present["ink"][i]]
    told = fewer[(fewer["artefact"] == "ink") & (fewer["figure"] == "nevi_called_melanoma")].iloc[0]
    assert told["with_n"] == len(nevi)
    assert told["with_value"] == pytest.approx(np.mean([data.predicted[i] == 0 for i in nevi]))
    for row in found.itertuples():
        for side in ("with", "without"):
            asked, hits, seen = 0, 0, set()
            for i in range(150):
                p = data.probabilities[i]
                answer = CLASSES[int(p.argmax())] if (p == p.max()).sum() == 1 else None
                truth = CLASSES[data.truth[i]]
                if present[str(row.artefact)][i] != (side == "with"):
                    continue
                if row.figure == "recall" and truth != row.diagnosis:
                    continue
                if row.figure == "false_alarms" and truth == row.diagnosis:
                    continue
                asked += 1
                seen.add(data.groups[i])
                hits += bool(rejected[i]) if row.figure == "rejected" else answer == row.diagnosis
            assert getattr(row, f"{side}_n") == asked and getattr(row, f"{side}_lesions") == len(seen)
            assert getattr(row, f"{side}_value") == pytest.approx(hits / asked)
        assert row.difference == pytest.approx(row.with_value - row.without_value)
        assert -1.0001 <= row.low <= row.difference <= row.high <= 1.0001
        assert row.enough == (min(row.with_lesions, row.without_lesions) >= FEWEST)
    np.testing.assert_allclose(found["p_corrected"], literal_holm(found["p"].tolist()))


def test_p_is_where_the_interval_leaves_zero() -> None:
    rng = np.random.default_rng(2)
    seen = set()
    for _ in range(12):
        n = int(rng.integers(20, 120))
        present, part = rng.random(n) < 0.5, rng.random(n) < 0.5
        part |= present & (rng.random(n) < rng.random())
        lesions = rng.integers(0, n, n)
        *_, (_, low, high), p = compare(part, present, lesions)
        assert (p < 0.05) == (low > 0 or high < 0)
        seen.add(p < 0.05)
        if 0.001 < p < 0.999:  # it is found to 6e-8
            for step, inside in ((-1e-3, True), (1e-3, False)):
                level = 1 - p * (1 + step)
                ends = difference(*(share_interval(part & own, own, lesions, level) for own in (present, ~present)))
                assert (ends[1] <= 0 <= ends[2]) == inside
    assert seen == {True, False}


def test_alike_slices_are_rarely_called_different() -> None:
    rng = np.random.default_rng(3)
    claims, covered = [], []
    for _ in range(150):
        lesions = np.repeat(np.arange(40), 2)  # two images of each lesion, which agree
        present, part = np.repeat(rng.random(40) < 0.3, 2), np.repeat(rng.random(40) < 0.6, 2)
        *_, (_, low, high), p = compare(part, present, lesions)
        claims.append(p < 0.05)
        covered.append(low <= 0 <= high)
    assert np.mean(claims) <= 0.06 and np.mean(covered) >= 0.94


@settings(max_examples=15)
@given(st.integers(1, 9), st.data())
def test_few_cases_say_little(n: int, draw: st.DataObject) -> None:
    """As many cases as the rarest artefact has among melanomas: no share of theirs stands out from one half."""
    k = draw.draw(st.integers(0, n))
    part = np.concatenate([np.arange(n) < k, np.arange(60) < 30])
    yes, _, _, p = compare(part, np.arange(n + 60) < n, np.arange(n + 60))
    exact = clopper_pearson(k, n)
    assert yes.low <= exact.low + 1e-9 and yes.high >= exact.high - 1e-9, "narrower than the exact interval"
    if n < 6:
        assert p > 0.05


def test_a_side_without_cases_has_no_figure() -> None:
    rng = np.random.default_rng(4)
    data = data_of(rng, 60, 60)
    found = slices(data, {"patches": data.truth == 1}, rng.random(60) < 0.5)
    nobody = found[(found["figure"] == "recall") & (found["diagnosis"] == "MEL")].iloc[0]
    assert nobody["with_n"] == 0 and not nobody["enough"]
    assert nobody[["with_value", "with_low", "difference", "low", "p", "p_corrected"]].isna().all()
    assert nobody["without_n"] == (data.truth == 0).sum() and nobody["without_value"] >= 0
    assert found["p_corrected"].notna().sum() == found["p"].notna().sum() < len(found)


def test_lists_that_do_not_fit_are_refused() -> None:
    data = data_of(np.random.default_rng(5), 30, 30)
    for bad in (np.ones(29, bool), np.ones(30)):
        with pytest.raises(DataError, match="'ink' does not fit the 30 images"):
            slices(data, {"ink": bad})
        with pytest.raises(DataError, match="'rejected' does not fit"):
            slices(data, {"ink": np.ones(30, bool)}, bad)
    assert slices(data, {}).empty
