"""What experiments found, on disk: covered by hashes, and told where it is damaged or something else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lesion_core.config import ModelSettings, RunSettings
from lesion_core.errors import DataError, LesionError
from lesion_core.experiments.registry import COLUMNS
from lesion_core.findings import Finding, experiment_state, read_experiment, write_experiment
from lesion_core.labels import ISIC2019

SETTINGS = RunSettings(name="base", model=ModelSettings(architecture="resnet10", classes=ISIC2019))
TABLE = pd.DataFrame([["lesion", "test", "", "accuracy", 0.5, 0.4, 0.6, 9, 9]], columns=list(COLUMNS))


def test_the_hashes_are_those_of_sha256sum(tmp_path: Path) -> None:
    write_experiment("leakage", Finding(TABLE, SETTINGS), tmp_path)
    stated = (tmp_path / "leakage.sha256").read_text()
    own = [
        f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("leakage.csv", "leakage.json")
    ]
    assert stated == "".join(own)


@pytest.mark.parametrize("name", ["leakage.csv", "leakage.json"])
def test_a_changed_byte_is_told_and_never_shown(name: str, tmp_path: Path) -> None:
    """Also where what it says could be."""
    path = write_experiment("leakage", Finding(TABLE, SETTINGS), tmp_path).with_name(name)
    state = experiment_state("leakage", tmp_path)
    whole = path.read_bytes()
    other = whole.replace(b"0.4", b"0.3", 1).replace(b"resnet10", b"resnet18")
    assert other != whole
    for changed in (other, whole + b"\n", whole[:-1], b""):
        path.write_bytes(changed)
        assert experiment_state("leakage", tmp_path) != state
        with pytest.raises(DataError, match=rf"{name} was altered.*experiment leakage"):
            read_experiment("leakage", tmp_path)
    path.write_bytes(whole)
    assert read_experiment("leakage", tmp_path) is not None


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"0  leakage.csv\n", "folder"])
def test_without_its_hashes_nothing_is_shown(content: bytes | str | None, tmp_path: Path) -> None:
    stated = write_experiment("leakage", Finding(TABLE, SETTINGS), tmp_path).with_suffix(".sha256")
    stated.unlink()
    if isinstance(content, bytes):
        stated.write_bytes(content)
    elif content:
        stated.mkdir()
    with pytest.raises(DataError, match=r"leakage\.sha256"):
        read_experiment("leakage", tmp_path)


THERE: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a broken link": lambda path: path.symlink_to(path.parent / "gone"),
    "a loop of links": lambda path: path.symlink_to(path),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("there", THERE)
@pytest.mark.parametrize("name", ["leakage.csv", "leakage.json"])
def test_what_has_a_tables_name_and_is_no_file_is_told(name: str, there: str, written: bool, tmp_path: Path) -> None:
    write_experiment("leakage", Finding(TABLE, SETTINGS), tmp_path)
    (tmp_path / name).unlink()
    if not written:
        (tmp_path / "leakage.sha256").unlink()
    THERE[there](tmp_path / name)
    assert experiment_state("leakage", tmp_path) is not None
    with pytest.raises(LesionError, match="leakage"):
        read_experiment("leakage", tmp_path)
