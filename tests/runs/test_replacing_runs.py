"""A run that is written again: killed, interrupted or out of space, its folder holds the old run or the new one.

`test_killed_writers` ends real processes; here it fails at every step, one after the other.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lesion_core import files
from lesion_core.errors import BusyError, RunError
from lesion_core.ood.known_answer import KnownAnswer, read_known_answer
from lesion_core.ood.policy import read_policy, save_policy, write_policy
from lesion_core.ood.tuning import tune
from lesion_core.runs import folder as runs_folder
from lesion_core.runs.attribution import keep_attribution, read_attribution, write_attribution
from lesion_core.runs.classifier import Run, list_runs, open_run, write_config
from lesion_core.runs.listing import folder_state
from tests.disk_faults import FAULTS, Death, failing
from tests.runs.tables import attributions


def check_whole(folder: Path) -> Run:
    """A run with every file of one making: tables, policy and card too."""
    run = open_run(folder)
    assert read_policy(run) is not None, "the policy is of this run, and no other's"
    assert len(run.features["reduced"]) == len(run.predictions) and len(run.features["ood_reduced"]) == len(run.ood)
    assert ("detail" in run.card and "True" in run.card) == run.config.detail_added, "another run's card"
    return run


@pytest.fixture
def another(run_copy: Path, small_run: Run) -> dict[str, Path]:
    """The files of another run of the same kind: an epoch more, a policy of its own."""
    folder = Path(shutil.copytree(run_copy, run_copy.parent.parent / "another"))
    with (folder / "history.csv").open("a", encoding="utf-8") as history:
        history.write("9,train,loss,0.1\n")
    config = small_run.config.model_copy(update={"detail_added": True})
    run = write_config(folder, config)
    write_policy(tune(run), folder / "policy.json")
    known = KnownAnswer.from_json((folder / "known_answer.json").read_bytes(), "it")
    (folder / "known_answer.json").write_text(known.model_copy(update={"run": run.fingerprint}).to_json())
    (folder / "card.md").write_text("detail: True")
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["killed", "interrupted", "disk full"])
def test_at_every_step_a_reader_that_may_not_write_finds_a_whole_run(
    kind: str, another: dict[str, Path], run_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, deadly = FAULTS[kind]
    new, states = run_copy.parent / "new", set()
    new.mkdir()
    plain = runs_folder.finish
    for at in range(1, 200):
        shutil.rmtree(new)
        shutil.copytree(run_copy, new)
        state = folder_state(run_copy.parent)
        done = False
        with contextlib.suppress(Death, KeyboardInterrupt, OSError), failing(at, error, deadly) as fault:
            with files.rewritten(new) as stage:
                for name, path in another.items():
                    (stage / name).write_bytes(b"")  # a file that is begun
                    shutil.copyfile(path, stage / name)
            done = True
        monkeypatch.setattr(runs_folder, "finish", lambda _: None)
        read = check_whole(new)
        assert not (done and not read.config.detail_added)
        assert read.config.detail_added == (state != folder_state(run_copy.parent)) or not read.config.detail_added
        states.add((read.fingerprint, (new / files.COMPLETE).exists()))
        monkeypatch.setattr(runs_folder, "finish", plain)
        assert check_whole(new).fingerprint == read.fingerprint
        if done and fault.at > 0:
            break
    assert done and len(states) >= 3, "old, new, and new while its files are moved"


def test_a_run_that_was_replaced_while_it_was_open_says_so(another: dict[str, Path], run_copy: Path) -> None:
    opened = open_run(run_copy)
    policy = read_policy(opened)
    assert policy is not None
    attribution = attributions(opened)
    assert write_attribution(opened, attribution) and read_attribution(opened) is not None
    with files.rewritten(run_copy) as new:
        with pytest.raises(BusyError, match="is being written by another process"):
            save_policy(policy, opened)
        with pytest.raises(BusyError, match="is being written by another process"):
            write_attribution(opened, attribution)
        for name, path in another.items():
            shutil.copyfile(path, new / name)
    for late in (
        lambda: opened.history,
        lambda: read_policy(opened),
        lambda: read_known_answer(opened),
        lambda: save_policy(policy, opened),
        lambda: write_attribution(opened, attribution),
    ):
        with pytest.raises(
            RunError, match=r"Run small was replaced by a newer one after it was opened\. Open it again"
        ):
            late()
    check_whole(run_copy)
    assert read_attribution(open_run(run_copy)) is None, "measured with the weights of before"


def test_a_run_that_was_begun_and_not_completed_is_not_listed(run_copy: Path) -> None:
    (run_copy.parent / "begun" / files.WRITING).mkdir(parents=True)
    (run_copy.parent / "begun" / files.LOCK).touch()
    found, broken = list_runs(run_copy.parent)
    assert [run.name for run in found] == ["small"] and not broken
    # One that was completed counts, though nothing is in its place yet.
    shutil.copytree(run_copy, run_copy.parent / "begun" / files.COMPLETE)
    shutil.rmtree(run_copy)
    assert [run.name for run in list_runs(run_copy.parent)[0]] == ["small"]


def test_maps_are_kept_where_model_and_settings_are_the_same(small_run: Run, run_copy: Path) -> None:
    found = attributions(small_run)
    config, calibration = run_copy / "config.json", run_copy / "calibration.json"
    cooler = json.loads(calibration.read_text()) | {"temperature": 2 * small_run.calibration.temperature}
    calibration.write_text(json.dumps(cooler))
    run = write_config(run_copy, open_run(run_copy, verify=False).config)
    assert run.fingerprint != small_run.fingerprint and keep_attribution(small_run, found, run)
    kept = read_attribution(run)
    assert kept is not None and kept["deletion"].isna().all()  # their temperature is another
    columns = [name for name in kept.columns if name not in ("deletion", "run")]
    pd.testing.assert_frame_equal(kept[columns], found[columns], check_dtype=False)

    assert not keep_attribution(small_run, None, run)
    other = json.loads(config.read_text())
    other["settings"]["preprocessing"]["hair"]["enabled"] = True
    config.write_text(json.dumps(other))
    assert not keep_attribution(small_run, found, open_run(run_copy, verify=False))
