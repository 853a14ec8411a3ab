"""A run is opened and written wherever its folder is, also where the path is not UTF-8."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesion_core.files import read_parquet, write_parquet
from lesion_core.models.checkpoints import load_tensors, save_weights
from lesion_core.runs.attribution import read_attribution, write_attribution
from lesion_core.runs.classifier import Run, list_runs, write_tables
from lesion_core.runs.segmenter import SegmenterRun, list_segmenters
from lesion_core.serving.classifier import Engine
from lesion_core.serving.segmenter import SegmenterEngine
from tests.runs.tables import attributions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / os.fsdecode(b"caf\xe9 \xff")
    folder.mkdir()
    return folder


def test_a_classifier_opens_and_is_written_again(odd: Path, small_run: Run) -> None:
    shutil.copytree(small_run.folder, odd / "small")
    (run,), broken = list_runs(odd)
    assert not broken
    pd.testing.assert_frame_equal(run.predictions, small_run.predictions)
    assert run.features.keys() == small_run.features.keys() and len(run.history) == len(small_run.history)
    Engine(run)
    assert read_attribution(run) is None
    write_attribution(run, attributions(run))
    assert read_attribution(run) is not None
    before = {name: (run.folder / name).read_bytes() for name in ("ood.parquet", "golden.safetensors")}
    features = {name: tensor.astype(np.float16) for name, tensor in run.features.items()}
    write_tables(run.folder, run.predictions, run.ood, features, run.calibration, run.history, run.golden)
    assert before == {name: (run.folder / name).read_bytes() for name in before}


def test_a_segmenter_opens_and_is_written_again(odd: Path, small_segmenter: SegmenterRun) -> None:
    shutil.copytree(small_segmenter.folder, odd / "unet")
    (run,), broken = list_segmenters(odd)
    assert not broken
    pd.testing.assert_frame_equal(run.masks, small_segmenter.masks)
    SegmenterEngine(run)
    tensors = load_tensors(run.weights)
    save_weights(odd / "again.safetensors", tensors, bits=32)
    again = load_tensors(odd / "again.safetensors")
    assert all((again[name] == tensor).all() for name, tensor in tensors.items())
    write_parquet(run.masks, odd / "masks.parquet")
    pd.testing.assert_frame_equal(read_parquet(odd / "masks.parquet"), run.masks)
