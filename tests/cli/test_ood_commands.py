"""The command line of OOD scores: fit, score, tune, and predict with a policy."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_main import refused

from lesion_core.errors import ConfigError
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.policy import NO_POLICY, policy_state, read_policy
from lesion_core.ood.scores import DEFAULT, Scorer, offered
from lesion_core.runs.classifier import Run, open_run


def test_tune_then_score_then_predict(call: Any, run_copy: Path, data_root: Path, tmp_path: Path) -> None:
    code, out, _ = call("ood", "tune", "--run", run_copy, "--json")
    assert code == 0 and json.loads(out)["written"] == str(run_copy / "policy.json")
    policy = read_policy(open_run(run_copy))
    assert policy is not None and json.loads(out)["policy"] == json.loads(policy.to_json()) and policy.score == DEFAULT

    mine = tmp_path / "mine.json"
    code, out, _ = call(
        "ood", "tune", "--run", run_copy, "--score", "residual", "--share", "0.5", "--out", mine, "--json"
    )
    limit = json.loads(out)["policy"]["limits"][0]
    assert code == 0 and limit["score"] == "residual" and 0.5 <= limit["kept_share"] < 0.7

    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(next((data_root / "synthetic" / "HAM10000_images").iterdir()), folder / "lesion.jpg")
    shutil.copy(data_root / "ood" / "noise" / "noise_1.png", folder / "noise.png")
    (folder / "bad.jpg").write_bytes(b"no picture")
    code, out, _ = call("ood", "score", folder, "--run", run_copy, "--policy", mine, "--json")
    bad, lesion, noise = json.loads(out)
    assert code == 1 and "error" in bad and "scores" not in bad
    for row in (lesion, noise):
        assert list(row["scores"]) == list(offered(open_run(run_copy)))
        assert (
            row["rejected"] == (row["scores"]["residual"] > limit["threshold"])
            and "the dermoscopic images the model knows" in row["reason"]
        )
    assert noise["scores"]["residual"] > lesion["scores"]["residual"]
    code, out, _ = call("ood", "score", folder / "noise.png", "--run", run_copy, "--table")
    assert code == 0 and "noise.png" in out

    code, out, _ = call("predict", folder / "noise.png", "--run", run_copy, "--policy", mine, "--json")
    found = json.loads(out)[0]
    assert code == 0 and found["rejected"] == noise["rejected"] and found["reason"] == noise["reason"]
    refused(
        call("predict", folder / "noise.png", "--run", run_copy, "--policy", tmp_path / "gone.json"), "cannot be read"
    )
    mine.write_text(mine.read_text().replace("residual", "vim", 1))
    refused(call("predict", folder / "noise.png", "--run", run_copy, "--policy", mine), "needs limits on vim")


def test_what_tune_refuses(call: Any, run_copy: Path) -> None:
    before = (run_copy / "policy.json").read_bytes()
    for options, description in (
        (["--on", "test"], "cannot be chosen on 'test'"),
        (["--score", "odin"], "not a known OOD score"),
        (["--how", "magic"], "not a known way to choose"),
        (["--how", "eye"], "needs its number"),
        (["--how", "published"], "no published threshold"),
        (["--share", "0"], "share"),
        (["--how", "guarantee", "--error", "0.01"], "cannot be promised"),
    ):
        refused(call("ood", "tune", "--run", run_copy, *options), description)
    refused(call("ood", "tune", "--run", run_copy / "none"), "is not a run")
    assert (run_copy / "policy.json").read_bytes() == before
    assert call("ood", "tune")[0] == 2 and call("ood", "score", "x.jpg")[0] == 2 and call("ood", "fly")[0] == 2


@pytest.mark.parametrize(
    "there", ["folder", "empty folder", "link to nothing", "link to itself", "pipe", "no permission"]
)
def test_a_policy_that_is_there_and_cannot_be_read_is_never_none(
    there: str, call: Any, run_copy: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, policy = data_root / "ood" / "noise" / "noise_1.png", run_copy / "policy.json"
    policy.unlink()
    nothing = policy_state(open_run(run_copy))
    for command in (("predict",), ("ood", "score")):
        code, out, err = call(*command, picture, "--run", run_copy, "--json")
        row = json.loads(out)[0]
        assert code == 0 and row["rejected"] is None and "has no policy: nothing is rejected" in err
        assert row["reason"] == NO_POLICY, "where standard error is thrown away too"
    assert NO_POLICY in call("predict", picture, "--run", run_copy)[1]

    if there == "folder":
        (policy / "policy.json").mkdir(parents=True)
    elif there == "empty folder":
        policy.mkdir()
    elif there == "link to nothing":
        policy.symlink_to(run_copy / "gone.json")
    elif there == "link to itself":
        policy.symlink_to(policy)
    elif there == "pipe":
        os.mkfifo(policy)
    else:
        policy.touch()
        plain = os.open
        # Permissions do not hold for an administrator, whom tests may run as.
        monkeypatch.setattr(os, "open", lambda path, *a, **k: denied() if path == policy else plain(path, *a, **k))
    assert policy_state(open_run(run_copy)) != nothing, "the dashboard looks again"
    refused(call("predict", picture, "--run", run_copy, "--json"), "so nobody knows what is to be rejected")
    refused(call("ood", "score", picture, "--run", run_copy), "so nobody knows what is to be rejected")
    with pytest.raises(ConfigError, match=r"policy\.json of small cannot be read"):
        read_policy(open_run(run_copy))


def denied() -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("what", ["folder", "pipe", "device", "socket", "loop", "below a file", "empty"])
def test_a_place_that_is_no_file_is_refused_before_any_work(
    what: str, call: Any, run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place: Path | str = tmp_path / "out" / "place"
    (tmp_path / "out").mkdir()
    if what == "folder":
        Path(place).mkdir()
    elif what == "pipe":
        os.mkfifo(place)
    elif what == "device":
        place = Path("/dev/null")
    elif what == "socket":
        monkeypatch.chdir(tmp_path / "out")
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("place")
    elif what == "loop":
        Path(place).symlink_to(place)
    elif what == "below a file":
        (tmp_path / "out" / "file").touch()
        place = tmp_path / "out" / "file" / "below"
    elif what == "empty":
        place = ""
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    monkeypatch.setattr("lesion_core.runs.classifier.open_run", None)  # the work
    code, out, err = call("ood", "tune", "--run", run_copy, "--out", place)
    assert code == (2 if what == "empty" else 1) and not out and "Traceback" not in err
    assert "empty" in err if what == "empty" else "Name another" in err or "Name a file" in err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


def test_a_link_is_followed_and_its_target_replaced_whole(call: Any, run_copy: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "kept" / "there.json", tmp_path / "new.json"):
        (tmp_path / "kept").mkdir(exist_ok=True)
        if target.parent.name == "kept":
            target.touch(0o640)
        link = tmp_path / f"link to {target.name}"
        link.symlink_to(target)
        assert call("ood", "tune", "--run", run_copy, "--out", link)[0] == 0
        assert link.is_symlink() and read_policy(open_run(run_copy), target) is not None
    assert (tmp_path / "kept" / "there.json").stat().st_mode & 0o777 == 0o640


def test_fit_measures_every_score(call: Any, small_run: Run) -> None:
    code, out, _ = call("ood", "fit", small_run.folder, "--resamples", 100, "--json")
    found = json.loads(out)
    assert code == 0 and found["fingerprint"] == small_run.fingerprint and found["shown_on"] == "test"
    assert set(found["scores"]) == set(found["fit_seconds"]) == set(offered(small_run))
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


ON_IMAGES = (("predict",), ("ood", "score"))


@pytest.mark.parametrize("command", ON_IMAGES)
def test_people_get_tables_and_programs_json_of_the_same_answers(
    command: tuple[str, ...], call: Any, small_run: Run, data_root: Path
) -> None:
    ask = (*command, data_root / "ood" / "noise" / "noise_1.png", "--run", small_run.folder)
    code, shown, _ = call(*ask)
    assert code == 0 and "noise_1.png" in shown and not shown.lstrip().startswith("[")
    assert call(*ask, "--table")[1] == shown
    row = json.loads(call(*ask, "--json")[1])[0]
    other = json.loads(call(*ON_IMAGES[1 - ON_IMAGES.index(command)], *ask[len(command) :], "--json")[1])[0]
    both = row.keys() & other.keys()
    assert both == {"picture", "answer", "diagnosis", "confidence", "rejected", "reason"}
    assert {key: row[key] for key in both} == {key: other[key] for key in both}


@pytest.mark.parametrize("command", ON_IMAGES)
def test_logits_and_features_are_told_on_demand(
    command: tuple[str, ...], call: Any, run_copy: Path, data_root: Path
) -> None:
    run = open_run(run_copy)
    row = run.part("test").iloc[0]
    picture = data_root / "synthetic" / "HAM10000_images" / f"{row['image_id']}.jpg"
    ask = (*command, picture, "--run", run_copy)
    found = json.loads(call(*ask, "--json", "--with", "logits", "--with", "features")[1])[0]
    # What the run stored of its own image, through another way of reading it.
    assert list(found["logits"]) == list(run.classes)
    assert np.allclose(list(found["logits"].values()), run.logits(run.part("test"))[0], atol=1e-3)
    stored = outputs_of(run, run.part("test"))
    assert np.allclose(found["features"]["reduced"], stored.reduced[0], atol=1e-2)
    assert found["features"]["residual"] == pytest.approx(stored.residual[0], rel=1e-2)
    assert found["features"]["layer3_residual"] == pytest.approx(stored.layer3[0], rel=1e-2)
    assert "logits" not in json.loads(call(*ask, "--json")[1])[0]
    refused(call(*ask, "--with", "logits"), "Give --json too")
    refused(call(*ask, "--json", "--with", "magic"), "Choose one of logits, features")


@pytest.mark.parametrize("arguments", [["--help"], ["tune", "--help"]])
def test_help(call: Any, arguments: list[str]) -> None:
    code, out, _ = call("ood", *arguments)
    assert code == 0 and "ood" in out
