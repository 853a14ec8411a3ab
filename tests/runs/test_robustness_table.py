"""The table of a robustness evaluation: what is written is read, whatever is wrong with it is told, and it is small."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesion_core.errors import RunError
from lesion_core.imaging.changes.registry import CHANGES
from lesion_core.imaging.changes.registry import SEVERITIES as OF_THE_CHANGES
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.robustness import (
    CLEAN,
    COLUMNS,
    FILE,
    KEY,
    SEVERITIES,
    read_robustness,
    relative,
    write_robustness,
    write_stored,
)
from tests.runs.tables import robustness_rows

MOST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def copied(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(Path(shutil.copytree(small_run.folder, tmp_path_factory.mktemp("runs") / "small")))


@pytest.fixture
def run(copied: Run) -> Run:
    """One copy of the run for all, without a table."""
    path = copied.folder / FILE
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return copied


def put(run: Run, table: pd.DataFrame) -> None:
    """The table as another program might have written it."""
    table.to_parquet(run.folder / FILE, index=False)


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    plain = table.astype({name: str for name in COLUMNS if COLUMNS[name] == "texts"})
    return plain.sort_values(KEY, ignore_index=True)[sorted(plain.columns)]


def test_the_severities_are_those_of_the_changes() -> None:
    assert SEVERITIES == OF_THE_CHANGES and CLEAN not in CHANGES


def test_what_is_written_is_read_and_the_run_stays(run: Run) -> None:
    assert read_robustness(run) is None
    table = robustness_rows(run)
    write_robustness(run, table.sample(frac=1, random_state=1))
    found = read_robustness(run)
    assert found is not None
    pd.testing.assert_frame_equal(comparable(found), comparable(table), check_dtype=False, rtol=1e-3)
    assert open_run(run.folder).fingerprint == run.fingerprint
    assert (found["logit_MEL"].dtype, found["confidence"].dtype) == (np.float16, np.float16)


def test_new_rows_take_the_place_of_old_ones_and_others_stay(run: Run) -> None:
    first = robustness_rows(run, 3, ("hair",))
    write_robustness(run, first)
    write_robustness(run, robustness_rows(run, 4, ("pixelate",), seed=5))
    found = read_robustness(run)
    assert found is not None and found["change"].value_counts().to_dict() == {CLEAN: 4, "hair": 15, "pixelate": 20}
    newer = robustness_rows(run, 2, ("hair",), seed=7)
    write_robustness(run, newer)
    found = read_robustness(run)
    assert found is not None and found["change"].value_counts().to_dict() == {CLEAN: 4, "hair": 15, "pixelate": 20}
    told = found.astype({"image_id": str, "change": str}).set_index(KEY)["confidence"]
    expected = newer.set_index(KEY)["confidence"]
    assert told[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-3)


@pytest.mark.parametrize(
    "other",
    [
        lambda t: t.assign(backend="openvino"),
        lambda t: t.assign(temperature=9.0),
        lambda t: t.drop(columns="score_layer3_residual"),
    ],
)
def test_rows_of_another_kind_are_not_mixed(other: Callable[[pd.DataFrame], pd.DataFrame], run: Run) -> None:
    write_robustness(run, other(robustness_rows(run, 3, ("hair",))))
    write_robustness(run, robustness_rows(run, 3, ("pixelate",)))
    found = read_robustness(run)
    assert found is not None and set(found["change"]) == {CLEAN, "pixelate"}


def test_a_table_of_another_run_is_no_answer(run: Run) -> None:
    put(run, robustness_rows(run).assign(run="0123456789abcdef"))
    assert read_robustness(run) is None


def test_a_run_that_was_replaced_is_not_written(run_copy: Path) -> None:
    run = open_run(run_copy)
    table = robustness_rows(run)
    config = run.folder / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("2026", "2025"), encoding="utf-8")
    with pytest.raises(RunError):
        write_robustness(run, table)
    assert not (run.folder / FILE).exists()


WRONG: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    **{f"without {name}": (lambda t, name=name: t.drop(columns=name), f"lacks the column {name}") for name in COLUMNS},
    "without logits": (lambda t: t.drop(columns="logit_NV"), "lacks the column logit_NV"),
    **{
        f"{name} missing": (
            lambda t, name=name: t.assign(**{name: t[name].where(t.index != 2)}),
            f"column {name} has 1 missing|column {name} does not hold",
        )
        for name in (*COLUMNS, "logit_NV", "score_layer3_residual")
    },
    "numbers for texts": (lambda t: t.assign(answer=3), "column answer does not hold texts"),
    "texts for numbers": (lambda t: t.assign(confidence="high"), "column confidence does not hold numbers"),
    "halves of severities": (lambda t: t.assign(severity=t["severity"] + 0.5), "severity does not hold whole numbers"),
    "a row twice": (lambda t: pd.concat([t, t.iloc[[4]]]), "rows twice"),
    "severity 6": (lambda t: t.assign(severity=t["severity"].replace(5, 6)), "column severity holds 6"),
    "severity 0 of a change": (lambda t: t.assign(severity=t["severity"].replace(5, 0)), "changed images of severity"),
    "an unchanged one of 3": (lambda t: t.assign(severity=t["severity"].where(t["change"] != CLEAN, 3)), "of another"),
    "infinite logits": (lambda t: t.assign(logit_NV=-np.inf), "logit_NV holds -inf"),
    "a positive logit": (lambda t: t.assign(logit_NV=1.0), "logit_NV holds 1"),
    "infinite scores": (lambda t: t.assign(score_layer3_residual=np.inf), "holds inf"),
    "confidence over 1": (lambda t: t.assign(confidence=1.5), "column confidence holds 1.5"),
    "temperature 0": (lambda t: t.assign(temperature=0.0), "column temperature holds 0"),
    "unknown label": (lambda t: t.assign(label="FOO"), "column label holds FOO"),
    "unknown answer": (lambda t: t.assign(answer="FOO"), "column answer holds FOO"),
    "other answers": (lambda t: t.assign(answer=np.roll(t["answer"], 1)), "answers that are not those of their logits"),
    "one answer": (lambda t: t.assign(answer=turned(t, 7)), "answers that are not those of their logits"),
    "another confidence": (
        lambda t: t.assign(confidence=t["confidence"].where(t.index != 7, t["confidence"] * 0.9)),
        "confidences that are not those of their logits",
    ),
    "the logits of other images": (lambda t: permuted(t), "other answers than predictions.parquet"),
    "two labels of an image": (lambda t: t.assign(label=t["label"].where(t.index != 8, "AK")), "different things"),
    "another label": (lambda t: t.assign(label="AK"), "another label than predictions.parquet"),
    "another data set": (lambda t: t.assign(dataset="other"), "another dataset than predictions.parquet"),
    "lesions it was not tested on": (lambda t: t.assign(lesion_id="nobody"), "not tested on"),
}
"""What is done to a table that could be the run's own, and what its sentence says."""


