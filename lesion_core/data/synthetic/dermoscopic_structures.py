"""The dermoscopic signs of the eight diagnoses, painted in pigments on a canvas of skin.

An image is built the way skin is: melanin, blood and deep (blue) pigment absorb light after Beer and
Lambert, so colours mix as they do in skin, and the same lesion can be painted on any skin tone. Lengths
are shares of the image's short side. The signs follow pattern analysis as in Kittler et al.,
Standardization of terminology in dermoscopy, J. Am. Acad. Dermatol. 74 (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import Field, Rng, blur, bow, noise, spots, step, strokes

ALBEDO = np.array([246, 226, 217], np.float32)
"""Skin without any pigment, RGB."""
ABSORPTION = np.array([[0.48, 0.80, 1.06], [0.13, 0.80, 0.55], [1.10, 0.85, 0.52]], np.float32)
"""Optical density in red, green and blue of a unit of melanin, of blood, and of pigment so deep that it looks blue."""
SKIN_TONES = (0.01, 0.08, 0.19, 0.40, 0.75, 1.20)
"""Melanin of Fitzpatrick's skin types I to VI."""


class Canvas:
    """Pigments, relief and opaque layers of one image, and the form of its lesion."""

    mask: Mask
    edge: Field  # distance to the border inside the lesion, short sides
    depth: Field  # the same, 1 at the innermost point
    rho: Field  # about 0 in the middle, 1 on the border
    angle: Field
    centre: NDArray[np.float64]  # x, y in pixels
    radius: float  # pixels

    def __init__(self, shape: tuple[int, int], tone: int) -> None:
        self.shape, self.scale, self.tone = shape, float(min(shape)), SKIN_TONES[tone - 1]
        self.y, self.x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        self.melanin, self.blood, self.deep, self.height = (np.zeros(shape, np.float32) for _ in range(4))
        self.window = (slice(None), slice(None))  # rows and columns that hold the lesion
        self.layers: list[tuple[tuple[slice, slice], Field, tuple[int, int, int]]] = []

    def skin(self, rng: Rng) -> None:
        """Healthy skin: colour, mottling, freckles, furrows, fibres and pores."""
        shape = self.shape
        fine = noise(rng, shape, 22, 3, 0.8)
        self.melanin += self.tone * (1.1 + 0.07 * noise(rng, shape, 2, 3)) + rng.uniform(0, 0.05) + 0.016 * fine
        self.melanin += rng.uniform(0, 0.22) * step(noise(rng, shape, 6, 5, 0.75), 0.0, 3.2)
        self.blood += rng.uniform(0.12, 0.40) * (1 + 0.22 * noise(rng, shape, 4, 5, 0.7)) * (1 - 0.5 * self.tone)
        veins = step(np.abs(noise(rng, shape, 7, 3, 0.6)), 0.55, 0) * step(noise(rng, shape, 3), -0.6, 1.4)
        self.blood += rng.uniform(0, 0.22) * veins
        rim, _, plateau = cells(rng, shape, 36, rng.uniform(0.7, 1.3))
        self.height += blur(step(rim, 0, 0.3) * (0.5 + 0.5 * plateau), 0.002 * self.scale) + 0.5 * fine
        self.melanin += 0.2 * spots(rng, np.ones(shape, bool), int(rng.integers(0, 70)), (0.002, 0.004), 0.5)
        lie, thin = rng.uniform(0, 2 * np.pi), 0.002 * self.scale
        fibres = [
            (bow(rng, rng.random(2) * shape[::-1], rng.normal(lie, 0.6), length * self.scale, 0.2), thin)
            for length in rng.uniform(0.04, 0.2, rng.integers(0, 60))
        ]
        self.layers.append((self.window, np.float32(rng.uniform(0.2, 0.6)) * strokes(shape, fibres), (250, 236, 226)))

    def form(self, rng: Rng, kind: Kind) -> None:
        """Draw the lesion's outline: an ellipse in space that noise has bent."""
        self.radius = float(rng.uniform(*kind.radius)) * self.scale
        self.centre = np.array(self.shape[::-1]) / 2 + rng.uniform(-0.08, 0.08, 2) * self.scale
        turn, squeeze = rng.uniform(0, np.pi), np.sqrt(rng.uniform(*kind.aspect))
        x, y = self.x - np.float32(self.centre[0]), self.y - np.float32(self.centre[1])
        u = (x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))) * np.float32(squeeze / self.radius)
        v = (y * np.float32(np.cos(turn)) - x * np.float32(np.sin(turn))) / np.float32(squeeze * self.radius)
        self.rho, self.angle = np.hypot(u, v), np.arctan2(v, u)
        across = self.scale / self.radius
        self.rho += kind.bend * noise(rng, self.shape, across, 2)
        self.rho += kind.fray * noise(rng, self.shape, 4 * across, 3, 0.6)
        label, stats = cv2.connectedComponentsWithStats((self.rho < 1).astype(np.uint8))[1:3]
        solid = (label == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
        cv2.drawContours(solid, cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], -1, 1, -1)
        self.mask = solid.astype(bool)
        left, top, width, height = cv2.boundingRect(solid)
        self.window = (slice(top, top + height), slice(left, left + width))
        self.edge = cv2.distanceTransform(solid, cv2.DIST_L2, 5) / np.float32(self.scale)
        self.depth = self.edge / self.edge.max()

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
        pigments = [np.maximum(p, 0) for p in (self.melanin, self.blood, self.deep)]
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
        lens = 1 - np.float32(rng.uniform(0.04, 0.2) / 2.8) * far * np.sqrt(far) + 0.02 * noise(rng, self.shape, 1.5)
        image *= lens * (1 + zoom * slope.clip(-10, 10))
        tint = rng.uniform(0.93, 1.06) * (1 + rng.normal(0, 1, 3) * (0.02, 0.025, 0.04))
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


