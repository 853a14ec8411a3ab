"""Every score against a slow literal reference and, where it has one, pytorch-ood; a new entry is asked for both."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from lesion_core.errors import ConfigError, DataError
from lesion_core.ood.combined import CombinedScore
from lesion_core.ood.distances import NEIGHBOURS, RIDGE
from lesion_core.ood.model_outputs import FitData, Outputs, project
from lesion_core.ood.scores import DEFAULT, SCORES, Scorer, ood_score

TEMPERATURE = 1.7
PROBE = np.linspace(-1, 2, 10)


@dataclass(frozen=True)
class Problem:
    """Full features beside what a run stores of them."""

    known: FitData
    asked: Outputs
    train: np.ndarray
    labels: np.ndarray
    full: np.ndarray
    select: np.ndarray
    weight: np.ndarray
    earlier: np.ndarray


def make_problem(components: int = 12, seed: int = 0) -> Problem:
    """Four classes in 20 dimensions, a linear layer without bias, features with mean 0; images near and far."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), 60)
    scales = np.linspace(3, 0.2, 20)
    train = rng.normal(0, scales, (240, 20)) + rng.normal(0, 2, (4, 20))[labels]
    train -= train.mean(axis=0)
    weight = rng.normal(0, 0.4, (4, 20))
    pca = PCA(components).fit(train)
    stage = rng.normal(0, 0.3, (20, 10))
    pca3 = PCA(4).fit(np.tanh(train @ stage))

    def outputs(f: np.ndarray) -> Outputs:
        reduced = (f - pca.mean_) @ pca.components_.T
        residual = np.linalg.norm(f - pca.mean_ - reduced @ pca.components_, axis=1)
        f3 = np.tanh(f @ stage)
        back = pca3.inverse_transform(pca3.transform(f3))
        return Outputs.of(f @ weight.T, reduced, residual, np.linalg.norm(f3 - back, axis=1), f3 @ PROBE + 0.5)

    select = train[rng.permutation(240)[:24]] + rng.normal(0, 0.3, (24, 20))
    full = np.concatenate([train[:15] + rng.normal(0, 0.3, (15, 20)), rng.normal(0, 6, (10, 20))])
    inside = pca.components_ @ pca.mean_
    known = FitData(
        outputs(train),
        labels,
        outputs(select),
        TEMPERATURE,
        inside,
        float(np.linalg.norm(pca.mean_ - inside @ pca.components_)),
    )
    return Problem(known, outputs(full), train, labels, full, select, weight, stage)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make_problem()


@pytest.fixture(scope="module")
def scorer(problem: Problem) -> Scorer:
    return Scorer(problem.known)


def probabilities(z, temperature):
    e = [math.exp(v / temperature) for v in z]
    return [v / sum(e) for v in e]


def shares(z):
    return sorted(probabilities(z, TEMPERATURE))


def squared_distance(x, mean, pictures, centres):
    """``(x - mean)' S^-1 (x - mean)`` with S summed image by image."""
    covariance = np.zeros((len(x), len(x)))
    for picture, centre in zip(pictures, centres, strict=True):
        covariance += np.outer(picture - centre, picture - centre) / len(pictures)
    covariance += RIDGE * np.trace(covariance) / len(x) * np.eye(len(x))
    return float((x - mean) @ np.linalg.solve(covariance, x - mean))


def nearest_class(p, x):
    r, y = p.known.train.reduced, p.labels
    means = {k: r[y == k].mean(axis=0) for k in set(y.tolist())}
    centres = [means[k] for k in y.tolist()]
    return min(squared_distance(x, mean, r, centres) for mean in means.values())


def relative(p, x):
    r = p.known.train.reduced
    return nearest_class(p, x) - squared_distance(x, r.mean(axis=0), r, [r.mean(axis=0)] * len(r))


def kth_neighbour(p, i):
    def unit(o, j):
        inside = [*(o.reduced[j] + p.known.mean_inside), p.known.mean_outside]
        return np.array(inside) / math.sqrt(sum(v * v for v in inside) + o.residual[j] ** 2)

    mine = unit(p.asked, i)
    cosines = [float(mine @ unit(p.known.train, j)) for j in range(len(p.known.train))]
    return sorted(math.sqrt(max(2 - 2 * c, 0)) for c in cosines)[NEIGHBOURS - 1]


