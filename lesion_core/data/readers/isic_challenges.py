"""The ISIC challenges of 2017, 2018 and 2019: the tables as published, joined with their metadata."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesion_core.data.tables import (
    Catalog,
    Files,
    assemble,
    need_columns,
    parse_diagnoses,
    read_csv,
    renamed,
    some,
    truth_from_one_hot,
)
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


def _join_metadata(facts: pd.DataFrame, paths: list[Path], key: str) -> pd.DataFrame:
    """Add what the metadata tables know of each image."""
    if not paths:
        return facts
    metadata = pd.concat([read_csv(path, (key,)) for path in paths], ignore_index=True).fillna("")
    metadata = renamed(metadata, {key: "image_id", **_METADATA})
    if metadata["image_id"].duplicated().any():
        raise DataError(
            f"{', '.join(path.name for path in paths)}: an image id occurs more than once.",
            "Keep one row for each image.",
        )
    columns = [column for column in _FACTS if column in metadata and column not in facts]
    return facts.merge(metadata[["image_id", *columns]], on="image_id", how="left").fillna(dict.fromkeys(columns, ""))


def read_isic2017(files: Files) -> Catalog:
    """Read ISIC 2017 (Codella et al., 2018): melanoma, seborrheic keratosis, and nevus where neither is set.

    Raises:
        DataError: The truth is missing or damaged, a row has both diagnoses, or no image was found.
    """
    parts = []
    for path in files.require("ISIC 2017 ground truth", *TABLES_2017):
        if path.name == "isic2017_labels.csv":
            frame = read_csv(path, ("image_id", "diagnosis"))
            diagnosis = parse_diagnoses(frame["diagnosis"].str.replace("_", " "), ("MEL", "NV", "BKL"), path.name)
            frame = renamed(frame, _METADATA)
            columns = [column for column in frame if column in _FACTS]
            facts = frame[["image_id", *columns]].assign(diagnosis=diagnosis)
        else:
            frame = read_csv(path, ("image_id", "melanoma", "seborrheic_keratosis"))
            values = frame[["melanoma", "seborrheic_keratosis"]].apply(pd.to_numeric, errors="coerce")
            one_hot = frame[["image_id"]].assign(
                MEL=values["melanoma"],
                BKL=values["seborrheic_keratosis"],
                NV=(values.sum(axis="columns") == 0).astype(float),
            )
            facts = frame[["image_id"]].assign(diagnosis=truth_from_one_hot(one_hot, ("MEL", "BKL", "NV"), path.name))
        parts.append(facts)
    joined = _join_metadata(
        pd.concat(parts, ignore_index=True), files.find("ISIC-2017_*_Data_metadata.csv"), "image_id"
    )
    return assemble(joined, files, "isic2017")


def read_isic2018_task1(files: Files) -> Catalog:
    """Read ISIC 2018 Task 1, lesion boundaries: images that have a mask, without diagnoses.

    Raises:
        DataError: There is no mask, or not one image of a mask.
    """
    folder = "ISIC2018_Task1"
    listed = {image: path for image, path in files.masks.items() if folder in path} or dict(files.masks)
    if not listed:
        raise DataError(
            f"There is no mask (<id>_segmentation.png) under {some(files.mask_roots)}.",
            "Unpack ISIC2018_Task1_Training_GroundTruth.zip there.",
        )
    return assemble(pd.DataFrame({"image_id": list(listed)}), files, "isic2018_task1", listed)


def read_isic2018_task3(files: Files) -> Catalog:
    """Read ISIC 2018 Task 3; `dataset` tells training, validation and test apart.

    The training images are HAM10000. The lesion groupings are joined where they are there.

    Raises:
        DataError: The truth is missing or damaged, or no image was found.
    """
    parts = []
    for path in files.require("ISIC 2018 Task 3 ground truth", *TABLES_2018_TASK3):
        part = path.name.removeprefix("ISIC2018_Task3_").removesuffix("_GroundTruth.csv").lower()
        frame = read_csv(path, ())
        if "dx" in frame and "image" not in frame:  # as Dataverse publishes the test set, beside HAM10000
            need_columns(frame, ("image_id",), path.name)
            ids, diagnosis = frame["image_id"], parse_diagnoses(frame["dx"], HAM10000, path.name)
        else:
            need_columns(frame, ("image", *HAM10000), path.name)
            ids, diagnosis = frame["image"], truth_from_one_hot(frame, HAM10000, path.name)
        parts.append(pd.DataFrame({"image_id": ids, "dataset": f"isic2018_task3_{part}", "diagnosis": diagnosis}))
    joined = _join_metadata(
        pd.concat(parts, ignore_index=True), files.find("ISIC2018_Task3_*LesionGroupings.csv"), "image"
    )
    return assemble(joined, files, "isic2018_task3")


def read_isic2019(files: Files) -> Catalog:
    """Read ISIC 2019; the ids lose ``_downsampled``, and `dataset` says where a training image comes from.

    Training images are 'ham10000', 'bcn20000' (Combalia et al., 2019) or 'msk', by their lesion id; those of
    the test set are 'isic2019_test'. UNK, none of the eight diagnoses, is NA.

    Raises:
        DataError: The truth is missing or damaged, or no image was found.
    """
    parts = []
    for path in files.require("ISIC 2019 ground truth", *TABLES_2019):
        frame = read_csv(path, ("image", *ISIC2019))
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
    joined = _join_metadata(pd.concat(parts, ignore_index=True), files.find("ISIC_2019_*_Metadata.csv"), "image")
    origin = "msk" if "lesion_id" not in joined else joined["lesion_id"].str[:4].map(_ORIGINS).fillna("msk")
    training = joined["dataset"] == "training"
    joined["dataset"] = ("isic2019_" + joined["dataset"]).mask(training, origin)
    notes = []
    if n := int(joined["diagnosis"].isna().sum()):
        notes.append(f"isic2019: {n} images of UNK, none of the eight diagnoses, have no diagnosis here.")
    return assemble(joined, files, "isic2019", notes=notes)
