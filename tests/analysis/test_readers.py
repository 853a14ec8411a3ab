"""Figures of people who read a few images, against literal ones and against known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.analysis.readers import balanced_accuracy_interval, reader_study
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


ARMS = ["alone", "answer", "map"]


def a_class(people: int, seed: int, follow: float = 0.5) -> list[tuple[int, str, str, str, str]]:
    """Readers of ten images in each arm, three of them mistakes of the model; some people follow it much more."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        own = rng.beta(4 * follow, 4 * (1 - follow))
        for arm in ARMS:
            for i in range(10):
                truth, answer = "MEL", "NV" if i < 3 else "MEL"
                followed = rng.random() < (own if arm != "alone" else 0.2)
                rows.append((person, arm, truth, answer, answer if followed else str(rng.choice(["MEL", "BCC"]))))
    return rows


def test_a_reader_study_is_counted_as_by_hand() -> None:
    rows = a_class(12, 0)
    found = reader_study(*zip(*rows, strict=True), ARMS)  # type: ignore[arg-type]
    for arm in ARMS:
        own = [row for row in rows if row[1] == arm]
        wrong = [row for row in own if row[3] != row[2]]
        assert found.accuracy[arm].value == pytest.approx(sum(row[4] == row[2] for row in own) / len(own))
        assert found.followed[arm].value == pytest.approx(sum(row[4] == row[3] for row in wrong) / len(wrong))
        assert (found.accuracy[arm].n_images, found.accuracy[arm].n_groups) == (120, 12)
        assert (found.followed[arm].n_images, found.followed[arm].n_groups) == (36, 12)
    for arm in ARMS[1:]:
        for difference, shares in ((found.gain, found.accuracy), (found.reliance, found.followed)):
            assert difference[arm].value == pytest.approx(shares[arm].value - shares["alone"].value)
            assert difference[arm].low < difference[arm].value < difference[arm].high


def test_intervals_are_over_people_whose_answers_hang_together() -> None:
    """One who always follows and one who never does say little, however many images they read."""
    rows = [(p, "map", "MEL", "NV", "NV" if p % 2 else "MEL") for p in range(6) for _ in range(30)]
    rows += [(p, "alone", "MEL", "NV", "MEL") for p in range(6)]
    found = reader_study(*zip(*rows, strict=True), ["alone", "map"]).followed["map"]  # type: ignore[arg-type]
    assert (
        found.value == 0.5
        and found.high - found.low > 0.6 > clopper_pearson(90, 180).high - clopper_pearson(90, 180).low
    )


def test_the_interval_of_over_reliance_covers() -> None:
    found = [
        reader_study(*zip(*a_class(30, seed), strict=True), ARMS).reliance["map"]  # type: ignore[arg-type]
        for seed in range(120)
    ]
    assert np.mean([one.low <= 0.5 - 0.2 <= one.high for one in found]) >= 0.9


def test_nothing_was_read() -> None:
    with pytest.raises(DataError, match="Nobody has read"):
        reader_study([], [], [], [], [], ARMS)
