"""A segmenter's run: written, opened, damaged, asked by many, and used from the command line."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lesion_core.analysis.segmentation import COUNTS, count
from lesion_core.data.masks import read_mask
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import DataError, ImageError, RunError
from lesion_core.imaging.decode import decode
from lesion_core.imaging.lesion import clean_up
from lesion_core.inference.segmenter import count_pixels, write_segmenter_run
from lesion_core.models.segmenters import build_segmenter
from lesion_core.models.segmenters import trained_segmenter as load_segmenter
from lesion_core.reports.segmenter_card import segmenter_card
from lesion_core.runs.classifier import list_runs, open_run
from lesion_core.runs.folder import fingerprint_of
from lesion_core.runs.hashes import sha256
from lesion_core.runs.segmenter import HASHED, SegmenterRun, list_segmenters, open_segmenter
from lesion_core.serving.segmenter import SegmenterEngine


def close_again(folder: Path, name: str) -> None:
    """Write the hash of a file that was changed on purpose."""
    config = json.loads((folder / "config.json").read_text())
    config["files"][name] = sha256(folder / name)
    (folder / "config.json").write_text(json.dumps(config))
    known = folder / "known_answer.json"
    known.write_text(json.dumps(json.loads(known.read_text()) | {"run": fingerprint_of(folder)}))


def test_what_was_written_is_read(trained_segmenter: Any) -> None:
    run, table = trained_segmenter.run, trained_segmenter.collection.table
    again = open_segmenter(run.folder)
    assert again.fingerprint == run.fingerprint and again.name == "small-unet"
    masked = table[table["mask_path"].notna()]
    for split in ("select", "calibrate", "test"):
        rows, counts = again.counts(split)
        assert len(rows) == len(counts) == (masked["role"] == split).sum() == again.config.counts[split]
    assert again.counts("train")[1].shape == (0, 4)
    assert set(again.history["metric"]) >= {"loss", "jaccard", "threshold_jaccard"}
    assert again.config.quantization["largest_jaccard_difference"] < 0.2


def test_the_counts_are_those_of_the_engine_s_masks(trained_segmenter: Any) -> None:
    run = trained_segmenter.run
    engine = SegmenterEngine(run)
    paths = trained_segmenter.collection.table.set_index("image_id")
    rows = run.masks[run.masks["split"] == "test"]
    for variant in ("raw", "clean"):
        for row in rows.head(4).itertuples():
            source = paths.loc[row.image_id]
            true = read_mask(Path(source["mask_path"]))
            found = engine.segment(decode(Path(source["path"]))).mask(clean=variant == "clean")
            assert found.shape == true.shape
            stored = [getattr(row, f"{variant}_{name}") for name in COUNTS]
            assert np.abs(np.array(stored) - count(found, true)).max() <= 3, "rounding of a batch"


def test_a_mask_has_the_picture_s_frame_and_its_threshold(small_segmenter: SegmenterRun) -> None:
    found = SegmenterEngine(small_segmenter).segment(make_lesion("NV", seed=4, size=97).image[:60])
    heat = found.heat()
    assert heat.shape == (60, 97) and heat.dtype == np.float32 and heat.min() >= 0 and heat.max() <= 1
    low, high = found.mask(0.2, clean=False), found.mask(0.7, clean=False)
    assert (low | ~high).all() and (found.mask(0.7) == clean_up(high)).all()
    assert found.mask(0.0, clean=False).all() and found.milliseconds > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (300, 2), (2500, 40)])
def test_pictures_of_any_frame_get_a_mask(small_segmenter: SegmenterRun, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert SegmenterEngine(small_segmenter).segment(image).mask().shape == shape


def test_what_is_no_picture_is_refused(small_segmenter: SegmenterRun) -> None:
    engine = SegmenterEngine(small_segmenter)
    for bad in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(ImageError, match=r"not an? (uint8 )?RGB image"):
            engine.segment(bad)
    assert engine.segment(np.zeros((8, 8, 3), np.uint8)).mask().shape == (8, 8), "its place is free again"


@pytest.mark.slow
def test_many_at_once_get_what_one_gets(small_segmenter: SegmenterRun) -> None:
    engine = SegmenterEngine(small_segmenter, queue=200)
    images = [make_lesion("MEL", seed=i, size=64).image for i in range(6)]
    alone = [engine.segment(image).probabilities for image in images]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: (i % 6, engine.segment(images[i % 6]).probabilities), range(120)))
    for i, probabilities in found:
        assert np.array_equal(probabilities, alone[i])


def test_measuring_refuses_a_mask_of_another_frame(trained_segmenter: Any, tmp_path: Path) -> None:
    picture, mask = tmp_path / "p.png", tmp_path / "m.png"
    cv2.imwrite(str(picture), np.zeros((30, 40, 3), np.uint8))
    run = trained_segmenter.run
    model = load_segmenter(run.config.settings.model, run.weights)
    for shape, fits in (((60, 80), True), ((60, 60), False)):
        cv2.imwrite(str(mask), 255 * np.eye(*shape, dtype=np.uint8))
        if fits:
            assert (
                len(
                    count_pixels(model, run.config.settings.preprocessing, [(str(picture), str(mask))], workers=0)[
                        "raw"
                    ]
                )
                == 1
            )
        else:
            with pytest.raises(DataError, match="not show the same frame"):
                count_pixels(model, run.config.settings.preprocessing, [(str(picture), str(mask))], workers=0)


@pytest.mark.slow
def test_a_bad_mask_leaves_the_run_that_was_there(trained_segmenter: Any, segmenter_copy: Path, tmp_path: Path) -> None:
    run, table = trained_segmenter.run, trained_segmenter.collection.table
    before = {path.name: path.read_bytes() for path in segmenter_copy.iterdir()}
    cv2.imwrite(str(tmp_path / "m.png"), 255 * np.eye(40, 90, dtype=np.uint8))
    first = table.index[(table["role"] == "test") & table["mask_path"].notna()][0]
    wrong = table.assign(mask_path=table["mask_path"].where(table.index != first, str(tmp_path / "m.png")))
    with pytest.raises(DataError, match="not show the same frame"):
        write_segmenter_run(
            segmenter_copy,
            run.config.settings,
            build_segmenter(run.config.settings.model).eval(),
            wrong,
            split_fingerprint="x",
            history=run.history,
            initial_weights="None.",
        )
    assert before == {name: (segmenter_copy / name).read_bytes() for name in before}
    SegmenterEngine(open_segmenter(segmenter_copy))


def test_the_card_names_every_data_set_that_was_learned_from(trained_segmenter: Any) -> None:
    run = trained_segmenter.run
    assert run.config.data_sets == ("ham10000",) and "CC BY-NC 4.0" in segmenter_card(run)
    more = run.config.model_copy(update={"data_sets": ("ham10000", "mine")})
    assert "Data sets: ham10000, mine" in segmenter_card(replace(run, config=more))


def test_loading_draws_no_random_number(small_segmenter: SegmenterRun) -> None:
    """Another thread may be drawing an explanation from the same stream."""
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    SegmenterEngine(small_segmenter)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_second_run_of_one_name_is_told(segmenter_copy: Path, run_copy: Path) -> None:
    root = segmenter_copy.parent
    shutil.copytree(segmenter_copy, root / "unet-backup")
    shutil.copytree(run_copy, root / "small-backup")
    for listed in (list_runs, list_segmenters):
        found, broken = listed(root, verify=True)
        assert len(found) == len(broken) == 1
        assert "both hold a run named" in str(next(iter(broken.values())))


def test_classifiers_and_segmenters_are_told_apart(segmenter_copy: Path, run_copy: Path) -> None:
    root = segmenter_copy.parent
    assert run_copy.parent == root
    runs, broken = list_runs(root, verify=True)
    assert [r.name for r in runs] == ["small"] and not broken
    segmenters, broken = list_segmenters(root, verify=True)
    assert [s.name for s in segmenters] == ["small-unet"] and not broken
    with pytest.raises(RunError, match="holds a segmenter, no classifier"):
        open_run(segmenter_copy)
    with pytest.raises(RunError, match="holds no segmenter"):
        open_segmenter(run_copy)
    assert list_segmenters(root / "nowhere") == ([], {})


@pytest.mark.parametrize("name", ["config.json", *HASHED])
def test_a_missing_file_is_named(segmenter_copy: Path, name: str) -> None:
    (segmenter_copy / name).unlink()
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        open_segmenter(segmenter_copy)


@pytest.mark.parametrize("name", HASHED)
def test_an_altered_file_is_named(segmenter_copy: Path, name: str) -> None:
    with (segmenter_copy / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(RunError, match="altered"):
        open_segmenter(segmenter_copy)
    found, broken = list_segmenters(segmenter_copy.parent, verify=True)
    assert not found and "altered" in str(broken["small-unet"])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("masks.parquet", lambda run: run.masks),
        ("history.csv", lambda run: run.history),
        ("golden.safetensors", lambda run: run.golden),
    ],
)
def test_a_damaged_file_is_named_when_it_is_read(segmenter_copy: Path, name: str, read: Any) -> None:
    (segmenter_copy / name).write_bytes(b"\x00\xff damaged")
    close_again(segmenter_copy, name)
    if name == "history.csv":
        (segmenter_copy / name).write_bytes(b"")
        close_again(segmenter_copy, name)
    with pytest.raises(RunError, match="damaged"):
        read(open_segmenter(segmenter_copy))


def test_a_table_without_a_column_is_told(segmenter_copy: Path) -> None:
    path = segmenter_copy / "masks.parquet"
    pd.read_parquet(path).drop(columns="clean_tp").to_parquet(path)
    close_again(segmenter_copy, "masks.parquet")
    with pytest.raises(RunError, match="lacks the column clean_tp"):
        open_segmenter(segmenter_copy).counts("test")


def test_an_unknown_kind_of_mask_is_told(small_segmenter: SegmenterRun) -> None:
    with pytest.raises(RunError, match="no masks 'smooth'"):
        small_segmenter.counts("test", "smooth")


def test_other_weights_do_not_give_the_known_answer(segmenter_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = segmenter_copy / "model.safetensors"
    tensors = load_file(path)
    tensors["segmentation_head.0.bias"] = tensors["segmentation_head.0.bias"] + 1
    save_file(tensors, path)
    close_again(segmenter_copy, "model.safetensors")
    with pytest.raises(RunError, match="does not give its known answer"):
        SegmenterEngine.open(segmenter_copy)


def test_the_card_holds_the_figures_and_the_warning(small_segmenter: SegmenterRun) -> None:
    card = segmenter_card(small_segmenter)
    assert "Not a medical device" in card and "Threshold Jaccard" in card and "nan" not in card.lower()
    assert (small_segmenter.folder / "card.md").read_text(encoding="utf-8") == card


def test_the_card_tells_the_groups_of_people_that_are_large_enough(segmenter_copy: Path) -> None:
    n, rng = 100, np.random.default_rng(0)
    tp = rng.integers(50, 100, n)
    facts = pd.DataFrame(
        {
            "image_id": [f"i{i}" for i in range(n)],
            "lesion_id": [f"L{i // 2}" for i in range(n)],
            "dataset": "ham10000",
            "split": "test",
            "label": "NV",
            "age": np.repeat([15.0, 45.0, 85.0, np.nan], [19, 21, 40, 20]),
            "sex": np.repeat(["male", "female", None], [60, 21, 19]),
            "site": np.repeat(["back", "acral"], [81, 19]),
            "dx_type": "histo",
        }
    )
    for variant in ("clean", "raw"):
        facts = facts.assign(**dict(zip([f"{variant}_{name}" for name in COUNTS], [tp, 100 - tp, 0, 50], strict=True)))
    facts.to_parquet(segmenter_copy / "masks.parquet", index=False)
    config = json.loads((segmenter_copy / "config.json").read_text())
    jaccard = float((tp / 100).mean())
    config["quantization"]["jaccard_8bit"] = jaccard
    config["counts"] = {"train": 0, "select": 0, "calibrate": 0, "test": n}
    (segmenter_copy / "config.json").write_text(json.dumps(config))
    close_again(segmenter_copy, "masks.parquet")
    card = segmenter_card(open_segmenter(segmenter_copy))
    section = card.split("### Groups of people")[1].split("##")[0]
    told = {
        line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:]
        for line in section.splitlines()
        if ": " in line and line.startswith("|")
    }
    assert list(told) == [
        "Sex: male",
        "Sex: female",
        "Age: 80 and over",
        "Age: 40 to 59",
        "Age: not recorded",
        "Site: back",
    ]
    for group, part in (
        ("Sex: female", facts["sex"] == "female"),
        ("Age: 80 and over", facts["age"] == 85),
        ("Age: not recorded", facts["age"].isna()),
        ("Site: back", facts["site"] == "back"),
    ):
        value, interval, count_of = told[group]
        low, high = map(float, interval.split(" to "))
        assert value == f"{(tp[part] / 100).mean():.3f}" and count_of == f"{part.sum()} |"
        assert low <= float(value) <= high


class TestCommands:
    def test_evaluate(self, call: Any, small_segmenter: SegmenterRun) -> None:
        code, out, _ = call("segment", "evaluate", small_segmenter.folder, "--json", "--resamples", "100")
        found = json.loads(out)
        assert code == 0 and found["split"] == "test" and set(found["masks"]) == {"clean", "raw"}
        assert {m["metric"] for m in found["masks"]["clean"]["metrics"]} >= {"dice", "jaccard", "threshold_jaccard"}

    def test_predict_writes_masks_and_goes_on_after_a_bad_picture(
        self, call: Any, small_segmenter: SegmenterRun, tmp_path: Path
    ) -> None:
        for name in ("a/x.png", "b/x.png"):
            (tmp_path / name).parent.mkdir()
            cv2.imwrite(str(tmp_path / name), make_lesion("BCC", seed=1, size=64).image)
        (tmp_path / "b" / "bad.jpg").write_bytes(b"no picture")
        code, out, _ = call(
            "segment",
            "predict",
            tmp_path / "a",
            tmp_path / "b",
            "--run",
            small_segmenter.folder,
            "--out",
            tmp_path / "masks",
            "--json",
        )
        rows = json.loads(out)
        assert code == 1 and sum("error" in row for row in rows) == 1
        written = sorted(path.name for path in (tmp_path / "masks").iterdir())
        assert written == ["x_2_segmentation.png", "x_segmentation.png"]
        assert read_mask(tmp_path / "masks" / "x_segmentation.png").shape == (64, 64)

    def test_an_expert_s_mask_of_that_name_stays(
        self, call: Any, small_segmenter: SegmenterRun, tmp_path: Path
    ) -> None:
        cv2.imwrite(str(tmp_path / "x.png"), make_lesion("BCC", seed=1, size=64).image)
        (tmp_path / "x_segmentation.png").write_bytes(b"an expert's")
        code, out, _ = call(
            "segment", "predict", tmp_path / "x.png", "--run", small_segmenter.folder, "--out", tmp_path, "--json"
        )
        assert code == 0 and json.loads(out)[0]["mask"].endswith("x_2_segmentation.png")
        assert (tmp_path / "x_segmentation.png").read_bytes() == b"an expert's"

    def test_a_classifier_is_refused(self, call: Any, small_run: Any) -> None:
        code, _, err = call("segment", "evaluate", small_run.folder)
        assert code == 1 and "holds no segmenter" in err

    @pytest.mark.slow
    def test_train_writes_a_run_and_repeats_its_settings(
        self, call: Any, small_segmenter: SegmenterRun, data_root: Path, tmp_path: Path
    ) -> None:
        code, out, err = call(
            "segment",
            "train",
            "--data",
            data_root,
            "--settings",
            small_segmenter.folder / "config.json",
            "--name",
            "again",
            "--runs",
            tmp_path / "runs",
            "--work",
            tmp_path / "work",
        )
        assert code == 0 and "epoch 1/1" in err and "The run is in" in out
        run = open_segmenter(tmp_path / "runs" / "again")
        assert run.config.settings.model_copy(update={"name": "small-unet"}) == small_segmenter.config.settings
        assert run.config.split_fingerprint == small_segmenter.config.split_fingerprint
