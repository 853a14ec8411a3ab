"""The history of a training: read as it was written, or told to be damaged; never a wrong chart."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.amounts import MOST
from lesion_core.errors import RunError
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.history import COLUMNS, PHASES, read_history
from lesion_core.runs.small_files import MOST_BYTES
from lesion_core.training.loop import History

HEADER = ",".join(COLUMNS)
ROWS = ["0,train,loss,1.60197", "0,select,loss,1.5", "0,select,auroc,0.862883", "1,train,loss,", "1,select,loss,1e-05"]
WHOLE = "\n".join((HEADER, *ROWS)) + "\n"
VALUES = [1.60197, 1.5, 0.862883, np.nan, 1e-05]


def read(content: bytes | str, folder: Path) -> pd.DataFrame:
    path = folder / "history.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_history(path, "history.csv of small")


def test_what_training_wrote_is_read_back(tmp_path: Path) -> None:
    kept = History()
    kept.rows = [
        {"epoch": epoch, "phase": phase, "metric": metric, "value": value}
        for epoch in range(3)
        for phase in PHASES
        for metric, value in (("loss", 10.0**epoch), ("accuracy", 0.25), ("learning_rate", 1e-12), ("auroc", np.nan))
    ]
    kept.table().to_csv(tmp_path / "history.csv", index=False, float_format="%.6g")
    pd.testing.assert_frame_equal(read_history(tmp_path / "history.csv", "it"), kept.table(), check_dtype=False)


ANOTHER_WAY: dict[str, Callable[[str], bytes]] = {
    "byte order mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without mark": lambda text: text.encode("utf-16-le"),
    "lines of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "no last line end": lambda text: text.rstrip().encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "quotes": lambda text: text.replace("loss", '"loss"').encode(),
    "capitals": lambda text: text.replace(HEADER, HEADER.upper()).encode(),
    "numbered rows": lambda text: "\n".join(
        f"{'' if i == 0 else i - 1},{line}" for i, line in enumerate(text.splitlines())
    ).encode(),
}


@pytest.mark.parametrize("way", ANOTHER_WAY)
def test_a_history_saved_another_way_is_the_same(way: str, tmp_path: Path) -> None:
    table = read(ANOTHER_WAY[way](WHOLE), tmp_path)
    assert list(table.columns) == list(COLUMNS)
    np.testing.assert_array_equal(table["value"], VALUES)
    assert (
        table["epoch"].tolist() == [0, 0, 0, 1, 1]
        and table["metric"].tolist() == ["loss"] * 2 + ["auroc"] + ["loss"] * 2
    )


DAMAGED: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "is empty"),
    "header alone": (HEADER + "\n", "a header but no rows"),
    "zeros": (bytes(200), "NUL"),
    "zeros at the end": (WHOLE.encode() + bytes(40), "NUL|cut off|middle of a row"),
    "not text": (b"\x89PNG\r\n\x1a\n\xff\xfe" * 9, "not a readable CSV"),
    "a column less": (WHOLE.replace(",value", ",worth"), "no column value"),
    "a column more": (
        "\n".join(line + ",1" for line in (HEADER + ",lr", *ROWS)).replace("lr,1", "lr"),
        "other columns",
    ),
    "a column twice": (
        "\n".join(f"0,{line}" for line in ("epoch", *ROWS)).replace("0,epoch", f"epoch,{HEADER}"),
        "twice",
    ),
    "header twice": (WHOLE + HEADER + "\n", "header again"),
    "ragged, longer": (WHOLE + "2,train,loss,1,1\n", "more fields"),
    "ragged, shorter": (WHOLE + "2,train,loss\n" + ROWS[0].replace("0", "3", 1) + "\n", "cut off"),
    "cut in a row": (WHOLE + "2,tra", "middle of a row"),
    "quoted line end": (WHOLE + '2,train,"lo\nss",1\n2,train,loss,"1\n2"\n', "is not a number"),
    "quote never closed": (WHOLE + '2,train,"loss,1\n', "never closed"),
    "text in a number": (WHOLE + "2,train,loss,low\n", "low is not a number"),
    "a number of two": (WHOLE + "2,train,loss,1 5\n", "1 5 is not a number"),
    "decimal comma": (WHOLE + '2,train,loss,"1,5"\n', "1,5 is not a number"),
    "hexadecimal": (WHOLE + "2,train,loss,0x10\n", "0x10 is not a number"),
    "other digits": (WHOLE + "2,train,loss,\u0661\n", "is not a number"),
    "NaN in words": (WHOLE + "2,train,loss,nan\n", "nan is not a number"),
    "infinite": (WHOLE + "2,train,loss,inf\n", "inf is not a number"),
    "huge": (WHOLE + "2,train,loss,1e400\n", "column value holds inf"),
    "digits without end": (WHOLE + f"2,train,loss,{'9' * 100_000}\n", "column value holds inf"),
    "a negative loss": (WHOLE + "2,train,loss,-1\n", "column value holds -1"),
    "a share over 1": (WHOLE + "2,select,accuracy,1.5\n", "column value holds 1.5"),
    "an epoch of parts": (WHOLE + "1.5,train,loss,1\n", "1.5 is not a whole number"),
    "an epoch before all": (WHOLE + "-1,train,loss,1\n", "-1 is not a whole number"),
    "an epoch missing": (WHOLE + ",train,loss,1\n", "is not a whole number"),
    "an epoch too far": (WHOLE + f"{MOST['epochs'] + 1},train,loss,1\n", "column epoch holds 1001"),
    "a huge epoch": (WHOLE + f"{'9' * 100_000},train,loss,1\n", "is not a whole number"),
    "another phase": (WHOLE + "2,test,loss,1\n", "column phase holds test"),
    "no phase": (WHOLE + "2,,loss,1\n", "column phase holds"),
    "no metric": (WHOLE + "2,train,,1\n", "figure without a name"),
    "a figure twice": (WHOLE + ROWS[0] + "\n", "1 rows twice"),
    "a pipe of bytes": (WHOLE + "x" * MOST_BYTES, "may have 16"),
    "a web page": ("<!doctype html><html>", "a web page"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_history_is_told(what: str, tmp_path: Path) -> None:
    content, message = DAMAGED[what]
    with pytest.raises(RunError, match=message) as told:
        read(content, tmp_path)
    assert "history.csv" in told.value.problem and len(told.value.problem) <= 360 and told.value.remedy


@given(
    st.integers(0, len(WHOLE)),
    st.sampled_from(["delete", "insert", "replace"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=3) | st.sampled_from(list(',;\t|"\n\r.-+e019 ')),
)
def test_one_change_anywhere_is_told_or_read_for_what_it_says(at: int, how: str, text: str) -> None:
    """Against the standard library: where a history comes out, its cells are those that stand there."""
    import csv
    import io
    import tempfile

    changed = WHOLE[:at] + ("" if how == "delete" else text) + WHOLE[at + (how != "insert") :]
    with tempfile.TemporaryDirectory() as folder:
        try:
            table = read(changed, Path(folder))
        except RunError:
            return
    rows = [row for row in csv.reader(io.StringIO(changed.lstrip("\ufeff"), newline="")) if any(map(str.strip, row))]
    assert [name.strip().casefold() for name in rows[0] if name.strip()] == list(COLUMNS)
    for (_, found), row in zip(table.iterrows(), rows[1:], strict=True):
        beyond = max(0, len(row) - 4)  # cells that are empty, at the end of a line or at its beginning
        cells = row[:4] if not any(map(str.strip, row[4:])) else row[beyond:]
        epoch, phase, metric, value = map(str.strip, cells)
        assert (found["epoch"], found["phase"], found["metric"]) == (int(epoch), phase, metric)
        np.testing.assert_equal(found["value"], float(value or "nan"))


def test_a_run_tells_of_its_damaged_history(run_copy: Path, small_run: Run) -> None:
    assert len(small_run.history) > 4
    (run_copy / "history.csv").write_text(WHOLE + "2,train,loss,low\n")
    with pytest.raises(RunError, match=r"history\.csv of small: low is not a number"):
        _ = open_run(run_copy, verify=False).history
