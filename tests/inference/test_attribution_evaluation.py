"""The attribution evaluation: its rows against the engine's own maps, its table's ways to be wrong, the command."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_core.analysis.attribution import attribution_summary
from lesion_core.data.masks import read_mask
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.explain.attribution import baseline_square
from lesion_core.imaging.decode import decode
from lesion_core.imaging.geometry import to_original
from lesion_core.inference.attribution import evaluate_attribution
from lesion_core.runs.attribution import COLUMNS, FILE, read_attribution, write_attribution
from lesion_core.runs.classifier import Run, open_run
from lesion_core.serving.classifier import Engine


@pytest.fixture(scope="module")
def test_table(trained: Any) -> pd.DataFrame:
    table = trained.collection.table
    return table[table["role"] == "test"].head(6)


@pytest.fixture(scope="module")
def found(small_run: Run, test_table: pd.DataFrame) -> pd.DataFrame:
    return evaluate_attribution(small_run, test_table, ["gradcam", "gradcam_pp"])


@pytest.fixture
def run_copy(small_run: Run, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(small_run.folder, tmp_path / "small")))


def test_a_row_is_what_the_engine_says(found: pd.DataFrame, small_run: Run, test_table: pd.DataFrame) -> None:
    engine = Engine(small_run)
    assert list(found.columns) == list(COLUMNS) and len(found) == 2 * len(test_table)
    for row in test_table.itertuples():
        image = decode(Path(row.path))
        mask = read_mask(Path(row.mask_path), image.shape[:2])
        told = found[(found["image_id"] == row.image_id) & (found["method"] == "gradcam")].iloc[0]
        answer = engine.predict(image).code
        heat = to_original(engine.explain(image, answer).heatmap, image.shape, engine.pipeline.frame(image))
        assert (told["answer"], told["label"], told["lesion_id"]) == (answer, row.diagnosis, row.group)
        assert told["inside"] == pytest.approx(heat[mask].sum() / heat.sum() if heat.any() else 0.0, abs=1e-5)
        assert 0 < told["area"] < 1 and 0 <= told["hair"] <= 1 and told["dark"] == 0


def test_the_deletion_area_is_that_of_the_page_s_curve(
    found: pd.DataFrame, small_run: Run, test_table: pd.DataFrame
) -> None:
    """Counted by another way: the engine's own answers, five squares at a time, and the mean of 20 trapezoids."""
    engine = Engine(small_run)
    for row in test_table.head(2).itertuples():
        image = decode(Path(row.path))
        square, answer = engine.pipeline.apply(image), engine.predict(image).code
        for method in ("gradcam", "gradcam_pp"):
            heat = engine.explain(image, answer, method=method).upsampled
            curve = [
                float(engine.answers(np.stack([covered(square, heat, step / 20)]), answer)[0]) for step in range(21)
            ]
            expected = np.mean([(a + b) / 2 for a, b in pairwise(curve)])
            told = found[(found["image_id"] == row.image_id) & (found["method"] == method)]["deletion"].item()
            assert told == pytest.approx(expected, abs=2e-3)


def covered(square: np.ndarray, heat: np.ndarray, share: float) -> np.ndarray:
    """A square with a share of its pixels, those of the highest values, in the colour of its rim."""
    left = [(-heat[y, x], y, x) for y in range(heat.shape[0]) for x in range(heat.shape[1])]
    result, skin = square.copy(), baseline_square(square, "skin")
    for _, y, x in sorted(left)[: round(share * len(left))]:
        result[y, x] = skin[y, x]
    return result


