"""BE, rBE, flip rates and outcomes against plain loops, published figures, and an example that was reckoned by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.analysis.metrics import METRICS
from lesion_core.analysis.robustness.corruption_errors import balanced_errors, corruption_errors
from lesion_core.analysis.robustness.flips import NOISE, flip_summary, flips
from lesion_core.analysis.robustness.outcomes import OUTCOMES, TURNED_AWAY, first, outcomes, turned_away
from lesion_core.analysis.robustness.references import REFERENCES, WEAK, Reference, reference, weak
from lesion_core.errors import ConfigError, DataError

PUBLISHED = pd.read_csv(Path(__file__).with_name("published_robustness.csv"), float_precision="round_trip")
"""Figures that others published with the parts that they are made of: their model's error under each change."""
CLEAN = {"SAM-C": "SAM", "SAM-C-Extra": "SAM", "DermaMNIST-C": "DermaMNIST-C"}
KEYS = {
    "SAM-C": "sam_c",
    "SAM-C-Extra": "sam_c_extra",
    "DermaMNIST-C": "dermamnist_c",
    "SAM-P": "sam_p",
    "SAM-P-Extra": "sam_p_extra",
}
AGGREGATES = PUBLISHED[PUBLISHED["what"] != "part"]

MODEL = {
    "alpha": (0.32, 0.36, 0.41, 0.47, 0.55),
    "beta": (0.30, 0.31, 0.33, 0.36, 0.40),
    "gamma": (0.31, 0.33, 0.36, 0.40, 0.45),
}
ALEXNET = {
    "alpha": (0.42, 0.46, 0.52, 0.58, 0.66),
    "beta": (0.41, 0.42, 0.44, 0.47, 0.51),
    "gamma": (0.40, 0.40, 0.41, 0.41, 0.42),
}
INVENTED = Reference("invented", "Invented", "Made up.", "nowhere", {c: np.mean(a) for c, a in ALEXNET.items()}, 0.40)


def parts(benchmark: str, model: str) -> dict[str, float]:
    own = PUBLISHED[
        (PUBLISHED["benchmark"] == benchmark) & (PUBLISHED["model"] == model) & (PUBLISHED["what"] == "part")
    ]
    return dict(zip(own["change"], own["value"], strict=True))


@pytest.mark.parametrize(
    "row", AGGREGATES.itertuples(), ids=lambda row: f"{row.benchmark}, {row.model}, {row.what}".replace(" ", "_")
)
def test_published_figures_come_out_of_their_parts(row) -> None:
    alexnet = REFERENCES[KEYS[row.benchmark]]
    own = parts(row.benchmark, row.model)
    if row.benchmark.startswith("SAM-P"):
        _, means = flip_summary({key: [rate] for key, rate in own.items()}, ["one"], alexnet, n=1)
        value = means.set_index("metric").loc[row.what, "value"]
        assert set(means["changes"]) == {len(alexnet.errors)}
    else:
        clean = parts(CLEAN[row.benchmark], row.model)["clean"]
        own.pop("clean", None)
        assert set(own) == set(alexnet.errors), "all changes of the benchmark"
        found = corruption_errors([[error] for error in own.values()], clean, list(own), alexnet)
        value = float(found.summary()[row.what])
    if row.benchmark == "DermaMNIST-C":
        assert value == pytest.approx(row.value, abs=1e-6)
    else:  # published as percentages with two decimals
        assert 100 * value == pytest.approx(row.value, abs=0.01)


def test_sams_denominators_are_whole_numbers_of_images() -> None:
    """194 images of melanoma and 125 of nevus, five trainings, five severities; 30 comparisons of 31 frames."""
    for key, times in (("sam_c", 2 * 194 * 125 * 25), ("sam_c_extra", 2 * 194 * 125 * 25)):
        for error in (*REFERENCES[key].errors.values(), REFERENCES[key].clean):
            assert error * times == pytest.approx(round(error * times), abs=2e-3)
    for key in ("sam_p", "sam_p_extra"):
        for rate in REFERENCES[key].errors.values():
            assert rate * 319 * 30 * 5 == pytest.approx(round(rate * 319 * 30 * 5), abs=2e-3)
    assert [len(r.errors) for r in REFERENCES.values()] == [14, 4, 15, 10, 4]


