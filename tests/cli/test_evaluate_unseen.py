"""`evaluate --as`: labelled images that a run never saw, scored by one command, and no role mixed up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, jaccard_score

from lesion_core.errors import RunError
from lesion_core.imaging.decode import decode
from lesion_core.inference.unseen import segmenter_roles
from lesion_core.runs.classifier import open_run
from lesion_core.runs.evaluations import read_evaluation
from lesion_core.runs.hashes import sha256
from lesion_core.runs.segmenter import open_segmenter
from lesion_core.serving.segmenter import SegmenterEngine
from tests.literal import ROOT
from tests.own_set import own_set, rows, write


def state(folder: Path) -> dict[str, str]:
    """Every file of a run but its evaluations."""
    found = (path for path in folder.rglob("*") if path.is_file() and "evaluations" not in path.parts)
    return {str(path): sha256(path) for path in found}


def figure(metrics: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in metrics if row["metric"] == name)


def test_new_images_are_scored_and_the_run_stays(call: Any, run_copy: Path, engine: Any, tmp_path: Path) -> None:
    data, before = own_set(tmp_path / "data" / "mine", 20), state(run_copy)
    code, out, err = call(
        "evaluate", run_copy, "--data", tmp_path / "data", "--as", "mine", "--json", "--resamples", 100
    )
    assert code == 0, err
    told = json.loads(out)
    assert state(run_copy) == before
    run = open_run(run_copy)
    found = read_evaluation(run, "classifier", run_copy / "evaluations" / "mine")
    assert told["written"] == str(run_copy / "evaluations" / "mine" / "predictions.parquet")
    assert {k: v for k, v in told.items() if k != "written"} == found.figures
    table = found.table.set_index("image_id")
    assert sorted(table.index) == sorted(f"image_{i}" for i in range(20)) and set(table["split"]) == {"unseen"}
    for name in ("image_0", "image_7"):
        one = engine.predict(decode(data / f"{name}.png"))
        assert np.allclose(
            table.loc[name, [f"logit_{code}" for code in run.classes]].astype(float), one.logits, atol=1e-3
        )
        assert table.loc[name, "answer"] == one.code
    assert table.loc[["image_0", "image_1", "image_3", "image_4"], "label"].to_list() == ["MEL", "NV", "AK", "BKL"]
    metrics = told["views"]["diagnosis"]["metrics"]
    expected = balanced_accuracy_score(table["label"], table["answer"])
    interval = figure(metrics, "balanced_accuracy")
    assert interval["value"] == pytest.approx(expected, abs=1e-4) and interval["low"] <= expected <= interval["high"]
    assert told["rejection"]["answered"]["value"] == pytest.approx((~table["rejected"]).mean())


def test_what_the_run_was_fitted_on_is_told_and_left_out(
    call: Any, run_copy: Path, tmp_path: Path, data_root: Path
) -> None:
    folder = own_set(tmp_path / "mine", 8)
    run, table = open_run(run_copy), rows(folder)
    images = data_root / "synthetic" / "HAM10000_images"

    def add(name: str, role: str, lesion: str, of: str | None = None, place: int = 0) -> None:
        of = of or str(run.part(role)["image_id"].iloc[place])
        cv2.imwrite(str(folder / f"{name}.png"), cv2.imread(str(images / f"{of}.jpg")))  # the same pixels, another file
        table.append([name, "NV", lesion, "", ""])

    add(str(run.part("train")["image_id"].iloc[0]), "train", "")
    add("renamed_train", "train", "other", place=1)
    add("renamed_select", "select", "other2")
    add("renamed_calibrate", "calibrate", "other3")
    add("renamed_test", "test", "other4")
    shutil.copy(folder / "image_0.png", folder / "of_a_known_lesion.png")
    table.append(["of_a_known_lesion", "NV", str(run.part("calibrate")["lesion_id"].iloc[0]), "", ""])
    shutil.copy(folder / "image_1.png", folder / "z_copy.png")
    (folder / "torn.png").write_bytes((folder / "image_2.png").read_bytes()[:300])
    table += [["z_copy", "NV", "", "", ""], ["torn", "NV", "", "", ""], ["wart", "Verruca", "", "", ""]]
    shutil.copy(folder / "image_3.png", folder / "wart.png")
    flipped = cv2.imread(str(folder / "wart.png"))[::-1]
    cv2.imwrite(str(folder / "wart.png"), flipped)
    write(folder, table)
    code, out, err = call("evaluate", run_copy, "--data", folder, "--as", "mine", "--out", tmp_path / "out", "--json",
                          "--resamples", 100)  # fmt: skip
    assert code == 1 and "torn.png" in err, "one cannot be read"
    told = json.loads(out)
    found = read_evaluation(run, "classifier", tmp_path / "out" / "mine")
    why = dict(zip(found.left_out["image_id"], found.left_out["why"], strict=True))
    assert why == {
        str(run.part("train")["image_id"].iloc[0]): "own image",
        "renamed_train": "own pixels",
        "renamed_select": "own pixels",
        "renamed_calibrate": "own pixels",
        "of_a_known_lesion": "own lesion",
        "image_0": "own pixels",
        "z_copy": "copy",
        "torn": "unreadable",
    }
    assert set(found.table["image_id"]) == {*(f"image_{i}" for i in range(1, 8)), "renamed_test", "wart"}
    known = found.table.set_index("image_id")["known_as"].dropna().to_dict()
    assert known == {"renamed_test": str(run.part("test")["image_id"].iloc[0])}
    assert any(note.startswith("1 images are in the test set") for note in told["notes"])
    assert told["other_diagnoses"] == [
        {"diagnosis": "Verruca", "n": 1, "rejected": int(found.table.set_index("image_id")["rejected"]["wart"])}
    ]
    assert told["views"]["diagnosis"]["n"] == 8, "a wart is none of the classes, and counts in no figure"
    assert all(sentence in err.replace("\n", " ") for sentence in told["notes"])


def test_diagnoses_that_only_seven_classes_hold_are_counted_in_seven(call: Any, run_copy: Path, tmp_path: Path) -> None:
    folder = own_set(tmp_path / "mine", 16)
    table = rows(folder)
    write(folder, [[*row[:1], "akiec" if row[1] in ("ACK", "SCC") else row[1], *row[2:]] for row in table])
    code, out, _ = call("evaluate", run_copy, "--data", folder, "--as", "mine", "--json", "--resamples", 100)
    view = json.loads(out)["views"]["diagnosis"]
    assert code == 0 and "AKIEC" in view["classes"] and view["n"] == 16
    found = read_evaluation(open_run(run_copy), "classifier", run_copy / "evaluations" / "mine").table
    answers = found["answer"].replace({"AK": "AKIEC", "SCC": "AKIEC"})
    # Two classes that are added up may overtake a third: the least that holds is that they are no fewer.
    assert figure(view["metrics"], "accuracy")["value"] >= (answers == found["label"]).mean() - 2 / 16


def test_again_under_the_same_name_replaces_and_another_run_is_refused(
    call: Any, run_copy: Path, small_run: Any, tmp_path: Path
) -> None:
    folder = own_set(tmp_path / "mine", 8)
    for n in (8, 6):
        write(folder, rows(folder)[: n + 1])
        assert call("evaluate", run_copy, "--data", folder, "--as", "mine", "--resamples", 100)[0] == 0
        target = run_copy / "evaluations" / "mine"
        assert len(read_evaluation(open_run(run_copy), "classifier", target).table) == n
        assert sorted(path.name for path in target.iterdir()) == [
            "evaluation.json",
            "left_out.csv",
            "predictions.parquet",
        ]
    figures = json.loads((target / "evaluation.json").read_text())
    (target / "evaluation.json").write_text(json.dumps({**figures, "fingerprint": "0" * 16}))
    with pytest.raises(RunError, match="another run"):
        read_evaluation(small_run, "classifier", target)
    (target / "evaluation.json").write_text(json.dumps({**figures, "images": 5}))
    with pytest.raises(RunError, match="does not have the rows"):
        read_evaluation(small_run, "classifier", target)
    (target / "evaluation.json").unlink()
    with pytest.raises(RunError, match="cannot be read"):
        read_evaluation(small_run, "classifier", target)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--as", "test"], "part of the run's own"),
        (["--as", "unseen"], "part of the run's own"),
        (["--as", "../away"], "cannot be the name"),
        (["--as", "mine", "--flips"], "--flips"),
        (["--as", "mine", "--split-of"], "--split-of"),
        (["--out", "x"], "--as"),
    ],
)
def test_wrong_calls_are_a_sentence_before_any_work(
    call: Any, small_run: Any, tmp_path: Path, options: list[str], words: str
) -> None:
    folder = own_set(tmp_path / "mine", 1)
    command = ["segment", "evaluate"] if options[-1] == "--split-of" else ["evaluate"]
    more = [tmp_path / "absent"] if options[-1] == "--split-of" else []
    code, out, err = call(*command, small_run.folder, "--data", folder, *options, *more)
    assert code == 1 and words in err and not out and not (small_run.folder / "evaluations").exists()


def test_nothing_to_score_is_a_sentence(call: Any, small_run: Any, data_root: Path, tmp_path: Path) -> None:
    code, _, err = call("evaluate", small_run.folder, "--as", "mine")
    assert code == 1 and "--data" in err
    gone = tmp_path / "trained"
    gone.mkdir()
    image = small_run.part("train")["image_id"].iloc[0]
    shutil.copy(data_root / "synthetic" / "HAM10000_images" / f"{image}.jpg", gone)
    write(gone, [["image", "diagnosis"], [image, "NV"]])
    code, _, err = call("evaluate", small_run.folder, "--data", gone, "--as", "mine", "--out", tmp_path / "out")
    assert code == 1 and "No image is left" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [("evaluate",), ("segment", "evaluate")])
def test_a_segmenter_is_measured_on_masks_that_it_never_saw(
    call: Any, segmenter_copy: Path, data_root: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    folder, before = own_set(tmp_path / "mine", 6), state(segmenter_copy)
    table = rows(folder)
    run = SegmenterEngine.open(segmenter_copy).run
    own = str(run.masks["image_id"][run.masks["split"] == "calibrate"].iloc[0])
    shutil.copy(data_root / "synthetic" / "HAM10000_images" / f"{own}.jpg", folder)
    shutil.copy(data_root / "synthetic" / "HAM10000_segmentations" / f"{own}_segmentation.png", folder)
    cv2.imwrite(str(folder / "cropped.png"), cv2.imread(str(folder / "image_0.png"))[::-1])
    cv2.imwrite(str(folder / "cropped_lesion.png"), cv2.imread(str(folder / "image_0_lesion.png"))[:30])
    write(folder, [*table, [own, "NV", "", "", ""], ["cropped", "NV", "", "", ""]])
    code, out, err = call(*command, segmenter_copy, "--data", folder, "--as", "mine", "--json", "--resamples", 100)
    assert code == 1 and "cropped_lesion.png" in err, err
    assert state(segmenter_copy) == before
    told = json.loads(out)
    found = read_evaluation(run, "segmenter", segmenter_copy / "evaluations" / "mine")
    assert dict(zip(found.left_out["image_id"], found.left_out["why"], strict=True)) == {
        own: "own image",
        "cropped": "unreadable",
    }
    engine, expected = SegmenterEngine.open(segmenter_copy), []
    for name in found.table["image_id"]:
        mask = engine.segment(decode(folder / f"{name}.png")).mask()
        true = cv2.imread(str(folder / f"{name}_lesion.png"), cv2.IMREAD_GRAYSCALE) > 0
        expected.append(jaccard_score(true.ravel(), mask.ravel()))
    assert len(expected) == 6 == told["images"]
    assert figure(told["masks"]["clean"]["metrics"], "jaccard")["value"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert any("does not list what it was trained on" in note for note in told["notes"])


def test_a_split_tells_what_a_segmenter_was_trained_on(
    call: Any, segmenter_copy: Path, trained_segmenter: Any, data_root: Path, tmp_path: Path
) -> None:
    folder, split = own_set(tmp_path / "mine", 4), tmp_path / "split.csv"
    trained_segmenter.collection.manifest.write(split)
    table = trained_segmenter.collection.table
    learned = str(table["image_id"][(table["role"] == "train") & table["mask_path"].notna()].iloc[0])
    assert learned not in set(trained_segmenter.run.masks["image_id"])
    shutil.copy(data_root / "synthetic" / "HAM10000_images" / f"{learned}.jpg", folder)
    shutil.copy(data_root / "synthetic" / "HAM10000_segmentations" / f"{learned}_segmentation.png", folder)
    write(folder, [*rows(folder), [learned, "NV", "", "", ""]])
    code, out, err = call(
        *("segment", "evaluate", segmenter_copy, "--data", folder, "--as", "mine", "--split-of", split, "--json"),
        *("--resamples", 100),
    )
    assert code == 0, err
    assert json.loads(out)["left_out"] == {"own image": 1} and "split.csv" in err


@pytest.mark.parametrize("name", ["resnet50-isic2019", "resnet152-isic2019"])
def test_a_classifier_of_the_same_split_tells_what_a_segmenter_was_trained_on(name: str) -> None:
    """One that learned from a further source, and one that was scored on it later."""
    segmenter = open_segmenter(ROOT / "checkpoints" / "unet-ham10000")
    classifier = open_run(ROOT / "checkpoints" / name)
    listed, teller = segmenter_roles(segmenter, [classifier])
    assert teller == classifier.name and set(listed["image_id"]) >= set(segmenter.masks["image_id"])
    learned = classifier.learned[classifier.learned["dataset"] != "milk10k"]
    assert set(listed["image_id"][listed["split"] == "train"]) == set(learned["image_id"])
    listed, teller = segmenter_roles(segmenter, [])
    assert teller is None and set(listed["image_id"]) == set(segmenter.masks["image_id"])
