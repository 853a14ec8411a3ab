"""The same scene gives the same pixels in every way that a format can hold it. Files and references without Pillow."""

from __future__ import annotations

import numpy as np
import pytest

from lesion_core.errors import ImageError
from lesion_core.imaging.decode import decode
from tests.imaging.handmade import bmp, chunk, gif, png, tiff

RNG = np.random.default_rng(0)
WHITE = 255
BLACK_AND_WHITE = RNG.integers(0, 2, (19, 21, 1)) * 255
GREY = RNG.integers(0, 4, (19, 21, 1)) * 85  # levels that 2, 4, 8 and 16 bits have
PALETTE = np.array([[255, 0, 0], [0, 170, 85], [85, 85, 255], [10, 20, 30]])
INDICES = RNG.integers(0, 4, (19, 21, 1))
TWO = INDICES % 2
COLOUR = PALETTE[INDICES[:, :, 0]]
DEEP = RNG.integers(0, 65536, (19, 21, 1))
DEEP_COLOUR = RNG.integers(0, 65536, (19, 21, 3))
DEEP_COLOUR[3:9, 4:11] = KEY = (1000, 40000, 1001)
DEEP_COLOUR[9, 4:11] = (1000, 40000, 1002)  # nearly the key
ALPHA = np.where(INDICES == 2, 0, 255)


def of(samples: np.ndarray, white: int = 255) -> np.ndarray:
    """RGB of 8 bits, by floating point."""
    return np.broadcast_to(np.floor(samples * 255 / white + 0.5), (*samples.shape[:2], 3)).astype(np.uint8)