# The signs of each diagnosis -----------------------------------------------------------------------------------


def _nevus(c: Canvas, rng: Rng) -> None:
    """Symmetric, one or two browns: an even network, or globules, or no structure."""
    pattern, dark = rng.choice(["network", "globules", "plain"], p=[0.5, 0.25, 0.25]), rng.uniform(0.45, 1.35)
    soft = c.fade(rng.uniform(0.05, 0.10))
    mottle, fine = noise(rng, c.shape, 8, 4, 0.7), noise(rng, c.shape, 55, 2)
    c.blood += soft * rng.uniform(0.05, 0.35)
    rim, far, shade = cells(rng, c.shape, rng.uniform(24, 36))
    if pattern == "network":
        net = blur(step(rim + 0.05 * fine, 0.36, 0.02) * (0.6 + 0.5 * step(mottle, -1, 1)), 0.003 * c.scale)
        c.melanin += soft * dark * (0.35 + 0.45 * step(c.depth, 0.2, 1) + 0.13 * mottle + net * (1.1 - 0.5 * c.depth))
    elif pattern == "globules":
        drops = blur(step(far + 0.03 * fine, 0.55, 0.25) * step(shade, -0.2, 0.7), 0.003 * c.scale)
        c.melanin += soft * dark * (0.35 + 0.3 * c.depth + 0.12 * mottle + 0.95 * drops)
        c.deep += soft * 0.12 * drops
    else:
        c.melanin += soft * dark * (0.7 + 0.6 * step(c.depth, 0, 1) + 0.2 * mottle + 0.06 * fine)
    c.height += 0.5 * soft * fine


