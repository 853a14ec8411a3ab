"""The confusion matrix of an evaluation set: against scikit-learn, and what it says of undecided images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from lesion_core.analysis.confusion import Confusion, confusion_of
from lesion_core.analysis.evaluation_sets import EvaluationData

CLASSES = ("MEL", "NV", "BCC", "DF")


def data(truth: np.ndarray, probabilities: np.ndarray) -> EvaluationData:
    return EvaluationData(pd.DataFrame(index=range(len(truth))), truth, probabilities, truth.astype(str), CLASSES)


@pytest.mark.parametrize("seed", range(5))
def test_counts_and_balanced_accuracy_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, probabilities = rng.integers(0, 3, 200), rng.dirichlet(np.ones(4), 200)
    found = confusion_of(data(truth, probabilities))
    said = probabilities.argmax(axis=1)
    np.testing.assert_array_equal(found.counts, confusion_matrix(truth, said, labels=range(4)))
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, said))
    assert np.isnan(found.recall[3]) and found.undecided == 0


def test_undecided_images_count_in_the_total_only() -> None:
    probabilities = np.array([[0.5, 0.5, 0, 0], [0.9, 0.1, 0, 0], [0.1, 0.9, 0, 0]])
    found = confusion_of(data(np.array([0, 0, 0]), probabilities))
    assert found.undecided == 1 and found.totals.tolist() == [3, 0, 0, 0]
    assert found.recall[0] == pytest.approx(1 / 3)


def test_the_most_frequent_mistake_is_never_the_class_itself() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        counts = rng.integers(0, 9, (4, 4))
        found = Confusion(CLASSES, counts, counts.sum(axis=1))
        for i, code in enumerate(CLASSES):
            others = {c: int(n) for j, (c, n) in enumerate(zip(CLASSES, counts[i], strict=True)) if j != i}
            taken = found.taken_for(code)
            assert (taken[1] if taken else 0) == max(others.values())
            assert taken is None or others[taken[0]] == taken[1]
    clean = Confusion(CLASSES, np.diag([1, 2, 3, 4]), np.array([1, 2, 3, 4]))
    assert all(clean.taken_for(code) is None for code in CLASSES)
