"""Poses of an image: each against its plain definition, and what holds of every set."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.poses import ANGLES, FLIPS, KEPT, PLACES, POSES, pose
from lesion_core.imaging.changes.sequences import SEQUENCES
from lesion_core.imaging.changes.series import SERIES, length, member

SIZES = [(60, 90), (61, 80), (75, 75), (90, 61)]


def smooth(height: int, width: int) -> Pixels:
    """A slope of another direction in each channel, so that nothing is symmetric and interpolation is exact."""
    y, x = np.mgrid[:height, :width]
    slopes = [(1.0, 0.3), (-0.4, 1.0), (0.7, -0.7)]
    return np.stack([np.rint(128 + a * (x - width / 2) + b * (y - height / 2)) for a, b in slopes], 2).astype(np.uint8)


def near(a: Pixels, b: Pixels, by: float = 2) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(float) - b).max()) <= by


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", POSES)
def test_the_flips_of_a_pose_are_its_flips(key: str, size: tuple[int, int]) -> None:
    entry, image = POSES[key], smooth(*size)
    drawn = [pose(image, key, i) for i in range(len(entry.names))]
    for i, flips in enumerate(entry.flips):
        literal = [drawn[i], drawn[i][:, ::-1], drawn[i][::-1], drawn[i][::-1, ::-1]]
        assert flips[0] == i and len(set(flips)) == 4
        assert all(near(drawn[at], flipped) for at, flipped in zip(flips, literal, strict=True)), entry.names[i]


@pytest.mark.parametrize("key", POSES)
def test_a_set_is_whole(key: str) -> None:
    entry = POSES[key]
    n = len(entry.names)
    assert len(set(entry.names)) == n == len(entry.flips) == length(key)
    assert entry.shown[0] == 0 and len(set(entry.shown)) == len(entry.shown) > 2
    assert {i for own in entry.shown for i in entry.flips[own]} == set(range(n)), "none is drawn for nothing"
    assert key not in SEQUENCES and SERIES[key] == entry.name
    image = smooth(60, 90)
    before = image.copy()
    areas = {pose(image, key, i).size for i in range(n)}
    assert len(areas) == 1 and np.array_equal(image, before)
    for tiny in (np.zeros((1, 1, 3), np.uint8), np.zeros((2, 7, 3), np.uint8)):
        assert all(pose(tiny, key, i).ndim == 3 and pose(tiny, key, i).size for i in range(n))


def test_the_symmetries_are_the_eight_of_a_square() -> None:
    image = smooth(61, 80)
    every = [np.rot90(side, k) for side in (image, image[:, ::-1]) for k in range(4)]
    drawn = [pose(image, "symmetries", i) for i in range(8)]
    assert np.array_equal(drawn[0], image)
    for one in drawn:
        assert sum(one.shape == other.shape and np.array_equal(one, other) for other in every) == 1
    assert len({one.tobytes() for one in drawn}) == 8


@pytest.mark.parametrize("size", SIZES)
def test_a_rotation_is_that_of_the_plane(size: tuple[int, int]) -> None:
    height, width = size
    image = smooth(*size)
    side = math.floor(min(size) / math.sqrt(2))
    for k in range(ANGLES):
        angle, expected = 2 * math.pi * k / ANGLES, np.zeros((side, side, 3))
        for row in range(side):
            for column in range(0, side, 7):
                right, up = column - (side - 1) / 2, (side - 1) / 2 - row
                # What stands there stood at the place turned back.
                x = (width - 1) / 2 + right * math.cos(angle) + up * math.sin(angle)
                y = (height - 1) / 2 - (up * math.cos(angle) - right * math.sin(angle))
                for c, (a, b) in enumerate([(1.0, 0.3), (-0.4, 1.0), (0.7, -0.7)]):
                    expected[row, column, c] = 128 + a * (x - width / 2) + b * (y - height / 2)
        found = pose(image, "rotations", k)
        assert found.shape == (side, side, 3)
        assert np.abs(found[:, ::7].astype(float) - expected[:, ::7]).max() < 1.6, k


def test_a_rotation_shows_no_border_and_no_corner() -> None:
    height, width = 75, 120
    y, x = np.mgrid[:height, :width]
    inside = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= (height / 2) ** 2
    image = np.where(inside[..., None], np.uint8(200), np.uint8(0)).repeat(3, axis=2).astype(np.uint8)
    for i in range(2 * ANGLES):
        shown = pose(image, "rotations", i)
        assert (shown[1:-1, 1:-1] == 200).all(), POSES["rotations"].names[i]


def test_crops_are_slices() -> None:
    image = smooth(61, 80)
    rows, columns = round(KEPT * 61), round(KEPT * 80)
    expected = {
        "centre": image[(61 - rows) // 2 :, (80 - columns) // 2 :],
        "upper left": image,
        "upper right": image[:, 80 - columns :],
        "lower left": image[61 - rows :],
        "lower right": image[61 - rows :, 80 - columns :],
    }
    for place, name in enumerate(PLACES):
        assert np.array_equal(pose(image, "crops", len(FLIPS) * place), expected[name][:rows, :columns]), name


def test_what_is_not_known_is_refused() -> None:
    image = smooth(60, 90)
    for key, i in (("sideways", 0), ("symmetries", 8), ("symmetries", -1), ("crops", True)):
        with pytest.raises(ConfigError):
            pose(image, key, i)
    with pytest.raises(ConfigError):
        length("sideways")
    with pytest.raises(ImageError):
        pose(image[..., 0], "symmetries", 0)


@pytest.mark.parametrize("key", SERIES)
def test_every_member_of_every_series_can_be_drawn(key: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    first, last = member(image, key, 0, "a"), member(image, key, length(key) - 1, "a")
    assert first.dtype == last.dtype == np.uint8 and np.array_equal(first, member(image, key, 0, "a"))
    assert first.shape != last.shape or not np.array_equal(first, last)