def _melanoma(c: Canvas, rng: Rng) -> None:
    """Asymmetric in form and colour: browns and black, broken network, veil, regression, dots, streaks."""
    soft = step(c.edge + 0.01 * noise(rng, c.shape, 6, 2), 0, rng.uniform(0.02, 0.05)) * c.fade(0.008)
    region, mottle = noise(rng, c.shape, 3.0, 5, 0.6), noise(rng, c.shape, 16, 4, 0.8)
    patch, dark = noise(rng, c.shape, 3.0, 4, 0.6), rng.uniform(0.6, 1.1)
    c.melanin += soft * dark * (0.5 + 0.6 * step(region, -1.0, 0.6) + 0.7 * step(region, 0.3, 1.8) + 0.2 * mottle)
    rim, _, shade = cells(rng, c.shape, rng.uniform(22, 30))
    net = blur(step(rim + 0.08 * mottle, 0.4, 0.0) * (0.2 + 0.8 * shade), 0.003 * c.scale)
    c.melanin += soft * 0.7 * net * step(patch, -0.4, 0.8)
    c.blood += soft * (rng.uniform(0.05, 0.25) + rng.uniform(0, 0.5) * step(-patch, 0, 1.5))
    black = c.blob(rng, rng.uniform(0.2, 0.55), rng.uniform(0.3, 0.5), 0.7)
    c.melanin += soft * black * (rng.uniform(0.9, 2.0) + 0.25 * mottle)
    c.deep += soft * black * 0.5
    streaks = step(np.cos(c.angle * rng.integers(28, 44) + 1.5 * region), 0.2, 0.9) * step(c.edge, 0.06, 0.01)
    c.melanin += soft * 0.9 * streaks * step(region, 0.2, 1)
    dots = spots(rng, c.mask & (c.edge < 0.1) & (region > -0.2), int(rng.integers(10, 40)), (0.003, 0.008), 0.3)
    c.melanin += soft * 1.5 * dots
    if rng.random() < 0.7:
        veil = c.blob(rng, rng.uniform(0, 0.45), rng.uniform(0.35, 0.6), 0.9) * c.fade(0.06)
        c.deep += (0.6 + 0.1 * mottle) * veil
        c.cover(veil * (0.36 + 0.07 * mottle), (140, 148, 184))
    if rng.random() < 0.5:
        scar = c.blob(rng, rng.uniform(0.2, 0.6), rng.uniform(0.25, 0.45), 0.9) * c.fade(0.04)
        c.cover(scar * (0.55 + 0.06 * mottle), (224, 188, 188))
        c.cover(0.5 * spots(rng, scar > 0.5, 60, (0.002, 0.004), 0.4), (96, 94, 112))
    c.height += soft * (1.5 * black + 0.7 * mottle)


def _vessel(
    rng: Rng,
    start: NDArray[np.floating],
    turn: float,
    length: float,
    width: float,
    paths: list[tuple[NDArray[np.floating], float]],
    forks: int = 2,
) -> None:
    """A winding vessel that forks, `forks` generations deep, and thins out; lengths in pixels."""
    points, pace = [start], length / 14
    for i in range(14):
        turn += rng.normal(0, 0.28)
        points.append(points[-1] + pace * np.array([np.cos(turn), np.sin(turn)]))
        if forks and rng.random() < 0.22:
            side = turn + rng.choice([-0.8, 0.8])
            _vessel(rng, points[-1], side, length * rng.uniform(0.3, 0.6), width * (0.7 - 0.02 * i), paths, forks - 1)
    paths += [(np.array(points[a : a + 6]), width * thin) for a, thin in ((0, 1.0), (5, 0.8), (10, 0.55))]


def _carcinoma_basal(c: Canvas, rng: Rng) -> None:
    """Pink and translucent: arborising vessels in focus, blue-grey ovoid nests, shiny white, a small ulcer."""
    soft = c.fade(rng.uniform(0.03, 0.07))
    mottle, grain = noise(rng, c.shape, 8, 5, 0.75), 1 + 0.2 * noise(rng, c.shape, 20, 2)
    c.blood += soft * (rng.uniform(0.25, 0.5) + 0.12 * mottle)
    c.melanin += soft * rng.uniform(0, 0.4) * step(noise(rng, c.shape, 4, 4, 0.7), 0, 2)
    c.cover(0.3 * soft * step(noise(rng, c.shape, 5, 4, 0.6), -0.8, 1.8), (236, 204, 214))
    inner = c.mask & (c.edge > 0.025)
    nests = spots(rng, inner & (c.depth < 0.85), int(rng.integers(3, 10)), (0.02, 0.06), 0.25)
    specks = spots(rng, inner, int(rng.integers(6, 30)), (0.003, 0.008), 0.3)
    c.deep += soft * (nests * rng.uniform(0.6, 1.2) * grain + 0.6 * specks)
    c.melanin += soft * (nests * rng.uniform(0.2, 0.6) * grain + 0.7 * specks)
    shine = step(noise(rng, c.shape, 10, 3, 0.6), 0.9, 2.2)
    c.cover(0.45 * shine * soft, (250, 236, 240))
    paths: list[tuple[NDArray[np.floating], float]] = []
    for start, turn in c.around(rng, int(rng.integers(3, 7)), 0.5, 0.95):
        length = c.radius * rng.uniform(0.6, 1.2)
        _vessel(rng, start, turn + np.pi + rng.normal(0, 0.6), length, 0.007 * c.scale, paths)
    c.cover(0.72 * blur(strokes(c.shape, paths), 0.0012 * c.scale), (178, 32, 56))
    if rng.random() < 0.5:
        ulcer = c.blob(rng, rng.uniform(0, 0.4), rng.uniform(0.12, 0.24), 0.5)
        c.cover(0.8 * ulcer * (0.85 + 0.15 * mottle), (140, 54, 34))
        c.cover(0.6 * ulcer * step(mottle, 0.4, 1.6), (216, 152, 74))
    c.height += soft * (2.0 * c.depth + 1.5 * nests + 0.5 * mottle)


