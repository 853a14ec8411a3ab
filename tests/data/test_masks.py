"""Masks are made by code, saved as data sets save them, and read back."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from PIL import Image

from lesion_core.data.catalog import discover, read
from lesion_core.data.masks import CENTRE, read_mask
from lesion_core.errors import DataError
from tests.literal import disc

DISC = disc((45, 60), (20, 35), 12)


def save(path: Path, values: NDArray[np.generic], **options: int) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


@pytest.mark.parametrize(
    "values",
    [
        DISC.astype(np.uint8) * 255,
        DISC.astype(np.uint8),
        DISC,
        DISC.astype(np.uint8) * 200 + 20,
        np.repeat(DISC[:, :, None], 3, axis=2).astype(np.uint8) * 255,
    ],
    ids=["0 and 255", "0 and 1", "1-bit", "two other levels", "RGB"],
)
def test_binary_masks_are_read_whatever_their_levels(tmp_path: Path, values: NDArray[np.generic]) -> None:
    mask = read_mask(save(tmp_path / "m.png", values))
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, DISC)


@pytest.mark.parametrize("level", [0, 255])
def test_a_mask_of_one_level_is_all_or_nothing(tmp_path: Path, level: int) -> None:
    mask = read_mask(save(tmp_path / "m.png", np.full((40, 60), level, np.uint8)))
    assert mask.all() if level else not mask.any()


def test_another_size_of_the_same_frame_is_resized_without_new_values(tmp_path: Path) -> None:
    blocks = np.kron(DISC, np.ones((3, 3), bool))
    path = save(tmp_path / "m.png", blocks.astype(np.uint8) * 255)
    np.testing.assert_array_equal(read_mask(path, (45, 60)), DISC)
    np.testing.assert_array_equal(read_mask(path, (135, 180)), blocks)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "s.png", DISC), (135, 180)), blocks)


def test_the_centre_of_a_mask_is_its_central_square(tmp_path: Path) -> None:
    save(tmp_path / "m.png", DISC)
    np.testing.assert_array_equal(read_mask(tmp_path / f"m.png{CENTRE}"), DISC[:, 7:52])
    np.testing.assert_array_equal(read_mask(tmp_path / f"m.png{CENTRE}", (45, 45)), DISC[:, 7:52])
    with pytest.raises(DataError, match="same frame"):
        read_mask(tmp_path / "m.png", (45, 45))
    with pytest.raises(DataError, match=r"absent\.png"):
        read_mask(tmp_path / f"absent.png{CENTRE}")


def test_shrinking_takes_the_middle_of_each_block(tmp_path: Path) -> None:
    blocks = np.zeros((96, 120), bool)
    blocks[1::3, 1::3] = True
    assert read_mask(save(tmp_path / "m.png", blocks), (32, 40)).all()


def test_a_pixel_of_rounding_in_the_size_is_tolerated(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", disc((450, 600), (20, 35), 12))
    assert read_mask(path, (151, 200)).shape == (151, 200)


@pytest.mark.parametrize("shape", [(60, 60), (45, 45), (60, 45), (46, 63)])
def test_another_frame_is_refused_with_both_sizes(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = save(tmp_path / "m.png", DISC)
    with pytest.raises(DataError) as caught:
        read_mask(path, shape)
    assert all(word in str(caught.value) for word in ("m.png", "60x45", f"{shape[1]}x{shape[0]}"))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (DISC.astype(np.uint16), "16 bits"),
        (np.dstack([np.full((45, 60, 3), 255, np.uint8), DISC.astype(np.uint8) * 255]), "transparent layer"),
        (np.dstack([DISC.astype(np.uint8) * 255, np.zeros((45, 60, 2), np.uint8)]), "colours"),
    ],
)
def test_what_decoding_would_change_is_refused(tmp_path: Path, values: NDArray[np.generic], what: str) -> None:
    with pytest.raises(DataError, match=rf"m\.png is not binary: it has .*{what}"):
        read_mask(save(tmp_path / "m.png", values))


def test_jpeg_noise_and_colours_are_refused_with_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"m\.jpg is not binary: it has \d+ levels.*PNG"):
        read_mask(save(tmp_path / "m.jpg", DISC.astype(np.uint8) * 255, quality=60))
    colour = np.zeros((40, 60, 3), np.uint8)
    colour[10:20, :, 0] = 255
    with pytest.raises(DataError, match="not binary"):
        read_mask(save(tmp_path / "c.png", colour))


def test_a_missing_or_damaged_file_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(b"no picture")
    for name in ("m.png", "absent.png"):
        with pytest.raises(DataError, match=name):
            read_mask(tmp_path / name)


@settings(max_examples=25, deadline=None)
@given(mask=arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=32, max_side=48)), factor=st.integers(2, 4))
def test_enlarging_and_shrinking_back_is_the_mask_itself(
    mask: NDArray[np.bool_], factor: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mask")
    # A lone level is told by its grey value, not against another.
    path = save(folder / "m.png", mask.astype(np.uint8) * 255)
    height, width = mask.shape
    large = read_mask(path, (height * factor, width * factor))
    np.testing.assert_array_equal(large, np.kron(mask, np.ones((factor, factor), bool)))
    np.testing.assert_array_equal(read_mask(save(folder / "l.png", large.astype(np.uint8) * 255), mask.shape), mask)


@pytest.mark.real
def test_real_masks_fit_their_pictures() -> None:
    if not (root := os.environ.get("LESION_DATA")):
        pytest.skip("LESION_DATA is not set")
    table = read("ham10000", discover(Path(root))["ham10000"]).table
    for row in table.iloc[::400].itertuples():
        with Image.open(row.path) as image:
            shape = (image.height, image.width)
        mask = read_mask(Path(row.mask_path), shape)
        assert mask.shape == shape and mask.any()
