"""What counts as an image: one folder with everything that lies beside images, read through every way in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesion_core.data.catalog import discover, read
from lesion_core.data.collection import _ood_images
from lesion_core.data.pictures import is_picture, ood_pictures, picture_files
from lesion_core.data.samples import folder_ood_samples
from lesion_core.errors import ConfigError
from lesion_core.imaging.decode import decode
from lesion_core.imaging.formats import ENDINGS, IMAGE_ENDINGS, SIGNATURES, UPLOAD_TYPES
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun

ROOT = Path(__file__).parents[2]
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
WRITTEN_AS = {ending: name for name, endings in ENDINGS.items() for ending in endings}
PICTURES = {f"ISIC_{i}{ending.upper() if i % 2 else ending}": ending for i, ending in enumerate(sorted(IMAGE_ENDINGS))}
"""One image of every ending, every second one in capitals."""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A diagnosis's folder with every kind of image, among what archives, systems and data sets put beside them."""
    folder = tmp_path / "all" / "nevus"
    for name, ending in PICTURES.items():
        write(folder / name, WRITTEN_AS[ending])
        (folder / f"._{name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(200))
    for name in (
        "ISIC_0_segmentation.png",
        "ISIC_0_Segmentation.PNG",
        "ISIC_0_superpixels.png",
        "ISIC_0_SUPERPIXELS.png",
        ".hidden.png",
        "__MACOSX/ISIC_90.jpg",
        ".thumbnails/ISIC_91.jpg",
    ):
        write(folder / name, WRITTEN_AS[Path(name).suffix.lower()])
    (folder / "scan.png").mkdir()
    (folder / "notes.txt").write_text("a text")
    (folder / "up").symlink_to(folder)  # a link that leads back
    return tmp_path / "all"


def write(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).save(path, name)


def test_formats_endings_and_the_upload_box_are_one_list() -> None:
    assert set(ENDINGS) == set(SIGNATURES)
    assert {f".{kind}" for kind in UPLOAD_TYPES} == IMAGE_ENDINGS == set(WRITTEN_AS)
    used = "type=UPLOAD_TYPES"
    for path in (*(ROOT / "app").rglob("*.py"), *(ROOT / "pages").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        assert source.count("file_uploader(") == source.count(used), path


def test_every_picture_of_a_folder_is_read(mixed: Path) -> None:
    found = picture_files([mixed])
    assert {path.name for path in found} == set(PICTURES) and len(found) == len(PICTURES)
    for path in found:
        assert decode(path).shape == PIXELS.shape


def test_what_is_named_is_taken_whatever_it_is(mixed: Path) -> None:
    mask = mixed / "nevus" / "ISIC_0_segmentation.png"
    assert picture_files([mask]) == [mask] and not is_picture(mask)
    with pytest.raises(ConfigError, match="no image"):
        picture_files([mixed / "nevus" / "scan.png"])


def test_data_readers(mixed: Path) -> None:
    write(mixed / "melanoma" / "other.gif", "GIF")
    names = {Path(path).name for path in read("image_folder", mixed).table["path"]}
    assert names == {*PICTURES, "other.gif"}


def test_the_archive_folder_of_macos_is_not_a_data_set(tmp_path: Path) -> None:
    for folder in ("__MACOSX", "photos"):
        for diagnosis in ("nevus", "melanoma"):
            write(tmp_path / folder / diagnosis / f"{diagnosis}.png", "PNG")
    assert discover(tmp_path)["image_folder"] == tmp_path / "photos"


def test_images_that_show_no_lesion(mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "ood").mkdir()
    (mixed / "nevus").rename(tmp_path / "ood" / "cats")
    write(tmp_path / "ood" / "__MACOSX" / "cat.png", "PNG")
    write(tmp_path / "ood" / "directly.png", "PNG")
    for names in (
        [path.name for path in ood_pictures(tmp_path)],
        [sample.path.name for sample in folder_ood_samples(tmp_path) if sample.path],
        [Path(path).name for path in _ood_images(tmp_path, None)["path"]],
    ):
        assert sorted(names) == sorted(PICTURES)
    assert ood_pictures(mixed) == []


def test_commands(mixed: Path, small_run: Run, small_segmenter: SegmenterRun, tmp_path: Path, call: Any) -> None:
    for command in (
        ["predict", mixed, "--run", small_run.folder, "--json"],
        ["ood", "score", mixed, "--run", small_run.folder, "--json"],
        ["segment", "predict", mixed, "--run", small_segmenter.folder, "--out", tmp_path / "masks", "--json"],
    ):
        code, out, err = call(*command)
        rows = json.loads(out)
        assert code == 0, (rows, err)
        assert sorted(Path(row["picture"]).name for row in rows) == sorted(PICTURES), command[0]
