"""Everything that writes where something may be already, and how a reader tells whether what it finds is whole.

As a program (``python -m tests.writers FILE``) it lets a process of its own write, again and again, for tests that end
it: each line that it reads is a writer's name, a place, and the largest file that the disk takes (0 for any). It prints
the id of the process, and then the status that it ends with.
"""

from __future__ import annotations

import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from lesion_core import files
from lesion_core.config import ModelSettings, Preprocessing, Resize, RunSettings, SplitSettings, Training
from lesion_core.data.collection import collect
from lesion_core.data.splits import Manifest, roles_fingerprint
from lesion_core.errors import LesionError
from lesion_core.experiments.registry import COLUMNS
from lesion_core.findings import Finding, read_experiment, write_experiment
from lesion_core.labels import ISIC2019
from lesion_core.ood.known_answer import KnownAnswer
from lesion_core.ood.policy import read_policy
from lesion_core.runs.attribution import read_attribution
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.evaluations import read_evaluation
from lesion_core.runs.folder import StoredRun, fingerprint_of
from lesion_core.runs.hashes import file_state
from lesion_core.runs.segmenter import open_segmenter
from tests.own_set import own_set

TOLD, BROKEN, INTERRUPTED = 1, 3, 130
"""Statuses of a process that failed: in a sentence, or the disk's own error; with anything else; by Ctrl-C."""

TINY = RunSettings(
    name="tiny",
    model=ModelSettings(architecture="resnet10", classes=ISIC2019),
    preprocessing=Preprocessing(resize=Resize(size=32)),
    training=Training(epochs=3, batch_size=16, workers=0, precision="fp32", augmentation="flips"),
)


@dataclass(frozen=True)
class Made:
    """What there is to write about: a data folder, a run and a segmenter, and the few rows that they are written of."""

    data: Path
    run: Path
    segmenter: Path
    table: pd.DataFrame
    ood: pd.DataFrame


def any_number() -> int:
    """Another one whenever something is written."""
    return random.SystemRandom().randrange(10**6)


def command(*arguments: object) -> None:
    """`python -m lesion_core <arguments>` in this process."""
    from lesion_core.cli.main import main

    sys.argv = ["lesion_core", *map(str, arguments)]
    try:
        main()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            raise KeyboardInterrupt from None
        if end.code:
            raise LesionError("The command failed.", "It told why.") from None


def is_being_written(place: Path) -> bool:
    try:
        return any(place.rglob(f"{files.WRITING}*")) or (place / files.COMPLETE).exists()
    except FileNotFoundError:  # a folder that went while it was looked through
        return False


def last_files_are_written(place: Path) -> bool:
    return (place / files.WRITING / "config.json").exists() or (place / files.COMPLETE).exists()


@dataclass(frozen=True)
class Writer:
    """One of them.

    Attributes:
        write: Writes once, of what was made, into a place; what it writes differs from time to time.
        read: What a reader finds in the place: equal as long as nothing was written. It fails on what is not whole.
        begin: Makes the place.
        is_late: Whether the writing is in the phase that half of the moments are drawn from.
        changes: Whether it writes at all.
        costly: It takes seconds, and what it does is done by others too.
    """

    write: Callable[[Made, Path], None]
    read: Callable[[Made, Path], Hashable]
    begin: Callable[[Made, Path], object] = lambda _, place: place.mkdir(parents=True)
    is_late: Callable[[Path], bool] = field(default=is_being_written)
    changes: bool = True
    costly: bool = False


def copy_run(made: Made, place: Path) -> None:
    shutil.copytree(made.run, place)


def copy_segmenter(made: Made, place: Path) -> None:
    shutil.copytree(made.segmenter, place)


def whole_run(folder: Path) -> Run:
    """A run with every file of one making: tables, policy and card too."""
    run = open_run(folder)
    assert read_policy(run) is not None, "the policy is of this run, and no other's"
    assert len(run.features["reduced"]) == len(run.predictions) and len(run.features["ood_reduced"]) == len(run.ood)
    assert run.config.initial_weights in run.card, "another run's card"
    return run


