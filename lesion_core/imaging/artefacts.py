"""What gets between the lens and the lesion: hair, rulers, ink, bubbles, dark corners and glare.

Pure functions on any image. Each returns its mask too, so that what a model (or a hair removal) does
to an artefact can be measured exactly. Lengths are shares of the image's short side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.arrays import Mask, Pixels

Field = NDArray[np.float32]
Rng = np.random.Generator


# What they are drawn with --------------------------------------------------------------------------------------


def step(x: Field, low: float, high: float) -> Field:
    """Smooth rise from 0 at `low` to 1 at `high`; `low` may be the larger one."""
    t = (x - np.float32(low)) * np.float32(1 / (high - low))
    np.clip(t, 0, 1, out=t)
    rise = 3 - 2 * t
    rise *= t
    rise *= t
    return np.asarray(rise, np.float32)


def noise(rng: Rng, shape: tuple[int, int], cells: float, octaves: int = 1, gain: float = 0.5) -> Field:
    """Smooth noise of about zero mean and unit deviation: random grids, enlarged and added up.

    Args:
        rng: Source of randomness; the same state gives the same pattern at any size.
        shape: (H, W).
        cells: Grid cells along the short side in the coarsest octave.
        octaves: Each has twice the cells of the one before.
        gain: Amplitude of an octave as a share of the one before.

    Returns:
        (H, W) float32.
    """
    total: Field = np.zeros((1, 1), np.float32)
    for octave in range(octaves):  # on the octaves' own small grids; only the sum is enlarged to the image's size
        pitch = min(shape) / (cells * 2**octave)
        rows, columns = (int(np.ceil(round(n / pitch, 6))) + 1 for n in shape)
        coarse = cv2.resize(total, (2 * total.shape[1], 2 * total.shape[0]), interpolation=cv2.INTER_CUBIC)
        total = np.float32(gain**octave) * rng.standard_normal((rows, columns), dtype=np.float32)
        if octave:
            total += coarse[:rows, :columns]
    height, width = max(round(rows * pitch), shape[0]), max(round(columns * pitch), shape[1])
    smooth = cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC)[: shape[0], : shape[1]]
    power = sum(gain ** (2 * octave) for octave in range(octaves))
    return np.asarray(smooth, np.float32) / np.float32(0.87 * np.sqrt(power))


def blur(x: Field, sigma: float) -> Field:
    """Gaussian blur; `sigma` in pixels, at least 0.3."""
    return np.asarray(cv2.GaussianBlur(x, (0, 0), max(sigma, 0.3)), np.float32)


def spots(
    rng: Rng, where: Mask, count: int, radius: tuple[float, float], soft: float = 0.2, shown: int | None = None
) -> Field:
    """Opacity of roundish spots with their centres in `where`.

    Args:
        rng: Source of randomness.
        where: (H, W) bool.
        count: How many; fewer where `where` is tiny.
        radius: Least and largest, in short sides.
        soft: Blur, in largest radii.
        shown: The first of them are painted; None: all.

    Returns:
        (H, W) float32 in [0, 1].
    """
    scale, canvas = min(where.shape), np.zeros(where.shape, np.uint8)
    # Points are thrown at the whole image and kept where they may be, so that they stay put at any size.
    thrown = rng.random((40 * count, 2)) * where.shape
    centres = np.round(thrown[where[*thrown.astype(int).T]][:count] * 16).astype(int)
    axes = rng.uniform(*radius, (count, 1)) * rng.uniform(0.75, 1.3, (count, 2)) * scale
    axes = np.maximum(axes * 16, 8).astype(int)
    turns, inks = rng.uniform(0, 180, count).tolist(), rng.integers(180, 256, count).tolist()
    for (y, x), axis, turn, ink in zip(centres.tolist()[:shown], axes.tolist(), turns, inks, strict=False):
        cv2.ellipse(canvas, (x, y), axis, turn, 0, 360, ink, -1, cv2.LINE_AA, 4)
    return blur(np.float32(1 / 255) * canvas, soft * radius[1] * scale)


def strokes(shape: tuple[int, int], paths: list[tuple[NDArray[np.floating], float]]) -> Field:
    """Opacity of smooth lines: each path is ((n, 2) x and y, width), in pixels; under one pixel it is faint.

    Returns:
        (H, W) float32 in [0, 1].
    """
    canvas = np.zeros(shape, np.uint8)
    for points, width in sorted(paths, key=lambda path: path[1]):
        line = np.round(points * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(canvas, [line], False, int(255 * min(max(width, 0.3), 1)), max(1, round(width)), cv2.LINE_AA, 4)
    return np.float32(1 / 255) * canvas


def bow(rng: Rng, start: NDArray[np.floating], angle: float, length: float, bend: float) -> NDArray[np.floating]:
    """(16, 2) points of a quadratic Bezier curve from `start`, bent by up to `bend` lengths; in pixels."""
    along = np.array([np.cos(angle), np.sin(angle)]) * length
    knee = start + along / 2 + rng.uniform(-bend, bend) * along[::-1] * (-1, 1)
    t = np.linspace(0, 1, 16)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * knee + t**2 * (start + along))


def lay(image: Pixels, alpha: Field, colour: NDArray[np.floating] | tuple[int, int, int]) -> tuple[Pixels, Mask]:
    """The image under a colour, (3,) or (H, W, 3), of an opacity (H, W) in [0, 1]; nothing changes outside the mask."""
    mask = alpha > 0.03
    result = image.copy()
    paint = np.broadcast_to(np.asarray(colour, np.float32), image.shape)[mask]
    result[mask] = np.clip(image[mask] + alpha[mask][:, None] * (paint - image[mask]) + 0.5, 0, 255)
    return result, mask


# The artefacts -------------------------------------------------------------------------------------------------


def hair(image: Pixels, rng: Rng, strength: float, drawn: int | None = None) -> tuple[Pixels, Mask]:
    """Dark hairs: image and mask.

    Args:
        image: (H, W, 3) uint8; it is not changed.
        rng: Draws the hairs, then their colour.
        strength: 0 to 1; how many hairs, and how long.
        drawn: Hairs that are drawn from it, at least as many as are shown: with the same random state, more strength
            then shows the same hairs, longer, and others. None: as many as are shown.
    """
    height, width = image.shape[:2]
    scale, lie = min(height, width), rng.uniform(0, 2 * np.pi)
    paths = []
    shown = round(3 + 37 * strength)
    for _ in range(drawn or shown):
        root = rng.uniform(-0.15, 1.15, 2) * (width, height)
        length = scale * rng.uniform(0.25, 0.35 + 0.9 * strength)
        points = bow(rng, root, rng.normal(lie, 0.45), length, 0.3)
        thick = scale * rng.uniform(0.004, 0.010)
        paths += [(points[a:b], thick * share) for a, b, share in ((0, 8, 1.0), (7, 13, 0.75), (12, 16, 0.5))]
    colour = np.array([52, 36, 30]) * rng.uniform(0.3, 1.1)
    return lay(image, 0.93 * strokes((height, width), paths[: 3 * shown]), colour)


def ruler(image: Pixels, rng: Rng, tick: float, span: float | None = None) -> tuple[Pixels, Mask]:
    """A measuring scale along one side: image and mask; the same random state lays it along the same line.

    Args:
        image: (H, W, 3) uint8; it is not changed.
        rng: Draws the side, the tilt, the distance from the side, and the pitch.
        tick: Length of a short tick, in short sides; every fifth is 1.3 times, every tenth 1.6 times as long.
        span: Share of the side, about its middle, that has ticks; None goes on past both ends.
    """
    height, width = image.shape[:2]
    scale, side = min(height, width), int(rng.integers(4))
    along, into = np.array([[1.0, 0.0], [0.0, 1.0]][:: 1 if side < 2 else -1])
    corner = np.array([(0, 0), (0, height), (0, 0), (width, 0)][side], float)
    into = into * (1, -1, 1, -1)[side]
    tilt, inset = rng.uniform(-0.05, 0.05), scale * rng.uniform(0.01, 0.05)
    along, into = along + tilt * into, into - tilt * along
    pitch, thick = scale * rng.uniform(0.035, 0.05), scale * 0.0055
    length = width if side < 2 else height
    paths = []
    opacity = np.zeros((height, width), np.uint8)
    for i in range(int(1.5 * max(height, width) / pitch)):
        if span is not None and abs(pitch * (i - 2) - length / 2) > span * length / 2:
            continue
        foot = corner + into * inset + along * pitch * (i - 2)
        size = scale * tick * (1.6 if i % 10 == 0 else 1.3 if i % 5 == 0 else 1)
        paths.append((np.stack([foot, foot + into * size]), thick))
        if i % 10 == 0:
            x, y = (foot + into * (size + scale * 0.03) + scale * np.array([-0.02, 0.015])).astype(int).tolist()
            cv2.putText(
                opacity,
                str(i // 10),
                (x, y),
                cv2.FONT_HERSHEY_SIMPLEX,
                scale * 0.0019,
                255,
                max(1, round(thick)),
                cv2.LINE_AA,
            )
    alpha = np.maximum(strokes((height, width), paths), np.float32(1 / 255) * opacity)
    return lay(image, 0.9 * alpha, (24, 22, 26))


def ink(image: Pixels, rng: Rng, shown: int, drawn: int | None = None) -> tuple[Pixels, Mask]:
    """Violet strokes of a pen around the lesion: image and mask.

    Args:
        image: (H, W, 3) uint8; it is not changed.
        rng: Draws the strokes, then how worn and how strong the ink is.
        shown: How many strokes are laid over the image.
        drawn: As that of `hair`, with strokes.
    """
    height, width = image.shape[:2]
    scale, start = min(height, width), rng.uniform(0, 2 * np.pi)
    paths = []
    for i in range(drawn or shown):
        turn = start + 2 * np.pi * i / 5 + rng.uniform(-0.3, 0.3)
        foot = np.array([width, height]) / 2 * (1 + rng.uniform(0.7, 0.95) * np.array([np.cos(turn), np.sin(turn)]))
        points = bow(rng, foot, turn + rng.choice([0.4, 1.6]), scale * rng.uniform(0.25, 0.5), 0.25)
        paths.append((points, scale * rng.uniform(0.03, 0.06)))
    body = blur(strokes((height, width), paths[:shown]), 0.006 * scale)
    worn = 0.8 + 0.16 * noise(rng, (height, width), 22, 3, 0.8)
    alpha = np.clip(body * worn, 0, 1) * step(body, 0.08, 0.6)
    # Gentian violet lets blue through; the skin shows under it.
    stained = image * np.exp(-rng.uniform(0.9, 1.5) * np.array([0.9, 1.15, 0.18])) + np.array([8.0, 0.0, 30.0])
    return lay(image, np.asarray(alpha, np.float32), stained)


def _ruler(image: Pixels, rng: Rng, strength: float) -> tuple[Pixels, Mask]:
    return ruler(image, rng, 0.035 + 0.045 * strength)


def _ink(image: Pixels, rng: Rng, strength: float) -> tuple[Pixels, Mask]:
    return ink(image, rng, round(1 + 4 * strength))


def _bubbles(image: Pixels, rng: Rng, strength: float) -> tuple[Pixels, Mask]:
    height, width = image.shape[:2]
    scale, light = min(height, width), rng.uniform(0, 2 * np.pi)
    result, touched = image.astype(np.float32), np.zeros((height, width), bool)
    for _ in range(round(2 + 14 * strength)):
        cx, cy = rng.uniform(0.02, 0.98, 2) * (width, height)
        radius = max(scale * 0.012 * np.exp(rng.uniform(0, 1.2 + 0.8 * strength)), 1.5)
        top, left = max(int(cy - 1.1 * radius), 0), max(int(cx - 1.1 * radius), 0)
        part = slice(top, int(cy + 1.1 * radius) + 2), slice(left, int(cx + 1.1 * radius) + 2)
        rows, columns = touched[part].shape
        y, x = np.mgrid[top : top + rows, left : left + columns].astype(np.float32)
        dy, dx = (y - np.float32(cy)) / np.float32(radius), (x - np.float32(cx)) / np.float32(radius)
        far = np.hypot(dx, dy)
        toward = (dx * np.float32(np.cos(light)) + dy * np.float32(np.sin(light))) / np.maximum(far, 0.05)
        inside = step(far, 1.03, 0.95)
        rim = inside * step(far, 0.72, 0.93)
        glint = step(np.hypot(dx - 0.45 * np.float32(np.cos(light)), dy - 0.45 * np.float32(np.sin(light))), 0.17, 0.08)
        result[part] *= (1 + inside * (0.06 - 0.28 * rim * step(toward, 0.3, -1)))[..., None]
        shine = np.clip(0.8 * rim * step(toward, 0.2, 0.9) + 0.72 * glint, 0, 0.9)
        result[part] += shine[..., None] * (255 - result[part])
        touched[part] |= inside > 0.03
    return np.where(touched[..., None], np.clip(result + 0.5, 0, 255), image).astype(np.uint8), touched


def _dark_corner(image: Pixels, rng: Rng, strength: float) -> tuple[Pixels, Mask]:
    height, width = image.shape[:2]
    half = np.hypot(height, width) / 2
    centre = np.array([width, height]) / 2 + rng.uniform(-0.03, 0.03, 2) * min(height, width)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot(x - np.float32(centre[0]), y - np.float32(centre[1])) / np.float32(half)
    radius = 0.96 - 0.3 * strength
    return lay(image, step(far, radius - 0.035, radius + 0.02), rng.uniform(4, 14) * np.array([1.1, 0.9, 1.0]))


def glare(image: Pixels, rng: Rng, strength: float, drawn: int | None = None) -> tuple[Pixels, Mask]:
    """Mirrored light, flecks and bright points: image and mask; the arguments are as those of `hair`, with points."""
    height, width = image.shape[:2]
    shape, scale = (height, width), min(height, width)
    place = step(noise(rng, shape, 2.5, 2), 1.8 - 1.7 * strength, 2.6 - 1.7 * strength)
    flecks = place * step(noise(rng, shape, 45, 2, 0.7), 1.0 - 0.4 * strength, 1.7)
    shown = round(2 + 9 * strength)
    core = spots(rng, np.ones(shape, bool), drawn or shown, (0.004, 0.008 + 0.02 * strength), 0.35, shown)
    alpha = np.clip(flecks + 1.3 * core + 0.5 * blur(np.maximum(flecks, core), 0.012 * scale), 0, 1)
    return lay(image, 0.96 * np.asarray(alpha, np.float32), (255, 253, 250))


@dataclass(frozen=True)
class Artefact:
    """One kind of artefact.

    Attributes:
        name: Its key in the registry.
        plain: One sentence for a student.
        draw: (image, rng, strength in (0, 1]) -> (new image, (H, W) bool mask of what changed).
    """

    name: str
    plain: str
    draw: Callable[[Pixels, Rng, float], tuple[Pixels, Mask]]


ARTEFACTS: dict[str, Artefact] = {
    a.name: a
    for a in (
        Artefact("hair", "Dark hairs lie over the lesion and cut its border.", hair),
        Artefact("ruler", "A measuring scale runs along one side of the image.", _ruler),
        Artefact("ink", "Violet marks of a surgeon's pen surround the lesion.", _ink),
        Artefact("bubbles", "Air bubbles are caught in the contact gel.", _bubbles),
        Artefact("dark_corner", "The round field of the dermatoscope leaves the corners black.", _dark_corner),
        Artefact("glare", "Light is mirrored by wet skin and burns out small patches.", glare),
    )
}


def add_artefact(image: Pixels, name: str, seed: int, strength: float = 0.5) -> tuple[Pixels, Mask]:
    """Put one artefact over an image; the same seed puts it at the same place.

    Args:
        image: (H, W, 3) uint8; it is not changed.
        name: Key of `ARTEFACTS`.
        seed: Not negative.
        strength: From just above 0 (a trace) to 1 (as bad as it gets in practice).

    Returns:
        The new image, (H, W, 3) uint8, and the mask of its changed pixels, (H, W) bool: outside of it no
        pixel differs.

    Raises:
        ConfigError: The name is unknown, or seed or strength is out of range.
        ImageError: The image is not (H, W, 3) uint8.
    """
    if name not in ARTEFACTS:
        raise ConfigError(f"'{name}' is not a known artefact.", f"Choose one of {', '.join(ARTEFACTS)}.")
    if not 0 < strength <= 1:
        raise ConfigError(f"A strength of {strength} is out of range.", "Give a number over 0 and up to 1.")
    if seed < 0:
        raise ConfigError(f"The seed {seed} is negative.", "Give a whole number from 0.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ImageError(
            f"An array of shape {image.shape} and type {image.dtype} is not an RGB image.",
            "Give (height, width, 3) of type uint8.",
        )
    rng = np.random.default_rng([seed, *name.encode()])
    return ARTEFACTS[name].draw(image, rng, strength)