def test_the_example_reckoned_by_hand() -> None:
    found = corruption_errors(list(MODEL.values()), 0.30, list(MODEL), INVENTED)
    assert found.be.round(6).tolist() == [0.799242, 0.755556, 0.906863]
    assert found.rbe.round(6).tolist() == [0.953125, 0.8, 8.75]
    told = {key: round(float(value), 6) for key, value in found.summary().items()}
    assert told["mbe"] == 0.820554 and told["mean_rbe"] == 3.501042
    assert told["median_be"] == 0.799242 and told["median_rbe"] == 0.953125, "what the mean hides"
    assert told["mean_error"] == 0.377333 and told["mean_more"] == 0.077333
    assert not weak(INVENTED.loss("alpha")) and weak(INVENTED.loss("gamma"))


def test_relative_errors_over_a_small_loss_are_marked() -> None:
    """The ones that are known to explode: they are what a mean rBE hangs on."""
    marked = {key: {c for c in REFERENCES[key].errors if weak(REFERENCES[key].loss(c))} for key in KEYS.values()}
    assert marked["dermamnist_c"] == {"contrast_up", "characters", "brightness_up"}
    assert {"pixelate", "elastic_transform", "char", "brightness_up"} <= marked["sam_c"]
    assert not marked["sam_p"], "a flip rate has no loss"
    edge = Reference("edge", "Edge", "Edge.", "nowhere", {"under": 0.2 + 0.9 * WEAK, "over": 0.2 + 1.1 * WEAK}, 0.2)
    assert weak(edge.loss("under")) and not weak(edge.loss("over")) and not weak(edge.loss("neither"))


def test_be_is_a_ratio_of_sums() -> None:
    mean_of_ratios = [np.mean([e / a for e, a in zip(MODEL[c], ALEXNET[c], strict=True)]) for c in MODEL]
    found = corruption_errors(list(MODEL.values()), 0.30, list(MODEL), INVENTED)
    for change, be, wrong in zip(MODEL, found.be, mean_of_ratios, strict=True):
        assert be == pytest.approx(sum(MODEL[change]) / sum(ALEXNET[change]), rel=1e-12)
        assert be != pytest.approx(wrong, abs=1e-3)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5), min_size=1, max_size=6),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_corruption_errors_are_those_of_plain_loops(errors, clean, seed) -> None:
    rng = np.random.default_rng(seed)
    changes = [f"c{i}" for i in range(len(errors))]
    alexnet = {c: rng.uniform(0.1, 0.9) for c in changes if rng.random() < 0.7}
    constant = Reference("r", "R", "R.", "r", alexnet, 0.4)
    found = corruption_errors(errors, clean, changes, constant)
    be, rbe = [], []
    for change, row, told_be, told_rbe in zip(changes, errors, found.be, found.rbe, strict=True):
        if change not in alexnet:
            assert np.isnan(told_be) and np.isnan(told_rbe)
            continue
        be.append(sum(row) / (5 * alexnet[change]))
        assert told_be == pytest.approx(be[-1])
        if alexnet[change] <= 0.4:
            assert np.isnan(told_rbe), "AlexNet loses nothing"
        else:
            rbe.append(sum(e - clean for e in row) / (5 * (alexnet[change] - 0.4)))
            assert told_rbe == pytest.approx(rbe[-1], abs=1e-9)
    summary = found.summary()
    for key, values, aggregate in (
        ("mbe", be, np.mean),
        ("median_be", be, np.median),
        ("mean_rbe", rbe, np.mean),
        ("median_rbe", rbe, np.median),
    ):
        assert summary[key] == pytest.approx(aggregate(values), abs=1e-9) if values else np.isnan(summary[key])


