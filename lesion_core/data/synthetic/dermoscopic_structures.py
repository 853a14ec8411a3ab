"""The dermoscopic signs of the eight diagnoses, painted on what a lesion of the diagnosis has in the mean.

The signs follow pattern analysis as in Kittler et al., Standardization of terminology in dermoscopy,
J. Am. Acad. Dermatol. 74 (2016). Each painter takes the strengths of its signs, in the order of its text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.data.synthetic.canvas import Canvas, Style, cells
from lesion_core.imaging.artefacts import Rng, blur, bow, noise, spots, step, strokes

Strengths = tuple[float, ...]


def _nevus(c: Canvas, rng: Rng, s: Strengths) -> None:
    """Symmetric, one or two browns: an even network, or globules, or neither, and a darker middle."""
    pattern, dark = rng.choice(["network", "globules", "plain"], p=[0.5, 0.2, 0.3]), max(float(c.added[0]), 0.2)
    mottle, fine = noise(rng, c.shape, 8, 4, 0.7), noise(rng, c.shape, 55, 2)
    rim, far, shade = cells(rng, c.shape, rng.uniform(18, 28))
    if pattern == "network":
        net = blur(step(rim + 0.05 * fine, 0.36, 0.02) * (0.6 + 0.5 * step(mottle, -1, 1)), 0.003 * c.scale)
        c.melanin += c.soft * dark * s[0] * (net - 0.4) * (1.1 - 0.5 * c.depth)
    elif pattern == "globules":
        drops = blur(step(far + 0.03 * fine, 0.55, 0.25) * step(shade, 0.1, 0.8), 0.003 * c.scale)
        c.melanin += c.soft * dark * s[1] * (drops - 0.3)
    c.melanin += c.soft * dark * s[2] * (step(c.depth, 0.1, 1) - 0.4)
    c.height += 0.5 * c.soft * fine


def _melanoma(c: Canvas, rng: Rng, s: Strengths) -> None:
    """Several browns and black, a blotch off the middle, a blue-white veil, a scar, dots, streaks, broken network."""
    region, mottle = noise(rng, c.shape, 3.0, 5, 0.6), noise(rng, c.shape, 16, 4, 0.8)
    patch, dark = noise(rng, c.shape, 3.0, 4, 0.6), max(float(c.added[0]), 0.25)
    c.melanin += c.soft * dark * s[0] * (step(region, -1.0, 1.0) - 0.5)
    c.blood += c.soft * s[0] * 0.2 * (step(-patch, -0.5, 1.5) - 0.4)
    black = c.blob(rng, rng.uniform(0.15, 0.5), rng.uniform(0.35, 0.6), 0.8)
    c.melanin += c.soft * black * s[1] * (0.9 + 0.2 * mottle)
    c.deep += c.soft * black * s[1] * 0.25
    if rng.random() < 0.7:
        veil = c.blob(rng, rng.uniform(0, 0.45), rng.uniform(0.35, 0.6), 0.9) * c.fade(0.06)
        c.deep += s[2] * (0.5 + 0.08 * mottle) * veil
        c.cover(s[2] * veil * (0.3 + 0.05 * mottle), (140, 148, 184))
    if rng.random() < 0.5:
        scar = c.blob(rng, rng.uniform(0.2, 0.6), rng.uniform(0.25, 0.45), 0.9) * c.fade(0.04)
        c.cover(s[3] * scar * (0.5 + 0.06 * mottle), (224, 188, 188))
    dots = spots(rng, c.mask & (c.edge < 0.12) & (region > -0.4), int(rng.integers(10, 40)), (0.006, 0.014), 0.4)
    streaks = step(np.cos(c.angle * rng.integers(20, 32) + 1.5 * region), 0.2, 0.9) * step(c.edge, 0.09, 0.03)
    c.melanin += c.soft * s[4] * (dots + 0.6 * streaks * step(region, 0.0, 1))
    rim, _, shade = cells(rng, c.shape, rng.uniform(18, 26))
    net = blur(step(rim + 0.08 * mottle, 0.4, 0.0) * (0.2 + 0.8 * shade), 0.003 * c.scale)
    c.melanin += c.soft * dark * s[5] * (net - 0.25) * step(patch, -0.4, 0.8)
    c.height += c.soft * (1.5 * black + 0.7 * mottle)


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


def _carcinoma_basal(c: Canvas, rng: Rng, s: Strengths) -> None:
    """Pink and translucent: blue-grey ovoid nests, specks, arborising vessels in focus, shiny white, a small ulcer."""
    mottle, grain = noise(rng, c.shape, 8, 5, 0.75), 1 + 0.2 * noise(rng, c.shape, 20, 2)
    inner = c.mask & (c.edge > 0.03)
    nests = spots(rng, inner & (c.depth < 0.9), int(rng.integers(3, 9)), (0.02, 0.07), 0.3)
    specks = spots(rng, inner, int(rng.integers(6, 30)), (0.005, 0.012), 0.4)
    c.deep += c.soft * (s[0] * 0.5 * nests * grain + s[1] * 0.4 * specks)
    c.melanin += c.soft * (s[0] * rng.uniform(0.3, 0.8) * nests * grain + s[1] * 0.6 * specks)
    paths: list[tuple[NDArray[np.floating], float]] = []
    for start, turn in c.around(rng, int(rng.integers(3, 7)), 0.5, 0.95):
        length = c.radius * rng.uniform(0.6, 1.2)
        _vessel(rng, start, turn + np.pi + rng.normal(0, 0.6), length, 0.009 * c.scale, paths)
    lines = blur(strokes(c.shape, paths), 0.002 * c.scale) * c.soft
    c.blood += s[2] * 0.9 * lines
    shine = step(noise(rng, c.shape, 6, 3, 0.6), 0.5, 2.2)
    c.cover(s[3] * 0.5 * shine * c.soft, (246, 228, 234))
    if rng.random() < 0.5:
        ulcer = c.blob(rng, rng.uniform(0, 0.4), rng.uniform(0.12, 0.24), 0.5)
        c.cover(s[4] * 0.8 * ulcer * (0.85 + 0.15 * mottle), (140, 54, 34))
    c.height += c.soft * (2.0 * c.depth + 1.5 * nests + 0.5 * mottle)


def _keratosis_actinic(c: Canvas, rng: Rng, s: Strengths) -> None:
    """Strawberry pattern: a red pseudo-network around pale follicle openings; scales, patches of brown."""
    _, far, shade = cells(rng, c.shape, rng.uniform(10, 17))
    patch, rough = noise(rng, c.shape, 4, 5, 0.7), noise(rng, c.shape, 26, 3, 0.85)
    hole = blur(step(far + 0.05 * rough, 0.5, 0.15) * step(shade, 0.0, 0.6), 0.006 * c.scale)
    web = step(np.abs(noise(rng, c.shape, 10, 3, 0.65)), 0.7, 0)
    c.blood += c.soft * s[0] * (0.3 * (web - 0.4) - 0.25 * (hole - 0.3))
    c.melanin -= c.soft * s[1] * 0.15 * (hole - 0.3)
    c.cover(s[1] * 0.3 * c.soft * hole, (240, 214, 204))
    scale = step(noise(rng, c.shape, 3, 3), 0.2, 1.8) * step(rough, 0.1, 1.5)
    c.cover(s[2] * 0.6 * c.soft * scale, (244, 232, 228))
    c.melanin += c.soft * s[3] * 0.4 * (step(patch, -0.2, 1.4) - 0.3) * (1 - hole)
    c.height += c.soft * (1.6 * rough + 2 * scale)


def _keratosis_benign(c: Canvas, rng: Rng, s: Strengths) -> None:
    """Stuck on: milia-like cysts and plugs, or ridges, or a fingerprint; a moth-eaten border, dull waxy patches."""
    pattern = rng.choice(["cysts", "ridges", "fingerprint"], p=[0.45, 0.35, 0.2])
    mottle, patch, fine = noise(rng, c.shape, 12, 4, 0.8), noise(rng, c.shape, 4, 4, 0.7), noise(rng, c.shape, 60, 2)
    dark = max(float(c.added[0]), 0.2)
    c.melanin += c.soft * dark * s[3] * (0.5 * patch + 0.25 * mottle)
    bitten = step(patch + 0.5 * mottle, 0.4, 1.6) * step(c.edge, 0.14, 0.03)
    c.melanin -= c.soft * float(c.added[0]) * s[4] * bitten
    c.height += c.soft * (2.0 + 1.1 * mottle + 0.5 * fine)
    if pattern == "fingerprint":
        turn, pace = rng.uniform(0, np.pi), rng.uniform(90, 140) / c.scale
        wave = np.float32(pace * np.cos(turn)) * c.x + np.float32(pace * np.sin(turn)) * c.y
        ridge = step(np.sin(wave + 5 * noise(rng, c.shape, 3, 2, 0.4)) + 0.4 * mottle, -0.6, 1.2)
        c.melanin += c.soft * s[2] * 0.4 * dark * (ridge - 0.5)
        return
    if pattern == "ridges":
        rim, _, _ = cells(rng, c.shape, rng.uniform(8, 13), rng.choice([0.6, 1.6]))
        furrow = blur(step(rim + 0.05 * mottle + 0.07 * patch, 0.24, 0.0), 0.006 * c.scale)
        c.melanin += c.soft * s[1] * dark * (furrow - 0.35)
        c.height -= 4.0 * c.soft * blur(furrow, 0.004 * c.scale)
    inner, many = c.mask & (c.edge > 0.02), 1.0 if pattern == "cysts" else 0.35
    plugs = spots(rng, inner, int(many * rng.integers(8, 26)), (0.008, 0.02), 0.3)
    c.cover(min(s[0], 1) * 0.6 * plugs, (70, 48, 38))
    milia = spots(rng, inner, int(many * rng.integers(12, 34)), (0.008, 0.018), 0.4)
    milia *= 1 - plugs
    c.cover(np.float32(s[0]) * (0.15 * blur(milia, 0.014 * c.scale) + 0.4 * milia), (240, 226, 204))


def _dermatofibroma(c: Canvas, rng: Rng, s: Strengths) -> None:
    """A white scar-like patch in the middle with white lines, a delicate brown network around it, a soft pink ring."""
    inward = 1 - np.clip(c.rho, 0, 1)
    rim, _, _ = cells(rng, c.shape, rng.uniform(20, 30))
    web, fine = noise(rng, c.shape, 8, 4, 0.75), noise(rng, c.shape, 24, 2)
    net = blur(step(rim + 0.05 * fine, 0.32, 0.0), 0.004 * c.scale)
    ring = step(inward, 0, 0.35) * step(inward, 0.8, 0.35)
    dark = max(float(c.added[0]), 0.15)
    scar = step(inward + 0.12 * web, 0.4, 0.85)
    c.melanin -= c.soft * s[0] * dark * scar
    c.cover(s[0] * 0.35 * scar * c.soft, (232, 204, 208))
    rays = [
        (bow(rng, at, turn + rng.normal(0, 0.35), c.radius * rng.uniform(0.12, 0.4), 0.2), 0.006 * c.scale)
        for at, turn in c.around(rng, int(rng.integers(14, 34)), 0.02, 0.35)
    ]
    lace = step(np.abs(fine + 0.4 * web), 0.42, 0) * step(inward + 0.06 * web, 0.38, 0.62)
    c.cover(s[1] * 0.4 * np.maximum(0.6 * lace, blur(strokes(c.shape, rays), 0.003 * c.scale)), (246, 230, 236))
    c.melanin += c.soft * s[2] * dark * ring * (0.4 + 0.8 * (net - 0.3) + 0.15 * web)
    c.blood += c.soft * s[3] * 0.3 * (step(inward, 0.2, 0.6) - 0.4)
    c.height += c.soft * (1.5 * inward + 0.8 * lace + 0.4 * web)


def _vascular(c: Canvas, rng: Rng, s: Strengths) -> None:
    """Red, purple or blue-black lacunae between paler septa."""
    dark = rng.random() < 0.3
    _, far, shade = cells(rng, c.shape, rng.uniform(2.6, 4.6) * c.scale / c.radius)
    swirl, fine = noise(rng, c.shape, 1.2 * c.scale / c.radius, 4, 0.6), noise(rng, c.shape, 40, 3, 0.8)
    shade = blur(shade, 0.008 * c.scale)
    lacuna = blur(step(far + 0.05 * swirl + 0.02 * fine, 0.68, 0.30), 0.006 * c.scale)
    c.blood += c.soft * s[0] * ((lacuna - 0.5) * (0.3 + 0.6 * shade) + 0.16 * swirl)
    c.deep += c.soft * s[0] * 0.2 * (lacuna - 0.5) * shade
    if dark:
        black = lacuna * step(shade + 0.2 * swirl, 0.1, 0.6)
        c.deep += c.soft * s[1] * (0.2 + 0.8 * black)
        c.melanin += c.soft * s[1] * 0.5 * black
    veil = step(swirl, 0.1, 2.0)
    c.cover(c.soft * s[2] * (0.1 + 0.4 * veil) * (1.1 - 0.8 * lacuna), (176, 178, 206) if dark else (226, 168, 190))
    c.height += c.soft * (1.5 + 3.0 * lacuna + 2 * c.depth + 0.3 * fine)


def _carcinoma_squamous(c: Canvas, rng: Rng, s: Strengths) -> None:
    """A yellow-white mass of keratin, coiled and hairpin vessels in pale halos around it, blood and crust, brown."""
    inward = 1 - np.clip(c.rho, 0, 1)
    rough, flake = noise(rng, c.shape, 9, 5, 0.75), noise(rng, c.shape, 30, 3, 0.8)
    mass = step(inward + 0.2 * rough - 0.3 * c.blob(rng, 0.9, 0.5), 0.25, rng.uniform(0.6, 0.85))
    c.cover(s[0] * 0.5 * mass * (0.8 + 0.1 * flake) * c.soft, (230, 196, 160))
    c.cover(s[0] * 0.6 * mass * step(flake + 0.8 * rough, 0.2, 2.2) * c.soft, (244, 232, 216))
    halos = spots(rng, c.mask & (inward < 0.6) & (c.edge > 0.03), int(rng.integers(25, 50)), (0.014, 0.026), 0.4)
    c.cover(s[1] * 0.3 * halos, (240, 206, 204))
    loops: list[tuple[NDArray[np.floating], float]] = []
    t = np.linspace(0, 1, 14)[:, None]
    for at, turn in c.around(rng, int(rng.integers(25, 50)), 0.3, 0.9):
        out, side = np.array([[np.cos(turn), np.sin(turn)]]), np.array([[-np.sin(turn), np.cos(turn)]])
        long, wide = c.scale * rng.uniform(0.016, 0.034), c.scale * 0.007
        coil = c.scale * rng.uniform(0.006, 0.011) * (0.2 + 0.8 * t)
        hairpin = rng.random() < 0.5
        loops.append(
            (
                at + long * np.sin(np.pi * t) * out - wide * np.cos(np.pi * t) * side
                if hairpin
                else at + coil * (np.cos(11 * t) * out + np.sin(11 * t) * side),
                0.006 * c.scale,
            )
        )
    c.blood += s[1] * 0.6 * c.soft * blur(strokes(c.shape, loops), 0.002 * c.scale)
    crust = c.blob(rng, rng.uniform(0, 0.4), rng.uniform(0.16, 0.32), 0.5) * c.soft
    c.cover(s[2] * 0.7 * crust * step(rough, -1.2, 0.8), (130, 50, 40))
    c.melanin += c.soft * s[3] * 0.4 * (step(noise(rng, c.shape, 4, 5, 0.7), -0.3, 1.5) - 0.3)
    c.height += c.soft * (2 * c.depth + mass * (2.5 + 1.4 * rough + flake))


@dataclass(frozen=True)
class Kind:
    """Painter, style and patient of one diagnosis."""

    paint: Callable[[Canvas, Rng, Strengths], None]
    style: Style
    age: float
    male: float
    sites: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "MEL": Kind(
        _melanoma,
        Style(bend=0.10, fray=0.025, signs=(0.8, 0.6, 0.4, 0.4, 0.4, 0.5)),
        61,
        0.6,
        ("back", "lower extremity", "face"),
    ),
    "NV": Kind(
        _nevus, Style(bend=0.06, fray=0.020, signs=(0.6, 0.6, 0.5)), 44, 0.5, ("trunk", "back", "lower extremity")
    ),
    "BCC": Kind(
        _carcinoma_basal,
        Style(0.675, (-0.03, -0.033, 0.014), 1.2, 1.3, 0.3, 0.086, 0.017, (0.66, 0.66, 0.18, 0.52, 0.0)),
        67,
        0.6,
        ("face", "back", "neck", "chest"),
    ),
    "AK": Kind(
        _keratosis_actinic,
        Style(shift=(0.04, 0.05, 0.0), bend=0.08, fray=0.030, signs=(0.5, 0.5, 0.4, 0.5)),
        68,
        0.7,
        ("face", "scalp", "hand"),
    ),
    "BKL": Kind(
        _keratosis_benign,
        Style(bend=0.06, fray=0.030, signs=(0.4, 0.5, 0.5, 0.3, 0.5)),
        65,
        0.55,
        ("back", "face", "trunk"),
    ),
    "DF": Kind(
        _dermatofibroma,
        Style(bend=0.03, fray=0.015, signs=(0.6, 0.5, 0.6, 0.5)),
        52,
        0.45,
        ("lower extremity", "upper extremity"),
    ),
    "VASC": Kind(
        _vascular, Style(bend=0.06, fray=0.015, signs=(0.6, 0.6, 0.4)), 51, 0.5, ("trunk", "abdomen", "chest", "back")
    ),
    "SCC": Kind(
        _carcinoma_squamous,
        Style(bend=0.07, fray=0.025, signs=(0.5, 0.5, 0.4, 0.5)),
        71,
        0.65,
        ("face", "hand", "ear", "scalp"),
    ),
}
