"""The run folder: whatever is missing, altered or of another run is told in a sentence."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from lesion_core.data.tables import ROLES
from lesion_core.errors import LesionError, RunError
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.labels import ISIC2019
from lesion_core.ood.policy import read_policy
from lesion_core.runs import hashes
from lesion_core.runs.classifier import FACTS, HASHED, OOD_FACTS, Run, list_runs, open_run, write_config
from lesion_core.runs.hashes import sha256
from lesion_core.runs.listing import folder_state, run_folders

TABLES = ("predictions", "ood", "calibration", "history", "golden", "features")


def read_all(run: Run) -> None:
    for name in TABLES:
        getattr(run, name)


def rewrite_config(run_folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = run_folder / "config.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def one_sentence(error: LesionError) -> bool:
    return bool(error.problem) and "\n" not in error.problem and error.problem.rstrip().endswith((".", ")", ")."))


def test_what_is_written_is_read(small_run: Run, trained: Any) -> None:
    run = open_run(small_run.folder)
    n, m = len(trained.collection.table), len(trained.collection.ood)
    assert (run.name, run.classes, run.fingerprint) == ("small", ISIC2019, small_run.fingerprint)
    assert list(run.predictions.columns) == [*FACTS, *(f"logit_{c}" for c in ISIC2019)] and len(run.predictions) == n
    assert list(run.ood.columns) == [*OOD_FACTS, *(f"logit_{c}" for c in ISIC2019)] and len(run.ood) == m
    assert len(run.ood_images) == 2 and len(run.corrupted) == m - 2
    made = run.corrupted["kind"].value_counts()
    assert set(made.index) == set(CORRUPTIONS) and set(made.drop("bare_skin")) == {2}, "bare skin needs room for it"
    assert run.features["reduced"].shape[0] == n and run.features["ood_reduced"].shape[0] == m
    assert run.golden[0].shape[2] == 3 and run.golden[1].shape == (8,)
    assert run.calibration.temperature > 0 and set(run.history["phase"]) == {"train", "select"}
    assert sum(run.config.counts[role] for role in ROLES) == n and run.config.counts["ood"] == m
    assert run.config.files == {name: sha256(run.folder / name) for name in HASHED}
    assert "# small" in run.card and "Not a medical device" in run.card
    policy = read_policy(run)
    assert policy is not None and policy.run == run.fingerprint and policy.chosen_on == "calibrate"


def test_parts_are_roles(small_run: Run) -> None:
    sizes = {role: len(small_run.part(role)) for role in ROLES}
    assert all(sizes.values()) and sum(sizes.values()) == len(small_run.predictions)
    groups = [set(small_run.part(role)["lesion_id"]) for role in ROLES]
    assert sum(map(len, groups)) == len(set.union(*groups)), "no lesion is in two roles"
    assert small_run.logits(small_run.part("test")).dtype == np.float64


@pytest.mark.parametrize("name", HASHED)
@pytest.mark.parametrize("damage", ["missing", "truncated", "altered", "empty"])
def test_every_damaged_file_is_named(run_copy: Path, name: str, damage: str) -> None:
    path = run_copy / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        middle = len(data) // 2
        path.write_bytes(
            {
                "truncated": data[:middle],
                "empty": b"",
                "altered": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            }[damage]
        )
    with pytest.raises(RunError, match=re.escape(name)) as caught:
        open_run(run_copy)
    assert one_sentence(caught.value)


@pytest.mark.parametrize("name", [n for n in HASHED if n != "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe garbage \x80", b'{"a": 1}', b"PAR1"])
def test_unverified_files_are_refused_when_they_are_read(run_copy: Path, name: str, content: bytes) -> None:
    (run_copy / name).write_bytes(content)
    run = open_run(run_copy, verify=False)
    with pytest.raises(RunError) as caught:
        read_all(run)
    assert Path(name).stem in str(caught.value)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (
            "predictions",
            lambda t: t.drop(columns="logit_MEL"),
            "predictions.parquet of small lacks the column logit_MEL",
        ),
        ("predictions", lambda t: t.drop(columns="lesion_id"), "lacks the column lesion_id"),
        ("predictions", lambda t: t.assign(split="training"), "column split holds training"),
        ("predictions", lambda t: t.assign(logit_NV=np.nan), r"\d+ rows have logits that are NaN or infinite"),
        ("predictions", lambda t: t.assign(logit_NV=t["logit_NV"].where(t.index != 3, np.inf)), "1 rows have logits"),
        ("predictions", lambda t: t.assign(logit_NV="high"), "column logit_NV does not hold numbers"),
        ("ood", lambda t: t.drop(columns="kind"), "ood.parquet of small lacks the column kind"),
        (
            "ood",
            lambda t: t.assign(logit_SCC=t.logit_SCC.where(t.index >= 20)),
            "20 rows have logits that are NaN or infinite",
        ),
        ("ood", lambda t: t.head(1), r"ood\.parquet of small has 1 images of ood, and config\.json says \d+"),
    ],
)
def test_wrong_tables_name_the_column(run_copy: Path, table: str, change: Any, message: str) -> None:
    path = run_copy / f"{table}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(RunError, match=message):
        read_all(open_run(run_copy, verify=False))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("features", lambda t: t.pop("residual"), "lacks the tensor residual"),
        ("features", lambda t: t.pop("layer3_mean"), "lacks the tensor layer3_mean"),
        ("features", lambda t: t.update(ood_residual=t["ood_residual"][:1]), "not have one row per image"),
        ("golden", lambda t: t.pop("logits"), "lacks the tensor logits"),
        ("golden", lambda t: t.update(logits=t["logits"][:3]), "not an image with its logits"),
        ("golden", lambda t: t.update(image=t["image"].astype(np.float32)), "not an image with its logits"),
    ],
)
def test_wrong_tensors_are_named(run_copy: Path, file: str, change: Any, message: str) -> None:
    path = run_copy / f"{file}.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(RunError, match=message):
        read_all(open_run(run_copy, verify=False))


def test_other_tables_are_refused(run_copy: Path) -> None:
    (run_copy / "history.csv").write_text("epoch,phase,metric\n0,train,loss\n")
    (run_copy / "calibration.json").write_text('{"temperature": -1}')
    run = open_run(run_copy, verify=False)
    with pytest.raises(RunError, match=r"history\.csv of small is damaged: history\.csv has no column value"):
        _ = run.history
    with pytest.raises(RunError, match=r"calibration\.json"):
        _ = run.calibration
    (run_copy / "card.md").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match="not a text file"):
        _ = run.card
    (run_copy / "card.md").unlink()
    with pytest.raises(RunError, match=r"lacks card\.md"):
        _ = run.card


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON object"),
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("{}", "schema version None"),
    ],
)
def test_a_config_that_is_none(run_copy: Path, text: str, message: str) -> None:
    (run_copy / "config.json").write_text(text)
    with pytest.raises(RunError, match=message):
        open_run(run_copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema_version=2, later_field=1), "schema version 2, and this program reads 1"),
        (lambda c: c.update(extra=1), "extra"),
        (lambda c: c.pop("settings"), "settings"),
        (lambda c: c["settings"]["training"].update(epochs="1"), r"settings\.training\.epochs"),
        (lambda c: c["settings"]["model"].update(classes=["MEL"]), r"settings\.model\.classes"),
        (lambda c: c["files"].pop("ood.parquet"), "ood.parquet of run small was altered"),
    ],
)
def test_a_config_that_is_wrong_names_the_field(run_copy: Path, change: Any, message: str) -> None:
    rewrite_config(run_copy, change)
    with pytest.raises(RunError, match=message) as caught:
        open_run(run_copy)
    assert one_sentence(caught.value)


def test_no_run_at_all(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunError, match=r"is not a run folder: config\.json is missing"):
            open_run(path)


def test_the_fingerprint_changes_with_any_file(run_copy: Path, small_run: Run) -> None:
    history = pd.read_csv(run_copy / "history.csv")
    history.assign(value=0.0).to_csv(run_copy / "history.csv", index=False)
    again = write_config(run_copy, small_run.config)
    assert again.fingerprint != small_run.fingerprint
    (run_copy / "golden.safetensors").unlink()
    with pytest.raises(RunError, match=r"is incomplete: golden\.safetensors"):
        write_config(run_copy, small_run.config)


def test_only_what_is_needed_need_be_there(run_copy: Path) -> None:
    (run_copy / "predictions.parquet").unlink()
    assert open_run(run_copy, needed=("model.safetensors",)).name == "small"
    with pytest.raises(RunError, match=r"lacks predictions\.parquet"):
        open_run(run_copy)


def test_the_list_tells_the_broken_and_gives_the_others(run_copy: Path) -> None:
    root = run_copy.parent
    (root / "notes").mkdir()
    (root / ".hidden").mkdir()
    (root / "file.txt").write_text("no folder")
    (root / "torn").mkdir()
    (root / "torn" / "config.json").write_text("{")
    runs, broken = list_runs(root, verify=True)
    assert [run.name for run in runs] == ["small"] and list(broken) == ["notes", "torn"]
    assert all(isinstance(error, RunError) and str(error) for error in broken.values())
    (run_copy / "ood.parquet").write_bytes(b"")
    assert [run.name for run in list_runs(root, verify=False)[0]] == ["small"], "found only by verifying"
    assert list(list_runs(root)[1]) == ["notes", "small", "torn"]
    assert list_runs(root / "none") == ([], {})


def test_runs_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("resnet101", "resnet50", "a", "resnet152", ".hidden", "50b", "resnet", "²"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert [path.name for path in run_folders(tmp_path)] == [
        "50b",
        "a",
        "resnet",
        "resnet50",
        "resnet101",
        "resnet152",
        "²",
    ]


def the_truth(run: Run) -> pd.DataFrame:
    """The run's predictions with logits that name the true diagnosis of every image."""
    hit = run.predictions["label"].to_numpy()[:, None] == np.array(run.classes)
    return run.predictions.assign(
        **{f"logit_{code}": 20 * hit[:, i].astype(np.float32) for i, code in enumerate(run.classes)}
    )


