"""Run folders that are not what was written: files damaged as they are, or forged with hashes made to fit.

The folders are copies of the shipped runs, taken apart by `json`, `pandas` and the few lines of the safetensors format
below. Right is what the untouched run says of the same pictures.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.mutations.oracle import Input, Make, Part
from tests.mutations.settings import ODD, leaves, text_of, with_value

Rng = np.random.Generator
SHIPPED = Path(__file__).parents[2] / "checkpoints"
RUNS = ("resnet50-isic2019", "unet-ham10000")
Answer = list[NDArray[np.float32] | str | bool | None]


def pictures() -> list[NDArray[np.uint8]]:
    """A lesion, and a pattern that no skin has."""
    y, x = np.mgrid[:120, :160]
    disc = (y - 60) ** 2 + (x - 80) ** 2 < 30**2
    lesion = np.array((200, 150, 130)) - 90 * disc[..., None]
    return [lesion.astype(np.uint8), np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)]


def answer(folder: Path) -> Answer:
    """All that a run says: of two pictures, and of the tables that pages and commands read."""
    if "unet" in folder.name:
        from lesion_core.serving.segmenter import SegmenterEngine

        segmenter = SegmenterEngine.open(folder)
        _ = segmenter.run.history, segmenter.run.card, [segmenter.run.counts(split) for split in ("test", "select")]
        return [segmenter.segment(picture).probabilities for picture in pictures()]
    from lesion_core.analysis.evaluation_sets import EVALUATION_SETS, view_summary
    from lesion_core.ood.rejector import Rejector
    from lesion_core.serving.classifier import Engine

    engine = Engine.open(folder)
    run = engine.run
    _ = run.history, run.card, run.calibration, run.features, run.ood_images, run.corrupted
    for key in EVALUATION_SETS:
        view_summary(run, key, n_boot=2)
    rejector = Rejector.open(run)
    said: Answer = []
    for picture in pictures():
        found = engine.predict(picture)
        said += [found.code, found.probabilities, rejector.decide(found.outputs)[0].rejected if rejector else None]
    return said


@functools.cache
def right(name: str) -> Answer:
    """What the untouched run says."""
    return answer(SHIPPED / name)


def as_before(name: str, *, policy: bool = True) -> Callable[[Any], str | None]:
    """Whether a run answers otherwise than before; without a policy, what it rejects is not looked at."""

    def wrong(said: Answer) -> str | None:
        for now, before in zip(said, right(name), strict=True):
            if isinstance(before, bool):
                if policy and now is not before:
                    return f"rejected is {now}, was {before}"
            elif isinstance(before, np.ndarray):
                if not (np.shape(now) == before.shape and np.allclose(np.asarray(now), before, atol=0.02)):
                    return f"probabilities are {np.ravel(np.asarray(now))[:3]}, were {before.ravel()[:3]}"
            elif now != before:
                return f"the answer is {now}, was {before}"
        return None

    return wrong


def copy_of(name: str, folder: Path) -> Path:
    """The run with files of its own name only where they are written anew: hard links, where the disk has them."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    return Path(shutil.copytree(SHIPPED / name, folder / name, copy_function=link))


