"""The command line: what a person types, what is printed, and the exit code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from lesion_core.config import SplitSettings
from lesion_core.data.collection import collect
from lesion_core.data.splits import Manifest
from lesion_core.runs.classifier import Run, open_run, write_config
from lesion_core.runs.consistency import check_roles, open_consistent
from lesion_core.runs.segmenter import SegmenterRun

DOING = (" …", " epoch.", " epochs.")
"""How a line ends that tells what is being done."""


def refused(result: tuple[int, str, str], *message: str) -> None:
    """Exit code 1, no traceback, one sentence on standard error; before it only what was being done."""
    code, out, err = result
    assert code == 1 and out == ""
    *steps, told = err.strip().splitlines()
    assert "Traceback" not in err and not told.endswith(DOING) and all(step.endswith(DOING) for step in steps), err
    for text in message:
        assert text in err


def test_help_and_wrong_calls() -> None:
    """In a process of its own, as a person calls it."""
    for arguments, code, message in (
        (["--help"], 0, "synthesize"),
        (["fly"], 2, "No such command"),
        (["runs", "/nowhere"], 1, "There is no folder /nowhere."),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "lesion_core", *arguments],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            timeout=120,
        )
        assert done.returncode == code and message in done.stdout + done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["synthesize"],
        ["synthesize", "x", "--per-class", "0"],
        ["synthesize", "x", "--size", "8"],
        ["train"],
        ["train", "--data", "/nowhere"],
        ["train", "--data", "/tmp", "--epochs", "0"],
        ["evaluate"],
        ["evaluate", "x", "--resamples", "5"],
        ["predict", "x.jpg"],
        ["runs", "--yaml"],
    ],
)
def test_wrong_options_exit_2(call: Any, arguments: list[str]) -> None:
    code, out, err = call(*arguments)
    assert code == 2 and out == "" and "Traceback" not in err


@pytest.mark.slow
def test_synthesize_then_train_then_everything(call: Any, tmp_path: Path) -> None:
    """The way of the README, without a data set."""
    root = tmp_path / "data"
    code, out, _ = call("synthesize", root / "synthetic", "--per-class", 8, "--size", 48)
    assert code == 0 and "64 synthetic lesions" in out
    refused(call("synthesize", root / "synthetic"), "is not an empty folder")

    train = [
        "train",
        "--data",
        root,
        "--architecture",
        "resnet10",
        "--name",
        "try",
        "--epochs",
        1,
        "--size",
        32,
        "--batch-size",
        32,
        "--runs",
        tmp_path / "runs",
        "--work",
        tmp_path / "work",
    ]
    code, out, err = call(*train)
    assert code == 0 and f"The run is in {tmp_path / 'runs' / 'try'}." in out and "epoch 1/1: " in err
    run = open_run(tmp_path / "runs" / "try")
    assert Manifest.read(tmp_path / "work" / "try" / "split.csv").fingerprint == run.config.split_fingerprint
    assert run.config.settings.training.epochs == 1 and len(run.part("test")) and (run.folder / "card.md").is_file()

    code, out, err = call(*train, "--seed", 4)
    assert code == 1 and out == "" and "other settings" in err and "--fresh" in err and "Traceback" not in err


def test_what_cannot_be_scored_is_found_before_the_training(call: Any, data_root: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(data_root, tmp_path / "data"))
    (root / "ood" / "noise" / "broken.jpg").write_bytes(b"no picture")
    where = ["--data", root, "--runs", tmp_path / "runs", "--work", tmp_path / "work"]
    code, out, err = call("train", *where, "--architecture", "resnet10", "--size", 32)
    assert code == 1 and out == "" and "broken.jpg cannot be used" in err and "Traceback" not in err
    collection = collect(root, SplitSettings())
    (root / "ood" / "noise" / "broken.jpg").unlink()
    for role in ("calibrate", "test"):
        picture = Path(collection.table["path"][collection.table["role"] == role].iloc[0])
        good = picture.read_bytes()
        picture.write_bytes(good[:100])
        code, out, err = call("train", *where, "--architecture", "resnet10", "--size", 32)
        assert code == 1 and out == "" and picture.name in err and "Traceback" not in err
        picture.write_bytes(good)
    test = collection.table[collection.table["role"] == "test"].iloc[0]
    cv2.imwrite(test["mask_path"], 255 * np.eye(40, 90, dtype=np.uint8))
    code, out, err = call("segment", "train", *where)
    assert code == 1 and out == "" and "not show the same frame" in err and "Traceback" not in err
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--architecture", "vgg"], "There is no classifier 'vgg'"),
        (["--name", "a/b"], "name"),
        (["--settings", "none.json"], "There is no settings file"),
    ],
)
def test_settings_that_cannot_be(call: Any, data_root: Path, options: list[object], message: str) -> None:
    refused(call("train", "--data", data_root, *options), message)


def test_settings_files_that_cannot_be(call: Any, data_root: Path, small_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    for content, message in (
        (b"{", "mine.json is not valid JSON"),
        (b'{"split": {"seed": 1, "seed": 2}}', "mine.json: seed: it is there twice"),
        (b'{"settings": {"name": "a"}, "settings": {"name": "b"}}', "mine.json: settings: it is there twice"),
        (b"\xff\xfe\x00", "mine.json is not valid JSON"),
        (b"[1]", "mine.json: "),
        (b'{"settings": {"name": "x"}}', "model: Field required"),
    ):
        path.write_bytes(content)
        refused(call("train", "--data", data_root, "--settings", path), message)
    path.write_text(small_run.config.settings.to_json())
    refused(
        call("train", "--data", data_root, "--settings", path, "--epochs", 3, "--seed", 1),
        "--epochs, --seed cannot be given beside --settings.",
    )


def test_no_data_is_told(call: Any, tmp_path: Path) -> None:
    code, out, err = call("train", "--data", tmp_path, "--architecture", "resnet10")
    assert code == 1 and out == "" and "There is no ISIC 2019 ground truth" in err and "Traceback" not in err


def test_places_that_cannot_be_written_to_are_told(call: Any, small_run: Run, data_root: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    refused(call("synthesize", blocked / "data"), "file", "Check the path")
    refused(call("ood", "tune", "--run", small_run.folder, "--out", blocked / "policy.json"), "file")
    refused(call("train", "--data", data_root, "--runs", blocked / "runs"), "cannot be written to", "--runs")
    refused(call("segment", "train", "--data", data_root, "--runs", blocked), "cannot be written to", "--runs")


def test_evaluate_tells_every_view(call: Any, small_run: Run) -> None:
    code, out, _ = call("evaluate", small_run.folder, "--json", "--resamples", 100)
    found = json.loads(out)
    assert code == 0 and found["fingerprint"] == small_run.fingerprint
    assert set(found["views"]) == {"test", "ham10000", "binary", "binary_ham10000", "calibrate", "select"}
    test = found["views"]["test"]
    assert test["n"] == len(small_run.part("test"))
    for row in test["metrics"]:
        assert row["value"] is None or row["low"] is None or row["low"] <= row["value"] <= row["high"]
    code, out, _ = call("evaluate", small_run.folder, "--resamples", 100)
    assert code == 0 and "Test set" in out and "95 % interval" in out
    refused(call("evaluate", small_run.folder / "none"), "is not a run")


def test_evaluate_scores_again_and_mends(call: Any, run_copy: Path, data_root: Path, small_run: Run) -> None:
    (run_copy / "predictions.parquet").unlink()
    refused(call("evaluate", run_copy), "lacks predictions.parquet", "evaluate --data")
    for _ in range(2):
        code, out, _ = call("evaluate", run_copy, "--data", data_root, "--json", "--resamples", 100)
        assert code == 0 and json.loads(out)["views"]["test"]["n"] == len(small_run.part("test"))
        again = open_run(run_copy)
        assert again.config.quantization == small_run.config.quantization
        assert again.config.files["model.safetensors"] == small_run.config.files["model.safetensors"]


def test_evaluate_does_not_vouch_for_roles_that_are_not_the_split_s(call: Any, run_copy: Path, data_root: Path) -> None:
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    roles = table["split"].tolist()
    one, other = roles.index("train"), roles.index("test")
    roles[one], roles[other] = "test", "train"
    table.assign(split=roles).to_parquet(path, index=False)
    write_config(run_copy, open_run(run_copy, verify=False).config)
    before = path.read_bytes()
    for options in ((), ("--flips",)):
        refused(call("evaluate", run_copy, "--data", data_root, "--json", *options), "contradicts itself")
    assert path.read_bytes() == before


def test_new_images_of_known_lesions_are_in_the_split_from_then_on(
    call: Any, run_copy: Path, data_root: Path, small_run: Run
) -> None:
    path, config = run_copy / "predictions.parquet", small_run.config
    table = pd.read_parquet(path)
    later = table[table["lesion_id"].duplicated()].tail(1)  # of the run as it would be without it
    table = table.drop(later.index)
    table.to_parquet(path, index=False)
    role, own = later["split"].item(), Manifest.of_run(table).fingerprint
    counts = {**config.counts, role: config.counts[role] - 1}
    check_roles(write_config(run_copy, config.model_copy(update={"counts": counts, "split_fingerprint": own})))
    code, _, err = call("evaluate", run_copy, "--data", data_root, "--json", "--resamples", 100)
    assert code == 0 and "1 new images of lesions that small knows" in err
    again = open_consistent(run_copy)
    assert again.config.split_fingerprint == config.split_fingerprint != own


def test_evaluate_with_flips_changes_nothing(call: Any, small_run: Run, data_root: Path) -> None:
    before = {path.name: path.read_bytes() for path in small_run.folder.iterdir()}
    code, plain, _ = call("evaluate", small_run.folder, "--json", "--resamples", 100)
    code, out, _ = call("evaluate", small_run.folder, "--data", data_root, "--flips", "--json", "--resamples", 100)
    assert code == 0 and before == {path.name: path.read_bytes() for path in small_run.folder.iterdir()}
    views = {"test", "ham10000", "binary", "binary_ham10000"}
    assert set(json.loads(out)["views"]) == views, "select and calibrate are not scored anew"
    assert json.loads(out)["views"]["test"] != json.loads(plain)["views"]["test"]
    refused(call("evaluate", small_run.folder, "--flips"), "--data")
    refused(call("evaluate", small_run.folder, "--devices", 2), "--data")


@pytest.mark.slow
def test_evaluate_switches_equal_detail_on(
    call: Any, run_copy: Path, data_root: Path, small_run: Run, tmp_path: Path
) -> None:
    for _ in range(2):
        code, _, _ = call("evaluate", run_copy, "--data", data_root, "--detail", "--json", "--resamples", 100)
        found = open_run(run_copy).config
        assert code == 0 and found.detail_added and found.settings == small_run.config.settings.with_detail()
    assert found.files["model.safetensors"] == small_run.config.files["model.safetensors"]
    assert found.files["predictions.parquet"] != small_run.config.files["predictions.parquet"]
    text = (run_copy / "card.md").read_text()
    assert "switched on afterwards" in text and "before equal detail" in text
    assert text.split("## Make it again")[1].count("python -m lesion_core train --settings checkpoints/") == 1
    refused(call("evaluate", run_copy, "--detail"), "--data")
    refused(call("evaluate", run_copy, "--data", data_root, "--detail", "--flips"), "one after the other")
    # The one command of the card makes it again: trained without equal detail, scored with it.
    code, _, err = call(
        "train",
        "--settings",
        run_copy / "config.json",
        "--data",
        data_root,
        "--runs",
        tmp_path / "new",
        "--work",
        tmp_path / "work",
    )
    assert code == 0, err
    again = open_run(tmp_path / "new" / small_run.name)
    assert again.config.detail_added and again.config.settings == found.settings
    pd.testing.assert_frame_equal(again.history, small_run.history, rtol=1e-3)
    assert "before equal detail" not in again.card


def without(root: Path, target: Path, gone: list[str]) -> Path:
    """A copy of a data folder without some images."""
    copied = Path(shutil.copytree(root, target))
    for image_id in gone:
        (path,) = copied.glob(f"synthetic/*/{image_id}.jpg")
        path.unlink()
    return copied


@pytest.mark.slow
def test_a_training_takes_the_split_of_a_run(call: Any, small_run: Run, data_root: Path, tmp_path: Path) -> None:
    own = small_run.config.settings
    settings = own.model_copy(update={"name": "again", "split": own.split.model_copy(update={"seed": 1})})
    assert collect(data_root, settings.split).manifest.fingerprint != small_run.config.split_fingerprint
    (tmp_path / "again.json").write_text(settings.to_json())
    code, _, err = call(
        "train", "--settings", tmp_path / "again.json", "--split-of", small_run.folder, "--data", data_root,
        "--runs", tmp_path / "runs", "--work", tmp_path / "work",
    )  # fmt: skip
    assert code == 0, err
    made = open_run(tmp_path / "runs" / "again").predictions.set_index("image_id")["split"]
    assert made.to_dict() == small_run.predictions.set_index("image_id")["split"].to_dict()


def test_a_training_learns_from_a_run(call: Any, small_run: Run, data_root: Path, tmp_path: Path) -> None:
    own = small_run.config.settings
    taught = own.training.model_copy(update={"teachers": (small_run.folder.name,), "distillation": 0.7})
    settings = own.model_copy(update={"name": "pupil", "training": taught})
    (tmp_path / "pupil.json").write_text(settings.to_json())
    given = (
        "train", "--settings", tmp_path / "pupil.json", "--split-of", small_run.folder, "--data", data_root,
        "--runs", tmp_path / "runs", "--work", tmp_path / "work",
    )  # fmt: skip
    refused(call(*given), "name teachers", "--weights-folder")
    code, _, err = call(*given, "--weights-folder", small_run.folder.parent)
    assert code == 0, err
    assert (
        f"learned from the answers of {small_run.folder.name} too, which count 70 %"
        in open_run(tmp_path / "runs" / "pupil").card
    )


def test_evaluate_refuses_other_pictures_under_the_same_ids(call: Any, run_copy: Path, tmp_path: Path) -> None:
    code, _, _ = call("synthesize", tmp_path / "other" / "set", "--per-class", 8, "--size", 64, "--seed", 5)
    assert code == 0
    before = {path.name: path.read_bytes() for path in run_copy.iterdir()}
    refused(call("evaluate", run_copy, "--data", tmp_path / "other"), "are other images")
    assert {path.name: path.read_bytes() for path in run_copy.iterdir()} == before


def test_evaluate_measures_what_is_there_and_keeps_the_run(
    call: Any, run_copy: Path, data_root: Path, small_run: Run, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in run_copy.iterdir()}
    test, train = small_run.part("test")["image_id"].to_list(), small_run.part("train")["image_id"].to_list()
    some = without(data_root, tmp_path / "some", [test[0], *train[:3]])
    code, out, err = call("evaluate", run_copy, "--data", some, "--json", "--resamples", 100)
    found = json.loads(out)
    assert code == 0 and found["views"]["test"]["n"] == len(test) - 1
    assert f"4 of the {len(small_run.predictions)} images of small are not in this folder" in err
    assert (
        "3 in the training set" in err
        and "1 in the test set" in err
        and "The run stays as it is" in " ".join(found["notes"])
    )
    assert {path.name: path.read_bytes() for path in run_copy.iterdir()} == before
    refused(call("evaluate", run_copy, "--data", some, "--detail"), "needs all its images", "4 of the")


def test_predict_goes_on_after_a_bad_picture(call: Any, small_run: Run, data_root: Path, tmp_path: Path) -> None:
    good = next((data_root / "synthetic" / "HAM10000_images").iterdir())
    folder = tmp_path / "some [images] [/b]"
    folder.mkdir(parents=True)
    shutil.copy(good, folder / "b.jpg")
    (folder / "a.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not asked for")
    code, out, _ = call("predict", folder, tmp_path / "gone.png", "--run", small_run.folder, "--json")
    bad, fine, gone = json.loads(out)
    assert code == 1 and "error" in bad and "error" in gone and bad["picture"].endswith("a.jpg")
    assert fine["diagnosis"] in small_run.classes and fine["reason"]
    assert fine["answer"] == ("UNKNOWN" if fine["rejected"] else fine["diagnosis"])
    assert sum(fine["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert fine["confidence"] == max(fine["probabilities"].values())
    code, out, err = call("predict", folder, "--run", small_run.folder)
    assert code == 1 and "[images] [/b]" in out and "Traceback" not in err
    code, out, _ = call("predict", good, "--run", small_run.folder)
    assert code == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(call("predict", empty, "--run", small_run.folder), "no images in what was given")
    refused(call("predict", good, "--run", empty), "is not a run")
    refused(call("predict", good, "--run", small_run.folder, "--trunk", "magic"), "no backend 'magic'")


def test_runs_tells_the_broken(call: Any, run_copy: Path, small_segmenter: SegmenterRun) -> None:
    root = run_copy.parent
    shutil.copytree(small_segmenter.folder, root / "small-unet")
    code, out, _ = call("runs", root, "--json")
    found = json.loads(out)
    assert code == 0 and found["broken"] == {} and [s["name"] for s in found["segmenters"]] == ["small-unet"]
    (root / "small-unet" / "masks.parquet").write_bytes(b"altered")
    code, out, err = call("runs", root)
    assert code == 1 and "small-unet: masks.parquet of run small-unet was altered" in err
    shutil.rmtree(root / "small-unet")
    (root / "torn").mkdir()
    code, out, _ = call("runs", root, "--json")
    found = json.loads(out)
    assert code == 1 and [r["name"] for r in found["runs"]] == ["small"] and "config.json" in found["broken"]["torn"]
    code, out, err = call("runs", root)
    assert code == 1 and "small" in out and "torn: torn is not a run folder" in err


def test_an_interruption_is_130(call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lesion_core.runs.classifier.list_runs", stop)
    code, _, err = call("runs", tmp_path)
    assert code == 130 and "Stopped." in err and "Traceback" not in err
