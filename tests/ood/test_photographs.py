"""What tells a clinical photograph: learned from images that no figure is of, stored, and the same live."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from lesion_core.data.tables import CLINICAL, TO_CHOOSE_WITH
from lesion_core.errors import DataError, RunError
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.photographs import FEWEST, STRENGTH, _equally, fit_photographs
from lesion_core.ood.policy import read_policy
from lesion_core.ood.scores import DEFAULT, DEFAULT_LEARNED, SCORES, Scorer, default_score, offered
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run, open_run
from lesion_core.serving.classifier import Engine
from tests.conftest import SMALL, Trained

PICTURES: dict[int, Path] = {}
"""Where the photographs of `taught` are."""


@pytest.fixture(scope="module")
def taught(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small run, scored with photographs to learn from and with one of each kind to show."""
    from lesion_core.inference.classifier import write_run

    folder, rng, rows = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0), []
    for i in range(FEWEST + 2):
        path, shown = folder / f"{i}.png", i >= FEWEST
        ramp = np.linspace(60, 200, 48)[:, None, None] * np.array([0.6, 0.7, 1.0]) + rng.normal(0, 12, (48, 48, 3))
        cv2.imwrite(str(path), ramp.clip(0, 255).astype(np.uint8))
        PICTURES[i] = path
        rows.append((f"photo/{i}", CLINICAL[i % 2], "somewhere" if shown else TO_CHOOSE_WITH, str(path), None))
    photographs = pd.DataFrame(rows, columns=list(trained.collection.ood.columns))
    return write_run(
        tmp_path_factory.mktemp("runs") / "taught",
        SMALL,
        trained.fitted.model,  # type: ignore[attr-defined]
        trained.collection.table,
        pd.concat([trained.collection.ood, photographs], ignore_index=True),
        split_fingerprint=trained.collection.manifest.fingerprint,
        history=trained.fitted.history,
        initial_weights="none",
    )


def test_it_is_the_best_of_its_penalised_likelihood() -> None:
    """The gradient of ``sum of log losses as they count + |w|^2 / (2 C)``, in features by their deviation, is zero."""
    rng = np.random.default_rng(1)
    dermoscopy = rng.normal(0, [1, 5, 0.2], (400, 3)).astype(np.float32)
    photographs = rng.normal([1, 0, 0.3], [1, 5, 0.2], (110, 3)).astype(np.float32)
    sources, kinds = np.repeat(["a", "b", "c"], [300, 80, 20]), np.repeat(["near", "far"], [50, 60])
    found = fit_photographs(dermoscopy, sources, photographs, kinds)
    x, y = np.concatenate([dermoscopy, photographs]).astype(float), np.repeat([0.0, 1.0], [400, 110])
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    w = found["photograph_weights"].astype(float) * deviation
    b = float(found["photograph_bias"][0]) + found["photograph_weights"].astype(float) @ mean
    counts = {"a": 85 / 300, "b": 85 / 80, "c": 85 / 20, "near": 127.5 / 50, "far": 127.5 / 60}  # of 510 in all
    gradient, slope = w / STRENGTH, 0.0
    for row, label, group in zip((x - mean) / deviation, y, [*sources, *kinds], strict=True):
        error = counts[group] * (1 / (1 + np.exp(-(w @ row + b))) - label)
        gradient, slope = gradient + error * row, slope + error
    assert np.abs(gradient).max() < 0.5 and abs(slope) < 0.5  # of terms of hundreds: weights are kept at half precision
    assert found["photograph_weights"].dtype == np.float16


def test_small_sources_count_as_one() -> None:
    groups = np.repeat(["large", "x", "y", "z"], [2 * FEWEST, 9, 8, 3])
    counts = _equally(groups)
    assert counts[groups == "large"].sum() == pytest.approx(0.5) and np.ptp(counts[groups != "large"]) == 0
    assert counts.sum() == pytest.approx(1)


def test_too_few_teach_nothing() -> None:
    some, kinds = np.ones((FEWEST - 1, 4), np.float32), np.repeat("near", FEWEST)
    assert fit_photographs(np.zeros((9, 4), np.float32), kinds[:9], some, kinds[1:]) == {}
    assert fit_photographs(np.zeros((0, 4), np.float32), kinds[:0], np.ones((FEWEST, 4), np.float32), kinds) == {}


def test_a_run_that_saw_photographs_tells_them(taught: Run) -> None:
    assert taught.knows_photographs and set(offered(taught)) == set(SCORES) and default_score(taught) == DEFAULT_LEARNED
    scorer = Scorer.of(taught)
    shown = taught.ood[taught.ood["source"] == "somewhere"]
    evidence = scorer("photograph", ood_outputs(taught, shown))
    assert len(evidence) == 2 and evidence.min() > np.quantile(
        scorer("photograph", outputs_of(taught, taught.part("test"))), 0.95
    )
    policy = read_policy(taught)
    assert policy is not None and policy.score == DEFAULT_LEARNED
    assert [limit.score for limit in policy.limits] == list(SCORES[DEFAULT_LEARNED].parts)


def test_an_image_gets_the_same_evidence_live(taught: Run) -> None:
    engine, at = Engine(taught), int(np.flatnonzero(taught.ood["image_id"] == f"photo/{FEWEST}")[0])
    picture = cv2.imread(str(PICTURES[FEWEST]))[..., ::-1]
    live = engine.predict(np.ascontiguousarray(picture)).outputs.photograph
    assert live == pytest.approx(taught.features["ood_photograph"][at : at + 1].astype(float), rel=1e-2, abs=1e-2)


def test_a_run_that_saw_none_does_not_offer_it(small_run: Run) -> None:
    assert not small_run.knows_photographs and default_score(small_run) == DEFAULT
    assert "photograph" not in offered(small_run) and "photograph" not in Scorer.of(small_run).all(
        outputs_of(small_run, small_run.part("test"))
    )
    with pytest.raises(DataError, match=r"learned of no clinical photographs\..*evaluate --data"):
        tune(small_run, "photograph")


def test_a_rule_on_the_first_score_names_both_other_limits(taught: Run) -> None:
    chosen = tune(taught, how="cost").chosen
    assert "within the limits on residual of layer 3 and on clinical photograph, each of which keeps 95 %" in chosen
    assert "the limit on residual of layer 3, which keeps 95 %" in tune(taught, DEFAULT, "cost").chosen


@pytest.mark.parametrize("name", ["photograph", "ood_photograph", "photograph_weights", "photograph_bias"])
def test_one_part_missing_is_named(name: str, taught: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(taught.folder, tmp_path / "copy"))
    tensors = load_file(copy / "features.safetensors")
    del tensors[name]
    save_file(tensors, copy / "features.safetensors")
    with pytest.raises(RunError, match=f"lacks the tensor {name}"):
        _ = open_run(copy, verify=False).features
