"""Any folder that holds one folder of images for each diagnosis."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesion_core.data.csv_tables import counted
from lesion_core.data.data_files import Files
from lesion_core.data.tables import Catalog, assemble, named_diagnoses
from lesion_core.errors import DataError
from lesion_core.labels import parse_diagnosis

_BESIDE = frozenset((".txt", ".md", ".csv", ".tsv", ".tab", ".json", ".xml", ".html", ".db", ".ini"))
"""Endings of files that lie beside images and are none."""


def folder_diagnosis(name: str) -> str | None:
    """The diagnosis that a folder's name stands for ('nv', 'Basal_Cell-Carcinoma'), or None."""
    return parse_diagnosis(name)


def read_image_folder(files: Files) -> Catalog:
    """Read images that lie, at whatever depth, in a folder named by their diagnosis.

    An image's id is the stem of its file. What the folders of the diagnoses lie in, such as ``Train`` and ``Test``, is
    the `dataset`. A folder beside those of diagnoses is taken for another diagnosis, by its name; images in other
    places are left out and counted.

    Raises:
        DataError: There is no image, or none in a folder that is named by a diagnosis.
    """
    if not files.image_paths:
        raise DataError("There are no images.", "Choose the folder that holds one folder for each diagnosis.")
    paths = pd.Series([Path(path) for path in files.image_paths])
    inside = paths.map(lambda path: _diagnosis_folder(path, files))
    folders, outside = paths.map(lambda path: path.parent), inside.isna()
    among = {folder.parent for folder in inside.dropna().unique()}
    if outside.all():
        raise DataError(
            f"None of the folders of {len(paths):,} images is named by a known diagnosis: "
            f"{counted(folders.map(lambda folder: folder.name).astype('str'))}.",
            "Name each folder by a diagnosis, such as NV or melanoma.",
        )
    beside = outside & folders.map(lambda folder: folder.parent in among)
    inside, outside = inside.mask(beside, folders), outside & ~beside
    notes = []
    if outside.any():
        where = counted(folders[outside].map(files.below_roots).astype("str"), 4)
        notes.append(f"Images that are in no folder of a diagnosis, and not used: {int(outside.sum()):,}, in {where}.")
    notes += _unread(files)
    paths, inside = paths[~outside], inside[~outside]
    datasets = inside.map(lambda folder: _relative(folder.parent, files)).astype("str")
    if len(datasets.unique()) > 1:
        notes.append(
            f"The images are from {counted(datasets)}; `dataset` says which. These folders are not taken for roles: "
            "who trains deals the lesions anew."
        )
    stems = paths.map(lambda path: path.stem).astype("str")
    twice = stems.str.casefold().duplicated(keep=False)
    if twice.any():
        notes.append(f"{int(twice.sum()):,} images share the name of their file with another; their id has the folder.")
    longer = paths.map(lambda path: _relative(path.with_suffix(""), files)).astype("str")
    whole = paths.map(lambda path: _relative(path, files)).astype("str")  # such as a.jpg and a.png in one folder
    ids = stems.mask(twice, longer.mask(longer.str.casefold().duplicated(keep=False), whole))
    diagnoses, said = named_diagnoses(inside.map(lambda folder: folder.name).astype("str"), "image_folder")
    facts = diagnoses.assign(
        **{
            "image_id": ids,
            "dataset": datasets.replace(".", "image_folder"),
            "path": paths.astype("str"),
        }
    )
    return assemble(facts, files, "image_folder", notes=[*notes, *said])


def _unread(files: Files) -> list[str]:
    """A sentence on files in folders of diagnoses that may be images of formats that cannot be read."""
    unread = [path for path in files.tables if path.suffix.casefold() not in _BESIDE and _diagnosis_folder(path, files)]
    if not unread:
        return []
    endings = counted(pd.Series([path.suffix.casefold() or path.name for path in unread], dtype="str"), 4)
    return [f"Files in folders of diagnoses that are not of an image format that is read: {len(unread):,}, {endings}."]


def _root(path: Path, files: Files) -> Path:
    """The folder that was searched when a file was found."""
    return next(root.absolute() for root in files.image_roots if path.is_relative_to(root.absolute()))


def _relative(path: Path, files: Files) -> str:
    return path.relative_to(_root(path, files)).as_posix()


def _diagnosis_folder(path: Path, files: Files) -> Path | None:
    """The nearest folder around an image that is named by a diagnosis; the one that was searched counts only where
    the image lies in it directly."""
    root = _root(path, files)
    around = [folder for folder in path.parents if folder.is_relative_to(root) and folder != root]
    return next((folder for folder in around or [root] if folder_diagnosis(folder.name)), None)
