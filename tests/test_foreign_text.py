"""Foreign text in sentences and tables: everything can be seen, nothing is computed."""

from __future__ import annotations

import contextlib
import csv
import io
import pickle
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.config import RunSettings
from lesion_core.data.collection import collect
from lesion_core.data.csv_tables import read_csv
from lesion_core.data.splits import Manifest
from lesion_core.errors import LesionError
from lesion_core.files import file_to_write, folder_to_write
from lesion_core.foreign_text import LONGEST_PIECE, for_people, people_csv, sentence, spreadsheet_cell, visible
from lesion_core.imaging.decode import decode, decode_listed
from lesion_core.models.checkpoints import load_tensors
from lesion_core.runs.classifier import open_run
from lesion_core.runs.segmenter import open_segmenter

ANYTHING = st.text(st.characters(codec=None, categories=None) | st.sampled_from("=+-@\t\r\n '\"\u202e\udce9"))


@given(ANYTHING)
def test_visible_text_is_one_line_that_can_be_written(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert visible(shown) == shown, "what is shown is shown as it is"


def test_letters_stay() -> None:
    for text in ("病変 Übersicht.png", "مول‌ها", "👩‍⚕️", "a  b", "*_`$<&\\", "é"):
        assert visible(text) == text
    assert visible("a\r\n\t\x7f\u2028\u200e\udc80\U000e0041") == r"a\r\n\t\x7f\u2028\u200e\x80\U000e0041"
    assert sum(visible(chr(i)) == chr(i) for i in range(0x20, 0x7F)) == 95 and sys.maxunicode == 0x10FFFF


@given(st.lists(ANYTHING, min_size=1), st.lists(st.floats(), min_size=1))
def test_no_cell_is_computed(texts: list[str], numbers: list[float]) -> None:
    n = min(len(texts), len(numbers))
    texts = [text.encode("utf-8", "replace").decode() for text in texts[:n]]  # pandas holds no lone surrogates
    table = pd.DataFrame({"=head": texts, "n": numbers[:n], "kind": pd.Categorical(texts)}, index=texts)
    data = people_csv(table)
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert len(rows) == n + 1
    for cell in (cell for row in rows for cell in row):
        if cell[:1] in tuple("=+-@\t\r\n") and cell:
            float(cell)  # only numbers may begin so
    guarded = for_people(table)
    assert all(str(i)[:1] not in tuple("=@\t\r") for i in guarded.index if str(i))
    np.testing.assert_array_equal(guarded["n"], numbers[:n])


def test_what_is_guarded() -> None:
    for text in ("=1+1", "@SUM(1)", "+A1", "-A1", "--1", "  =1", "\t=1", "-1+2", "＝1", "-1 %x", "+", "-"):
        assert spreadsheet_cell(text) == f"'{visible(text)}"
    for text in ("-0.5", "+1e-3", "- a"[2:], "nevus", "a=b", "", "-.5", "-12 %"):
        assert spreadsheet_cell(text) == text
    given = pd.DataFrame({"text": ["=1", None], "number": [-1, 2]})
    assert for_people(given)["text"].tolist()[0] == "'=1" and given["text"].tolist()[0] == "=1"
    assert for_people(given)["text"].isna().tolist() == [False, True]
    assert for_people(given)["number"].tolist() == [-1, 2]


# Sentences of errors -------------------------------------------------------------------------------------------------

HOSTILE = {
    "long": "x" * 10**6,
    "long words": "ab cd " * 10**5,
    "terminal": "a\x1b[2J\x1b]0;title\x07b",
    "lines": "a\nb\r\n\tc\x0b\x0c\x85\u2028\u2029d",
    "NUL": "a\0b",
    "direction": "a\u202e\u2066gnp.exe",
    "surrogate": "a\udce9\ud800",
    "tags": "a" + "\U000e0041" * 10**5,
    "markdown": "*a* _b_ [c](http://d) `e` $f^2$ <img src=x onerror=alert(1)>",
    "formula": "=HYPERLINK(A1)",
    "marks": "a" + "\u0301" * 10**5,
}
"""What stands in names, cells and values of people who mean no good, or of their tools."""


def subclasses(kind: type[LesionError]) -> list[type[LesionError]]:
    return [kind, *(own for one in kind.__subclasses__() for own in subclasses(one))]


@pytest.mark.parametrize("kind", subclasses(LesionError))
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_error_is_short_and_harmless_whatever_its_writer_forgot(kind: type[LesionError], text: str) -> None:
    for problem, remedy in ((f"The table {text} is empty.", "Download it."), ("It is empty.", text), (text, text)):
        error = kind(problem, remedy)
        for told in (str(error), error.problem, error.remedy, str(error.again()), f"{error}", str(error.args[0])):
            assert len(told) <= 600 and told == visible(told)
            assert max(map(len, told.split())) <= LONGEST_PIECE
        sent = pickle.loads(pickle.dumps(error))
        assert (type(sent), sent.problem, sent.remedy) == (kind, error.problem, error.remedy)
        assert (error.again().problem, error.again().remedy) == (error.problem, error.remedy)
    told = str(kind(f"The table {text} is empty.", "Download it."))
    assert told.startswith("The table ") and told.endswith(" is empty. Download it.")


@given(ANYTHING, st.integers(LONGEST_PIECE, 400))
def test_a_sentence_is_not_shortened_twice(text: str, most: int) -> None:
    told = sentence(text * 50, most)
    assert sentence(told, most) == told and len(told) <= most
    assert sentence(text, most) == visible(text) or len(visible(text)) > LONGEST_PIECE


WITH_BLANKS = {
    "words": "q w " * 10**4,
    "one folder": "/" + "q w " * 60,
    "a path": "/q w" * 70 + "/q",
    "a long path": "/q w e" * 10**4 + "/q",
    "below this folder": "q" + "/q w" * 80 + "/q.png",
    "a path of Windows": "C:" + "\\q w" * 70 + "\\q",
    "quoted": "'" + "/q w" * 80 + "/q'",
    "lines": "q\nw " * 100,
}


@pytest.mark.parametrize("text", WITH_BLANKS.values(), ids=WITH_BLANKS)
def test_foreign_text_with_blanks_has_no_more_letters_than_one_without(text: str) -> None:
    """Where a writer forgot `shown`: paths, and whatever is longer than a sentence."""
    told = LesionError(f"There is nothing at {text}.", "Check it.").problem
    if len(text) > 2 * LONGEST_PIECE or text.count("/") + text.count("\\") > 1:
        assert len(told) <= LONGEST_PIECE + len("There is nothing at .")
    assert told.startswith("There is nothing at ")


NAMED: dict[str, Callable[[Path], object]] = {
    "a run": open_run,
    "a segmenter": open_segmenter,
    "an image": decode,
    "an image of a list": decode_listed,
    "a table": lambda path: read_csv(path, ["a"]),
    "settings": RunSettings.read,
    "a split": Manifest.read,
    "data": lambda path: collect(path, None),
    "weights": lambda path: load_tensors(path / "model.safetensors"),
    "a file to write": lambda path: file_to_write(path / "mine.json"),
    "a folder to write": lambda path: folder_to_write(path / "runs"),
}


@pytest.mark.parametrize("there", ["nothing", "a folder", "a file"])
@pytest.mark.parametrize("call", NAMED.values(), ids=NAMED)
def test_a_name_with_blanks_is_bounded_wherever_it_is_told(
    call: Callable[[Path], object], there: str, tmp_path: Path
) -> None:
    folder = tmp_path / ("q w " * 50 + "q") / ("q w " * 62 + "q.png")
    folder.parent.mkdir()
    if there == "a folder":
        folder.mkdir()
    elif there == "a file":
        folder.write_bytes(b"q w e")
    with contextlib.suppress(OSError):
        try:
            call(folder)
        except LesionError as error:
            assert max(map(len, re.findall(r"(?:\bq w )+", str(error))), default=0) <= LONGEST_PIECE
