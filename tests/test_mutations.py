"""Damaged and forged inputs: what campaigns have found, and the campaign itself, which `.ci/run` starts each day.

Inputs are mutated, not the code (that is `tests/test_mutants.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.mutations import ill
from tests.mutations.campaign import PARTS, Worker, part_of
from tests.mutations.oracle import Outcome, judge

FOUND = (
    # Rows of a JPEG that no restart interval brings, blanks after a copy that stopped, a costly layer of transparency.
    *(("pictures", "taller", seed) for seed in range(12)),
    *(("pictures", "blank_tail", seed) for seed in range(24)),
    *(("pictures", "flat_and_large", seed) for seed in range(4)),
    # Zeros at the end of a GIF's last block, which are codes of the first colour.
    *(("pictures", "blank_tail_of_gif", seed) for seed in range(24)),
    # Ones at the end of a WebP's pixels, and blanks at the end of the first of several.
    *(("pictures", "blank_tail_of_webp", seed) for seed in range(16)),
    # The header again, as a row of the ISIC Archive.
    *(("tables", "must_be_refused", seed) for seed in range(60)),
    # A field with two values, of which the last was taken.
    *(("settings", "field_twice", seed) for seed in range(8)),
    *(("policies", "twice", seed) for seed in range(8)),
    # Codes of a GIF's last pixels, read from what closes the file.
    *(("pictures", "cut_and_closed", seed) for seed in range(40)),
    # A type of numbers that NumPy does not have; parsers' messages, names of classes and cells in sentences.
    *(("runs", "forged_tensors", seed) for seed in (57, 97)),
    *(("runs", "forged_small_file", seed) for seed in (1, 6)),
    *(("runs", "forged_config", seed) for seed in (90, 115)),
    *(("runs", "forged_table", seed) for seed in (8, 78)),
    # The name of another run, of any length and with any letters, in a sentence.
    *(("policies", "forged", seed) for seed in range(40)),
    # Thresholds that keep another share than they say, and what is no file; tables of another model.
    *(("policies", "loosened", seed) for seed in range(6)),
    *(("policies", "no_file", seed) for seed in range(14)),
    *(("run_contents", "forged_logits", seed) for seed in range(2)),
    # A header again in other capitals; joins that told one side or none; a part of the lesion ids gone; smeared masks
    # and masks late in a folder, taken for images.
    *(("tables", "header_spoilt", seed) for seed in range(24)),
    *(("tables", "sides_missing", seed) for seed in range(6)),
    *(("tables", "lesion_ids_gone", seed) for seed in range(6)),
    *(("tables", "masks_among_images", seed) for seed in range(16)),
    # Standard output that was closed, and one that is full.
    *(("calls", "surroundings", seed) for seed in (14, 60)),
    # A field with two values in settings that the command line reads.
    *(("settings", "by_command", seed) for seed in range(24)),
)
"""Kinds of input that a campaign has found a fault with, by part, generator and seed."""


@pytest.mark.parametrize(("name", "kind", "seed"), FOUND)
def test_what_campaigns_found(name: str, kind: str, seed: int, tmp_path: Path) -> None:
    verdict = judge(part_of(name).kinds[kind](np.random.default_rng(seed), tmp_path))
    # What a case costs is measured in a process of its own, by the campaign.
    assert verdict.outcome in (Outcome.RIGHT, Outcome.REFUSED, Outcome.COSTLY), verdict


EXPECTED = {
    "right": Outcome.RIGHT,
    "refused": Outcome.REFUSED,
    "silently wrong": Outcome.WRONG,
    "accepted": Outcome.WRONG,
    "healthy refused": Outcome.HEALTHY_REFUSED,
    "traceback": Outcome.TRACEBACK,
    "long": Outcome.SENTENCE,
    "control letters": Outcome.SENTENCE,
    "memory": Outcome.COSTLY,
    "seconds": Outcome.COSTLY,
    "seconds the first time": Outcome.REFUSED,
    "hang": Outcome.COSTLY,
    "endless": Outcome.COSTLY,
    "death": Outcome.TRACEBACK,
}


@pytest.mark.slow
def test_a_campaign_finds_every_sort_of_fault_and_goes_on() -> None:
    worker = Worker("ill")
    try:
        found = {kind: worker.judge(0, case).outcome for case, kind in enumerate(ill.KINDS)}
        again = worker.judge(0, 0).outcome
    finally:
        worker.close()
    assert found == EXPECTED
    assert again is Outcome.RIGHT


@pytest.mark.parametrize("name", [name for name in PARTS if name not in ("runs", "run_contents", "calls")])
def test_a_case_is_the_same_again(name: str, tmp_path: Path) -> None:
    part = part_of(name)
    notes = []
    for time in ("once", "again"):
        notes.append([])
        for case in range(len(part.kinds)):
            folder = tmp_path / time / str(case)
            folder.mkdir(parents=True)
            notes[-1].append(part.make(5, case, folder).note)
    assert notes[0] == notes[1]
