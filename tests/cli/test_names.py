"""Output never fails on a name, and draws it letter by letter: other bytes, missing letters, markup, line breaks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun

ROOT = Path(__file__).parents[2]
NAMES = {
    b"plain.jpg": "plain.jpg",
    b"na\xe9vus.jpg": "na\\xe9vus.jpg",
    "病変 Übersicht.jpg".encode(): "病変 Übersicht.jpg",
    b"two\nlines.jpg": "two\\nlines.jpg",
    b"\x1b[31mred\x07.jpg": "\\x1b[31mred\\x07.jpg",
    "\u202egpj.exe.jpg".encode(): "\\u202egpj.exe.jpg",
    b"[bold]x [red] :x: :smile:.jpg": "[bold]x [red] :x: :smile:.jpg",
    b"=SUM(A1).jpg": "=SUM(A1).jpg",
}
"""A file's name in bytes, and what is printed of it."""


@pytest.fixture
def odd_names(data_root: Path, tmp_path: Path) -> Path:
    """A folder with one good image under every name of `NAMES`."""
    good = next((data_root / "synthetic" / "HAM10000_images").iterdir())
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(good, folder / os.fsdecode(name))
    return folder


def run(encoding: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own, whose console has this encoding."""
    return subprocess.run(
        [sys.executable, "-m", "lesion_core", *map(str, arguments)],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "300"},
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii:strict", "cp1252:strict"])
def test_a_row_for_every_name(odd_names: Path, small_run: Run, encoding: str) -> None:
    done = run(encoding, "predict", odd_names, "--run", small_run.folder)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr[-2000:]
    codec = encoding.split(":")[0]
    printed = done.stdout.decode(codec)
    for shown in NAMES.values():
        there = shown.encode(codec, "backslashreplace").decode(codec)
        assert sum(f"/{there}" in line for line in printed.splitlines()) == 1, (shown, printed)
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)


@pytest.mark.slow
def test_other_commands_on_pictures(odd_names: Path, small_run: Run, small_segmenter: SegmenterRun) -> None:
    scored = run("ascii:strict", "ood", "score", odd_names, "--run", small_run.folder, "--table")
    assert scored.returncode == 0 and b"Traceback" not in scored.stderr, scored.stderr[-2000:]
    masks = odd_names.parent / "masks"
    found = run("utf-8", "segment", "predict", odd_names, "--run", small_segmenter.folder, "--out", masks)
    assert found.returncode == 0 and b"Traceback" not in found.stderr, found.stderr[-2000:]
    made = {os.fsencode(path.name) for path in masks.iterdir()}
    assert made == {name.removesuffix(b".jpg") + b"_segmentation.png" for name in NAMES}
    for shown in NAMES.values():
        assert shown.removesuffix(".jpg") + "_segmentation.png" in found.stdout.decode()


@pytest.mark.slow
def test_refusals_and_run_folders(run_copy: Path, tmp_path: Path) -> None:
    """A run and a file that is refused under an odd name: told with exit code 1, no traceback, one line."""
    odd = run_copy.rename(run_copy.parent / ":x: [red]\n病")
    listed = run("ascii:strict", "runs", run_copy.parent)
    assert listed.returncode == 0 and b"small" in listed.stdout, listed.stderr[-2000:]
    measured = run("ascii:strict", "evaluate", odd, "--resamples", 100)
    assert measured.returncode == 0, measured.stderr[-2000:]
    bad = tmp_path / os.fsdecode(b"[b] :x: \xff\n.png")
    bad.write_bytes(b"no picture")
    refused = run("utf-8:strict", "predict", bad, "--run", odd)
    assert refused.returncode == 1 and b"Traceback" not in refused.stderr
    assert refused.stdout.count(b"[b] :x: \\xff\\n.png") >= 2  # the path, and the name in the sentence
    gone = run("ascii:strict", "runs", bad)
    assert gone.returncode == 1 and b"[b] :x: \\xff\\n.png" in gone.stderr and gone.stderr.count(b"\n") == 1
