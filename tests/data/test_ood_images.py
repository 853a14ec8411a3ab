import csv
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.data.synthetic.ood_images import OOD_KINDS, make_ood_image, write_ood_samples
from lesion_core.errors import ConfigError, DataError
from lesion_core.labels import ISIC2019


@pytest.mark.parametrize("kind", OOD_KINDS)
@pytest.mark.parametrize("size", [256, 64, (90, 140), (140, 90)])
def test_pictures_are_deterministic_and_of_the_size_asked_for(kind, size):
    shape = (size, size) if isinstance(size, int) else size
    image = make_ood_image(kind, 4, size)
    assert image.shape == (*shape, 3) and image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]
    assert np.array_equal(image, make_ood_image(kind, 4, size))
    assert not np.array_equal(image, make_ood_image(kind, 5, size))


def test_kinds_differ_from_each_other():
    assert len({make_ood_image(kind, 0, 64).tobytes() for kind in OOD_KINDS}) == len(OOD_KINDS) >= 9


def test_kinds_are_what_they_say():
    for seed in range(4):
        assert np.ptp(make_ood_image("flat", seed).reshape(-1, 3), axis=0).max() == 0
        assert len(np.unique(make_ood_image("checkerboard", seed).reshape(-1, 3), axis=0)) == 2
        page = cv2.cvtColor(make_ood_image("text", seed), cv2.COLOR_RGB2GRAY)
        assert np.median(page) > 200 and 0.01 < (page < 120).mean() < 0.3
        scene = make_ood_image("scene", seed).astype(int)
        grass = scene[240:].reshape(-1, 3).mean(0)
        assert grass[1] > max(grass[0], grass[2]) + 20
        assert scene[:4, :, 2].mean() > scene[240:, :, 2].mean() + 40


@pytest.mark.slow
def test_none_of_them_has_the_colours_of_a_lesion_on_skin():
    """Except skin itself, each kind differs in colour from every dermoscopy more than those do from each other."""

    def colours(image):
        small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
        return np.histogramdd(small.reshape(-1, 3), (5, 5, 5), ((0, 256),) * 3)[0].ravel() / 1024

    known = np.array([colours(make_lesion(code, seed, 64).image) for code in ISIC2019 for seed in range(12)])

    def nearest(histogram, others):
        return np.abs(others - histogram).sum(1).min()

    usual = np.median([nearest(h, np.delete(known, i, 0)) for i, h in enumerate(known)])
    for kind in set(OOD_KINDS) - {"skin"}:
        assert np.median([nearest(colours(make_ood_image(kind, s, 64)), known) for s in range(6)]) > usual, kind


def test_samples_and_manifest(tmp_path):
    manifest = write_ood_samples(tmp_path / "ood", per_kind=2, seed=9)
    rows = list(csv.DictReader(manifest.open(newline="")))
    assert [*rows[0]] == ["path", "kind", "source", "licence", "sha256"]
    assert len(rows) == 2 * len(OOD_KINDS) and {row["kind"] for row in rows} == set(OOD_KINDS)
    for row in rows:
        data = (manifest.parent / row["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        assert row["licence"] == "CC0-1.0" and row["source"] == "made by code: lesion_core.data.synthetic.ood_images"
        assert row["path"].startswith(f"{row['kind']}/{row['kind']}_")
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        made = make_ood_image(row["kind"], 9 + int(row["path"][-5]))
        assert np.abs(read.astype(int) - made).mean() < (60 if row["kind"] == "noise" else 12)
    assert sum(p.stat().st_size for p in manifest.parent.rglob("*")) < 1_000_000


def test_bad_arguments(tmp_path):
    with pytest.raises(ConfigError, match=r"'cat' .*noise, gradient"):
        make_ood_image("cat", 0)
    with pytest.raises(ConfigError, match="seed"):
        make_ood_image("flat", -1)
    with pytest.raises(ConfigError, match="size"):
        make_ood_image("flat", 0, 3)
    with pytest.raises(ConfigError, match="at least 1"):
        write_ood_samples(tmp_path, 0)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="not a folder"):
        write_ood_samples(tmp_path / "file")


def test_what_others_added_stays_in_the_manifest(tmp_path):
    manifest = write_ood_samples(tmp_path, per_kind=1)
    with manifest.open("a", encoding="utf-8") as file:
        file.write("animal/cat.jpg,animal,somebody,CC0-1.0,00\n")
    write_ood_samples(tmp_path, per_kind=2)
    rows = list(csv.DictReader(manifest.open(newline="")))
    assert [row["path"] for row in rows if row["kind"] == "animal"] == ["animal/cat.jpg"]
    assert len(rows) == 2 * len(OOD_KINDS) + 1


def test_the_shipped_pictures_are_those_of_the_manifest_and_free():
    root = Path(__file__).parents[2] / "ood_samples"
    rows = list(csv.DictReader((root / "manifest.csv").open(newline="")))
    listed = {row["path"]: row for row in rows}
    assert len(listed) == len(rows) == len({Path(path).stem for path in listed})
    assert {str(path.relative_to(root)) for path in root.rglob("*.jpg")} == set(listed)
    for path, row in listed.items():
        assert hashlib.sha256((root / path).read_bytes()).hexdigest() == row["sha256"], path
        assert path.split("/")[0] == row["kind"] and row["source"]
        assert row["licence"] in {"CC0-1.0", "public domain"}
    assert {"animal", "person", "vehicle", "nature", "thing", "medicine"} <= {row["kind"] for row in rows}
