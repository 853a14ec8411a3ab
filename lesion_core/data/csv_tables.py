"""Tables of text as people and spreadsheets save them: read as they are, or refused for what is wrong with them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path

import pandas as pd

from lesion_core.errors import DataError
from lesion_core.foreign_text import shown

SEPARATORS = (",", ";", "\t", "|")
MOST_BYTES = 2**28
MOST_CELLS = 2**25
"""What a table may have; all of the ISIC Archive (550,000 images) has half of it."""
FIRST_BYTES = 2**16
"""What is read of a table to see its columns."""

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""The first line by which a spreadsheet is told the separator."""
_NOT_TEXT: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
)
_SAVE_AS = "Save it as CSV UTF-8, or download it again."

_MISSING = frozenset(
    {"na", "nan", "none", "null", "nil", "nd", "tbd", "1ind", "1qnan", "unk", "unknown", "missing", "blank", "empty"}
    | {"undefined", "undetermined", "unspecified", "unassigned", "unrecorded", "noid", "nolesionid"}
    | {f"not{word}" for word in ("available", "applicable", "known", "specified", "recorded", "given")}
)
"""What stands for a missing value, small and without anything but letters and digits."""
_SPREADSHEET_ERROR = re.compile(r"#(n/?[avd]|null|[¿¡]?[^\W\d_/]+(/0)?[!?])( n/a)?", re.IGNORECASE)
"""What a formula without a result leaves: #N/A, #REF!, #DIV/0!, #NAME?, in English or not (#NV, #BEZUG!)."""


@lru_cache(2**16)
def is_missing(text: str) -> bool:
    """Whether a cell says that nothing is known, however that is written.

    Example:
        >>> [is_missing(text) for text in ("", "-", "#N/A", "Not available", "<NA>", "HAM_0000001")]
        [True, True, True, True, True, False]
    """
    bare = text.strip()
    letters = re.sub(r"[\W_]+", "", bare).casefold()
    return not letters or letters in _MISSING or letters == "nana" or _SPREADSHEET_ERROR.fullmatch(bare) is not None


def known(text: pd.Series[str]) -> pd.Series[str]:
    """Text with what `is_missing` made NA."""
    return text.mask(text.map(is_missing, na_action="ignore").fillna(True).astype(bool))


def numbers(text: pd.Series[str]) -> pd.Series[float]:
    """Numbers of text, with a point or a comma before the decimals; NaN for what is not one."""
    pointed = text.astype("str").str.replace(r"^([+-]?\d+),(\d+)$", r"\1.\2", regex=True)
    parsed: pd.Series[float] = pd.to_numeric(pointed, errors="coerce").astype("float64")
    return parsed


def read_csv(path: Path, required: Iterable[str], most: int = MOST_BYTES) -> pd.DataFrame:
    """Read a table as text: every cell a stripped string, nothing guessed but how the file is written.

    That is: UTF-8, UTF-16 or Windows-1252 (the Latin-1 of spreadsheets); cells between commas, semicolons, tabs or
    bars, or what a first line ``sep=`` names. Empty lines are passed over, and so are columns without name that hold
    nothing or, first of all, the numbers of the rows.

    Args:
        path: The file.
        required: Columns that it must have, found whatever their case. They are returned as spelled here, the others
            in lower case.
        most: Bytes that it may have.

    Raises:
        DataError: The file is missing, too large, not text, not a table, empty, cut off, has a column twice or without
            a name, or lacks a required one.
    """
    name = shown(path.name)
    if path.is_dir():
        raise DataError(f"{shown(str(path), 200)} is a folder, and a table is a file.", "Move the folder away.")
    if not path.is_file():
        raise DataError(f"There is no table {shown(str(path), 200)}.", "Check the path.")
    if (size := path.stat().st_size) > most:
        raise DataError(
            f"{name} has {size >> 20:,} MiB, and a table may have {most >> 20:,}.",
            "Leave out what is not needed.",
        )
    text = _text(path.read_bytes(), name)
    if (cells := max(map(text.count, SEPARATORS)) + text.count("\n")) > MOST_CELLS:
        raise DataError(
            f"{name} may have {cells:,} cells, and a table may have {MOST_CELLS:,}.", "Leave out what is not needed."
        )
    if not text.strip():
        raise DataError(f"{name} is empty.", "Download it again.")
    if line := _SEPARATOR_LINE.match(text):
        separator, before, text = line[1], 1, text[line.end() :]
    else:
        separator, before = _separator(text, {_key(column) for column in required}), 0
    lines = [(before + number, row) for number, row in _rows(text, separator, name, before)]
    if not lines:
        raise DataError(f"{name} is empty.", "Download it again.")
    header, *rows = (row for _, row in lines)
    names = [_key(column) for column in header]
    for number, row in lines[1:]:
        if all(cell == name for cell, name in zip(map(_key, row), names, strict=False) if cell):
            raise DataError(f"{name} has its header again in line {number}.", "Delete that line.")
        if any(row[len(header) :]):
            raise DataError(
                f"{name} has rows with more fields than its header names: line {number} has {len(row)}, the header "
                f"{len(header)}.",
                f"A text or a number that holds the separator ({shown(separator)}) needs quotes.",
            )
        if len(row) < len(header):
            where = "ends in the middle of a row" if row is rows[-1] else "has a row that is cut off"
            raise DataError(f"{name} {where}: line {number} has {len(row)} of {len(header)} cells.", _SAVE_AS)
    columns = _columns(header, rows, required, name)
    if not rows:
        raise DataError(f"{name} has a header but no rows.", "Download it again.")
    return pd.DataFrame({column: pd.Series([row[i] for row in rows], dtype="str") for i, column in columns.items()})


