"""The shortcut experiment: what differs is the ruler, and the figures are those of the images with it and without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from lesion_core.config import SplitSettings
from lesion_core.data.collection import collect
from lesion_core.data.synthetic.lesions import make_dataset, make_lesion
from lesion_core.errors import RunError
from lesion_core.experiments import shortcut
from lesion_core.experiments.registry import EXPERIMENTS, MAPS, NOTICED, RULER_COLUMNS, RULER_ON
from lesion_core.experiments.trainings import run_experiment
from lesion_core.findings import Finding, keep_run, read_experiment, write_experiment
from lesion_core.imaging.decode import decode
from lesion_core.imaging.planted import centre_square, ruler_band, with_ruler
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.models.classifiers import trained
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.scores import Scorer, offered
from lesion_core.runs.classifier import Run, open_run

SETTINGS = EXPERIMENTS["shortcut"].settings
assert SETTINGS
QUICK = SETTINGS.model_copy(
    update={
        "preprocessing": SETTINGS.preprocessing.model_copy(
            update={"resize": SETTINGS.preprocessing.resize.model_copy(update={"size": 64})}
        ),
        "split": SplitSettings(select=0.2, calibrate=0.2, test=0.25),
        "training": SETTINGS.training.model_copy(update={"epochs": 1, "batch_size": 4}),
    }
)


# The ruler -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 147, 300])
def test_a_ruler_changes_its_band_alone_and_lies_at_one_side(size: int) -> None:
    square = centre_square(make_lesion("NV", seed=3, size=200).image, size)
    side = len(square)
    for image_id in ("ISIC_0024307", "ISIC_0024308", "upload-é"):
        ruled, band = with_ruler(square, image_id), ruler_band(image_id, side)
        differs = (ruled != square).any(axis=2)
        assert differs.any() and not (differs & ~band).any()
        assert (with_ruler(square, image_id) == ruled).all()
        # A rectangle as long as the side, that begins at one side and ends before the middle.
        rows, columns = np.flatnonzero(band.any(axis=1)), np.flatnonzero(band.any(axis=0))
        assert band[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert max(len(rows), len(columns)) > 0.9 * side and 0.08 < band.mean() < 0.35
    places = {tuple(np.argwhere(ruler_band(f"{i}", 60)).mean(axis=0).round(-1)) for i in range(40)}
    assert len(places) >= 4, "all rulers lie at one side"


def test_a_band_is_at_the_same_place_at_any_size() -> None:
    for image_id in ("a", "b", "c"):
        small, large = ruler_band(image_id, 128), ruler_band(image_id, 147)
        for axis in (0, 1):
            ends = [np.flatnonzero(band.any(axis=axis))[[0, -1]] / len(band) for band in (small, large)]
            assert np.abs(ends[0] - ends[1]).max() < 0.03


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with some melanomas and nevi in each role."""
    root = tmp_path_factory.mktemp("data")
    make_dataset(root / "synthetic", per_class=12, seed=0, size=64)
    return root


# Who has one -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    table = collect(data, QUICK.split).table
    squares = tmp_path_factory.mktemp("squares")
    return {
        key: shortcut.prepare(key, variant.ruler, QUICK, table, squares)
        for key, variant in EXPERIMENTS["shortcut"].variants.items()
        if variant.ruler is not None
    }


def test_variants_differ_in_the_rulers_alone(prepared: dict[str, Any]) -> None:
    first = prepared["none"]
    assert len({ready.settings.fingerprint() for ready in prepared.values()}) == len(prepared)
    smaller: set[str] = set()
    for key, ready in prepared.items():
        assert ready.settings.model_copy(update={"name": first.settings.name}) == first.settings
        pd.testing.assert_frame_equal(ready.table.drop(columns="path"), first.table.drop(columns="path"))
        pd.testing.assert_frame_equal(ready.ood, first.ood)
        ruled = ready.table[ready.table["path"].str.endswith("-ruler.png")]
        assert set(ruled["diagnosis"]) <= {"MEL"} and "test" not in set(ruled["role"])
        for role in ("train", "select", "calibrate"):
            melanomas = ((ready.table["role"] == role) & (ready.table["diagnosis"] == "MEL")).sum()
            share = EXPERIMENTS["shortcut"].variants[key].ruler
            assert (ruled["role"] == role).sum() == round(share * melanomas)
        assert smaller <= set(ruled["image_id"])
        smaller = set(ruled["image_id"])
    assert smaller


