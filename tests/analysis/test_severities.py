"""Figures along the severities of a change against plain loops over rows, and what must hold of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lesion_core.analysis.calibration import expected_calibration_error
from lesion_core.analysis.intervals import Figures, paired_intervals
from lesion_core.analysis.metrics import METRICS, softmax
from lesion_core.analysis.robustness.corruption_errors import balanced_errors, corruption_errors
from lesion_core.analysis.robustness.outcomes import OUTCOMES, TURNED_AWAY
from lesion_core.analysis.robustness.references import REFERENCES
from lesion_core.analysis.robustness.severities import (
    against_alexnet,
    answers_under_changes,
    by_severity,
    common,
    outcome_shares,
    right_and_kept,
    turned_away_shares,
)
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import ConfigError, DataError
from lesion_core.labels import HAM10000, ISIC2019
from lesion_core.runs.robustness import CLEAN, SEVERITIES, relative

TEMPERATURE = 1.4
CHANGES = ("gaussian_noise", "pixelate", "hair")


class Known:
    """As much of a run as figures ask for."""

    classes = ISIC2019
    calibration = SimpleNamespace(temperature=TEMPERATURE)

    def logits(self, table: pd.DataFrame) -> np.ndarray:
        return table[[f"logit_{code}" for code in self.classes]].to_numpy(np.float64)


def table_of(seed: int = 0, lesions: int = 60, changes: tuple[str, ...] = CHANGES) -> pd.DataFrame:
    """Answers that get worse with the severity; two images of every third lesion; half of them official."""
    rng = np.random.default_rng(seed)
    ids = [(f"i{i}-{j}", f"l{i}") for i in range(lesions) for j in range(1 + (i % 3 == 0))]
    labels = rng.choice(["MEL", "NV", "BCC", "BKL"], len(ids), p=[0.3, 0.4, 0.2, 0.1])
    rows = []
    for place, ((image, lesion), label) in enumerate(zip(ids, labels, strict=True)):
        base = rng.normal(0, 1, 8) + 3.0 * (np.array(ISIC2019) == label)
        for change, severity in [(CLEAN, 0), *((c, s) for c in changes for s in SEVERITIES)]:
            logits = base + severity * rng.normal(0, 0.6, 8)
            rows.append((image, lesion, OFFICIAL_TEST if place % 2 else "ham10000", label, change, severity, logits))
    table = pd.DataFrame(rows, columns=["image_id", "lesion_id", "dataset", "label", "change", "severity", "z"])
    half = relative(np.stack(table.pop("z").to_list()))
    return pd.concat([table, pd.DataFrame(half, columns=[f"logit_{code}" for code in ISIC2019])], axis=1)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return table_of().sample(frac=1, random_state=0)  # in no order


@pytest.fixture(scope="module")
def kept(table: pd.DataFrame) -> np.ndarray:
    return softmax(Known().logits(table)).max(axis=1) > 0.6


def rows_of(table: pd.DataFrame, change: str, severity: int) -> pd.DataFrame:
    """Those of the test set, by image."""
    clean = severity == 0
    own = (table["change"] == (CLEAN if clean else change)) & (table["severity"] == severity)
    return table[own & (table["dataset"] != OFFICIAL_TEST)].sort_values("image_id")


def test_figures_are_those_of_the_rows(table: pd.DataFrame, kept: np.ndarray) -> None:
    run = Known()
    found = answers_under_changes(run, table, "test", kept)
    assert list(found) == list(dict.fromkeys(table["change"][table["change"] != CLEAN]))
    keeps = pd.Series(kept, table.index)
    for change, answers in found.items():
        told = by_severity(answers, n=100).set_index(["metric", "severity"])
        assert answers.severities == (0, *SEVERITIES)
        clean = {}
        for severity in answers.severities:
            rows = rows_of(table, change, severity)
            assert rows["image_id"].tolist() == answers.image_ids.tolist()
            p = softmax(run.logits(rows), TEMPERATURE)
            truth = np.array([ISIC2019.index(label) for label in rows["label"]])
            right, own = p.argmax(axis=1) == truth, keeps[rows.index].to_numpy()
            expected = {
                "error": 1 - right.mean(),
                "balanced_error": 1 - METRICS["balanced_accuracy"](truth, p),
                "calibration_error": expected_calibration_error(p.max(axis=1), right),
                "rejected": 1 - own.mean(),
                "error_kept": 1 - right[own].mean(),
            }
            clean = clean or expected
            for metric, value in expected.items():
                row = told.loc[(metric, severity)]
                assert row["value"] == pytest.approx(value), (change, severity, metric)
                assert row["low"] <= value + 1e-9 and value - 1e-9 <= row["high"]
                if severity:
                    assert row["more"] == pytest.approx(value - clean[metric])
                    assert row["more_low"] <= row["more"] + 1e-9 and row["more"] - 1e-9 <= row["more_high"]
                else:
                    assert np.isnan(row["more"])
            assert told.loc[("error_kept", severity), "n_images"] == own.sum()
            assert told.loc[("error", severity), "n_groups"] == rows["lesion_id"].nunique()
        assert sum(answers.counts().values()) == len(answers.truth)


def test_a_difference_is_paired(table: pd.DataFrame) -> None:
    """Answers that are the same at every severity differ by nothing, whatever lesions are drawn."""
    same = table[table["change"] == CLEAN]
    frozen = [same, *(same.assign(change="hair", severity=s) for s in SEVERITIES)]
    found = answers_under_changes(Known(), pd.concat(frozen, ignore_index=True))
    told = by_severity(found["hair"], n=100)
    again = told[told["severity"] > 0]
    assert (again[["more", "more_low", "more_high"]] == 0).all(axis=None)
    assert (told["high"] - told["low"] > 0).all()


def test_a_difference_is_that_of_two_runs_on_the_same_lesions(table: pd.DataFrame) -> None:
    """The house's own paired interval, of severity 5 against the images as they are."""
    answers = answers_under_changes(Known(), table)["hair"]
    told = by_severity(answers, n=200, seed=4).set_index(["metric", "severity"]).loc[("balanced_error", 5)]

    def error(place: int) -> Figures:
        return lambda w: {"it": balanced_errors(answers.right[[place]], answers.truth, w)[0]}

    pair = paired_intervals(error(0), error(5), answers.groups, 200, 4)["it"]
    assert told[["more", "more_low", "more_high"]].to_list() == pytest.approx([pair.value, pair.low, pair.high])
    assert pair.low < pair.value < pair.high


