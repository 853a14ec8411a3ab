"""Every sequence of frames: shape, determinism, the clean frame, small steps; its geometry against literal ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.sequences import FRAMES, SEQUENCES, compared, frame
from lesion_core.imaging.geometry import scale_to
from tests.imaging.changes.make_reference import picture

ALL = range(FRAMES)


@pytest.fixture(scope="module")
def image() -> Pixels:
    """256 pixels of short side, where a published pixel is one pixel."""
    return scale_to(picture(), 320, 256)


@pytest.fixture(scope="module")
def grainy(image: Pixels) -> Pixels:
    """With fine structure, so that the least blur shows."""
    return np.clip(image + np.random.default_rng(0).normal(0, 15, image.shape), 0, 255).astype(np.uint8)


def centre(image: Pixels) -> Pixels:
    return image[16:240, 20:300]


@pytest.mark.parametrize("key", SEQUENCES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 5), (33, 90), (20, 700)], ids=str)
def test_any_image_gives_frames_of_one_size(key: str, shape: tuple[int, int]) -> None:
    given = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = given.copy()
    found = {frame(given, key, i, "a").shape for i in (0, 1, 15, 24, 30)}
    assert found == {(*(max(1, round(7 / 8 * side)) for side in shape), 3)}
    assert np.array_equal(given, before)


@pytest.mark.parametrize("key", SEQUENCES)
def test_a_frame_is_the_same_each_time_and_another_than_its_neighbour(key: str, grainy: Pixels) -> None:
    np.random.seed(1)  # noqa: NPY002 - the state that must not matter
    first = [frame(grainy, key, i, "a") for i in ALL]
    np.random.seed(2)  # noqa: NPY002
    for i in reversed(ALL):
        assert np.array_equal(first[i], frame(grainy, key, i, "a"))
    assert len({one.tobytes() for one in first}) == FRAMES
    assert all(one.dtype == np.uint8 for one in first)


@pytest.mark.parametrize("key", SEQUENCES)
def test_the_clean_frame_is_the_middle_of_the_image(key: str, grainy: Pixels) -> None:
    clean = [i for i in ALL if np.array_equal(frame(grainy, key, i, "a"), centre(grainy))]
    if key == "gaussian_blur":  # its first frame is nearly clean, and on an image of this size rounding makes it so
        clean.remove(0)
    assert clean == ([] if SEQUENCES[key].clean is None else [SEQUENCES[key].clean])


@pytest.mark.parametrize("key", [key for key in SEQUENCES if SEQUENCES[key].compared_with == "previous"])
def test_a_step_is_small_beside_the_whole_way(key: str, image: Pixels) -> None:
    frames = np.stack([frame(image, key, i, "a").astype(np.float32) for i in ALL])
    steps = np.sqrt(np.mean(np.diff(frames, axis=0) ** 2, axis=(1, 2, 3)))
    if key != "characters":  # a word moves by half its length, and has left its place after two steps
        assert steps.max() < 0.75 * np.sqrt(np.mean((frames[-1] - frames[0]) ** 2))
    assert steps.max() < 4 * np.median(steps)


def test_noise_is_drawn_anew_and_compared_with_the_first() -> None:
    for key in ("gaussian_noise", "shot_noise", "speckle_noise"):
        assert [compared(key, i) for i in (0, 1, 2, 30)] == [None, 0, 0, 0]
        flat = np.full((64, 64, 3), 128, np.uint8)
        a, b = (frame(flat, key, i, "a").astype(float) - 128 for i in (3, 4))
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05
        assert a.std() == pytest.approx(b.std(), rel=0.05)
    assert [compared("rotate", i) for i in (0, 1, 2, 30)] == [None, 0, 1, 29]
    assert {key for key in SEQUENCES if SEQUENCES[key].compared_with == "first"} == {
        *("gaussian_noise", "shot_noise", "speckle_noise")
    }


def test_translate_shifts_by_whole_pixels_and_shows_no_border(image: Pixels) -> None:
    for i in ALL:
        shift = i - 15
        assert np.array_equal(frame(image, "translate", i, "a"), image[16:240, 20 - shift : 300 - shift])


@pytest.mark.parametrize("i", [0, 7, 16, 30])
@pytest.mark.parametrize("key", ["rotate", "scale", "shear", "tilt"])
def test_geometry_is_that_of_rays_and_angles(key: str, i: int, image: Pixels) -> None:
    """Each pixel of a frame, followed back to the image by hand; bilinear, so to a grey level and a step of 1/32 px."""
    angle, zoom = math.radians(i - 15), 0.4 + 0.025 * i
    y, x = np.mgrid[:256, :320].astype(float)
    x, y = x - 159.5, y - 127.5
    if key == "rotate":
        back = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    elif key == "scale":
        back = x / zoom, y / zoom
    elif key == "shear":
        back = x - y * math.tan(angle), y
    else:
        # A ray (x, y, focal) meets the plane that is turned about y, then about x, one focal length away.
        focal = math.hypot(256, 320)
        cos, sin = math.cos(angle), math.sin(angle)
        right, down = np.array([cos, -sin * sin, cos * sin]), np.array([0, cos, sin])
        normal, rays = np.cross(right, down), np.stack([x, y, np.full_like(x, focal)], -1)
        hit = rays * (focal * normal[2] / (rays @ normal))[..., None] - np.array([0, 0, focal])
        back = hit @ right, hit @ down
    expected = np.stack(
        [
            ndimage.map_coordinates(
                image[..., c].astype(float), (back[1] + 127.5, back[0] + 159.5), order=1, mode="nearest"
            )
            for c in range(3)
        ],
        -1,
    )
    assert np.abs(frame(image, key, i, "a") - centre(expected)).max() < 2


def test_what_sam_p_has() -> None:
    ten = "gaussian_noise shot_noise motion_blur zoom_blur characters brightness translate rotate tilt scale"
    assert [key for key, one in SEQUENCES.items() if not one.extra] == ten.split()
    assert {key for key, one in SEQUENCES.items() if one.extra} == {
        *("speckle_noise", "gaussian_blur", "bubble", "shear")
    }
    for key, one in SEQUENCES.items():
        assert "SAM-P" in one.source and "does not publish its steps" in one.source
        assert ("ours" in one.source) == (key in ("characters", "bubble"))


@pytest.mark.parametrize("i", [-1, 31, 2.5, "2", None, True])
def test_an_unknown_frame_is_refused_in_a_sentence(i: object, image: Pixels) -> None:
    with pytest.raises(ConfigError, match=r"There is no frame .*\. Give a whole number from 0 to 30\."):
        frame(image, "tilt", i, "a")


def test_what_else_is_refused_in_a_sentence(image: Pixels) -> None:
    with pytest.raises(ConfigError, match=r"There is no sequence 'fog'\. Choose one of gaussian_noise, shot_noise"):
        frame(image, "fog", 1, "a")
    with pytest.raises(ImageError, match="is not an RGB image"):
        frame(image[..., 0], "tilt", 1, "a")
