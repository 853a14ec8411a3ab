"""Rulers: a straight line with ticks at equal steps, or three and more ticks at equal steps without a line."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.finders.working_size import grey_of, share_of

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]

_LINES = 24  # straight lines that are looked at, those with most dark pixels first
_BESIDE = 9  # pixels on either side of a line
_PIECE = 64  # pixels of a line that must be dark
_TICKED = 96  # pixels over which ticks are looked for
_STEPS = np.arange(4, 15)  # pixels from tick to tick beside a line

_MOST_TICKS = 100
_DARKER = 20  # grey levels that a tick without a line is darker than what lies around it
_STEP = (6.0, 40.0)  # pixels from tick to tick without a line
_TURN = 0.2  # radians between two ticks of a ruler
_OFF = 0.12  # of a step, or 1.2 pixels: how far from its place a tick may be

_CUT = 3.1


def find_ruler(image: Pixels) -> tuple[float, Mask]:
    """A scale bar, or the ticks of a scale that runs out of the frame.

    *Lines*: the Hough transform proposes straight dark lines. Along each, dark pixels over a piece of 64, with lighter
    ones on both sides, times the periodicity of the ticks on its better side (see `_periodicity`). *Ticks*: small,
    straight, dark parts that follow each other at equal steps across their own direction (see `_chain`). The score is
    of the sum.
    """
    grey = grey_of(image)
    mask = np.zeros(grey.shape, np.uint8)
    line, where = _scale_bar(grey)
    chain, members = _chain(grey)
    for points, width in ((where, 2 * _BESIDE - 5), (members, 13)):
        if points is not None:
            cv2.polylines(mask, [np.round(points).astype(np.int32).reshape(-1, 1, 2)], False, 1, width)
    return share_of(line + 4 * chain, _CUT), np.asarray(mask > 0)


def _scale_bar(grey: Grey) -> tuple[float, Floats | None]:
    """How much a line with ticks there is, and its two ends (x, y)."""
    height, width = grey.shape
    thin = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((5, 5), np.uint8)) >= 5
    lines = cv2.HoughLines(thin.astype(np.uint8), 1, np.pi / 90, 30)
    best, ends = 0.0, None
    for distance, angle in () if lines is None else lines[:_LINES, 0].tolist():
        along, foot = np.array([-np.sin(angle), np.cos(angle)]), distance * np.array([np.cos(angle), np.sin(angle)])
        reach = np.arange(-height - width, height + width)
        x, y = foot[0] + reach * along[0], foot[1] + reach * along[1]
        inside = reach[(x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)]
        if len(inside) < _PIECE:
            continue
        strip = _strip(grey, foot, along, inside)
        start, dark = _darkest_piece(strip)
        left = min(max(start - (_TICKED - _PIECE) // 2, 0), max(len(inside) - _TICKED, 0))
        hats = cv2.morphologyEx(strip, cv2.MORPH_BLACKHAT, np.ones((1, 5), np.uint8))
        ticks = np.minimum(hats, 15)[:, left : left + _TICKED].astype(np.float64)
        sides = ticks[_BESIDE - 6 : _BESIDE - 1].mean(0), ticks[_BESIDE + 2 : _BESIDE + 7].mean(0)
        value = max(map(_periodicity, sides)) * min(max(dark, 0.0), 6.0)
        if value > best:
            s = inside[[left, min(left + _TICKED, len(inside)) - 1]]
            best, ends = value, foot + s[:, None] * along
    return best, ends


def _strip(grey: Grey, foot: Floats, along: Floats, reach: NDArray[np.int_]) -> Grey:
    """The pixels along a line, one row for each distance from it."""
    across = np.arange(-_BESIDE, _BESIDE + 1)[:, None]
    x = (foot[0] + reach * along[0] - across * along[1]).astype(np.float32)
    y = (foot[1] + reach * along[1] + across * along[0]).astype(np.float32)
    return np.asarray(cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _darkest_piece(strip: Grey) -> tuple[int, float]:
    """Where along a strip the middle is a dark line for longest, and by how many grey levels, at most 10."""
    hats = np.minimum(cv2.morphologyEx(strip, cv2.MORPH_BLACKHAT, np.ones((5, 1), np.uint8)), 10).astype(np.float64)
    at, side = hats[_BESIDE - 1 : _BESIDE + 2].max(0), hats[_BESIDE - 4 : _BESIDE - 2].max(0)
    line = at - (side + hats[_BESIDE + 3 : _BESIDE + 5].max(0)) / 2
    sums = np.concatenate([[0.0], np.cumsum(line)])
    pieces = (sums[_PIECE:] - sums[:-_PIECE]) / _PIECE
    return int(pieces.argmax()), float(pieces.max())


def _periodicity(profile: Floats) -> float:
    """How regular ticks are: over all steps T, the most of ``min(r(T), r(2T)) - max(r(T/2), r(3T/2))``.

    r is the autocorrelation, 1 at lag 0. A trend or one broad spot is alike at T/2, and hair that crosses by chance is
    not alike at 2T.
    """
    n = len(profile)
    if n < 2 * _STEPS[-1] + 1:
        return 0.0
    spectrum = np.abs(np.fft.rfft(profile - profile.mean(), 2 * n)) ** 2
    r = np.fft.irfft(spectrum)[:n]
    if r[0] < 1e-6:
        return 0.0
    r = r / r[0] * n / (n - np.arange(n))
    peaks = np.minimum(r[_STEPS], r[2 * _STEPS])
    troughs = np.maximum(r[_STEPS // 2], r[3 * _STEPS // 2])
    return max(0.0, float((peaks - troughs).max()))


@dataclass(frozen=True)
class _Parts:
    """Small, straight, dark parts of an image: (n,) each, in pixels and radians; places (n, 2) as x and y."""

    places: Floats
    angles: Floats
    lengths: Floats
    depths: Floats


def _parts(grey: Grey) -> _Parts | None:
    """What may be a tick; None for fewer than three."""
    hats = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((11, 11), np.uint8))
    dark = (hats >= _DARKER).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    extent, area = np.hypot(stats[:, 2], stats[:, 3]), stats[:, 4]
    wanted = (area >= 5) & (area <= 150) & (extent >= 5) & (extent <= 45)
    wanted[0] = False
    rows, columns = np.nonzero(dark)
    own = labels[rows, columns]
    rows, columns, own = (v[wanted[own]] for v in (rows, columns, own))

    def mean(values: NDArray[np.generic]) -> Floats:
        return np.asarray(np.bincount(own, values, count) / np.maximum(np.bincount(own, minlength=count), 1))

    x, y, depth = mean(columns), mean(rows), mean(hats[rows, columns])
    dx, dy = columns - x[own], rows - y[own]
    xx, yy, xy = mean(dx * dx) + 1 / 12, mean(dy * dy) + 1 / 12, mean(dx * dy)  # a pixel is a square, not a point
    spread, lean = xx + yy, np.hypot(xx - yy, 2 * xy)
    long, thin = (spread + lean) / 2, np.maximum((spread - lean) / 2, 1 / 12)
    ticks = np.flatnonzero(wanted & (long >= 4.84 * thin) & (thin < 1.5))
    if len(ticks) < 3:
        return None
    ticks = ticks[np.argsort(-depth[ticks] * np.sqrt(area[ticks]))[:_MOST_TICKS]]
    angles = np.arctan2(2 * xy, xx - yy) / 2
    return _Parts(np.stack([x, y], 1)[ticks], angles[ticks], np.sqrt(12 * long[ticks]), depth[ticks])


def _chain(grey: Grey) -> tuple[float, Floats | None]:
    """The best chain of ticks, against how many parts there are that could form one by chance, and its places.

    From every two parallel parts that lie side by side the chain goes on in the same steps, as far as it finds another.
    """
    parts = _parts(grey)
    if parts is None:
        return 0.0, None
    n, places = len(parts.angles), parts.places
    between = places[None] - places[:, None]
    along = np.stack([np.cos(parts.angles), np.sin(parts.angles)], 1)
    u = between[..., 1] * along[:, None, 0] - between[..., 0] * along[:, None, 1]  # across the first tick
    v = between[..., 0] * along[:, None, 0] + between[..., 1] * along[:, None, 1]  # along it
    turned = np.abs((parts.angles[None] - parts.angles[:, None] + np.pi / 2) % np.pi - np.pi / 2) < _TURN
    longer = np.maximum(parts.lengths[None], parts.lengths[:, None])
    alike = longer < 2.5 * np.minimum(parts.lengths[None], parts.lengths[:, None])
    step = np.abs(u)
    pairs = turned & alike & (step > _STEP[0]) & (step < _STEP[1])
    pairs &= np.abs(v) < np.maximum(0.6 * longer, 0.35 * step)
    best, members = 0.0, None
    for i, j in np.argwhere(pairs).tolist():
        chain, error = [i, j], 0.0
        du, dv, slack = u[i, j], v[i, j], max(_OFF * step[i, j], 1.2)
        while len(chain) < 12:
            ahead, aside = u[i] - u[i, chain[-1]] - du, v[i] - v[i, chain[-1]] - dv
            room = np.maximum(0.6 * np.maximum(parts.lengths, parts.lengths[chain[-1]]), 0.25 * step[i, j])
            fits = np.flatnonzero((np.abs(ahead) < slack) & (np.abs(aside) < room) & turned[i])
            if not len(fits):
                break
            chain.append(int(fits[parts.depths[fits].argmax()]))
            error += abs(ahead[chain[-1]]) / step[i, j]
        if len(chain) >= 3:
            depth = min(float(parts.depths[chain].min()) / 40, 1.0)
            value = (len(chain) - 2 + depth - 2 * error / (len(chain) - 2)) / np.sqrt(max(n, 4))
            if value > best:
                best, members = float(value), places[chain]
    return best, members
