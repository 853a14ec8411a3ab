"""What lies in the folders of a data set: names in any case, ids found twice, masks that are called images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesion_core.data.catalog import discover, left_out, read
from lesion_core.data.data_files import isic_id
from lesion_core.data.masks import looks_like_mask
from lesion_core.data.training_table import training_table
from lesion_core.errors import DataError
from lesion_core.labels import ISIC2019

IDS = [f"ISIC_{i:07d}" for i in range(6)]
HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"
METADATA = "image,age_approx,anatom_site_general,lesion_id,sex"


def photograph(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(60, 200, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def disc(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (255 * ((y - height / 2) ** 2 + (x - width / 2) ** 2 < (height / 3) ** 2)).astype(np.uint8)


def mask(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(disc()).save(path)


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def ham(root: Path, lesions: list[str] | None = None, images: str = "HAM10000_images", **facts: str) -> Path:
    """HAM10000 of six images of three lesions."""
    facts = {"age": "45", "sex": "male", "site": "back", **facts}
    own = lesions or [f"HAM_{i // 2}" for i in range(len(IDS))]
    text(
        root / "HAM10000_metadata.csv",
        HEADER,
        *(f"{own[i]},{name},nv,histo,{facts['age']},{facts['sex']},{facts['site']}" for i, name in enumerate(IDS)),
    )
    for i, name in enumerate(IDS):
        photograph(root / images / f"{name}.jpg", i)
    return root


def isic2019(root: Path, *metadata: str) -> Path:
    rows = (f"{name}," + ",".join("1" if k == i else "0" for k in range(8)) for i, name in enumerate(IDS))
    text(root / "ISIC_2019_Training_GroundTruth.csv", ",".join(["image", *ISIC2019]), *rows)
    if metadata:
        text(root / "ISIC_2019_Training_Metadata.csv", *metadata)
    for i, name in enumerate(IDS):
        photograph(root / "ISIC_2019_Training_Input" / f"{name}.jpg", i)
    return root


def rows_2019(*columns: int) -> list[str]:
    whole = [METADATA, *(f"{name},45,anterior torso,HAM_{i // 2},male" for i, name in enumerate(IDS))]
    kept = columns or range(5)
    return [",".join(line.split(",")[i] for i in kept) for line in whole]


def said(notes: tuple[str, ...], *words: str) -> bool:
    """Whether one of the sentences has all the words."""
    return any(all(word in note for word in words) for note in notes)


# Masks ---------------------------------------------------------------------------------------------------------------

WAYS: dict[str, Callable[[Path], None]] = {
    "grey.png": lambda path: Image.fromarray(disc()).save(path),
    "one_bit.png": lambda path: Image.fromarray(disc()).convert("1").save(path),
    "palette.png": lambda path: Image.fromarray(disc()).convert("P").save(path),
    "colours.png": lambda path: Image.fromarray(np.stack([disc()] * 3, axis=2)).save(path),
    "zero_and_one.png": lambda path: Image.fromarray(disc() // 255).save(path),
    "empty.png": lambda path: Image.fromarray(disc() * 0).save(path),
    "large.png": lambda path: Image.fromarray(disc(1200, 1600)).save(path),
    "plain.bmp": lambda path: Image.fromarray(disc()).save(path),
    "plain.tif": lambda path: Image.fromarray(disc()).save(path),
    "lossless.webp": lambda path: Image.fromarray(disc()).convert("RGB").save(path, lossless=True),
    "smeared.jpg": lambda path: Image.fromarray(disc(450, 600)).save(path, quality=90),
    "smeared_colours.jpg": lambda path: Image.fromarray(disc(450, 600)).convert("RGB").save(path, quality=75),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_mask_is_known_by_its_pixels_in_every_way_to_hold_it(tmp_path: Path, name: str) -> None:
    WAYS[name](tmp_path / name)
    assert looks_like_mask(tmp_path / name)


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "tif", "webp"])
def test_a_photograph_is_not_a_mask(tmp_path: Path, ending: str) -> None:
    rng = np.random.default_rng(0)
    skin = np.clip(np.array([200, 150, 130]) - 90 * (disc() > 0)[..., None] + rng.normal(0, 3, (48, 64, 3)), 0, 255)
    two_colours = np.where((disc() > 0)[..., None], [120, 70, 50], [210, 170, 150]).astype(np.uint8)
    grey = np.stack([skin.astype(np.uint8)[:, :, 0]] * 3, axis=2)
    for i, pixels in enumerate((skin.astype(np.uint8), two_colours, grey)):
        Image.fromarray(pixels).save(path := tmp_path / f"{i}.{ending}")
        assert not looks_like_mask(path)
    (tmp_path / f"broken.{ending}").write_bytes(b"not a picture")
    assert not looks_like_mask(tmp_path / f"broken.{ending}")


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("folder", ["Annotations", "ZZZ"])
def test_masks_under_the_names_of_pictures_are_used_as_masks(tmp_path: Path, folder: str, ending: str) -> None:
    ham(tmp_path)
    for name in IDS:
        mask(tmp_path / folder / f"{name}.{ending}")
    catalog = read("ham10000", tmp_path)
    assert {Path(path).parent.name for path in catalog.table["path"]} == {"HAM10000_images"}
    assert {Path(path).parent.name for path in catalog.table["mask_path"]} == {folder}
    assert said(catalog.notes, "so they count as masks: 6", f"{folder} (6)", "masks of images: 6")


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_folder_of_masks_alone_holds_no_picture(tmp_path: Path, ending: str) -> None:
    ham(tmp_path)
    for name in IDS:
        (tmp_path / "HAM10000_images" / f"{name}.jpg").unlink()
        mask(tmp_path / "HAM10000_images" / f"{name}.{ending}")
    with pytest.raises(DataError, match="none of the 6 images"):
        read("ham10000", tmp_path)


# Ids -----------------------------------------------------------------------------------------------------------------


def test_ids_found_twice_are_told_with_the_folders_and_the_numbers(tmp_path: Path) -> None:
    ham(tmp_path, images="first")
    for name in IDS[:4]:
        photograph(tmp_path / "second" / f"{name}.png")
    catalog = read("ham10000", tmp_path)
    assert {Path(path).parent.name for path in catalog.table["path"]} == {"first"}
    assert said(catalog.notes, "images that were found more than once: 4", "first (4)", "second (4)")
    for name in IDS[:4]:
        (tmp_path / "second" / f"{name}.png").unlink()
        (tmp_path / "second" / f"{name}.png").symlink_to(tmp_path / "first" / f"{name}.jpg")
    assert read("ham10000", tmp_path).notes == ()  # the same file is not another


def test_masks_found_twice_and_pictures_that_no_table_lists_are_told(tmp_path: Path) -> None:
    ham(tmp_path)
    mask(tmp_path / "a" / f"{IDS[0]}_segmentation.png")
    mask(tmp_path / "b" / f"{IDS[0]}_segmentation.png")
    photograph(tmp_path / "further" / "ISIC_9.jpg")
    notes = read("ham10000", tmp_path).notes
    assert said(notes, "masks that were found more than once: 1", "a (1)", "b (1)")
    assert said(notes, "no table lists", "not used: 1")


def changed(name: str) -> list[str]:
    return [name, name.upper(), name.lower(), name.title()]


@pytest.mark.parametrize("way", range(4))
def test_names_are_compared_without_regard_to_case(tmp_path: Path, way: int) -> None:
    rows = rows_2019()
    isic2019(tmp_path / "set", changed(rows[0])[way], *rows[1:])
    for path in [*(tmp_path / "set").glob("*.csv")]:
        path.rename(path.with_name(changed(path.stem)[way] + changed(".csv")[way]))
    for i, path in enumerate([*(tmp_path / "set" / "ISIC_2019_Training_Input").iterdir()]):
        path.rename(path.with_name(changed(path.stem)[way] + (changed("_downsampled")[way] if i % 2 else "") + ".jpg"))
        mask(tmp_path / "set" / "masks" / f"{path.stem}{changed('_segmentation')[way]}.png")
        mask(path.with_name(f"{path.stem}{changed('_superpixels')[way]}.png"))
    assert discover(tmp_path) == {"isic2019": tmp_path / "set"}
    catalog = training_table(tmp_path)
    assert catalog.table["image_id"].tolist() == IDS and catalog.notes == ()
    assert catalog.table["mask_path"].notna().all()
    assert catalog.table["lesion_id"].tolist() == [f"HAM_{i // 2}" for i in range(6)]
    assert catalog.table["dataset"].tolist() == ["ham10000"] * 6


def test_isic_ids_lose_their_ending_in_any_case() -> None:
    assert {isic_id(f"ISIC_1{ending}") for ending in ("", "_downsampled", "_Downsampled", "_DOWNSAMPLED")} == {"ISIC_1"}


# Placeholders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["#N/A", "-", "unknown", "None", "", "n.a.", "<NA>", "?", "#NV"])
def test_a_placeholder_is_missing_in_every_column(tmp_path: Path, word: str) -> None:
    ham(tmp_path, ["HAM_0", "HAM_0", word, word, word, "HAM_1"], age=word, sex=word, site=word)
    table = read("ham10000", tmp_path).table
    assert table["lesion_id"].fillna("none").tolist() == ["HAM_0", "HAM_0", "none", "none", "none", "HAM_1"]
    assert table[["age", "sex", "site"]].isna().all(axis=None)


@pytest.mark.parametrize("column", [4, 5, 6])
def test_a_lesion_whose_pictures_disagree_is_named(tmp_path: Path, column: int) -> None:
    ham(tmp_path, ["HAM_0", "HAM_0", *["no idea"] * 4])
    path = tmp_path / "HAM10000_metadata.csv"
    assert not said(read("ham10000", tmp_path).notes, "disagree")
    lines = [line.split(",") for line in path.read_text().splitlines()]
    lines[5][column] = {4: "80", 5: "female", 6: "face"}[column]
    text(path, *(",".join(line) for line in lines))
    fact = {4: "age in 1", 5: "sex in 1", 6: "site in 1"}[column]
    assert said(read("ham10000", tmp_path).notes, "of 2 lesions", "1 have", fact, "no idea (4 images)")


# Folders -------------------------------------------------------------------------------------------------------------


def diagnoses(folder: Path, n: int, prefix: str = "") -> None:
    for name in ("nevus", "Melanoma"):
        for i in range(n):
            photograph(folder / name / f"{prefix}{i}_{name}.jpg", i)


@pytest.mark.parametrize("wrapper", [".", "kaggle"])
@pytest.mark.parametrize("names", [("Train", "Test"), ("train", "valid", "test"), ("a", "b")])
def test_all_folders_of_diagnoses_are_used_and_kept_apart(tmp_path: Path, names: tuple[str, ...], wrapper: str) -> None:
    for n, name in enumerate(names, 1):
        diagnoses(tmp_path / wrapper / name, n, name)
    found = discover(tmp_path)["image_folder"]
    assert found == tmp_path / wrapper
    catalog = read("image_folder", found)
    assert catalog.table["dataset"].value_counts().to_dict() == {name: 2 * n for n, name in enumerate(names, 1)}
    assert said(catalog.notes, *(f"'{name}' ({2 * n})" for n, name in enumerate(names, 1))) and not left_out(tmp_path)


def test_pictures_deeper_in_a_folder_of_a_diagnosis_have_it_and_others_are_counted(tmp_path: Path) -> None:
    diagnoses(tmp_path, 1)
    photograph(tmp_path / "nevus" / "patient_7" / "deep.jpg")
    photograph(tmp_path / "other set" / "holiday" / "x.jpg")
    catalog = read("image_folder", tmp_path)
    assert catalog.table.set_index("image_id")["diagnosis"].to_dict() == {
        "0_Melanoma": "MEL",
        "0_nevus": "NV",
        "deep": "NV",
    }
    assert said(catalog.notes, "in no folder of a diagnosis", "not used: 1", "other set/holiday' (1)")


def test_a_second_table_is_named_with_its_rows(tmp_path: Path) -> None:
    ham(tmp_path)
    text(tmp_path / "old" / "HAM10000_metadata.csv", HEADER, *["HAM_9,ISIC_9,nv,histo,4,male,back"] * 3)
    text(tmp_path / "HAM10000_metadata.tab", "not a table")
    notes = read("ham10000", tmp_path).notes
    assert said(notes, "old/HAM10000_metadata.csv (3 rows)", "HAM10000_metadata.tab (not readable)")


def test_folders_that_are_not_used_are_named_with_their_pictures(tmp_path: Path) -> None:
    ham(tmp_path / "first")
    assert left_out(tmp_path) == ()
    ham(tmp_path / "second")
    isic2019(tmp_path / "archive" / "deep", *rows_2019())
    photograph(tmp_path / "loose" / "a.jpg")
    photograph(tmp_path / "ood" / "cats" / "a.jpg")
    text(tmp_path / "weights" / "readme.txt", "nothing to see")
    photograph(tmp_path / "ISIC_2019_Training_Input" / "ISIC_1.jpg")
    notes = left_out(tmp_path)
    assert len(notes) == 3
    assert said(notes, "second (6 images)", "ham10000 too", "first, is")
    assert said(notes, "archive/deep (6 images)", "isic2019", "too deep")
    assert said(notes, "loose (1 image)", "none of the known")
    photograph(tmp_path / "ood" / "b.jpg")
    photograph(tmp_path / "ood" / "cats" / "tabby" / "c.jpg")
    assert said(left_out(tmp_path), "in the folder ood", "directly: 2")


def test_what_lies_below_a_data_set_that_is_used_is_not_left_out(tmp_path: Path) -> None:
    ham(tmp_path)
    ham(tmp_path / "copy")
    assert left_out(tmp_path) == ()
    assert said(read("ham10000", tmp_path).notes, "copy/HAM10000_metadata.csv (6 rows)")