def energy(z):
    return -math.log(sum(math.exp(v) for v in z))


def virtual(p, i):
    train = p.known.train
    factor = sum(max(z) for z in train.logits.tolist()) / sum(train.residual.tolist())
    return factor * p.asked.residual[i] + energy(p.asked.logits[i])


def earlier_residual(p, i):
    """What is left of layer3's features once each of its four axes, found one after the other, is taken away."""
    train, x = np.tanh(p.train @ p.earlier), np.tanh(p.full[i] @ p.earlier)
    train, x = train - train.mean(axis=0), x - train.mean(axis=0)
    for _ in range(4):
        axis = np.linalg.eigh(train.T @ train)[1][:, -1]
        train, x = train - np.outer(train @ axis, axis), x - (x @ axis) * axis
    return math.sqrt(sum(v * v for v in x))


def ranked(p, i, *keys):
    """The higher rank, from the sorted scores of the validation set."""
    found = []
    for key in keys:
        others = replace(p, asked=p.known.select, full=p.select)
        at_select = sorted(REFERENCES[key](others, j) for j in range(len(p.known.select)))
        value, n = REFERENCES[key](p, i), len(at_select)
        spread = at_select[-1] - float(np.median(at_select))
        if value > at_select[-1]:
            found.append(1 + (value - at_select[-1]) / spread)
        elif value < at_select[0]:
            found.append(1 / n + (value - at_select[0]) / spread)
        else:
            j = max(k for k in range(n) if at_select[k] <= value)
            step = 0 if j == n - 1 else (value - at_select[j]) / (at_select[j + 1] - at_select[j])
            found.append((j + 1 + step) / n)
    return max(found)


REFERENCES = {
    "confidence": lambda p, i: 1 - max(probabilities(p.asked.logits[i], 1)),
    "scaled_confidence": lambda p, i: 1 - shares(p.asked.logits[i])[-1],
    "entropy": lambda p, i: -sum(v * math.log(v) for v in shares(p.asked.logits[i])),
    "margin": lambda p, i: 1 - shares(p.asked.logits[i])[-1] + shares(p.asked.logits[i])[-2],
    "max_logit": lambda p, i: -max(p.asked.logits[i]),
    "energy": lambda p, i: energy(p.asked.logits[i]),
    "mahalanobis": lambda p, i: nearest_class(p, p.asked.reduced[i]),
    "relative_mahalanobis": lambda p, i: relative(p, p.asked.reduced[i]),
    "knn": kth_neighbour,
    "vim": virtual,
    "residual": lambda p, i: math.sqrt(
        max(sum((p.full[i] - p.train.mean(axis=0)) ** 2) - sum(p.asked.reduced[i] ** 2), 0)
    ),
    "layer3_residual": earlier_residual,
    "confidence_or_layer3": lambda p, i: ranked(p, i, "scaled_confidence", "layer3_residual"),
    "photograph": lambda p, i: 0.5 + sum(PROBE * np.tanh(p.full[i] @ p.earlier)),
    "confidence_or_unusual": lambda p, i: ranked(p, i, "scaled_confidence", "layer3_residual", "photograph"),
    "confidence_or_vim": lambda p, i: ranked(p, i, "scaled_confidence", "vim"),
    "confidence_or_mahalanobis": lambda p, i: ranked(p, i, "scaled_confidence", "mahalanobis"),
}