def describe(run: StoredRun[object]) -> None:  # type: ignore[type-var]
    (run.folder / "card.md").write_text(f"{run.config.initial_weights}", encoding="utf-8")  # type: ignore[attr-defined]


def _write_run(made: Made, place: Path, again: bool) -> None:
    from lesion_core.inference.classifier import write_run
    from lesion_core.models.classifiers import trained

    run = open_run(place, needed=("model.safetensors", "history.csv"))
    write_run(
        place,
        run.config.settings,
        None if again else trained(run.config.settings.model, run.weights),
        made.table,
        made.ood,
        split_fingerprint=roles_fingerprint(made.table),
        history=run.history,
        initial_weights=f"writing {any_number()}",
        bits=32,
        earlier=run if again else None,
        describe=describe,
    )


def _explain(made: Made, place: Path) -> None:
    method = random.SystemRandom().choice(["gradcam", "gradcam_pp"])
    command("explain", place, "--data", made.data, "--most", 1 + any_number() % 3, "--method", method, "--fresh")


def _read_explanations(_: Made, place: Path) -> Hashable:
    found = read_attribution(open_run(place))
    return None if found is None else (len(found), file_state(files.current(place, "explanations.parquet")))


def _evaluate_unseen(run: Path, place: Path) -> None:
    command(
        "evaluate",
        run,
        "--data",
        place / "data",
        "--as",
        "mine",
        "--out",
        place,
        "--resamples",
        100 + any_number() % 50,
    )


def _read_unseen(run: StoredRun[Any], kind: str, place: Path) -> Hashable:
    if not files.current(place / "mine", "evaluation.json").exists():
        return None
    found = read_evaluation(run, kind, place / "mine")
    assert len(found.table) == 3 and found.left_out.empty
    return file_state(files.current(place / "mine", "evaluation.json"))


def _write_segmenter(made: Made, place: Path) -> None:
    from lesion_core.inference.segmenter import write_segmenter_run
    from lesion_core.models.segmenters import trained_segmenter

    run = open_segmenter(place)
    write_segmenter_run(
        place,
        run.config.settings,
        trained_segmenter(run.config.settings.model, run.weights),
        made.table,
        split_fingerprint=run.config.split_fingerprint,
        history=run.history,
        initial_weights=f"writing {any_number()}",
        describe=describe,
    )


def _read_segmenter(_: Made, place: Path) -> Hashable:
    run = open_segmenter(place)
    assert run.golden and len(run.masks) and len(run.history)
    assert run.config.initial_weights in run.card or "U-Net" in run.card, "another run's card"
    return run.fingerprint


def _predict_masks(made: Made, place: Path) -> None:
    pictures = made.table["path"].dropna().tolist()[: 2 + any_number() % 3]
    command("segment", "predict", *pictures, "--run", made.segmenter, "--out", place)


def _read_masks(_: Made, place: Path) -> Hashable:
    found = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    for path in found:
        assert cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).shape == (64, 64), "half a mask"
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82"), "half a mask"
    return len(found)


def _write_table(_: Made, place: Path) -> None:
    number = any_number()
    fixed = {"variant": "lesion", "view": "test", "class": "", "n_images": 9, "n_groups": 9}
    values = dict.fromkeys(COLUMNS, number / 10**6) | fixed
    table = pd.DataFrame([values | {"metric": f"m{i}"} for i in range(2000)])
    settings = TINY.model_copy(update={"split": SplitSettings(seed=number)})
    write_experiment("leakage", Finding(table, settings), place)


def _read_table(_: Made, place: Path) -> Hashable:
    found = read_experiment("leakage", place)
    if found is None:
        return None
    assert len(found.table) == 2000 and set(found.table["value"]) == {found.settings.split.seed / 10**6}
    return found.settings.split.seed


def _write_split(made: Made, place: Path) -> None:
    collect(made.data, SplitSettings(seed=any_number())).manifest.write(place / "split.csv")