def turned(table: pd.DataFrame, row: int) -> pd.Series:
    other = "NV" if table["answer"].iloc[row] == "MEL" else "MEL"
    return table["answer"].where(table.index != row, other)


def permuted(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that agree with themselves and are those of other images: classes in another order."""
    logits = [name for name in table.columns if name.startswith("logit_")]
    codes = [name.removeprefix("logit_") for name in logits]
    turn = dict(zip(codes, [*codes[1:], codes[0]], strict=True))
    moved = {f"logit_{turn[code]}": table[f"logit_{code}"] for code in codes}
    return table.assign(**moved, answer=table["answer"].map(turn))


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_of_the_run_is_told(what: str, run: Run) -> None:
    change, said = WRONG[what]
    put(run, change(robustness_rows(run)))
    with pytest.raises(RunError, match=said) as told:
        read_robustness(run)
    assert f"{FILE} of {run.name}" in told.value.problem and told.value.remedy
    write_robustness(run, robustness_rows(run))
    assert read_robustness(run) is not None, "the remedy helps"


def test_a_file_cut_off_anywhere_is_told(run: Run) -> None:
    write_robustness(run, robustness_rows(run))
    whole = (run.folder / FILE).read_bytes()
    for length in {0, 1, 4, 100, *range(0, len(whole), len(whole) // 9), len(whole) - 1}:
        (run.folder / FILE).write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"is damaged.*`robustness`"):
            read_robustness(run)


@pytest.mark.parametrize("kind", ["folder", "text"])
def test_what_is_no_table_is_told(kind: str, run: Run) -> None:
    path = run.folder / FILE
    path.mkdir() if kind == "folder" else path.write_text("image_id,answer\n")
    with pytest.raises(RunError, match="is damaged"):
        read_robustness(run)


def test_another_way_to_compute_may_differ_in_a_few_answers(run: Run) -> None:
    """OpenVINO's answers to a few unchanged images may be others, but not to many."""
    n = 3
    table = robustness_rows(run, n)
    table.loc[table["change"] == CLEAN] = permuted(table[table["change"] == CLEAN])
    put(run, table.assign(backend="openvino"))
    with pytest.raises(RunError, match="other answers"):
        read_robustness(run)


@pytest.mark.slow
def test_the_file_of_a_whole_evaluation_is_small(run: Run, tmp_path: Path) -> None:
    """600 images under every change at every severity, with scores and logits."""
    table = robustness_rows(run, 600, tuple(CHANGES))
    assert len(table) == 600 * (1 + len(CHANGES) * len(SEVERITIES))
    path = tmp_path / FILE
    write_stored(table, path)
    assert path.stat().st_size < MOST_BYTES, f"{path.stat().st_size:,} bytes"


def test_logits_are_minus_the_highest() -> None:
    assert relative(np.array([[2.0, 5.0], [1.0, 1.0]])).tolist() == [[-3.0, 0.0], [0.0, 0.0]]
