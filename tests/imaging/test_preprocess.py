"""The steps before a model: against slow literal references, on painted artefacts, and as one pipeline."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image

from lesion_core.config import Clahe, ColorConstancy, DarkCorner, Detail, HairRemoval, Preprocessing, Resize
from lesion_core.errors import ImageError
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import (
    LARGE_SIDE,
    REDUCED_SIDE,
    Pipeline,
    crop_dark_corners,
    equal_detail,
    equalize,
    hair_mask,
    normalize,
    remove_hair,
    resize,
    shades_of_gray,
    square,
    to_original,
)

Picture = NDArray[np.uint8]
EVERYTHING = Preprocessing(
    dark_corner=DarkCorner(enabled=True),
    hair=HairRemoval(enabled=True),
    color=ColorConstancy(enabled=True),
    clahe=Clahe(enabled=True),
    detail=Detail(enabled=True, short_side=40),
    resize=Resize(size=64),
)
FITS = ("crop", "pad", "stretch")
pictures = npst.arrays(np.uint8, st.tuples(st.integers(16, 60), st.integers(16, 60), st.just(3)))


def skin(height: int, width: int, seed: int = 0) -> Picture:
    """Smooth skin with a soft brown lesion in the middle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    r = np.hypot((y - height / 2) / height, (x - width / 2) / height)
    lesion = 1 / (1 + np.exp((r - 0.22) * 40))[..., None]
    uneven = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), height / 12)
    ground = np.array([215.0, 165, 150]) + 25 * (uneven / np.abs(uneven).max())[..., None]
    return np.clip(ground * (1 - lesion) + np.array([110.0, 65, 50]) * lesion, 0, 255).astype(np.uint8)


def haired(picture: Picture, seed: int = 0, count: int = 10) -> tuple[Picture, NDArray[np.bool_]]:
    """The image under dark curved hairs, and where they are."""
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    cover = np.zeros((height, width), np.uint8)
    t = np.linspace(0, 1, 60)[:, None]
    for _ in range(count):
        a, c = rng.uniform(0, 1, (2, 2)) * [width, height]
        b = (a + c) / 2 + rng.uniform(-0.15, 0.15, 2) * height
        curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
        thick = max(1, round(rng.uniform(0.004, 0.009) * height))
        cv2.polylines(cover, [np.round(16 * curve).astype(np.int32)], False, 255, thick, cv2.LINE_AA, 4)
    share = cover[..., None] / 255
    return (picture * (1 - share) + np.array([40, 28, 25]) * share).astype(np.uint8), cover > 127


def through_a_dermatoscope(picture: Picture, radius: float) -> Picture:
    """Black outside a centred circle; its radius is a share of the short side."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    outside = np.hypot(y + 0.5 - height / 2, x + 0.5 - width / 2) > radius * min(height, width)
    out = picture.copy()
    out[outside] = 8
    return out


# Dark corners ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(450, 600), (150, 200), (256, 256), (600, 450)])
@pytest.mark.parametrize("radius", [0.5, 0.6, 0.66])
def test_dark_corners_go_and_little_else(shape: tuple[int, int], radius: float) -> None:
    picture = through_a_dermatoscope(skin(*shape), radius)
    out, (x0, y0, x1, y1) = crop_dark_corners(picture, DarkCorner())
    np.testing.assert_array_equal(out, picture[int(y0) : int(y1), int(x0) : int(x1)])
    assert out.min() > 8
    inscribed = min(1.0, np.sqrt(2) * radius) * min(shape)
    assert out.shape[0] == out.shape[1] and 0.92 * inscribed <= out.shape[0] <= inscribed
    assert abs(x0 + x1 - shape[1]) <= 1 and abs(y0 + y1 - shape[0]) <= 1
    again, _ = crop_dark_corners(out, DarkCorner())
    assert again.shape == out.shape


def test_what_is_no_dark_corner_stays() -> None:
    clean = skin(150, 200)
    over_the_edge = clean.copy()
    cv2.circle(over_the_edge, (100, 150), 50, (20, 10, 10), -1)
    tiny = clean.copy()
    tiny[:4, :4] = 0
    for picture in (clean, over_the_edge, tiny, np.zeros_like(clean), np.full_like(clean, 255)):
        out, box = crop_dark_corners(picture, DarkCorner())
        np.testing.assert_array_equal(out, picture)
        assert box == (0, 0, 200, 150)


# Hair ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(150, 200), (450, 600), (900, 1200)])
@pytest.mark.parametrize("seed", range(3))
def test_painted_hair_is_found_and_removed(shape: tuple[int, int], seed: int) -> None:
    clean = skin(*shape, seed)
    picture, truth = haired(clean, seed)
    out, mask = remove_hair(picture, HairRemoval())
    np.testing.assert_array_equal(mask, hair_mask(picture, HairRemoval()))
    assert mask.shape == shape and mask.dtype == np.bool_
    assert (mask & truth).sum() > 0.8 * truth.sum()
    near = cv2.dilate(truth.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert (mask & ~near).mean() < 0.01
    before, after = (np.abs(a.astype(float) - clean).mean() for a in (picture, out))
    assert after < 0.35 * before
    np.testing.assert_array_equal(out[~mask], picture[~mask])


@pytest.mark.parametrize("shape", [(150, 200), (450, 600)])
@pytest.mark.parametrize("radius", [0.01, 0.02, 0.05, 0.2])
def test_spots_and_lesions_are_no_hair(shape: tuple[int, int], radius: float) -> None:
    picture = np.full((*shape, 3), (215, 165, 150), np.uint8)
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(0.1, 0.9, (8, 2)):
        center = (int(x * shape[1]), int(y * shape[0]))
        cv2.circle(picture, center, max(1, round(radius * shape[0])), (60, 30, 25), -1, cv2.LINE_AA)
    assert hair_mask(picture, HairRemoval()).mean() < (0.002 if radius < 0.2 else 0.01)


def pigment_network() -> Picture:
    """Brown lines around round light holes, as in a nevus, of a hair's width and darkness."""
    picture = np.full((450, 600, 3), (215, 165, 150), np.uint8)
    cv2.circle(picture, (300, 225), 150, (120, 75, 60), -1)
    for i, y in enumerate(range(75, 380, 13)):
        for x in range(140 + 8 * (i % 2), 460, 16):
            cv2.circle(picture, (x, y), 5, (190, 140, 125), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 1)