def test_what_is_known_is_not_measured_again_and_parts_are_told(
    found: pd.DataFrame, small_run: Run, test_table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesion_core.inference.attribution.PART", 1)
    known = found.copy()
    known.loc[0, "deletion"] = np.nan  # as a table of version 0.2 has it
    known = known.drop(index=3)
    parts: list[pd.DataFrame] = []
    progress: list[tuple[int, int]] = []
    again = evaluate_attribution(
        small_run,
        test_table,
        ["gradcam", "gradcam_pp"],
        lambda *told: progress.append(told),
        known=known,
        on_part=parts.append,
    )
    pd.testing.assert_frame_equal(again, found.loc[[0, 3]].reset_index(drop=True))
    assert progress == [(1, 2), (2, 2)] and [len(part) for part in parts] == [1, 2]
    whole = evaluate_attribution(small_run, test_table, ["gradcam"], known=found)
    assert whole.empty and list(whole.columns) == list(COLUMNS)
    fast = evaluate_attribution(small_run, test_table, ["gradcam", "gradcam_pp"], known=known, deletion=False)
    pd.testing.assert_frame_equal(fast, found.loc[[3]].assign(deletion=np.nan).reset_index(drop=True))


def test_a_summary_is_a_mean_by_group(found: pd.DataFrame) -> None:
    rows = found[found["method"] == "gradcam"]
    result = np.where(rows["label"] == rows["answer"], "right", "wrong")
    for by, groups in (("label", rows["label"]), ("result", result)):
        told = attribution_summary(rows, by, n=200).set_index("group")
        for group, own in rows.groupby(np.asarray(groups)):
            assert told.loc[group, "share"] == pytest.approx(own["inside"].mean())
            assert told.loc[group, "n"] == len(own) and told.loc[group, "peak"] == own["peak"].mean()
            low, high = told.loc[group, ["low", "high"]]
            assert np.isnan(low) or low <= told.loc[group, "share"] <= high


def test_it_is_kept_beside_the_run_and_new_rows_take_the_place_of_old_ones(run_copy: Run, found: pd.DataFrame) -> None:
    assert read_attribution(run_copy) is None
    write_attribution(run_copy, found)
    newer = found[found["method"] == "gradcam"].head(2).assign(inside=0.5)
    write_attribution(run_copy, newer)
    table = read_attribution(run_copy)
    assert table is not None and len(table) == len(found)
    both = found.merge(table, on=["image_id", "method"], suffixes=("", "_now"))
    changed = both["image_id"].isin(newer["image_id"]) & (both["method"] == "gradcam")
    assert (both["inside_now"] == both["inside"].where(~changed, 0.5)).all()
    assert open_run(run_copy.folder).fingerprint == run_copy.fingerprint, "the run itself stays what it was"


def test_a_table_of_another_run_is_no_answer(run_copy: Run, found: pd.DataFrame) -> None:
    found.assign(run="0123456789abcdef").to_parquet(run_copy.folder / FILE)
    assert read_attribution(run_copy) is None


def test_a_table_of_an_earlier_version_is_read_without_deletion(run_copy: Run, found: pd.DataFrame) -> None:
    found.drop(columns="deletion").to_parquet(run_copy.folder / FILE)
    table = read_attribution(run_copy)
    assert table is not None and len(table) == len(found) and table["deletion"].isna().all()


def test_damaged_tables_are_told(run_copy: Run, found: pd.DataFrame) -> None:
    path = run_copy.folder / FILE
    found.drop(columns="peak").to_parquet(path)
    with pytest.raises(RunError, match=r"lacks the column peak.*explain"):
        read_attribution(run_copy)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match="is damaged"):
        read_attribution(run_copy)
    write_attribution(run_copy, found)
    again = read_attribution(run_copy)
    assert again is not None and len(again) == len(found), "the remedy helps"


def test_what_cannot_be_evaluated_is_told(small_run: Run, test_table: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="No test image"):
        evaluate_attribution(small_run, test_table.head(0), ["gradcam"])
    with pytest.raises(ConfigError, match="no method"):
        evaluate_attribution(small_run, test_table, ["lime"])


def test_the_command_measures_says_and_goes_on(call: Any, run_copy: Run, data_root: Path) -> None:
    where = "explain", run_copy.folder, "--data", data_root
    code, out, err = call(*where, "--most", "4")
    assert code == 0, err
    assert "of the evidence inside the lesion" in out and FILE in out and "AUROC for a right answer" in out
    table = read_attribution(run_copy)
    assert table is not None and len(table) == 4 and table["lesion_id"].is_unique
    assert set(table["image_id"]) <= set(run_copy.part("test")["image_id"])
    write_attribution(run_copy, table.assign(hair=0.25))  # shows what is measured anew
    code, out, err = call(*where, "--most", "6", "--json")
    assert code == 0 and "4 maps were measured before and stay" in err
    more = read_attribution(run_copy)
    assert more is not None and len(more) == 6 and (more["hair"] == 0.25).sum() == 4
    assert set(table["image_id"]) < set(more["image_id"])
    assert {row["n"] for row in json.loads(out)["tells_right"]["gradcam"]} == {6}
    code, *_ = call(*where, "--most", "6", "--fresh")
    fresh = read_attribution(run_copy)
    assert code == 0 and fresh is not None and len(fresh) == 6 and (fresh["hair"] != 0.25).all()
