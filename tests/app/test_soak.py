"""Visitors that do everything people do, on a server of its own: what `benchmarks.soak` counts, in small."""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import soak
from benchmarks.active_visitor import ActiveVisitor
from benchmarks.served import HOME, server
from benchmarks.visitor import Action
from lesion_core.ood.policy import read_policy
from lesion_core.runs.classifier import open_run
from tests.literal import aside, finished

pytestmark = pytest.mark.slow
SAVING = "out_of_distribution?on=calibrate&tab=Save"
PATIENCE = 240.0


@pytest.fixture
def runs(runs_root: Path, tmp_path: Path) -> Path:
    """The small runs, to write to."""
    return Path(shutil.copytree(runs_root, tmp_path / "runs"))


def test_nothing_breaks_and_memory_comes_back(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An allowance for what is loaded when it is first asked for; the long form measures with everything open."""
    few = ["--visitors", "4", "--every", "0.1", "--forget-after", "2", "--cold", "--runs", str(runs)]
    few += ["--patience", str(PATIENCE), "--log", str(tmp_path / "log")]
    given = [*few, "--actions", "10", "--allowance", "300", "--share", "75"]
    assert not aside(lambda: soak.main(given)), capsys.readouterr().out
    told = capsys.readouterr().out
    assert "growth" in told and "wrong" not in told


def test_uploads_of_all_at_once_end_in_a_sentence(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--visitors", "3", "--forget-after", "2", "--runs", str(runs), "--patience", str(PATIENCE)]
    given = [*few, "--uploads", "24", "--allowance", "300", "--share", "75"]
    assert not aside(lambda: soak.main(given)), capsys.readouterr().out


async def saved(url: str, seed: int, meanwhile: Callable[[], None] = lambda: None) -> tuple[Action, ActiveVisitor]:
    """Drag the line and press *Save for this run*; `meanwhile` is called while the server is at it."""
    draw, visitor, action = random.Random(seed), ActiveVisitor(url, seed, PATIENCE), Action("save", 0)
    await visitor.drag(SAVING, 1, draw, action)
    assert not action.failure, action.failure

    def down(_: Any, state: Any) -> None:
        state.trigger_value = True

    press = asyncio.create_task(visitor._attempt(action, lambda: visitor.touch("Save for this run", down, action)))
    await asyncio.wait([press], timeout=draw.uniform(0, 0.4))
    meanwhile()
    await press
    await visitor.leave()
    return action, visitor


@pytest.fixture
def started(runs: Path, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    arguments = ("--runs", str(runs), "--save-policies")
    yield lambda: server(HOME, arguments=arguments, log=tmp_path / "log")


def test_a_server_that_is_killed_while_it_saves_leaves_a_whole_policy(runs: Path, started: Callable[[], Any]) -> None:
    for seed in range(2):
        with started() as (url, process):
            finished(saved(url, seed, process.kill))
        run = open_run(runs / "small")
        assert run.fingerprint
        read_policy(run)  # a half one is refused
    with started() as (url, _):
        action, visitor = finished(saved(url, 9))
    assert not action.failure and not visitor.sentences
    assert read_policy(open_run(runs / "small")) is not None
    left = {path.name for path in runs.iterdir()} - {"small", "small-unet"}
    assert not [name for name in left if not name.endswith(".lock")], left


def test_a_full_disk_is_told_in_a_sentence(runs: Path, started: Callable[[], Any]) -> None:
    before = (runs / "small" / "policy.json").read_bytes() if (runs / "small" / "policy.json").exists() else None
    with started() as (url, process):

        def full() -> None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

        finished(saved(url, 1))  # a model and tables are read before
        before = (runs / "small" / "policy.json").read_bytes()
        full()
        action, visitor = finished(saved(url, 2))
    assert not action.failure, action.failure
    assert any("could not be written" in text for text in visitor.sentences), visitor.sentences
    assert (runs / "small" / "policy.json").read_bytes() == before
