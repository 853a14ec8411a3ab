"""Figures of people who read a few images, against literal ones and against known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.analysis.readers import balanced_accuracy_interval
from lesion_core.errors import DataError

CLASSES = tuple("abcdefgh")


def test_balanced_accuracy_is_that_of_sklearn_and_lies_within_its_interval() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 10, 40):
        truth = rng.choice(CLASSES[:4], n)
        correct = rng.random(n) < 0.6
        said = np.where(correct, truth, "z")
        found = balanced_accuracy_interval(truth, correct)
        expected = np.mean([correct[truth == code].mean() for code in set(truth)])
        assert found.value == pytest.approx(expected)
        assert found.low <= found.value <= found.high and found.low < found.high and found.n_images == n
        if set(said) <= set(truth):
            assert found.value == pytest.approx(balanced_accuracy_score(truth, said))


@pytest.mark.parametrize("each", [1, 3])
def test_where_diagnoses_have_as_many_images_it_is_the_exact_interval_of_the_accuracy(each: int) -> None:
    truth, correct = list("abcde") * each, np.arange(5 * each) % 5 < 3
    found, exact = balanced_accuracy_interval(truth, correct), clopper_pearson(3 * each, 5 * each)
    assert (found.value, found.low, found.high) == pytest.approx((exact.value, exact.low, exact.high))


@pytest.mark.parametrize("counts", [(1, 1, 1, 1, 1, 1, 2, 2), (1, 9), (5, 5), (1, 1, 8), (2, 3, 5, 10)])
@pytest.mark.parametrize("skill", ["alike", "rare ones harder", "rare ones easier"])
def test_the_interval_covers_where_a_bootstrap_claims_certainty(counts: tuple[int, ...], skill: str) -> None:
    rng = np.random.default_rng(1)
    sizes = np.array(counts)
    chance = {"alike": np.full(len(sizes), 0.7), "rare ones harder": np.clip(sizes / sizes.max(), 0.5, 0.95)}.get(
        skill, 1 - np.clip(sizes / sizes.max(), 0.1, 0.6)
    )
    truth = np.repeat(CLASSES[: len(sizes)], sizes)
    found = [balanced_accuracy_interval(truth, rng.random(len(truth)) < np.repeat(chance, sizes)) for _ in range(400)]
    assert np.mean([one.low <= chance.mean() <= one.high for one in found]) >= 0.93


def test_as_many_answers_as_images() -> None:
    for truth, correct in ((["a"], []), ([], []), (["a"], [True, False])):
        with pytest.raises(DataError, match="answers to"):
            balanced_accuracy_interval(truth, np.array(correct, bool))
