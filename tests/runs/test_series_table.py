"""The table of series beside a run: what is written is read, beside the other one, and damage is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lesion_core.errors import RunError
from lesion_core.imaging.changes.sequences import FRAMES as OF_A_SEQUENCE
from lesion_core.imaging.changes.series import SERIES as KNOWN
from lesion_core.imaging.changes.series import length
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.robustness import CHANGED, CLEAN, FRAMES, SERIES, read_robustness, write_robustness
from tests.runs.tables import robustness_rows, series_rows


@pytest.fixture
def run(run_copy: Path) -> Run:
    return open_run(run_copy)


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys(SERIES.texts, str)).sort_values(SERIES.key, ignore_index=True)


def test_the_longest_series_fits() -> None:
    assert max(map(length, KNOWN)) == FRAMES == OF_A_SEQUENCE and CLEAN not in KNOWN


def test_what_is_written_is_read_beside_the_other_table(run: Run) -> None:
    assert read_robustness(run, SERIES) is None
    rows, changes = series_rows(run, 3), robustness_rows(run, 3)
    write_robustness(run, rows.sample(frac=1, random_state=1), SERIES)
    write_robustness(run, changes)
    found, others = read_robustness(run, SERIES), read_robustness(run)
    assert found is not None and others is not None and len(others) == len(changes)
    told, expected = comparable(found), comparable(rows)
    pd.testing.assert_frame_equal(told[sorted(told)], expected[sorted(told)], check_dtype=False, rtol=1e-3)
    write_robustness(run, series_rows(run, 2, ("rotate",)), SERIES)
    both = read_robustness(run, SERIES)
    assert both is not None and both["series"].value_counts().to_dict() == {
        CLEAN: 3,
        "symmetries": 24,
        "crops": 60,
        "rotate": 62,
    }
    assert {CHANGED.file, SERIES.file} <= {path.name for path in run.folder.iterdir()}


WRONG: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a table of changes": (lambda t: t.rename(columns={"series": "change", "place": "severity"}), "lacks the column"),
    "place 31": (lambda t: t.assign(place=t["place"].replace(19, 31)), "column place holds 31"),
    "a negative place": (lambda t: t.assign(place=t["place"].replace(19, -1)), "column place holds -1"),
    "an unchanged one of 3": (lambda t: t.assign(place=t["place"].where(t["series"] != CLEAN, 3)), "place 0"),
    "a member twice": (lambda t: pd.concat([t, t.iloc[[9]]]), "rows twice"),
    "another label": (lambda t: t.assign(label="AK"), "another label than predictions.parquet"),
    "other answers": (lambda t: t.assign(answer="VASC"), "answers that are not those of their logits"),
}
"""What is done to a table that could be the run's own, and what its sentence says."""


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_of_the_run_is_told(what: str, run: Run) -> None:
    change, said = WRONG[what]
    change(series_rows(run)).to_parquet(run.folder / SERIES.file, index=False)
    with pytest.raises(RunError, match=said) as told:
        read_robustness(run, SERIES)
    assert f"{SERIES.file} of {run.name}" in told.value.problem and "`consistency`" in told.value.remedy


def test_a_file_that_is_cut_off_is_told(run: Run) -> None:
    write_robustness(run, series_rows(run), SERIES)
    path = run.folder / SERIES.file
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match=r"is damaged.*`consistency`"):
        read_robustness(run, SERIES)