@pytest.mark.parametrize("settled", [True, False])
def test_predictions_that_were_replaced_by_the_truth_are_found_while_the_run_is_open(
    settled: bool, run_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:
        monkeypatch.setattr("lesion_core.runs.hashes.SETTLED", -1)  # every hash is kept from here on
    before = open_run(run_copy)
    opened, state = open_run(run_copy), folder_state(run_copy.parent)
    truth = the_truth(opened)
    assert (truth[[f"logit_{c}" for c in opened.classes]].to_numpy().argmax(1) == opened.logits(truth).argmax(1)).all()
    truth.to_parquet(run_copy / "predictions.parquet", index=False)
    assert folder_state(run_copy.parent) != state
    with pytest.raises(RunError, match=r"predictions\.parquet of run small was altered"):
        open_run(run_copy)
    with pytest.raises(RunError, match=r"predictions\.parquet of run small was altered"):
        _ = before.predictions
    assert list(list_runs(run_copy.parent)[1]) == ["small"]


def test_a_file_of_the_same_size_and_time_of_writing_is_found(run_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesion_core.runs.hashes.SETTLED", -1)
    open_run(run_copy)
    path = run_copy / "model.safetensors"
    times, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    time.sleep(0.02)  # a tick of the file system's clock
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(RunError, match=r"model\.safetensors of run small was altered"):
        open_run(run_copy)


def test_a_run_that_is_opened_again_is_not_read_again(run_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = hashes.sha256
    monkeypatch.setattr(hashes, "SETTLED", -1)
    monkeypatch.setattr(hashes, "sha256", lambda path: read.append(path.name) or plain(path))
    open_run(run_copy)
    assert sorted(read) == sorted(HASHED)
    read.clear()
    open_run(run_copy)
    assert not read
    (run_copy / "history.csv").touch()
    open_run(run_copy)
    assert read == ["history.csv"]


def test_a_file_that_was_just_written_is_hashed_each_time(run_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = hashes.sha256
    monkeypatch.setattr(hashes, "sha256", lambda path: read.append(path.name) or plain(path))
    (run_copy / "history.csv").touch()
    for _ in range(2):
        open_run(run_copy, needed=("history.csv",))
    assert read == ["history.csv"] * 2, "two changes within one tick of the clock would leave the same state"
