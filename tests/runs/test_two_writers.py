"""Two processes that write one run: the second waits or says that it is busy, and nothing is mixed."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

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
