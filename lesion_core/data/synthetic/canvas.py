"""A canvas of skin on which lesions are painted in pigments.

An image is built the way skin is: melanin, blood and deep (blue) pigment absorb light after Beer and
Lambert, so colours mix as they do in skin, and the same lesion can be painted on any skin tone. Lengths
are shares of the image's short side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.data.synthetic.typical import Typical
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import Field, Rng, blur, bow, noise, spots, step, strokes

ALBEDO = np.array([246, 226, 217], np.float32)
"""Skin without any pigment, RGB."""
ABSORPTION = np.array([[0.48, 0.80, 1.06], [0.13, 0.80, 0.55], [1.10, 0.85, 0.52]], np.float32)
"""Optical density in red, green and blue of a unit of melanin, of blood, and of pigment so deep that it looks blue."""
AREAS = (0.04, 0.5)
"""Least and largest share of the square that a lesion's ellipse takes."""
FAINTEST = 0.3
"""Pigment that a lesion has at least for each unit of melanin of the skin beyond type III."""
FARTHEST = 1.5
"""Deviations from the mean beyond which no colour is drawn."""
SKIN_SPREAD = 0.45
"""Share of the measured deviations between images that the skin's colour has."""
SKIN_GRAIN = np.array([0.8, 0.78, 0.76, 0.88, 0.86, 0.86])
"""Share of each octave's measured strength that the skin's noise has; pores, furrows and freckles give the rest."""
FURROWS = 0.06
"""Melanin that the furrows between the skin's plateaus seem to have."""
PALER = 0.5
"""How far mottling lightens a lesion, as a share of how far it darkens it."""
SKIN_TONES = (0.01, 0.08, 0.19, 0.40, 0.75, 1.20)
"""Melanin of Fitzpatrick's skin types I to VI."""


@dataclass(frozen=True)
class Style:
    """How a diagnosis is drawn from its `Typical` figures; chosen so that the shipped networks know it.

    Attributes:
        spread: Share of the measured deviations between lesions that is drawn.
        shift: Melanin, blood and deep pigment added to the lesion's mean.
        size: Factor on its area.
        soft: Factor on the width of its border.
        rough: Factor on its mottling.
        bend, fray: How far coarse and fine noise bend the border, in radii.
        signs: Strengths of the painter's signs, in its own order.
    """

    spread: float = 0.6
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    size: float = 1.0
    soft: float = 1.0
    rough: float = 0.7
    bend: float = 0.1
    fray: float = 0.04
    signs: tuple[float, ...] = ()