@pytest.mark.parametrize("key", SCORES)
def test_against_a_slow_literal_reference(key: str, problem: Problem, scorer: Scorer) -> None:
    assert key in REFERENCES, "a new score needs a literal reference here"
    few = replace(problem, asked=problem.asked.rows(np.arange(4, 25, 5)), full=problem.full[4:25:5])
    expected = [REFERENCES[key](few, i) for i in range(len(few.asked))]
    assert scorer(key, few.asked) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_against_pytorch_ood() -> None:
    """Where all components are kept ours is the paper's own; they compute in float32."""
    import torch
    from pytorch_ood import detector

    p = make_problem(components=20)
    ours, n = Scorer(p.known), len(p.train)
    z, y = torch.tensor(p.asked.logits), torch.tensor(p.labels)
    reduced, train = (torch.tensor(o.reduced, dtype=torch.float32) for o in (p.asked, p.known.train))
    full, full_train = torch.tensor(p.full), torch.tensor(p.train)
    theirs = {
        "confidence": 1 + detector.MaxSoftmax.score(z),
        "scaled_confidence": 1 + detector.MaxSoftmax.score(z, 1.7),
        "entropy": detector.Entropy.score(z / 1.7),
        "max_logit": detector.MaxLogit.score(z),
        "energy": detector.EnergyBased.score(z),
        # They leave out the division by n, and Mahalanobis halves.
        "mahalanobis": 2 * n * detector.Mahalanobis(None).fit_features(train, y).predict_features(reduced),
        "relative_mahalanobis": n * detector.RMD(None).fit_features(train, y).predict_features(reduced),
        "knn": detector.KNN(None, k=NEIGHBOURS).fit_features(full_train, y).predict_features(full),
    }
    for key, expected in theirs.items():
        found = ours(key, p.asked)
        assert found == pytest.approx(expected.numpy().astype(float), rel=2e-3, abs=2e-3), key

    p = make_problem()
    vim = detector.ViM(None, 12, torch.tensor(p.weight), torch.zeros(4)).fit_features(full_train, y)
    assert Scorer(p.known)("vim", p.asked) == pytest.approx(vim.predict_features(full).numpy().astype(float), rel=1e-3)


@pytest.mark.parametrize("key", SCORES)
def test_an_entry_is_complete(key: str, problem: Problem, scorer: Scorer) -> None:
    entry = SCORES[key]
    assert entry.key == key and ood_score(key) is entry
    for text in (entry.name, entry.description, entry.paper, entry.formula, entry.cost, entry.quantity):
        assert text.strip() == text and len(text) > 3
    assert entry.description.endswith(".") and entry.cost.endswith(".") and any(c.isdigit() for c in entry.paper)
    assert all(part in SCORES and not SCORES[part].together for part in entry.parts)
    # What is shown has a formula and words of its own exactly where it is not the score itself.
    identity = [entry.to_display(v) for v in (-2.5, 0.25, 0.75)] == [-2.5, 0.25, 0.75]
    assert bool(entry.shown_formula) == (not identity) and entry.shown_formula != entry.formula
    assert "rank" not in (entry.quantity + entry.axis).lower()
    values = np.sort(scorer(key, problem.asked))
    shown = np.array([entry.to_display(v) for v in values.tolist()])
    steps = np.diff(shown)
    assert (steps <= 1e-12).all() if entry.rejected_side == "under" else (steps >= -1e-12).all()


@pytest.mark.parametrize("key", SCORES)
def test_order_and_company_change_nothing(key: str, problem: Problem, scorer: Scorer) -> None:
    scores = scorer(key, problem.asked)
    order = np.random.default_rng(1).permutation(len(problem.asked))
    assert scores.shape == (25,) and scores.dtype == np.float64 and np.isfinite(scores).all()
    assert scorer(key, problem.asked.rows(order)) == pytest.approx(scores[order], rel=1e-12, abs=1e-12)
    for i in (0, 24):
        assert scorer(key, problem.asked.rows(np.array([i])))[0] == pytest.approx(scores[i], rel=1e-12, abs=1e-12)
    assert scorer(key, problem.asked.rows(np.zeros(0, dtype=np.intp))).shape == (0,)


@pytest.mark.parametrize("key", SCORES)
def test_the_order_of_the_train_split_changes_nothing(key: str, problem: Problem, scorer: Scorer) -> None:
    order = np.random.default_rng(2).permutation(len(problem.labels))
    shuffled = replace(problem.known, train=problem.known.train.rows(order), labels=problem.labels[order])
    assert Scorer(shuffled)(key, problem.asked) == pytest.approx(scorer(key, problem.asked), rel=1e-8, abs=1e-8)


SHIFT_INVARIANT = ("confidence", "scaled_confidence", "entropy", "margin")