def streaks() -> Picture:
    """Plump dashes: as long as a short hair, too wide for one."""
    picture = np.full((450, 600, 3), (215, 165, 150), np.uint8)
    for i, x in enumerate(range(60, 560, 80)):
        cv2.ellipse(picture, (x, 225), (23, 5), 25 * i, 0, 360, (70, 40, 35), -1, cv2.LINE_AA)
    return picture


def vignetted() -> Picture:
    """Skin that falls off smoothly into the dark before it reaches the left and right border."""
    x = np.abs(np.linspace(-1, 1, 600))[None, :, None]
    return (skin(450, 600) * (1 - 0.8 * np.clip((x - 0.93) / 0.07, 0, 1))).astype(np.uint8)


@pytest.mark.parametrize("draw", [pigment_network, streaks, vignetted])
def test_dark_structures_are_no_hair(draw: Callable[[], Picture]) -> None:
    assert hair_mask(draw(), HairRemoval()).mean() < 0.0005


def test_nothing_to_find() -> None:
    for picture in (skin(150, 200), through_a_dermatoscope(skin(150, 200), 0.6), np.zeros((20, 30, 3), np.uint8)):
        out, mask = remove_hair(picture, HairRemoval())
        assert not mask.any()
        np.testing.assert_array_equal(out, picture)
        assert out is not picture


def test_bright_lines_leave_the_skin_between_them() -> None:
    picture = np.full((300, 400, 3), (215, 165, 150), np.uint8)
    for x in range(150, 190, 9):
        cv2.line(picture, (x, 0), (x, 299), (250, 240, 240), 2)
    assert not hair_mask(picture, HairRemoval()).any()


# Colour ----------------------------------------------------------------------------------------------------------


def literal_shades_of_gray(image: Picture, power: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Finlayson and Trezzi's formula, pixel by pixel."""
    x = image.astype(np.float64) / 255
    light = np.array([np.mean(x[..., c] ** power) ** (1 / power) for c in range(3)])
    light /= np.sqrt((light**2).sum())
    gains = 1 / (np.sqrt(3) * light)
    return np.clip(255 * x * gains, 0, 255), gains


@settings(max_examples=60, deadline=None)
@given(image=pictures, power=st.integers(1, 20))
def test_shades_of_gray_against_the_formula(image: Picture, power: int) -> None:
    image[0, 0] = np.maximum(image[0, 0], 1)  # no channel is all black
    out, gains = shades_of_gray(image, ColorConstancy(power=power))
    expected, expected_gains = literal_shades_of_gray(image, power)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-9)
    assert np.abs(out - expected).max() <= 0.5 + 1e-6


