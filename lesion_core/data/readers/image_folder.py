"""Any folder that holds one folder of images for each diagnosis."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesion_core.data.tables import Catalog, Files, assemble, counted
from lesion_core.errors import DataError
from lesion_core.labels import parse_diagnosis


def folder_diagnosis(name: str) -> str | None:
    """The diagnosis that a folder's name stands for ('nv', 'Basal_Cell-Carcinoma'), or None."""
    return parse_diagnosis(name) or parse_diagnosis(name.replace("_", " ").replace("-", " "))


def read_image_folder(files: Files) -> Catalog:
    """Read images whose folder is named by their diagnosis; an image's id is the stem of its file.

    Raises:
        DataError: There is no image, a folder's name is no known diagnosis, or an id occurs twice.
    """
    if not files.image_paths:
        raise DataError("There are no images.", "Choose the folder that holds one folder for each diagnosis.")
    paths = pd.Series([Path(path) for path in files.image_paths])
    folders = paths.map(lambda path: path.parent.name).astype("str")
    diagnoses = folders.map(folder_diagnosis)
    if diagnoses.isna().any():
        unknown = folders[diagnoses.isna()]
        raise DataError(
            f"The names of folders are no known diagnoses for {len(unknown)} of {len(paths)} images: "
            f"{counted(unknown)}.",
            "Name each folder by a diagnosis, such as NV or melanoma.",
        )
    stems = paths.map(lambda path: path.stem).astype("str")
    twice = stems.duplicated(keep=False)
    notes = []
    if twice.any():
        notes.append(f"{int(twice.sum())} images share the name of their file with another; their id has the folder.")
    ids = stems.mask(twice, paths.map(lambda path: _relative(path, files).with_suffix("").as_posix()))
    facts = pd.DataFrame({"image_id": ids, "diagnosis": diagnoses, "path": paths.astype("str")})
    return assemble(facts, files, "image_folder", notes=notes)


def _relative(path: Path, files: Files) -> Path:
    """The path below the folder that was searched."""
    root = next(root.absolute() for root in files.image_roots if path.is_relative_to(root.absolute()))
    return path.relative_to(root)
