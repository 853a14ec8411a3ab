"""The ISIC Archive as `isic-cli` downloads it: images with a metadata.csv next to them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesion_core.data.csv_tables import column_names, counted, known, read_csv, renamed
from lesion_core.data.data_files import Files
from lesion_core.data.tables import Catalog, assemble, without_lesion
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown
from lesion_core.labels import parse_diagnosis

TABLES = ("metadata.csv", "isic_metadata.csv")

LEVELS = ("diagnosis", "diagnosis_5", "diagnosis_4", "diagnosis_3", "diagnosis_2", "diagnosis_1")
"""From the deepest to the shallowest; `diagnosis` is how the archive wrote it before it had levels."""

_COLUMNS = {
    "isic_id": "image_id",
    "age_approx": "age",
    "anatom_site_general": "site",
    "diagnosis_confirm_type": "dx_type",
}


def is_archive(path: Path) -> bool:
    """Whether a table has the archive's column of ids; only its first lines are read."""
    return "isic_id" in map(str.casefold, column_names(path))


def read_credits(path: Path) -> dict[str, str]:
    """Whose each image is and under what licence, by id, of a table that has both; else nothing.

    Raises:
        DataError: The table is damaged.
    """
    frame = read_csv(path, ("isic_id",))
    if not {"attribution", "copyright_license"} <= set(frame.columns):
        return {}
    return {
        str(name): f"{shown(whose or 'unknown')}, {shown(licence)}"
        for name, whose, licence in zip(frame["isic_id"], frame["attribution"], frame["copyright_license"], strict=True)
        if licence
    }


def read_isic_archive(files: Files) -> Catalog:
    """Read the metadata of an ISIC Archive download.

    The diagnosis is the deepest level that is one of the known; an image whose levels are all outside
    the eight diagnoses keeps the deepest one's name. Clinical photographs and total-body tiles are left out.

    Raises:
        DataError: The metadata is missing or damaged, no diagnosis is known, or no image was found.
    """
    path = files.require("ISIC Archive metadata", *TABLES)[0]
    frame = read_csv(path, ("isic_id",))
    levels = [level for level in LEVELS if level in frame]
    if not levels:
        raise DataError(
            f"{shown(path.name)} has no column diagnosis or diagnosis_1 to diagnosis_5.",
            "Export the metadata again with isic-cli.",
        )
    notes = files.unused([path], *TABLES)
    if "image_type" in frame:
        other = known(frame["image_type"]).fillna("dermoscopic").str.lower() != "dermoscopic"
        if other.any():
            notes.append(
                f"{int(other.sum()):,} images that are not dermoscopic are left out: "
                f"{counted(frame['image_type'][other])}."
            )
            if other.all():
                raise DataError(
                    f"{shown(path.name)} has no dermoscopic image: {counted(frame['image_type'])}.",
                    "Export dermoscopic images from the archive.",
                )
            frame = frame[~other]
    codes = pd.DataFrame({level: frame[level].map(parse_diagnosis) for level in levels})
    facts = renamed(frame, _COLUMNS).assign(diagnosis=codes.bfill(axis="columns").iloc[:, 0])
    deepest = pd.DataFrame({level: known(frame[level]) for level in levels}).bfill(axis="columns").iloc[:, 0]
    unknown = facts["diagnosis"].isna() & deepest.notna()
    if unknown.any():
        if facts["diagnosis"].isna().all():
            raise DataError(
                f"{shown(path.name)} has unknown diagnoses in {int(unknown.sum()):,} of {len(frame):,} rows: "
                f"{counted(deepest[unknown])}.",
                "At least one must be one of the eight of ISIC 2019.",
            )
        notes.append(
            f"{int(unknown.sum()):,} images have a diagnosis that is none of the eight of ISIC 2019, and keep its "
            f"name: {counted(deepest[unknown])}."
        )
        facts = facts.assign(other_diagnosis=deepest.where(unknown))
    notes += without_lesion(facts, "isic_archive")
    return assemble(facts, files, "isic_archive", notes=notes)