def test_the_training_set_is_balanced_and_roles_stay(prepared: dict[str, Any], data: Path) -> None:
    whole = collect(data, QUICK.split).table.set_index("image_id")
    table = prepared["all"].table.set_index("image_id")
    assert (table["role"] == whole.loc[table.index, "role"]).all()
    counts = table[table["role"] == "train"]["diagnosis"].value_counts()
    assert counts["MEL"] >= counts["NV"] > 0
    test = whole[(whole["role"] == "test") & whole["diagnosis"].isin(["MEL", "NV"])]
    assert set(table.index[table["role"] == "test"]) == set(test.index)


def test_files_with_and_without_differ_in_the_ruler(prepared: dict[str, Any], data: Path) -> None:
    table, ood = prepared["none"].table, prepared["none"].ood
    source = collect(data, QUICK.split).table.set_index("image_id")["path"]
    plain = table[table["role"] == "test"].set_index("image_id")["path"]
    assert list(ood["image_id"]) == list(plain.index) and len(ood)
    for image_id, path in zip(ood["image_id"], ood["path"], strict=True):
        square = centre_square(decode(Path(source[image_id])), 64)
        assert (decode(Path(plain[image_id])) == square).all()
        assert (decode(Path(path)) == with_ruler(square, image_id)).all()


# What is measured ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pd.DataFrame, Path, Path]]:
    """The table, the folder of it, and that of the work: of the two variants that are kept, which takes half the time
    of all four."""
    entry = EXPERIMENTS["shortcut"]
    with pytest.MonkeyPatch.context() as patch:
        kept = {key: entry.variants[key] for key in entry.kept}
        patch.setitem(EXPERIMENTS, "shortcut", replace(entry, variants=kept))
        yield _made(data, tmp_path_factory)


def _made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path, Path]:
    folder = tmp_path_factory.mktemp("shortcut")
    runs: dict[str, Run] = {}
    table = run_experiment("shortcut", QUICK, data, folder / "work", on_run=runs.__setitem__, accelerator="cpu")
    assert list(runs) == list(EXPERIMENTS["shortcut"].variants)
    for key in EXPERIMENTS["shortcut"].kept:
        keep_run("shortcut", key, runs[key], folder / "out")
    write_experiment("shortcut", Finding(table, QUICK), folder / "out")
    return table, folder / "out", folder / "work"


def test_figures_are_those_of_the_kept_networks(found: tuple[pd.DataFrame, Path, Path]) -> None:
    table, folder, _ = found
    assert list(table.columns) == list(RULER_COLUMNS)
    assert set(table["variant"]) == set(EXPERIMENTS["shortcut"].variants)
    for key in EXPERIMENTS["shortcut"].kept:
        run = open_run(folder / "shortcut" / key)
        assert run.name == f"shortcut-{key}" and "Not a model for diagnosis" in run.card
        own = table[table["variant"] == key].set_index(["view", "of", "metric"])
        test = run.part("test")
        melanoma = (test["label"] == "MEL").to_numpy()
        p: dict[bool, NDArray[np.float64]] = {
            ruler: torch.softmax(torch.tensor(o.logits), 1)[:, 0].numpy()
            for ruler, o in ((False, outputs_of(run, test)), (True, ood_outputs(run)))
        }
        for view, having in (("nobody", melanoma & False), ("melanomas", melanoma), ("others", ~melanoma)):
            shown = np.where(having, p[True], p[False])
            assert own.loc[(view, "", "auroc"), "value"] == pytest.approx(roc_auc_score(melanoma, shown), abs=1e-5)
            for code, part in (("MEL", melanoma), ("NV", ~melanoma)):
                row = own.loc[(view, code, "called_melanoma")]
                assert row["value"] == pytest.approx((shown[part] > 0.5).mean(), abs=1e-5)
                assert row["n_images"] == part.sum()
                assert row["n_groups"] == test["lesion_id"][part].nunique()
        assert set(own.loc[NOTICED].index.get_level_values(0)) == set(offered(run))
        scores = [Scorer.of(run)("energy", o) for o in (outputs_of(run, test), ood_outputs(run))]
        truth = np.repeat([0, 1], len(test))
        auroc = own.loc[(NOTICED, "energy", "auroc")]
        assert auroc["value"] == pytest.approx(roc_auc_score(truth, np.concatenate(scores)), abs=1e-5)
        assert auroc["n_groups"] == test["lesion_id"].nunique()