@given(st.integers(0, 2**32 - 1), st.floats(1.1, 3))
def test_a_model_that_errs_as_alexnet_has_ones_and_one_that_errs_more_has_more(seed, times) -> None:
    alexnet = REFERENCES["dermamnist_c"]
    changes = list(alexnet.errors)
    same = np.array([[alexnet.errors[c]] * 5 for c in changes])
    jitter = np.random.default_rng(seed).normal(0, 0.05, same.shape)
    jitter -= jitter.mean(axis=1, keepdims=True)  # only the mean over the severities counts
    found = corruption_errors(same + jitter, alexnet.clean, changes, alexnet)
    assert found.be == pytest.approx(np.ones(15)) and found.rbe == pytest.approx(np.ones(15))
    worse = corruption_errors(same * times, alexnet.clean, changes, alexnet)
    assert worse.be == pytest.approx(np.full(15, times))
    assert (worse.rbe > found.rbe).all()


def test_resamples_are_reckoned_side_by_side() -> None:
    rng = np.random.default_rng(0)
    errors, clean = rng.random((3, 5, 7)), rng.random(7)
    whole = corruption_errors(errors, clean, list(MODEL), INVENTED)
    for b in range(7):
        one = corruption_errors(errors[:, :, b], clean[b], list(MODEL), INVENTED)
        assert whole.be[:, b] == pytest.approx(one.be) and whole.rbe[:, b] == pytest.approx(one.rbe)
        for key, value in one.summary().items():
            assert whole.summary()[key][b] == pytest.approx(value)


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_balanced_errors_are_one_minus_the_metric(n, k, seed) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, k + 1, n), rng.integers(0, k + 1, (3, n))
    weights = rng.integers(0, 3, (n, 4)).astype(float)
    found = balanced_errors(predicted == truth, truth, weights)
    for row in range(3):
        for b in range(4):
            again = np.repeat(np.arange(n), weights[:, b].astype(int))
            if not len(again):
                assert np.isnan(found[row, b])
                continue
            metric = METRICS["balanced_accuracy"](truth[again], np.eye(k + 1)[predicted[row]][again])
            assert found[row, b] == pytest.approx(1 - metric)


def test_one_change_has_two_names_and_what_was_not_published_has_no_figure() -> None:
    for key in ("sam_c", "dermamnist_c"):
        for name, other in (("char", "characters"), ("contrast", "contrast_down")):
            assert REFERENCES[key].error(name) == REFERENCES[key].error(other) > 0
        for change in ("hair", "ruler", "ink", "glare", "white_balance"):
            assert np.isnan(REFERENCES[key].error(change)) and np.isnan(REFERENCES[key].loss(change))
    assert np.isnan(REFERENCES["sam_c"].error("contrast_up")), "only in DermaMNIST-C"
    assert not {"ImageNet-C", "imagenet_c"} & {r.name for r in REFERENCES.values()} | set(REFERENCES) & {"imagenet_c"}
    with pytest.raises(ConfigError, match="sam_c"):
        reference("imagenet_c")


@pytest.mark.parametrize(
    ("errors", "clean", "changes"),
    [([0.1, 0.2], 0.1, ["a", "b"]), ([[0.1]], 0.1, ["a", "b"]), ([[]], 0.1, ["a"]), ([[[0.1, 0.2]]], 0.1, ["a"])],
)
def test_errors_that_do_not_fit_are_refused(errors, clean, changes) -> None:
    with pytest.raises(DataError, match="do not fit"):
        corruption_errors(errors, clean, changes, INVENTED)


def test_flips_of_the_example() -> None:
    frames = [list("NNNMMMN"), list("MMMMMMN")]
    assert flips(frames, "rotate").mean() == 0.25
    assert flips(frames, "gaussian_noise").mean() == pytest.approx(1 / 3)


@given(st.integers(1, 5), st.integers(2, 9), st.sampled_from(["rotate", "shot_noise"]), st.integers(0, 2**32 - 1))
def test_flips_are_those_of_plain_loops(images, frames, sequence, seed) -> None:
    said = np.random.default_rng(seed).integers(0, 3, (images, frames))
    found = flips(said, sequence)
    for row, told in zip(said.tolist(), found, strict=True):
        against = [row[0] if sequence in NOISE else row[j - 1] for j in range(1, frames)]
        changed = sum(a != b for a, b in zip(row[1:], against, strict=True))
        assert told == pytest.approx(changed / (frames - 1))
        assert (told == 0) == (len(set(row)) == 1)


