"""Images that can be named in a link, and the collection that a run is made from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from lesion_core.config import Preprocessing, SplitSettings
from lesion_core.data.collection import collect
from lesion_core.data.samples import Sample, load, ood_samples, real_samples, synthetic_samples
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import DataError, ImageError
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.labels import DIAGNOSES


def test_synthetic_samples_are_made_when_asked_for() -> None:
    samples = synthetic_samples(2)
    assert len({s.id for s in samples}) == 16 and {s.truth for s in samples} == set(DIAGNOSES)
    first = load(samples[0])
    assert samples[0].id == "synthetic-MEL-1" and first.truth == "MEL" and first.origin == "synthetic"
    assert first.image.dtype == np.uint8 and first.image.shape == (384, 384, 3)
    assert first.mask is not None and first.mask.shape == (384, 384) and 0 < first.mask.mean() < 1
    np.testing.assert_array_equal(load(samples[0]).image, first.image)
    assert not np.array_equal(load(samples[8]).image, first.image)


@pytest.mark.parametrize("bad", ["synthetic-MEL", "synthetic-XYZ-1", "synthetic-MEL-one", "synthetic-MEL--1", "x"])
def test_malformed_ids_are_told(bad: str) -> None:
    with pytest.raises(DataError, match="is not a synthetic lesion"):
        load(Sample(bad, bad, "synthetic"))


def test_a_large_picture_is_kept_as_every_pipeline_sees_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (30, 40, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), cv2.resize(small, (2400, 1800)))
    cv2.imwrite(
        str(tmp_path / "mask.png"),
        cv2.resize(255 * np.eye(30, 40, dtype=np.uint8), (2400, 1800), interpolation=cv2.INTER_NEAREST),
    )
    picture = load(Sample("large", "large", "real", "NV", tmp_path / "large.png", tmp_path / "mask.png"))
    assert picture.image.shape == (768, 1024, 3) and picture.mask is not None and picture.mask.shape == (768, 1024)
    pipeline = Pipeline(Preprocessing())
    np.testing.assert_array_equal(pipeline.apply(picture.image), pipeline.apply(decode(tmp_path / "large.png")))


def test_ood_samples_are_those_of_the_manifest(tmp_path: Path) -> None:
    assert ood_samples(tmp_path) == []
    (tmp_path / "noise").mkdir()
    cv2.imwrite(str(tmp_path / "noise" / "white_noise.png"), np.full((30, 40, 3), 200, np.uint8))
    (tmp_path / "manifest.csv").write_text("path,kind\nnoise/white_noise.png,noise\n")
    (found,) = ood_samples(tmp_path)
    assert (found.id, found.title) == ("stranger-white_noise", "Not a lesion: white noise")
    picture = load(found)
    assert picture.image.shape == (30, 40, 3) and picture.truth is None and picture.mask is None
    (tmp_path / "manifest.csv").write_text("file\nx.png\n")
    with pytest.raises(DataError, match=r"manifest\.csv has no column path"):
        ood_samples(tmp_path)


def test_real_samples_are_rows_with_a_picture(data_root: Path) -> None:
    table = collect(data_root, SplitSettings()).table
    gap = table.head(4).copy()
    gap.loc[gap.index[1], "path"] = pd.NA
    gap.loc[gap.index[2], ["diagnosis", "mask_path"]] = pd.NA
    first, third, _ = real_samples(gap)
    assert first.id == gap["image_id"].iloc[0] and first.truth == gap["diagnosis"].iloc[0] and first.mask_path
    assert third.truth is None and third.mask_path is None and third.title == third.id
    picture = load(first)
    assert picture.mask is not None and picture.mask.shape == picture.image.shape[:2] == (64, 64)
    with pytest.raises(ImageError):
        load(dataclasses.replace(first, path=data_root / "gone.jpg"))


def test_a_folder_becomes_a_collection(data_root: Path) -> None:
    found = collect(data_root, SplitSettings())
    table = found.table
    assert set(table["role"]) == {"train", "select", "calibrate", "test"} and table["image_id"].is_unique
    assert len(table[["group", "role"]].drop_duplicates()) == 64 and table["group"].nunique() == 64 < len(table)
    assert set(table["diagnosis"]) == set(DIAGNOSES) and OFFICIAL_TEST not in set(table["dataset"])
    assert table["mask_path"].notna().all() and set(table["dx_type"]) == {"synthetic"}
    assert found.ood[["image_id", "kind", "source"]].to_numpy().tolist() == [
        ["noise/noise_1", "noise", "data folder"],
        ["stripes/stripes_1", "stripes", "data folder"],
    ]
    again = collect(data_root, SplitSettings())
    assert again.manifest.fingerprint == found.manifest.fingerprint
    assert collect(data_root, SplitSettings(seed=1)).manifest.fingerprint != found.manifest.fingerprint


def test_shipped_ood_images_are_added(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,kind\ntext/a.jpg,text\n")
    with pytest.raises(DataError, match=r"lists images that are not there: 1, such as text/a\.jpg"):
        collect(data_root, SplitSettings(), ood_images=tmp_path)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.jpg").touch()
    ood = collect(data_root, SplitSettings(), ood_images=tmp_path).ood
    assert ood.iloc[-1].tolist() == ["text/a", "text", "ood_samples", str(tmp_path / "text" / "a.jpg"), None]
    assert len(ood) == 3


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ISIC 2019"):
        collect(tmp_path, SplitSettings())
