"""What every data set is read into: one catalog with one set of columns, and the checks on the way there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pandas as pd

from lesion_core.config import Role
from lesion_core.data.csv_tables import counted, is_missing, known, numbers, some
from lesion_core.data.data_files import Files, id_key, isic_id
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown
from lesion_core.labels import parse_diagnosis

COLUMNS: tuple[str, ...] = (
    "image_id",
    "lesion_id",
    "dataset",
    "path",
    "diagnosis",
    "dx_type",
    "age",
    "sex",
    "site",
    "mask_path",
    "other_diagnosis",
)
"""The columns of a catalog: text, but for `age` (years, float64)."""

ROLES: tuple[Role, ...] = get_args(Role)
"""What an image is for, in the order of the work: see `config.Role`."""

OFFICIAL_TEST = "isic2018_test"
"""The data set name of the official ISIC 2018 Task 3 test set."""

CORRUPTED = "changed test dermoscopy"
"""The source of test images that something is wrong with (`data.corruptions`): they are dermoscopy. Runs store it,
so it stays as it is."""

TO_CHOOSE_WITH = "to choose with"
"""The source of OOD images that scores and limits may be chosen with; no figure is of them."""

CLINICAL = CLOSE_UPS, PHONES = "clinical close-up", "smartphone photograph"
"""The kinds of OOD images that show a lesion without a dermatoscope."""

OLDEST = 120.0

_DX_TYPES: dict[str, str] = {
    "histo": "histo",
    "histopathology": "histo",
    "follow_up": "follow_up",
    "serial imaging showing no change": "follow_up",
    "consensus": "consensus",
    "single image expert consensus": "consensus",
    "single contributor clinical assessment": "clinical",
    "confocal": "confocal",
    "confocal microscopy with consensus dermoscopy": "confocal",
}


@dataclass(frozen=True)
class Catalog:
    """A data set as it was found.

    Attributes:
        table: One row per image, the columns of `COLUMNS`, sorted by image_id, which is unique. `diagnosis`
            is a code of `lesion_core.labels`; `path` and `mask_path` are absolute; `other_diagnosis` is the data set's
            own word where that is none of these codes. What is unknown is NA.
        missing: The ids that the tables list and no file was found for.
        notes: A sentence on each thing that was skipped or repaired.
    """

    table: pd.DataFrame
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> pd.DataFrame:
        """The rows that have an image."""
        return self.table[self.table["path"].notna()].reset_index(drop=True)


def parse_diagnoses(text: pd.Series[str], classes: Sequence[str], source: str) -> pd.Series[str]:
    """Class codes of diagnoses in words.

    Raises:
        DataError: One is none of the classes.
    """
    codes: pd.Series[str] = text.map(parse_diagnosis)
    unknown = ~codes.isin(classes)
    if unknown.any():
        raise DataError(
            f"{shown(source)} has unknown diagnoses in {int(unknown.sum()):,} of {len(text):,} rows: "
            f"{counted(text[unknown])}.",
            f"Choose one of {', '.join(code.lower() for code in classes)}.",
        )
    return codes


def named_diagnoses(text: pd.Series[str], name: str) -> tuple[pd.DataFrame, list[str]]:
    """Diagnoses in words, of which some may be none of ours: those keep their word.

    Args:
        text: A word for each image; one that `is_missing` is unknown.
        name: The data set, for the sentence.

    Returns:
        The columns `diagnosis` (a code) and `other_diagnosis` (a word), at most one of them known in each row, and a
        sentence on the words that are none of ours.
    """
    codes, words = text.map(parse_diagnosis), known(text)
    other = words.where(codes.isna())
    said = []
    if n := int(other.notna().sum()):
        said.append(
            f"{name}: {n:,} of the {len(text):,} images have a diagnosis that is none of the eight of ISIC 2019, and "
            f"keep its name: {counted(other.dropna())}."
        )
    return pd.DataFrame({"diagnosis": codes, "other_diagnosis": other}), said


def truth_from_one_hot(frame: pd.DataFrame, classes: Sequence[str], source: str) -> pd.Series[str]:
    """The one class of each row that is 1.

    Raises:
        DataError: A cell is neither 0 nor 1, or a row has none or several classes set.
    """
    values = frame[list(classes)].apply(numbers)
    ids = frame[frame.columns[0]]
    for wrong, what in (
        (~values.isin((0.0, 1.0)).all(axis="columns"), "a value that is neither 0 nor 1"),
        (values.sum(axis="columns") == 0, "no diagnosis set"),
        (values.sum(axis="columns") > 1, "more than one diagnosis set"),
    ):
        if wrong.any():
            raise DataError(
                f"{shown(source)} has {what} in {int(wrong.sum()):,} of {len(frame):,} rows ({some(ids[wrong])}).",
                "Each row needs exactly one 1.",
            )
    truth: pd.Series[str] = values.idxmax(axis="columns").astype("str")
    return truth


def assemble(
    facts: pd.DataFrame, files: Files, name: str, masks: Mapping[str, str] | None = None, notes: Sequence[str] = ()
) -> Catalog:
    """Make a catalog of the facts of a data set, and find the images.

    Args:
        facts: One row per image: `image_id`, and what there is of the other columns as text. A `path`
            given here is kept.
        files: Where images (and masks) were found.
        name: The data set, for messages, and for `dataset` where the facts have none.
        masks: Masks by `id_key`, if not those of `files`.
        notes: Sentences to put before those made here.

    Raises:
        DataError: There are no rows, an id is empty or occurs twice, or not one image was found.
    """
    said = [*files.notes, *notes]
    frame = facts.copy()
    frame["image_id"] = frame["image_id"].map(isic_id)
    if frame.empty:
        raise DataError(f"{name} has no rows.", "Choose a folder that holds data.")
    if (without := frame["image_id"].map(is_missing)).any() and "path" not in frame:
        raise DataError(f"{name} has {int(without.sum()):,} rows without an image id.", "Correct them.")
    keys = frame["image_id"].map(id_key)
    # Files that differ in case alone are two; in a table that is a slip.
    twice = frame["image_id"][(frame["image_id"] if "path" in frame else keys).duplicated()].unique()
    if len(twice):
        raise DataError(
            f"{name} lists {len(twice):,} image ids more than once ({some(twice)}).", "Keep one row for each image."
        )
    for column in ("lesion_id", "dx_type", "sex", "site", "other_diagnosis"):
        frame[column] = known(frame[column]) if column in frame else pd.Series(pd.NA, frame.index, dtype="str")
    frame["dataset"] = frame.get("dataset", name)
    if "diagnosis" not in frame:
        frame["diagnosis"] = pd.NA
    frame["age"] = _ages(frame, name, said)
    frame["sex"] = _sexes(frame["sex"], name, said)
    frame["site"] = frame["site"].str.lower()
    frame["dx_type"] = frame["dx_type"].str.lower().map(lambda value: _DX_TYPES.get(value, value), na_action="ignore")
    said += _disagreements(frame, name)
    if "path" not in frame:
        frame["path"] = keys.map(files.images.get)
        said += files.found_twice(frame["path"].dropna(), name, "images")
        said += _unlisted(files, set(keys), name)
    frame["mask_path"] = keys.map((files.masks if masks is None else masks).get)
    said += files.found_twice(frame["mask_path"].dropna(), name, "masks")
    said += _unmasked(frame, files, set(keys), name)
    text = {column: "str" for column in COLUMNS if column != "age"}
    table = frame[list(COLUMNS)].astype(text).sort_values("image_id", ignore_index=True)
    missing = tuple(table["image_id"][table["path"].isna()])
    found = [Path(path).name for path in files.image_paths[:2]]
    if len(missing) == len(table):
        raise DataError(
            f"{name}: none of the {len(table):,} images listed was found under {some(files.image_roots, most=150)}: "
            + (
                f"ids are such as {some(missing, 2)}, files such as {some(found, 2)}."
                if found
                else "no image is there."
            ),
            "Unpack the images there, or name the folders that hold them.",
        )
    if missing:
        said.append(
            f"{name}: {len(missing):,} of the {len(table):,} images listed were not found, such as {some(missing, 3)}."
        )
    return Catalog(table, missing, tuple(said))


LEAK = (
    "Without lesion ids images of one lesion can be trained on and tested on, a leak that flatters the test: only "
    "nearly identical ones are kept together."
)
"""What follows where no lesion id is known."""


def without_lesion(facts: pd.DataFrame, name: str) -> list[str]:
    """A sentence on images of which no lesion id is known, though the data set is published with them.

    Args:
        facts: One row per image that should have one: `image_id`, and `lesion_id` if there is such a column.
        name: The data set.
    """
    ids = known(facts["lesion_id"]) if "lesion_id" in facts else pd.Series(pd.NA, facts.index, dtype="str")
    without = ids.isna()
    if not without.any():
        return []
    if without.all():
        return [f"{name}: no image has a lesion id. {LEAK}"]
    n, examples = int(without.sum()), some(facts["image_id"][without], 3)
    return [f"{name}: {n:,} of the {len(facts):,} images have no lesion id, such as {examples}. {LEAK}"]


def _disagreements(frame: pd.DataFrame, name: str) -> list[str]:
    """A sentence on lesions whose images differ in what one person has once: an id may stand for 'not known'."""
    groups = frame[frame["lesion_id"].notna()].groupby("lesion_id")
    several = groups.size()[groups.size() > 1]
    differ = groups[["age", "sex", "site"]].nunique().loc[several.index].gt(1)
    wrong = several[differ.any(axis="columns")].sort_values(ascending=False, kind="stable")
    if wrong.empty:
        return []
    by_fact = ", ".join(f"{fact} in {int(n):,}" for fact, n in differ.sum().items() if n)
    examples = some((f"{shown(str(lesion))} ({n:,} images)" for lesion, n in wrong.items()), 3, 100)
    return [
        f"{name}: of {len(several):,} lesions with several images, {len(wrong):,} have images that disagree "
        f"({by_fact}), such as {examples}. Years may lie between images of a lesion, but an id that many share may "
        "stand for 'not known', and then it joins unrelated images."
    ]


def _unlisted(files: Files, listed: set[str], name: str) -> list[str]:
    """A sentence on images beside the tables that these do not list."""
    others = [path for key, path in files.images.items() if key not in listed and files.beside_tables(path)]
    if not others:
        return []
    examples = some((Path(path).name for path in others), 3)
    return [f"{name}: images that no table lists, and that are not used: {len(others):,}, such as {examples}."]


def _unmasked(frame: pd.DataFrame, files: Files, listed: set[str], name: str) -> list[str]:
    """Sentences on masks beside the tables that are of no image, and on images without one where most have one."""
    said = []
    others = [path for key, path in files.masks.items() if key not in listed and files.beside_tables(path)]
    if others:
        examples = some((Path(path).name for path in others), 3)
        said.append(f"{name}: masks that are of none of the images: {len(others):,}, such as {examples}.")
    without = frame["mask_path"].isna()
    if 0 < without.sum() < len(frame) / 2:
        examples = some(frame["image_id"][without], 3)
        said.append(f"{name}: {int(without.sum()):,} of the {len(frame):,} images have no mask, such as {examples}.")
    return said


def _ages(frame: pd.DataFrame, name: str, notes: list[str]) -> pd.Series[float]:
    """Ages in years; what is not an age becomes NA and a note."""
    if "age" not in frame:
        return pd.Series(float("nan"), frame.index)
    text = known(frame["age"])
    years = numbers(text)
    wrong = text.notna() & ~years.between(0.0, OLDEST)
    if wrong.any():
        notes.append(
            f"{name}: {int(wrong.sum())} ages that are not a number from 0 to {OLDEST:.0f} count as unknown: "
            f"{counted(text[wrong])}."
        )
    return years.mask(wrong)


def _sexes(text: pd.Series[str], name: str, notes: list[str]) -> pd.Series[str]:
    """'female', 'male' or NA; anything else becomes NA and a note."""
    sexes = text.str.lower().replace({"f": "female", "m": "male"})
    wrong = sexes.notna() & ~sexes.isin(("female", "male"))
    if wrong.any():
        notes.append(f"{name}: {int(wrong.sum())} values of sex count as unknown: {counted(text[wrong])}.")
    return sexes.mask(wrong)
