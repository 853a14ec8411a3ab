"""A synthetic data folder and a small trained run, made once for all tests."""

from __future__ import annotations

import os

# For networks this small an accelerator and more threads cost more than they give; read when torch is imported.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A page that some test serves by itself has no settings file beside it.
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
# The processor is the tests'.
os.environ.setdefault("LESION_REHEARSAL", "0")
# Where tests run on several cores it is set, and Rich would keep that width for good.
os.environ.pop("COLUMNS", None)

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from lesion_core.config import (
    ColorConstancy,
    ModelSettings,
    Preprocessing,
    Resize,
    RunSettings,
    SegmenterRunSettings,
    SegmenterSettings,
    SegmenterTraining,
    SplitSettings,
    Training,
)
from lesion_core.data.collection import Collection, collect
from lesion_core.data.synthetic.lesions import make_dataset
from lesion_core.labels import ISIC2019
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun

if TYPE_CHECKING:
    from lesion_core.serving.classifier import Engine

# A slow or busy machine is not a failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SMALL = RunSettings(
    name="small",
    model=ModelSettings(architecture="resnet10", classes=ISIC2019),
    preprocessing=Preprocessing(color=ColorConstancy(enabled=True), resize=Resize(size=64)),
    training=Training(epochs=1, batch_size=16, workers=0, precision="fp32", augmentation="flips"),
)


@pytest.fixture(scope="session", autouse=True)
def _packages_are_searched_once() -> Iterator[None]:
    """Else each page that `AppTest` opens reads the metadata of every installed package: a third of a page's time."""
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@dataclass(frozen=True)
class Trained:
    """The small run before it was written: what it was made from."""

    run: Run
    collection: Collection
    fitted: object


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as LESION_DATA names one: a synthetic data set one level down, two OOD images."""
    root = tmp_path_factory.mktemp("data")
    make_dataset(root / "synthetic", per_class=8, seed=0, size=64)
    for kind, seed in (("noise", 1), ("stripes", 2)):
        (root / "ood" / kind).mkdir(parents=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (48, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "ood" / kind / f"{kind}_1.png"), pixels)
    return root


@pytest.fixture(scope="session")
def trained(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A ResNet-10 trained for one epoch at 64 px, through the real `fit` and `write_run`."""
    from lesion_core.inference.classifier import write_run
    from lesion_core.reports.classifier_card import write_card
    from lesion_core.training.classifier import fit

    collection = collect(data_root, SMALL.split, corrupted_per_kind=2)
    fitted = fit(SMALL, collection.table, tmp_path_factory.mktemp("work"), accelerator="cpu")
    run = write_run(
        tmp_path_factory.mktemp("runs") / "small",
        SMALL,
        fitted.model,
        collection.table,
        collection.ood,
        split_fingerprint=collection.manifest.fingerprint,
        history=fitted.history,
        initial_weights=fitted.initialised.sentence,
        describe=write_card,
    )
    return Trained(run, collection, fitted)


@pytest.fixture(scope="session")
def small_run(trained: Trained) -> Run:
    """The small run, to read only."""
    return trained.run


SMALL_SEGMENTER = SegmenterRunSettings(
    name="small-unet",
    split=SplitSettings(seed=1),  # some of its test lesions lie so far out that a dark ring hides part of them
    model=SegmenterSettings(encoder="resnet18", decoder=(32, 16, 8)),
    preprocessing=Preprocessing(resize=Resize(size=64, fit="stretch")),
    training=SegmenterTraining(
        epochs=1, batch_size=8, learning_rate=3e-3, workers=0, precision="fp32", augmentation="flips"
    ),
)


@dataclass(frozen=True)
class TrainedSegmenter:
    """The small segmenter and what it was made from."""

    run: SegmenterRun
    collection: Collection


@pytest.fixture(scope="session")
def trained_segmenter(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedSegmenter:
    """A U-Net trained for one epoch at 64 px, through the real `fit_segmenter` and `write_segmenter_run`."""
    from lesion_core.inference.segmenter import write_segmenter_run
    from lesion_core.reports.segmenter_card import write_segmenter_card
    from lesion_core.training.segmenter import fit_segmenter

    collection = collect(data_root, SMALL_SEGMENTER.split)
    work = tmp_path_factory.mktemp("work")
    fitted = fit_segmenter(SMALL_SEGMENTER, collection.table, work, accelerator="cpu")
    run = write_segmenter_run(
        tmp_path_factory.mktemp("runs") / "small-unet",
        SMALL_SEGMENTER,
        fitted.model,
        collection.table,
        split_fingerprint=collection.manifest.fingerprint,
        history=fitted.history,
        initial_weights=fitted.initialised.sentence,
        describe=write_segmenter_card,
    )
    return TrainedSegmenter(run, collection)


@pytest.fixture(scope="session")
def small_segmenter(trained_segmenter: TrainedSegmenter) -> SegmenterRun:
    """The small segmenter, to read only."""
    return trained_segmenter.run


@pytest.fixture(scope="session")
def engine(small_run: Run) -> Engine:
    """The small run's model. Tests that change it make their own."""
    from lesion_core.serving.classifier import Engine

    return Engine(small_run)


@pytest.fixture(scope="session")
def runs_root(small_run: Run, small_segmenter: SegmenterRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier and a segmenter."""
    root = tmp_path_factory.mktemp("shown")
    for run in (small_run, small_segmenter):
        (root / run.name).symlink_to(run.folder)
    return root


@pytest.fixture
def run_copy(small_run: Run, tmp_path: Path) -> Path:
    """A copy of the small run's folder, to damage."""
    return Path(shutil.copytree(small_run.folder, tmp_path / "runs" / "small"))


@pytest.fixture
def segmenter_copy(small_segmenter: SegmenterRun, tmp_path: Path) -> Path:
    """A copy of the small segmenter's folder, to damage."""
    return Path(shutil.copytree(small_segmenter.folder, tmp_path / "runs" / "small-unet"))


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """`python -m lesion_core <arguments>` in this process: exit code, standard output, standard error."""
    from lesion_core.cli import main as cli

    monkeypatch.setenv("GLIBC_TUNABLES", "set")  # else `train` would start this process over
    monkeypatch.delenv("LESION_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lesion_core", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return run
