"""The ISIC challenges of 2017, 2018 and 2019: the tables as published, joined with their metadata."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lesion_core.data.csv_tables import known, numbers, read_csv, renamed, some
from lesion_core.data.data_files import Files, id_key, masked_id
from lesion_core.data.tables import LEAK, Catalog, assemble, parse_diagnoses, truth_from_one_hot, without_lesion
from lesion_core.errors import DataError
from lesion_core.labels import HAM10000, ISIC2019

TABLES_2017 = ("ISIC-2017_*_Part3_GroundTruth.csv", "isic2017_labels.csv")
TABLES_2018_TASK3 = ("ISIC2018_Task3_*_GroundTruth.csv",)
TABLES_2019 = ("ISIC_2019_*_GroundTruth.csv",)

_METADATA = {
    "age_approx": "age",
    "age_approximate": "age",
    "anatom_site_general": "site",
    "diagnosis_confirm_type": "dx_type",
}
_FACTS = ("lesion_id", "age", "sex", "site", "dx_type")
_ORIGINS = {"HAM_": "ham10000", "BCN_": "bcn20000"}


def _join_metadata(
    facts: pd.DataFrame,
    files: Files,
    name: str,
    pattern: str,
    key: str,
    expected: Sequence[str],
    needed: pd.Series[bool] | None = None,
    grouped: pd.Series[bool] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Add what the metadata tables know of each image.

    Args:
        facts: One row per image, with its `image_id`.
        files: Where the tables are.
        name: The data set, for messages.
        pattern: The metadata tables' names.
        key: Their column of image ids.
        expected: Columns that they are published with, under our names.
        needed: Which images have a published row; all, where it is not given.
        grouped: Which images have a published lesion id; those that are needed, where it is not given.

    Returns:
        The facts with the further columns, and a sentence on each thing that the tables lack.

    Raises:
        DataError: A table is damaged, lists an image twice, or is of none of these images.
    """
    paths = files.find(pattern)
    if not paths:
        absent = [column for column in expected if column not in facts]
        unknown = f" Nothing is known of {', '.join(absent)}." + (f" {LEAK}" if "lesion_id" in absent else "")
        return facts, [f"{name}: there is no {pattern}.{unknown}"] if absent else []
    tables = some(path.name for path in paths)
    metadata = pd.concat([read_csv(path, (key,)) for path in paths], ignore_index=True).fillna("")
    metadata = renamed(metadata, {key: "image_id", **_METADATA})
    rows, wanted = metadata["image_id"].map(id_key), facts["image_id"].map(id_key)
    if rows.duplicated().any():
        raise DataError(
            f"{tables}: {int(rows.duplicated().sum())} image ids occur more than once "
            f"({some(metadata['image_id'][rows.duplicated()])}).",
            "Keep one row for each image.",
        )
    with_row, with_image = wanted.isin(rows), rows.isin(wanted)
    if not with_row.any():
        raise DataError(
            f"{tables}: none of the {len(rows):,} rows is of an image of {name}; ids there are such as "
            f"{some(metadata['image_id'], 2)}, those of the images {some(facts['image_id'], 2)}.",
            "Put the table there that belongs to these images, or take it away.",
        )
    notes = files.unused(paths, pattern)
    needed = pd.Series(True, facts.index) if needed is None else needed
    lost = ~with_row & needed
    if lost.any():
        notes.append(
            f"{name}: {int(lost.sum()):,} of the {len(wanted):,} images have no row in {tables}, such as "
            f"{some(facts['image_id'][lost], 3)}."
        )
    if not with_image.all():
        notes.append(
            f"{name}: rows of {tables} that are of none of the images: {int((~with_image).sum()):,} of {len(rows):,}, "
            f"such as {some(metadata['image_id'][~with_image], 3)}."
        )
    absent = [column for column in expected if column not in metadata and column not in facts]
    if absent:
        notes.append(f"{name}: {tables} has no column for {', '.join(absent)}.")
    columns = [column for column in _FACTS if column in metadata and column not in facts]
    joined = facts.assign(**{column: wanted.map(metadata.set_index(rows)[column]).fillna("") for column in columns})
    if "lesion_id" in expected:
        notes += without_lesion(joined[needed if grouped is None else grouped], name)
    return joined, notes


def read_isic2017(files: Files) -> Catalog:
    """Read ISIC 2017 (Codella et al., 2018): melanoma, seborrheic keratosis, and nevus where neither is set.

    Raises:
        DataError: The truth is missing or damaged, a row has both diagnoses, or no image was found.
    """
    parts = []
    for path in (paths := files.require("ISIC 2017 ground truth", *TABLES_2017)):
        if path.name.casefold() == "isic2017_labels.csv":
            frame = read_csv(path, ("image_id", "diagnosis"))
            diagnosis = parse_diagnoses(frame["diagnosis"].str.replace("_", " "), ("MEL", "NV", "BKL"), path.name)
            frame = renamed(frame, _METADATA)
            columns = [column for column in frame if column in _FACTS]
            facts = frame[["image_id", *columns]].assign(diagnosis=diagnosis)
        else:
            frame = read_csv(path, ("image_id", "melanoma", "seborrheic_keratosis"))
            values = frame[["melanoma", "seborrheic_keratosis"]].apply(numbers)
            one_hot = frame[["image_id"]].assign(
                MEL=values["melanoma"],
                BKL=values["seborrheic_keratosis"],
                NV=(values.sum(axis="columns") == 0).astype(float),
            )
            facts = frame[["image_id"]].assign(diagnosis=truth_from_one_hot(one_hot, ("MEL", "BKL", "NV"), path.name))
        parts.append(facts)
    joined, notes = _join_metadata(
        pd.concat(parts, ignore_index=True),
        files,
        "isic2017",
        "ISIC-2017_*_Data_metadata.csv",
        "image_id",
        ("age", "sex"),
    )
    if "lesion_id" in joined:
        notes += without_lesion(joined, "isic2017")
    return assemble(joined, files, "isic2017", notes=[*files.unused(paths, *TABLES_2017), *notes])