@settings(max_examples=30, deadline=None)
@given(grey=npst.arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40))), power=st.integers(1, 20))
def test_a_neutral_picture_has_no_cast_to_remove(grey: NDArray[np.uint8], power: int) -> None:
    image = np.repeat(grey[..., None], 3, axis=2)
    out, gains = shades_of_gray(image, ColorConstancy(power=power))
    np.testing.assert_array_equal(out, image)
    np.testing.assert_allclose(gains, 1)


def test_a_cast_is_removed() -> None:
    """Under gray world, channels that differ by a factor end with equal means, up to rounding."""
    neutral = np.repeat(np.random.default_rng(0).integers(40, 160, (64, 64, 1)), 3, axis=2)
    cast = (neutral * np.array([1.3, 1.0, 0.7])).astype(np.uint8)
    out, gains = shades_of_gray(cast, ColorConstancy(power=1))
    assert np.ptp(out.mean(axis=(0, 1))) < 1 < np.ptp(cast.mean(axis=(0, 1)))
    assert gains[0] < gains[1] < gains[2]


def test_a_black_picture_or_channel_stays() -> None:
    black = np.zeros((20, 20, 3), np.uint8)
    no_blue = np.full((20, 20, 3), (200, 100, 0), np.uint8)
    for image in (black, no_blue):
        out, gains = shades_of_gray(image, ColorConstancy())
        np.testing.assert_array_equal(out, image)
        np.testing.assert_array_equal(gains, 1)


def test_equalize_spreads_lightness_and_keeps_hue() -> None:
    flat = (0.3 * skin(150, 200) + 100).astype(np.uint8)
    out = equalize(flat, Clahe())
    before, after = (cv2.cvtColor(a, cv2.COLOR_RGB2LAB).astype(float) for a in (flat, out))
    assert after[..., 0].std() > 1.2 * before[..., 0].std()
    assert np.abs(after[..., 1:] - before[..., 1:]).mean() < 1.5
    stronger = cv2.cvtColor(equalize(flat, Clahe(clip_limit=8)), cv2.COLOR_RGB2LAB)[..., 0]
    assert stronger.std() > after[..., 0].std()