def _keratosis_actinic(c: Canvas, rng: Rng) -> None:
    """Strawberry pattern: a red pseudo-network around pale follicle openings, and scales."""
    soft = c.fade(rng.uniform(0.08, 0.13))
    _, far, shade = cells(rng, c.shape, rng.uniform(16, 23))
    patch, rough = noise(rng, c.shape, 4, 5, 0.7), noise(rng, c.shape, 26, 3, 0.85)
    hole = blur(step(far + 0.03 * rough, 0.18 + 0.14, 0.1) * step(shade, 0.1, 0.7), 0.004 * c.scale)
    web = step(np.abs(noise(rng, c.shape, 14, 3, 0.65)), 0.7, 0)
    c.blood += soft * (rng.uniform(0.3, 0.55) + 0.1 * patch + 0.5 * web - 0.35 * hole)
    c.melanin += soft * (rng.uniform(0.1, 0.7) * step(patch, 0.2, 1.6) + 0.05 * rough) * (1 - hole)
    c.cover(0.5 * soft * hole, (246, 218, 200))
    c.cover(0.4 * soft * blur(step(far, 0.1, 0.03) * step(shade, 0.6, 0.8), 0.002 * c.scale), (204, 152, 96))
    scale = step(noise(rng, c.shape, 3, 3), 0.2, 1.8) * step(rough, 0.1, 1.5)
    c.cover(rng.uniform(0.45, 0.8) * soft * scale, (248, 234, 226))
    c.height += soft * (1.6 * rough + 2 * scale)


def _keratosis_benign(c: Canvas, rng: Rng) -> None:
    """Stuck on, with a sharp moth-eaten border: milia-like cysts and plugs, or ridges, or a fingerprint."""
    pattern = rng.choice(["cysts", "ridges", "fingerprint"], p=[0.45, 0.35, 0.2])
    sharp, waxy = c.fade(rng.uniform(0.01, 0.025)), rng.uniform(0.35, 1.4)
    mottle, patch, fine = noise(rng, c.shape, 12, 4, 0.8), noise(rng, c.shape, 3, 3), noise(rng, c.shape, 60, 2)
    if pattern == "fingerprint":
        turn, pace = rng.uniform(0, np.pi), rng.uniform(170, 230) / c.scale
        wave = np.float32(pace * np.cos(turn)) * c.x + np.float32(pace * np.sin(turn)) * c.y
        ridge = step(np.sin(wave + 5 * noise(rng, c.shape, 3, 2, 0.4)) + 0.4 * mottle, -0.6, 1.2)
        c.melanin += sharp * (0.3 * waxy + 0.15 + 0.26 * ridge + 0.1 * mottle + 0.1 * patch)
        c.height += sharp * 0.5 * fine
        return
    c.melanin += sharp * waxy * (0.7 + 0.2 * mottle + 0.7 * step(patch, -0.8, 1.6) + 0.06 * fine)
    c.blood += sharp * rng.uniform(0, 0.2)
    c.cover(rng.uniform(0.1, 0.3) * sharp * step(mottle - 0.3 * patch, -1.2, 1.5), (196, 152, 104))
    c.height += sharp * (2.0 + 1.1 * mottle + 0.5 * fine)
    if pattern == "ridges":
        rim, _, _ = cells(rng, c.shape, rng.uniform(11, 17), rng.choice([0.6, 1.6]))
        furrow = blur(step(rim + 0.05 * mottle + 0.07 * patch, 0.24, 0.0), 0.005 * c.scale)
        c.melanin += sharp * furrow * rng.uniform(0.6, 1.1)
        c.height -= 4.0 * sharp * blur(furrow, 0.004 * c.scale)
    inner, many = c.mask & (c.edge > 0.015), 1.0 if pattern == "cysts" else 0.35
    plugs = spots(rng, inner, int(many * rng.integers(8, 26)), (0.005, 0.016), 0.18)
    c.cover(0.85 * plugs, (54, 34, 26))
    milia = spots(rng, inner, int(many * rng.integers(12, 34)), (0.005, 0.012), 0.35) * (1 - plugs)
    c.cover(0.3 * blur(milia, 0.014 * c.scale) + 0.8 * milia, (250, 238, 212))