@settings(max_examples=25)
@given(st.floats(-50, 50))
def test_a_shift_of_all_logits(problem: Problem, shift: float) -> None:
    scorer = Scorer(problem.known)
    moved = replace(problem.asked, logits=problem.asked.logits + shift)
    for key in SHIFT_INVARIANT:
        assert scorer(key, moved) == pytest.approx(scorer(key, problem.asked), abs=1e-9)
    for key in ("max_logit", "energy"):
        assert scorer(key, moved) == pytest.approx(scorer(key, problem.asked) - shift, abs=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_the_order_of_classes_and_a_turn_of_the_components(problem: Problem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order, (turn, _) = rng.permutation(4), np.linalg.qr(rng.normal(size=(12, 12)))

    def turned(o: Outputs) -> Outputs:
        return Outputs(o.logits[:, order], o.reduced @ turn, o.residual, o.layer3, o.photograph)

    known = replace(
        problem.known,
        train=turned(problem.known.train),
        select=turned(problem.known.select),
        labels=np.argsort(order)[problem.labels],
        mean_inside=problem.known.mean_inside @ turn,
    )
    before, after = Scorer(problem.known), Scorer(known)
    for key in SCORES:
        assert after(key, turned(problem.asked)) == pytest.approx(before(key, problem.asked), rel=1e-7, abs=1e-7), key


@pytest.mark.parametrize("factor", [0.1, 30.0])
def test_the_scale_of_features(problem: Problem, factor: float) -> None:
    def scaled(o: Outputs) -> Outputs:
        return Outputs(o.logits, o.reduced * factor, o.residual * factor, o.layer3 * factor, o.photograph * factor)

    known = replace(
        problem.known,
        train=scaled(problem.known.train),
        select=scaled(problem.known.select),
        mean_inside=problem.known.mean_inside * factor,
        mean_outside=problem.known.mean_outside * factor,
    )
    before, after = Scorer(problem.known), Scorer(known)
    for key in ("mahalanobis", "relative_mahalanobis", "knn", "vim", *(k for k in SCORES if SCORES[k].together)):
        assert after(key, scaled(problem.asked)) == pytest.approx(before(key, problem.asked), rel=1e-7, abs=1e-7), key


def test_by_hand() -> None:
    scorer = Scorer(make_problem().known)
    asked = Outputs.of([[0.0, 0.0, 0.0, 0.0], [9.0, 9.0, -99.0, -99.0], [700.0, -700.0, 0.0, 0.0]])
    assert scorer("confidence", asked) == pytest.approx([0.75, 0.5, 0])
    assert scorer("entropy", asked) == pytest.approx([math.log(4), math.log(2), 0])
    assert scorer("margin", asked) == pytest.approx([1, 1, 0])
    assert scorer("max_logit", asked) == pytest.approx([0, -9, -700])
    assert scorer("energy", asked) == pytest.approx([-math.log(4), -9 - math.log(2), -700])


def test_far_is_farther(problem: Problem, scorer: Scorer) -> None:
    near, far = np.arange(15), np.arange(15, 25)
    for key in ("mahalanobis", "vim", "residual", "confidence_or_vim", "confidence_or_mahalanobis"):
        scores = scorer(key, problem.asked)
        assert np.median(scores[far]) > scores[near].max(), key


@settings(max_examples=60)
@given(st.floats(-0.5, 4, allow_nan=False), st.integers(0, 99))
def test_a_joint_threshold_is_a_threshold_on_each(threshold: float, seed: int) -> None:
    """Kept by the joint score iff within both limits; on the threshold counts as kept."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 12, (40, 2)).astype(float)  # many ties
    columns = {"a": lambda o: o.logits[:, 0], "b": lambda o: o.logits[:, 1]}
    joined = CombinedScore(columns, Outputs.of(table))
    asked = Outputs.of(rng.uniform(-4, 20, (60, 2)))
    scores = joined(asked)
    for t in (threshold, float(scores[0])):
        limits = joined.limits(t)
        inside = np.all([function(asked) <= limits[key] for key, function in columns.items()], axis=0)
        assert (inside == (scores <= t)).all()
        assert joined.threshold(limits) == pytest.approx(t, abs=1e-6)
    higher = joined.limits(threshold + 0.1)
    assert joined.threshold({**limits, "a": limits["a"] + 1}) is None
    assert all(higher[key] > limit for key, limit in joined.limits(threshold).items())


def test_ranks_by_hand() -> None:
    joined = CombinedScore(
        {"a": lambda o: o.logits[:, 0], "b": lambda o: o.logits[:, 1]},
        Outputs.of([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [4.0, 5.0]]),
    )
    # a: 4 of 4 at 4, spread 4 - 1.5; b: all alike, spread 1.
    assert joined(Outputs.of([[4.0, 5.0], [1.5, 4.0], [6.5, 5.0], [0.0, 7.0]])) == pytest.approx([1, 0.625, 2, 3])
    assert joined.limits(1) == pytest.approx({"a": 4, "b": 5})
    assert joined.limits(0.5) == pytest.approx({"a": 1, "b": 4.5})
    assert joined.limits(2) == pytest.approx({"a": 6.5, "b": 6})


def test_limits_lead_back_to_their_threshold(scorer: Scorer) -> None:
    for key, threshold in (("vim", -1.25), (DEFAULT, 0.9), (DEFAULT, 1.4)):
        assert scorer.threshold(key, scorer.limits(key, threshold)) == pytest.approx(threshold)


def test_scores_that_cannot_be(problem: Problem, scorer: Scorer) -> None:
    with pytest.raises(ConfigError, match=r"'odin'.*Choose one of confidence, "):
        ood_score("odin")
    with pytest.raises(ConfigError, match="Choose one of"):
        scorer("odin", problem.asked)
    bare = Outputs.of(problem.asked.logits)
    for key in SCORES:
        if (
            key in ("mahalanobis", "knn", "vim", "residual", "layer3_residual", "relative_mahalanobis")
            or SCORES[key].together
        ):
            with pytest.raises(DataError, match="logits only"):
                scorer(key, bare)
        elif SCORES[key].learned:
            with pytest.raises(DataError, match="no clinical photographs"):
                scorer(key, bare)
        else:
            assert scorer(key, bare) == pytest.approx(scorer(key, problem.asked))
    with pytest.raises(DataError, match="rank scores among"):
        Scorer(replace(problem.known, select=problem.known.select.rows(np.zeros(0, dtype=np.intp))))(
            DEFAULT, problem.asked
        )
    with pytest.raises(DataError, match="no training images"):
        empty = problem.known.train.rows(np.zeros(0, dtype=np.intp))
        Scorer(replace(problem.known, train=empty, labels=problem.labels[:0]))("mahalanobis", problem.asked)


@pytest.mark.parametrize("key", SCORES)
def test_one_picture_one_class_and_flat_features_are_no_crash(key: str, problem: Problem) -> None:
    one = problem.known.train.rows(np.array([0]))
    nothing = np.zeros(240)
    flat = Outputs(problem.known.train.logits, np.zeros_like(problem.known.train.reduced), nothing, nothing, nothing)
    for known in (
        replace(problem.known, train=one, labels=np.array([2]), select=one),
        replace(problem.known, labels=np.zeros(240, dtype=np.int64)),
        replace(problem.known, train=flat, select=flat),
    ):
        assert np.isfinite(Scorer(known)(key, problem.asked)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outputs_that_are_no_numbers_are_refused(bad: float) -> None:
    good, wrong = np.zeros((2, 3)), np.array([[0, 0, 0], [0, bad, 0]])
    for arrays in (
        (wrong, good, [0, 0], [0, 0]),
        (good, wrong, [0, 0], [0, 0]),
        (good, good, [0, bad], [0, 0]),
        (good, good, [0, 0], [0, bad]),
    ):
        with pytest.raises(DataError, match="1 of 2"):
            Outputs.of(*arrays)
    with pytest.raises(DataError, match="do not fit 2 images"):
        Outputs.of(good, good, [0], [0, 0])
    with pytest.raises(DataError, match="do not fit 2 images"):
        Outputs.of(good, good, [0, 0], [0])
    with pytest.raises(DataError, match="Logits of shape"):
        Outputs.of([1.0, 2.0])


def test_projection_keeps_lengths() -> None:
    rng = np.random.default_rng(0)
    f, mean = rng.normal(0, 1, (9, 30)).astype(np.float32), rng.normal(0, 1, 30).astype(np.float32)
    axes = np.linalg.qr(rng.normal(size=(30, 8)))[0].T.astype(np.float32)
    reduced, residual = project(f, mean, axes)
    assert reduced.dtype == residual.dtype == np.float16 and reduced.shape == (9, 8)
    lengths = np.sqrt((reduced.astype(float) ** 2).sum(axis=1) + residual.astype(float) ** 2)
    assert lengths == pytest.approx(np.linalg.norm(f - mean, axis=1), rel=1e-3)
    assert project(f[3:4], mean, axes)[1][0] == pytest.approx(residual[3], rel=1e-3)