def read_isic2018_task1(files: Files) -> Catalog:
    """Read ISIC 2018 Task 1, lesion boundaries: images that have a mask, without diagnoses.

    Raises:
        DataError: There is no mask, or not one image of a mask.
    """
    folder = "ISIC2018_Task1"
    listed = {image: path for image, path in files.masks.items() if folder.casefold() in path.casefold()} or dict(
        files.masks
    )
    if not listed:
        raise DataError(
            f"There is no mask (<id>_segmentation.png) under {some(files.mask_roots, most=200)}.",
            "Unpack ISIC2018_Task1_Training_GroundTruth.zip there.",
        )
    return assemble(
        pd.DataFrame({"image_id": [masked_id(path) for path in listed.values()]}), files, "isic2018_task1", listed
    )


def read_isic2018_task3(files: Files) -> Catalog:
    """Read ISIC 2018 Task 3; `dataset` tells training, validation and test apart.

    The training images are HAM10000. The lesion groupings are joined where they are there.

    Raises:
        DataError: The truth is missing or damaged, or no image was found.
    """
    parts = []
    for path in (paths := files.require("ISIC 2018 Task 3 ground truth", *TABLES_2018_TASK3)):
        part = path.name.split("_")[2].lower()
        frame = read_csv(path, ())
        if "dx" in frame and "image" not in frame:  # as Dataverse publishes the test set, beside HAM10000
            frame = read_csv(path, ("image_id", "dx"))
            ids, diagnosis = frame["image_id"], parse_diagnoses(frame["dx"], HAM10000, path.name)
        else:
            frame = read_csv(path, ("image", *HAM10000))
            ids, diagnosis = frame["image"], truth_from_one_hot(frame, HAM10000, path.name)
        parts.append(pd.DataFrame({"image_id": ids, "dataset": f"isic2018_task3_{part}", "diagnosis": diagnosis}))
    facts = pd.concat(parts, ignore_index=True)
    # Lesions are published for the training set alone, which is all that is split.
    training = facts["dataset"] == "isic2018_task3_training"
    expected = ("lesion_id",) if training.any() else ()
    joined, notes = _join_metadata(
        facts, files, "isic2018_task3", "ISIC2018_Task3_*LesionGroupings.csv", "image", expected, training
    )
    return assemble(joined, files, "isic2018_task3", notes=[*files.unused(paths, *TABLES_2018_TASK3), *notes])


def read_isic2019(files: Files) -> Catalog:
    """Read ISIC 2019; the ids lose ``_downsampled``, and `dataset` says where a training image comes from.

    Training images are 'ham10000', 'bcn20000' (Combalia et al., 2019) or 'msk', by their lesion id; those of
    the test set are 'isic2019_test'. UNK, none of the eight diagnoses, is NA.

    Raises:
        DataError: The truth is missing or damaged, or no image was found.
    """
    parts = []
    for path in (paths := files.require("ISIC 2019 ground truth", *TABLES_2019)):
        frame = read_csv(path, ("image", *ISIC2019)).rename(columns={"unk": "UNK"})
        classes = (*ISIC2019, "UNK") if "UNK" in frame else ISIC2019
        truth = truth_from_one_hot(frame, classes, path.name)
        parts.append(
            pd.DataFrame(
                {
                    "image_id": frame["image"],
                    "dataset": path.name.split("_")[2].lower(),
                    "diagnosis": truth.mask(truth == "UNK"),
                }
            )
        )
    facts = pd.concat(parts, ignore_index=True)
    training = facts["dataset"] == "training"
    joined, said = _join_metadata(
        facts,
        files,
        "isic2019",
        "ISIC_2019_*_Metadata.csv",
        "image",
        ("lesion_id", "age", "sex", "site") if training.any() else ("age", "sex", "site"),
        grouped=training,
    )
    origin: pd.Series[str] | str = "msk"
    if "lesion_id" in joined:
        origin = known(joined["lesion_id"]).str[:4].str.upper().map(_ORIGINS).fillna("msk")
    joined["dataset"] = ("isic2019_" + joined["dataset"]).mask(training, origin)
    notes = [*files.unused(paths, *TABLES_2019), *said]
    if n := int(joined["diagnosis"].isna().sum()):
        notes.append(f"isic2019: {n:,} images of UNK, none of the eight diagnoses, have no diagnosis here.")
    return assemble(joined, files, "isic2019", notes=notes)
