"""Two processes at one job, over gloo: every image once, the same results, one that writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesion_core import distributed
from lesion_core.config import Preprocessing, Resize, SegmenterRunSettings, SegmenterSettings, SegmenterTraining
from lesion_core.errors import ConfigError
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.robustness import read_robustness
from lesion_core.runs.segmenter import open_segmenter

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow  # each starts processes


def two(*command: str | Path, ok: bool = True) -> str:
    """`python -m lesion_core <command>` in two processes that `torchrun` starts; what they say."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": "set", "COLUMNS": "400"}
    environment.pop("LESION_DATA", None)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            "-m",
            "lesion_core",
            *map(str, command),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_alone_nothing_is_divided() -> None:
    assert (distributed.rank(), distributed.world(), distributed.first()) == (0, 1, True)
    assert distributed.gather("mine") == ["mine"]
    distributed.join()
    distributed.wait()
    assert distributed.device().type in ("cpu", "cuda")


def test_processes_that_cannot_meet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ConfigError, match="--devices"):
        distributed.join()


def test_two_score_what_one_scores(small_run: Run, data_root: Path, tmp_path: Path, call: object) -> None:
    one, both = (Path(shutil.copytree(small_run.folder, tmp_path / name)) for name in ("one", "both"))
    assert callable(call)
    code, out, err = call("evaluate", one, "--data", data_root, "--json", "--resamples", 100)
    assert code == 0, err
    said = two("evaluate", both, "--data", data_root, "--json", "--resamples", "100")
    alone, together = open_run(one), open_run(both)
    pd.testing.assert_frame_equal(together.predictions, alone.predictions, rtol=1e-5, atol=1e-5)
    pd.testing.assert_frame_equal(together.ood, alone.ood, rtol=1e-5, atol=1e-5)
    assert together.predictions["image_id"].is_unique
    np.testing.assert_allclose(together.features["residual"], alone.features["residual"], atol=1e-2)
    assert said.count('"views"') == 1, "one of them speaks"
    views = json.loads(said[said.index("{") : said.rindex("}") + 1])["views"]
    assert views.keys() == json.loads(out)["views"].keys()
    for key, view in json.loads(out)["views"].items():
        for mine, theirs in zip(views[key]["metrics"], view["metrics"], strict=True):
            assert mine["value"] == pytest.approx(theirs["value"], abs=1e-3)


def test_two_ask_about_changed_images_what_one_asks(
    small_run: Run, data_root: Path, tmp_path: Path, call: object
) -> None:
    one, both = (Path(shutil.copytree(small_run.folder, tmp_path / name)) for name in ("one", "both"))
    assert callable(call)
    asked = ("--data", data_root, "--images", 3, "--change", "hair", "--severity", 4, "--resamples", 100, "--json")
    code, _, err = call("robustness", one, *asked, "--work", tmp_path / "alone")
    assert code == 0, err
    said = two("robustness", both, *map(str, asked), "--work", tmp_path / "together")
    assert said.count('"views"') == 1, "one of them speaks"
    alone, together = (read_robustness(open_run(folder)) for folder in (one, both))
    assert alone is not None and together is not None and len(alone) == 6
    pd.testing.assert_frame_equal(together, alone, rtol=1e-2, atol=2e-2)
    assert not list((tmp_path / "together").iterdir())


def test_evaluate_starts_the_second_process_itself(small_run: Run, data_root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_run.folder, tmp_path / "both"))
    (folder / "predictions.parquet").unlink()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lesion_core",
            "evaluate",
            folder,
            "--data",
            data_root,
            "--resamples",
            "100",
            "--devices",
            "2",
            "--strategy",
            "ddp",
            "--json",
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": "set"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert "MEMBER: 2/2" in done.stderr and done.stdout.count('"views"') == 1
    again = open_run(folder).predictions
    pd.testing.assert_frame_equal(again, small_run.predictions, rtol=1e-5, atol=1e-5)


def test_two_train_and_one_writes(data_root: Path, tmp_path: Path) -> None:
    said = two(
        "train",
        "--data",
        data_root,
        "--architecture",
        "resnet10",
        "--name",
        "pair",
        "--epochs",
        "1",
        "--size",
        "32",
        "--batch-size",
        "8",
        "--runs",
        tmp_path / "runs",
        "--work",
        tmp_path / "work",
        "--devices",
        "2",
        "--strategy",
        "ddp",
    )
    run = open_run(tmp_path / "runs" / "pair")
    assert said.count("The run is in") == 1 and run.predictions["image_id"].is_unique
    assert set(run.predictions["split"]) == {"train", "select", "calibrate", "test"}
    assert (run.folder / "card.md").is_file() and (run.folder / "policy.json").is_file()


def test_two_train_a_segmenter_and_one_writes(data_root: Path, tmp_path: Path) -> None:
    settings = SegmenterRunSettings(
        name="pair",
        model=SegmenterSettings(decoder=(32, 16, 8)),
        preprocessing=Preprocessing(resize=Resize(size=32, fit="stretch")),
        training=SegmenterTraining(epochs=1, batch_size=8),
    )
    (tmp_path / "settings.json").write_text(settings.to_json())
    said = two(
        "segment",
        "train",
        "--data",
        data_root,
        "--settings",
        tmp_path / "settings.json",
        "--runs",
        tmp_path / "runs",
        "--work",
        tmp_path / "work",
        "--devices",
        "2",
        "--strategy",
        "ddp",
    )
    run = open_segmenter(tmp_path / "runs" / "pair", verify=True)
    assert said.count("The run is in") == 1 and run.masks["image_id"].is_unique and (run.folder / "card.md").is_file()


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"])
def test_a_launcher_tells_who_starts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"):
        monkeypatch.setenv(other, "0")
    assert distributed.starts()
    monkeypatch.setenv(name, "1")
    assert not distributed.starts()


def test_a_picture_that_cannot_be_read_ends_both(small_run: Run, data_root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_run.folder, tmp_path / "run"))
    data = Path(shutil.copytree(data_root, tmp_path / "data"))
    (data / "ood" / "noise" / "noise_1.png").write_bytes(b"no picture")
    before = (folder / "predictions.parquet").read_bytes()
    assert "noise_1.png cannot be scored" in two("evaluate", folder, "--data", data, ok=False)
    assert (folder / "predictions.parquet").read_bytes() == before