def replace(path: Path, content: bytes) -> None:
    """Write a file anew; a linked one stays as it is elsewhere."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def refit(run: Path, *names: str, policy: bool = False) -> None:
    """Make the hashes of altered files and the run that the known answer names fit; the policy goes, or fits too."""
    config = json.loads((run / "config.json").read_bytes())
    for name in names:
        config["files"][name] = hashlib.sha256((run / name).read_bytes()).hexdigest()
    replace(run / "config.json", json.dumps(config, indent=2).encode())
    fingerprint = hashlib.sha256((run / "config.json").read_bytes()).hexdigest()[:16]
    if (path := run / "known_answer.json").is_file():
        known = json.loads(path.read_bytes())
        replace(path, json.dumps(known | {"run": fingerprint}).encode())
    path = run / "policy.json"
    if not policy:
        path.unlink(missing_ok=True)
    elif path.is_file():
        chosen = json.loads(path.read_bytes())["policy"]
        chosen["run"] = fingerprint
        replace(path, policy_text(chosen).encode())


def policy_text(policy: Any) -> str:
    """A policy with the check that fits."""
    compact = json.dumps(policy, separators=(",", ":"), ensure_ascii=False)
    check = hashlib.sha256(compact.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return json.dumps({"policy": policy, "check": check})


def opening(run: Path, note: str, **oracle: Any) -> Input:
    return Input(lambda: answer(run), note=f"{run.name}, {note}", **oracle)


def damaged(rng: Rng, content: bytes) -> tuple[bytes, str]:
    """Cut off, bits changed, empty, or something else altogether."""
    what = int(rng.integers(5))
    if what == 0:
        return content[: int(rng.integers(len(content)))], "cut off"
    if what == 1:
        bad = bytearray(content)
        for at in rng.integers(0, min(len(bad), 4000) if rng.integers(2) else len(bad), 3):
            bad[at] ^= 1 << int(rng.integers(8))
        return bytes(bad), "bits changed"
    if what == 2:
        return b"", "empty"
    if what == 3:
        return rng.bytes(500), "random bytes"
    return content[: len(content) // 2] + bytes(len(content) - len(content) // 2), "zeros from the middle"


def any_run(rng: Rng, folder: Path) -> Path:
    return copy_of(RUNS[int(rng.integers(4)) // 3], folder)


def sound(rng: Rng, folder: Path) -> Input:
    """A copy, with the policy's hash made to fit or not needed, and a file more."""
    run = any_run(rng, folder)
    (run / "notes.txt").write_bytes(rng.bytes(10))
    if rng.integers(2):
        refit(run, policy=True)
    return opening(run, "a copy", wrong=as_before(run.name), refusable=False)


def file_damaged(rng: Rng, folder: Path) -> Input:
    """A file is another: its hash tells, or it does not matter."""
    run = any_run(rng, folder)
    path = sorted(path for path in run.iterdir() if path.name != "policy.json")[
        rng.integers(len(list(run.iterdir())) - 1)
    ]
    content, how = damaged(rng, path.read_bytes())
    replace(path, content)
    return opening(run, f"{path.name} {how}", wrong=as_before(run.name))


def file_gone(rng: Rng, folder: Path) -> Input:
    """A file is gone, a folder, a link to nowhere, or a link to itself."""
    run = any_run(rng, folder)
    names = sorted(path.name for path in run.iterdir())
    path = run / names[rng.integers(len(names))]
    path.unlink()
    what = int(rng.integers(1 if path.name == "policy.json" else 0, 4))
    if what == 1:
        path.mkdir()
    elif what:
        path.symlink_to(path.name if what == 2 else "nowhere")
    return opening(run, f"{path.name} {('gone', 'is a folder', 'is a loop', 'is a broken link')[what]}",
                   wrong=as_before(run.name))  # fmt: skip


def forged_bytes(rng: Rng, folder: Path) -> Input:
    """A file is damaged and its hash made to fit: refused, or what it says of pictures is as before."""
    run = any_run(rng, folder)
    path = run / sorted(json.loads((run / "config.json").read_bytes())["files"])[rng.integers(4)]
    content, how = damaged(rng, path.read_bytes())
    replace(path, content)
    refit(run, path.name)
    return opening(run, f"{path.name} {how}, hash fits", wrong=as_before(run.name, policy=False))


def forged_config(rng: Rng, folder: Path) -> Input:
    """A value of `config.json` is another: names of classes, preprocessing, anything that the answer depends on."""
    run = any_run(rng, folder)
    config = json.loads((run / "config.json").read_bytes())
    places = [at for at in leaves(config) if at[0] != "files"]
    if rng.integers(2):
        places = [at for at in places if at[:2] in (("settings", "model"), ("settings", "preprocessing"))]
    at = places[rng.integers(len(places))]
    old: Any = functools.reduce(lambda tree, key: tree[key], at, config)
    value = ODD[rng.integers(len(ODD))]
    if isinstance(old, bool):
        value = not old
    elif isinstance(old, (int, float)) and rng.integers(2):
        value = type(old)(old * 2)
    elif isinstance(old, list) and rng.integers(2):
        value = old[::-1]
    replace(run / "config.json", text_of(with_value(config, at, value)).encode())
    refit(run, policy=bool(rng.integers(2)))
    return opening(run, f"{'.'.join(map(str, at))} is {str(value)[:30]!r}", wrong=as_before(run.name, policy=False))


