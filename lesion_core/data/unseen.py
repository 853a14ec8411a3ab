"""Labelled images that a run never saw: all of a data folder's, less those that it learned from or was chosen on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lesion_core.config import ROLE_NAMES
from lesion_core.data.catalog import Roots, discover, folders_of, left_out, read
from lesion_core.data.csv_tables import some
from lesion_core.data.data_files import id_key
from lesion_core.data.tables import COLUMNS, Catalog
from lesion_core.errors import DataError

FITTED = ("train", "select", "calibrate")
"""Roles of images that a run's weights, epoch, temperature or thresholds hang on."""
REASONS: dict[str, str] = {
    "unreadable": "cannot be read",
    "own image": "are its own, by their id",
    "own lesion": "show one of its own lesions, by the lesion's id",
    "own pixels": "have the pixels of its own under other ids",
    "copy": "have the pixels of another image here",
    "own data set": "are from a data set that it was trained on, and its table does not tell on which images",
}
"""Why an image is left out, and how that goes on after *n images*."""
SHARING = ("isic2018_task3", "isic2019")
"""Layouts whose images may lie with those of other sets."""


def labelled_images(root: Roots) -> Catalog:
    """Every image that is there, of every data set in a data folder; what one set knows of an image is joined with
    what another knows.

    Raises:
        DataError: There is no data set, or one cannot be read; the sentence says which.
    """
    found = discover(root)
    if not found:
        raise DataError(
            f"There is no data set in {some(folders_of(root), most=200)} or a folder in it.",
            "Give a folder with a table of images and diagnoses, or with a folder of images for each diagnosis.",
        )
    tables, notes = [], list(left_out(root))
    for layout in reversed(found):  # ISIC 2019 tells apart what HAM10000 counts as one
        folders = [found[layout], *(found.values() if layout in SHARING else ())]
        catalog = read(layout, found[layout], image_roots=folders, mask_roots=folders)
        tables.append(catalog.present)
        notes += catalog.notes
    table = pd.concat(tables, ignore_index=True)
    ids = table["image_id"].map(id_key)
    joined = table.groupby(ids, sort=True).first()
    joined["other_diagnosis"] = joined["other_diagnosis"].mask(joined["diagnosis"].notna())
    return Catalog(joined.reset_index(drop=True)[list(COLUMNS)], (), tuple(dict.fromkeys(notes)))


@dataclass(frozen=True)
class Unseen:
    """Images with which a run can be measured, and those with which it cannot.

    Attributes:
        table: Catalog rows of the first, with `group`, the lesion.
        left_out: image_id and why (a key of `REASONS`) of the others.
    """

    table: pd.DataFrame
    left_out: pd.DataFrame

    def without(self, why: Mapping[str, str]) -> Unseen:
        """The same with further images left out: why, by image id."""
        gone = self.table["image_id"].isin(list(why))
        more = pd.DataFrame({"image_id": self.table["image_id"][gone], "why": self.table["image_id"][gone].map(why)})
        left = pd.concat([self.left_out, more.astype("str")], ignore_index=True)
        return Unseen(self.table[~gone].reset_index(drop=True), left)

    @property
    def sentences(self) -> list[str]:
        """What was left out, with numbers and examples."""
        said = []
        for why, meaning in REASONS.items():
            ids = self.left_out["image_id"][self.left_out["why"] == why]
            if len(ids):
                said.append(f"Left out, {len(ids):,} images that {meaning}: {some(ids, 3)}.")
        return said


def unseen(table: pd.DataFrame, listed: pd.DataFrame, content: Mapping[str, str]) -> Unseen:
    """Images that a run neither learned from nor was chosen on, each once.

    Images of its test set stay: no step of the training saw them.

    Args:
        table: Catalog rows.
        listed: What the run lists: image_id, lesion_id and split, a row per image.
        content: The content hash of each image that can be read, by image id.
    """
    fitted = listed[listed["split"].isin(FITTED)]
    ids = table["image_id"].map(id_key)
    own = ids.isin(fitted["image_id"].map(id_key))
    lesion = table["lesion_id"].isin(fitted["lesion_id"].dropna())
    pixels = table["image_id"].map(content)
    own_pixels = pixels.isin(pixels[own | lesion].dropna())
    reasons = pd.Series(pd.NA, table.index, dtype="str")
    for why, holds in (
        ("own image", own),
        ("own lesion", lesion),
        ("unreadable", pixels.isna()),
        ("own pixels", own_pixels),
        ("copy", pixels.duplicated() & pixels.notna()),
    ):
        reasons = reasons.mask(reasons.isna() & holds, why)
    rows = table.assign(group=table["lesion_id"].fillna(table["image_id"]))
    whole = Unseen(rows.reset_index(drop=True), pd.DataFrame({"image_id": [], "why": []}, dtype="str"))
    return whole.without(dict(zip(table["image_id"][reasons.notna()], reasons.dropna(), strict=True)))


def known_lesions(table: pd.DataFrame, known_as: pd.Series[str], listed: pd.DataFrame, name: str) -> list[str]:
    """A sentence on images of a run's own test set, and one on images without lesion id; none where there are none.

    Args:
        table: The images.
        known_as: The id by which the run has the pixels of each, where it has.
        listed: As in `unseen`.
        name: The run's.
    """
    said = []
    test = listed[listed["split"] == "test"]
    own = table["image_id"].isin(test["image_id"]) | table["lesion_id"].isin(test["lesion_id"].dropna())
    own |= known_as.notna().to_numpy()
    if own.any():
        said.append(f"{int(own.sum()):,} images are in the {ROLE_NAMES['test']} of {name} already; they stay.")
    if n := int(table["lesion_id"].isna().sum()):
        said.append(
            f"{n:,} of the {len(table):,} images have no lesion id, and each counts as a lesion: where several show "
            "one, the intervals are too narrow."
        )
    return said