class Canvas:
    """Pigments, relief and opaque layers of one image, and the form of its lesion."""

    mask: Mask
    edge: Field  # distance to the border inside the lesion, short sides
    depth: Field  # the same, 1 at the innermost point
    rho: Field  # about 0 in the middle, 1 on the border
    angle: Field
    centre: NDArray[np.float64]  # x, y in pixels
    radius: float  # pixels
    soft: Field  # the lesion's opacity: 0 outside, 1 inside of its border
    drawn: NDArray[np.float64]  # (3,) standard normal: how the skin deviates
    added: NDArray[np.float64]  # the lesion's mean melanin, blood and deep pigment

    def __init__(self, shape: tuple[int, int], tone: int, figures: Typical) -> None:
        self.typical = figures
        self.shape, self.scale, self.tone = shape, float(min(shape)), SKIN_TONES[tone - 1]
        self.y, self.x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        self.melanin, self.blood, self.deep, self.height = (np.zeros(shape, np.float32) for _ in range(4))
        self.window = (slice(None), slice(None))  # rows and columns that hold the lesion
        self.layers: list[tuple[tuple[slice, slice], Field, tuple[int, int, int]]] = []

    def skin(self, rng: Rng) -> None:
        """Healthy skin: colour, mottling, freckles, furrows, small vessels and fibres."""
        shape, t = self.shape, self.typical
        self.drawn = np.clip(rng.standard_normal(3), -FARTHEST, FARTHEST)
        level = t.colour[:3] + SKIN_SPREAD * t.colour_spread[:3, :3] @ self.drawn
        strength = SKIN_GRAIN * np.exp(0.6 * t.texture_spread[0] * rng.standard_normal())
        grain = texture(rng, shape, t.texture[0] * strength[:, None, None])
        for plane, value, mottled in zip((self.melanin, self.blood, self.deep), level, grain, strict=True):
            plane += np.float32(value) + mottled
        self.melanin += self.tone - SKIN_TONES[1]  # HAM10000's skin is mostly of type II
        veins = step(np.abs(noise(rng, shape, 7, 3, 0.6)), 0.4, 0) * step(noise(rng, shape, 3), 0.2, 1.8)
        self.blood += rng.uniform(0, 0.1) * veins
        rim, _, plateau = cells(rng, shape, rng.uniform(22, 40), rng.uniform(0.7, 1.3))
        self.melanin += FURROWS * rng.uniform(0.3, 1) * (blur(step(rim, 0.2, 0), 0.004 * self.scale) - 0.3)
        self.height += blur(step(rim, 0, 0.3) * (0.5 + 0.5 * plateau), 0.002 * self.scale)
        self.melanin += 0.15 * spots(rng, np.ones(shape, bool), int(rng.integers(0, 40)), (0.003, 0.008), 0.5)
        lie, thin = rng.uniform(0, 2 * np.pi), 0.002 * self.scale
        fibres = [
            (bow(rng, rng.random(2) * shape[::-1], rng.normal(lie, 0.6), length * self.scale, 0.2), thin)
            for length in rng.uniform(0.04, 0.2, rng.integers(0, 30))
        ]
        self.layers.append((self.window, np.float32(rng.uniform(0.1, 0.3)) * strokes(shape, fibres), (250, 236, 226)))

    def form(self, rng: Rng, style: Style) -> None:
        """Draw the lesion's outline: an ellipse in space that noise has bent."""
        t = self.typical
        area = np.exp(t.area[0] + style.spread * t.area[1] * rng.standard_normal()) * style.size
        self.radius = float(np.sqrt(np.clip(area, *AREAS) / np.pi)) * self.scale
        self.centre = np.array(self.shape[::-1]) / 2 + rng.uniform(-0.05, 0.05, 2) * self.scale
        aspect = np.clip(t.aspect[0] + style.spread * t.aspect[1] * rng.standard_normal(), 0.5, 1)
        turn, squeeze = rng.uniform(0, np.pi), np.sqrt(aspect)
        x, y = self.x - np.float32(self.centre[0]), self.y - np.float32(self.centre[1])
        u = (x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))) * np.float32(squeeze / self.radius)
        v = (y * np.float32(np.cos(turn)) - x * np.float32(np.sin(turn))) / np.float32(squeeze * self.radius)
        self.rho, self.angle = np.hypot(u, v), np.arctan2(v, u)
        across = self.scale / self.radius
        self.rho += style.bend * noise(rng, self.shape, across, 2)
        self.rho += style.fray * noise(rng, self.shape, 4 * across, 3, 0.6)
        label, stats = cv2.connectedComponentsWithStats((self.rho < 1).astype(np.uint8))[1:3]
        solid = (label == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
        cv2.drawContours(solid, cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], -1, 1, -1)
        self.mask = solid.astype(bool)
        left, top, width, height = cv2.boundingRect(solid)
        self.window = (slice(top, top + height), slice(left, left + width))
        self.edge = cv2.distanceTransform(solid, cv2.DIST_L2, 5) / np.float32(self.scale)
        self.depth = self.edge / self.edge.max()

    def base(self, rng: Rng, style: Style) -> None:
        """Pigment of the lesion before its signs: colour, border and mottling as `typical` has them."""
        t = self.typical
        width = (2 * t.softness + 0.01) * np.exp(0.25 * rng.standard_normal()) * style.soft
        self.soft = step(self.edge, -0.01, width) * self.mask
        deviation = t.colour_spread[3:] @ np.concatenate(
            [self.drawn, np.clip(rng.standard_normal(3), -FARTHEST, FARTHEST)]
        )
        added = t.colour[3:] + np.array(style.shift) + style.spread * deviation
        added *= 1 / max(float(self.soft[self.mask].mean()), 0.3)
        # On dark skin the same pigment is a smaller difference: the faintest lesions could not be told from it.
        least = FAINTEST * max(self.tone - SKIN_TONES[2], 0)
        added *= max(1.0, least / float(np.linalg.norm(added)))
        self.added = added
        strength = style.rough * np.exp(style.spread * t.texture_spread[1] * rng.standard_normal())
        strength *= np.sqrt(np.clip(np.linalg.norm(added) / np.linalg.norm(t.colour[3:]), 0.3, 3))
        grain = texture(rng, self.shape, t.texture[1] * strength)
        grain = np.where(grain < 0, PALER * grain, grain)
        for plane, value, mottled in zip((self.melanin, self.blood, self.deep), added, grain, strict=True):
            plane += self.soft * (np.float32(value) + mottled)

    def fade(self, width: float) -> Field:
        """0 outside of the lesion, just seen on its border, 1 from `width` short sides inwards."""
        return step(self.edge, -0.35 * width, width) * self.mask

    def cover(self, alpha: Field, colour: tuple[int, int, int]) -> None:
        """Lay something opaque (scale, keratin, scar, veil) over the lesion."""
        rim = step(self.edge[self.window], -0.004, 0.012) * self.mask[self.window]
        self.layers.append((self.window, np.clip(alpha[self.window], 0, 1) * rim, colour))

    def blob(self, rng: Rng, far: float, size: float, soft: float = 0.6) -> Field:
        """A patch, 1 in its middle, `far` radii from the lesion's centre, of `size` radii, with a soft rim."""
        turn = rng.uniform(0, 2 * np.pi)
        at = self.centre + far * self.radius * np.array([np.cos(turn), np.sin(turn)])
        distance = np.hypot(self.x - np.float32(at[0]), self.y - np.float32(at[1])) / np.float32(size * self.radius)
        bend = 0.24 * noise(rng, self.shape, 2.2 * self.scale / self.radius / max(size, 0.3), 4, 0.55)
        return step(distance + bend, 1 + soft / 2, 1 - soft / 2)

    def around(self, rng: Rng, count: int, low: float, high: float) -> list[tuple[NDArray[np.float64], float]]:
        """Random points in pixels between two radii of the lesion, each with its direction from the centre."""
        turns, far = rng.uniform(0, 2 * np.pi, count), rng.uniform(low, high, count) * self.radius
        return [(self.centre + r * np.array([np.cos(t), np.sin(t)]), t) for r, t in zip(far, turns, strict=True)]

    def photograph(self, rng: Rng) -> Pixels:
        """Light, lens and sensor turn the canvas into an image."""
        pigments = (self.melanin, self.blood, self.deep)  # under 0: more light than the standard
        # Planes, (3, H, W): arithmetic on them is several times as fast as on pixels.
        image = np.stack(
            [
                white * np.exp(-sum(a * p for a, p in zip(absorbed, pigments, strict=True)))
                for white, absorbed in zip(ALBEDO, ABSORPTION.T, strict=True)
            ]
        )
        dim = np.exp(-0.4 * self.tone * ABSORPTION[0])  # nothing on dark skin is as white as on light skin
        for window, alpha, colour in self.layers:
            part = image[:, *window]
            part += alpha * ((colour * dim).astype(np.float32)[:, None, None] - part)
        sun, zoom = rng.uniform(0, 2 * np.pi), np.float32(0.006 * self.scale / 256)
        slope = np.float32(np.cos(sun)) * cv2.Sobel(self.height, -1, 1, 0)
        slope += np.float32(np.sin(sun)) * cv2.Sobel(self.height, -1, 0, 1)
        x, y = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in self.shape[::-1])
        far = x + y[:, None]
        shade = np.clip(rng.normal(*self.typical.vignette), 0, 0.35) / 1.8  # of the corners, against the middle
        lens = 1 - np.float32(shade) * far * np.sqrt(far) + 0.01 * noise(rng, self.shape, 1.5)
        image *= lens * (1 + zoom * slope.clip(-10, 10))
        tint = 1 + rng.normal(0, 0.01, 3)
        gain = np.float32(rng.uniform(2, 7))  # grey levels from end to end; even noise, as it is five times as fast
        grain = rng.random(self.shape, np.float32) + 0.5 * rng.random(image.shape, np.float32) - 0.75
        planes = [t * blur(plane, 0.0025 * self.scale) for t, plane in zip(tint.astype(np.float32), image, strict=True)]
        return np.asarray(cv2.merge(list(np.clip(planes + gain * grain + 0.5, 0, 255).astype(np.uint8))))


