"""Deletion, insertion, agreement and the randomisation test on models whose answer is known."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import auc

from lesion_core.config import ModelSettings
from lesion_core.errors import DataError
from lesion_core.explain.faithfulness import Curve, perturbed_curve, pixel_order, rank_agreement
from lesion_core.explain.sanity import STAGES, randomise
from lesion_core.models.classifiers import build

SIZE = 20


def brightness(squares: np.ndarray) -> np.ndarray:
    """A model: how bright the upper left quarter is."""
    return squares[:, : SIZE // 2, : SIZE // 2].mean(axis=(1, 2, 3)) / 255


WHITE, BLACK = np.full((SIZE, SIZE, 3), 255, np.uint8), np.zeros((SIZE, SIZE, 3), np.uint8)
TRUE = np.zeros((SIZE, SIZE))
TRUE[: SIZE // 2, : SIZE // 2] = 1


def test_the_right_map_deletes_the_answer_first() -> None:
    *_, right = perturbed_curve(brightness, WHITE, TRUE, BLACK, "deletion", steps=20)
    *_, wrong = perturbed_curve(brightness, WHITE, -TRUE, BLACK, "deletion", steps=20)
    # A quarter of the pixels holds the answer: it falls from 1 to 0 in 5 steps of 20, or in the last 5.
    np.testing.assert_allclose(right.answer[:6], [1, 0.8, 0.6, 0.4, 0.2, 0], atol=1e-9)
    assert not right.answer[6:].any() and right.area == pytest.approx(0.125)
    assert wrong.area == pytest.approx(0.875)
    *_, inserted = perturbed_curve(brightness, WHITE, TRUE, BLACK, "insertion", steps=20)
    assert inserted.area == pytest.approx(0.875) and inserted.answer[0] == 0 and inserted.answer[-1] == 1


def test_a_curve_grows_and_its_area_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    square, heat = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), rng.normal(size=(SIZE, SIZE))
    curves = list(perturbed_curve(brightness, square, heat, BLACK, "deletion", steps=13, batch=4))
    assert [len(c.share) for c in curves] == [4, 8, 12, 14]
    for shorter, longer in itertools.pairwise(curves):
        np.testing.assert_array_equal(shorter.answer, longer.answer[: len(shorter.answer)])
    whole = curves[-1]
    assert whole.area == pytest.approx(auc(whole.share, whole.answer))
    changed = square.copy().reshape(-1, 3)
    changed[pixel_order(heat)[: round(whole.share[5] * heat.size)]] = 0
    assert whole.answer[5] == brightness(changed.reshape(square.shape)[None])[0]
    assert Curve(np.zeros(1), np.array([0.4])).area == 0.4


def test_maps_and_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit"):
        next(perturbed_curve(brightness, WHITE, np.zeros((5, 5)), BLACK, "deletion"))


def test_rank_agreement_is_spearmans() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(9, 9)).round(1), rng.normal(size=(9, 9)).round(1)
    assert rank_agreement(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert rank_agreement(a, 3 * a + 1) == pytest.approx(1) and rank_agreement(a, -a) == pytest.approx(-1)
    assert np.isnan(rank_agreement(a, np.ones((9, 9))))
    with pytest.raises(DataError, match="not show the same frame"):
        rank_agreement(a, b[:5])


def test_a_model_loses_its_weights_from_the_answer_down() -> None:
    torch.manual_seed(0)
    model = build(ModelSettings(architecture="resnet10", classes=("MEL", "NV")))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lost: list[set[str]] = []
    for stage in STAGES:
        other = copy.deepcopy(model)
        randomise(other, stage, seed=3)
        state = other.state_dict()
        lost.append(
            {
                name.split(".")[0]
                for name in state
                if name.endswith("weight") and state[name].ndim > 1 and not torch.equal(state[name], before[name])
            }
        )
        assert not other.training and torch.isfinite(other(torch.zeros(1, 3, 64, 64))).all(), stage
    assert lost == [set(list(STAGES)[: i + 1]) for i in range(len(STAGES))]
    randomise(model, "fc", seed=3)
    assert torch.equal(model.fc.weight, other.fc.weight), "what was lost first stays lost in the same way"