def test_a_changed_image_without_its_unchanged_one_is_left_out(table: pd.DataFrame) -> None:
    image = rows_of(table, "hair", 0)["image_id"].iloc[0]
    found = answers_under_changes(Known(), table[~((table["image_id"] == image) & (table["change"] == CLEAN))])
    assert all(image not in own.image_ids for own in found.values())
    assert answers_under_changes(Known(), table[table["change"] != CLEAN]) == {}


def test_without_a_policy_nothing_is_said_of_rejection(table: pd.DataFrame) -> None:
    found = answers_under_changes(Known(), table)
    assert set(by_severity(found["hair"], n=100)["metric"]) == {"error", "balanced_error", "calibration_error"}
    for figure in (turned_away_shares, right_and_kept):
        with pytest.raises(DataError, match="no policy"):
            figure(found["hair"])


def test_what_is_compared_is_as_by_hand(table: pd.DataFrame) -> None:
    found = answers_under_changes(Known(), table)
    for key in ("sam_c", "dermamnist_c"):
        beside = against_alexnet(found, REFERENCES[key], n=100)
        assert beside is not None and set(beside.compared) == {"gaussian_noise", "pixelate"}
        each = {
            change: by_severity(own, n=100).query("metric == 'balanced_error'")["value"].to_numpy()
            for change, own in found.items()
        }
        errors = [values[1:] for values in each.values()]
        expected = corruption_errors(errors, each["hair"][0], list(each), REFERENCES[key])
        told = beside.table.set_index(["change", "metric"])
        for change, be, rbe in zip(each, expected.be, expected.rbe, strict=True):
            assert told.loc[(change, "be"), "value"] == pytest.approx(be, nan_ok=True)
            assert told.loc[(change, "rbe"), "value"] == pytest.approx(rbe, nan_ok=True)
        assert np.isnan(told.loc[("hair", "be"), ["value", "low", "high"]].to_numpy(float)).all(), "nothing published"
        assert told.loc[("hair", "error"), "low"] < told.loc[("hair", "error"), "high"]
        summary = beside.summary.set_index("metric")
        for metric, value in expected.summary().items():
            assert summary.loc[metric, "value"] == pytest.approx(float(value))
            assert summary.loc[metric, "low"] < float(value) < summary.loc[metric, "high"]
        marked = beside.table[["change", "metric"]][beside.table["weak"]].to_numpy().tolist()
        assert marked == ([["pixelate", "rbe"]] if key == "sam_c" else [])


