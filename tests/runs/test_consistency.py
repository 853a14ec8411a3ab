"""A run that contradicts itself is refused, also where all hashes were made to fit: tables, features, calibration,
policy and history are those of one model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from lesion_core.data.tables import OFFICIAL_TEST, ROLES
from lesion_core.errors import LesionError, RunError
from lesion_core.ood.policy import read_policy, write_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.runs import classifier, consistency, segmenter
from lesion_core.runs.classifier import Run, open_run, write_config
from lesion_core.runs.consistency import check_roles, check_tables, open_consistent
from lesion_core.runs.evaluations import FIGURES, LEFT_OUT
from lesion_core.runs.segmenter import MEASURED, open_segmenter, write_segmenter_config
from lesion_core.runs.small_files import MOST_BYTES, read_small

ROOT = Path(__file__).parents[2]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def forged(folder: Path, name: str, change: Change) -> Run:
    """The run with another table, all hashes fit."""
    change(pd.read_parquet(folder / name)).to_parquet(folder / name, index=False)
    return write_config(folder, open_run(folder, verify=False).config)


def logits_of(table: pd.DataFrame) -> list[str]:
    return [column for column in table.columns if column.startswith("logit_")]


def as_if_all_were_right(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{name: 20.0 * (table["label"] == name.removeprefix("logit_")) for name in logits_of(table)})


def of_other_images(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{name: np.roll(table[name].to_numpy(), 1) for name in logits_of(table)})


def surer(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{name: 3 * table[name] for name in logits_of(table)})


def one_image_sure(table: pd.DataFrame) -> pd.DataFrame:
    column = logits_of(table)[0]
    return table.assign(**{column: table[column] + 50 * (table.index == len(table) - 1)})


@pytest.mark.parametrize("change", [as_if_all_were_right, of_other_images, surer, one_image_sure])
@pytest.mark.parametrize("file", ["predictions.parquet", "ood.parquet"])
def test_logits_that_are_not_of_the_features_are_refused(file: str, change: Change, run_copy: Path) -> None:
    if file == "ood.parquet" and change is as_if_all_were_right:
        return  # it has no labels
    run = forged(run_copy, file, change)
    with pytest.raises(RunError, match=rf"contradicts itself: logits of [\d,]+ rows of {re.escape(file)}"):
        check_tables(run)


def swapped(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """A table in which two images of two roles have changed places: as many images of each as before."""
    first, second = (np.flatnonzero(table["split"] == role)[-1] for role in (one, other))
    roles = table["split"].tolist()
    roles[first], roles[second] = other, one
    return table.assign(split=roles)


@pytest.mark.parametrize(("one", "other"), list(combinations(ROLES, 2)))
def test_images_that_changed_places_with_those_of_another_role_are_noticed(
    one: str, other: str, run_copy: Path
) -> None:
    run = forged(run_copy, "predictions.parquet", lambda table: swapped(table, one, other))
    with pytest.raises(RunError, match="other images, roles or lesions than the split"):
        check_tables(run)


@pytest.mark.parametrize("column", ["image_id", "lesion_id", "dataset"])
def test_an_image_that_is_another_one_is_noticed(column: str, run_copy: Path) -> None:
    other = {"image_id": "another", "lesion_id": "another", "dataset": OFFICIAL_TEST}[column]
    last = lambda table: table.index == np.flatnonzero(table["split"] == "train")[-1]  # noqa: E731
    path = run_copy / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(**{column: table[column].mask(last(table), other)}).to_parquet(path, index=False)
    config = open_run(run_copy, verify=False).config
    if column == "dataset":
        moved = {"train": config.counts["train"] - 1, OFFICIAL_TEST: config.counts.get(OFFICIAL_TEST, 0) + 1}
        config = config.model_copy(update={"counts": {**config.counts, **moved}})
    with pytest.raises(RunError, match="other images, roles or lesions than the split"):
        check_roles(write_config(run_copy, config))


def test_a_lesion_of_a_segmenter_is_in_one_role(segmenter_copy: Path) -> None:
    path = segmenter_copy / "masks.parquet"
    table = pd.read_parquet(path)
    lesions = table["lesion_id"].mask(table["image_id"].isin(table.groupby("split")["image_id"].first()), "one")
    table.assign(lesion_id=lesions).to_parquet(path, index=False)
    run = write_segmenter_config(segmenter_copy, open_segmenter(segmenter_copy, verify=False).config)
    with pytest.raises(RunError, match="has lesions in two roles: one"):
        run.counts("test")


def test_a_sound_run_is_not_refused_however_it_is_read(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = small_run.read_tensors("model.safetensors", ("fc.weight", "fc.bias"))
    check_tables(small_run, (stored["fc.weight"], stored["fc.bias"]))
    monkeypatch.setattr(consistency, "AT_ONCE", 7)
    assert open_consistent(small_run.folder).name == small_run.name


def test_weights_of_other_classes_are_refused(small_run: Run) -> None:
    with pytest.raises(RunError, match="contradicts itself"):
        check_tables(small_run, (np.zeros((2, 5)), np.zeros(2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "of 1 images and not of"),
        ({"log_loss_before": 0.001}, "with a log loss of 0.001"),
        ({"log_loss_after": 9.0}, "with a log loss of 9"),
        ({"temperature": 50.0}, "with a log loss of"),
    ],
)
def test_a_calibration_of_other_images_is_refused(change: dict[str, float], message: str, run_copy: Path) -> None:
    path = run_copy / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    run = write_config(run_copy, open_run(run_copy, verify=False).config)
    with pytest.raises(RunError, match=message):
        check_tables(run)


@pytest.mark.parametrize("change", [{"ece_after": 1.5}, {"ece_before": -0.1}, {"log_loss_after": -1.0}, {"n": 0}])
def test_a_calibration_out_of_range_is_refused(change: dict[str, float], run_copy: Path) -> None:
    path = run_copy / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match=rf"calibration\.json: {next(iter(change))}"):
        _ = open_run(run_copy, verify=False).calibration


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("predictions.parquet", lambda t: pd.concat([t, t.head(1)]), "1 rows twice"),
        ("predictions.parquet", lambda t: t.iloc[1:], r"images of \w+, and config\.json says"),
        ("predictions.parquet", lambda t: t.assign(label="melanoma"), "column label holds melanoma"),
        ("predictions.parquet", lambda t: t.assign(age=-1.0), "column age holds -1"),
        ("predictions.parquet", lambda t: t.assign(age=np.inf), "column age holds inf"),
        ("ood.parquet", lambda t: pd.concat([t.iloc[1:], t.tail(1)]), "1 rows twice"),
    ],
)
def test_facts_that_cannot_be_are_refused(file: str, change: Change, message: str, run_copy: Path) -> None:
    run = forged(run_copy, file, change)
    with pytest.raises(RunError, match=message):
        _ = run.predictions, run.ood


def test_lengths_under_0_are_refused(run_copy: Path) -> None:
    path = run_copy / "features.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "residual": -tensors["residual"] - 1}, path)
    with pytest.raises(RunError, match="has lengths under 0"):
        _ = open_run(run_copy, verify=False).features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pd.concat([t, t.head(1)]), "1 rows twice"),
        (lambda t: t.assign(clean_tp=t["clean_tp"] + 1), "not of one true mask"),
        (lambda t: t.assign(raw_tn=t["raw_tn"] + 1), "not of one true mask"),
        (lambda t: t.assign(**{f"{v}_{c}": 0 for v in ("clean", "raw") for c in ("tp", "fp", "fn", "tn")}), "one true"),
        (lambda t: t.assign(clean_fp=0, clean_tn=t["clean_fp"] + t["clean_tn"]), "another mean Jaccard index"),
        (lambda t: t.assign(split="train"), "column split holds train"),
        (lambda t: t.iloc[1:], r"images of \w+, and config\.json says"),
    ],
)
def test_counts_that_cannot_be_are_refused(change: Change, message: str, segmenter_copy: Path) -> None:
    path = segmenter_copy / "masks.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    run = write_segmenter_config(segmenter_copy, open_segmenter(segmenter_copy, verify=False).config)
    with pytest.raises(RunError, match=message):
        run.counts(MEASURED[-1])


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(created="yesterday"),
        lambda c: c["counts"].update(test=-1),
        lambda c: c["quantization"].update(same_decision=-0.5),
        lambda c: c["settings"]["model"].update(classes=["MEL", "XX"]),
    ],
)
def test_settings_that_cannot_be_are_refused(change: Callable[[Any], object], run_copy: Path) -> None:
    config = json.loads((run_copy / "config.json").read_text())
    change(config)
    (run_copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"config\.json of small: "):
        open_run(run_copy)


@pytest.mark.parametrize("what", ["a threshold that keeps nothing", "another share", "no share", "a part's share"])
def test_a_policy_that_does_not_keep_what_it_says_is_refused(what: str, run_copy: Path) -> None:
    """Its check and its run fit: the thresholds alone are not those that were chosen."""
    run = open_run(run_copy)
    policy = read_policy(run)
    assert policy is not None
    Rejector(run, policy)
    first, *rest = policy.limits
    other = {
        "a threshold that keeps nothing": {"limits": (first.model_copy(update={"threshold": -1e9}), *rest)},
        "another share": {"kept_share": 0.2},
        "no share": {"kept_share": None},
        "a part's share": {"limits": (first.model_copy(update={"kept_share": 0.1}), *rest)},
    }[what]
    write_policy(policy.model_copy(update=other), run_copy / "policy.json")
    with pytest.raises(RunError, match="The policy says that it keeps"):
        Rejector.open(run)


THERE: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a broken link": lambda path: path.symlink_to(path.parent / "gone"),
    "a loop": lambda path: path.symlink_to(path),
    "a pipe": lambda path: __import__("os").mkfifo(path),
    "empty": Path.touch,
    "blanks": lambda path: path.write_text("  \n"),
    "a mark alone": lambda path: path.write_bytes(b"\xef\xbb\xbf"),
    "null": lambda path: path.write_text("null"),
    "a list": lambda path: path.write_text("[]"),
    "NaN": lambda path: path.write_text("NaN"),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "huge": lambda path: path.write_bytes(b" " * (MOST_BYTES + 1)),
}


@pytest.mark.parametrize("there", THERE)
@pytest.mark.parametrize("name", ["policy.json", "known_answer.json", "calibration.json", "config.json"])
def test_what_is_there_and_cannot_be_read_is_never_as_if_there_were_nothing(
    name: str, there: str, run_copy: Path
) -> None:
    run = open_run(run_copy)
    policy = read_policy(run)
    (run_copy / name).unlink()
    THERE[there](run_copy / name)
    with pytest.raises(LesionError, match=re.escape(name)):
        run = open_run(run_copy, verify=False, needed=())
        _ = run.calibration, read_policy(run), Rejector(run, policy) if policy else None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"0.5"', "true", "null", "[]"])
@pytest.mark.parametrize("field", ["threshold", "temperature", "kept_share"])
def test_a_number_of_a_policy_that_is_none_is_refused(field: str, number: str, run_copy: Path) -> None:
    path = run_copy / "policy.json"
    path.write_text(re.sub(rf'("{field}"): [-\d.e]+', rf"\1: {number}", path.read_text()))
    with pytest.raises(LesionError, match=r"policy\.json"):
        read_policy(open_run(run_copy))


def test_a_small_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"x\r\n" * 1000)
    assert read_small(path) == b"x\r\n" * 1000


NOT_HASHED = {
    "config.json": "holds the hashes; its own hash is the run's fingerprint",
    "policy.json": "names its run, has a check, and keeps the shares that it says",
    "known_answer.json": "names its run, and is given by the model",
    "explanations.parquet": "names its run in every row, and has the answers of its table",
    "robustness.parquet": "names its run in every row",
    "series.parquet": "names its run in every row",
    "card.md": "read by no page and no command",
}
"""Files of a run that no hash in `config.json` covers, and what covers them."""


def test_every_file_that_is_read_is_hashed_or_says_that_it_is_not() -> None:
    """Names of files in the code of everything that reads runs."""
    found = set()
    for room in ("lesion_core/runs", "lesion_core/ood", "lesion_core/inference", "lesion_core/serving", "app", "pages"):
        for path in (ROOT / room).rglob("*.py"):
            found |= set(re.findall(r'"([a-z_]+\.(?:json|parquet|csv|safetensors|md))"', path.read_text()))
    others = {"manifest.csv"}  # of a data folder
    downloads = {"lesion-lab-history.csv"}
    evaluations = {FIGURES, LEFT_OUT}  # of `evaluate --as`: written for people, and read by no page
    listed = {*classifier.HASHED, *segmenter.HASHED, *NOT_HASHED}
    assert found - others - downloads - evaluations <= listed, "a new file needs a hash, or a line in NOT_HASHED"
    assert listed <= found, "no longer read"
    folders = [path for path in (ROOT / "checkpoints").iterdir() if path.is_dir()]
    assert {path.name for folder in folders for path in folder.iterdir()} <= listed


def test_no_page_and_no_command_reads_a_card() -> None:
    for room in ("lesion_core", "app", "pages"):
        for path in (ROOT / room).rglob("*.py"):
            assert not re.search(r"\brun\.card\b|opened\.card\b", path.read_text()), path


def test_with_predictions_is_not_a_way_around(small_run: Run) -> None:
    other = replace(small_run).with_predictions(as_if_all_were_right(small_run.predictions))
    with pytest.raises(RunError, match="contradicts itself"):
        check_tables(other)