def on_white(rgb: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    return np.where(hidden, 255, rgb).astype(np.uint8)


def two_bytes(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def ways() -> dict[str, tuple[bytes, np.ndarray]]:
    """By name: a file, and the pixels that it holds."""
    found: dict[str, tuple[bytes, np.ndarray]] = {}
    for interlaced in (False, True):
        name = "PNG interlaced" if interlaced else "PNG"
        for depth in (1, 2, 4, 8, 16):
            white = 2**depth - 1
            scene = BLACK_AND_WHITE if depth == 1 else GREY
            grey = scene * white // 255
            found[f"{name} grey {depth}"] = png(grey, depth, 0, interlaced=interlaced), of(scene)
            level = int(scene[0, 0, 0])
            key = chunk(b"tRNS", two_bytes(level * white // 255))
            found[f"{name} grey {depth}, key"] = (
                png(grey, depth, 0, before=key, interlaced=interlaced),
                on_white(of(scene), scene == level),
            )
        for depth in (1, 2, 4, 8):
            indices = TWO if depth == 1 else INDICES
            table = chunk(b"PLTE", PALETTE.astype(np.uint8).tobytes()[: 3 * 2**depth])
            clear = chunk(b"tRNS", bytes([255, 0]))
            rgb = PALETTE[indices[:, :, 0]]
            found[f"{name} palette {depth}"] = png(indices, depth, 3, before=table, interlaced=interlaced), of(rgb)
            found[f"{name} palette {depth}, transparent"] = (
                png(indices, depth, 3, before=table + clear, interlaced=interlaced),
                on_white(rgb, indices == 1),
            )
        for depth in (8, 16):
            times = 257 if depth == 16 else 1
            key = chunk(b"tRNS", two_bytes(*(int(v) * times for v in PALETTE[2])))
            layered = np.dstack([COLOUR, ALPHA]) * times
            found |= {
                f"{name} colour {depth}": (png(COLOUR * times, depth, 2, interlaced=interlaced), of(COLOUR)),
                f"{name} colour {depth}, key": (
                    png(COLOUR * times, depth, 2, before=key, interlaced=interlaced),
                    on_white(COLOUR, INDICES == 2),
                ),
                f"{name} colour {depth}, layer": (
                    png(layered, depth, 6, interlaced=interlaced),
                    on_white(COLOUR, INDICES == 2),
                ),
                f"{name} grey {depth}, layer": (
                    png(np.dstack([GREY, ALPHA]) * times, depth, 4, interlaced=interlaced),
                    on_white(of(GREY), INDICES == 2),
                ),
            }
    found["PNG deep grey"] = png(DEEP, 16, 0), of(DEEP, 65535)
    found["PNG deep colour"] = png(DEEP_COLOUR, 16, 2), of(DEEP_COLOUR, 65535)
    found["PNG deep grey, layer"] = (
        png(np.dstack([DEEP, ALPHA * 257]), 16, 4),
        on_white(of(DEEP, 65535), INDICES == 2),
    )
    found["PNG deep colour, key"] = (
        png(DEEP_COLOUR, 16, 2, before=chunk(b"tRNS", two_bytes(*KEY))),
        on_white(of(DEEP_COLOUR, 65535), (DEEP_COLOUR == KEY).all(axis=2, keepdims=True)),
    )
    for order, end in (("<", "little"), (">", "big")):
        for how in ({}, {"rows": 5}, {"tile": 16}, {"deflate": True}, {"rows": 4, "deflate": True}):
            name = f"TIFF {end} {'-'.join(map(str, how))}"
            for depth in (1, 2, 4, 8, 16):
                white = 2**depth - 1
                scene = BLACK_AND_WHITE if depth == 1 else GREY
                grey = scene * white // 255
                found[f"{name} black is zero {depth}"] = tiff(grey, depth, 1, order=order, **how), of(scene)
                found[f"{name} white is zero {depth}"] = tiff(white - grey, depth, 0, order=order, **how), of(scene)
            found |= {
                f"{name} deep grey": (tiff(DEEP, 16, 1, order=order, **how), of(DEEP, 65535)),
                f"{name} deep grey, white is zero": (
                    tiff(65535 - DEEP, 16, 0, order=order, **how),
                    of(DEEP, 65535),
                ),
                f"{name} deep colour": (tiff(DEEP_COLOUR, 16, 2, order=order, **how), of(DEEP_COLOUR, 65535)),
                f"{name} colour": (tiff(COLOUR, 8, 2, order=order, **how), of(COLOUR)),
                f"{name} colour, planes": (tiff(COLOUR, 8, 2, order=order, planar=True, **how), of(COLOUR)),
                f"{name} deep colour, planes": (
                    tiff(DEEP_COLOUR, 16, 2, order=order, planar=True, **how),
                    of(DEEP_COLOUR, 65535),
                ),
                f"{name} colour, layer": (
                    tiff(np.dstack([COLOUR, ALPHA]), 8, 2, order=order, extra=2, **how),
                    on_white(COLOUR, INDICES == 2),
                ),
                f"{name} deep colour, layer": (
                    tiff(np.dstack([COLOUR, ALPHA]) * 257, 16, 2, order=order, extra=2, **how),
                    on_white(COLOUR, INDICES == 2),
                ),
                f"{name} colour, multiplied layer": (
                    tiff(np.dstack([COLOUR * (ALPHA > 0), ALPHA]), 8, 2, order=order, extra=1, **how),
                    on_white(COLOUR, INDICES == 2),
                ),
            }
            for depth in (4, 8):
                table = np.zeros((2**depth, 3), int)
                table[:4] = PALETTE
                found[f"{name} palette {depth}"] = (
                    tiff(INDICES, depth, 3, order=order, palette=table, **how),
                    of(COLOUR),
                )
        found[f"TIFF {end} 12 bits"] = tiff(GREY * 4095 // 255, 12, 1, order=order), of(GREY)
        found[f"TIFF {end} 12 bits, white is zero"] = tiff(4095 - GREY * 4095 // 255, 12, 0, order=order), of(GREY)
    for top_down in (False, True):
        name = "BMP from the top" if top_down else "BMP"
        for depth in (1, 4, 8):
            indices = TWO if depth == 1 else INDICES
            table = PALETTE[: 2**depth]
            found[f"{name} {depth}"] = (
                bmp(indices, depth, palette=table, top_down=top_down),
                of(table[indices[:, :, 0]]),
            )
        for depth in (24, 32):
            found[f"{name} {depth}"] = bmp(COLOUR, depth, top_down=top_down), of(COLOUR)
    for interlaced in (False, True):
        for local in (False, True):
            name = f"GIF{' interlaced' * interlaced}{', own palette' * local}"
            options = {"interlaced": interlaced, "local": local}
            found[name] = gif(INDICES, PALETTE, **options), of(COLOUR)
            found[f"{name}, transparent"] = (
                gif(INDICES, PALETTE, transparent=2, **options),
                on_white(COLOUR, INDICES == 2),
            )
    return found


WAYS = ways()
UNREAD = {name for name in WAYS if name.startswith("TIFF big 12 bits")}
"""Refused: Pillow has no such mode."""
TRUNCATED = {name for name in WAYS if name.endswith("deflate deep colour, planes")} | {"PNG deep grey, layer"}
"""Of 16 bits the upper 8 are taken: Pillow has no way to the lower ones."""


@pytest.mark.parametrize("name", [name for name in WAYS if name not in UNREAD | TRUNCATED])
def test_the_same_scene_gives_the_same_pixels(name: str) -> None:
    data, expected = WAYS[name]
    np.testing.assert_array_equal(decode(data), expected)


@pytest.mark.parametrize("name", sorted(TRUNCATED))
def test_the_upper_bytes_at_least(name: str) -> None:
    data, expected = WAYS[name]
    assert np.abs(decode(data).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", sorted(UNREAD))
def test_what_is_not_read_is_not_called_damaged(name: str) -> None:
    with pytest.raises(ImageError, match="of a kind that is not read"):
        decode(WAYS[name][0])
