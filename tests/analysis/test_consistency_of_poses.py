"""Whether answers to several images of a lesion agree: against plain loops, and what must hold of every answer."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.robustness.consistency import (
    AVERAGES,
    MEASURES,
    Members,
    consistency,
    errors_of_averages,
    flip_rates,
    measures,
    members_of,
    repeated_images,
)
from lesion_core.analysis.robustness.flips import flips
from lesion_core.analysis.robustness.references import REFERENCES
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import ConfigError, DataError
from lesion_core.labels import BINARY, ISIC2019
from lesion_core.runs.robustness import CLEAN, relative

FLIPS = ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0))


def members(seed: int = 0, f: int = 4, n: int = 40, classes: tuple[str, ...] = ("MEL", "NV", "BCC")) -> Members:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(classes), n)
    centre = 1 + 2 * np.eye(len(classes))[truth]
    probabilities = np.stack([np.stack([rng.dirichlet(row) for row in centre]) for _ in range(f)])
    groups = np.array([f"l{i // 2}" for i in range(n)])
    return Members("symmetries", np.array([f"i{i:02}" for i in range(n)]), groups, truth, probabilities, classes)


def literal(answers: list[int], truth: int) -> dict[str, float]:
    pairs = list(combinations(answers, 2))
    return {
        "several": float(len(set(answers)) > 1),
        "sides": float(truth in answers and any(answer != truth for answer in answers)),
        "pairs": sum(a != b for a, b in pairs) / len(pairs),
        "agreement": max(answers.count(answer) for answer in answers) / len(answers),
    }


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 6))
def test_measures_are_those_of_plain_loops(seed: int, v: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, truth = rng.integers(-1, 3, (v, n)), rng.integers(0, 3, n)
    found = measures(predicted, truth)
    assert set(found) == set(MEASURES)
    for i in range(n):
        expected = literal(predicted[:, i].tolist(), int(truth[i]))
        assert {key: found[key][i] for key in MEASURES} == pytest.approx(expected)


def test_one_image_is_no_comparison() -> None:
    with pytest.raises(DataError):
        measures(np.zeros((1, 4), np.int64), np.zeros(4, np.int64))


def test_a_summary_is_the_mean_and_averaging_is_that_of_probabilities() -> None:
    own = members()
    for one in (own, own.averaged(FLIPS)):
        told = consistency(one, (0, 2, 3), 100).set_index("metric")
        rows = [literal(one.predicted[[0, 2, 3], i].tolist(), int(one.truth[i])) for i in range(40)]
        for key in MEASURES:
            assert told.loc[key, "value"] == pytest.approx(np.mean([row[key] for row in rows]))
            assert told.loc[key, "low"] <= told.loc[key, "value"] <= told.loc[key, "high"]
        assert (told["n_images"] == 40).all() and (told["n_groups"] == 20).all()
    averaged = own.averaged([(0, 1, 2, 3)] * 4)
    assert averaged.probabilities[2, 7] == pytest.approx(own.probabilities[:, 7].mean(axis=0))
    assert consistency(averaged, range(4), 50).set_index("metric")["value"].to_dict() == pytest.approx(
        {"several": 0, "sides": 0, "pairs": 0, "agreement": 1}
    ), "the mean of all is the same whichever member one begins with"


def test_averages_are_told_with_the_error() -> None:
    own = members(3)
    told = errors_of_averages(own, (0, 1), 100).set_index("average")
    assert list(told.index) == list(AVERAGES)
    for average, over in (("one", [0]), ("flips", [0, 1]), ("all", [0, 1, 2, 3])):
        said = own.probabilities[over].mean(axis=0).argmax(axis=1)
        recalls = [np.mean(said[own.truth == k] == k) for k in np.unique(own.truth)]
        assert told.loc[average, "value"] == pytest.approx(1 - np.mean(recalls))
        if average != "one":
            assert told.loc[average, "more"] == pytest.approx(told.loc[average, "value"] - told.loc["one", "value"])
    assert np.isnan(told.loc["one", "more"])


def test_in_two_classes_one_half_is_malignant() -> None:
    own = members(classes=BINARY)
    probabilities = own.probabilities.copy()
    probabilities[0, 0] = 0.5
    half = Members(own.series, own.image_ids, own.groups, own.truth, probabilities, BINARY)
    assert half.predicted[0, 0] == 1
    assert np.array_equal(half.predicted, (probabilities[..., 1] >= 0.5).astype(int))


def test_photographs_of_a_lesion_are_compared_with_each_other_only() -> None:
    rng = np.random.default_rng(1)
    groups = np.array(["a"] * 3 + ["b"] + ["c"] * 2 + ["d"] * 4 + ["e"])
    probabilities, truth = rng.dirichlet(np.ones(3), len(groups)), np.array([0] * 3 + [1] + [2] * 2 + [1] * 4 + [0])
    data = EvaluationData(pd.DataFrame(), truth, probabilities, groups, ("MEL", "NV", "BCC"))
    told = repeated_images(data, 100)
    assert told is not None
    rows = [
        literal(probabilities[groups == lesion].argmax(axis=1).tolist(), int(truth[groups == lesion][0]))
        for lesion in ("a", "c", "d")
    ]
    for key, row in told.set_index("metric").iterrows():
        assert row["value"] == pytest.approx(np.mean([one[str(key)] for one in rows]))
        assert row["n_images"] == 9 and row["n_groups"] == 3
    single = EvaluationData(pd.DataFrame(), truth[[0, 3]], probabilities[[0, 3]], groups[[0, 3]], data.classes)
    assert repeated_images(single) is None


class Known:
    """As much of a run as figures ask for."""

    classes = ISIC2019
    calibration = SimpleNamespace(temperature=1.4)

    def logits(self, table: pd.DataFrame) -> np.ndarray:
        return table[[f"logit_{code}" for code in self.classes]].to_numpy(np.float64)


def table_of(series: dict[str, int], n: int = 12) -> pd.DataFrame:
    """Answers to members of series; every third image is official."""
    rng = np.random.default_rng(5)
    rows = [
        (f"i{i:02}", f"l{i // 2}", "ham10000" if i % 3 else OFFICIAL_TEST, ["MEL", "NV", "BKL"][i % 3], key, place)
        for key, length in {CLEAN: 1, **series}.items()
        for place in range(length)
        for i in range(n)
    ]
    table = pd.DataFrame(rows, columns=["image_id", "lesion_id", "dataset", "label", "series", "place"])
    half = relative(rng.normal(0, 2, (len(table), 8)))
    return pd.concat([table, pd.DataFrame(half, columns=[f"logit_{code}" for code in ISIC2019])], axis=1)


def test_members_are_the_rows_of_the_table() -> None:
    table = table_of({"symmetries": 8, "rotate": 31})
    broken = (table["image_id"] == "i01") & (table["series"] == "symmetries") & (table["place"] == 5)
    table = table[~broken].sample(frac=1, random_state=0)
    found = members_of(Known(), table)
    assert set(found) == {"symmetries", "rotate"}
    assert "i01" in found["rotate"].image_ids and "i01" not in found["symmetries"].image_ids, "one member is missing"
    assert not any(i % 3 == 0 for i in range(12) if f"i{i:02}" in found["rotate"].image_ids), "the official ones"
    own = table[(table["series"] == "rotate") & (table["dataset"] != OFFICIAL_TEST)].set_index(["image_id", "place"])
    for i, image in enumerate(found["rotate"].image_ids):
        for place in (0, 17, 30):
            logits = Known().logits(own.loc[[(image, place)]])[0]
            assert found["rotate"].predicted[place, i] == logits.argmax()
            e = np.exp(logits / 1.4)
            assert found["rotate"].probabilities[place, i] == pytest.approx(e / e.sum())
    assert members_of(Known(), table, "isic2018")["rotate"].probabilities.shape[1] == 4
    assert members_of(Known(), table, "milk10k") == {}
    with pytest.raises(ConfigError):
        members_of(Known(), table, "calibrate")


def test_flip_rates_are_those_of_the_frames() -> None:
    found = members_of(Known(), table_of({"rotate": 31, "gaussian_noise": 31}), "binary")
    both = flip_rates(found, REFERENCES["sam_p"], 50)
    assert both is not None
    rows = both[0].set_index(["sequence", "metric"])["value"]
    shares = {key: flips(own.predicted.T, key).mean() for key, own in found.items()}
    alexnet = {key: REFERENCES["sam_p"].error(key) for key in found}
    for key in found:
        assert rows[key, "flip_probability"] == pytest.approx(shares[key])
        assert rows[key, "flip_rate"] == pytest.approx(shares[key] / alexnet[key])
    mfr = both[1].set_index("metric").loc["mfr", "value"]
    assert mfr == pytest.approx(np.mean([shares[key] / alexnet[key] for key in found]))
    alone = flip_rates(found, None, 50)
    assert alone is not None and set(alone[0]["metric"]) == {"flip_probability"} and alone[1].empty
    assert flip_rates({}, None) is None
