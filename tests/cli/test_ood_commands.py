"""The command line of OOD scores: fit, score, tune, and predict with a policy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_main import refused

from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.policy import read_policy
from lesion_core.ood.scores import DEFAULT, SCORES, Scorer
from lesion_core.runs.classifier import Run, open_run


def test_tune_then_score_then_predict(call: Any, run_copy: Path, data_root: Path, tmp_path: Path) -> None:
    code, out, _ = call("ood", "tune", "--run", run_copy)
    assert code == 0 and json.loads(out)["written"] == str(run_copy / "policy.json")
    policy = read_policy(open_run(run_copy))
    assert policy is not None and json.loads(out)["policy"] == json.loads(policy.to_json()) and policy.score == DEFAULT

    mine = tmp_path / "mine.json"
    code, out, _ = call("ood", "tune", "--run", run_copy, "--score", "residual", "--share", "0.5", "--out", mine)
    limit = json.loads(out)["policy"]["limits"][0]
    assert code == 0 and limit["score"] == "residual" and 0.5 <= limit["kept_share"] < 0.7

    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(next((data_root / "synthetic" / "HAM10000_images").iterdir()), folder / "lesion.jpg")
    shutil.copy(data_root / "ood" / "noise" / "noise_1.png", folder / "noise.png")
    (folder / "bad.jpg").write_bytes(b"no picture")
    code, out, _ = call("ood", "score", folder, "--run", run_copy, "--policy", mine)
    bad, lesion, noise = json.loads(out)
    assert code == 1 and "error" in bad and "scores" not in bad
    for row in (lesion, noise):
        assert list(row["scores"]) == list(SCORES)
        assert row["rejected"] == (row["scores"]["residual"] > limit["threshold"]) and "dermoscopy" in row["reason"]
    assert noise["scores"]["residual"] > lesion["scores"]["residual"]
    code, out, _ = call("ood", "score", folder / "noise.png", "--run", run_copy, "--table")
    assert code == 0 and "noise.png" in out

    code, out, _ = call("predict", folder / "noise.png", "--run", run_copy, "--policy", mine, "--json")
    found = json.loads(out)[0]
    assert code == 0 and found["rejected"] == noise["rejected"] and found["reason"] == noise["reason"]
    refused(
        call("predict", folder / "noise.png", "--run", run_copy, "--policy", tmp_path / "gone.json"), "no settings file"
    )
    mine.write_text(mine.read_text().replace("residual", "vim", 1))
    refused(call("predict", folder / "noise.png", "--run", run_copy, "--policy", mine), "needs limits on vim")


def test_what_tune_refuses(call: Any, run_copy: Path) -> None:
    before = (run_copy / "policy.json").read_bytes()
    for options, description in (
        (["--on", "test"], "not chosen on test"),
        (["--score", "odin"], "no known OOD score"),
        (["--how", "magic"], "no known way"),
        (["--how", "eye"], "needs its number"),
        (["--how", "published"], "no published threshold"),
        (["--share", "0"], "share"),
        (["--how", "cost", "--cost", "-1"], "cost"),
        (["--how", "guarantee", "--error", "0.01"], "cannot be promised"),
    ):
        refused(call("ood", "tune", "--run", run_copy, *options), description)
    refused(call("ood", "tune", "--run", run_copy / "none"), "is no run")
    assert (run_copy / "policy.json").read_bytes() == before
    assert call("ood", "tune")[0] == 2 and call("ood", "score", "x.jpg")[0] == 2 and call("ood", "fly")[0] == 2


def test_fit_measures_every_score(call: Any, small_run: Run) -> None:
    code, out, _ = call("ood", "fit", small_run.folder, "--resamples", 100)
    found = json.loads(out)
    assert code == 0 and found["fingerprint"] == small_run.fingerprint and found["shown_on"] == "test"
    assert set(found["scores"]) == set(found["fit_seconds"]) == set(SCORES)
    scorer, test = Scorer.of(small_run), outputs_of(small_run, small_run.part("test"))
    for key, rows in found["scores"].items():
        measures = {(row["kind"], row["measure"]): row for row in rows}
        assert {m for kind, m in measures if kind == ""} == {"aurc", "augrc", "coverage", "risk"}
        assert {m for kind, m in measures if kind == "all"} == {
            "auroc",
            "aupr_ood",
            "aupr_dermoscopy",
            "fpr95",
            "rejected",
        }
        assert measures["", "coverage"]["n"] == len(test) == len(scorer(key, test))


@pytest.mark.parametrize("arguments", [["--help"], ["tune", "--help"]])
def test_help(call: Any, arguments: list[str]) -> None:
    code, out, _ = call("ood", *arguments)
    assert code == 0 and "ood" in out
