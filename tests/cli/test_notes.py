"""What was left out of the data reaches whoever starts a command that reads it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
import pytest

from lesion_core.errors import DataError
from lesion_core.runs.attribution import read_attribution, write_attribution
from lesion_core.runs.classifier import Run, open_run
from tests.data.test_elsewhere import milk
from tests.runs.tables import attributions

NOTE = "The folder second set (3 images) is laid out as none of the known data sets"


@pytest.fixture
def with_more(data_root: Path, tmp_path: Path) -> Path:
    """The synthetic data, and three images in a folder that is not a data set."""
    root = Path(shutil.copytree(data_root, tmp_path / "data"))
    (root / "second set").mkdir()
    for picture in sorted((data_root / "synthetic" / "HAM10000_images").iterdir())[:3]:
        shutil.copy(picture, root / "second set")
    return root


def test_evaluate_and_explain_tell_what_was_left_out(
    call: Any, run_copy: Path, segmenter_copy: Path, with_more: Path
) -> None:
    code, out, err = call("evaluate", run_copy, "--data", with_more, "--json", "--resamples", 100)
    assert code == 0 and NOTE in err and NOTE in " ".join(json.loads(out)["notes"])
    code, _, err = call("explain", run_copy, "--data", with_more, "--most", 2)
    assert code == 0 and NOTE in err
    options = ("--changed", "--change", "hair", "--severity", 1, "--resamples", 100, "--json")
    code, out, err = call("segment", "evaluate", segmenter_copy, "--data", with_more, *options)
    assert code == 0 and NOTE in err and NOTE in " ".join(json.loads(out)["notes"])


@pytest.mark.parametrize(
    ("command", "work"),
    [
        (["train", "--architecture", "resnet10", "--size", 32], "lesion_core.training.classifier.fit"),
        (["segment", "train"], "lesion_core.training.segmenter.fit_segmenter"),
        (["study", "leakage"], "lesion_core.experiments.trainings._trained"),
    ],
)
def test_trainings_tell_what_was_left_out_before_they_begin(
    call: Any, small_run: Run, with_more: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any, work: str
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise DataError("Enough.")

    monkeypatch.setattr(work, stop)
    if command[0] == "study":
        where = ["--settings", small_run.folder / "config.json", "--out", tmp_path / "experiments"]
    else:
        where = ["--runs", tmp_path / "runs"]
    code, out, err = call(*command, "--data", with_more, "--work", tmp_path / "work", *where)
    assert code == 1 and out == "" and NOTE in err and err.strip().endswith("Enough.")


def test_a_training_reads_several_folders(
    call: Any, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: object, table: pd.DataFrame, *__: object, **___: object) -> None:
        assert {"milk10k", "ham10000"} <= set(table["dataset"])
        raise DataError("Enough.")

    monkeypatch.setattr("lesion_core.training.classifier.fit", stop)
    milk(tmp_path / "elsewhere" / "milk")
    where = [
        "--data",
        data_root,
        "--data",
        tmp_path / "elsewhere",
        "--runs",
        tmp_path / "runs",
        "--work",
        tmp_path / "w",
    ]
    code, _, err = call("train", "--architecture", "resnet10", "--size", 32, *where)
    assert code == 1 and err.strip().endswith("Enough.")
    assert "milk10k: 2 of the 5 images have a diagnosis that is none of the eight" in err


def test_what_came_after_the_training_is_not_called_learned(
    call: Any, data_root: Path, run_copy: Path, small_run: Run, tmp_path: Path
) -> None:
    milk(tmp_path / "elsewhere" / "milk")
    more = ["--new-lesions", "--json"]
    made = attributions(small_run)
    write_attribution(open_run(run_copy), made)
    code, _, err = call("evaluate", run_copy, "--data", data_root, "--data", tmp_path / "elsewhere", *more)
    assert code == 0, err
    run = open_run(run_copy)
    train = run.part("train")
    assert run.config.scored_later == ("milk10k",) and "milk10k" in set(run.predictions["dataset"])
    assert set(run.learned["image_id"]) == set(small_run.part("train")["image_id"]) <= set(train["image_id"])
    card = (run_copy / "card.md").read_text(encoding="utf-8")
    assert "After the training came milk10k: no weight was learned from it" in card
    assert f"Trained on {len(small_run.part('train')):,} dermoscopic images" in card
    assert "came milk10k" not in (small_run.folder / "card.md").read_text(encoding="utf-8")
    found = read_attribution(run)  # the maps are those of the same weights
    assert found is not None
    pd.testing.assert_frame_equal(found, made.assign(run=run.fingerprint), check_dtype=False)
    # Scored once more it is as new as before.
    assert call("evaluate", run_copy, "--data", data_root, "--data", tmp_path / "elsewhere")[0] == 0
    assert open_run(run_copy).config.scored_later == ("milk10k",)


def test_new_lesions_of_a_source_that_it_learned_from_are_refused(
    call: Any, data_root: Path, run_copy: Path, tmp_path: Path
) -> None:
    """Else its card would call them learned."""
    own = Path(shutil.copytree(data_root, tmp_path / "data")) / "synthetic"
    known = pd.read_csv(own / "HAM10000_metadata.csv", dtype=str)["image_id"][0]
    for path in own.glob("*.csv"):
        table = pd.read_csv(path, dtype=str)
        image_id = "image_id" if "image_id" in table else "image"
        new = table[table[image_id] == known].assign(**{image_id: "ISIC_9999999"})
        new = new.assign(lesion_id="HAM_9999999") if "lesion_id" in new else new
        pd.concat([table, new]).to_csv(path, index=False)
    image = next(own.rglob(f"{known}.jpg"))
    pixels = cv2.imread(str(image))[::-1, :, ::-1]  # no near-duplicate of a lesion that it knows
    cv2.imwrite(str(image.with_name("ISIC_9999999.jpg")), pixels)
    before = (run_copy / "config.json").read_bytes()
    code, _, err = call("evaluate", run_copy, "--data", tmp_path / "data", "--new-lesions")
    assert code == 1, err
    assert "1 lesions that small never saw are of data sets that it learned from" in err
    assert (run_copy / "config.json").read_bytes() == before
