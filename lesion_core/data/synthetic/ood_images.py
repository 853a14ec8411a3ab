"""Images that show no lesion, made by code: what a classifier should refuse to name.

They stand in for the wrong uploads of real life (a screenshot, a page, a landscape, healthy skin) and
for the plain patterns that networks are oddly sure of.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core import files
from lesion_core.amounts import check_amount
from lesion_core.data.csv_tables import read_csv
from lesion_core.data.synthetic.lesions import make_skin, picture_shape
from lesion_core.errors import ConfigError, DataError
from lesion_core.foreign_text import shown
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.artefacts import Rng, noise, step

Shape = tuple[int, int]
WORDS = (
    "the",
    "of",
    "a",
    "page",
    "has",
    "words",
    "and",
    "none",
    "so",
    "read",
    "on",
    "light",
    "ink",
    "paper",
    "margin",
    "column",
    "letter",
    "reader",
    "chapter",
    "figure",
    "table",
    "result",
    "method",
    "sample",
    "river",
    "stone",
)


def _colour(rng: Rng, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    red, green, blue = rng.integers(low, high + 1, 3).tolist()
    return red, green, blue


def _paper(shape: Shape, colour: tuple[int, int, int]) -> Pixels:
    return np.full((*shape, 3), colour, np.uint8)


def _box(image: Pixels, x: float, y: float, w: float, h: float, colour: tuple[int, int, int]) -> None:
    """A filled rectangle; all lengths are shares of the image."""
    height, width = image.shape[:2]
    cv2.rectangle(
        image, (round(x * width), round(y * height)), (round((x + w) * width), round((y + h) * height)), colour, -1
    )


def _write(image: Pixels, text: str, x: float, y: float, size: float, colour: tuple[int, int, int]) -> None:
    """A line of text of `size` short sides; it starts at the shares x, y."""
    height, width = image.shape[:2]
    scale = size * min(height, width) / 22
    cv2.putText(
        image,
        text,
        (round(x * width), round(y * height)),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        colour,
        max(1, round(1.4 * scale)),
        cv2.LINE_AA,
    )


def _blend(low: tuple[int, int, int], high: tuple[int, int, int], t: NDArray[np.floating]) -> NDArray[np.float32]:
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    return np.asarray(a + np.asarray(t, np.float32)[..., None] * (b - a), np.float32)


def _noise(rng: Rng, shape: Shape) -> Pixels:
    if rng.random() < 0.5:
        return rng.integers(0, 256, (*shape, 3), np.uint8)
    clouds = np.stack([noise(rng, shape, rng.uniform(2, 20), 4, 0.7) for _ in range(3)], -1)
    return np.clip(128 + 60 * clouds, 0, 255).astype(np.uint8)


def _gradient(rng: Rng, shape: Shape) -> Pixels:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    turn = rng.uniform(0, 2 * np.pi)
    t = (1 + (x * np.cos(turn) + y * np.sin(turn)) / np.sqrt(2)) / 2 if rng.random() < 0.6 else np.hypot(x, y) / 1.5
    return _blend(_colour(rng), _colour(rng), t).astype(np.uint8)


def _checkerboard(rng: Rng, shape: Shape) -> Pixels:
    y, x = np.mgrid[: shape[0], : shape[1]]
    side, shift = min(shape) / rng.integers(4, 14), rng.uniform(0, 50)
    odd = ((x + shift) // side + (y + shift) // side) % 2
    ends = ((10, 10, 10), (245, 245, 245)) if rng.random() < 0.4 else (_colour(rng, 0, 110), _colour(rng, 130, 255))
    return _blend(*ends, odd).astype(np.uint8)


def _text(rng: Rng, shape: Shape) -> Pixels:
    image, ink = _paper(shape, _colour(rng, 232, 252)), _colour(rng, 10, 60)
    size = rng.uniform(0.024, 0.04) * 1.2
    _write(image, " ".join(rng.choice(WORDS, 3)).title(), 0.07, 0.11, 1.6 * size, ink)
    for y in np.arange(0.2, 0.95, 2.1 * size):
        if rng.random() < 0.12:
            continue
        words: list[str] = []
        while len(" ".join(words)) * size * 0.6 < 0.84:
            words.append(str(rng.choice(WORDS)))
        _write(image, " ".join(words[:-1]), 0.07, float(y), size, ink)
    return image


def _chart(rng: Rng, shape: Shape) -> Pixels:
    image, ink = _paper(shape, (252, 252, 252)), (70, 70, 76)
    for y in np.linspace(0.18, 0.86, 6):
        _box(image, 0.12, y, 0.83, 0.001, (222, 222, 226))
    count, heights = int(rng.integers(5, 10)), rng.uniform(0.08, 0.64, 10)
    if rng.random() < 0.5:
        colour = _colour(rng, 40, 200)
        for i in range(count):
            _box(image, 0.15 + 0.8 * i / count, 0.86 - heights[i], 0.5 / count, heights[i], colour)
    else:
        for _ in range(int(rng.integers(1, 4))):
            y = 0.5 + 0.1 * np.cumsum(rng.normal(0, 0.6, 30))
            line = np.stack([np.linspace(0.13, 0.94, 30) * shape[1], np.clip(y, 0.2, 0.85) * shape[0]], 1)
            cv2.polylines(
                image,
                [np.round(line).astype(np.int32)],
                False,
                _colour(rng, 20, 210),
                max(1, min(shape) // 110),
                cv2.LINE_AA,
            )
    _box(image, 0.12, 0.86, 0.83, 0.004, ink)
    _box(image, 0.12, 0.14, 0.004, 0.72, ink)
    _write(image, f"Figure {rng.integers(1, 12)}", 0.12, 0.1, 0.045, ink)
    for i in range(5):
        _write(image, str(20 * (5 - i)), 0.02, 0.2 + 0.136 * i, 0.032, ink)
    return image


def _screen(rng: Rng, shape: Shape) -> Pixels:
    dark, accent = rng.random() < 0.4, _colour(rng, 30, 200)
    ground, card = ((28, 30, 36), (44, 47, 56)) if dark else ((240, 242, 246), (255, 255, 255))
    ink = (216, 218, 224) if dark else (50, 54, 64)
    image = _paper(shape, ground)
    _box(image, 0, 0, 1, 0.09, accent)
    _write(image, str(rng.choice(["Inbox", "Settings", "Overview", "Files"])), 0.04, 0.062, 0.045, (255, 255, 255))
    _box(image, 0, 0.09, 0.24, 0.91, card)
    for i in range(int(rng.integers(5, 9))):
        _box(image, 0.03, 0.14 + 0.09 * i, 0.03, 0.03, accent if i == 1 else (150, 154, 164))
        _box(image, 0.08, 0.148 + 0.09 * i, rng.uniform(0.06, 0.13), 0.014, ink)
    columns = int(rng.integers(1, 4))
    for i in range(columns):
        width = 0.68 / columns
        x = 0.28 + i * (width + 0.02)
        _box(image, x, 0.14, width - 0.02, 0.24, card)
        _box(image, x + 0.02, 0.17, width * 0.4, 0.02, ink)
        _write(image, str(rng.integers(10, 999)), x + 0.02, 0.3, 0.06, accent)
    _box(image, 0.28, 0.43, 0.68, 0.5, card)
    for i in range(7):
        _box(image, 0.31, 0.47 + 0.06 * i, rng.uniform(0.2, 0.6), 0.013, (150, 154, 164))
    _box(image, 0.76, 0.86, 0.16, 0.05, accent)
    return image


def _flat(rng: Rng, shape: Shape) -> Pixels:
    return _paper(shape, _colour(rng))


def _scene(rng: Rng, shape: Shape) -> Pixels:
    height, width = shape
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    dusk = rng.random() < 0.35
    image = _blend((92, 80, 150) if dusk else (70, 140, 222), (252, 176, 120) if dusk else (206, 232, 250), y * 1.6)
    cloud = 0.75 * step(noise(rng, shape, 3, 4), 0.3, 1.6) * step(y, 0.5, 0.1)
    image += cloud[..., None] * (np.float32(250) - image)
    sun = step(np.hypot((x - np.float32(rng.uniform(0.15, 0.85))) * width / height, y - np.float32(0.2)), 0.085, 0.075)
    image += sun[..., None] * (np.array((255, 240, 170), np.float32) - image)
    for base, colour in ((0.5, (120, 156, 150)), (0.6, (104, 152, 96)), (0.73, (70, 122, 58))):
        waves = sum(
            a * np.sin(f * x * 6.3 + p)
            for a, f, p in zip((0.06, 0.03, 0.012), (0.7, 1.9, 5.1), rng.uniform(0, 6.3, 3), strict=True)
        )
        hill = step(y - np.float32(base) + np.asarray(waves, np.float32), -0.003, 0.003)
        grass = _blend(colour, (160, 190, 110), 0.15 + 0.1 * noise(rng, shape, 40, 3, 0.8))
        image += hill[..., None] * (grass - image)
    picture = np.clip(image, 0, 255).astype(np.uint8)
    left, floor, wide = rng.uniform(0.15, 0.65), 0.84, rng.uniform(0.16, 0.24)
    _box(picture, left, floor - 0.16, wide, 0.16, _colour(rng, 180, 245))
    roof = np.array([[left - 0.03, floor - 0.16], [left + wide / 2, floor - 0.29], [left + wide + 0.03, floor - 0.16]])
    cv2.fillPoly(picture, [np.round(roof * (width, height)).astype(np.int32)], (150, 58, 46), cv2.LINE_AA)
    _box(picture, left + 0.14 * wide, floor - 0.12, 0.2 * wide, 0.05, (90, 130, 170))
    _box(picture, left + 0.6 * wide, floor - 0.11, 0.22 * wide, 0.11, (98, 66, 48))
    return picture


def _fabric(rng: Rng, shape: Shape) -> Pixels:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    pace = np.float32(2 * np.pi * rng.uniform(18, 34) / min(shape))
    x, y = x + min(shape) * 0.006 * noise(rng, shape, 3, 2), y + min(shape) * 0.006 * noise(rng, shape, 3, 2)
    over = np.sin(x * pace / 2) * np.sin(y * pace / 2) > 0
    thread = np.where(over, np.abs(np.sin(x * pace / 2)), np.abs(np.sin(y * pace / 2)))
    stripes = np.sin(x * pace / 8) > 0.5
    checks = np.sin(y * pace / 8) > 0.5
    image = _blend(_colour(rng, 60, 200), _colour(rng, 20, 240), np.where(over, stripes, checks) * 0.8)
    shade = 0.45 + 0.55 * thread + 0.06 * noise(rng, shape, 60, 2)
    return np.asarray(np.clip(image * shade[..., None], 0, 255), np.uint8)


def _skin(rng: Rng, shape: Shape) -> Pixels:
    return make_skin(int(rng.integers(2**31)), shape)


OOD_KINDS: dict[str, Callable[[Rng, Shape], Pixels]] = {
    "noise": _noise,
    "gradient": _gradient,
    "checkerboard": _checkerboard,
    "text": _text,
    "chart": _chart,
    "screen": _screen,
    "flat": _flat,
    "scene": _scene,
    "fabric": _fabric,
    "skin": _skin,
}
"""Kinds of images that show no lesion: each draws one from a random stream and (H, W)."""


def make_ood_image(kind: str, seed: int, size: int | tuple[int, int] = 256) -> Pixels:
    """An image that shows no lesion; the same arguments give the same pixels.

    Args:
        kind: Key of `OOD_KINDS`.
        seed: Not negative.
        size: Pixels per side, or (height, width), 32 to 2048.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ConfigError: The kind is unknown, or seed or size is out of range.
    """
    if kind not in OOD_KINDS:
        raise ConfigError(f"'{kind}' is not a known kind of image.", f"Choose one of {', '.join(OOD_KINDS)}.")
    if seed < 0:
        raise ConfigError(f"The seed {seed} is negative.", "Give a whole number from 0.")
    return OOD_KINDS[kind](np.random.default_rng([seed, *kind.encode()]), picture_shape(size))


def write_ood_samples(root: Path, per_kind: int = 4, seed: int = 0) -> Path:
    """Write `<kind>/<kind>_<n>.jpg` of every kind and `manifest.csv` (path, kind, source, licence, sha256).

    Existing files of the same names are replaced; others stay, and so do their rows in the manifest.

    Returns:
        The manifest's path.

    Raises:
        ConfigError: `per_kind` is out of range.
        DataError: `root` is a file.
    """
    check_amount(per_kind, "images of each kind")
    if root.is_file():
        raise DataError(f"{shown(str(root), 200)} is a file, not a folder.", "Choose a folder.")
    rows = []
    for kind in OOD_KINDS:
        (root / kind).mkdir(parents=True, exist_ok=True)
        for n in range(per_kind):
            bgr = np.ascontiguousarray(make_ood_image(kind, seed + n)[..., ::-1])
            data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            name = f"{kind}/{kind}_{n}.jpg"
            with files.written(root / name) as new:
                new.write_bytes(data)
            rows.append(
                [
                    name,
                    kind,
                    "made by code: lesion_core.data.synthetic.ood_images",
                    "CC0-1.0",
                    hashlib.sha256(data).hexdigest(),
                ]
            )
    manifest, header = root / "manifest.csv", ["path", "kind", "source", "licence", "sha256"]
    if manifest.is_file():
        others = read_csv(manifest, header)
        rows += others[~others["kind"].isin(list(OOD_KINDS))][header].to_numpy().tolist()
    with files.written(manifest) as new, new.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return manifest