def forged_table(rng: Rng, folder: Path) -> Input:
    """A column of another type, gone, twice; rows gone; numbers that are none."""
    run = any_run(rng, folder)
    names = ("masks.parquet",) if "unet" in run.name else ("predictions.parquet", "ood.parquet")
    path = run / names[rng.integers(len(names))]
    table = pd.read_parquet(path)
    column = table.columns[rng.integers(table.shape[1])]
    cells = table[column]
    what = int(rng.integers(11))
    if what == 0:
        table = table.drop(columns=column)
    elif what == 1:
        table[column] = [[value] for value in cells]
    elif what == 2:
        table[column] = cells.astype(str)
    elif what == 3:
        table[column] = None
    elif what == 4:
        table[column] = cells.astype(object).where(pd.Series(np.arange(len(table)) != 3, cells.index), None)
    elif what == 5:
        table[column] = np.arange(len(table)) % 2 == 0
    elif what == 6:
        table[column] = pd.Timestamp("2020-01-01")
    elif what == 7:
        table[column] = (np.inf, np.nan, -1.0, 1e300)[rng.integers(4)]
    elif what == 10:
        table[column] = [("x" * 10**5, "\x1b[2J", "", "test")[i % 4] for i in range(len(table))]
    elif what == 8:
        table = table.iloc[: int(rng.choice((0, 1, 5)))]
    else:
        table[column] = cells.astype("category")
    replace(path, b"")
    table.to_parquet(path, index=False)
    refit(run, path.name, policy=bool(rng.integers(2)))
    return opening(run, f"{path.name}, {column} {what}", wrong=as_before(run.name, policy=False))


def forged_tensors(rng: Rng, folder: Path) -> Input:
    """A tensor of another shape, type or number, gone, or a header that says something else."""
    run = any_run(rng, folder)
    names = ["golden.safetensors", "model.safetensors"] + ["features.safetensors"] * ("unet" not in run.name)
    path = run / names[rng.integers(len(names))]
    raw = path.read_bytes()
    (size,) = struct.unpack_from("<Q", raw)
    header, body = json.loads(raw[8 : 8 + size]), bytearray(raw[8 + size :])
    keys = [key for key in header if key != "__metadata__"]
    key = keys[rng.integers(len(keys))]
    first, last = header[key]["data_offsets"]
    what = int(rng.integers(8))
    if what == 0:
        del header[key]
    elif what == 1:
        header[key]["shape"] = header[key]["shape"][::-1]
    elif what == 2:
        header[key]["shape"] = [last - first]
        header[key]["dtype"] = "U8"
    elif what == 3:
        header[key]["dtype"] = {"F32": "I32", "F16": "BF16", "U8": "I8", "I8": "U8"}.get(
            header[key]["dtype"], "F8_E4M3"
        )
    elif what == 4:
        body[first:last] = b"\xff" * (last - first)
    elif what == 5:
        header[key]["data_offsets"] = [first, last + 8]
    elif what == 6:
        header[key[:-1] + "?"] = header.pop(key)
    else:
        body[first:last] = bytes(last - first)
    text = json.dumps(header).encode()
    replace(path, struct.pack("<Q", len(text)) + text + body)
    refit(run, path.name, policy=bool(rng.integers(2)))
    return opening(run, f"{path.name}, {key} {what}", wrong=as_before(run.name, policy=False))


def forged_small_file(rng: Rng, folder: Path) -> Input:
    """The temperature, the history."""
    run = copy_of(RUNS[0], folder)
    if rng.integers(2):
        path = run / "calibration.json"
        tree = json.loads(path.read_bytes())
        places = leaves(tree)
        at = places[rng.integers(len(places))]
        replace(path, text_of(with_value(tree, at, ODD[rng.integers(len(ODD))])).encode())
        note = f"calibration {at}"
    else:
        path = run / "history.csv"
        lines = path.read_text().splitlines()
        i = int(rng.integers(len(lines)))
        lines[i] = ("", "a,b", "\0,1,2,3", '"', ",,,,,,", "nan,nan,nan,nan", "x" * 10**5)[rng.integers(7)]
        replace(path, "\n".join(lines).encode())
        note = f"history, line {i}"
    refit(run, path.name, policy=bool(rng.integers(2)))
    # The history is shown and decides nothing; another temperature is another probability, so it must be refused.
    return opening(run, note, wrong=as_before(run.name, policy=False))


KINDS: dict[str, Make] = {
    make.__name__: make
    for make in (
        sound, file_damaged, file_gone, forged_bytes, forged_config, forged_table, forged_tensors, forged_small_file,
    )
}  # fmt: skip


def _warm() -> None:
    for name in RUNS:
        right(name)


PART = Part(KINDS, _warm, 60.0)
