"""Tables and folders of data sets, written in other ways, damaged, or not fitting together, and the right rows.

The tables are written by `csv` and by string operations; the right rows are the people that were made up.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from lesion_core.config import SplitSettings
from lesion_core.data.catalog import Catalog, read
from lesion_core.data.collection import Collection, collect
from tests.mutations import data_joins
from tests.mutations.data_sets import (
    DataSet,
    N,
    Person,
    Rng,
    any_set,
    archive,
    ham,
    isic2018,
    isic2019,
    pictures,
    written,
)
from tests.mutations.oracle import Input, Make, Part

MISSING = ("", "NA", "N/A", "#N/A", "-", "unknown", "None", "null", "nan", "?", "--")


def rows_are(
    data: DataSet, rows: list[Person] | None = None, missing: tuple[str, ...] = (), *, notes: bool = True
) -> Callable[[Any], str | None]:
    """Whether a catalog does not have these people; of the `missing` columns nothing is known. Without `notes`
    nothing may be told either."""
    expected = sorted(data.people if rows is None else rows, key=lambda p: p.image)

    def wrong(catalog: Catalog) -> str | None:
        table = catalog.table
        if list(table["image_id"]) != [p.image for p in expected]:
            return f"{len(table)} image ids for {len(expected)}: {list(table['image_id'])[:3]}"
        columns = {"diagnosis": "code", "lesion_id": "lesion", "age": "age", "sex": "sex", "site": "site"}
        for column, name in columns.items():
            if column != "diagnosis" and column not in data.sources:
                continue
            for value, person in zip(table[column], expected, strict=True):
                right: object = None if column in missing else getattr(person, name)
                if right is not None and column == "age":
                    right = float(str(right))
                if (None if pd.isna(value) else value) != right:
                    return f"{column} of {person.image} is {value!r} for {right!r}"
        if catalog.notes and not notes:
            return f"told without need: {catalog.notes}"
        lost = int(table["path"].isna().sum())
        return f"{lost} pictures were not found" if lost else None

    return wrong


def reading(data: DataSet, root: Path, note: str, **oracle: Any) -> Input:
    return Input(lambda: read(data.layout, root), note=f"{data.layout}, {note}", **oracle)


def subset_with_note(data: DataSet) -> Callable[[Any], str | None]:
    """Fewer rows are right where every one is right and the rest is told."""

    def wrong(catalog: Catalog) -> str | None:
        ids = set(catalog.table["image_id"])
        rows = [p for p in data.people if p.image in ids]
        if found := rows_are(data, rows)(catalog):
            return found
        return None if len(rows) == len(data.people) or catalog.notes else "rows are gone without a note"

    return wrong


# Written otherwise, and healthy ------------------------------------------------------------------------------------


def written_otherwise(rng: Rng, folder: Path) -> Input:
    """The separators, quotes, line ends and encodings of spreadsheets."""
    data = any_set(rng)
    table = [list(row) for row in data.table]
    note = []
    if rng.integers(2):
        order = rng.permutation(len(table[0]))
        table = [[row[i] for i in order] for row in table]
        note.append("columns shuffled")
    if rng.integers(2):
        table = [table[0], *(table[1 + i] for i in rng.permutation(N))]
        note.append("rows shuffled")
    if rng.integers(3) == 0:
        table[0] = [name.upper() if rng.integers(2) else f" {name} " for name in table[0]]
        note.append("header in capitals or with blanks")
    if rng.integers(3) == 0:
        table = [[*row, "comment" if i == 0 else "a note"] for i, row in enumerate(table)]
        note.append("one more column")
    if rng.integers(3) == 0:
        table = [["" if i == 0 else str(i - 1), *row] for i, row in enumerate(table)]
        note.append("numbers of rows")
    separator = (",", ";", "\t", "|")[rng.integers(4)]
    if separator == ";":
        table = [
            [cell.replace(".", ",") if cell.replace(".", "").isdecimal() else cell for cell in row] for row in table
        ]
    end = ("\n", "\r\n", "\r")[rng.integers(3)]
    quoting = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)[rng.integers(2)]
    text = written(table, separator, end=end, quoting=quoting)
    if rng.integers(3) == 0:
        text = f"sep={separator}{end}{text}"
    if rng.integers(3) == 0:
        text = text.rstrip("\r\n")
    if rng.integers(3) == 0:
        text += end * 3 + separator * (len(table[0]) - 1) + end
    encoding = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-le")[rng.integers(5)]
    raw = text.encode(encoding)
    if encoding == "utf-16" and rng.integers(2):
        raw = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    data.put(rng, folder, main=raw)
    return reading(
        data, folder, f"{separator!r} {end!r} {encoding} {note}", wrong=rows_are(data, notes=False), refusable=False
    )


def missing_is_missing(rng: Rng, folder: Path) -> Input:
    """A column in which nothing is known, however that is written."""
    data = (ham, archive)[rng.integers(2)](rng)
    head = data.table[0]
    name = ("lesion_id", "age", "sex")[rng.integers(3)]
    at = next(i for i, column in enumerate(head) if column.startswith(name))
    word = MISSING[rng.integers(len(MISSING))]
    data.put(rng, folder, main=written([head, *([*row[:at], word, *row[at + 1 :]] for row in data.table[1:])]))
    return reading(data, folder, f"{name} is {word!r}", wrong=rows_are(data, missing=(name,)), refusable=False)


def odd_folder(rng: Rng, folder: Path) -> Input:
    """What lies about in a folder and is no picture of the data set."""
    data = any_set(rng)
    data.put(rng, folder)
    what = int(rng.integers(8))
    some = data.people[0].image
    if what == 0:
        (folder / "__MACOSX" / "pictures").mkdir(parents=True)
        (folder / "__MACOSX" / "pictures" / f"._{some}.png").write_bytes(rng.bytes(100))
    elif what == 1:
        (folder / "pictures" / f"._{some}.png").write_bytes(b"")
    elif what == 2:
        (folder / "a" / f"{some}.png").mkdir(parents=True)
    elif what == 3:
        (folder / "loop").symlink_to(folder)
    elif what == 4:
        (folder / "gone.png").symlink_to(folder / "nowhere.png")
    elif what == 5:
        (folder / "pictures" / f"{some}_superpixels.png").write_bytes(
            (folder / "pictures" / f"{some}.png").read_bytes()
        )
    elif what == 6:
        (folder / "pictures" / "Thumbs.db").write_bytes(rng.bytes(100))
    else:
        (folder / "na\udce9vus.txt").write_bytes(b"x")
    return reading(data, folder, f"folder {what}", wrong=rows_are(data), refusable=False)


# Damaged -----------------------------------------------------------------------------------------------------------


def must_be_refused(rng: Rng, folder: Path) -> Input:
    """Tables of which no reading is right."""
    data = any_set(rng)
    head, body = list(data.table[0]), [list(row) for row in data.table[1:]]
    row = int(rng.integers(N))
    id_at = next(i for i, name in enumerate(head) if name in ("image_id", "image", "isic_id"))
    one_hot = head[1] in ("MEL", "NV", "melanoma")
    dx_at = 1 if one_hot else next(i for i, name in enumerate(head) if name in ("dx", "diagnosis"))
    what = int(rng.integers(13))
    text: str | bytes | None = None
    if what == 0:
        head = [*head, (head[id_at].upper(), f" {head[dx_at]}")[rng.integers(2)]]
        body = [[*cells, "other"] for cells in body]
    elif what == 1:
        drop = int(rng.choice((id_at, dx_at)))
        head, body = head[:drop] + head[drop + 1 :], [cells[:drop] + cells[drop + 1 :] for cells in body]
    elif what == 2:
        body[row] = body[row][: int(rng.integers(1, len(head)))]
    elif what == 3:
        body[row] = [*body[row], "more"]
    elif what == 4:
        body[row][id_at] = body[(row + 1) % N][id_at]
    elif what == 5:
        body[row][id_at] = MISSING[rng.integers(len(MISSING))]
    elif what == 6 and data.layout not in ("isic_archive", "image_table"):  # other diagnoses keep their word
        body[row][dx_at] = ("", "2", "0.5", "zebra", "\x1b[2J", "x" * 10**5, "=1+1", "nan")[rng.integers(8)]
    elif what == 7 and one_hot:
        body[row][1:] = [("0.0", "1.0")[rng.integers(2) or data.layout == "isic2017"]] * (len(head) - 1)
    elif what == 8:
        text = written([head])
    elif what == 9:
        text = (b"", b" \n ", b"\xef\xbb\xbf", b"PK\x03\x04" + rng.bytes(500), rng.bytes(3000), b"<html><body>",
                b"version https://git-lfs.github.com/spec/v1\n", b"PAR1" + rng.bytes(50))[rng.integers(8)]  # fmt: skip
    elif what == 10:
        body[row][id_at] += "\0"
    elif what == 11:
        text = written([head, *body]).replace(body[row][id_at], '"' + body[row][id_at], 1)
    else:
        body.insert(row, head)
        what = 12
    data.put(rng, folder, main=written([head, *body]) if text is None else text)
    return reading(data, folder, f"table {what}, row {row}")


def cut_off(rng: Rng, folder: Path) -> Input:
    """A table that ends anywhere: the rows that are there, and a note on the pictures that they lack, or a refusal."""
    data = any_set(rng)
    raw = written(data.table, end=("\n", "\r\n")[rng.integers(2)]).encode()
    at = int(rng.integers(0, len(raw)))
    data.put(rng, folder, main=raw[:at])

    def wrong(catalog: Catalog) -> str | None:
        found = subset_with_note(data)(catalog)
        # Letters of the last cell of the last row may be gone, which nobody can tell from a shorter word.
        return None if found and _last_only(found, data, raw[:at]) else found

    return reading(data, folder, f"cut at {at} of {len(raw)}", wrong=wrong)


def _last_only(found: str, data: DataSet, raw: bytes) -> bool:
    """Whether what differs is the last, incomplete cell of the last row that is there."""
    return any(p.image in found and p.image.encode() in raw.splitlines()[-1] for p in data.people)


def bytes_changed(rng: Rng, folder: Path) -> Input:
    """Single bytes are others: what is read is not more than what is there, and no traceback."""
    data = any_set(rng)
    raw = bytearray(written(data.table).encode())
    for at in rng.integers(0, len(raw), int(rng.choice((1, 3, 30)))):
        raw[at] = int(rng.choice((0, 9, 10, 13, 27, 34, 44, 59, 127, 128, 233, 255, int(rng.integers(256)))))
    data.put(rng, folder, main=bytes(raw))
    return reading(data, folder, "bytes changed", wrong=lambda c: None if len(c.table) <= N else f"{len(c.table)} rows")


def side_table(rng: Rng, folder: Path) -> Input:
    """The table beside the truth does not fit: what is lost is told, or it is refused."""
    data = (isic2018, isic2019)[rng.integers(2)](rng)
    assert data.beside is not None
    head, body = data.beside[1][0], [list(row) for row in data.beside[1][1:]]
    lesion = head.index("lesion_id")
    what = int(rng.integers(7))
    if what == 0:
        body = [["X" + row[0], *row[1:]] for row in body]
    elif what == 1:
        body = body[: int(rng.integers(1, N))]
    elif what == 2:
        head, body = [c for c in head if c != "lesion_id"], [row[:lesion] + row[lesion + 1 :] for row in body]
    elif what == 3:
        body = [[*row[:lesion], MISSING[rng.integers(len(MISSING))], *row[lesion + 1 :]] for row in body]
    elif what == 4:
        body.append(body[int(rng.integers(len(body)))])
    elif what == 5:
        body = [[("ISIC_9" + row[0][6:]) if i < 3 else row[0], *row[1:]] for i, row in enumerate(body)]
    else:
        head = [*head[:lesion], "lesion", *head[lesion + 1 :]]
    data.put(rng, folder, beside=written([head, *body]))

    def wrong(catalog: Catalog) -> str | None:
        told = [note for note in catalog.notes if "lesion" in note or "row" in note]
        return None if told else f"what the table lacks is not told: {catalog.notes}"

    return reading(data, folder, f"side table {what}", wrong=wrong)


# Whole collections -------------------------------------------------------------------------------------------------


def lesions_stay_together(rng: Rng, folder: Path) -> Input:
    """However the tables are written, no lesion is in two roles, and every picture has one."""
    data = isic2019(rng)
    assert data.beside is not None
    beside = [data.beside[1][0], *(data.beside[1][1 + i] for i in rng.permutation(N))]
    separator = (",", ";", "\t")[rng.integers(3)]
    root = folder / "isic2019"
    root.mkdir()
    data.put(rng, root, beside=written(beside, separator))

    def wrong(found: Collection) -> str | None:
        lesions = {p.image: p.lesion for p in data.people}
        roles = found.table.groupby(found.table["image_id"].map(lesions))["role"].nunique()
        if len(found.table) != N:
            return f"{len(found.table)} of {N} pictures"
        return f"{int((roles > 1).sum())} lesions in two roles" if (roles > 1).any() else None

    settings = SplitSettings(seed=int(rng.integers(100)))
    return Input(lambda: collect(folder, settings), wrong, False, note=f"collection, {separator!r}")


def folders_of_diagnoses(rng: Rng, folder: Path) -> Input:
    """Own folders: every picture once, whatever the folders' names and depth."""
    names = {
        "MEL": ("MEL", "melanoma", "Melanoma", "mel"),
        "NV": ("NV", "nevus", "nv"),
        "BCC": ("BCC", "Basal_Cell-Carcinoma"),
    }
    expected: dict[str, str] = {}
    tops = (("",), ("Train", "Test"), ("train", "val", "test"))[rng.integers(3)]
    deeper = ("", "images", "病変 $x$")[rng.integers(3)]
    for top in tops:
        for code, spelled in names.items():
            ids = [f"{top}{code}{i} [=_*".strip() for i in range(int(rng.integers(1, 4)))]
            place = folder / top / spelled[rng.integers(len(spelled))] / deeper
            pictures(rng, place, ids, (".png", ".JPG", ".jpeg", ".bmp")[rng.integers(4)])
            expected |= dict.fromkeys(ids, code)

    def wrong(catalog: Catalog) -> str | None:
        found = dict(zip(catalog.table["image_id"], catalog.table["diagnosis"], strict=True))
        return None if found == expected else f"{len(found)} pictures for {len(expected)}: {sorted(found)[:3]}"

    return Input(lambda: read("image_folder", folder), wrong, False, note=f"folders {tops} {deeper!r}")


KINDS: dict[str, Make] = data_joins.KINDS | {
    make.__name__: make
    for make in (
        written_otherwise, missing_is_missing, odd_folder, must_be_refused, cut_off, bytes_changed, side_table,
        lesions_stay_together, folders_of_diagnoses,
    )
}  # fmt: skip

PART = Part(KINDS)
