"""What a command can know before its work begins, it refuses before: no model is loaded, nothing is written."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from lesion_core.data.synthetic.lesions import make_dataset
from lesion_core.models.classifiers import ARCHITECTURES
from lesion_core.models.known import ARCHITECTURES as KNOWN
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun
from tests.cli.test_main import refused
from tests.own_set import own_set

WORK = ("serving", "inference", "training", "distributed")
"""Rooms that load torch, and a model with it."""

REFUSED = {
    "evaluate: no folder": ("evaluate RUN --data NOWHERE", "There is no folder"),
    "evaluate: foreign images": ("evaluate RUN --data FOREIGN", "known role"),
    "evaluate: not data": ("evaluate RUN --data EMPTY", "EMPTY"),
    "evaluate: a segmenter": ("evaluate UNET --data DATA", "no classifier"),
    "evaluate --as: its name": ("evaluate RUN --data OWN --as a/b", "cannot be the name"),
    "evaluate --as: a role's name": ("evaluate RUN --data OWN --as test", "Choose another name"),
    "evaluate --as: --out": ("evaluate RUN --data OWN --as mine --out FILE", "Name another one with --out"),
    "evaluate --as: no diagnosis": ("evaluate RUN --data BARE --as mine", "BARE"),
    "segment evaluate --as: --split-of": ("segment evaluate RUN --data OWN --as mine --split-of RUN", "for segmenters"),
    "segment evaluate --as: --out": ("segment evaluate UNET --data OWN --as mine --out FILE", "with --out"),
    "segment evaluate: foreign images": ("segment evaluate UNET --data FOREIGN --changed", "known role"),
    "segment evaluate: a classifier": ("segment evaluate RUN", "no segmenter"),
    "train: architecture": ("train --data DATA --architecture vgg", "There is no classifier 'vgg'"),
    "train: --runs": ("train --data DATA --runs FILE", "with --runs"),
    "train: --work": ("train --data DATA --runs EMPTY --work FILE", "with --work"),
    "train: not data": ("train --data EMPTY --runs EMPTY --work EMPTY", "EMPTY"),
    "train: no diagnosis": ("train --data BARE --runs EMPTY --work EMPTY", "BARE"),
    "train: a split too small": ("train --data FEW --runs EMPTY --work EMPTY", "has no image"),
    "train: weights": ("train --data DATA --weights none.safetensors --runs EMPTY --work EMPTY", "no weights file"),
    "train: --split-of": ("train --data DATA --split-of NOWHERE --runs EMPTY --work EMPTY", "NOWHERE"),
    "segment train: --runs": ("segment train --data DATA --runs FILE", "with --runs"),
    "segment train: no masks": ("segment train --data MASKLESS --runs EMPTY --work EMPTY", "no image with a mask"),
    "predict: a segmenter": ("predict IMAGES --run UNET", "no classifier"),
    "predict: no images": ("predict EMPTY --run RUN", "There are no images"),
    "predict: policy": ("predict IMAGES --run RUN --policy FILE", "FILE"),
    "predict: --with": ("predict IMAGES --run RUN --json --with all", "unknown"),
    "segment predict: --out": ("segment predict IMAGES --run UNET --out FILE", "with --out"),
    "segment predict: a classifier": ("segment predict IMAGES --run RUN --out EMPTY", "no segmenter"),
    "explain: method": ("explain RUN --data DATA --method guess", "There is no method"),
    "explain: foreign images": ("explain RUN --data FOREIGN", "known role"),
    "explain: no masks": ("explain RUN --data MASKLESS", "has a lesion mask"),
    "robustness: change": ("robustness RUN --data DATA --change sepia", "There is no change 'sepia'"),
    "robustness: backend": ("robustness RUN --data DATA --backend abacus", "There is no backend 'abacus'"),
    "robustness: --work": ("robustness RUN --data DATA --work FILE", "with --work"),
    "robustness: a segmenter": ("robustness UNET --data DATA", "no classifier"),
    "robustness: foreign images": ("robustness RUN --data FOREIGN", "known role"),
    "ood score: no images": ("ood score EMPTY --run RUN", "There are no images"),
    "ood score: policy": ("ood score IMAGES --run RUN --policy FILE", "FILE"),
    "ood tune: rule": ("ood tune --run RUN --how guess", "guess"),
    "ood tune: score": ("ood tune --run RUN --score guess", "guess"),
    "ood tune: set": ("ood tune --run RUN --on test", "test"),
    "ood tune: --out": ("ood tune --run RUN --out FILE/policy.json", "Name another file"),
    "experiment: key": ("experiment guess --data DATA --settings SETTINGS", "There is no experiment"),
    "experiment: --out": ("experiment imbalance --data DATA --settings SETTINGS --out FILE", "with --out"),
    "synthesize: folder": ("synthesize DATA", "is not an empty folder"),
}
"""What is called, and what its sentence says; a word in capitals stands for a place."""


@pytest.fixture(scope="module")
def places(
    small_run: Run, small_segmenter: SegmenterRun, data_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("refusals")
    places = {name: root / name for name in ("NOWHERE", "EMPTY", "FILE", "FOREIGN", "OWN", "BARE", "FEW", "MASKLESS")}
    places["EMPTY"].mkdir()
    places["FILE"].touch()
    own_set(places["OWN"] / "own", 8)
    shutil.copytree(data_root / "synthetic", places["FOREIGN"] / "other")
    for path in [path for path in places["FOREIGN"].rglob("*") if path.is_file()]:
        if path.suffix == ".csv":
            path.write_text(path.read_text().replace("SYN", "NEW"))
        else:
            path.rename(path.with_name(path.name.replace("SYN", "NEW")))
    own_set(places["BARE"] / "own", 8)
    table = places["BARE"] / "own" / "mine.csv"
    table.write_text(table.read_text().replace("diagnosis", "remark"))
    make_dataset(places["FEW"] / "synthetic", per_class=1, seed=0, size=32)
    shutil.copytree(data_root / "synthetic", places["MASKLESS"] / "synthetic")
    shutil.rmtree(places["MASKLESS"] / "synthetic" / "HAM10000_segmentations")
    images = data_root / "synthetic" / "HAM10000_images"
    settings = small_run.folder / "config.json"
    runs = {"RUN": small_run.folder, "UNET": small_segmenter.folder}
    return {**places, **runs, "DATA": data_root, "IMAGES": images, "SETTINGS": settings}


@pytest.fixture
def without_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing a module that works with models fails."""
    for name in [name for name in sys.modules if name.startswith("lesion_core.")]:
        if name.split(".")[1] in WORK:
            monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.usefixtures("without_work")
def test_it_is_refused_before_the_work(what: str, places: dict[str, Path], call: Any) -> None:
    line, said = REFUSED[what]
    arguments = []
    for word in line.split():
        first, *rest = word.split("/")
        arguments.append("/".join([str(places[first]), *rest]) if first in places else word)
    before = sorted(places["EMPTY"].parent.rglob("*"))
    refused(call(*arguments), said)
    assert sorted(places["EMPTY"].parent.rglob("*")) == before


def test_the_architectures_that_are_known_are_those_that_are_there() -> None:
    assert set(KNOWN) == set(ARCHITECTURES)
