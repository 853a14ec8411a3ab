"""Healthy picture files with their pixels, and each format taken apart.

The files are written by hand (`tests.imaging.handmade`) or by Pillow, and taken apart by the few lines below, not by
what the product has for it. The right pixels are those that were drawn; of a JPEG or WebP, those that Pillow gives.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.imaging import handmade

Rng = np.random.Generator
Pixels = NDArray[np.uint8]
LOSSLESS = ("png", "tiff", "bmp", "gif")
FORMATS = (*LOSSLESS, "jpeg", "webp")
TOLD = 128
"""Blanks at the end of a WebP from which on they are told from pixels: it has no checksum, a few may be either."""


def scene(rng: Rng) -> Pixels:
    """A lesion on skin with noise everywhere, so that every part of a file matters."""
    height, width = (int(side) for side in rng.integers(40, 200, 2))
    y, x = np.mgrid[:height, :width]
    disc = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 3) ** 2
    drawn = np.array((200, 150, 130)) - 90 * disc[..., None] + rng.normal(0, 8, (height, width, 3))
    return drawn.clip(0, 255).astype(np.uint8)


def saved(pixels: Pixels, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, name, **options)
    return out.getvalue()


def opened(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def healthy(rng: Rng, name: str) -> tuple[bytes, Pixels]:
    """A file in one of the ways of its format, and its pixels."""
    pixels = scene(rng)
    if name == "png":
        return handmade.png(pixels, 8, 2, interlaced=bool(rng.integers(2))), pixels
    if name == "tiff":
        kind: dict[str, Any] = {"order": "<>"[rng.integers(2)], "deflate": bool(rng.integers(2))}
        if rng.integers(2):
            kind["tile"] = 16 * int(rng.integers(1, 5))
        else:
            kind["rows"] = int(rng.integers(1, 60))
        return handmade.tiff(pixels, 8, 2, **kind), pixels
    if name == "bmp":
        return handmade.bmp(pixels, int(rng.choice((24, 32))), top_down=bool(rng.integers(2))), pixels
    if name == "gif":
        palette = rng.integers(0, 256, (200, 3)).astype(np.uint8)
        indices = (pixels[:, :, :1].astype(int) * 200) // 256
        return handmade.gif(indices, palette, interlaced=bool(rng.integers(2))), palette[indices[:, :, 0]]
    if name == "webp":
        data = saved(pixels, "WEBP", lossless=bool(rng.integers(2)), quality=int(rng.integers(50, 100)))
    else:
        options: dict[str, Any] = {
            "quality": int(rng.integers(40, 98)),
            "subsampling": int(rng.integers(3)),
            "progressive": bool(rng.integers(2)),
            "optimize": bool(rng.integers(2)),
            "restart_marker_rows": int(rng.integers(3)),
        }
        data = saved(pixels, "JPEG", **options)
    return data, opened(data)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += size + 12
    return found


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(handmade.chunk(*chunk) for chunk in chunks)


def jpeg_segments(data: bytes) -> list[bytes]:
    """Start, segments (a scan with its data), end."""
    found, at = [data[:2]], 2
    while data[at + 1] != 0xD9:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDA:
            while not (data[end] == 0xFF and data[end + 1] not in (0, *range(0xD0, 0xD8))):
                end += 1
        found.append(data[at:end])
        at = end
    return [*found, data[at:]]


def tiff_entries(data: bytes) -> tuple[str, dict[int, int]]:
    """Byte order, and where the entry of each tag is."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    places = range(at + 2, at + 2 + 12 * count, 12)
    return order, {struct.unpack_from(f"{order}H", data, place)[0]: place for place in places}
