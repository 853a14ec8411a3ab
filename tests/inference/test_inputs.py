"""Images in batches: in order, decoded a little ahead, in no other process, whatever else this one is doing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lesion_core.config import Preprocessing, Resize
from lesion_core.errors import RunError
from lesion_core.inference import inputs
from lesion_core.inference.inputs import AHEAD, ModelInputs, batches


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Eleven pictures of one grey each, and one file that is not a picture."""
    for i in range(11):
        Image.new("RGB", (64, 64), (20 * i,) * 3).save(tmp_path / f"{i:02}.png")
    (tmp_path / "06.png").write_text("no picture")
    return sorted(map(str, tmp_path.iterdir()))


def made(paths: list[str], changes: Any = None) -> ModelInputs:
    return ModelInputs(paths, Preprocessing(resize=Resize(size=32)), changes)


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_every_image_comes_once_and_in_its_place(paths: list[str], batch_size: int, threads: int) -> None:
    found = list(batches(made(paths), batch_size, threads))
    assert [len(batch) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
    for i, square in enumerate(square for batch in found for square in batch):
        if i == 6:
            assert isinstance(square, RunError) and "06.png" in square.problem
        else:
            assert not isinstance(square, RunError) and np.ptp(square.numpy()) == 0
    assert sum(map(len, found)) == len(paths)
    assert list(batches(made([]), batch_size, threads)) == []


def test_no_process_is_forked(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def forked() -> int:
        raise AssertionError("a fork copies locks that other threads hold")

    monkeypatch.setattr(os, "fork", forked)
    assert sum(map(len, batches(made(paths), 4, 2))) == len(paths)


def test_no_more_is_decoded_than_the_batches_ahead(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    own = inputs.decode
    monkeypatch.setattr(inputs, "decode", lambda path: asked.append(path) or own(path))
    reading = batches(made(paths), 2, 2)
    next(reading)
    time.sleep(0.2)
    assert len(asked) <= 2 * (AHEAD + 1)
    reading.close()
    before = len(asked)
    time.sleep(0.1)
    assert len(asked) == before


def test_what_fails_in_a_thread_is_raised_to_the_caller(paths: list[str]) -> None:
    def changed(_: NDArray[np.uint8]) -> NDArray[np.uint8]:
        raise ZeroDivisionError

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(batches(made(paths, {3: changed}), 4, 2))
    assert threading.active_count() == before