def _read_split(_: Made, place: Path) -> Hashable:
    there = files.current(place, "split.csv").is_file()
    return Manifest.read(place / "split.csv").fingerprint if there else None


def _write_stores(made: Made, place: Path) -> None:
    from lesion_core.training.masked_pictures import make_store
    from lesion_core.training.pictures import PictureStore

    rows = made.table.dropna(subset=["path", "mask_path"]).sample(8, random_state=any_number())
    PictureStore.make(rows["path"].tolist(), TINY.preprocessing, place, whole_frame=True)
    pairs = list(zip(rows["path"].astype(str), rows["mask_path"].astype(str), strict=True))
    make_store(pairs, TINY.preprocessing, 32, place)


def _read_stores(_: Made, place: Path) -> Hashable:
    masked, indices = list(place.glob("*.npy")), list(place.glob("*.npz"))
    for path in masked:
        assert np.load(path).shape == (8, 32, 32, 4)
    for path in indices:
        facts = np.load(path)
        end = facts["offsets"][-1] + facts["shapes"][-1].prod() * 3
        assert path.with_suffix(".bin").stat().st_size == end, "half a store"
    return (len(masked), len(indices))


def _train(made: Made, place: Path) -> None:
    from lesion_core.training.classifier import fit

    found = _read_training(made, place)
    done = isinstance(found, tuple) and found[0] == TINY.training.epochs - 1
    options: dict[str, Any] = {"accelerator": "cpu"}
    fit(TINY, made.table, place / "work", pictures=place / "pictures", resume=not done, **options)


def _read_training(made: Made, place: Path) -> Hashable:
    """Checkpoints and stores are whole, and a training goes on from what is there."""
    import torch

    from lesion_core.training.loop import _begin_from, _is_whole

    work = place / "work"
    checkpoints = sorted(work.glob("*.ckpt"))
    assert all(map(_is_whole, checkpoints)), "half a checkpoint"
    if (place / "pictures").is_dir():
        _read_stores(made, place / "pictures")
    begin = _begin_from(work)
    if begin is None:
        return None
    assert RunSettings.read(work / "settings.json") == TINY
    epoch = torch.load(begin, map_location="cpu", weights_only=True)["epoch"]
    return (epoch, *map(file_state, checkpoints))


def _synthesize(_: Made, place: Path) -> None:
    if _read_synthetic(_, place):
        shutil.rmtree(place / "set")
    command("synthesize", place / "set", "--per-class", 1, "--size", 32, "--seed", any_number())


def _read_synthetic(_: Made, place: Path) -> Hashable:
    shown = [path.name for path in (place / "set").glob("*") if not path.name.startswith(".")]
    if not shown:
        return None
    found = collect(place / "set", SplitSettings()).table
    assert len(shown) == 5 and len(found) >= 8 and found["mask_path"].notna().all()
    return file_state(place / "set" / "HAM10000_metadata.csv")


def _experiment(made: Made, place: Path) -> None:
    if (place / "out" / "leakage.csv").exists() and any_number() % 2:
        shutil.rmtree(place)
        place.mkdir()
    settings = place / "settings.json"
    settings.write_text(TINY.model_copy(update={"training": TINY.training.model_copy(update={"epochs": 1})}).to_json())
    options = ("--work", place / "work", "--out", place / "out")
    command("experiment", "leakage", "--data", made.data, "--settings", settings, *options)


def _read_whole_experiment(made: Made, place: Path) -> Hashable:
    from lesion_core.training.loop import _is_whole

    work = place / "work"
    assert all(map(_is_whole, work.glob("*/*.ckpt"))), "half a checkpoint"
    if (work / "pictures").is_dir():
        _read_stores(made, work / "pictures")
    runs = [open_run(folder).fingerprint for folder in work.glob("*/run") if fingerprint_of(folder)]
    table = read_experiment("leakage", place / "out")
    assert table is None or (len(runs) == 2 and set(table.table["variant"]) == {"lesion", "image"})
    return (*runs, file_state(files.current(place / "out", "leakage.csv")))