def test_evidence_is_counted_in_the_band_as_by_hand(found: tuple[pd.DataFrame, Path, Path]) -> None:
    """Against gradients taken here, of the difference of the two logits."""
    table, folder, work = found
    run = open_run(folder / "shortcut" / "all")
    own = table[(table["variant"] == "all") & (table["view"] == MAPS)].set_index(["of", "metric"])["value"]
    model, pipeline = trained(run.config.settings.model, run.weights), Pipeline(run.config.settings.preprocessing)
    shares: dict[str, list[float]] = {"layer2": [], "layer4": []}
    areas = []
    for image_id in run.part("test").query("label == 'MEL'")["image_id"]:
        square = pipeline.apply(decode(work / "squares" / "64" / f"{image_id}-ruler.png"))
        band = ruler_band(image_id, 64)
        areas.append(band.mean())
        for layer, kept in shares.items():
            stored: list[torch.Tensor] = []
            handle = getattr(model, layer).register_forward_hook(lambda _m, _i, out, s=stored: s.append(out))
            logits = model(torch.from_numpy(normalize(square[None], pipeline.settings)))[0]
            handle.remove()
            gradient = torch.autograd.grad(logits[0] - logits[1], stored[0])[0]
            heat = (gradient.mean(dim=(2, 3), keepdim=True) * stored[0]).sum(dim=1, keepdim=True).clamp(min=0)
            if heat.max() > 0:
                large = torch.nn.functional.interpolate(heat, (64, 64), mode="bilinear")[0, 0].detach().numpy()
                kept.append(float(large[band].sum() / large.sum()))
    assert areas and own[("", "band_area")] == pytest.approx(np.mean(areas), abs=1e-4)
    for layer, kept in shares.items():
        assert own[(layer, "empty")] == pytest.approx(1 - len(kept) / len(areas), abs=1e-4)
        if kept:
            assert own[(layer, "in_band")] == pytest.approx(np.mean(kept), abs=0.01)


def test_the_command_makes_the_same_and_trains_nothing_twice(
    call: Any,
    found: tuple[pd.DataFrame, Path, Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, folder, work = found

    def trains(*_: object, **__: object) -> None:
        raise AssertionError("it trained again")

    monkeypatch.setattr("lesion_core.training.classifier.fit", trains)
    (tmp_path / "quick.json").write_text(QUICK.to_json())
    options = ("--settings", tmp_path / "quick.json", "--work", work, "--out", tmp_path / "out")
    code, out, err = call("experiment", "shortcut", "--data", data, *options)
    assert code == 0 and "shortcut.csv" in out and "Variant: all melanomas." in err, err
    again = read_experiment("shortcut", tmp_path / "out")
    assert again and again.settings == QUICK
    pd.testing.assert_frame_equal(again.table, table, rtol=1e-5, check_dtype=False)
    for key in EXPERIMENTS["shortcut"].kept:
        assert (
            open_run(tmp_path / "out" / "shortcut" / key).fingerprint == open_run(folder / "shortcut" / key).fingerprint
        )


def test_a_run_without_rulers_is_refused(small_run: Run) -> None:
    with pytest.raises(RunError, match=r"with a ruler and without.*experiment shortcut"):
        shortcut.figures(small_run, {})


def test_an_experiment_without_settings_of_its_own_asks_for_them(call: Any, data: Path) -> None:
    code, _, err = call("experiment", "leakage", "--data", data)
    assert code == 1 and "--settings experiments/leakage.json" in err


def test_views_are_all_there(found: tuple[pd.DataFrame, Path, Path]) -> None:
    assert set(found[0]["view"]) == {*RULER_ON, MAPS, NOTICED}