def _dermatofibroma(c: Canvas, rng: Rng) -> None:
    """A white scar-like patch in the middle, a delicate brown network around it that fades into the skin."""
    soft, inward = c.fade(rng.uniform(0.11, 0.16)), 1 - np.clip(c.rho, 0, 1)
    rim, _, _ = cells(rng, c.shape, rng.uniform(38, 46))
    web, fine = noise(rng, c.shape, 10, 4, 0.75), noise(rng, c.shape, 34, 2)
    net = blur(step(rim + 0.05 * fine, 0.32, 0.0), 0.003 * c.scale)
    ring = step(inward, 0, 0.35) * step(inward, 0.8, 0.35)
    c.melanin += soft * rng.uniform(0.4, 0.9) * (0.25 + ring * (0.55 + 0.4 * net) + 0.07 * web)
    c.blood += soft * (rng.uniform(0.1, 0.35) + rng.uniform(0.1, 0.4) * step(inward, 0.2, 0.6) + 0.05 * web)
    scar = step(inward + 0.07 * web, 0.36, 0.85)
    c.cover(rng.uniform(0.55, 0.8) * scar, (234, 200, 210))
    lace = step(np.abs(fine + 0.4 * web), 0.42, 0) * step(inward + 0.06 * web, 0.38, 0.62)
    rays = [
        (bow(rng, at, turn + rng.normal(0, 0.35), c.radius * rng.uniform(0.12, 0.4), 0.2), 0.004 * c.scale)
        for at, turn in c.around(rng, int(rng.integers(14, 34)), 0.02, 0.35)
    ]
    c.cover(0.55 * np.maximum(0.6 * lace, blur(strokes(c.shape, rays), 0.0025 * c.scale)), (252, 238, 244))
    c.height += soft * (1.5 * inward + 0.8 * lace + 0.4 * web)


def _vascular(c: Canvas, rng: Rng) -> None:
    """Red, purple or blue-black lacunae between paler septa, well demarcated."""
    sharp, dark = c.fade(0.02), rng.random() < 0.35
    _, far, shade = cells(rng, c.shape, rng.uniform(2.6, 4.6) * c.scale / c.radius)
    swirl, fine = noise(rng, c.shape, 1.2 * c.scale / c.radius, 4, 0.6), noise(rng, c.shape, 40, 3, 0.8)
    shade = blur(shade, 0.008 * c.scale)
    lacuna = blur(step(far + 0.05 * swirl + 0.02 * fine, 0.68, 0.30), 0.004 * c.scale)
    violet = rng.uniform(-0.05, 0.3)
    c.blood += sharp * (1.0 + lacuna * (0.45 + 0.9 * shade) + 0.16 * swirl)
    c.deep += sharp * np.maximum(violet + lacuna * (0.3 * shade - 0.1), 0)
    if dark:
        black = lacuna * step(shade + 0.2 * swirl, 0.1, 0.6)
        c.deep += sharp * (0.3 + 1.4 * black)
        c.melanin += sharp * 1.2 * black
    veil = step(swirl, 0.1, 2.0)
    c.cover(sharp * (0.1 + 0.45 * veil) * (1.1 - 0.8 * lacuna), (176, 178, 206) if dark else (226, 168, 190))
    c.height += sharp * (1.5 + 3.0 * lacuna + 2 * c.depth + 0.3 * fine)
    if rng.random() < 0.4:
        glints = spots(rng, c.mask & (lacuna > 0.6), int(rng.integers(1, 5)), (0.003, 0.007), 0.3)
        c.cover(0.8 * glints, (255, 250, 250))


