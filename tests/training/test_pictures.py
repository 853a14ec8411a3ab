"""The store of preprocessed images: the same pixels, made once."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lesion_core.config import ColorConstancy, Detail, Preprocessing, Resize
from lesion_core.errors import DataError
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.training.pictures import Lesion, Pictures, PictureStore

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
    image, label, spaces, taught = data[1]
    assert len(data) == 3 and label == 0 and spaces.tolist() == [True, False, True] and taught.tolist() == [0, 0, 0]
    answers = np.eye(3, dtype=np.float32)
    assert Pictures(store, data.labels, compared, data.transform, taught=answers)[1][3].tolist() == [0, 1, 0]
    np.testing.assert_array_equal(image.numpy(), store[1].transpose(2, 0, 1))
    image.fill_(0)
    assert store[1].max() > 0, "the store is not written through"
    assert isinstance(image, torch.Tensor)


def test_a_lesion_is_drawn_as_its_finest_image_or_as_any_at_the_detail_of_the_coarsest(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    paths = []
    for i, side in enumerate((96, 32, 32)):
        paths.append(str(tmp_path / f"{i}.png"))
        cv2.imwrite(paths[-1], rng.integers(0, 256, (side, side + 32, 3), dtype=np.uint8))
    store = PictureStore.make(paths, Preprocessing(resize=Resize(size=64)), tmp_path / "store", whole_frame=True)
    lesions = [Lesion(np.array([0]), np.array([0, 1])), Lesion(np.array([2]), np.array([2]))]
    labels, compared = np.array([3, 3, 5]), np.ones((3, 8), bool)
    detail = Detail(short_side=16, quality=75)

    def seen(coarse: float) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []
        pictures = Pictures(store, labels, compared, lambda x: found.append(x) or x, lesions, coarse, detail)
        assert len(pictures) == 2
        torch.manual_seed(0)
        assert {pictures[0][1] for _ in range(12)} == {3} and pictures[1][1] == 5
        assert all(x.shape[1] == x.shape[2] for x in found)  # the frame of a thumbnail must not betray it
        return found[:12]

    height, width = store[0].shape[:2]
    middle = store[0][:, (width - height) // 2 :][:, :height]
    assert all(np.array_equal(x.permute(1, 2, 0).numpy(), middle) for x in seen(0.0))
    assert {len(x[0]) for x in seen(1.0)} == {16}
    assert len({x.numpy().tobytes() for x in seen(1.0)}) == 2  # either of its images
    assert {len(x[0]) for x in seen(0.5)} == {16, height}