def column_names(path: Path) -> list[str]:
    """The columns that the first line of a table names, of which only the first `FIRST_BYTES` are read; none where it
    is not a table."""
    try:
        with path.open("rb") as file:
            start = file.read(FIRST_BYTES)
        text = _text(start if len(start) < FIRST_BYTES else start[: start.rfind(b"\n") + 1], path.name)
        line = _SEPARATOR_LINE.match(text)
        text, separator = (text[line.end() :], line[1]) if line else (text, _separator(text, set()))
        return next((cells for _, cells in _rows(text, separator, path.name, 0)), [])
    except (DataError, OSError):
        return []


def renamed(frame: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Columns under our names; one that has our name already and is not what is meant makes room."""
    coming = {new for old, new in names.items() if old in frame and old != new}
    return frame.drop(columns=[column for column in frame if column in coming]).rename(columns=names)


def some(values: Iterable[object], limit: int = 5, most: int = 60) -> str:
    """A few of the values, for a sentence: at most `limit`, each of at most `most` letters."""
    return _listed([shown(str(value), most) for value in islice(values, limit + 1)], limit)


def counted(values: pd.Series[str], limit: int = 12) -> str:
    """The distinct values and how many rows each has, for a sentence."""
    counts = values.value_counts().head(limit + 1)
    return _listed([f"'{shown(str(value))}' ({n:,})" for value, n in counts.items()], limit)


def _listed(texts: Sequence[str], limit: int) -> str:
    """At most `limit` of the texts and about 200 letters, with an ellipsis for the rest."""
    ends = accumulate(len(text) + 2 for text in texts[:limit])
    fit = max(1, sum(end <= 200 for end in ends))
    return ", ".join(texts[:fit]) + (", …" if len(texts) > fit else "")


def _text(data: bytes, name: str) -> str:
    """The letters of a file.

    Raises:
        DataError: It is not text; the message says what it is instead, where that can be told.
    """
    for start, what in _NOT_TEXT:
        if data[: len(start)].lower() == start.lower():
            raise DataError(f"{name} is not a table of text but {what}.", _SAVE_AS)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data[1:200:2].count(0) > len(data[:200]) // 3:
        encoding = "utf-16-le"
    elif data[:200:2].count(0) > len(data[:200]) // 3:
        encoding = "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        try:
            # Bytes above 127 that are not UTF-8: a spreadsheet on Windows, unless what is not a letter tells otherwise.
            text = data.decode("cp1252") if encoding == "utf-8-sig" else "\0"
        except UnicodeDecodeError:
            text = "\0"
        if re.search(r"[\0-\x08\x0e-\x1f]", text):
            raise DataError(
                f"{name} is not a readable CSV table: byte {error.start:,} is not text in {encoding[:6].upper()}.",
                _SAVE_AS,
            ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{name} is not a readable CSV table: it has a NUL character in line {line:,}.", _SAVE_AS)
    return text


def _separator(text: str, required: set[str]) -> str:
    """What stands between the cells of the first line: what gives most of the required columns, then most columns."""

    def fit(separator: str) -> tuple[int, int]:
        try:
            header = next((row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row), [])
        except csv.Error:
            header = []
        return len(required & {_key(cell) for cell in header}), len(header)

    return max(SEPARATORS, key=fit)


def _rows(text: str, separator: str, name: str, before: int) -> Iterator[tuple[int, list[str]]]:
    """Lines of a table that are not empty, stripped, each with the number of its last line.

    Raises:
        DataError: A quote is not closed, or a cell is too long.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    number = 0
    try:
        for row in reader:
            number = reader.line_num
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield number, cells
    except csv.Error as error:
        cause = {
            "u": "a quote is never closed",
            "f": f"a cell has more than {csv.field_size_limit():,} letters, or a quote is never closed",
        }.get(str(error)[0], "a text in quotes goes on after the closing quote; a quote in a text must be doubled")
        raise DataError(
            f"{name} is not a readable CSV table: in line {before + number + 1:,} {cause}.", _SAVE_AS
        ) from None


def _key(column: str) -> str:
    """A column's name as it is compared: without regard to case and blanks."""
    return " ".join(column.split()).casefold()


def _columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], required: Iterable[str], name: str
) -> dict[int, str]:
    """The places and names of a table's columns.

    Raises:
        DataError: A name occurs twice or is empty, or a required one is missing.
    """
    spelled = {_key(column): column for column in required}
    keys = {i: _key(column) for i, column in enumerate(header)}
    for i in [i for i, key in keys.items() if not key]:
        cells = [row[i] for row in rows]
        if any(cells) and not (i == 0 and cells == [str(n) for n in range(len(cells))]):
            raise DataError(f"{name} has a column without a name, the one at place {i + 1}.", "Name it, or delete it.")
        del keys[i]
    seen = list(keys.values())
    if twice := {header[i]: None for i, key in keys.items() if seen.count(key) > 1}:
        which = some(dict.fromkeys(_key(column) for column in twice))
        raise DataError(
            f"{name} has the column {which} twice" + (f" ({some(twice)})" if len(twice) > 1 else "") + ".",
            "Keep one: names that differ in capitals or blanks only are the same.",
        )
    if absent := [column for key, column in spelled.items() if key not in seen]:
        raise DataError(
            f"{name} has no column {', '.join(absent)}.", f"Its columns are {some((header[i] for i in keys), 40)}."
        )
    return {i: spelled.get(key, key) for i, key in keys.items()}
