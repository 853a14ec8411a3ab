"""One table, written in every way that people and spreadsheets save it; then spoilt, and refused for the true cause."""

from __future__ import annotations

import csv
import io
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from pandas._libs.parsers import STR_NA_VALUES

from lesion_core.data.csv_tables import counted, is_missing, known, numbers, read_csv, some
from lesion_core.errors import DataError

HEADER = ["image", "MEL", "lesion_id", "site"]
ROWS = [
    ["ISIC_1", "1.0", "HAM_1", "Rücken"],
    ["ISIC_2", "0.0", "", 'left, "lower" arm; inside'],
    ["ISIC_3", "0.0", "#N/A", "-"],
]
REQUIRED = ("image", "MEL")


def written(separator: str = ",", newline: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """The table by Python's own writer."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=newline, quoting=quoting).writerows([HEADER, *ROWS])
    return out.getvalue()


def table(path: Path, data: bytes) -> Path:
    path = path / "table.csv"
    path.write_bytes(data)
    return path


def expected() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=HEADER, dtype="str")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_a_table_reads_the_same_however_it_is_saved(tmp_path: Path, encoding: str) -> None:
    for separator, newline, quoting, line in product(
        ",;\t|", ("\n", "\r\n", "\r"), (csv.QUOTE_MINIMAL, csv.QUOTE_ALL), (False, True)
    ):
        text = (f"sep={separator}{newline}" if line else "") + written(separator, newline, quoting)
        pd.testing.assert_frame_equal(read_csv(table(tmp_path, text.encode(encoding)), REQUIRED), expected())


def test_blanks_empty_lines_and_columns_of_nothing_change_nothing(tmp_path: Path) -> None:
    plain = written(newline="\n").splitlines()
    for lines in (
        ["", plain[0], "", *plain[1:], ",,,", ""],
        [plain[0].replace(",", " , "), *plain[1:]],
        [f"{line},," for line in plain],
        [f",{plain[0]}", *(f"{i},{line}" for i, line in enumerate(plain[1:]))],  # as pandas writes the rows' numbers
    ):
        pd.testing.assert_frame_equal(read_csv(table(tmp_path, "\n".join(lines).encode()), REQUIRED), expected())


@pytest.mark.parametrize(
    "header", ["image,MEL,lesion_id,site", "IMAGE,mel,Lesion_ID,Site", " Image , Mel,LESION_ID,sItE "]
)
def test_columns_are_found_whatever_their_case(tmp_path: Path, header: str) -> None:
    lines = [header, *written(newline="\n").splitlines()[1:]]
    assert list(read_csv(table(tmp_path, "\n".join(lines).encode()), REQUIRED).columns) == HEADER


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n\n", "is empty"),
        (b"sep=;\n", "is empty"),
        (b"image,MEL\n", "no rows"),
        (b"image\nISIC_1\n", "no column MEL"),
        (b"image,MEL\nISIC_1,1\nISIC_2", "ends in the middle of a row: line 3 has 1 of 2 cells"),
        (b"sep=,\nimage,MEL\nISIC_1,1\nISIC_2", "line 4 has 1 of 2"),
        (b"image,MEL\nISIC_1\nISIC_2,0\n", "a row that is cut off: line 2"),
        (b"image;MEL;age\nISIC_1;1\n", "line 2 has 2 of 3"),
        (b"image,MEL\nISIC_1,1,0\n", "more fields than its header names: line 2 has 3, the header 2"),
        (b'image,MEL\nISIC_1,1\nISIC_2,"1\nISIC_3,0\n', "line 3 a quote is never closed"),
        (b'image,MEL\nISIC_1,"a"b\n', "goes on after the closing quote"),
        (b"image,MEL\nISIC_1," + b"x" * 10**6, "more than 131,072 letters"),
        (b"image,MEL\nISIC_1,a\0b\n", "NUL character in line 2"),
        (b"image,MEL\nISIC_1,\x81\x02\n", "not text"),
        ("image,MEL\nISIC_1,1\n".encode("utf-16")[:-1], "not text in UTF-16"),
        (b"PK\x03\x04\0\0", "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1", "an old Excel workbook"),
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", "not a readable CSV"),
        (b"image,MEL,,age\nISIC_1,1,x,3\n", "a column without a name, the one at place 3"),
        (b",image,MEL\n7,ISIC_1,1\n", "a column without a name, the one at place 1"),
    ],
)
def test_a_refusal_names_the_true_cause(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_csv(table(tmp_path, data), REQUIRED)
    assert words in str(caught.value) and "table.csv" in str(caught.value) and len(str(caught.value)) < 400


def test_a_table_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path, b"image,MEL\n")
    with path.open("r+b") as file:
        file.truncate(2**40)  # takes no room
    with pytest.raises(DataError, match=r"has 1,048,576 MiB, and a table may have 256"):
        read_csv(path, REQUIRED)
    monkeypatch.setattr("lesion_core.data.csv_tables.MOST_CELLS", 10)
    for separator in ",;\t|":
        with pytest.raises(DataError, match=r"may have 11 cells, and a table may have 10"):
            read_csv(table(tmp_path, f"image{separator}MEL\n{separator * 9}".encode()), REQUIRED)
    assert len(read_csv(table(tmp_path, b"image,MEL\n" + b"a,1\n" * 3), REQUIRED)) == 3


@pytest.mark.parametrize("other", ["{}", " {}", "{} ", "{}  ", "\t{}"])
@pytest.mark.parametrize("column", ["image", "MEL", "extra"])
def test_a_column_twice_is_refused_but_for_blanks_and_case_too(tmp_path: Path, column: str, other: str) -> None:
    for name in {column, column.upper(), column.lower(), column.title()}:
        data = f"image,MEL,extra,{other.format(name)}\nISIC_1,1,a,b\n"
        with pytest.raises(DataError, match=rf"the column {column.lower()} twice"):
            read_csv(table(tmp_path, data.encode()), REQUIRED)


@pytest.mark.parametrize("shell", ["{}", " {} ", "<{}>", "({})", "[{}]", "#{}", "{}.", "'{}'"])
def test_missing_is_missing_however_it_is_written(shell: str) -> None:
    words = ["na", "n/a", "n.a.", "none", "null", "nil", "nan", "unknown", "unk", "not available", "missing", "-", "?"]
    for word in (*words, *(word.upper() for word in words), *(word.capitalize() for word in words)):
        assert is_missing(shell.format(word)), shell.format(word)


def test_missing_is_all_that_pandas_and_spreadsheets_call_so_and_no_id_or_diagnosis() -> None:
    errors = ["#N/A", "#NV", "#N/D", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#BEZUG!", "#¿NOMBRE?"]
    assert [text for text in (*STR_NA_VALUES, *errors, "–", "—", "...", "") if not is_missing(text)] == []
    given = [
        "HAM_0000001",
        "#12",
        "nv",
        "NV",
        "mel",
        "0",
        "-1",
        "45.0",
        "back",
        "other",
        "病変",
        "N1",
        "male",
        "m",
        "f",
    ]
    assert [text for text in given if is_missing(text)] == []
    assert known(pd.Series(["a", "-", "#N/A", None], dtype="str")).isna().tolist() == [False, True, True, True]


def test_numbers_have_a_point_or_a_comma() -> None:
    text = pd.Series(["45", "45.5", "45,5", "-0,25", "1.234,5", "1,2,3", "old", ""], dtype="str")
    assert numbers(text).fillna(-99).tolist() == [45.0, 45.5, 45.5, -0.25, -99, -99, -99, -99]


@pytest.mark.parametrize("cell", ["x" * 10**6, "\x1b]0;title\x07" * 50, "a\nb\r\u202e", "é" * 5000])
def test_foreign_text_in_a_sentence_is_short_and_harmless(cell: str) -> None:
    for sentence in (some([cell] * 50), some([cell], most=200), counted(pd.Series([f"{cell}{i}" for i in range(50)]))):
        assert len(sentence) < 300 and sentence.isprintable()
    assert some(range(7)) == "0, 1, 2, 3, 4, …" and some(range(5)) == "0, 1, 2, 3, 4"
