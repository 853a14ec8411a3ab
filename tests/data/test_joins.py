"""Tables, images and masks that do not fit together: each join says on both sides what it did not find."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesion_core.data.catalog import Catalog, read
from lesion_core.data.masks import looks_like_mask
from lesion_core.data.training_table import training_table
from lesion_core.errors import DataError
from tests.data.test_data_files import IDS, disc, ham, isic2019, mask, photograph, rows_2019, said, text
from tests.mutations.data_sets import SETS, DataSet, N, Rng, archive, written
from tests.mutations.data_sets import isic2017 as isic2017_people

ID_COLUMNS = ("image_id", "image", "isic_id")


def made(make: Callable[[Rng], DataSet]) -> tuple[DataSet, Callable[[Callable[[str], str], int], str]]:
    """A data set, and its main table with the ids of the first n rows changed."""
    data = make(np.random.default_rng(3))
    at = next(i for i, name in enumerate(data.table[0]) if name in ID_COLUMNS)

    def changed(change: Callable[[str], str], n: int) -> str:
        head, *body = data.table
        return written(
            [head, *([*row[:at], change(row[at]) if i < n else row[at], *row[at + 1 :]] for i, row in enumerate(body))]
        )

    return data, changed


def catalog_of(data: DataSet, root: Path, main: str | None = None, beside: str | None = None) -> Catalog:
    data.put(np.random.default_rng(0), root, main=main, beside=beside)
    return read(data.layout, root)


def leaks(notes: tuple[str, ...], *words: str) -> bool:
    return said(notes, "a leak that flatters the test", *words)


# Tables and images ---------------------------------------------------------------------------------------------------

each_layout = pytest.mark.parametrize("make", SETS)


@each_layout
def test_what_fits_says_nothing(make: Callable[[Rng], DataSet], tmp_path: Path) -> None:
    data, _ = made(make)
    assert catalog_of(data, tmp_path).notes == ()


@each_layout
@pytest.mark.parametrize("change", [str.upper, str.lower, lambda i: f"  {i}\t", lambda i: f"{i}_DOWNSAMPLED"])
def test_ids_in_other_spellings_are_the_same_ids(
    make: Callable[[Rng], DataSet], change: Callable[[str], str], tmp_path: Path
) -> None:
    data, changed = made(make)
    catalog = catalog_of(data, tmp_path, changed(change, N))
    assert catalog.notes == () and not catalog.missing and catalog.table["path"].notna().all()


def test_accents_composed_and_decomposed_are_the_same_id(tmp_path: Path) -> None:
    rows = ["HAM_0,nævus_é,nv,histo,45,male,back", "HAM_1,ñ,mel,histo,45,male,back"]
    text(tmp_path / "HAM10000_metadata.csv", "lesion_id,image_id,dx,dx_type,age,sex,localization", *rows)
    for name in ("nævus_é", "ñ"):
        photograph(tmp_path / f"{unicodedata.normalize('NFD', name)}.png")
    assert read("ham10000", tmp_path).missing == ()


@each_layout
@pytest.mark.parametrize("n", [1, 5, N - 1])
def test_images_without_a_row_and_rows_without_an_image_are_told(
    make: Callable[[Rng], DataSet], n: int, tmp_path: Path
) -> None:
    """Such as ids of copies in a part of the rows."""
    data, changed = made(make)
    catalog = catalog_of(data, tmp_path, changed(lambda i: f"{i} copy", n))
    first = data.people[0].image
    assert said(catalog.notes, f"{n} of the {N} images listed were not found", f"such as {first} copy")
    assert said(catalog.notes, "images that no table lists", f"not used: {n}", f"such as {first}.png")
    assert len(catalog.missing) == n
    told = next(note for note in catalog.notes if "were not found" in note)
    assert told.count(" copy") == min(n, 3) and told.endswith(", …." if n > 3 else ".")


@each_layout
def test_where_no_row_fits_the_refusal_shows_both_spellings(make: Callable[[Rng], DataSet], tmp_path: Path) -> None:
    data, changed = made(make)
    data = replace(data, beside=None)
    with pytest.raises(DataError) as caught:
        catalog_of(data, tmp_path, changed(lambda i: f"{i} copy", N))
    first = data.people[0].image
    assert f"none of the {N} images" in str(caught.value)
    assert f"{first} copy" in str(caught.value) and f"{first}.png" in str(caught.value)


def test_where_there_is_no_image_at_all_the_refusal_says_so(tmp_path: Path) -> None:
    data, _ = made(SETS[0])
    (tmp_path / data.path).write_text(written(data.table))
    with pytest.raises(DataError, match="no image is there"):
        read(data.layout, tmp_path)


@each_layout
@pytest.mark.parametrize("word", ["", "NA", "#N/A", "-"])
def test_rows_without_an_id_are_refused(make: Callable[[Rng], DataSet], word: str, tmp_path: Path) -> None:
    data, changed = made(make)
    with pytest.raises(DataError, match=r"2 rows without an image id|none of the 24 rows"):
        catalog_of(replace(data, beside=None), tmp_path, changed(lambda _: word, 2))


def test_an_archive_without_a_dermoscopic_image_is_refused(tmp_path: Path) -> None:
    data, _ = made(archive)
    at = data.table[0].index("image_type")
    body = [[*row[:at], f"TBP tile: {'clinical ' * 50}", *row[at + 1 :]] for row in data.table[1:]]
    with pytest.raises(DataError, match=r"no dermoscopic image: 'TBP tile.*…' \(24\)"):
        catalog_of(data, tmp_path, written([data.table[0], *body]))


def test_a_header_whose_quotes_do_not_close_is_refused(tmp_path: Path) -> None:
    data, _ = made(SETS[0])
    with pytest.raises(DataError, match=r"a quote is never closed|goes on after the closing quote"):
        catalog_of(data, tmp_path, '"' + written(data.table))


# Lesion ids ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [make for make in SETS if make is not isic2017_people])
@pytest.mark.parametrize("n", [1, 7, N])
@pytest.mark.parametrize("word", ["", "#N/A", "unknown"])
def test_lesion_ids_that_are_missing_are_a_leak(
    make: Callable[[Rng], DataSet], word: str, n: int, tmp_path: Path
) -> None:
    data, _ = made(make)
    table = data.beside[1] if data.beside else data.table
    at = table[0].index("lesion_id")
    body = [[*row[:at], word, *row[at + 1 :]] if i < n else row for i, row in enumerate(table[1:])]
    given = written([table[0], *body])
    catalog = catalog_of(data, tmp_path, None if data.beside else given, given if data.beside else None)
    assert int(catalog.table["lesion_id"].isna().sum()) == n
    if n == N:
        assert leaks(catalog.notes, "no image has a lesion id")
    else:
        assert leaks(catalog.notes, f"{n} of the {N} images have no lesion id", data.people[0].image)
    assert sum("a leak" in note for note in catalog.notes) == 1


def test_lesion_ids_are_not_asked_of_the_official_test_sets(tmp_path: Path) -> None:
    isic2019(tmp_path, *rows_2019())
    codes = "MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK"
    text(tmp_path / "ISIC_2019_Test_GroundTruth.csv", f"image,{codes}", "ISIC_9,1,0,0,0,0,0,0,0,0")
    text(tmp_path / "ISIC_2019_Test_Metadata.csv", "image,age_approx,anatom_site_general,sex", "ISIC_9,45,back,male")
    photograph(tmp_path / "test" / "ISIC_9.jpg")
    catalog = read("isic2019", tmp_path)
    assert not said(catalog.notes, "lesion") and len(catalog.table) == 7
    (tmp_path / "ISIC_2019_Test_Metadata.csv").unlink()
    assert said(read("isic2019", tmp_path).notes, "1 of the 7 images have no row", "ISIC_9")


# Tables beside the truth ---------------------------------------------------------------------------------------------


def test_a_join_that_finds_everything_says_nothing(tmp_path: Path) -> None:
    assert training_table(isic2019(tmp_path, *rows_2019())).notes == ()


@pytest.mark.parametrize("n", range(1, 6))
def test_a_join_says_what_it_did_not_find_on_both_sides(tmp_path: Path, n: int) -> None:
    notes = training_table(isic2019(tmp_path, *rows_2019()[: n + 1])).notes
    assert said(notes, f"{6 - n} of the 6 images have no row", IDS[n])
    assert said(notes, f"{6 - n} of the 6 images have no lesion id", IDS[n], "a leak")
    notes = training_table(isic2019(tmp_path, *rows_2019(), *(f"ISIC_9{i},,,," for i in range(n)))).notes
    assert said(notes, "none of the images", f"{n} of {6 + n}", "ISIC_90")


@pytest.mark.parametrize("kept", [(0, 1, 2, 4), (0,), (0, 3), (0, 1, 3, 4)])
def test_a_join_names_the_columns_that_are_gone_and_the_leak(tmp_path: Path, kept: tuple[int, ...]) -> None:
    notes = training_table(isic2019(tmp_path, *rows_2019(*kept))).notes
    gone = [name for i, name in enumerate(["image", "age", "site", "lesion_id", "sex"]) if i not in kept]
    assert said(notes, "has no column for", *gone)
    assert said(notes, "no image has a lesion id", "a leak") == (3 not in kept)


def test_without_metadata_or_with_empty_lesion_ids_the_leak_is_named(tmp_path: Path) -> None:
    assert said(training_table(isic2019(tmp_path / "a")).notes, "there is no ISIC_2019_*_Metadata.csv", "a leak")
    empty = [line.replace(f"HAM_{(i - 1) // 2}", "-") for i, line in enumerate(rows_2019())]
    catalog = training_table(isic2019(tmp_path / "b", *empty))
    assert said(catalog.notes, "no image has a lesion id", "a leak") and set(catalog.table["dataset"]) == {"msk"}


def test_a_join_in_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    isic2019(tmp_path, *(line.replace(",", ".jpg,", 1) if i else line for i, line in enumerate(rows_2019())))
    with pytest.raises(DataError, match=r"none of the 6 rows .* ISIC_0000000\.jpg.* ISIC_0000000"):
        training_table(tmp_path)


def test_lesion_groupings_are_expected_of_the_training_set_alone(tmp_path: Path) -> None:
    for part in ("Training", "Test"):
        codes = "MEL,NV,BCC,AKIEC,BKL,DF,VASC"
        text(tmp_path / part / f"ISIC2018_Task3_{part}_GroundTruth.csv", f"image,{codes}", f"{part},1,0,0,0,0,0,0")
        photograph(tmp_path / part / f"{part}.jpg")
    assert read("isic2018_task3", tmp_path / "Test").notes == ()
    assert said(read("isic2018_task3", tmp_path / "Training").notes, "LesionGroupings", "a leak")
    text(tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv", "image,lesion_id", "Training,HAM_1")
    assert read("isic2018_task3", tmp_path).notes == ()


def isic2017(root: Path, *metadata: str, labels: bool = False) -> Path:
    if labels:
        rows = (f"{name},nevus,{'' if i else 'MSK_1'}" for i, name in enumerate(IDS))
        text(root / "isic2017_labels.csv", "image_id,diagnosis,lesion_id", *rows)
    else:
        rows = (f"{name},{i % 2}.0,0.0" for i, name in enumerate(IDS))
        text(root / "ISIC-2017_Training_Part3_GroundTruth.csv", "image_id,melanoma,seborrheic_keratosis", *rows)
    if metadata:
        text(root / "ISIC-2017_Training_Data_metadata.csv", *metadata)
    for name in IDS:
        photograph(root / "ISIC-2017_Training_Data" / f"{name}.jpg")
    return root


def test_isic_2017_is_joined_with_its_ages_and_says_what_is_not_there(tmp_path: Path) -> None:
    whole = ["image_id,age_approximate,sex", *(f"{name},{40 + 5 * i},male" for i, name in enumerate(IDS))]
    catalog = read("isic2017", isic2017(tmp_path / "whole", *whole))
    assert catalog.table["age"].tolist() == [40.0 + 5 * i for i in range(6)] and catalog.notes == ()
    catalog = read("isic2017", isic2017(tmp_path / "part", *whole[:4], "ISIC_9,4,male", "ISIC_8,4,male"))
    assert said(catalog.notes, "3 of the 6 images have no row", *IDS[3:])
    assert said(catalog.notes, "none of the images: 2 of 5", "ISIC_9, ISIC_8")
    assert said(read("isic2017", isic2017(tmp_path / "none")).notes, "there is no ISIC-2017_*", "age, sex")
    with pytest.raises(DataError, match="none of the 6 rows"):
        read("isic2017", isic2017(tmp_path / "other", whole[0], *(f"X{row}" for row in whole[1:])))
    assert leaks(read("isic2017", isic2017(tmp_path / "labels", labels=True)).notes, "5 of the 6 images")


@pytest.mark.parametrize("what", ["semicolons", "utf-16", "BOM", "quoted lines", "blanks"])
def test_a_table_beside_the_truth_may_be_written_in_every_way(tmp_path: Path, what: str) -> None:
    isic2019(tmp_path, "")
    lines = rows_2019()
    raw = "\n".join(lines).encode()
    if what == "semicolons":
        raw = raw.replace(b",", b";")
    elif what == "utf-16":
        raw = "\n".join(lines).encode("utf-16")
    elif what == "BOM":
        raw = b"\xef\xbb\xbf" + raw
    elif what == "quoted lines":
        raw = raw.replace(b"anterior torso", b'"anterior\n""torso"", left"')
    else:
        raw = raw.replace(b",", b" , ").replace(b"ISIC", b" isic")
    (tmp_path / "ISIC_2019_Training_Metadata.csv").write_bytes(raw)
    catalog = training_table(tmp_path)
    assert catalog.notes == () and catalog.table["lesion_id"].tolist() == [f"HAM_{i // 2}" for i in range(6)]
    if what == "quoted lines":
        assert set(catalog.table["site"]) == {'anterior\n"torso", left'}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [*lines[:4], lines[0], *lines[4:]], "its header again in line 5"),
        (lambda lines: [*lines[:4], lines[0].upper(), *lines[4:]], "its header again in line 5"),
        (lambda lines: [*lines[:4], lines[0].replace(",", " , "), *lines[4:]], "its header again in line 5"),
        (lambda lines: [*lines[:4], lines[0].replace("sex", ""), *lines[4:]], "its header again in line 5"),
        (lambda lines: [*lines[:-1], lines[-1][:14]], "ends in the middle of a row"),
        (lambda lines: [lines[0].replace("sex", "Lesion_ID "), *lines[1:]], "column lesion_id twice"),
        (lambda lines: [lines[0].replace("sex", ""), *lines[1:]], "a column without a name, the one at place 5"),
        (lambda lines: [*lines, lines[2]], "occur more than once"),
        (lambda lines: [*lines, lines[2].lower()], "occur more than once"),
        (lambda lines: lines[:1], "no rows"),
    ],
)
def test_a_table_beside_the_truth_that_is_damaged_is_refused(
    tmp_path: Path, change: Callable[[list[str]], list[str]], words: str
) -> None:
    isic2019(tmp_path, *change(rows_2019()))
    with pytest.raises(DataError, match=re.escape(words)):
        training_table(tmp_path)


def test_ham10000_and_isic_2019_say_what_only_one_of_them_lists(tmp_path: Path) -> None:
    isic2019(tmp_path / "isic2019", *rows_2019())
    ham(tmp_path / "ham10000")
    shutil.rmtree(tmp_path / "isic2019" / "ISIC_2019_Training_Input")
    assert training_table(tmp_path).notes == ()
    path = tmp_path / "ham10000" / "HAM10000_metadata.csv"
    lines = path.read_text().splitlines()
    text(path, *lines[:4], "HAM_9,ISIC_9,nv,histo,45,male,back", "HAM_9,ISIC_8,nv,histo,45,male,back")
    photograph(tmp_path / "ham10000" / "HAM10000_images" / "ISIC_9.jpg")
    notes = training_table(tmp_path).notes
    assert said(notes, "3 of the 6 images of HAM10000 have no row in its own metadata", *IDS[3:])
    assert said(notes, "2 of the 5 rows", "ISIC 2019 does not list", "ISIC_8, ISIC_9")


# Masks ---------------------------------------------------------------------------------------------------------------


def test_masks_of_no_image_and_images_without_mask_are_told(tmp_path: Path) -> None:
    ham(tmp_path)
    for name in [*IDS[:4], "ISIC_9"]:
        mask(tmp_path / "masks" / f"{name}_segmentation.png")
    notes = read("ham10000", tmp_path).notes
    assert said(notes, "masks that are of none of the images: 1, such as ISIC_9_segmentation.png")
    assert said(notes, "2 of the 6 images have no mask", *IDS[4:])


def smeared(path: Path, seed: int = 0) -> None:
    """A mask as somebody saves it who thinks that it is a picture: resized without care, then a lossy JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.fromarray(np.roll(disc(), seed % 9, axis=1)).resize((200, 150), Image.Resampling.BICUBIC)
    small.convert("RGB").save(path, **({"quality": 60} if path.suffix == ".jpg" else {}))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_smeared_mask_is_known_by_its_pixels(tmp_path: Path, ending: str, quality: int, mode: str) -> None:
    for size in ((64, 48), (200, 150), (640, 480)):
        image = Image.fromarray(disc()).resize(size, Image.Resampling.BILINEAR).convert(mode)
        image.save(path := tmp_path / f"m.{ending}", **({"quality": quality} if ending in ("jpg", "webp") else {}))
        assert looks_like_mask(path), size