WRITERS: dict[str, Writer] = {
    "evaluate --data": Writer(
        lambda made, place: _write_run(made, place, True),
        lambda _, place: whole_run(place).fingerprint,
        copy_run,
        last_files_are_written,
    ),
    "train, the run": Writer(
        lambda made, place: _write_run(made, place, False),
        lambda _, place: whole_run(place).fingerprint,
        copy_run,
        last_files_are_written,
    ),
    "train, checkpoints": Writer(_train, _read_training),
    "evaluate --known-answer": Writer(
        lambda _, place: command("evaluate", place, "--known-answer", "--resamples", 100),
        lambda _, place: (
            KnownAnswer.from_json((known := files.current(place, "known_answer.json")).read_bytes(), "it")
            and file_state(known)
        ),
        copy_run,
    ),
    "ood fit": Writer(
        lambda _, place: command("ood", "fit", place, "--resamples", 100),
        lambda _, place: tuple((path.name, file_state(path)) for path in sorted(place.iterdir())),
        copy_run,
        changes=False,
    ),
    "ood tune": Writer(
        lambda _, place: command("ood", "tune", "--run", place, "--share", 0.5 + any_number() / 2.1e6),
        lambda _, place: str(read_policy(whole_run(place))),
        copy_run,
    ),
    "ood tune --out": Writer(
        lambda made, place: command(
            *("ood", "tune", "--run", made.run, "--share", 0.5 + any_number() / 2.1e6, "--out", place / "mine.json")
        ),
        lambda made, place: (
            (place / "mine.json").exists() and str(read_policy(open_run(made.run), place / "mine.json"))
        ),
    ),
    "evaluate --as": Writer(
        lambda made, place: _evaluate_unseen(made.run, place),
        lambda made, place: _read_unseen(open_run(made.run), "classifier", place),
        lambda _, place: own_set(place / "data", 3),
    ),
    "evaluate --as, masks": Writer(
        lambda made, place: _evaluate_unseen(made.segmenter, place),
        lambda made, place: _read_unseen(open_segmenter(made.segmenter), "segmenter", place),
        lambda _, place: own_set(place / "data", 3),
    ),
    "explain": Writer(_explain, _read_explanations, copy_run),
    "segment train, the run": Writer(_write_segmenter, _read_segmenter, copy_segmenter, last_files_are_written),
    "segment predict": Writer(_predict_masks, _read_masks),
    "experiment": Writer(_experiment, _read_whole_experiment, costly=True),
    "synthesize": Writer(_synthesize, _read_synthetic),
    "experiment, the table": Writer(_write_table, _read_table),
    "split.csv": Writer(_write_split, _read_split),
    "stores of images": Writer(_write_stores, _read_stores),
}
"""By what calls them."""


def _write_once(made: Made, name: str, place: Path, largest: int) -> None:
    """Write and end this process, in a process that was forked for it."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    told, most = os.fdopen(os.dup(2), "w"), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if largest:  # a file that gets larger than this meets a full disk; so would the one that this process tells in
        os.dup2(nothing, 2)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, most))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 0
    try:
        WRITERS[name].write(made, place)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    except BaseException as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        if isinstance(error, LesionError | OSError):
            status = TOLD
            told.write(f"{error}\n")
        else:
            status = BROKEN
            traceback.print_exc(file=told)
        told.flush()
    os._exit(status)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    os.environ["GLIBC_TUNABLES"] = "set"  # else a command that trains would start its process over
    made: Made = pickle.loads(Path(sys.argv[1]).read_bytes())
    protocol = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:  # all that they import is imported once
        for i, writer in enumerate(writer for writer in WRITERS.values() if not writer.costly):
            place = Path(folder) / str(i)
            writer.begin(made, place)
            writer.write(made, place)
    for line in sys.stdin:
        names, place_, largest = line.rstrip("\n").split("\t")
        children = []
        for name in names.split("|"):
            children.append(os.fork())
            if children[-1] == 0:
                _write_once(made, name, Path(place_), int(largest))
        print(*children, file=protocol)
        print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children), file=protocol)


if __name__ == "__main__":
    main()
