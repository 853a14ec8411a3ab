"""What every data set is read into: one catalog with one set of columns, and the checks on the way there."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pandas as pd

from lesion_core.config import Role
from lesion_core.data.pictures import MASK_ENDING, is_image, is_picture, listing
from lesion_core.errors import DataError
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
)
"""The columns of a catalog: text, but for `age` (years, float64)."""

ROLES: tuple[Role, ...] = get_args(Role)
"""What an image is for, in the order of the work: see `config.Role`."""

OFFICIAL_TEST = "isic2018_test"
"""The data set name of the official ISIC 2018 Task 3 test set."""

NEAR = "changed test dermoscopy"
"""The source of test images that something is wrong with (`data.corruptions`): they are dermoscopy."""

DOWNSAMPLED_ENDING = "_downsampled"
OLDEST = 120.0

_UNKNOWN = frozenset({"", "unknown", "unk", "na", "n/a", "nan", "none", "null", "not available"})
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
        table: One row an image, the columns of `COLUMNS`, sorted by image_id, which is unique. `diagnosis`
            is a code of `lesion_core.labels`; `path` and `mask_path` are absolute. What is unknown is NA.
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


@dataclass(frozen=True)
class Files:
    """The files of a data set: tables in order, images and masks by ISIC id."""

    roots: tuple[Path, ...]
    tables: tuple[Path, ...]
    images: Mapping[str, str]
    masks: Mapping[str, str]
    image_paths: tuple[str, ...]
    image_roots: tuple[Path, ...]
    mask_roots: tuple[Path, ...]

    def find(self, *patterns: str) -> list[Path]:
        """The tables whose name fits one of the patterns, each name once (the first found)."""
        found: dict[str, Path] = {}
        for table in self.tables:
            if any(table.match(pattern) for pattern in patterns):
                found.setdefault(table.name, table)
        return list(found.values())

    def require(self, what: str, *patterns: str) -> list[Path]:
        """As `find`, but none is an error.

        Raises:
            DataError: There is no such table.
        """
        if found := self.find(*patterns):
            return found
        raise DataError(
            f"There is no {what} ({' or '.join(patterns)}) under {some(self.roots)}.",
            "Unpack the download there, or name the folder that holds it.",
        )


def isic_id(stem: str) -> str:
    """The id that a file's stem stands for: without ISIC 2019's ``_downsampled``."""
    return stem.removesuffix(DOWNSAMPLED_ENDING)


def scan(roots: Sequence[Path], image_roots: Sequence[Path] = (), mask_roots: Sequence[Path] = ()) -> Files:
    """List the files of a data set, each folder once. Where an id is found twice, the first folder wins.

    Args:
        roots: Folders of the tables, and of all else that is not named.
        image_roots: Folders of the images.
        mask_roots: Folders of the lesion masks, ``<id>_segmentation.png``.

    Raises:
        DataError: A folder is not there.
    """
    listings = {root: listing(Path(root).absolute()) for root in dict.fromkeys((*roots, *image_roots, *mask_roots))}
    everything = [path for root in roots for path in listings[root]]
    tables = tuple(Path(path) for path in everything if not is_image(path))
    pictures = [path for root in image_roots or roots for path in listings[root] if is_picture(path)]
    images: dict[str, str] = {}
    for path in pictures:
        images.setdefault(isic_id(_stem(path)), path)
    masks: dict[str, str] = {}
    for path in (path for root in mask_roots or roots for path in listings[root] if is_image(path)):
        if _stem(path).endswith(MASK_ENDING):
            masks.setdefault(isic_id(_stem(path).removesuffix(MASK_ENDING)), path)
    return Files(
        tuple(roots), tables, images, masks, tuple(pictures), tuple(image_roots or roots), tuple(mask_roots or roots)
    )


def _stem(path: str) -> str:
    return path[path.rfind("/") + 1 : path.rfind(".")]


def read_csv(path: Path, required: Iterable[str]) -> pd.DataFrame:
    """Read a table as text: every cell a stripped string, nothing guessed.

    Raises:
        DataError: The file is missing, not text, not a table, empty, or lacks a required column.
    """
    if not path.is_file():
        raise DataError(f"There is no table {path}.", "Check the path.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
        if "\0" in header:
            raise UnicodeError
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep="\t" if "\t" in header else ",",
                dtype=str,
                na_filter=False,
                encoding="utf-8-sig",
                index_col=False,
            )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path.name} is empty.", "Download it again.") from None
    except (UnicodeError, pd.errors.ParserError):
        raise DataError(f"{path.name} is no readable CSV table.", "Download it again as UTF-8 text.") from None
    except pd.errors.ParserWarning:
        raise DataError(
            f"{path.name} has rows with more fields than its header names.",
            "A comma in a text needs quotes; download the table again.",
        ) from None
    frame.columns = frame.columns.str.strip()
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise DataError(f"{path.name} has the column {', '.join(twice)} twice.", "Keep one.")
    need_columns(frame, required, path.name)
    if frame.empty:
        raise DataError(f"{path.name} has a header but no rows.", "Download it again.")
    stripped: pd.DataFrame = frame.apply(lambda column: column.str.strip())
    return stripped


def need_columns(frame: pd.DataFrame, required: Iterable[str], name: str) -> None:
    """Refuse a table that lacks a column.

    Raises:
        DataError: It does; the message names the file and what it has.
    """
    absent = [column for column in required if column not in frame.columns]
    if absent:
        raise DataError(
            f"{name} has no column {', '.join(absent)}.", f"Its columns are {', '.join(map(str, frame.columns))}."
        )


def renamed(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Columns under our names; one that has our name already and is not what is meant makes room."""
    coming = {new for old, new in names.items() if old in frame and old != new}
    return frame.drop(columns=[column for column in frame if column in coming]).rename(columns=dict(names))


