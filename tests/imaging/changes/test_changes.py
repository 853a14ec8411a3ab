"""Every change of the registry: shape, range, determinism, growth with the severity, odd images."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, change
from lesion_core.imaging.corruptions import CORRUPTIONS, corrupt
from lesion_core.imaging.geometry import scale_to
from tests.imaging.changes.make_reference import picture

REFERENCE = Path(__file__).with_name("corruptions.npz")
SHAPES = [(1, 1), (1, 9), (7, 5), (33, 90), (20, 700), (61, 64)]
NESTED = (
    *("gaussian_noise", "impulse_noise", "speckle_noise", "brightness_up", "brightness_down", "contrast_up"),
    *("contrast_down", "saturate", "black_corner", "characters", "ink", "dark_corner", "white_balance"),
)
"""Every value of every image is at least as far from the original at the next severity, by construction."""
NEARLY_EQUAL = ("motion_blur",)
"""Its severities 1 and 2 are published as nearly the same, and rounding may leave no difference."""


def pattern(shape: tuple[int, int], seed: int = 0) -> Pixels:
    """Grey levels of all kinds."""
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def lesions() -> list[Pixels]:
    """Images as people have them, at three sizes."""
    kinds = (("NV", (150, 200)), ("MEL", (224, 224)), ("BCC", (450, 600)))
    return [make_lesion(diagnosis, seed, size).image for seed, (diagnosis, size) in enumerate(kinds)]


def distances(image: Pixels, key: str, image_id: str) -> list[float]:
    """Root mean square distance to the original, from severity 0 to 5."""
    original = image.astype(float)
    return [
        float(np.sqrt(np.mean((change(image, key, severity, image_id).image - original) ** 2)))
        for severity in (0, *SEVERITIES)
    ]


@pytest.mark.parametrize("key", CHANGES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_image_keeps_its_shape(key: str, shape: tuple[int, int]) -> None:
    for image in (pattern(shape), np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)):
        before = image.copy()
        for severity in (0, *SEVERITIES):
            found = change(image, key, severity, "a")
            assert found.image.dtype == np.uint8 and found.image.shape == image.shape
            if found.artefact is not None:
                assert found.artefact.dtype == np.bool_ and found.artefact.shape == shape
                assert np.array_equal(found.image[~found.artefact], image[~found.artefact])
        assert np.array_equal(image, before), "the image that was given has changed"


@pytest.mark.parametrize("key", CHANGES)
def test_severity_0_is_the_image_itself(key: str) -> None:
    image = pattern((12, 15))
    found = change(image, key, 0, "a")
    assert found.image is image and found.artefact is None and found.moved is None


@pytest.mark.parametrize("key", CHANGES)
def test_the_same_is_asked_the_same_is_given(key: str) -> None:
    image = picture()
    np.random.seed(1)  # noqa: NPY002 - the state that must not matter
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = [change(image, key, severity, "a").image for severity in SEVERITIES]
    assert np.array_equal(before, np.random.get_state()[1]), "it draws from the state that all share"  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    cv2.setRNGSeed(7)
    for severity in reversed(SEVERITIES):
        assert np.array_equal(first[severity - 1], change(image, key, severity, "a").image)


@pytest.mark.parametrize("key", CHANGES)
def test_the_id_decides_what_is_drawn(key: str) -> None:
    """Or nothing is: then every id gives the same."""
    image = picture()
    seen = {change(image, key, 5, image_id).image.tobytes() for image_id in "abcdefgh"}
    drawn = {
        *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "motion_blur", "elastic_transform"),
        *("characters", "bubble", "hair", "ruler", "ink", "gel_bubbles", "dark_corner", "glare", "white_balance"),
    }
    assert len(seen) == (3 if key == "white_balance" else 8 if key in drawn else 1)


@pytest.mark.parametrize("key", CHANGES)
def test_more_severity_is_further_away(key: str, lesions: list[Pixels]) -> None:
    for image in lesions:
        for image_id in ("ISIC_0024306", "ISIC_0024307"):
            steps = np.diff(distances(image, key, image_id))
            assert steps[0] > 0
            assert (steps >= 0).all() if key in NEARLY_EQUAL else (steps > 0).all()


@pytest.mark.parametrize("key", NESTED)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_what_a_severity_changes_the_next_one_changes_too(key: str, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 60), st.just(3)))
    image = data.draw(arrays.arrays(np.uint8, shape))
    image_id = data.draw(st.text(max_size=4))
    far = [np.abs(change(image, key, severity, image_id).image.astype(int) - image) for severity in (0, *SEVERITIES)]
    for less, more in pairwise(far):
        assert (more >= less).all()


@pytest.mark.parametrize("key", CHANGES)
def test_grey_stays_grey_where_only_light_and_sharpness_change(key: str) -> None:
    image = np.repeat(picture()[..., :1], 3, axis=2)
    found = change(image, key, 5, "a")
    if CHANGES[key].group in ("blur", "digital", "light") or key in ("focus", "black_corner", "bubble"):
        assert np.ptp(found.image.astype(int), axis=2).max() <= 2
    else:
        assert found.image.shape == image.shape


@pytest.mark.parametrize("key", CHANGES)
def test_what_moves_says_where_to(key: str) -> None:
    image = picture()
    found = change(image, key, 4, "a")
    assert CHANGES[key].moves == (found.moved is not None)
    if found.moved is not None:
        for channel in range(3):
            assert np.array_equal(found.moved(image[..., channel]), found.image[..., channel])
        mask = image[..., 0] < 140
        moved = found.moved(mask)
        assert moved.dtype == np.bool_ and moved.shape == mask.shape
        assert np.mean(moved != (found.image[..., 0] < 140)) < 0.01 < np.mean(mask != moved)
        assert found.moved(image[..., 0].astype(float)) == pytest.approx(found.image[..., 0].astype(float), abs=0.51)


SCALES = [key for key in CHANGES if key not in ("jpeg_compression", "pixelate", "hair", "ruler", "ink", "glare")]


@pytest.mark.parametrize("key", SCALES)
def test_a_larger_image_changes_as_much(key: str) -> None:
    """Seen at the size of a network's input: radii, words and the grain of noise grow with the image.

    Not asked of JPEG, which is milder on a large image, of pixelate, whose cells fall differently on the pixels, and of
    the artefacts that tests/imaging/test_artefacts.py asks for their share.
    """
    side = 336 if key == "characters" else 224  # words of three pixels come out fainter
    small, large = scale_to(picture(), side, side), scale_to(picture(), 672, 672)
    seen = []
    for image in (small, large):
        changed = change(image, key, 4, "a").image
        difference = changed.astype(np.float32) - image
        seen.append(float(np.sqrt(np.mean(cv2.resize(difference, (112, 112), interpolation=cv2.INTER_AREA) ** 2))))
    assert seen[1] == pytest.approx(seen[0], rel=0.15)


@pytest.mark.parametrize("key", [key for key in CHANGES if CHANGES[key].group == "noise"])
def test_noise_on_a_small_image_is_what_is_left_of_it_on_a_large_one(key: str) -> None:
    """Averaged down to half the size, grains lose half of their deviation; impulses keep their share of the values."""
    left = []
    for side in (224, 112):
        image = np.full((side, side, 3), 128, np.uint8)
        noise = change(image, key, 2, "a").image.astype(np.float32) - image
        left.append(float(cv2.resize(noise, (112, 112), interpolation=cv2.INTER_AREA).std()))
    assert left[1] == pytest.approx((2 if key == "impulse_noise" else 1) * left[0], rel=0.1)


@pytest.mark.parametrize("severity", [-1, 6, 2.5, "2", None, True, float("nan")])
def test_an_unknown_severity_is_refused_in_a_sentence(severity: object) -> None:
    with pytest.raises(ConfigError, match=r"There is no severity .*\. Give a whole number from 0 \(unchanged\) to 5\."):
        change(pattern((4, 4)), "hair", severity, "a")


def test_an_unknown_change_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"There is no change 'fog'\. Choose one of gaussian_noise, shot_noise"):
        change(pattern((4, 4)), "fog", 1, "a")


@pytest.mark.parametrize("severity", [0, 3])
def test_what_is_not_an_rgb_image_is_refused_in_a_sentence(severity: int) -> None:
    image = pattern((4, 4))
    for bad in (image[..., 0], image.astype(np.float32), np.dstack([image, image[..., :1]]), image[:0]):
        with pytest.raises(ImageError, match="is not an RGB image"):
            change(bad, "hair", severity, "a")


def test_views_of_an_image_are_images() -> None:
    image = pattern((40, 60))
    for view in (image[::2, ::-1], image[..., ::-1], image.transpose(1, 0, 2)):
        for key in CHANGES:
            whole = change(np.ascontiguousarray(view), key, 3, "a").image
            assert np.array_equal(change(view, key, 3, "a").image, whole), key


def test_what_is_there_and_where_it_comes_from() -> None:
    sam_c = "gaussian_noise shot_noise impulse_noise defocus_blur motion_blur zoom_blur black_corner characters"
    sam_c += " brightness_up brightness_down contrast_down elastic_transform pixelate jpeg_compression"
    extras = {"speckle_noise", "gaussian_blur", "bubble", "saturate"}
    own = {"hair", "ruler", "ink", "gel_bubbles", "dark_corner", "glare", "white_balance", "focus"}
    assert set(CHANGES) == {*sam_c.split(), *extras, "contrast_up", *own}
    for key, entry in CHANGES.items():
        assert entry.group in ("noise", "blur", "digital", "light", "dermoscopy")
        for text in (entry.plain, entry.source, entry.scale, entry.drawn or "."):
            assert text.endswith("."), (key, text)
        if key in extras or key in sam_c.split():
            assert "SAM-C" in entry.source and "does not publish its parameters" in entry.source
        assert ("Our own" in entry.source) == (key in own)


def test_the_kinds_that_runs_hold_keep_their_pixels() -> None:
    """As they were before ruler and ink took arguments; another processor may round a value in a thousand otherwise."""
    y, x = np.mgrid[:90, :120] / 90
    lesion = 1 / (1 + np.exp(30 * (np.hypot(x - 0.6, y - 0.5) - 0.2)))
    skin = np.array([205, 160, 140]) + 20 * np.sin(9 * x + 4 * y)[..., None]
    image = np.rint(skin * (1 - 0.6 * lesion[..., None])).astype(np.uint8)
    with np.load(REFERENCE) as held:
        assert set(held) == set(CORRUPTIONS)
        for kind, before in held.items():
            now = corrupt(image, kind, "ISIC_0000000", lesion > 0.5).astype(int)
            assert now.shape == before.shape
            assert np.abs(now - before).max() <= 1 and np.mean(now != before) < 0.001, kind


@pytest.mark.real
@pytest.mark.parametrize("key", CHANGES)
def test_more_severity_is_further_away_on_photographs(key: str) -> None:
    if not (root := os.environ.get("LESION_DATA")):
        pytest.skip("LESION_DATA is not set")
    files = sorted(Path(root, "ham10000_600x450").glob("*.jpg"))[:6]
    if not files:
        pytest.skip("No images of 600 x 450 there")
    for file in files:
        image = np.ascontiguousarray(cv2.imread(str(file))[:, :, ::-1])
        for shape in ((450, 600), (150, 200)):
            steps = np.diff(distances(scale_to(image, shape[1], shape[0]), key, file.stem))
            assert (steps >= 0).all() if key in NEARLY_EQUAL else (steps > 0).all(), file.stem
