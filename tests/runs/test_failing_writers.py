"""What writes beside runs and trainings, failing at every step in turn: its readers find all old or all new."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lesion_core.config import Preprocessing, Resize, SplitSettings
from lesion_core.data.splits import Manifest
from lesion_core.errors import LesionError
from lesion_core.experiments.registry import COLUMNS as MEASURED
from lesion_core.findings import Finding, read_experiment, write_experiment
from lesion_core.ood.policy import read_policy, save_policy, write_policy
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.attribution import read_attribution, write_attribution
from lesion_core.runs.classifier import Run, open_run
from lesion_core.training.loop import WholeCheckpoints
from lesion_core.training.masked_pictures import make_store
from lesion_core.training.pictures import PictureStore
from tests.disk_faults import FAULTS, Death, failing
from tests.runs.tables import attributions
from tests.writers import TINY


@dataclass(frozen=True)
class Light:
    """A writer of one of two versions, 0 and 1, and what a reader finds: the version, or None of nothing."""

    write: Callable[[Path, int], object]
    read: Callable[[Path], object]
    beside_a_run: bool = False


def writers(run: Run, data: Path) -> dict[str, Light]:
    policies = [tune(run, goal=TuningGoal(share)) for share in (0.9, 0.6)]
    explained = attributions(run, 1)
    figures = dict.fromkeys(MEASURED, 1.0) | {"variant": "lesion", "view": "test", "class": ""}
    images = sorted((data / "synthetic" / "HAM10000_images").iterdir())[:2]
    masks = [data / "synthetic" / "HAM10000_segmentations" / f"{path.stem}_segmentation.png" for path in images]
    small = Preprocessing(resize=Resize(size=16))

    def policy_of(folder: Path) -> int:
        policy = read_policy(open_run(folder))
        assert policy is not None
        return policies.index(policy)

    def explanation_of(folder: Path) -> int | None:
        found = read_attribution(open_run(folder))
        return None if found is None else int(found["area"].item())

    def split(version: int) -> Manifest:
        return Manifest(pd.DataFrame({"image_id": ["a"], "group": ["b"], "role": [["train", "test"][version]]}))

    def split_of(folder: Path) -> int:
        return int(Manifest.read(folder / "split.csv").table["role"].item() == "test")

    def experiment(folder: Path, version: int) -> None:
        settings = TINY.model_copy(update={"split": SplitSettings(seed=version)})
        table = pd.DataFrame([{**figures, "metric": "accuracy", "n_images": version + 1}])
        write_experiment("leakage", Finding(table, settings), folder)

    def experiment_of(folder: Path) -> int:
        found = read_experiment("leakage", folder)
        assert found is not None and found.table["n_images"].item() == found.settings.split.seed + 1
        return found.settings.split.seed

    def named_policy_of(folder: Path) -> int:
        policy = read_policy(run, folder / "mine.json")
        assert policy is not None
        return policies.index(policy)

    def checkpoint_of(folder: Path) -> int:
        found = torch.load(folder / "last.ckpt", weights_only=True)["weights"]
        assert len(found) == 1000 and len(set(found.tolist())) == 1
        return int(found[0])

    def store(folder: Path, version: int) -> object:
        return PictureStore.make([str(path) for path in images[: 1 + version]], small, folder, whole_frame=False)

    def stores_of(folder: Path) -> int:
        """As many as have an index, and those are whole."""
        found = [np.load(path) for path in folder.glob("*.npz")]
        for path, facts in zip(folder.glob("*.npz"), found, strict=True):
            assert path.with_suffix(".bin").stat().st_size == 16 * 16 * 3 * len(facts["offsets"])
        return len(found) - 1

    def masked_store(folder: Path, version: int) -> object:
        pairs = [(str(image), str(mask)) for image, mask in zip(images, masks, strict=True)]
        return make_store(pairs[: 1 + version], small, 16, folder)

    def masked_stores_of(folder: Path) -> int:
        found = [np.load(path) for path in folder.glob("*.npy")]
        assert all(one.shape[1:] == (16, 16, 4) for one in found)
        return len(found) - 1

    return {
        "policy of the run": Light(
            lambda folder, version: save_policy(policies[version], open_run(folder)), policy_of, beside_a_run=True
        ),
        "named policy": Light(
            lambda folder, version: write_policy(policies[version], folder / "mine.json"), named_policy_of
        ),
        "explanations": Light(
            lambda folder, version: write_attribution(open_run(folder), explained.assign(area=float(version))),
            explanation_of,
            beside_a_run=True,
        ),
        "experiment": Light(experiment, experiment_of),
        "split": Light(lambda folder, version: split(version).write(folder / "split.csv"), split_of),
        "checkpoint": Light(
            lambda folder, version: WholeCheckpoints().save_checkpoint(
                {"weights": torch.full((1000,), float(version))}, folder / "last.ckpt"
            ),
            checkpoint_of,
        ),
        "store of images": Light(store, stores_of),
        "store of masks": Light(masked_store, masked_stores_of),
    }


NAMES = (
    *("policy of the run", "named policy", "explanations", "experiment", "split", "checkpoint"),
    *("store of images", "store of masks"),
)


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", NAMES)
def test_at_every_step_there_is_old_or_new(
    name: str, kind: str, small_run: Run, data_root: Path, tmp_path: Path
) -> None:
    error, deadly = FAULTS[kind]
    writer, seen = writers(small_run, data_root)[name], set()

    def begin(place: Path) -> None:
        if writer.beside_a_run:
            shutil.copytree(small_run.folder, place, copy_function=os.link)  # what is replaced is not written into
        else:
            place.mkdir()
        writer.write(place, 0)

    for at in range(1, 200):
        place, done = tmp_path / f"{at}", False
        begin(place)
        with contextlib.suppress(Death, KeyboardInterrupt, OSError, LesionError), failing(at, error, deadly) as fault:
            writer.write(place, 1)
            done = True
        found = writer.read(place)
        assert found == 1 if done else found in (0, 1)
        seen.add(found)
        writer.write(place, 1)
        assert writer.read(place) == 1
        assert not [path.name for path in place.rglob(".*")], f"step {at} left something over"
        shutil.rmtree(place)
        if done and fault.at > 0:
            break
    assert done and seen == {0, 1}


def test_every_light_writer_is_tried(small_run: Run, data_root: Path) -> None:
    assert tuple(writers(small_run, data_root)) == NAMES
