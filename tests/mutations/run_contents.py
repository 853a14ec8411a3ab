"""Run folders and experiments whose content contradicts itself, with all hashes made to fit."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load, save

from tests.mutations.oracle import Input, Make, Part
from tests.mutations.runs import PART as RUN_FILES
from tests.mutations.runs import RUNS, SHIPPED, any_run, as_before, copy_of, damaged, opening, refit, replace
from tests.mutations.settings import ODD, leaves, text_of, with_value

Rng = np.random.Generator


def forged_logits(rng: Rng, folder: Path) -> Input:
    """Tables of another model with all hashes fitting: perfect, surer, of other images, all or one row."""
    run = copy_of(RUNS[0], folder)
    path = run / ("predictions.parquet", "ood.parquet")[rng.integers(2)]
    table = pd.read_parquet(path)
    columns = [name for name in table.columns if name.startswith("logit_")]
    logits, what = table[columns].to_numpy(np.float64, copy=True), int(rng.integers(4))
    rows = slice(None) if rng.integers(2) else slice(int(rng.integers(len(table) - 9)), None)
    other = (20.0 * np.eye(len(columns))[rng.integers(0, len(columns), len(logits))], 3 * logits,
             rng.permutation(logits), -logits)[what]  # fmt: skip
    logits[rows] = other[rows]
    replace(path, b"")
    table.assign(**dict(zip(columns, logits.astype(np.float32).T, strict=True))).to_parquet(path, index=False)
    refit(run, path.name, policy=bool(rng.integers(2)))
    return opening(run, f"{path.name}, other logits {what}, {rows}")


def forged_segmenter(rng: Rng, folder: Path) -> Input:
    """A segmenter's weights: another number somewhere, a tensor more, gone, of another type; hashes fit."""
    run = copy_of(RUNS[1], folder)
    path = run / "model.safetensors"
    tensors = load(path.read_bytes())
    name = sorted(tensors)[rng.integers(len(tensors))]
    tensor, what = tensors[name].copy(), int(rng.integers(7))
    if what == 0:
        tensors[name + ".more"] = tensor
    elif what == 1:
        del tensors[name]
    elif what == 2:
        tensors[name] = tensor.astype(np.float64)
    elif what == 3:
        tensors[name] = tensor[None]
    elif what == 4 and tensor.dtype == np.float32:
        tensors[name] = np.full_like(tensor, (np.nan, np.inf)[rng.integers(2)])
    elif what == 5:
        tensors[name] = -tensor
    else:
        tensors[name] = rng.permutation(tensor.ravel()).reshape(tensor.shape)
    replace(path, save({key: np.ascontiguousarray(value) for key, value in tensors.items()}))
    refit(run, path.name)
    return opening(run, f"{path.name}, {name} {what}", wrong=as_before(run.name))


def known_answer_damaged(rng: Rng, folder: Path) -> Input:
    """A value of the known answer is another, of the classifier and of the segmenter: refused, or it says the same."""
    run = copy_of(RUNS[rng.integers(2)], folder)
    path = run / "known_answer.json"
    tree = json.loads(path.read_bytes())
    places = leaves(tree)
    at, value = places[rng.integers(len(places))], ODD[rng.integers(len(ODD))]
    replace(path, text_of(with_value(tree, at, value)).encode())
    return opening(run, f"known answer {at} is {str(value)[:30]!r}", wrong=as_before(run.name))


def forged_history(rng: Rng, folder: Path) -> Input:
    """Rows of a history, or a card, that are others: refused, or they decide nothing."""
    run = any_run(rng, folder)
    path = run / ("history.csv", "card.md")[rng.integers(2)]
    content, how = damaged(rng, path.read_bytes())
    replace(path, content)
    refit(run, *(["history.csv"] if path.name == "history.csv" else []), policy=bool(rng.integers(2)))
    return opening(run, f"{path.name} {how}", wrong=as_before(run.name, policy=False))


def experiment(rng: Rng, folder: Path) -> Input:
    """Cells of an experiment's table, or values of its settings; sometimes its hashes are made to fit."""
    from lesion_core.experiments.registry import EXPERIMENTS
    from lesion_core.findings import hashed, read_experiment

    shipped = SHIPPED.parent / "experiments"
    made = [key for key in EXPERIMENTS if (shipped / f"{key}.csv").is_file()]
    key = made[rng.integers(len(made))]
    for ending in ("csv", "json", "sha256"):
        shutil.copyfile(shipped / f"{key}.{ending}", folder / f"{key}.{ending}")
    path, what = folder / f"{key}.csv", int(rng.integers(4))
    before = read_experiment(key, folder)
    assert before is not None
    if what == 0:
        path = folder / f"{key}.json"
    if what <= 1:
        content, note = damaged(rng, path.read_bytes())
        path.write_bytes(content)
    else:
        rows = [line.split(",") for line in path.read_text().splitlines()]
        row, cell = int(rng.integers(len(rows))), int(rng.integers(len(rows[0])))
        note = ("", "nan", "inf", "-1", "1e400", "x" * 10**5, "\x1b[2J", "0x10", "7.5", "accuracy")[rng.integers(10)]
        rows[row][cell] = note
        path.write_text("\n".join(map(",".join, rows)) + "\n")
    if fit := bool(rng.integers(4)):
        hashes = [f"{sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in hashed(key)]
        (folder / f"{key}.sha256").write_text("".join(hashes))

    def wrong(found: Any) -> str | None:
        if found is None:
            return "as if there were no experiment"
        if not fit:
            return None if found.table.equals(before.table) else "figures that the hashes do not cover"
        numbers = found.table.select_dtypes("number")
        if not numbers.isin([np.inf, -np.inf]).any(axis=None) and (numbers.fillna(0) >= -1).all(axis=None):
            return None
        return "figures that cannot be"

    return Input(lambda: read_experiment(key, folder), note=f"{path.name}: {note[:20]!r}", wrong=wrong)


KINDS: dict[str, Make] = {
    make.__name__: make for make in (forged_logits, forged_segmenter, known_answer_damaged, forged_history, experiment)
}

PART = Part(KINDS, RUN_FILES.warm, RUN_FILES.limit_s)