@pytest.mark.parametrize("own", ["ISIC_0009999", "a", "zz", "ISIC_0000003x"])
def test_a_mask_with_an_id_of_its_own_among_many_photographs_is_not_a_picture(tmp_path: Path, own: str) -> None:
    for name in ("nevus", "melanoma"):
        for i in range(20):
            photograph(tmp_path / name / f"ISIC_{i:07d}_{name}.jpg", i)
    smeared(tmp_path / "nevus" / f"{own}.jpg")
    catalog = read("image_folder", tmp_path)
    assert len(catalog.table) == 40 and own not in set(catalog.table["image_id"])
    assert said(catalog.notes, "so they count as masks: 1", "nevus (1)")


@pytest.mark.parametrize("name", ["{}_mask", "{}-Mask", "{}_seg", "{}_GT", "{}_groundtruth", "{}_annotation"])
@pytest.mark.parametrize("i", range(6))
def test_a_mask_named_after_its_image_in_the_same_folder_is_used_or_told(tmp_path: Path, name: str, i: int) -> None:
    ham(tmp_path)
    own = tmp_path / "HAM10000_images" / f"{name.format(IDS[i])}.jpg"
    smeared(own)
    catalog = read("ham10000", tmp_path)
    assert [Path(path).stem for path in catalog.table["path"]] == IDS
    assert catalog.table["mask_path"].dropna().tolist() == [str(own)]
    assert said(catalog.notes, "so they count as masks: 1", "masks of images: 1")
    photograph(own)  # drawn over the photograph, in colour
    catalog = read("ham10000", tmp_path)
    assert [Path(path).stem for path in catalog.table["path"]] == IDS and catalog.table["mask_path"].isna().all()
    assert said(catalog.notes, "named as the masks of others and are not black and white", "not used: 1")


