"""Losses and class weights against literal ones and scikit-learn's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.utils.class_weight import compute_class_weight

from lesion_core.config import ModelSettings, Training
from lesion_core.models.classifiers import build
from lesion_core.training.classifier_module import ClassifierModule
from lesion_core.training.losses import class_weights, distillation, focal_loss, log_prior, mix


def literal_focal(logits: np.ndarray, target: np.ndarray, gamma: float, weight: np.ndarray, smoothing: float) -> float:
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
        torch.from_numpy(logits),
        torch.from_numpy(target),
        gamma,
        torch.from_numpy(weight) if weighted else None,
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


@given(st.integers(0, 2**31 - 1), st.sampled_from(["none", "sqrt", "inverse"]))
def test_the_prior_is_how_often_a_sampler_draws(seed: int, oversampling: str) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, 60)])
    weight = class_weights(labels, 4, oversampling)[labels]  # type: ignore[arg-type]
    drawn = [weight[labels == k].sum() / weight.sum() for k in range(4)]
    assert np.exp(log_prior(labels, 4, oversampling)) == pytest.approx(drawn)  # type: ignore[arg-type]


def test_a_class_without_pictures_has_a_finite_prior() -> None:
    found = log_prior(np.array([0, 0, 0, 0]), 2, "none")
    assert np.isfinite(found).all() and np.exp(found).sum() == pytest.approx(1)


def test_mixup_mixes_each_picture_with_another_by_one_share() -> None:
    images = torch.arange(6.0)[:, None, None, None].expand(6, 3, 2, 2)
    shares = []
    for seed in range(200):
        mixed, partner, share = mix(images, np.random.default_rng(seed), 0.4)
        assert sorted(partner.tolist()) == list(range(6)) and 0.5 <= share <= 1
        assert torch.allclose(mixed, share * images + (1 - share) * images[partner])
        shares.append(share)
    # The mean of max(x, 1 - x) for x of Beta(0.4, 0.4), by numbers drawn elsewhere.
    drawn = np.random.default_rng(1).beta(0.4, 0.4, 200_000)
    assert np.mean(shares) == pytest.approx(np.maximum(drawn, 1 - drawn).mean(), abs=0.03)


def test_the_logit_adjusted_loss_adds_the_prior_and_the_model_does_not() -> None:
    prior = torch.tensor([0.7, 0.2, 0.1]).log()
    settings = Training(loss="logit_adjusted")
    module = ClassifierModule(
        build(ModelSettings(architecture="resnet10", classes=("a", "b", "c"))), settings, None, log_prior=prior
    )
    logits, target = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 0])
    adjusted = logits.numpy() + prior.numpy()
    literal = [-np.log(np.exp(z[t]) / np.exp(z).sum()) for z, t in zip(adjusted, target.numpy(), strict=True)]
    found = module.loss(logits, target, torch.ones(5, 3, dtype=torch.bool))
    assert float(found) == pytest.approx(np.mean(literal), rel=1e-5)


@given(st.integers(0, 2**31 - 1), st.sampled_from([0.5, 1.0, 2.0, 8.0]))
def test_distillation_is_the_softened_divergence(seed: int, softness: float) -> None:
    rng = np.random.default_rng(seed)
    z, t = rng.normal(0, 3, (2, 5, 4))
    p, q = (scipy.special.softmax(x / softness, axis=1) for x in (t, z))
    literal = softness**2 * np.mean([scipy.stats.entropy(a, b) for a, b in zip(p, q, strict=True)])
    found = distillation(torch.tensor(z), torch.tensor(p), softness)
    assert float(found) == pytest.approx(literal, abs=1e-9)
    assert float(distillation(torch.tensor(t), torch.tensor(p), softness)) == pytest.approx(0, abs=1e-9)


def test_who_answers_with_certainty_teaches_the_diagnosis() -> None:
    logits, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    found = distillation(logits, torch.eye(3)[target], 1.0)
    assert float(found) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, target)), rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_a_class_that_is_not_compared_has_no_part_in_the_loss(loss: str) -> None:
    model = build(ModelSettings(architecture="resnet10", classes=("a", "b", "c")))
    module = ClassifierModule(model, Training(loss=loss, label_spaces=True), None)  # type: ignore[arg-type]
    logits, target = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 2, 0])
    compared = torch.tensor([[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]).bool()
    found = module.loss(logits, target, compared)
    parts = [
        module.loss(logits[i : i + 1, keep], target[i : i + 1], torch.ones(1, len(keep), dtype=torch.bool))
        for i, keep in enumerate(([0, 1], [0, 1], [0, 1, 2], [0, 1, 2]))
    ]
    assert float(found.detach()) == pytest.approx(float(torch.stack(parts).mean().detach()), rel=1e-5)
    found.backward()
    assert logits.grad is not None and not logits.grad[~compared].any() and logits.grad[compared].all()


def test_smoothing_and_label_spaces_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="choose one"):
        Training(label_smoothing=0.1, label_spaces=True)


@pytest.mark.parametrize("other", [{"loss": "logit_adjusted"}, {"class_weights": "sqrt"}])
def test_frequencies_are_taken_away_once(other: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="choose one"):
        Training(logit_adjustment=1, **other)


def test_logits_that_minimise_the_adjusted_loss_are_those_of_even_classes() -> None:
    """Two classes and no evidence: plain cross-entropy learns the frequencies, the adjusted one does not."""
    target = torch.tensor([0] * 90 + [1] * 10)
    prior = torch.tensor(log_prior(target.numpy(), 2, "none")).float()
    found = []
    for shift in (torch.zeros(2), prior):
        bias = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.LBFGS([bias], max_iter=50)

        def closure(
            bias: torch.Tensor = bias, shift: torch.Tensor = shift, optimizer: torch.optim.LBFGS = optimizer
        ) -> torch.Tensor:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy((bias + shift).expand(100, 2), target)
            loss.backward()
            return loss

        optimizer.step(closure)
        found.append(float((bias[0] - bias[1]).detach()))
    assert found[0] == pytest.approx(np.log(9), abs=1e-2) and found[1] == pytest.approx(0, abs=1e-2)