def test_a_mean_over_five_severities_needs_all_five(table: pd.DataFrame) -> None:
    fewer = table[~((table["change"] == "pixelate") & (table["severity"] == 3))]
    beside = against_alexnet(answers_under_changes(Known(), fewer), REFERENCES["sam_c"], n=100)
    assert beside is not None and beside.compared == ("gaussian_noise",)
    one = table[table["severity"].isin([0, 3])]
    assert against_alexnet(answers_under_changes(Known(), one), REFERENCES["sam_c"], n=100) is None
    assert answers_under_changes(Known(), one)["hair"].severities == (0, 3)


def test_images_that_lack_a_severity_are_left_out_of_that_change(table: pd.DataFrame) -> None:
    image = rows_of(table, "hair", 3)["image_id"].iloc[0]
    fewer = table[~((table["image_id"] == image) & (table["change"] == "hair") & (table["severity"] == 3))]
    found = answers_under_changes(Known(), fewer)
    assert image not in found["hair"].image_ids and image in found["pixelate"].image_ids
    with pytest.raises(DataError, match="same images"):
        outcome_shares(found)
    together = common(found)
    assert {len(own.truth) for own in together.values()} == {len(found["hair"].truth)}
    outcome_shares(together)


def test_outcomes_are_counted_over_all_changes_and_add_up(table: pd.DataFrame, kept: np.ndarray) -> None:
    found = answers_under_changes(Known(), table, "test", kept)
    for some in (found, {"hair": found["hair"]}):
        told = outcome_shares(some).set_index("outcome")
        n = len(found["hair"].truth)
        assert list(told.index) == list(OUTCOMES) and told["n"].sum() == n and told["share"].sum() == pytest.approx(1)
        right = np.concatenate([own.right for own in some.values()])
        assert told.loc["consistently_correct", "n"] == right.all(axis=0).sum()
        assert told.loc["consistently_wrong", "n"] == (~right).all(axis=0).sum()
    away = turned_away_shares(found["hair"])
    assert list(away["outcome"]) == list(TURNED_AWAY) and away["n"].sum() == n
    cells = right_and_kept(found["hair"])
    assert cells.groupby("severity")["share"].sum().to_numpy() == pytest.approx(np.ones(6))
    told = by_severity(found["hair"], n=100).set_index(["metric", "severity"])["value"]
    for severity, rows in cells.groupby("severity"):
        rejected = rows["share"][~rows["kept"]].sum()
        assert rejected == pytest.approx(told[("rejected", severity)])
        wrong = rows["share"][rows["kept"] & ~rows["right"]].sum() / (1 - rejected)
        assert wrong == pytest.approx(told[("error_kept", severity)])


def test_views_merge_diagnoses(table: pd.DataFrame) -> None:
    official = answers_under_changes(Known(), table, "isic2018")["hair"]
    assert official.classes == HAM10000 and set(official.image_ids) == set(
        table["image_id"][table["dataset"] == OFFICIAL_TEST]
    )
    binary = answers_under_changes(Known(), table, "binary")["hair"]
    rows = rows_of(table, "hair", 5)
    p = softmax(Known().logits(rows), TEMPERATURE)
    malignant = p[:, [ISIC2019.index(c) for c in ("MEL", "BCC", "AK", "SCC")]].sum(axis=1)
    assert binary.predicted[-1].tolist() == (malignant >= 0.5).astype(int).tolist()
    assert answers_under_changes(Known(), table[table["dataset"] == OFFICIAL_TEST]) == {}
    for view in ("calibrate", "nothing"):
        with pytest.raises(ConfigError, match="no view"):
            answers_under_changes(Known(), table, view)


def test_half_precision_makes_no_ties_and_keeps_the_answer() -> None:
    """Two logits of 9 and 9.001 are one number at half precision; what is stored still tells which is higher."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 8, (5000, 8)).astype(np.float32)
    near = logits.copy()
    near[:, 1] = near.max(axis=1) + rng.choice([-1e-3, 1e-3], 5000)
    for z in (logits, near):
        told = relative(z).astype(np.float64)
        assert (told.argmax(axis=1) == z.argmax(axis=1)).all() and (told.max(axis=1) == 0).all()
        assert ((told == 0).sum(axis=1) == 1).all()
        assert np.abs(softmax(told) - softmax(z)).max() < 2e-3
    assert np.isfinite(relative(np.array([[1e6, -1e6]]))).all()
