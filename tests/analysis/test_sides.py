"""Images that change sides, and sensitivities by diagnosis, against plain loops over random answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.analysis.robustness.severities import Answers
from lesion_core.analysis.robustness.sides import changed_sides, sensitivity_by_class, sensitivity_lost

CLASSES = ("MEL", "NV", "BCC")


def answers_of(seed: int, n: int, policy: bool = True) -> Answers:
    rng = np.random.default_rng(seed)
    shape = 4, n
    return Answers(
        change="hair",
        severities=(0, 1, 3, 5),
        image_ids=np.array([f"i{i}" for i in range(n)]),
        groups=np.array([f"l{i // 2}" for i in range(n)]),
        truth=rng.integers(0, 2, n),  # no image of the last class
        predicted=rng.integers(-1, 3, shape),
        confidence=rng.random(shape),
        kept=rng.random(shape) < 0.6 if policy else None,
        classes=CLASSES,
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
def test_images_that_change_sides_are_those_of_plain_loops(seed: int, n: int, policy: bool) -> None:
    answers = answers_of(seed, n, policy)
    found = changed_sides(answers)
    told = {row.image_id: row for row in found.itertuples()}
    for i, image in enumerate(answers.image_ids):
        right = [answers.predicted[s, i] == answers.truth[i] for s in range(4)]
        turned = [s for s in range(1, 4) if right[s] != right[0]]
        if not turned:
            assert image not in told
            continue
        row, at = told.pop(image), turned[0]
        assert row.severity == answers.severities[at] and row.confidence == answers.confidence[at, i]
        code = answers.predicted[at, i]
        assert row.answer == ("" if code < 0 else CLASSES[code]) and row.truth == CLASSES[answers.truth[i]]
        assert row.outcome == ("correct_then_wrong" if right[0] else "wrong_then_correct")
        out = [] if answers.kept is None else [s for s in range(4) if not answers.kept[s, i]]
        assert row.rejected_at == answers.severities[out[0]] if out else np.isnan(row.rejected_at)
    assert not told
    order = list(zip(found["severity"], -found["confidence"], strict=True))
    assert order == sorted(order)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_sensitivities_are_shares_of_each_class(seed: int, n: int) -> None:
    answers = answers_of(seed, n)
    found = sensitivity_by_class(answers)
    assert set(found["class"]) == {CLASSES[k] for k in np.unique(answers.truth)}
    for row in found.itertuples():
        k, place = CLASSES.index(row[1]), answers.severities.index(row.severity)
        own = answers.truth == k
        value = np.mean(answers.predicted[place, own] == k)
        assert row.n == own.sum() and row.sensitivity == pytest.approx(value) and row.low <= value <= row.high
        assert row.less == pytest.approx(np.mean(answers.predicted[0, own] == k) - value)


def test_where_nothing_changes_nobody_changes_sides() -> None:
    answers = answers_of(0, 6)
    frozen = Answers(**{**vars(answers), "predicted": np.repeat(answers.predicted[:1], 4, axis=0)})
    assert changed_sides(frozen).empty
    less = sensitivity_by_class(frozen)["less"]
    assert isinstance(less, pd.Series) and (less == 0).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_lost_sensitivities_are_means_over_the_severities(seed: int, n: int) -> None:
    found = {change: answers_of(seed + place, n) for place, change in enumerate(("hair", "ink"))}
    told = sensitivity_lost(found).set_index(["change", "class"])
    expected = {}
    for change, answers in found.items():
        for k in np.unique(answers.truth):
            own = [i for i in range(n) if answers.truth[i] == k]
            share = [sum(answers.predicted[s, i] == k for i in own) / len(own) for s in range(4)]
            expected[change, CLASSES[k]] = (len(own), share[0], sum(share[1:]) / 3)
    assert set(told.index) == set(expected)
    for cell, (images, as_it_is, under) in expected.items():
        row = told.loc[cell]
        assert row["n"] == images and row[["sensitivity", "under"]].tolist() == pytest.approx([as_it_is, under])
        assert row["lost"] == pytest.approx(as_it_is - under)
