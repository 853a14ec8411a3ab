"""The store of preprocessed images: the same pixels, made once."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lesion_core.config import ColorConstancy, Preprocessing, Resize
from lesion_core.errors import DataError
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.training.pictures import Pictures, PictureStore

SETTINGS = Preprocessing(color=ColorConstancy(enabled=True), resize=Resize(size=32))


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    found = []
    for i, shape in enumerate(((40, 60), (50, 30), (20, 24))):
        found.append(str(tmp_path / f"{i}.png"))
        cv2.imwrite(found[-1], rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    return found


def test_squares_are_what_inference_sees(paths: list[str], tmp_path: Path) -> None:
    store = PictureStore.make(paths, SETTINGS, tmp_path / "store", whole_frame=False)
    assert len(store) == 3
    for i, path in enumerate(paths):
        np.testing.assert_array_equal(store[i], Pipeline(SETTINGS).apply(decode(Path(path))))


def test_whole_frames_keep_their_aspect(paths: list[str], tmp_path: Path) -> None:
    store = PictureStore.make(paths, SETTINGS, tmp_path / "store", whole_frame=True)
    for i, path in enumerate(paths):
        height, width = decode(Path(path)).shape[:2]
        found = store[i].shape
        assert min(found[:2]) == round(1.15 * 32)
        assert found[1] / found[0] == pytest.approx(width / height, rel=0.05)


def test_a_store_is_made_once_and_again_when_a_picture_changes(paths: list[str], tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []

    def make(settings: Preprocessing = SETTINGS) -> PictureStore:
        return PictureStore.make(
            paths, settings, tmp_path / "store", whole_frame=False, on_progress=lambda *n: calls.append(n)
        )

    first = make()
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert np.array_equal(make()[1], first[1]) and len(calls) == 3
    make(SETTINGS.model_copy(update={"resize": Resize(size=40)}))
    assert len(calls) == 6
    cv2.imwrite(paths[1], np.full((50, 30, 3), 77, np.uint8))
    os.utime(paths[1], ns=(1, 1))
    changed = make()
    assert len(calls) == 9 and not np.array_equal(changed[1], first[1])
    np.testing.assert_array_equal(changed[1], Pipeline(SETTINGS).apply(decode(Path(paths[1]))))


def test_a_stopped_store_leaves_nothing_that_is_taken_for_one(paths: list[str], tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PictureStore.make(paths, SETTINGS, tmp_path / "store", whole_frame=False, on_progress=stop)
    store = PictureStore.make(paths, SETTINGS, tmp_path / "store", whole_frame=False)
    np.testing.assert_array_equal(store[2], Pipeline(SETTINGS).apply(decode(Path(paths[2]))))


def test_a_bad_picture_is_named(paths: list[str], tmp_path: Path) -> None:
    Path(paths[1]).write_bytes(b"no picture")
    for bad in (paths, [*paths[:1], str(tmp_path / "none.png")]):
        with pytest.raises(DataError, match=r"The image .*(1|none)\.png cannot be used"):
            PictureStore.make(bad, SETTINGS, tmp_path / "store", whole_frame=False)


def test_items_are_tensors_with_labels(paths: list[str], tmp_path: Path) -> None:
    store = PictureStore.make(paths, SETTINGS, tmp_path / "store", whole_frame=False)
    compared = np.array([[True, True, True], [True, False, True], [True, True, True]])
    data = Pictures(store, np.array([2, 0, 1]), compared, lambda t: t.float())
    image, label, spaces = data[1]
    assert len(data) == 3 and label == 0 and spaces.tolist() == [True, False, True]
    np.testing.assert_array_equal(image.numpy(), store[1].transpose(2, 0, 1))
    image.fill_(0)
    assert store[1].max() > 0, "the store is not written through"
    assert isinstance(image, torch.Tensor)
