"""Data that nobody here knows: any table of images and diagnoses, folders with words of their own, PH2's masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesion_core.data.catalog import discover, read
from lesion_core.data.readers.image_table import COLUMNS
from lesion_core.data.samples import evenly, real_samples
from lesion_core.data.unseen import FITTED, labelled_images, unseen
from lesion_core.errors import DataError


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        seed = sum(map(ord, str(folder) + name))
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((32, 24)).save(folder / name)


def mask(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((24, 32), np.uint8)
    pixels[6:18, 8:20] = 255
    Image.fromarray(pixels).save(path)


def table(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("cell", ["a", "a.png", "images/a.jpg", "C:\\mine\\a.JPG"])
@pytest.mark.parametrize(
    ("image", "diagnosis"),
    [*((image, "dx") for image in COLUMNS["image_id"]), *(("file", d) for d in COLUMNS["diagnosis"])],
)
def test_any_table_of_images_and_diagnoses_is_a_data_set(image: str, diagnosis: str, cell: str, tmp_path: Path) -> None:
    # `metadata.csv` is the ISIC Archive's name too, and `isic_id` its column.
    name = "mine.csv" if image == "isic_id" else "metadata.csv"
    table(tmp_path / "mine" / name, f"{image.title()},notes,{diagnosis.upper()}", f"{cell},x,Atypical Nevus", "b,,wart")
    pictures(tmp_path / "mine" / "images", "a.jpg", "b.jpg")
    assert discover(tmp_path) == {"image_table": tmp_path / "mine"}
    found = read("image_table", tmp_path / "mine").table.set_index("image_id")
    assert found["diagnosis"].fillna("").to_dict() == {"a": "NV", "b": ""}
    assert found["other_diagnosis"].fillna("").to_dict() == {"a": "", "b": "wart"}


def test_a_table_tells_what_it_knows_and_lesions_are_numbered_within_a_patient(tmp_path: Path) -> None:
    header = "patient_id,lesion_id,age,gender,region,diagnostic,img_id"
    table(tmp_path / "metadata.csv", header, "P1,7,50,MALE,FACE,NEV,a.png", "P2,7,,,,ACK,b.png", "P2,,3,,,SEK,c.png")
    pictures(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    found = read("image_table", tmp_path).table.set_index("image_id")
    assert found["diagnosis"].to_list() == ["NV", "AK", "BKL"]
    assert found["lesion_id"].fillna("").to_list() == ["P1_7", "P2_7", ""]
    assert found.loc["a", ["age", "sex", "site"]].to_list() == [50.0, "male", "face"]


def test_files_of_one_name_in_several_folders_are_told_apart_by_their_path(tmp_path: Path) -> None:
    table(tmp_path / "all.csv", "file,diagnosis", "x/1.jpg,nevus", "y/1.jpg,melanoma", "../outside/1.jpg,melanoma")
    pictures(tmp_path / "x", "1.jpg")
    pictures(tmp_path / "y", "1.jpg")
    found = read("image_table", tmp_path)
    paths = found.table.set_index("image_id")["path"].dropna()
    assert paths.to_dict() == {"x/1": str(tmp_path / "x" / "1.jpg"), "y/1": str(tmp_path / "y" / "1.jpg")}
    assert found.missing == ("../outside/1",)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("image,notes", "a,b"), ("no table", "image and diagnosis")),
        (("image,diagnosis", "a,nevus"), ("none of the 1 images",)),
        (("image,diagnosis",), ("no rows",)),
        (("image,diagnosis", "b,nevus", "b,nevus"), ("more than once", "b")),
    ],
)
def test_what_is_wrong_with_a_table_is_a_sentence(
    lines: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    table(tmp_path / "mine.csv", *lines)
    pictures(tmp_path, "b.jpg")
    with pytest.raises(DataError) as caught:
        read("image_table", tmp_path)
    assert all(word in str(caught.value) for word in words)


def test_known_layouts_stay_what_they_are(tmp_path: Path) -> None:
    table(tmp_path / "metadata.csv", "isic_id,diagnosis", "a,nevus")
    table(tmp_path / "other.csv", "image,diagnosis", "a,nevus")
    pictures(tmp_path, "a.jpg")
    assert discover(tmp_path) == {"isic_archive": tmp_path}
    (tmp_path / "metadata.csv").write_bytes(b"\x89PNG\0")  # neither: what is there is told when it is read
    (tmp_path / "other.csv").unlink()
    assert discover(tmp_path) == {"isic_archive": tmp_path}


def test_a_folder_beside_those_of_diagnoses_keeps_its_name(tmp_path: Path) -> None:
    pictures(tmp_path / "Common Nevus", "a.jpg")
    pictures(tmp_path / "atypical-naevus", "b.jpg")
    pictures(tmp_path / "Lichen planus", "c.jpg", "d.jpg")
    found = read("image_folder", discover(tmp_path)["image_folder"])
    assert found.table["diagnosis"].fillna("").to_list() == ["NV", "NV", "", ""]
    assert found.table["other_diagnosis"].fillna("").to_list() == ["", "", "Lichen planus", "Lichen planus"]
    assert any("'Lichen planus' (2)" in note for note in found.notes)
    titles = [sample.title for sample in real_samples(found.table)]
    assert titles == ["a, melanocytic nevus", "b, melanocytic nevus", "c, Lichen planus", "d, Lichen planus"]


def test_the_archive_keeps_the_word_of_a_diagnosis_outside_the_eight(tmp_path: Path) -> None:
    table(tmp_path / "metadata.csv", "isic_id,diagnosis_1,diagnosis_3", "a,Benign,Nevus", "b,Benign,Verruca", "c,,")
    pictures(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    found = read("isic_archive", tmp_path).table
    assert found["diagnosis"].fillna("").to_list() == ["NV", "", ""]
    assert found["other_diagnosis"].fillna("").to_list() == ["", "Verruca", ""]


def test_masks_are_found_beside_their_image_as_ph2_has_them(tmp_path: Path) -> None:
    for code, ids in (("Common Nevus", ("IMD003", "IMD009")), ("Melanoma", ("IMD058",))):
        for name in ids:
            place = tmp_path / code / name
            pictures(place / f"{name}_Dermoscopic_Image", f"{name}.bmp")
            mask(place / f"{name}_lesion" / f"{name}_lesion.bmp")
            mask(place / f"{name}_roi" / f"{name}_R1_Label3.bmp")
    found = read("image_folder", tmp_path).table
    assert found["image_id"].to_list() == ["IMD003", "IMD009", "IMD058"]
    assert [Path(path).name for path in found["mask_path"]] == [f"{name}_lesion.bmp" for name in found["image_id"]]


def test_a_photograph_of_a_lesion_is_not_taken_for_a_mask(tmp_path: Path) -> None:
    pictures(tmp_path / "nv", "a.jpg", "a_lesion.jpg")
    found = read("image_folder", tmp_path).table
    assert found["image_id"].to_list() == ["a", "a_lesion"] and found["mask_path"].isna().all()


def test_every_image_of_a_folder_is_listed_once_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    table(tmp_path / "one" / "t.csv", "image,diagnosis,age", "a,nevus,40", "b,wart,50")
    pictures(tmp_path / "one", "a.jpg", "b.jpg")
    pictures(tmp_path / "two" / "nv", "a.jpg", "c.jpg")
    pictures(tmp_path / "two" / "mel", "b.jpg")
    mask(tmp_path / "two" / "nv" / "a_mask.png")
    found = labelled_images(tmp_path).table.set_index("image_id")
    assert found["diagnosis"].to_dict() == {"a": "NV", "b": "MEL", "c": "NV"}
    assert found["age"].fillna(0).to_dict() == {"a": 40, "b": 50, "c": 0}
    assert found["mask_path"].notna().to_dict() == {"a": True, "b": False, "c": False}
    assert found["other_diagnosis"].isna().all() and found["path"].notna().all()
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no data set"):
        labelled_images(tmp_path / "nothing")


def rows(**columns: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype="str")


def test_what_a_run_was_fitted_on_is_left_out_by_id_lesion_and_pixels() -> None:
    listed = rows(image_id=["A", "B", "C", "D"], lesion_id=["L1", "L2", "L3", "L4"], split=[*FITTED, "test"])
    new = rows(
        image_id=["a", "x", "y", "z", "t", "u", "v", "w"],
        lesion_id=[None, "L2", None, "L9", "L4", None, None, None],
    )
    content = {"a": "pa", "x": "px", "y": "pa", "z": "pz", "t": "pt", "u": "pu", "v": "pu"}
    found = unseen(new, listed, content)
    assert found.table["image_id"].to_list() == ["z", "t", "u"] and found.table["group"].to_list() == ["L9", "L4", "u"]
    reasons = dict(zip(found.left_out["image_id"], found.left_out["why"], strict=True))
    assert reasons == {"a": "own image", "x": "own lesion", "y": "own pixels", "v": "copy", "w": "unreadable"}
    assert len(found.sentences) == 5 and all(sentence.startswith("Left out, 1 images") for sentence in found.sentences)


@pytest.mark.parametrize("seed", range(20))
def test_no_role_is_ever_mixed_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    everything = rows(
        image_id=[f"i{i}" for i in range(n)],
        lesion_id=[None if rng.random() < 0.2 else f"l{rng.integers(15)}" for _ in range(n)],
    )
    content = {f"i{i}": f"p{rng.integers(30)}" for i in range(n) if rng.random() < 0.95}
    listed = everything.sample(15, random_state=seed).assign(split=rng.choice([*FITTED, "test"], 15))
    found = unseen(everything, listed, content)
    fitted = listed[listed["split"].isin(FITTED)]
    assert not set(found.table["image_id"]) & set(fitted["image_id"])
    assert not set(found.table["lesion_id"].dropna()) & set(fitted["lesion_id"].dropna())
    own = {content[name] for name in fitted["image_id"] if name in content}
    kept = [content[name] for name in found.table["image_id"]]
    assert not set(kept) & own and len(set(kept)) == len(kept)
    assert sorted([*found.table["image_id"], *found.left_out["image_id"]]) == sorted(everything["image_id"])


def test_a_list_of_samples_holds_every_kind_of_diagnosis(tmp_path: Path) -> None:
    pictures(tmp_path / "nv", *(f"n{i}.jpg" for i in range(9)))
    pictures(tmp_path / "mel", "m.jpg")
    pictures(tmp_path / "wart", *(f"w{i}.jpg" for i in range(9)))
    mask(tmp_path / "nv" / "n8_lesion.png")
    chosen = evenly(real_samples(read("image_folder", tmp_path).table), 3)
    assert [sample.id for sample in chosen] == ["n8", "m", "n0", "n1", "w0", "w1", "w2"]