def test_files_of_other_formats_in_folders_of_diagnoses_are_told(tmp_path: Path) -> None:
    for name in ("nevus", "melanoma"):
        photograph(tmp_path / name / f"{name}.jpg")
    text(tmp_path / "nevus" / "licence.txt", "CC0")
    text(tmp_path / "notes.doc", "nothing")
    assert read("image_folder", tmp_path).notes == ()
    for name in ("a.heic", "b.HEIC", "c.dcm", "d"):
        text(tmp_path / "nevus" / name, "pixels")
    assert said(read("image_folder", tmp_path).notes, "not of an image format that is read: 4, '.heic' (2)", "'.dcm'")


def test_one_name_in_two_formats_is_two_images(tmp_path: Path) -> None:
    for name in ("nevus/a.jpg", "nevus/a.png", "nevus/b.jpg", "melanoma/b.jpg", "melanoma/c.jpg"):
        photograph(tmp_path / name, len(name))
    ids = read("image_folder", tmp_path).table["image_id"].tolist()
    assert ids == ["c", "melanoma/b", "nevus/a.jpg", "nevus/a.png", "nevus/b"]


def test_an_id_that_ends_like_a_mask_is_an_image_where_there_is_no_other(tmp_path: Path) -> None:
    for name in ("nevus", "melanoma"):
        photograph(tmp_path / name / f"{name}_seg.jpg")
    catalog = read("image_folder", tmp_path)
    assert len(catalog.table) == 2 and catalog.notes == ()


def test_links_to_nowhere_among_the_images_change_nothing(tmp_path: Path) -> None:
    ham(tmp_path)
    (tmp_path / "HAM10000_images" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert read("ham10000", tmp_path).missing == ()