def parse_diagnoses(text: pd.Series[str], classes: Sequence[str], source: str) -> pd.Series[str]:
    """Class codes of diagnoses in words.

    Raises:
        DataError: One is none of the classes.
    """
    codes: pd.Series[str] = text.map(parse_diagnosis)
    unknown = ~codes.isin(classes)
    if unknown.any():
        raise DataError(
            f"{source} has unknown diagnoses in {int(unknown.sum())} of {len(text)} rows: {counted(text[unknown])}.",
            f"Known here are {', '.join(code.lower() for code in classes)}.",
        )
    return codes


def known(text: pd.Series[str]) -> pd.Series[str]:
    """Text with 'unknown', 'NA' and the like made NA."""
    return text.mask(text.str.lower().isin(_UNKNOWN))


def truth_from_one_hot(frame: pd.DataFrame, classes: Sequence[str], source: str) -> pd.Series[str]:
    """The one class of each row that is 1.

    Raises:
        DataError: A cell is neither 0 nor 1, or a row has none or several classes set.
    """
    values = frame[list(classes)].apply(pd.to_numeric, errors="coerce")
    ids = frame[frame.columns[0]]
    for wrong, what in (
        (~values.isin((0.0, 1.0)).all(axis="columns"), "a value that is neither 0 nor 1"),
        (values.sum(axis="columns") == 0, "no diagnosis set"),
        (values.sum(axis="columns") > 1, "more than one diagnosis set"),
    ):
        if wrong.any():
            raise DataError(
                f"{source} has {what} in {int(wrong.sum())} of {len(frame)} rows ({some(ids[wrong])}).",
                "Each row needs exactly one 1.",
            )
    truth: pd.Series[str] = values.idxmax(axis="columns").astype("str")
    return truth


def some(values: Iterable[object], limit: int = 5) -> str:
    """A few of the values, for a sentence."""
    listed = [str(value) for value in values]
    return ", ".join(listed[:limit]) + (", …" if len(listed) > limit else "")