def cells(rng: Rng, shape: tuple[int, int], count: float, stretch: float = 1.0) -> tuple[Field, Field, Field]:
    """Voronoi cells around jittered grid points, `count` of them along the short side.

    Returns:
        The distances to the nearest border and to the cell's point, in cell widths, and a random number in
        [0, 1) that is the same all over a cell. Each (H, W) float32.
    """
    pitch = min(shape) / count
    rows, columns = int(round(shape[0] / pitch / stretch, 6)) + 2, int(round(shape[1] / pitch, 6)) + 2
    y, x = np.mgrid[:rows, :columns] + rng.uniform(-0.42, 0.42, (2, rows, columns))
    y, x = (y * pitch * stretch).astype(int).ravel(), (x * pitch).astype(int).ravel()
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    points, borders = np.full(shape, 255, np.uint8), np.full(shape, 255, np.uint8)
    points[y[inside], x[inside]] = 0
    far, label = cv2.distanceTransformWithLabels(points, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    borders[:, 1:][label[:, 1:] != label[:, :-1]] = 0
    borders[1:][label[1:] != label[:-1]] = 0
    near = cv2.distanceTransform(borders, cv2.DIST_L2, 5)
    rim, far = (np.asarray(d, np.float32) / np.float32(pitch) for d in (near, far))
    return rim, far, rng.random(rows * columns + 1, dtype=np.float32)[label]


def texture(rng: Rng, shape: tuple[int, int], factors: NDArray[np.float64]) -> Field:
    """(3, H, W) smooth noise of three pigments; `factors` (6, 3, 3) makes each octave's, fine to coarse, of three
    independent ones. The finest has 128 grid cells along the short side."""
    total: Field = np.zeros((1, 1, 3), np.float32)
    cells_across = 128 / 2 ** (len(factors) - 1)
    for factor in factors[::-1]:
        pitch = min(shape) / cells_across
        rows, columns = (int(np.ceil(round(n / pitch, 6))) + 1 for n in shape)
        coarse = cv2.resize(total, (2 * total.shape[1], 2 * total.shape[0]), interpolation=cv2.INTER_CUBIC)
        total = rng.standard_normal((rows, columns, 3), dtype=np.float32) @ factor.T.astype(np.float32)
        if cells_across > 128 / 2 ** (len(factors) - 1):
            total += coarse[:rows, :columns]
        cells_across *= 2
    height, width = max(round(rows * pitch), shape[0]), max(round(columns * pitch), shape[1])
    smooth = cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC)[: shape[0], : shape[1]]
    return np.ascontiguousarray(np.moveaxis(smooth, -1, 0), np.float32)
