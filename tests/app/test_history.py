"""What a visitor analysed."""

from __future__ import annotations

import csv
import io

import cv2
import numpy as np
import pytest

from app.analyse.history import LONGEST, THUMBNAIL, Analysed, analysed, as_csv, malignant_share, remember
from lesion_core.ood.model_outputs import Outputs
from lesion_core.ood.policy import Decision
from lesion_core.serving.results import UNASKED, Prediction


def prediction(rejected: bool | None = None) -> Prediction:
    decision = None if rejected is None else Decision(rejected, {"confidence": 0.5}, "Because.")
    outputs = Outputs.of(np.zeros((1, 3), np.float32))
    return Prediction(
        ("MEL", "NV", "AK"),
        np.zeros(3, np.float32),
        np.array([0.5, 0.3, 0.2]),
        outputs,
        np.zeros((3, 4, 4), np.float32),
        1.0,
        decision,
    )


def record(title: str, seed: int = 0, run: str = "a", shape: tuple[int, int] = (30, 40)) -> Analysed:
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return analysed(title, image, run, f"fingerprint-{run}", prediction(False))


def test_what_is_not_benign_counts_together() -> None:
    assert malignant_share(prediction()) == pytest.approx(0.7)


def test_a_rejected_picture_is_unknown_and_keeps_its_guess() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    found = [analysed("x", image, "r", "f", prediction(rejected)) for rejected in (None, False, True)]
    assert [f.answer for f in found] == ["MEL", "MEL", "UNKNOWN"] and {f.guess for f in found} == {"MEL"}
    assert [f.reason for f in found] == [UNASKED, "Because.", "Because."]


@pytest.mark.parametrize("shape", [(1, 1), (3000, 20), (30, 40)])
def test_a_thumbnail_is_small(shape: tuple[int, int]) -> None:
    thumbnail = cv2.imdecode(np.frombuffer(record("x", shape=shape).thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert max(thumbnail.shape) == THUMBNAIL


def test_the_newest_is_first_and_each_picture_and_run_is_there_once() -> None:
    history: list[Analysed] = []
    for one in (record("a", 1), record("b", 2), record("a again", 1), record("a", 1, run="other")):
        history = remember(history, one)
    assert [(h.title, h.run) for h in history] == [("a", "other"), ("a again", "a"), ("b", "a")]
    for seed in range(LONGEST + 5):
        history = remember(history, record(str(seed), seed + 10))
    assert len(history) == LONGEST and history[0].title == str(LONGEST + 4)


def test_the_table_is_a_table_and_no_formula() -> None:
    data = as_csv([record('=cmd|"x"!A1', 1), record("plain, with comma", 2)])
    assert data[:3] == b"\xef\xbb\xbf", "a spreadsheet on Windows reads other bytes as Latin-1"
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [row["image"] for row in rows] == ['\'=cmd|"x"!A1', "plain, with comma"]
    assert rows[0]["answer"] == "MEL" and float(rows[0]["confidence"]) == 0.5
