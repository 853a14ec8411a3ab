"""The pixels of the changes against imagecorruptions 1.1.2 (arrays made once), Pillow, SciPy, colorsys and geometry."""

from __future__ import annotations

import colorsys
import io
import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy import ndimage, stats

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes import blur, dermoscopy, digital, light, noise, overlays
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, change, stream
from lesion_core.imaging.corruptions import LIGHTS, corrupt
from lesion_core.imaging.detail import compressed
from tests.imaging.changes.make_reference import EVERY, FILE, LEVELS, levels, moments, picture

Array = NDArray[np.float64]
IMAGENET_C: dict[str, tuple[object, ...]] = {
    "defocus_blur": (3, 4, 6, 8, 10),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg_compression": (25, 18, 15, 10, 7),
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "speckle_noise": (0.15, 0.2, 0.35, 0.45, 0.6),
}
"""What imagecorruptions uses, which is not what the registry uses."""
PUBLISHED: dict[str, tuple[object, ...]] = {
    "gaussian_noise": (0.04, 0.08, 0.12, 0.18, 0.26),
    "shot_noise": (60, 25, 18, 10, 5),
    "impulse_noise": (0.01, 0.03, 0.06, 0.09, 0.17),
    "speckle_noise": (0.05, 0.15, 0.2, 0.35, 0.45),
    "defocus_blur": (4, 5, 6, 7, 8),
    "motion_blur": ((10, 5), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": IMAGENET_C["zoom_blur"],
    "gaussian_blur": (1, 2, 3, 4, 6),
    "pixelate": (0.7, 0.5, 0.4, 0.3, 0.25),
    "jpeg_compression": (30, 20, 15, 10, 7),
    "brightness_up": (1.1, 1.2, 1.3, 1.4, 1.5),
    "brightness_down": (0.9, 0.8, 0.7, 0.6, 0.5),
    "contrast_up": (1.1, 1.2, 1.3, 1.4, 1.6),
    "contrast_down": (0.8, 0.7, 0.6, 0.5, 0.4),
    "black_corner": (1.1, 1.05, 1.0, 0.95, 0.9),
    "saturate": (0.05, 0.1, 0.15, 0.2, 0.25),
}
"""MedMNIST-C's, and ImageNet-C's sigmas, at 224 pixels."""


def made(key: str, p: object, rng: np.random.Generator | np.random.RandomState) -> Pixels:
    """The picture of 224 pixels, or the grey levels where it is noise, under one change of published parameters."""
    image = picture()
    calls: dict[str, Callable[..., Pixels]] = {
        "gaussian_noise": lambda: noise.gaussian(image, p, rng),
        "shot_noise": lambda: noise.shot(image, p, rng),
        "impulse_noise": lambda: noise.impulse(image, p, rng),
        "speckle_noise": lambda: noise.speckle(image, p, rng),
        "defocus_blur": lambda: blur.defocus(image, p),
        "motion_blur": lambda: blur.motion(image, *p, rng.uniform(-45, 45)),
        "zoom_blur": lambda: blur.zoom(image, [1 + p[0] * j for j in range(p[1])], clean=1),
        "gaussian_blur": lambda: blur.gaussian(image, p),
        "pixelate": lambda: digital.pixelate(image, int(224 * p)),
        "jpeg_compression": lambda: compressed(image, p),
        "brightness_up": lambda: light.brightness(image, p),
        "brightness_down": lambda: light.brightness(image, p),
        "contrast_up": lambda: light.contrast(image, p),
        "contrast_down": lambda: light.contrast(image, p),
        "black_corner": lambda: overlays.black_corner(image, p).image,
        "saturate": lambda: light.saturate(image, p),
    }
    return calls[key]()


@pytest.fixture(scope="module")
def reference() -> dict[str, Array]:
    with np.load(FILE) as held:
        return {name: held[name].astype(float) for name in held}


@pytest.mark.parametrize("key", PUBLISHED)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_severity_is_what_is_published(key: str, severity: int) -> None:
    parameter = PUBLISHED[key][severity - 1]
    assert np.array_equal(change(picture(), key, severity, "a").image, made(key, parameter, stream(key, "a")))
    if key not in ("zoom_blur", "pixelate"):  # they name the largest zoom, and cells
        for number in parameter if isinstance(parameter, tuple) else (parameter,):
            assert f"{number:g}" in CHANGES[key].scale.replace("1.10", "1.1").replace("1.00", "1").replace(
                "0.90", "0.9"
            )


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("key", ["motion_blur", "pixelate", "jpeg_compression", "defocus_blur", "elastic_transform"])
def test_pixels_are_those_of_imagecorruptions(key: str, severity: int, reference: dict[str, Array]) -> None:
    """To one grey level, which is rounding. The seed was the severity, and its generator gives the same numbers."""
    rng = np.random.RandomState(severity)
    if key == "elastic_transform":
        mine = digital.elastic(picture(), digital.DEVIATIONS[severity - 1], rng).image
    else:
        mine = made(key, IMAGENET_C[key][severity - 1], rng)
    difference = mine[::EVERY, ::EVERY] - reference[f"{key}_{severity}"]
    assert np.abs(difference).max() <= (0 if key in ("pixelate", "jpeg_compression") else 1)
    assert abs(difference.mean()) < 0.01


@pytest.mark.parametrize("severity", SEVERITIES)
def test_zoom_blur_is_that_of_imagecorruptions_but_for_where_it_crops(
    severity: int, reference: dict[str, Array]
) -> None:
    """Its crops begin and end at whole pixels, so its layers lie up to a pixel beside the centre; ours do not."""
    step, count = IMAGENET_C["zoom_blur"][severity - 1]
    image, total = picture().astype(np.float32), picture().astype(float)
    for factor in 1 + step * np.arange(count):
        side = math.ceil(224 / factor)
        first, scale = (224 - side) // 2, (round(side * factor) - 1) / (side - 1)
        matrix = np.array([[scale, 0, -first * scale], [0, scale, -first * scale]])
        total += cv2.warpAffine(image, matrix, (224, 224), borderMode=cv2.BORDER_REPLICATE)
    theirs = reference[f"zoom_blur_{severity}"]
    assert np.abs(total[::EVERY, ::EVERY] / (count + 1) - theirs).max() < 0.51
    difference = made("zoom_blur", (step, count), stream())[::EVERY, ::EVERY] - theirs
    assert np.abs(difference).mean() < 0.15 * np.abs(picture()[::EVERY, ::EVERY] - theirs).mean()
    assert abs(difference.mean()) < 0.05


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("key", ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"])
def test_noise_has_the_moments_of_imagecorruptions(key: str, severity: int, reference: dict[str, Array]) -> None:
    """Mean and deviation at seven grey levels, within 4.5 standard errors of two samples, and rounding."""
    image, rng = levels(), np.random.default_rng(severity)
    call = {"gaussian": noise.gaussian, "shot": noise.shot, "impulse": noise.impulse, "speckle": noise.speckle}
    result = call[key.split("_")[0]](image, IMAGENET_C[key][severity - 1], rng)
    rows = result.reshape(28, 8, len(LEVELS), 32, 3).astype(float)
    parts = np.stack([rows.mean((1, 3, 4)), rows.std((1, 3, 4))], -1)
    error = parts.std(0) / math.sqrt(28)
    assert (np.abs(moments(result) - reference[f"{key}_{severity}"]) <= 4.5 * math.sqrt(2) * error + 0.1).all()


@pytest.mark.parametrize("photons", [5.0, 60.0, 300.0, 1999.0, 2000.0, 40000.0])
def test_poisson_counts_are_those_of_scipy(photons: float) -> None:
    table = noise._shot_table(photons).astype(float)
    share = (np.arange(noise.QUANTILES) + 0.5) / noise.QUANTILES
    for level in (0, 1, 30, 128, 200, 255):
        counts = np.minimum(255 * stats.poisson.ppf(share, photons * level / 255) / photons, 255)
        few = photons < noise.LARGE_COUNT
        assert np.abs(table[level] - counts).max() <= (0.5 + 1e-9 if few else 0.5 + 255 / photons)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0, 6.0])
