"""A run that is written again: killed, interrupted or out of space, its folder holds the old run or the new one."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lesion_core import files
from lesion_core.errors import BusyError, RunError
from lesion_core.ood.policy import read_policy, save_policy, write_policy
from lesion_core.ood.tuning import tune
from lesion_core.runs import folder as runs_folder
from lesion_core.runs.attribution import read_attribution, write_attribution
from lesion_core.runs.classifier import Run, list_runs, open_run, write_config
from lesion_core.runs.listing import folder_state
from tests.disk_faults import FAULTS, Death, failing
from tests.runs.tables import attributions

REWRITER = """
import os, resource, signal, sys
from pathlib import Path
import pandas as pd
import torch
from lesion_core.inference.classifier import write_run
from lesion_core.models.classifiers import trained
from lesion_core.runs.classifier import open_run

torch.set_num_threads(1)
folder, collection, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
table, ood = pd.read_pickle(collection / "table"), pd.read_pickle(collection / "ood")

def describe(run):
    (run.folder / "card.md").write_text(f"equal detail added: {run.config.detail_added}")

def rewrite():
    run = open_run(folder, needed=("model.safetensors", "history.csv"))
    settings = run.config.settings
    write_run(
        folder,
        settings,
        trained(settings.model, run.weights) if how == "train" else None,
        table,
        ood,
        split_fingerprint=run.config.split_fingerprint,
        history=run.history,
        initial_weights=run.config.initial_weights,
        bits=32,
        earlier=None if how == "train" else run,
        detail_added=not run.config.detail_added,  # so that every rewriting gives another run and another card
        describe=describe,
    )

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        if int(line):  # a file that gets larger than this meets a full disk
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(line), int(line)))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            rewrite()
        except KeyboardInterrupt:
            os._exit(130)
        except BaseException as error:
            print(type(error), error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
"""What `train` and `evaluate --data` do at the end: for each line that it reads, in a process whose id it prints, and
then the status that it ends with. The line is the largest file that the disk takes, 0 for any."""
KILLS = 8


@pytest.fixture
def few(trained: Any, tmp_path: Path) -> Path:
    """Some of the small run's images, for a program of its own."""
    table = trained.collection.table
    folder = tmp_path / "few"
    folder.mkdir()
    pd.concat([rows.head(4) for _, rows in table.groupby("role")], ignore_index=True).to_pickle(folder / "table")
    trained.collection.ood.head(2).to_pickle(folder / "ood")
    return folder


class Rewriter:
    """`REWRITER` at work on a folder."""

    def __init__(self, folder: Path, few: Path, command: str) -> None:
        arguments = [sys.executable, "-c", REWRITER, str(folder), str(few), command]
        self.program = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, largest: int = 0) -> int:
        """Start to rewrite; the process's id."""
        assert self.program.stdin is not None and self.program.stdout is not None
        self.program.stdin.write(f"{largest}\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline())

    def end(self) -> int:
        """Wait for the end; the status."""
        assert self.program.stdout is not None
        return int(self.program.stdout.readline())


@contextlib.contextmanager
def rewriter(folder: Path, few: Path, command: str) -> Iterator[Rewriter]:
    made = Rewriter(folder, few, command)
    with made.program:
        yield made
        assert made.program.stdin is not None
        made.program.stdin.close()


def check_whole(folder: Path) -> Run:
    """A run with every file of one making: tables, policy and card too."""
    run = open_run(folder)
    assert read_policy(run) is not None, "the policy is of this run, and no other's"
    assert len(run.features["reduced"]) == len(run.predictions) and len(run.features["ood_reduced"]) == len(run.ood)
    assert ("detail" in run.card and "True" in run.card) == run.config.detail_added, "another run's card"
    return run


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def is_writing(folder: Path) -> bool:
    """Whether its last files are being written, or moved."""
    return (folder / files.WRITING / "policy.json").exists() or (folder / files.COMPLETE).exists()


@pytest.mark.timeout(1200)  # on a busy machine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_killed_at_any_moment_a_rewritten_run_is_old_or_new(command: str, few: Path, run_copy: Path) -> None:
    draw = random.Random(0)
    seen = set()
    with rewriter(run_copy, few, command) as program:
        started = time.monotonic()
        program.begin()
        assert program.end() == 0
        whole = time.monotonic() - started
        for i in range(KILLS):
            child = program.begin()
            # A third at any moment of the work, the others while its last files are written or moved.
            until = time.monotonic() + (draw.uniform(0, 1.2 * whole) if i % 3 == 0 else 60)
            while time.monotonic() < until and not (i % 3 and is_writing(run_copy)):
                time.sleep(0.0005)
            time.sleep(draw.uniform(0, 0.02) if i % 3 else 0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGINT if i % 6 == 5 else signal.SIGKILL)
            program.end()
            seen.add(check_whole(run_copy).fingerprint)
        program.begin()
        assert program.end() == 0, "the next writer goes on"
    assert not hidden(run_copy)
    check_whole(run_copy)
    assert len(seen) > 1


@pytest.mark.timeout(1200)  # on a busy machine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_full_disk_leaves_the_run_that_was_there(command: str, few: Path, run_copy: Path) -> None:
    before = {path.name: path.read_bytes() for path in run_copy.iterdir()}
    with rewriter(run_copy, few, command) as program:
        for largest in (1, 100, 3000, 30_000, 100_000):
            program.begin(largest)
            assert program.end() != 0
            assert {path.name: path.read_bytes() for path in run_copy.iterdir()} == before
        program.begin(2**32)
        assert program.end() == 0
    assert check_whole(run_copy).config.detail_added


@pytest.fixture
def another(run_copy: Path, small_run: Run) -> dict[str, Path]:
    """The files of another run of the same kind: an epoch more, a policy of its own."""
    folder = Path(shutil.copytree(run_copy, run_copy.parent.parent / "another"))
    with (folder / "history.csv").open("a", encoding="utf-8") as history:
        history.write("9,train,loss,0.1\n")
    config = small_run.config.model_copy(update={"detail_added": True})
    run = write_config(folder, config)
    write_policy(tune(run), folder / "policy.json")
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
