"""Whatever a column or a tensor of a run holds instead of what it should is told in a sentence that names it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from lesion_core.errors import ModelError, RunError
from lesion_core.models.checkpoints import load_weights
from lesion_core.models.classifiers import build
from lesion_core.runs.attribution import COLUMNS, FILE, read_attribution
from lesion_core.runs.classifier import OOD_FACTS, Run, open_run
from lesion_core.runs.schema import FACT_KINDS, NEVER_MISSING
from lesion_core.runs.segmenter import COUNTS, VARIANTS, SegmenterRun, open_segmenter
from tests.runs.tables import attributions

VALUES: dict[str, Any] = {
    "lists": [1.0],
    "lists of texts": ["MEL"],
    "records": {"a": 1},
    "bytes": b"MEL",
    "texts": "MEL",
    "numbers": 1.5,
    "whole numbers": 3,
    "truth values": True,
    "times": pd.Timestamp("2020-01-01"),
}
"""Values that a column can hold, by what they are called."""
FITS = {"texts": {"texts"}, "numbers": {"numbers", "whole numbers"}, "whole numbers": {"whole numbers"}}

TABLES: dict[str, dict[str, str]] = {
    "predictions.parquet": {**FACT_KINDS, "logit_MEL": "numbers"},
    "ood.parquet": {**dict.fromkeys(OOD_FACTS, "texts"), "logit_NV": "numbers"},
}


def read(file: str, folder: Path) -> object:
    run = open_run(folder, verify=False)
    return run.predictions if file.startswith("pred") else run.ood


@pytest.mark.parametrize(("file", "column"), [(file, column) for file, kinds in TABLES.items() for column in kinds])
def test_a_column_of_other_values_is_named(file: str, column: str, run_copy: Path) -> None:
    kind, table = TABLES[file][column], pd.read_parquet(run_copy / file)
    for what, value in VALUES.items():
        table.assign(**{column: [value] * len(table)}).to_parquet(run_copy / file)
        if what in FITS[kind] and column not in ("split", "image_id"):  # any text will not do there
            read(file, run_copy)
            continue
        with pytest.raises(RunError, match=rf"{file} of small(: column {column} (holds|does not hold)| has \d+ rows)"):
            read(file, run_copy)
    if kind == "texts":
        table.assign(**{column: pd.Categorical(table[column])}).to_parquet(run_copy / file)
        read(file, run_copy)
    table.assign(**{column: None}).to_parquet(run_copy / file)
    if column in NEVER_MISSING:
        with pytest.raises(RunError, match=rf"{file} of small: column {column} has {len(table)} missing values"):
            read(file, run_copy)


def test_the_command_names_the_column(run_copy: Path, call: Any) -> None:
    table = pd.read_parquet(run_copy / "predictions.parquet")
    table.assign(label=[[label] for label in table["label"]]).to_parquet(run_copy / "predictions.parquet")
    from lesion_core.runs.classifier import write_config

    write_config(run_copy, open_run(run_copy, verify=False).config)  # its hash fits
    code, out, err = call("evaluate", run_copy)
    assert code == 1 and not out and "column label does not hold texts" in err and "Traceback" not in err


@pytest.mark.parametrize("column", [f"{variant}_{name}" for variant in VARIANTS for name in COUNTS])
def test_counts_of_pixels_are_whole_numbers_from_0(column: str, small_segmenter: SegmenterRun, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_segmenter.folder, tmp_path / "unet"))
    table = pd.read_parquet(folder / "masks.parquet")
    for value, message in (
        ("many", f"column {column} does not hold whole numbers"),
        (0.5, f"column {column} does not hold whole numbers"),
        ([1], f"column {column} does not hold whole numbers"),
        (-1, "missing or under 0"),
    ):
        table.assign(**{column: [value] * len(table)}).to_parquet(folder / "masks.parquet")
        with pytest.raises(RunError, match=message):
            _ = open_segmenter(folder, verify=False).masks


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pd.concat([t, t.head(1)]), "1 rows twice"),
        (lambda t: t.assign(inside=1.5), "column inside holds 1.5"),
        (lambda t: t.assign(area=-0.1), "column area holds -0.1"),
        (lambda t: t.assign(maximum=np.inf), "column maximum holds inf"),
        (lambda t: t.assign(label="melanoma"), "column label holds melanoma"),
        (lambda t: t.assign(answer="XX"), "column answer holds XX"),
        (lambda t: t.assign(answer=["NV" if a == "MEL" else "MEL" for a in t["answer"]]), "other answers than"),
        (lambda t: t.assign(lesion_id="another"), "lesions that the run was not tested on"),
    ],
)
def test_attributions_that_cannot_be_the_run_s_are_refused(
    change: Any, message: str, small_run: Run, run_copy: Path
) -> None:
    table = attributions(small_run)
    change(table).to_parquet(run_copy / FILE)
    with pytest.raises(RunError, match=message):
        read_attribution(open_run(run_copy))
    table.assign(image_id=["new1", "new2", "new3"]).to_parquet(run_copy / FILE)  # new images of its lesions
    assert read_attribution(open_run(run_copy)) is not None
    table.assign(run="0" * 16, inside=5.0).to_parquet(run_copy / FILE)  # of other weights: not shown at all
    assert read_attribution(open_run(run_copy)) is None


@pytest.mark.parametrize("column", COLUMNS)
def test_attributions_of_other_values_are_named(column: str, small_run: Run, run_copy: Path) -> None:
    table = attributions(small_run)
    table.to_parquet(run_copy / FILE)
    assert read_attribution(open_run(run_copy)) is not None
    table.assign(**{column: [[1]] * len(table)}).to_parquet(run_copy / FILE)
    with pytest.raises(RunError, match=rf"{FILE} of small: column {column} does not hold {COLUMNS[column]}"):
        read_attribution(open_run(run_copy))


Change = Callable[[NDArray[Any]], NDArray[Any]]
CHANGES: dict[str, Change] = {
    "a dimension more": lambda tensor: tensor[..., None],
    "one longer": lambda tensor: np.concatenate([tensor, tensor[-1:]]),
    "one shorter at the end": lambda tensor: tensor[..., :-1],
    "whole numbers": lambda tensor: np.zeros(tensor.shape, np.int32),
    "truth values": lambda tensor: np.zeros(tensor.shape, np.bool_),
    "not finite": lambda tensor: np.full_like(tensor, np.nan),
    "empty": lambda tensor: tensor[:0],
    "a number": lambda tensor: tensor.ravel()[0],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tensor_of_another_shape_or_kind_is_refused(change: str, run_copy: Path) -> None:
    path = run_copy / "features.safetensors"
    tensors = load_file(path)
    for name, tensor in tensors.items():
        if name == "layer3_components" and change in ("one longer", "empty"):
            continue  # how many there are is told by nothing else in the file; the known answer covers it
        save_file({**tensors, name: np.ascontiguousarray(CHANGES[change](tensor))}, path)
        with pytest.raises(RunError, match=r"features\.safetensors of small"):
            _ = open_run(run_copy, verify=False).features


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "not finite"])
def test_a_weight_of_another_shape_or_kind_is_refused(change: str, small_run: Run, run_copy: Path) -> None:
    path = run_copy / "model.safetensors"
    tensors = load_file(path)
    name = "fc.bias"
    save_file({**tensors, name: np.ascontiguousarray(CHANGES[change](tensors[name]))}, path)
    with pytest.raises(ModelError, match=r"model\.safetensors does not fit the model: 1 tensors differ.*fc\.bias"):
        load_weights(build(small_run.config.settings.model), path)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("tensor", ["image", "logits"])
def test_a_known_answer_of_another_shape_or_kind_is_refused(tensor: str, change: str, run_copy: Path) -> None:
    path = run_copy / "golden.safetensors"
    tensors = load_file(path)
    if tensor == "image" and change in ("one longer", "not finite"):
        return  # another image, or none of its values can be that
    save_file({**tensors, tensor: np.ascontiguousarray(CHANGES[change](tensors[tensor]))}, path)
    run = open_run(run_copy, verify=False)
    with pytest.raises(RunError, match=r"known answer|is not an image with its logits"):
        run.check_known_answer(lambda _: tensors["logits"], 0.01)
