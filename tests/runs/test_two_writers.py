"""Two processes that write one run: the second waits or says that it is busy, and nothing is mixed."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
from pathlib import Path
from typing import Any

import pytest

from lesion_core import files
from lesion_core.errors import BusyError, RunError
from lesion_core.ood.policy import read_policy, save_policy
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import open_run
from tests.writers import TOLD, WRITERS, Made, whole_run
from tests.writing_server import Server

OF_ONE_RUN = (
    "evaluate --data",
    "train, the run",
    "evaluate --known-answer",
    "ood tune",
    "explain",
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # on a busy machine
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
]


@pytest.mark.parametrize("pair", itertools.combinations_with_replacement(OF_ONE_RUN, 2), ids=" and ".join)
def test_two_at_once_never_mix(pair: tuple[str, str], server: Server, made: Made, run_copy: Path) -> None:
    server.write("evaluate --data", run_copy)
    before = whole_run(run_copy).fingerprint
    statuses, told = server.at_once(pair, run_copy)
    assert 0 in statuses and set(statuses) <= {0, TOLD}
    refusals = told.count("is being written by another process. Try again") + told.count("was replaced by a newer one")
    assert refusals >= statuses.count(TOLD), told
    run = whole_run(run_copy)
    rewrites = [name in OF_ONE_RUN[:2] for name in pair]
    assert (run.fingerprint != before) == any(
        status == 0 and rewrite for status, rewrite in zip(statuses, rewrites, strict=True)
    )
    for name in OF_ONE_RUN:
        WRITERS[name].read(made, run_copy)
    assert not [path.name for path in run_copy.iterdir() if path.name.startswith(".")]


def test_policies_saved_while_the_run_is_rewritten_belong_to_it(server: Server, run_copy: Path) -> None:
    """As a page does it: with a run that it opened before."""
    draw = random.Random(0)
    server.write("evaluate --data", run_copy)
    for _ in range(3):
        opened = open_run(run_copy)
        policy = tune(opened, goal=TuningGoal(draw.uniform(0.5, 0.99)))
        save_policy(policy, opened)
        assert read_policy(whole_run(run_copy)) == policy
        server.begin("evaluate --data", run_copy)
        for _ in range(5):  # before, while and after it is written
            with contextlib.suppress(BusyError, RunError):
                save_policy(policy, opened)
            assert read_policy(whole_run(run_copy)) is not None
        assert server.end() == 0 or whole_run(run_copy).fingerprint == opened.fingerprint
        if whole_run(run_copy).fingerprint != opened.fingerprint:
            with pytest.raises(RunError, match="was replaced by a newer one"):
                save_policy(policy, opened)
        assert read_policy(whole_run(run_copy)) is not None


def test_who_finds_a_run_busy_says_so_and_who_only_reads_does_not_care(
    call: Any, data_root: Path, run_copy: Path
) -> None:
    link = run_copy.parent / "link"
    link.symlink_to(run_copy)
    before = {path.name: path.read_bytes() for path in run_copy.iterdir()}
    image = next((data_root / "synthetic" / "HAM10000_images").iterdir())
    with files.locked(run_copy):
        for writes in (
            ("evaluate", run_copy, "--data", data_root),
            ("evaluate", run_copy, "--known-answer"),
            ("explain", run_copy, "--data", data_root, "--most", 1),
            ("ood", "tune", "--run", run_copy),
            ("ood", "tune", "--run", run_copy, "--out", run_copy / "policy.json"),  # beside the run it is the run's
            ("ood", "tune", "--run", run_copy, "--out", link / "policy.json"),
        ):
            code, _, err = call(*writes)
            assert code == 1 and "small is being written by another process. Try again when it has finished." in err
            assert "Traceback" not in err
        for reads in (
            ("evaluate", run_copy, "--resamples", 100),
            ("ood", "fit", run_copy, "--resamples", 100),
            ("predict", image, "--run", run_copy),
        ):
            assert call(*reads)[0] == 0
    assert {path.name: path.read_bytes() for path in run_copy.iterdir()} == before
