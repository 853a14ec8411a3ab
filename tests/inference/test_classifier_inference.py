"""Scoring: frozen logits are what the engine says of the same file, and storing them loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lesion_core.data.masks import read_mask
from lesion_core.data.tables import CORRUPTED
from lesion_core.errors import RunError
from lesion_core.imaging.corruptions import corrupt
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.inference.classifier import infer, infer_test, write_run
from lesion_core.models.checkpoints import load_weights
from lesion_core.models.classifiers import build
from lesion_core.reports.classifier_card import card
from lesion_core.runs.classifier import Run, open_run
from lesion_core.serving.classifier import Engine


def test_a_frozen_logit_is_what_the_engine_says(small_run: Run, trained: Any, engine: Engine) -> None:
    for i in (0, 7, 31):
        row, frozen = trained.collection.table.iloc[i], small_run.predictions.iloc[i]
        assert (frozen["image_id"], frozen["lesion_id"], frozen["split"], frozen["label"]) == (
            row["image_id"],
            row["group"],
            row["role"],
            row["diagnosis"],
        )
        found = engine.predict(decode(Path(row["path"]))).logits
        np.testing.assert_allclose(found, small_run.logits(small_run.predictions.iloc[[i]])[0], atol=1e-3)


def test_ood_images_are_scored_the_same_way(small_run: Run, trained: Any, engine: Engine) -> None:
    assert small_run.ood_images[["image_id", "kind"]].to_numpy().tolist() == [
        ["noise/noise_1", "noise"],
        ["stripes/stripes_1", "stripes"],
    ]
    for i, row in enumerate(trained.collection.ood.itertuples()):
        image = decode(Path(row.path))
        if row.source == CORRUPTED:
            mask = read_mask(Path(row.mask_path), image.shape[:2]) if row.kind == "bare_skin" else None
            image = corrupt(image, row.kind, row.image_id, mask)
        np.testing.assert_allclose(engine.predict(image).logits, small_run.logits(small_run.ood)[i], atol=1e-3)


def test_features_are_rows_of_the_same_pictures(small_run: Run) -> None:
    f = small_run.features
    weight, bias = (t.numpy() for t in (lambda m: (m.fc.weight.detach(), m.fc.bias.detach()))(Engine(small_run)._model))
    penultimate = f["reduced"] @ f["components"] + f["mean"]
    found = penultimate @ weight.T + bias
    expected = small_run.logits(small_run.predictions)
    # What lies outside of the components moves a logit by at most its length times the weights' length.
    slack = f["residual"][:, None] * np.linalg.norm(weight, axis=1) + 0.05
    assert (np.abs(found - expected) <= slack).all()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("workers", [0, 1])
def test_the_batch_changes_nothing(small_run: Run, trained: Any, workers: int) -> None:
    model = build(small_run.config.settings.model)
    paths = list(trained.collection.table["path"][:9])
    calls: list[tuple[int, int]] = []
    one = infer(model, small_run.config.settings.preprocessing, paths, batch_size=1, workers=workers)
    four = infer(
        model,
        small_run.config.settings.preprocessing,
        paths,
        batch_size=4,
        workers=workers,
        on_progress=lambda *n: calls.append(n),
    )
    np.testing.assert_allclose(one.logits, four.logits, atol=1e-4)
    np.testing.assert_allclose(one.penultimate, four.penultimate, atol=1e-4)
    np.testing.assert_allclose(one.layer3, four.layer3, atol=1e-4)
    assert calls == [(4, 9), (8, 9), (9, 9)] and one.penultimate.shape == (9, 512) and one.layer3.shape == (9, 256)


def test_flips_are_the_mean_of_four_mirrorings(small_run: Run, trained: Any) -> None:
    settings, table = small_run.config.settings, trained.collection.table
    model = build(settings.model)
    load_weights(model, small_run.weights)
    paths = list(table["path"][table["role"] == "test"][:3])
    squares = np.stack([Pipeline(settings.preprocessing).apply(decode(Path(path))) for path in paths])
    mirrored = [squares, squares[:, ::-1], squares[:, :, ::-1], squares[:, ::-1, ::-1]]
    with torch.no_grad():
        each = [model(torch.from_numpy(normalize(np.ascontiguousarray(m), settings.preprocessing))) for m in mirrored]
    found = infer(model, settings.preprocessing, paths, workers=0, flips=True)
    np.testing.assert_allclose(found.logits, torch.stack(each).mean(0).numpy(), atol=1e-4)
    assert np.abs(found.logits - each[0].numpy()).max() > 1e-3
    before = small_run.predictions.copy()
    other = infer_test(small_run, table, flips=True)
    known = other.part("test").set_index("image_id").loc[table["image_id"][table["role"] == "test"][:3]]
    np.testing.assert_allclose(other.logits(known), found.logits, atol=1e-4)
    pd.testing.assert_frame_equal(small_run.predictions, before)
    with pytest.raises(RunError, match="No test image of small is there"):
        infer_test(small_run, table[table["role"] != "test"])


def test_no_picture_is_no_problem(small_run: Run) -> None:
    found = infer(build(small_run.config.settings.model), small_run.config.settings.preprocessing, [])
    assert found.logits.shape == (0, 8) and found.penultimate.shape == (0, 512) and found.layer3.shape == (0, 256)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_picture_is_named_in_one_sentence(small_run: Run, tmp_path: Path, workers: int) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"bad\.jpg cannot be scored: ") as caught:
        infer(
            build(small_run.config.settings.model), small_run.config.settings.preprocessing, [str(bad)], workers=workers
        )
    assert "Traceback" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_diverged_model_is_told(small_run: Run, trained: Any) -> None:
    model = build(small_run.config.settings.model)
    with torch.no_grad():
        model.fc.bias.fill_(float("nan"))
    with pytest.raises(RunError, match="NaN or infinite"):
        infer(model, small_run.config.settings.preprocessing, list(trained.collection.table["path"][:1]), workers=0)


def test_what_eight_bits_cost(small_run: Run, trained: Any) -> None:
    told = small_run.config.quantization
    test = trained.collection.table[trained.collection.table["role"] == "test"]
    exact = infer(trained.fitted.model, small_run.config.settings.preprocessing, list(test["path"]), workers=0).logits
    stored = small_run.logits(small_run.part("test"))
    assert told["test_images"] == len(test)
    assert told["largest_logit_difference"] == pytest.approx(np.abs(exact - stored).max(), abs=1e-4)
    assert 0 < told["largest_logit_difference"] < 0.5
    assert told["same_decision"] == pytest.approx((exact.argmax(1) == stored.argmax(1)).mean())


def test_scoring_again_changes_nothing(small_run: Run, trained: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_run.folder, tmp_path / "again"))
    (folder / "predictions.parquet").write_bytes(b"damaged")
    earlier = open_run(folder, needed=("model.safetensors", "history.csv"))
    again = write_run(
        folder,
        earlier.config.settings,
        None,
        trained.collection.table,
        trained.collection.ood,
        split_fingerprint=earlier.config.split_fingerprint,
        history=earlier.history,
        initial_weights=earlier.config.initial_weights,
        earlier=earlier,
    )
    assert again.config.quantization == small_run.config.quantization
    assert again.config.files["model.safetensors"] == small_run.config.files["model.safetensors"]
    pd.testing.assert_frame_equal(again.predictions, small_run.predictions, rtol=1e-5)
    pd.testing.assert_frame_equal(again.history, small_run.history)
    assert again.calibration.temperature == pytest.approx(small_run.calibration.temperature, rel=1e-4)


@pytest.mark.slow
def test_a_bad_picture_leaves_the_run_that_was_there(small_run: Run, trained: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_run.folder, tmp_path / "kept"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    ood = trained.collection.ood.assign(path=str(tmp_path / "bad.jpg"))
    model = build(small_run.config.settings.model)
    with pytest.raises(RunError, match=r"bad\.jpg cannot be scored"):
        write_run(
            folder,
            small_run.config.settings,
            model,
            trained.collection.table,
            ood,
            split_fingerprint="x",
            history=small_run.history,
            initial_weights="None.",
        )
    assert before == {name: (folder / name).read_bytes() for name in before}
    Engine(open_run(folder))


def test_full_precision_loses_nothing(small_run: Run, trained: Any, tmp_path: Path) -> None:
    table = trained.collection.table
    few = pd.concat([part.head(8) for _, part in table.groupby("role")], ignore_index=True)
    run = write_run(
        tmp_path / "exact",
        small_run.config.settings,
        trained.fitted.model,
        few,
        trained.collection.ood.head(0),
        split_fingerprint="x",
        history=trained.fitted.history,
        initial_weights="None.",
        bits=32,
    )
    assert run.config.quantization == {} and len(run.ood) == 0 and run.features["ood_reduced"].shape[0] == 0
    exact = infer(trained.fitted.model, small_run.config.settings.preprocessing, list(few["path"]), workers=0).logits
    np.testing.assert_allclose(run.logits(run.predictions), exact, atol=1e-5)
    assert "Eight bits per weight" not in card(run)


def test_the_card_says_what_was_measured(small_run: Run) -> None:
    text = card(small_run)
    config = small_run.config
    for figure in (
        str(config.counts["train"]),
        config.split_fingerprint,
        f"{small_run.calibration.temperature:.3f}",
        config.initial_weights,
        f"{config.quantization['largest_logit_difference']:.3f}",
        "seed 0",
    ):
        assert figure in text
    assert text.count("###") >= 3 and "nan to nan" not in text.split("### Recall")[0].split("balanced")[0]
