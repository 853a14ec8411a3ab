"""The command robustness: what it prints is of the run's table, it goes on, and bad input is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesion_core.analysis.robustness.consistency import consistency, members_of
from lesion_core.analysis.robustness.severities import answers_under_changes, by_severity
from lesion_core.cli.robustness_schema import Consistent, Robust
from lesion_core.imaging.changes.poses import POSES
from lesion_core.imaging.changes.registry import CHANGES
from lesion_core.runs.classifier import open_run
from lesion_core.runs.robustness import CLEAN, FILE, SERIES, SEVERITIES, read_robustness
from tests.cli.test_main import refused


@pytest.fixture
def command(call: Any, run_copy: Path, data_root: Path, tmp_path: Path) -> Any:
    """The command on a copy of the small run, few images and resamples."""

    def run(*arguments: object) -> tuple[int, str, str]:
        few = ("--images", 4, "--resamples", 100, "--work", tmp_path / "work")
        return call("robustness", run_copy, "--data", data_root, *few, *arguments)

    return run


def test_it_measures_keeps_and_goes_on(command: Any, run_copy: Path, tmp_path: Path) -> None:
    code, out, err = command("--change", "hair", "--change", "gaussian_noise")
    assert code == 0, err
    assert all(CHANGES[key].name in out for key in ("hair", "gaussian_noise"))
    assert "rBE, DermaMNIST-C" in out and "rBE, SAM-C" in out
    assert "DermaMNIST-C, 1 of its 15 changes: mBE" in out and "SAM-C, 1 of its 14 changes: mBE" in out
    assert "not a place in a published table" in out and str(run_copy / FILE) in out
    assert "4 images of 4 lesions of the test sets, drawn with seed 0" in err
    table = read_robustness(open_run(run_copy))
    assert table is not None and len(table) == 4 * (1 + 2 * len(SEVERITIES))
    assert not list((tmp_path / "work").iterdir()), "the parts are in the run"
    code, _, err = command("--change", "hair", "--change", "pixelate")
    assert code == 0 and f"{4 * len(SEVERITIES)} answers were there already" in err
    table = read_robustness(open_run(run_copy))
    assert table is not None and set(table["change"]) == {CLEAN, "hair", "gaussian_noise", "pixelate"}


def test_json_holds_the_figures_of_the_table(command: Any, run_copy: Path) -> None:
    code, out, err = command("--change", "ink", "--severity", 2, "--severity", 4, "--json")
    assert code == 0, err
    Robust.model_validate_json(out)
    found, run = json.loads(out), open_run(run_copy)
    table = read_robustness(run)
    assert table is not None and found["fingerprint"] == run.fingerprint and found["agreement"] == 1
    told = found["views"]["test"]["changes"]["ink"]
    answers = answers_under_changes(run, table)["ink"]
    expected = by_severity(answers, 100)
    rows = {(row["metric"], row["severity"]): row["value"] for row in told["figures"]}
    assert {severity for _, severity in rows} == {0, 2, 4}
    for row in expected.itertuples():
        value = rows[row.metric, row.severity]
        assert value == pytest.approx(row.value) if value is not None else np.isnan(row.value)
    assert found["views"]["test"]["against"] == {}, "a mean over five severities needs five"
    assert sum(found["views"]["test"]["counts"].values()) == told["n"] == 4
    assert sum(row["n"] for row in told["turned_away"]) == 4


def test_without_a_policy_it_says_so(command: Any, run_copy: Path) -> None:
    (run_copy / "policy.json").unlink()
    code, out, err = command("--change", "hair", "--severity", 5, "--json")
    assert code == 0 and "no policy" in err
    assert json.loads(out)["views"]["test"]["changes"]["hair"]["turned_away"] is None


def test_a_damaged_table_is_made_anew(command: Any, run_copy: Path) -> None:
    (run_copy / FILE).write_bytes(b"PAR1 and nothing else")
    code, _, err = command("--change", "hair", "--severity", 5)
    assert code == 0, err
    assert read_robustness(open_run(run_copy)) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--change", "sepia"), "There is no change 'sepia'"),
        (("--backend", "abacus"), "There is no backend 'abacus'"),
    ],
)
def test_what_is_not_known_is_refused(command: Any, arguments: tuple[str, ...], said: str) -> None:
    refused(command(*arguments), said)


def test_a_severity_is_from_1_to_5(command: Any) -> None:
    for severity in (0, 6):
        assert command("--severity", severity)[0] == 2


def test_a_run_whose_weights_are_damaged_is_not_asked(command: Any, run_copy: Path) -> None:
    path = run_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    code, _, err = command("--change", "hair")
    assert code == 1 and "model.safetensors" in err and not (run_copy / FILE).exists()


def test_consistency_measures_keeps_and_goes_on(call: Any, run_copy: Path, data_root: Path, tmp_path: Path) -> None:
    few = ("--data", data_root, "--images", 3, "--resamples", 100, "--work", tmp_path / "work")
    code, out, err = call("consistency", run_copy, *few, "--series", "symmetries", "--series", "rotate")
    assert code == 0, err
    assert "Flips and quarter turns" in out and "Rotate" in out and "SAM-P, 1 of its 10 sequences: mFR" in out
    assert "more than one answer" in out and str(run_copy / SERIES.file) in out
    assert "in 2 series of 39 images in all" in err
    run = open_run(run_copy)
    table = read_robustness(run, SERIES)
    assert table is not None and len(table) == 3 * (1 + 8 + 31) and not list((tmp_path / "work").iterdir())
    code, out, err = call("consistency", run_copy, *few, "--series", "symmetries", "--json")
    assert code == 0 and f"{3 * 8} answers were there already" in err
    found = json.loads(out)
    Consistent.model_validate_json(out)
    own = members_of(run, table)["symmetries"]
    poses = POSES["symmetries"]
    for key, one in (("plain", own), ("flips", own.averaged(poses.flips))):
        expected = consistency(one, poses.shown, 100).set_index("metric")["value"]
        told = {row["metric"]: row["value"] for row in found["views"]["test"]["poses"]["symmetries"][key]}
        assert told == pytest.approx(expected.to_dict())
    assert {row["metric"] for row in found["views"]["test"]["flips"]["sam_p"]["sequences"]} == {"flip_probability"}
    assert "flip_rate" in {row["metric"] for row in found["views"]["binary"]["flips"]["sam_p"]["sequences"]}


def test_a_series_that_is_not_known_is_refused(call: Any, run_copy: Path, data_root: Path) -> None:
    refused(call("consistency", run_copy, "--data", data_root, "--series", "sideways"), "There is no series 'sideways'")
