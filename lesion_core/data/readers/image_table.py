"""Any table that names an image and its diagnosis in each row, beside the images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lesion_core.data.csv_tables import column_names, is_missing, known, read_csv
from lesion_core.data.data_files import Files, id_key
from lesion_core.data.pictures import is_image
from lesion_core.data.tables import Catalog, assemble, named_diagnoses, without_lesion
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown

ENDINGS = (".csv", ".tsv", ".tab")
COLUMNS: dict[str, tuple[str, ...]] = {
    "image_id": (
        *("image_id", "image", "image_name", "isic_id", "img_id", "img", "image_path", "image_file", "filename"),
        *("file_name", "file", "path", "picture"),
    ),
    "diagnosis": ("diagnosis", "dx", "diagnostic", "diagnosis_full", "clinical_diagnosis", "label", "class"),
    "lesion_id": ("lesion_id", "lesion"),
    "age": ("age", "age_approx", "age_approximate"),
    "sex": ("sex", "gender"),
    "site": ("site", "anatom_site_general", "localization", "location", "region"),
    "dx_type": ("dx_type", "diagnosis_confirm_type"),
}
"""What tables call each column of a catalog; the first that is there counts. Of the last five any may be absent."""
NEEDED = ("image_id", "diagnosis")


def columns_of(names: Iterable[str]) -> dict[str, str]:
    """The columns of a table that stand for those of a catalog, by the catalog's name, whatever blanks and capitals.

    Example:
        >>> columns_of(["Image Name", "Diagnosis", "notes"])
        {'image_id': 'Image Name', 'diagnosis': 'Diagnosis'}
    """
    keys = {name.strip().casefold().replace(" ", "_").replace("-", "_"): name for name in names}
    return {ours: keys[own[0]] for ours, words in COLUMNS.items() if (own := [word for word in words if word in keys])}


def is_image_table(path: Path) -> bool:
    """Whether a file is a table with a column of images and one of diagnoses; only its first lines are read."""
    if path.suffix.casefold() not in ENDINGS or not path.is_file():
        return False
    return set(NEEDED) <= columns_of(column_names(path)).keys()


def read_image_table(files: Files) -> Catalog:
    """Read a table with a row per image: its file or id, its diagnosis, and what else it tells of `COLUMNS`.

    An image is found by its name, with or without folders and ending. Diagnoses that are none of ours keep their word.

    Raises:
        DataError: There is no such table, it is damaged, or no image was found.
    """
    tables = [path for path in files.tables if is_image_table(path)]
    if not tables:
        raise DataError(
            "There is no table with a column of images and one of diagnoses.",
            f"Name them image and diagnosis, in a file that ends in {', '.join(ENDINGS)}.",
        )
    path = tables[0]
    frame = read_csv(path, ())
    found = columns_of(map(str, frame.columns))
    facts = pd.DataFrame({ours: frame[own] for ours, own in found.items()})
    if (without := facts["image_id"].map(is_missing)).any():
        raise DataError(f"{shown(path.name)} has {int(without.sum()):,} rows without an image id.", "Correct them.")
    diagnoses, said = named_diagnoses(facts["diagnosis"], "image_table")
    cells = facts["image_id"].map(lambda cell: cell.replace("\\", "/"))
    facts["image_id"] = cells.map(lambda cell: Path(cell).stem if is_image(cell) else Path(cell).name)
    facts = facts.drop(columns="diagnosis").assign(**diagnoses, dataset="image_table")
    if facts["image_id"].map(id_key).duplicated().any():  # such as a/1.jpg and b/1.jpg
        facts["image_id"] = cells.map(lambda cell: str(Path(cell).with_suffix("")) if is_image(cell) else cell)
        here = {
            id_key(Path(image).relative_to(root.absolute()).as_posix()): image
            for root in files.image_roots
            for image in files.image_paths
            if Path(image).is_relative_to(root.absolute())
        }
        facts["path"] = cells.map(lambda cell: here.get(id_key(Path(cell).as_posix())))
    unused = files.unused([path], *(other.name for other in tables))
    if "lesion_id" in facts and "patient_id" in frame:  # PAD-UFES-20 gives a number to lesions of several patients
        lesion, patient = known(facts["lesion_id"]), known(frame["patient_id"])
        facts["lesion_id"] = (patient.fillna("") + "_").where(patient.notna(), "") + lesion
    return assemble(facts, files, "image_table", notes=[*unused, *said, *without_lesion(facts, "image_table")])