def _carcinoma_squamous(c: Canvas, rng: Rng) -> None:
    """A yellow-white mass of keratin, coiled and hairpin vessels in pale halos around it, blood and ulcers."""
    soft, inward = c.fade(rng.uniform(0.03, 0.07)), 1 - np.clip(c.rho, 0, 1)
    rough, flake = noise(rng, c.shape, 9, 5, 0.75), noise(rng, c.shape, 30, 3, 0.8)
    c.blood += soft * (rng.uniform(0.35, 0.65) + 0.14 * rough)
    c.melanin += soft * rng.uniform(0, 0.25) * step(rough, -0.5, 1.5)
    halos = spots(rng, c.mask & (inward < 0.55) & (c.edge > 0.02), int(rng.integers(25, 50)), (0.014, 0.024), 0.4)
    c.cover(0.42 * halos, (242, 204, 202))
    loops: list[tuple[NDArray[np.floating], float]] = []
    t = np.linspace(0, 1, 14)[:, None]
    for at, turn in c.around(rng, int(rng.integers(35, 70)), 0.4, 0.92):
        out, side = np.array([[np.cos(turn), np.sin(turn)]]), np.array([[-np.sin(turn), np.cos(turn)]])
        long, wide = c.scale * rng.uniform(0.016, 0.034), c.scale * 0.007
        coil = c.scale * rng.uniform(0.006, 0.011) * (0.2 + 0.8 * t)
        hairpin = rng.random() < 0.5
        loops.append(
            (
                at + long * np.sin(np.pi * t) * out - wide * np.cos(np.pi * t) * side
                if hairpin
                else at + coil * (np.cos(11 * t) * out + np.sin(11 * t) * side),
                0.0042 * c.scale,
            )
        )
    c.cover(0.75 * soft * strokes(c.shape, loops), (172, 26, 48))
    mass = step(inward + 0.12 * rough - 0.3 * c.blob(rng, 0.9, 0.5), 0.22, rng.uniform(0.5, 0.75))
    c.cover(mass * (rng.uniform(0.55, 0.8) + 0.08 * flake), (226, 184, 130))
    c.cover(0.85 * mass * step(flake + 0.8 * rough, 0.0, 2.0), (248, 234, 208))
    c.cover(0.45 * mass * step(rough - 0.5 * flake, 0.4, 2.0), (176, 112, 62))
    crust = c.blob(rng, rng.uniform(0, 0.4), rng.uniform(0.16, 0.32), 0.5)
    c.cover(crust * step(rough, -1.6, 0.6), (122, 22, 26))
    c.cover(0.75 * crust * step(rough + 0.4 * flake, 0.2, 1.6), (50, 14, 18))
    c.height += soft * (2 * c.depth + mass * (2.5 + 1.4 * rough + flake))


@dataclass(frozen=True)
class Kind:
    """Form, painter and patient of one diagnosis; lengths in short sides, noise in radii."""

    paint: Callable[[Canvas, Rng], None]
    radius: tuple[float, float]
    aspect: tuple[float, float]
    bend: float
    fray: float
    age: float
    male: float
    sites: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "MEL": Kind(_melanoma, (0.24, 0.38), (0.6, 0.95), 0.15, 0.045, 61, 0.6, ("back", "lower extremity", "face")),
    "NV": Kind(_nevus, (0.15, 0.33), (0.68, 1.0), 0.07, 0.03, 44, 0.5, ("trunk", "back", "lower extremity")),
    "BCC": Kind(_carcinoma_basal, (0.2, 0.34), (0.7, 1.0), 0.11, 0.04, 67, 0.6, ("face", "back", "neck", "chest")),
    "AK": Kind(_keratosis_actinic, (0.24, 0.38), (0.6, 0.95), 0.12, 0.06, 68, 0.7, ("face", "scalp", "hand")),
    "BKL": Kind(_keratosis_benign, (0.2, 0.36), (0.65, 0.95), 0.09, 0.05, 65, 0.55, ("back", "face", "trunk")),
    "DF": Kind(_dermatofibroma, (0.17, 0.3), (0.8, 1.0), 0.04, 0.02, 52, 0.45, ("lower extremity", "upper extremity")),
    "VASC": Kind(_vascular, (0.12, 0.28), (0.7, 1.0), 0.08, 0.02, 51, 0.5, ("trunk", "abdomen", "chest", "back")),
    "SCC": Kind(_carcinoma_squamous, (0.22, 0.34), (0.75, 1.0), 0.09, 0.04, 71, 0.65, ("face", "hand", "ear", "scalp")),
}
