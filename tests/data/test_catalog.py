"""Each layout is built by code in a temporary folder, as it is published, and read; then damaged, and refused."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from lesion_core.data.catalog import COLUMNS, LAYOUTS, discover, from_environment, read
from lesion_core.data.collection import _official_test
from lesion_core.data.data_files import scan
from lesion_core.data.masks import looks_like_mask
from lesion_core.data.readers.ham10000 import read_ham10000
from lesion_core.data.tables import Catalog
from lesion_core.data.training_table import training_table
from lesion_core.errors import DataError
from lesion_core.labels import DIAGNOSES, HAM10000, ISIC2019

HAM_HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"
HAM_ROWS = (
    "HAM_1,ISIC_1,nv,histo,50.0,male,back",
    "HAM_1,ISIC_2,nv,histo,50.0,male,back",
    "HAM_2,ISIC_3,akiec,consensus,,unknown,unknown",
)


def pictures(folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 6), (200, 150, 140)).save(folder / name)


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def one_hot(path: Path, classes: Sequence[str], truth: dict[str, str]) -> Path:
    rows = [",".join([image, *("1.0" if code == set_ else "0.0" for code in classes)]) for image, set_ in truth.items()]
    return text(path, ",".join(["image", *classes]), *rows)


def ham(root: Path, *rows: str, name: str = "HAM10000_metadata.csv", images: str = "HAM10000_images") -> Path:
    rows = rows or HAM_ROWS
    text(root / name, HAM_HEADER, *rows)
    pictures(root / images, {f"{row.split(',')[1]}.jpg" for row in rows})
    return root


def by_id(catalog: Catalog) -> pd.DataFrame:
    return catalog.table.set_index("image_id")


def check_form(catalog: Catalog) -> None:
    table = catalog.table
    assert tuple(table.columns) == COLUMNS
    assert {column: str(kind) for column, kind in table.dtypes.items()} == {
        column: "float64" if column == "age" else "str" for column in COLUMNS
    }
    assert table["image_id"].is_unique and table["image_id"].is_monotonic_increasing
    for column in ("path", "mask_path"):
        paths = [Path(path) for path in table[column].dropna()]
        assert all(path.is_absolute() and path.is_file() for path in paths[:: 1 + len(paths) // 100])
    assert set(catalog.missing) == set(table["image_id"][table["path"].isna()])
    assert table["diagnosis"].dropna().isin([*DIAGNOSES, "AKIEC"]).all()


@pytest.mark.parametrize(
    ("name", "images", "masks"),
    [
        ("HAM10000_metadata", "HAM10000_images_part_1", "HAM10000_segmentations_lesion_tschandl"),
        ("HAM10000_metadata.csv", "HAM10000_images", "HAM10000_segmentations"),
    ],
)
def test_ham10000_reads_every_published_form(tmp_path: Path, name: str, images: str, masks: str) -> None:
    ham(tmp_path, name=name, images=images)
    (tmp_path / images / "ISIC_3.jpg").unlink()
    pictures(tmp_path / "HAM10000_images_part_2", ["ISIC_3.jpg"])
    pictures(tmp_path / masks, ["ISIC_1_segmentation.png"])
    catalog = read("ham10000", tmp_path)
    check_form(catalog)
    table = by_id(catalog)
    assert table["diagnosis"].to_dict() == {"ISIC_1": "NV", "ISIC_2": "NV", "ISIC_3": "AKIEC"}
    assert table["lesion_id"].to_list() == ["HAM_1", "HAM_1", "HAM_2"]
    assert table.loc["ISIC_1", ["dx_type", "age", "sex", "site"]].to_list() == ["histo", 50.0, "male", "back"]
    assert table.loc["ISIC_3", ["age", "sex", "site"]].isna().all()
    assert table["path"].notna().all()
    assert table["mask_path"].notna().to_list() == [True, False, False]
    assert set(table["dataset"]) == {"ham10000"}


def test_ham10000_reads_the_tab_separated_export(tmp_path: Path) -> None:
    ham(tmp_path)
    whole = (tmp_path / "HAM10000_metadata.csv").read_text().replace(",", "\t")
    (tmp_path / "HAM10000_metadata.csv").unlink()
    text(tmp_path / "HAM10000_metadata.tab", *whole.splitlines())
    assert read("ham10000", tmp_path).table["diagnosis"].to_list() == ["NV", "NV", "AKIEC"]


def test_isic2017_as_published(tmp_path: Path) -> None:
    text(
        tmp_path / "ISIC-2017_Training_Part3_GroundTruth.csv",
        "image_id,melanoma,seborrheic_keratosis",
        "ISIC_1,0.0,0.0",
        "ISIC_2,1.0,0.0",
    )
    text(
        tmp_path / "ISIC-2017_Test_v2_Part3_GroundTruth.csv", "image_id,melanoma,seborrheic_keratosis", "ISIC_3,0.0,1.0"
    )
    data = tmp_path / "ISIC-2017_Training_Data"
    pictures(data, ["ISIC_1.jpg", "ISIC_1_superpixels.png", "ISIC_2.jpg"])
    pictures(tmp_path / "ISIC-2017_Test_v2_Data", ["ISIC_3.jpg"])
    text(
        data / "ISIC-2017_Training_Data_metadata.csv",
        "image_id,age_approximate,sex",
        "ISIC_1,55,female",
        "ISIC_2,unknown,unknown",
    )
    pictures(tmp_path / "ISIC-2017_Training_Part1_GroundTruth", ["ISIC_1_segmentation.png"])
    catalog = read("isic2017", tmp_path)
    check_form(catalog)
    table = by_id(catalog)
    assert table["diagnosis"].to_list() == ["NV", "MEL", "BKL"]
    assert table.loc["ISIC_1", ["age", "sex"]].to_list() == [55.0, "female"]
    assert table.loc[["ISIC_2", "ISIC_3"], ["age", "sex"]].isna().all(axis=None)
    assert table["mask_path"].notna().to_list() == [True, False, False]
    assert Path(table.loc["ISIC_1", "path"]).name == "ISIC_1.jpg"


def test_isic2017_from_one_table_of_labels(tmp_path: Path) -> None:
    text(
        tmp_path / "isic2017_labels.csv",
        "image_id,diagnosis,age_approx,sex,anatom_site_general,lesion_id",
        "ISIC_1,seborrheic_keratosis,70.0,male,anterior torso,MSK4_1",
        "ISIC_2,nevus,,,,",
    )
    pictures(tmp_path / "images", ["ISIC_1.jpg", "ISIC_2.jpg"])
    catalog = read("isic2017", tmp_path)
    check_form(catalog)
    first = by_id(catalog).loc["ISIC_1"]
    assert first[["diagnosis", "age", "sex", "site", "lesion_id"]].to_list() == [
        "BKL",
        70.0,
        "male",
        "anterior torso",
        "MSK4_1",
    ]
    assert by_id(catalog).loc["ISIC_2", ["age", "sex", "site", "lesion_id"]].isna().all()


def test_isic2018_task1_lists_what_has_a_mask(tmp_path: Path) -> None:
    pictures(tmp_path / "ISIC2018_Task1-2_Training_Input", ["ISIC_1.jpg", "ISIC_2.jpg", "ISIC_3.jpg"])
    pictures(tmp_path / "ISIC2018_Task1_Training_GroundTruth", ["ISIC_1_segmentation.png", "ISIC_2_segmentation.png"])
    catalog = read("isic2018_task1", tmp_path)
    check_form(catalog)
    assert catalog.table["image_id"].to_list() == ["ISIC_1", "ISIC_2"]
    assert catalog.table["diagnosis"].isna().all() and catalog.table["mask_path"].notna().all()


def test_isic2018_task3_tells_its_parts_apart_and_joins_the_lesions(tmp_path: Path) -> None:
    one_hot(
        tmp_path / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv",
        HAM10000,
        {"ISIC_1": "AKIEC", "ISIC_2": "MEL"},
    )
    one_hot(tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv", HAM10000, {"ISIC_9": "VASC"})
    text(
        tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv",
        "image,lesion_id,diagnosis_confirm_type",
        "ISIC_1,HAM_1,histopathology",
        "ISIC_2,HAM_1,serial imaging showing no change",
    )
    pictures(tmp_path / "ISIC2018_Task3_Training_Input", ["ISIC_1.jpg", "ISIC_2.jpg"])
    pictures(tmp_path / "ISIC2018_Task3_Test_Input", ["ISIC_9.jpg"])
    catalog = read("isic2018_task3", tmp_path)
    check_form(catalog)
    table = by_id(catalog)
    assert table["diagnosis"].to_list() == ["AKIEC", "MEL", "VASC"]
    assert table["dataset"].to_list() == ["isic2018_task3_training"] * 2 + ["isic2018_task3_test"]
    assert table["lesion_id"].to_list()[:2] == ["HAM_1", "HAM_1"] and pd.isna(table.loc["ISIC_9", "lesion_id"])
    assert table["dx_type"].to_list()[:2] == ["histo", "follow_up"]


def test_isic2018_task3_reads_the_test_set_as_dataverse_has_it_beside_ham10000(tmp_path: Path) -> None:
    ham(tmp_path)
    text(
        tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv",
        HAM_HEADER + ",dataset",
        "HAM_9,ISIC_9,mel,histo,40.0,male,back,vidir_modern",
    )
    pictures(tmp_path / "ISIC2018_Task3_Test_Images", ["ISIC_9.jpg"])
    table = by_id(read("isic2018_task3", tmp_path))
    assert table.loc["ISIC_9", ["diagnosis", "dataset"]].tolist() == ["MEL", "isic2018_task3_test"]
    assert set(by_id(read("ham10000", tmp_path)).index) == {"ISIC_1", "ISIC_2", "ISIC_3"}


def test_only_the_test_part_is_the_official_test_set(tmp_path: Path) -> None:
    isic2019(tmp_path / "isic2019")
    root = tmp_path / "isic2018"
    for part, ids in (("Training", ("ISIC_21", "ISIC_22")), ("Validation", ("ISIC_23",)), ("Test", ("ISIC_24",))):
        one_hot(root / f"ISIC2018_Task3_{part}_GroundTruth.csv", HAM10000, dict.fromkeys(ids, "MEL"))
        pictures(root / f"ISIC2018_Task3_{part}_Input", [f"{name}.jpg" for name in ids])
    official = _official_test(tmp_path)
    assert official is not None and official[0]["image_id"].tolist() == ["ISIC_24"]
    (root / "ISIC2018_Task3_Test_GroundTruth.csv").unlink()
    assert _official_test(tmp_path) is None


def isic2019(root: Path) -> Path:
    one_hot(
        root / "ISIC_2019_Training_GroundTruth.csv",
        (*ISIC2019, "UNK"),
        {"ISIC_1": "SCC", "ISIC_2_downsampled": "MEL", "ISIC_3_downsampled": "NV", "ISIC_4": "UNK", "ISIC_5": "AK"},
    )
    text(
        root / "ISIC_2019_Training_Metadata.csv",
        "image,age_approx,anatom_site_general,lesion_id,sex",
        "ISIC_1,50.0,anterior torso,HAM_1,female",
        "ISIC_2_downsampled,,,,",
        "ISIC_3_downsampled,30.0,,MSK4_3,male",
        "ISIC_4,20.0,,BCN_4,male",
        "ISIC_5,80.0,head/neck,BCN_5,male",
    )
    return root


def test_isic2019_finds_images_under_either_name_in_several_folders(tmp_path: Path) -> None:
    root = isic2019(tmp_path / "tables")
    pictures(tmp_path / "a" / "deep", ["ISIC_1.JPG", "ISIC_2.jpg"])
    pictures(tmp_path / "b", ["ISIC_3_downsampled.jpg", "ISIC_4.png"])
    pictures(tmp_path / "m", ["ISIC_2_segmentation.png"])
    catalog = read("isic2019", root, image_roots=[tmp_path / "a", tmp_path / "b"], mask_roots=[tmp_path / "m"])
    check_form(catalog)
    table = by_id(catalog)
    assert table["path"].notna().to_list() == [True, True, True, True, False]
    assert catalog.missing == ("ISIC_5",)
    assert [id_ for id_ in table.index if isinstance(table.loc[id_, "mask_path"], str)] == ["ISIC_2"]
    assert table["diagnosis"].fillna("none").to_list() == ["SCC", "MEL", "NV", "none", "AK"]
    assert table["dataset"].to_list() == ["ham10000", "msk", "msk", "bcn20000", "bcn20000"]
    assert any("1 of the 5 images" in note for note in catalog.notes)
    assert any("UNK" in note for note in catalog.notes)
    assert catalog.present["image_id"].to_list() == ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4"]


def test_the_first_folder_wins_where_an_image_is_found_twice(tmp_path: Path) -> None:
    root = isic2019(tmp_path / "tables")
    for name in ("z", "a"):
        pictures(tmp_path / name, ["ISIC_1.jpg"])
    catalog = read("isic2019", root, image_roots=[tmp_path / "z", tmp_path / "a"])
    assert by_id(catalog).loc["ISIC_1", "path"] == str(tmp_path / "z" / "ISIC_1.jpg")


ARCHIVE_HEADER = (
    "isic_id,age_approx,anatom_site_general,diagnosis_1,diagnosis_2,diagnosis_3,diagnosis_4,"
    "diagnosis_confirm_type,image_type,lesion_id,sex"
)


def test_isic_archive_takes_the_deepest_known_diagnosis(tmp_path: Path) -> None:
    text(
        tmp_path / "metadata.csv",
        ARCHIVE_HEADER,
        "ISIC_1,85,anterior torso,Malignant,Malignant melanocytic proliferations (Melanoma),Melanoma Invasive,"
        '"Melanoma Invasive, Nodular",histopathology,dermoscopic,IL_1,male',
        'ISIC_2,40,,Benign,Benign melanocytic proliferations,Nevus,"Nevus, Spitz",,dermoscopic,IL_2,female',
        "ISIC_3,,,Malignant,Malignant melanocytic proliferations (Melanoma),,,,dermoscopic,,",
        "ISIC_4,,,Benign,Benign epidermal proliferations,Seborrheic keratosis,,,dermoscopic,,",
        "ISIC_5,,,Malignant,Malignant epidermal proliferations,Squamous cell carcinoma in situ,,,dermoscopic,,",
        "ISIC_6,,,Benign,Other,Verruca,,,dermoscopic,,",
        "ISIC_7,,,Benign,,Nevus,,,TBP tile: close-up,,",
        "ISIC_8,,,,,,,,dermoscopic,,",
    )
    pictures(tmp_path, [f"ISIC_{i}.jpg" for i in range(1, 9)])
    catalog = read("isic_archive", tmp_path)
    check_form(catalog)
    table = by_id(catalog)
    assert table["diagnosis"].fillna("none").to_dict() == {
        "ISIC_1": "MEL",
        "ISIC_2": "NV",
        "ISIC_3": "MEL",
        "ISIC_4": "BKL",
        "ISIC_5": "SCC",
        "ISIC_6": "none",
        "ISIC_8": "none",
    }
    assert table.loc["ISIC_1", ["lesion_id", "age", "dx_type"]].to_list() == ["IL_1", 85.0, "histo"]
    assert any("'Verruca' (1)" in note for note in catalog.notes)
    assert any("TBP tile" in note for note in catalog.notes)


def test_isic_archive_reads_the_older_single_diagnosis(tmp_path: Path) -> None:
    text(tmp_path / "metadata.csv", "isic_id,diagnosis", "ISIC_1,basal cell carcinoma", "ISIC_2,nevus")
    pictures(tmp_path, ["ISIC_1.jpg", "ISIC_2.jpg"])
    assert read("isic_archive", tmp_path).table["diagnosis"].to_list() == ["BCC", "NV"]


def test_image_folder_names_the_diagnosis_by_the_folder(tmp_path: Path) -> None:
    pictures(tmp_path / "nv", ["a.jpg", "b.png", "b_segmentation.png"])
    pictures(tmp_path / "Basal_Cell-Carcinoma", ["c.JPEG"])
    catalog = read("image_folder", tmp_path)
    check_form(catalog)
    assert by_id(catalog)["diagnosis"].to_dict() == {"a": "NV", "b": "NV", "c": "BCC"}
    assert by_id(catalog)["mask_path"].notna().to_list() == [False, True, False]


def test_image_folder_keeps_equal_file_names_apart(tmp_path: Path) -> None:
    pictures(tmp_path / "nv", ["1.jpg", "2.jpg"])
    pictures(tmp_path / "mel", ["1.jpg"])
    catalog = read("image_folder", tmp_path)
    assert by_id(catalog)["diagnosis"].to_dict() == {"2": "NV", "mel/1": "MEL", "nv/1": "NV"}
    assert by_id(catalog).loc["mel/1", "path"] == str(tmp_path / "mel" / "1.jpg")
    assert any("2 images share" in note for note in catalog.notes)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_what_it_is_and_refuses_an_empty_folder(layout: str, tmp_path: Path) -> None:
    entry = LAYOUTS[layout]
    assert entry.name == layout and entry.title and entry.description.endswith(".") and entry.licence and entry.source
    with pytest.raises(DataError):
        read(layout, tmp_path)
    with pytest.raises(DataError, match="no folder"):
        read(layout, tmp_path / "absent")


def refuse(layout: str, root: Path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(layout, root)
    for word in words:
        assert word in str(caught.value)


def test_unknown_layout_lists_the_known(tmp_path: Path) -> None:
    refuse("ham", tmp_path, "'ham'", "ham10000", "isic2019")


def test_missing_table_is_named(tmp_path: Path) -> None:
    refuse("ham10000", tmp_path, "HAM10000_metadata", str(tmp_path))


def test_missing_columns_are_named_with_their_file(tmp_path: Path) -> None:
    text(tmp_path / "HAM10000_metadata.csv", "image_id,dx", "ISIC_1,nv")
    refuse("ham10000", tmp_path, "HAM10000_metadata.csv", "lesion_id", "localization")
    text(tmp_path / "ISIC_2019_Training_GroundTruth.csv", "image,MEL", "ISIC_1,1.0")
    refuse("isic2019", tmp_path, "ISIC_2019_Training_GroundTruth.csv", "NV", "SCC")
    text(tmp_path / "metadata.csv", "isic_id,age_approx", "ISIC_1,3")
    refuse("isic_archive", tmp_path, "metadata.csv", "diagnosis")


def test_unknown_diagnoses_are_listed_with_their_rows(tmp_path: Path) -> None:
    ham(
        tmp_path,
        "L,ISIC_1,nv,histo,50,male,back",
        "L,ISIC_2,wart,histo,50,male,back",
        "L,ISIC_3,wart,histo,50,male,back",
        "L,ISIC_4,scc,histo,50,male,back",
    )
    refuse("ham10000", tmp_path, "3 of 4", "'wart' (2)", "'scc' (1)")
    text(tmp_path / "isic2017_labels.csv", "image_id,diagnosis", "ISIC_1,wart")
    refuse("isic2017", tmp_path, "1 of 1", "'wart' (1)")
    text(tmp_path / "metadata.csv", "isic_id,diagnosis", "ISIC_1,wart", "ISIC_2,wart")
    refuse("isic_archive", tmp_path, "2 of 2", "'wart' (2)")


def test_folders_of_which_none_is_a_diagnosis_are_listed(tmp_path: Path) -> None:
    pictures(tmp_path / "beach", ["a.jpg"])
    pictures(tmp_path / "holiday", ["b.jpg", "c.jpg"])
    refuse("image_folder", tmp_path, "3 images", "'holiday' (2)", "'beach' (1)")


def test_duplicate_ids_are_named(tmp_path: Path) -> None:
    ham(tmp_path, HAM_ROWS[0], HAM_ROWS[0])
    refuse("ham10000", tmp_path, "more than once", "ISIC_1")
    one_hot(tmp_path / "ISIC_2019_Training_GroundTruth.csv", ISIC2019, {"ISIC_1": "NV", "ISIC_1_downsampled": "NV"})
    refuse("isic2019", tmp_path, "more than once", "ISIC_1")


def test_duplicate_metadata_is_refused(tmp_path: Path) -> None:
    one_hot(tmp_path / "ISIC_2019_Training_GroundTruth.csv", ISIC2019, {"ISIC_1": "NV"})
    text(tmp_path / "ISIC_2019_Training_Metadata.csv", "image,sex", "ISIC_1,male", "ISIC_1,female")
    refuse("isic2019", tmp_path, "ISIC_2019_Training_Metadata.csv", "more than once")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("0,0,0,0,0,0,0", "no diagnosis"),
        ("1,1,0,0,0,0,0", "more than one"),
        ("2,0,0,0,0,0,0", "neither 0 nor 1"),
        ("x,0,0,0,0,0,0", "neither 0 nor 1"),
        (",1,0,0,0,0,0", "neither 0 nor 1"),
    ],
)
def test_rows_without_exactly_one_diagnosis_are_refused(tmp_path: Path, row: str, words: str) -> None:
    text(
        tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv",
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC",
        "ISIC_1,0,1,0,0,0,0,0",
        f"ISIC_2,{row}",
    )
    refuse("isic2018_task3", tmp_path, words, "ISIC_2", "1 of 2", "ISIC2018_Task3_Test_GroundTruth.csv")


def test_both_diagnoses_of_isic2017_are_refused(tmp_path: Path) -> None:
    text(
        tmp_path / "ISIC-2017_Training_Part3_GroundTruth.csv",
        "image_id,melanoma,seborrheic_keratosis",
        "ISIC_1,1.0,1.0",
    )
    refuse("isic2017", tmp_path, "more than one diagnosis", "ISIC_1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (HAM_HEADER.encode() + b"\nH,I,nv,histo,5,male,back,more\n", "more fields than its header"),
        (HAM_HEADER.encode() + b", image_id\nH,I,nv,histo,5,male,back,J\n", "column image_id twice"),
        (b"lesion_id,image_id,dx,dx_type,age,sex,localization\n", "no rows"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe", "not a readable CSV"),
        (b"PK\x03\x04\0\0abc", "an Excel workbook"),
        (b'lesion_id,image_id\n"open', "line 2 a quote is never closed"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "HAM10000_metadata.csv").write_bytes(content)
    refuse("ham10000", tmp_path, words, "HAM10000_metadata.csv")


def test_all_images_absent_is_fatal_and_some_absent_is_a_note(tmp_path: Path) -> None:
    text(tmp_path / "HAM10000_metadata.csv", HAM_HEADER, *HAM_ROWS)
    refuse("ham10000", tmp_path, "none of the 3 images", str(tmp_path))
    pictures(tmp_path, ["ISIC_2.jpg"])
    assert read("ham10000", tmp_path).missing == ("ISIC_1", "ISIC_3")


def test_ages_and_sexes_that_are_none_become_unknown_with_a_note(tmp_path: Path) -> None:
    ham(
        tmp_path,
        "L,ISIC_1,nv,histo,old,male,back",
        "L,ISIC_2,nv,histo,-3,F,back",
        "L,ISIC_3,nv,histo,33,robot,back",
        "L,ISIC_4,nv,histo,unknown,,back",
    )
    catalog = read("ham10000", tmp_path)
    assert catalog.table["age"].isna().to_list() == [True, True, False, True]
    assert catalog.table["sex"].fillna("?").to_list() == ["male", "female", "?", "?"]
    assert any("2 ages" in note and "'old'" in note and "'-3'" in note for note in catalog.notes)
    assert any("'robot' (1)" in note for note in catalog.notes)


def test_a_column_that_has_our_name_already_makes_room(tmp_path: Path) -> None:
    text(tmp_path / "HAM10000_metadata.csv", HAM_HEADER + ",site,dataset", HAM_ROWS[0] + ",Vienna,vidir_modern")
    pictures(tmp_path / "images", ["ISIC_1.jpg"])
    row = by_id(read("ham10000", tmp_path)).loc["ISIC_1"]
    assert row["site"] == "back" and row["dataset"] == "ham10000"


def test_a_folder_that_may_not_be_read_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ham(tmp_path / "ham")
    (tmp_path / "lost+found").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "lost+found" and real(path, mode))
    assert discover(tmp_path) == {"ham10000": tmp_path / "ham"}


def test_a_byte_order_mark_and_spaces_do_no_harm(tmp_path: Path) -> None:
    ham(tmp_path)
    path = tmp_path / "HAM10000_metadata.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b",", b" , "))
    assert read("ham10000", tmp_path).table["diagnosis"].to_list() == ["NV", "NV", "AKIEC"]


def test_a_link_that_leads_back_up_ends(tmp_path: Path) -> None:
    ham(tmp_path)
    (tmp_path / "HAM10000_images" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(read_ham10000(scan([tmp_path])).table) == 3


def test_discover_finds_each_layout_one_level_down(tmp_path: Path) -> None:
    ham(tmp_path / "first")
    isic2019(tmp_path / "second")
    (tmp_path / "third" / "ISIC2018_Task1_Training_GroundTruth").mkdir(parents=True)
    pictures(tmp_path / "own" / "nv", ["a.jpg"])
    pictures(tmp_path / "own" / "melanoma", ["b.jpg"])
    assert discover(tmp_path) == {
        "ham10000": tmp_path / "first",
        "isic2018_task1": tmp_path / "third",
        "isic2019": tmp_path / "second",
        "image_folder": tmp_path / "own",
    }
    with pytest.raises(DataError, match="no folder"):
        discover(tmp_path / "absent")


def test_from_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESION_DATA", raising=False)
    assert from_environment() is None
    monkeypatch.setenv("LESION_DATA", str(tmp_path))
    assert from_environment() == tmp_path
    monkeypatch.setenv("LESION_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataError, match="LESION_DATA"):
        from_environment()


def test_training_table_joins_ham10000_and_isic2017(tmp_path: Path) -> None:
    isic2019(tmp_path / "isic2019")
    ham(tmp_path / "ham10000", "HAM_1,ISIC_1,akiec,histo,50.0,female,chest")
    pictures(tmp_path / "ham10000" / "HAM10000_segmentations", ["ISIC_1_segmentation.png"])
    text(tmp_path / "isic2017" / "isic2017_labels.csv", "image_id,diagnosis", "ISIC_3,nevus")
    pictures(tmp_path / "isic2017" / "images", ["ISIC_3.jpg"])
    pictures(tmp_path / "elsewhere", ["ISIC_5.jpg"])
    catalog = training_table(tmp_path)
    check_form(Catalog(catalog.table))
    table = by_id(catalog)
    assert table.index.to_list() == ["ISIC_1", "ISIC_3"]
    assert table["dataset"].to_list() == ["ham10000", "isic2017"]
    assert table.loc["ISIC_1", ["diagnosis", "dx_type", "site"]].to_list() == ["SCC", "histo", "chest"]
    assert table["mask_path"].notna().to_list() == [True, False]
    assert catalog.missing == ("ISIC_2", "ISIC_4", "ISIC_5")


def test_training_table_takes_the_full_download_without_the_test_set(tmp_path: Path) -> None:
    isic2019(tmp_path)
    pictures(tmp_path / "ISIC_2019_Training_Input", ["ISIC_1.jpg", "ISIC_2_downsampled.jpg", "ISIC_4.jpg"])
    one_hot(tmp_path / "ISIC_2019_Test_GroundTruth.csv", (*ISIC2019, "UNK"), {"ISIC_7": "NV"})
    pictures(tmp_path / "ISIC_2019_Test_Input", ["ISIC_7.jpg"])
    catalog = training_table(tmp_path)
    assert catalog.table["image_id"].to_list() == ["ISIC_1", "ISIC_2"]
    assert catalog.missing == ("ISIC_3", "ISIC_5")


def test_training_table_without_truth_or_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no ISIC 2019 ground truth"):
        training_table(tmp_path)
    isic2019(tmp_path)
    with pytest.raises(DataError, match="none of the 5 images"):
        training_table(tmp_path)


@pytest.fixture(scope="module")
def real_root() -> Path:
    if not os.environ.get("LESION_DATA"):
        pytest.skip("LESION_DATA is not set")
    root = from_environment()
    assert root is not None
    return root


@pytest.mark.real
def test_real_data_has_the_known_counts(real_root: Path) -> None:
    found = discover(real_root)
    ham10000 = read("ham10000", found["ham10000"])
    check_form(ham10000)
    assert len(ham10000.present) == 8545 and ham10000.table["lesion_id"].nunique() == 6349
    assert ham10000.table["mask_path"].notna().all()
    assert ham10000.table["diagnosis"].value_counts().to_dict() == {
        "NV": 5715,
        "MEL": 958,
        "BKL": 931,
        "BCC": 440,
        "AKIEC": 278,
        "VASC": 122,
        "DF": 101,
    }
    assert len(read("isic2018_task3", found["isic2018_task3"]).present) == 1285
    assert len(read("isic2017", found["isic2017"]).present) == 2335
    with pytest.raises(DataError, match="none of the 23,447 images"):
        read("isic2019", found["isic2019"])


@pytest.mark.real
def test_real_training_table_has_the_known_counts(real_root: Path) -> None:
    catalog = training_table(real_root)
    check_form(Catalog(catalog.table))
    assert len(catalog.table) == 10876 and len(catalog.table) + len(catalog.missing) == 23447
    assert catalog.table["dataset"].value_counts().to_dict() == {"ham10000": 8545, "isic2017": 2331}
    assert catalog.table["diagnosis"].isin(ISIC2019).all()
    of_ham = catalog.table["dataset"] == "ham10000"
    assert catalog.table.loc[of_ham, ["dx_type", "mask_path", "lesion_id"]].notna().all(axis=None)


@pytest.mark.real
def test_real_masks_are_known_by_their_pixels_and_lesions_rarely_disagree(real_root: Path) -> None:
    catalog = read("ham10000", discover(real_root)["ham10000"])
    some = catalog.table.sample(100, random_state=0)
    assert all(looks_like_mask(Path(path)) for path in some["mask_path"])
    assert not any(looks_like_mask(Path(path)) for path in some["path"])
    (note,) = catalog.notes
    assert "of 1,690 lesions with several images, 2 have images that disagree (site in 2)" in note
