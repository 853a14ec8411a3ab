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
from lesion_core.explain.faithfulness import (
    SAME,
    Curve,
    perturbed_curve,
    pixel_order,
    rank_agreement,
    sanity_verdict,
)
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


class TestSanityVerdict:
    def test_unrelated_maps_pass_and_one_map_fails_whatever_its_size(self) -> None:
        rng = np.random.default_rng(0)
        for side in (4, 7, 15, 64):
            outcomes = []
            for _ in range(40):
                true, lost = rng.normal(size=(2, side, side))
                outcomes.append(sanity_verdict(rank_agreement(true, lost), side * side).outcome)
                same = np.exp(true)  # another unit, one order
                assert sanity_verdict(rank_agreement(true, same), side * side).outcome == "failed"
            assert "failed" not in outcomes and outcomes.count("passed") > 20

    @pytest.mark.parametrize("cells", [16, 225])
    def test_the_interval_holds_the_true_correlation_as_often_as_it_says(self, cells: int) -> None:
        rng, pearson = np.random.default_rng(1), 0.6
        true = 6 / np.pi * np.arcsin(pearson / 2)  # Spearman's, of two normal variables
        held = 0
        for _ in range(600):
            a, b = rng.multivariate_normal([0, 0], [[1, pearson], [pearson, 1]], cells).T
            found = sanity_verdict(spearmanr(a, b).statistic, cells)
            held += found.low <= true <= found.high
        assert 0.92 < held / 600 < 0.98

    def test_more_agreement_is_never_a_better_outcome(self) -> None:
        order = ["passed", "cannot be told", "failed"]
        for cells in (4, 16, 49, 16384):
            found = [order.index(sanity_verdict(float(a), cells).outcome) for a in np.linspace(-1, 1, 201)]
            assert found == sorted(found)
            assert found[0] == 0 and found[-1] == 2

    def test_few_cells_or_no_order_tell_nothing(self) -> None:
        for verdict in (sanity_verdict(float("nan"), 225), sanity_verdict(0.0, 3), sanity_verdict(SAME, 10_000)):
            assert verdict.outcome == "cannot be told"