def test_flip_rates_have_intervals_by_lesion() -> None:
    rng = np.random.default_rng(1)
    shares = {"rotate": rng.random(40), "scale": rng.random(40), "own": rng.random(40)}
    groups = np.arange(40) // 2
    table, means = flip_summary(shares, groups, REFERENCES["sam_p"], n=300)
    told = {(row.sequence, row.metric): row for row in table.itertuples()}
    alexnet = REFERENCES["sam_p"].errors
    for key, values in shares.items():
        assert told[key, "flip_probability"].value == pytest.approx(values.mean())
        assert told[key, "flip_probability"].low < values.mean() < told[key, "flip_probability"].high
    assert ("own", "flip_rate") not in told
    rates = [shares[key].mean() / alexnet[key] for key in ("rotate", "scale")]
    mean = means.set_index("metric").loc["mfr"]
    assert mean["value"] == pytest.approx(np.mean(rates)) and mean["changes"] == 2 and mean["low"] < mean["high"]
    with pytest.raises(DataError):
        flip_summary(shares, groups[:-1], REFERENCES["sam_p"])
    with pytest.raises(DataError, match="no sequences"):
        flip_summary({}, groups, REFERENCES["sam_p"])


@pytest.mark.parametrize("answers", [[], [["a"]], ["a", "b"]])
def test_flips_need_frames(answers) -> None:
    with pytest.raises(DataError, match="frames"):
        flips(answers, "rotate")


def test_the_four_outcomes_of_the_example() -> None:
    truth = np.array(list("MMNN"))
    answers = np.array([list("MMM"), list("MNM"), list("MNM"), list("MMM")]).T  # by form, the clean one first
    assert sorted(outcomes(answers == truth).tolist()) == [0, 1, 2, 3]


@given(st.integers(2, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_outcomes_and_rejections_are_those_of_plain_loops(severities, images, seed) -> None:
    rng = np.random.default_rng(seed)
    right, kept = rng.random((severities, images)) < 0.6, rng.random((severities, images)) < 0.6
    names, away = list(OUTCOMES), list(TURNED_AWAY)
    for i, (outcome, turned) in enumerate(zip(outcomes(right), turned_away(right, kept), strict=True)):
        row, keep = right[:, i].tolist(), kept[:, i].tolist()
        if row[0]:
            expected = "consistently_correct" if all(row) else "correct_then_wrong"
        else:
            expected = "wrong_then_correct" if any(row) else "consistently_wrong"
        assert names[outcome] == expected
        wrong = row.index(False) if False in row else severities
        out = keep.index(False) if False in keep else severities
        if wrong == severities:
            expected = "neither" if out == severities else "for_nothing"
        else:
            expected = "in_time" if out <= wrong else "too_late"
        assert away[turned] == expected


@given(st.integers(2, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_what_a_stricter_policy_does(severities, images, seed) -> None:
    """Rejecting more makes no rejection later, so nobody who was turned away in time is too late."""
    rng = np.random.default_rng(seed)
    right, kept = rng.random((severities, images)) < 0.6, rng.random((severities, images)) < 0.6
    stricter = kept & (rng.random((severities, images)) < 0.6)
    before, after = turned_away(right, kept), turned_away(right, stricter)
    in_time = list(TURNED_AWAY).index("in_time")
    assert (after[before == in_time] == in_time).all()
    assert (first(~stricter) <= first(~kept)).all()


@pytest.mark.parametrize("right", [np.ones((1, 3), bool), np.ones(3, bool), np.ones((2, 3))])
def test_outcomes_need_images_and_changed_forms(right) -> None:
    with pytest.raises(DataError, match="changed forms"):
        outcomes(right)
    with pytest.raises(DataError):
        turned_away(np.ones((2, 3), bool), np.ones((2, 4), bool))
