"""What programs and pipes read: every command that prints figures has `--json` with one documented schema, and its
table is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import TypeAdapter

from lesion_core.cli.main import app
from lesion_core.cli.options import new_table, print_table, tell_trained
from lesion_core.cli.schema_page import markdown
from lesion_core.cli.schemas import SCHEMAS
from lesion_core.findings import read_experiment
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun
from tests.literal import ROOT
from tests.own_set import own_set

SERVERS = {"dashboard", "serve"}
"""Commands that print no figure."""
LONG = "a_run_whose_name_is_much_longer_than_a_narrow_terminal_is_wide"


def commands(group: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that is shown, by its words."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        elif not command.hidden:
            yield f"{before}{name}", command


def test_every_command_that_prints_figures_has_json_and_a_schema() -> None:
    found = dict(commands())
    assert set(found) >= SERVERS and len(found) > 12
    for name, command in found.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--json" in options) == (name not in SERVERS), name
        assert (name in SCHEMAS) == (name not in SERVERS), name
    for name in SCHEMAS:
        command, _, option = name.partition(" --")
        assert command in found
        assert not option or f"--{option}" in {o for p in found[command].params for o in p.opts}, name


def test_the_schemas_are_documented() -> None:
    assert (ROOT / "docs" / "json.md").read_text(encoding="utf-8") == markdown()


@pytest.fixture
def places(
    small_run: Run, small_segmenter: SegmenterRun, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[Any]]:
    """A call of every command that is not a training, on an image with a long name."""
    run, unet = tmp_path / "runs" / "small", tmp_path / "runs" / "small-unet"
    shutil.copytree(small_run.folder, run)
    shutil.copytree(small_segmenter.folder, unet)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    shutil.copy(next((data_root / "synthetic" / "HAM10000_images").iterdir()), pictures / f"{LONG}.jpg")
    (pictures / "broken.jpg").write_bytes(b"no picture")
    own_set(tmp_path / "mine" / "mine", 10)
    finding = read_experiment("imbalance", ROOT / "experiments")
    assert finding is not None
    monkeypatch.setattr("lesion_core.experiments.trainings.run_experiment", lambda *_, **__: finding.table)
    mine, few = ["--data", tmp_path / "mine", "--as", "mine"], ["--resamples", 100]
    changed = ["--change", "hair", "--change", "pixelate", "--images", 2, "--work", tmp_path / "work"]
    hair = ["--change", "hair", "--severity", 5]
    out, settings = tmp_path / "new", small_run.folder / "config.json"
    return {
        "synthesize": ["synthesize", tmp_path / "made", "--per-class", 1, "--size", 32],
        "experiment": ["experiment", "imbalance", "--data", data_root, "--settings", settings, "--out", out],
        "evaluate": ["evaluate", run, *few],
        "evaluate --as": ["evaluate", run, *mine, *few],
        "predict": ["predict", pictures, "--run", run],
        "explain": ["explain", run, "--data", data_root, "--most", 2],
        "robustness": ["robustness", run, "--data", data_root, *changed, *few],
        "consistency": ["consistency", run, "--data", data_root, "--series", "symmetries", *changed[-4:], *few],
        "runs": ["runs", ROOT / "checkpoints"],
        "segment evaluate": ["segment", "evaluate", unet, *few],
        "segment evaluate --changed": ["segment", "evaluate", unet, "--data", data_root, "--changed", *hair, *few],
        "segment evaluate --as": ["segment", "evaluate", unet, *mine, *few],
        "segment predict": ["segment", "predict", pictures, "--run", unet, "--out", tmp_path / "masks"],
        "ood fit": ["ood", "fit", run, *few],
        "ood score": ["ood", "score", pictures, "--run", run],
        "ood tune": ["ood", "tune", "--run", run],
    }


@pytest.mark.slow
def test_what_is_printed_is_what_the_schema_says(places: dict[str, list[Any]], call: Any) -> None:
    assert set(places) == set(SCHEMAS) - {"train", "segment train", "download demo"}
    for name, arguments in places.items():
        details = ["--with", "logits", "--with", "features"] if name in ("predict", "ood score") else []
        code, out, err = call(*arguments, "--json", *details)
        assert code == (1 if "predict" in name or name == "ood score" else 0), (name, err[-500:])
        found = json.loads(out, parse_constant=pytest.fail)
        TypeAdapter(SCHEMAS[name]).validate_json(out)
        if details:
            answered, broken = found  # in the order of their names
            assert {"logits", "features"} <= set(answered) and set(broken) == {"picture", "error"}


def test_a_training_prints_what_its_schema_says(
    small_run: Run, small_segmenter: SegmenterRun, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, run in (("train", small_run), ("segment train", small_segmenter)):
        tell_trained(run, run.history, True)
        out = capfd.readouterr().out
        found = json.loads(out)
        TypeAdapter(SCHEMAS[name]).validate_json(out)
        assert found["history"] and found["run"] == run.name


@pytest.mark.slow
def test_no_table_is_cut_where_there_is_no_terminal(
    places: dict[str, list[Any]], call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Piped into something 40 letters wide, a table has one line for each row, with every name whole."""
    monkeypatch.setenv("COLUMNS", "40")
    drawn: list[str] = []
    monkeypatch.setattr("lesion_core.cli.options.out._width", 40)
    for name, arguments in places.items():
        out = call(*arguments)[1]
        tables = [[line for line in part.splitlines() if line.startswith("│")] for part in out.split("┏")]
        if any(tables):
            drawn.append(name)
        for rows in tables:
            assert "…" not in "".join(rows), (name, out)
            assert all(row.count("│") == rows[0].count("│") for row in rows), (name, out)
        if name in ("predict", "ood score", "segment predict"):
            assert f"{LONG}.jpg │" in out or f"{LONG}.jpg  " in out, (name, out)
        if name == "runs":
            assert all(f"│ {run.name} " in out for run in (ROOT / "checkpoints").iterdir() if run.is_dir())
    assert len(drawn) >= 9, drawn


def test_on_a_narrow_terminal_a_name_is_folded_and_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    table = new_table("run", "made")
    table.add_row(LONG, "2026-11-22")
    print_table(table)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    folded = [line.strip("│").split("│")[0].strip() for line in lines if line.startswith("│")]
    assert "".join(folded) == LONG
