"""Losses and class weights against literal ones and scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from lesion_core.training.losses import class_weights, focal_loss


def literal_focal(
    logits: np.ndarray, target: np.ndarray, gamma: float, weight: np.ndarray, smoothing: float
) -> float:
    total = mass = 0.0
    for z, y in zip(logits.astype(np.float64), target, strict=True):
        p = [math.exp(v - max(z)) for v in z]
        p = [v / sum(p) for v in p]
        k = len(p)
        aim = [smoothing / k + (1 - smoothing) * (i == y) for i in range(k)]
        cross_entropy = -sum(a * math.log(q) for a, q in zip(aim, p, strict=True))
        total += weight[y] * (1 - p[y]) ** gamma * cross_entropy
        mass += weight[y]
    return total / mass


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_focal_loss_is_the_formula(gamma: float, smoothing: float, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(0, 2, (20, 5)), rng.integers(0, 5, 20)
    weight = rng.uniform(0.2, 3, 5) if weighted else np.ones(5)
    found = focal_loss(
        torch.from_numpy(logits), torch.from_numpy(target), gamma, torch.from_numpy(weight) if weighted else None,
        smoothing,
    )
    assert found.item() == pytest.approx(literal_focal(logits, target, gamma, weight, smoothing), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_gamma_zero_is_cross_entropy(weighted: bool) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(30, 4), torch.randint(4, (30,))
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0]) if weighted else None
    torch.testing.assert_close(
        focal_loss(logits, target, 0.0, weight), torch.nn.functional.cross_entropy(logits, target, weight=weight)
    )


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_a_perfect_answer_gives_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0, 1]), gamma)
    loss.backward()
    assert torch.isfinite(loss) and logits.grad is not None and bool(torch.isfinite(logits.grad).all())
    assert logits.grad[1].abs().sum() > 0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_inverse_weights_are_scikit_learns(labels: list[int]) -> None:
    y = np.asarray(labels, dtype=np.int64)
    there = np.unique(y)
    expected = compute_class_weight("balanced", classes=there, y=y)
    found = class_weights(y, 5, "inverse")
    np.testing.assert_allclose(found[there] / found[there].sum(), expected / expected.sum())
    assert found[y].mean() == pytest.approx(1)
    assert (np.delete(found, there) == 0).all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_square_root_weights_are_half_way(labels: list[int]) -> None:
    y = np.asarray(labels, dtype=np.int64)
    there = np.unique(y)
    inverse, root = class_weights(y, 4, "inverse")[there], class_weights(y, 4, "sqrt")[there]
    np.testing.assert_allclose((root / root[0]) ** 2, inverse / inverse[0])
    assert class_weights(y, 4, "sqrt")[y].mean() == pytest.approx(1)


def test_no_balance_weighs_nothing() -> None:
    assert class_weights(np.array([0, 0, 0, 1]), 3, "none").tolist() == [1, 1, 0]