def test_gaussian_blur_is_that_of_scipy(sigma: float) -> None:
    theirs = ndimage.gaussian_filter(picture().astype(float), (sigma, sigma, 0), mode="mirror", truncate=5)
    assert np.abs(blur.gaussian(picture(), sigma) - theirs).max() < 1.5


@pytest.mark.parametrize("factor", [0.4, 0.5, 0.9, 1.1, 1.5, 1.6])
def test_brightness_and_contrast_are_those_of_pillow(factor: float) -> None:
    """Pillow cuts decimals off, so it lies up to a grey level below."""
    image = Image.fromarray(picture())
    for mine, theirs in ((light.brightness, ImageEnhance.Brightness), (light.contrast, ImageEnhance.Contrast)):
        difference = mine(picture(), factor).astype(int) - np.asarray(theirs(image).enhance(factor))
        assert difference.min() >= 0 and difference.max() <= 1


@pytest.mark.parametrize("quality", digital.QUALITIES)
def test_jpeg_is_that_of_pillow(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    assert np.array_equal(compressed(picture(), quality), np.asarray(Image.open(file)))


@pytest.mark.parametrize("added", [0.05, 0.25, 0.9])
def test_saturation_and_value_are_those_of_colorsys(added: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    image[0, 0], image[0, 1] = 0, (90, 90, 90)

    def literal(of: Callable[[float, float, float], tuple[float, float, float]]) -> Array:
        changed = [colorsys.hsv_to_rgb(*of(*colorsys.rgb_to_hsv(*pixel))) for pixel in image.reshape(-1, 3) / 255]
        return 255 * np.reshape(changed, image.shape)

    def more(h: float, s: float, v: float) -> tuple[float, float, float]:
        return h, min(1, s + added) if s else s, v  # grey has no hue to be more of

    assert np.abs(light.saturate(image, added) - literal(more)).max() < 0.51
    for sign in (1, -1):
        theirs = literal(lambda h, s, v, sign=sign: (h, s, min(1, max(0, v + sign * added))))
        assert np.abs(light.lift(image, sign * added) - theirs).max() < 0.51


def test_a_black_corner_is_what_a_circle_leaves_of_a_square() -> None:
    for severity in (3, 4, 5):
        radius = overlays.RADII[severity - 1]
        black = change(picture(), "black_corner", severity, "a").artefact
        assert black is not None and black.mean() == pytest.approx(1 - math.pi * radius**2 / 4, abs=0.001)


@pytest.mark.parametrize("shape", [(450, 600), (224, 224), (600, 450), (100, 400)])
def test_a_dark_corner_leaves_the_share_black_that_it_says(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 200, np.uint8)
    for severity in SEVERITIES:
        for image_id in "abc":
            found = change(image, "dark_corner", severity, image_id)
            assert (found.image[..., 0] < 105).mean() == pytest.approx(dermoscopy.BLACK[severity - 1], abs=0.004)


def test_the_last_severity_is_the_corruption_of_that_name() -> None:
    image = picture()
    assert np.array_equal(change(image, "focus", 5, "a").image, corrupt(image, "out_of_focus", "a"))
    lights = {dermoscopy.white_balance(image, 1, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(lights) == len(LIGHTS)
    assert {corrupt(image, "white_balance", str(i)).tobytes() for i in range(20)} == lights


def test_a_ruler_is_as_long_as_it_says() -> None:
    """To a pitch, 0.05 short sides, at most, and the half of a number."""
    image = np.full((448, 448, 3), 200, np.uint8)
    for severity, span in zip(SEVERITIES, dermoscopy.SPANS, strict=True):
        for image_id in "abcdef":
            found = change(image, "ruler", severity, image_id).artefact
            assert found is not None
            length = max(np.ptp(np.flatnonzero(found.any(axis))) + 1 for axis in (0, 1))
            assert length / 448 == pytest.approx(span, abs=0.07)
