"""PAD-UFES-20 as Mendeley Data publishes it: photographs of lesions, taken with smartphones."""

from __future__ import annotations

from pathlib import Path

from lesion_core.data.csv_tables import read_csv, renamed
from lesion_core.data.data_files import Files
from lesion_core.data.tables import Catalog, assemble, parse_diagnoses, without_lesion
from lesion_core.labels import ISIC2019

TABLES = ("metadata.csv",)
COLUMNS = ("patient_id", "lesion_id", "img_id", "diagnostic")
"""By which its table is told from others of that name."""

_COLUMNS = {"img_id": "image_id", "region": "site", "gender": "sex", "age": "age"}


def read_pad_ufes_20(files: Files) -> Catalog:
    """Read PAD-UFES-20 (Pacheco et al., Data in Brief 32:106221, 2020). A lesion's id begins with its patient's.

    Raises:
        DataError: The metadata is missing or damaged, a diagnosis is unknown, or no image was found.
    """
    path = files.require("PAD-UFES-20 metadata", *TABLES)[0]
    frame = read_csv(path, (*COLUMNS, *_COLUMNS, "biopsed"))
    facts = renamed(frame, _COLUMNS)
    facts["diagnosis"] = parse_diagnoses(frame["diagnostic"], ISIC2019, path.name)
    facts["image_id"] = facts["image_id"].map(lambda name: Path(name).stem)  # stored as .png, and copied as .jpg
    facts["lesion_id"] = frame["patient_id"] + "_" + frame["lesion_id"]
    facts["dx_type"] = frame["biopsed"].str.casefold().map({"true": "histo", "false": "clinical"}).fillna("")
    return assemble(
        facts, files, "pad_ufes_20", notes=[*files.unused([path], *TABLES), *without_lesion(facts, "pad_ufes_20")]
    )


def patient_of(lesion_id: str) -> str:
    """The patient that a lesion of PAD-UFES-20 is of."""
    return lesion_id.rpartition("_")[0] or lesion_id