# The square ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(96, 160), (160, 96), (96, 96)])
def test_resize_against_block_means(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    h, w = shape

    def blocks(a: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
        return a.reshape(size, a.shape[0] // size, size, a.shape[1] // size, 3).mean(axis=(1, 3))

    s, b = min(shape), max(shape)
    crop = image[(h - s) // 2 : (h - s) // 2 + s, (w - s) // 2 : (w - s) // 2 + s]
    padded = np.pad(image, (((b - h) // 2,) * 2, ((b - w) // 2,) * 2, (0, 0)), mode="symmetric")
    for fit, expected in (("crop", crop), ("pad", padded), ("stretch", image)):
        for size in (16, 32):
            out = resize(image, Resize(size=size, fit=fit))
            assert np.abs(out - blocks(expected, size)).max() <= 0.5 + 1e-6


@settings(max_examples=60, deadline=None)
@given(image=pictures, size=st.integers(16, 80), fit=st.sampled_from(FITS))
def test_resize_is_square_and_idempotent(image: Picture, size: int, fit: str) -> None:
    s = Resize(size=size, fit=fit)
    out = resize(image, s)
    assert out.shape == (size, size, 3) and out.dtype == np.uint8 and out.flags.c_contiguous
    assert not np.shares_memory(out, image)
    np.testing.assert_array_equal(resize(out, s), out)


@given(height=st.integers(1, 3000), width=st.integers(1, 3000), fit=st.sampled_from(FITS))
def test_the_box_of_the_square(height: int, width: int, fit: str) -> None:
    x0, y0, x1, y1 = square((height, width), Resize(fit=fit))
    if fit == "stretch":
        assert (x0, y0, x1, y1) == (0, 0, width, height)
        return
    assert x1 - x0 == y1 - y0 == (min if fit == "crop" else max)(height, width)
    assert abs(x0 + x1 - width) <= 1 and abs(y0 + y1 - height) <= 1
    assert (x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height) == (fit == "crop" or height == width)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("shape", "at", "ring"),
    [
        ((300, 400), (190, 120), False),
        ((400, 300), (120, 230), False),
        ((1500, 3000), (1700, 900), False),
        ((450, 600), (340, 170), True),
    ],
)
def test_a_point_survives_the_way_there_and_back(
    fit: str, shape: tuple[int, int], at: tuple[int, int], ring: bool
) -> None:
    """What is bright on the square is laid where it is bright in the original."""
    picture = np.full((*shape, 3), 90, np.uint8)
    cv2.circle(picture, at, round(0.03 * min(shape)), (255, 255, 255), -1)
    if ring:
        picture = through_a_dermatoscope(picture, 0.55)
    pipeline = Pipeline(Preprocessing(dark_corner=DarkCorner(enabled=True), resize=Resize(size=128, fit=fit)))
    seen = pipeline.apply(picture)[..., 0].astype(np.float32) / 255
    heatmap = np.where(seen > 0.7, seen, 0)
    back = to_original(heatmap, shape, pipeline.frame(picture))
    assert back.shape == shape and back.dtype == np.float32 and 0 <= back.min() <= back.max() <= 1
    y, x = np.mgrid[: shape[0], : shape[1]]
    center = (back * x).sum() / back.sum(), (back * y).sum() / back.sum()
    assert np.hypot(center[0] - at[0], center[1] - at[1]) < 0.01 * max(shape)


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(st.integers(16, 90), st.integers(16, 90)), side=st.integers(1, 20), fit=st.sampled_from(FITS))
def test_a_map_of_ones_covers_exactly_the_box(shape: tuple[int, int], side: int, fit: str) -> None:
    x0, y0, x1, y1 = square(shape, Resize(fit=fit))
    inside = np.zeros(shape, np.float32)
    inside[max(0, y0) : y1, max(0, x0) : x1] = 1
    np.testing.assert_array_equal(to_original(np.ones((side, side)), shape, (x0, y0, x1, y1)), inside)


# Equal detail ---------------------------------------------------------------------------------------------------


def noisy(height: int, width: int, seed: int = 0) -> Picture:
    """Skin with pores: fine texture that a small image or a JPEG loses."""
    pores = np.random.default_rng(seed).normal(scale=18, size=(height, width, 1))
    return np.clip(skin(height, width, seed) + pores, 0, 255).astype(np.uint8)


def as_jpeg(picture: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def test_equal_detail_is_a_mean_of_blocks_saved_by_pillow() -> None:
    picture = noisy(450, 600)
    small = picture.reshape(150, 3, 200, 3, 3).mean((1, 3)).round().astype(np.uint8)
    found = equal_detail(picture, Detail())
    assert found.shape == (150, 200, 3) and found.dtype == np.uint8
    # Two builds of one library: they differ by a grey level where a value lies between two.
    assert np.abs(found.astype(int) - as_jpeg(small, 75)).mean() < 0.5
    assert np.abs(found.astype(int) - as_jpeg(small, 30)).mean() > 1


def test_after_equal_detail_archives_look_alike() -> None:
    picture = noisy(450, 600)
    thumbnail = as_jpeg(np.asarray(Image.fromarray(picture).resize((200, 150), Image.Resampling.BOX)), 75)
    native = as_jpeg(picture, 91)

    def apart(first: Picture, second: Picture) -> float:
        return float(np.abs(resize(first, Resize(size=128)).astype(int) - resize(second, Resize(size=128))).mean())

    before, after = apart(thumbnail, native), apart(*(equal_detail(p, Detail()) for p in (thumbnail, native)))
    assert after < before / 2, (before, after)


@settings(max_examples=25, deadline=None)
@given(image=pictures, side=st.integers(16, 64), quality=st.integers(1, 100))
def test_equal_detail_keeps_the_frame(image: Picture, side: int, quality: int) -> None:
    kept = image.copy()
    found = equal_detail(image, Detail(short_side=side, quality=quality))
    np.testing.assert_array_equal(image, kept)
    assert min(found.shape[:2]) == min(side, *image.shape[:2])
    assert abs(found.shape[0] / found.shape[1] * image.shape[1] - image.shape[0]) <= image.shape[0] / min(side, 16)


def test_equal_detail_twice_is_nearly_once() -> None:
    once = equal_detail(noisy(300, 400), Detail())
    assert np.abs(equal_detail(once, Detail()).astype(int) - once).mean() < 1


# The pipeline ----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(image=pictures, fit=st.sampled_from(FITS), size=st.integers(16, 64))
def test_run_and_apply_agree(image: Picture, fit: str, size: int) -> None:
    pipeline = Pipeline(EVERYTHING.model_copy(update={"resize": Resize(size=size, fit=fit)}))
    kept = image.copy()
    result = pipeline.run(image)
    np.testing.assert_array_equal(image, kept)
    assert result.image.shape == (size, size, 3) and result.image.dtype == np.uint8
    np.testing.assert_array_equal(result.image, pipeline.apply(image))
    np.testing.assert_array_equal(result.image, resize(pipeline.before_resize(image), pipeline.settings.resize))
    assert [s.name for s in result.steps] == ["dark_corner", "hair", "color", "clahe", "detail", "resize"]


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("shape", [(16, 16), (16, 300), (45, 33)])
@pytest.mark.parametrize("fit", FITS)
def test_a_constant_picture_stays_constant(value: int, shape: tuple[int, int], fit: str) -> None:
    pipeline = Pipeline(EVERYTHING.model_copy(update={"resize": Resize(size=32, fit=fit)}))
    out = pipeline.apply(np.full((*shape, 3), value, np.uint8))
    assert (out == out[0, 0]).all()
    plain = Pipeline(Preprocessing(resize=Resize(size=32, fit=fit)))
    assert (plain.apply(np.full((*shape, 3), value, np.uint8)) == value).all()


def test_steps_tell_what_they_did() -> None:
    picture, truth = haired(through_a_dermatoscope(skin(300, 400), 0.6))
    result = Pipeline(EVERYTHING).run(picture)
    steps = {step.name: step for step in result.steps}
    assert steps["dark_corner"].box is not None and steps["dark_corner"].image.shape[0] < 300
    assert steps["hair"].mask is not None and steps["hair"].mask.shape == steps["dark_corner"].image.shape[:2]
    np.testing.assert_allclose(
        steps["color"].gains, shades_of_gray(steps["hair"].image, EVERYTHING.color)[1], rtol=1e-12
    )
    assert all(step.milliseconds >= 0 for step in result.steps)
    assert result.image is result.steps[-1].image
    assert [s.name for s in Pipeline(Preprocessing()).run(picture).steps] == ["resize"]
    assert truth.any()


def test_large_pictures_are_reduced_first() -> None:
    large = np.zeros((30, LARGE_SIDE + 2, 3), np.uint8)
    first = Pipeline(Preprocessing()).run(large).steps[0]
    assert first.name == "reduce" and first.image.shape[1] == REDUCED_SIDE
    assert Pipeline(Preprocessing()).before_resize(large[:, :LARGE_SIDE]).shape[1] == LARGE_SIDE


def test_threads_agree() -> None:
    shots = [haired(skin(90, 120, seed), seed)[0] for seed in range(12)]
    pipeline = Pipeline(EVERYTHING)
    alone = [pipeline.apply(shot) for shot in shots]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(pipeline.apply, shots * 3))
    for a, b in zip(alone * 3, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_fingerprint_is_of_every_setting() -> None:
    variants = [
        Preprocessing(),
        EVERYTHING,
        Preprocessing(hair=HairRemoval(threshold=13)),
        Preprocessing(resize=Resize(size=96)),
        Preprocessing(std=(0.2, 0.2, 0.2)),
    ]
    assert len({Pipeline(v).fingerprint for v in variants}) == len(variants)
    assert Pipeline(Preprocessing()).fingerprint == Pipeline(Preprocessing()).fingerprint


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3), np.float32),
        np.zeros((0, 20, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_picture(image: np.ndarray) -> None:
    pipeline = Pipeline(Preprocessing())
    for use in (pipeline.run, pipeline.apply, pipeline.before_resize, pipeline.frame):
        with pytest.raises(ImageError, match=r"not an? (uint8 )?RGB image"):
            use(image)
    with pytest.raises(ImageError, match="uint8"):
        normalize(image[None].astype(np.float32), Preprocessing())


def test_normalize_against_the_formula() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    s = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3))
    out = normalize(batch, s)
    assert out.shape == (2, 3, 5, 7) and out.dtype == np.float32 and out.flags.c_contiguous
    for c in range(3):
        np.testing.assert_allclose(out[:, c], (batch[..., c] / 255 - s.mean[c]) / s.std[c], rtol=1e-5, atol=2e-6)


@pytest.mark.real
def test_real_pictures() -> None:
    """Native-size HAM10000: hair is marked on the hairy ones only, rings are cropped, nothing fails."""
    root = os.environ.get("LESION_DATA")
    if not root:
        pytest.skip("LESION_DATA is not set")
    folder = Path(root) / "ham10000_600x450"
    if not folder.is_dir():
        pytest.skip("LESION_DATA has no ham10000_600x450")
    marked, cropped = {}, set()
    for path in sorted(folder.glob("*.jpg")):
        image = decode(path)
        assert image.shape == (450, 600, 3)
        marked[path.stem] = hair_mask(image, HairRemoval()).mean()
        if crop_dark_corners(image, DarkCorner())[0].shape != image.shape:
            cropped.add(path.stem)
    assert max(marked.values()) < 0.08 and np.median(list(marked.values())) < 0.002
    for stem in {"ISIC_0024323", "ISIC_0024403"} & marked.keys():
        assert marked[stem] > 0.01
    assert "ISIC_0024431" in cropped or "ISIC_0024431" not in marked
    assert "ISIC_0024323" not in cropped