def counted(values: pd.Series[str], limit: int = 12) -> str:
    """The distinct values and how many rows each has, for a sentence."""
    return some((f"'{value}' ({n})" for value, n in values.value_counts().items()), limit)


def assemble(
    facts: pd.DataFrame, files: Files, name: str, masks: Mapping[str, str] | None = None, notes: Sequence[str] = ()
) -> Catalog:
    """Make a catalog of the facts of a data set, and find the images.

    Args:
        facts: One row an image: `image_id`, and what there is of the other columns as text. A `path`
            given here is kept.
        files: Where images (and masks) were found.
        name: The data set, for messages, and for `dataset` where the facts have none.
        masks: Masks by id, if not those of `files`.
        notes: Sentences to put before those made here.

    Raises:
        DataError: There are no rows, an id is empty or occurs twice, or not one image was found.
    """
    said = list(notes)
    frame = facts.copy()
    frame["image_id"] = frame["image_id"].map(isic_id)
    if frame.empty:
        raise DataError(f"{name} has no rows.", "Choose a folder that holds data.")
    if (frame["image_id"] == "").any():
        raise DataError(f"{name} has {int((frame['image_id'] == '').sum())} rows without an image id.", "Correct them.")
    twice = frame["image_id"][frame["image_id"].duplicated()].unique()
    if len(twice):
        raise DataError(
            f"{name} lists {len(twice)} image ids more than once ({some(twice)}).", "Keep one row for each image."
        )
    for column in ("lesion_id", "dx_type", "sex", "site"):
        frame[column] = known(frame[column]) if column in frame else pd.Series(pd.NA, frame.index, dtype="str")
    frame["dataset"] = frame.get("dataset", name)
    if "diagnosis" not in frame:
        frame["diagnosis"] = pd.NA
    frame["age"] = _ages(frame, said)
    frame["sex"] = _sexes(frame["sex"], said)
    frame["site"] = frame["site"].str.lower()
    frame["dx_type"] = frame["dx_type"].str.lower().map(lambda value: _DX_TYPES.get(value, value), na_action="ignore")
    if "path" not in frame:
        frame["path"] = frame["image_id"].map(files.images.get)
    frame["mask_path"] = frame["image_id"].map((files.masks if masks is None else masks).get)
    text = {column: "str" for column in COLUMNS if column != "age"}
    table = frame[list(COLUMNS)].astype(text).sort_values("image_id", ignore_index=True)
    missing = tuple(table["image_id"][table["path"].isna()])
    if len(missing) == len(table):
        raise DataError(
            f"{name}: none of the {len(table)} images listed was found under {some(files.image_roots)}.",
            "Unpack the images there, or name the folders that hold them.",
        )
    if missing:
        said.append(f"{name}: {len(missing)} of the {len(table)} images listed were not found.")
    return Catalog(table, missing, tuple(said))


def _ages(frame: pd.DataFrame, notes: list[str]) -> pd.Series[float]:
    """Ages in years; what is no age becomes NA and a note."""
    if "age" not in frame:
        return pd.Series(float("nan"), frame.index)
    text = known(frame["age"])
    years: pd.Series[float] = pd.to_numeric(text, errors="coerce").astype("float64")
    wrong = text.notna() & ~years.between(0.0, OLDEST)
    if wrong.any():
        notes.append(
            f"{int(wrong.sum())} ages that are no number from 0 to {OLDEST:.0f} count as unknown: "
            f"{counted(text[wrong])}."
        )
    return years.mask(wrong)


def _sexes(text: pd.Series[str], notes: list[str]) -> pd.Series[str]:
    """'female', 'male' or NA; anything else becomes NA and a note."""
    sexes = text.str.lower().replace({"f": "female", "m": "male"})
    wrong = sexes.notna() & ~sexes.isin(("female", "male"))
    if wrong.any():
        notes.append(f"{int(wrong.sum())} values of sex count as unknown: {counted(text[wrong])}.")
    return sexes.mask(wrong)
