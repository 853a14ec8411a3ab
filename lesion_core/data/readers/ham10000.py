"""HAM10000 as Dataverse and Kaggle publish it."""

from __future__ import annotations

from lesion_core.data.csv_tables import read_csv, renamed
from lesion_core.data.data_files import Files
from lesion_core.data.tables import Catalog, assemble, parse_diagnoses, without_lesion
from lesion_core.labels import HAM10000

TABLES = ("HAM10000_metadata", "HAM10000_metadata.csv", "HAM10000_metadata.tab")

_COLUMNS = {
    "image_id": "image_id",
    "lesion_id": "lesion_id",
    "dx_type": "dx_type",
    "age": "age",
    "sex": "sex",
    "localization": "site",
}


def read_ham10000(files: Files) -> Catalog:
    """Read HAM10000 (Tschandl, Rosendahl and Kittler, Sci. Data 5:180161, 2018).

    Actinic keratoses and Bowen's disease are one class here, AKIEC.

    Raises:
        DataError: The metadata is missing or damaged, a diagnosis is unknown, or no image was found.
    """
    path = files.require("HAM10000 metadata", *TABLES)[0]
    frame = read_csv(path, ("dx", *_COLUMNS))
    # Dataverse's own column `dataset` names the sources within HAM10000.
    facts = renamed(frame, _COLUMNS).drop(columns="dataset", errors="ignore")
    facts["diagnosis"] = parse_diagnoses(frame["dx"], HAM10000, path.name)
    return assemble(
        facts, files, "ham10000", notes=[*files.unused([path], *TABLES), *without_lesion(facts, "ham10000")]
    )
