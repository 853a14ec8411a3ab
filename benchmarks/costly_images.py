"""The costliest image file of each kind that the limits allow, for `benchmarks.decoding` and the tests.

Most are a few rows said over and over, which pack into little, so that millions of pixels fit into the limit on bytes.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column and row of each pass, and its steps."""
LONGEST = 2**15
"""How far back deflate finds what it has seen."""
FULL = 19 * 2**20
"""Bytes of a file that is packed as badly as the limit on bytes allows."""

Size = tuple[int, int]
"""Width and height."""


def noise(size: Size, channels: int = 3, spread: int = 40, tile: int = 512) -> NDArray[np.uint8]:
    """(height, width, channels) of tiles of noise around grey."""
    one = np.random.default_rng(0).integers(128 - spread, 128 + spread, (tile, tile, channels), dtype=np.uint8)
    width, height = size
    return np.ascontiguousarray(np.tile(one, (-(-height // tile), -(-width // tile), 1))[:height, :width])


def saved(pixels: NDArray[Any], name: str, mode: str | None = None, **options: Any) -> bytes:
    """By Pillow; `mode` says what four channels are."""
    file = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, mode)
    picture.save(file, name, **options)
    return file.getvalue()


def full(make: Callable[[int], bytes], spreads: tuple[int, ...]) -> bytes:
    """The noisiest of a kind that is still below `FULL`."""
    return next(data for spread in sorted(spreads, reverse=True) if len(data := make(spread)) < FULL)


def jpeg(size: Size, *, cmyk: bool = False, spread: int = 12, **options: Any) -> bytes:
    pixels = noise(size, 4 if cmyk else 3, spread)
    return saved(pixels, "JPEG", "CMYK" if cmyk else None, **{"quality": 75, **options})


def turned(data: bytes, orientation: int = 6) -> bytes:
    """A JPEG whose camera was held upright."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def scans(size: Size, times: int, *, refined: bool = False) -> bytes:
    """A progressive JPEG, grey, whose every further scan says 'no difference' of all blocks, in some 75 bytes; or
    corrects all coefficients by nothing."""
    blocks = -(-size[0] // 8) * -(-size[1] // 8)
    table = bytes([1] + [0] * 15)
    out = b"\xff\xd8\xff\xdb\0\x43\0" + b"\x10" * 64 + b"\xff\xc2\0\x0b\x08" + struct.pack(">HH", size[1], size[0])
    out += b"\1\1\x11\0\xff\xc4\0\x14\0" + table + b"\0\xff\xc4\0\x14\x10" + table + b"\xe0"
    out += b"\xff\xda\0\x08\1\1\0\0\0\0" + bytes(-(-blocks // 8))
    bits = ""
    while blocks > 0:
        run = min(32767, max(16384, blocks))
        bits, blocks = bits + f"0{run - 16384:014b}", blocks - run
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    last = b"\x10" if refined else b"\0"
    first = b"\xff\xda\0\x08\1\1\0\1\x3f" + (b"\1" if refined else b"\0") + data
    return out + first + (b"\xff\xda\0\x08\1\1\0\1\x3f" + last + data) * (times - 1) + b"\xff\xd9"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _row(size: int) -> bytes:
    """Noise that repeats within what deflate remembers."""
    period = min(size, LONGEST - 300)
    return (np.random.default_rng(0).integers(0, 256, period, dtype=np.uint8).tobytes() * (size // period + 1))[:size]


def png(size: Size, depth: int, colour: int, *, interlaced: bool = False, how: int = 4, extra: bytes = b"",
        fill: bool = False) -> bytes:  # fmt: skip
    """A PNG whose rows all have the filter `how`, by default Paeth's, the slowest; `fill` makes the file `FULL`."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    pack, body, rng = zlib.compressobj(6), b"", np.random.default_rng(0)
    for x, y, step_x, step_y in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(size[0] - x) // step_x), -(-(size[1] - y) // step_y)
        row = bytes([how]) + _row(-(-columns * channels * depth // 8))
        for _ in range(rows):
            noisy = fill and len(body) < FULL - 2**20
            body += pack.compress(bytes([how]) + rng.bytes(len(row) - 1) if noisy else row)
    body += pack.flush()
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


PALETTE = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(range(256)))


def bmp_runs(size: Size, bits: int = 8) -> bytes:
    """A BMP in run lengths of 8 or 4 bits."""
    width, height = size
    row = b"\xff\x05" * (width // 255) + bytes([width % 255, 5]) * (width % 255 > 0) + b"\0\0"
    runs = row * height + b"\0\1"
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 1 + (bits == 4), len(runs), 0, 0, 2**bits, 0)
    start = 54 + 4 * 2**bits
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + info + bytes(4 * 2**bits) + runs


def tiff(size: Size, channels: int, depth: int, *, planar: bool = False, predictor: int = 1, tile: int = 0,
         rows: int = 0, orientation: int = 1) -> bytes:  # fmt: skip
    """A TIFF packed by deflate, whose strips or tiles are all the same one."""
    inside = 1 if planar else channels
    width, height = size
    across, down = (tile, tile) if tile else (width, rows or height)
    row = _row(-(-across * inside * depth // 8))
    if rows == 1:  # of which each would be said anew
        row = bytes(len(row))
    pack = zlib.compressobj(6)
    piece = b"".join(pack.compress(row) for _ in range(down)) + pack.flush()
    count = (-(-width // across)) * (-(-height // down)) * (channels if planar else 1)
    shorts = {258: (depth,) * channels, 259: (8,), 262: (1 if channels < 3 else 2,), 274: (orientation,),
              277: (channels,), 284: (2 if planar else 1,), 317: (predictor,)}  # fmt: skip
    if channels in (2, 4):
        shorts[338] = (2,)
    # One behind another, as strips that lie upon each other are refused.
    places, sizes = tuple(8 + i * len(piece) for i in range(count)), (len(piece),) * count
    longs: dict[int, tuple[int, ...]] = {256: (width,), 257: (height,)}
    longs |= {322: (tile,), 323: (tile,), 324: places, 325: sizes} if tile else {273: places, 278: (down,), 279: sizes}
    body, entries = piece * count, []
    fields = [*((tag, "H", values) for tag, values in shorts.items()), *((t, "I", v) for t, v in longs.items())]
    for tag, form, values in sorted(fields):
        packed = struct.pack(f"<{len(values)}{form}", *values)
        if len(packed) > 4:
            body += bytes(len(body) % 2)
            packed, body = struct.pack("<I", 8 + len(body)), body + packed
        entries.append(struct.pack("<HHI", tag, {"H": 3, "I": 4}[form], len(values)) + packed.ljust(4, b"\0"))
    body += bytes(len(body) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


def tiff_by_pillow(size: Size, packing: str, channels: int = 3, spread: int = 3, tile: int = 64) -> bytes:
    return saved(noise(size, channels, spread, tile), "TIFF", compression=packing)


def fax(size: Size, packing: str) -> bytes:
    rows = np.tile(np.random.default_rng(0).integers(0, 2, (1, size[0])) > 0, (size[1], 1))
    return saved(rows, "TIFF", compression=packing)


def gif(size: Size, **options: Any) -> bytes:
    return saved(noise(size, 1, 120, 64), "GIF", **options)


def webp(size: Size, channels: int = 3, spread: int = 6, **options: Any) -> bytes:
    return saved(noise(size, channels, spread, 64), "WEBP", method=0, **options)


class Kind(NamedTuple):
    """How to make a file of a size, and what a pixel of it counts."""

    make: Callable[[Size], bytes]
    bits: int = 24


KINDS: dict[str, Kind] = {
    "JPEG, 4:2:0": Kind(jpeg),
    "JPEG, 4:4:4, 19 MiB": Kind(
        lambda size: full(lambda spread: jpeg(size, subsampling=0, quality=90, spread=spread), (4, 8, 12, 14, 16, 24))
    ),
    "JPEG, turned": Kind(lambda size: turned(jpeg(size))),
    "JPEG, progressive 4:2:0, turned": Kind(lambda size: turned(jpeg(size, progressive=True))),
    "JPEG, progressive 4:4:4": Kind(lambda size: jpeg(size, subsampling=0, progressive=True, spread=6), 30),
    "JPEG, progressive 4:4:4, 9 MiB": Kind(
        lambda size: jpeg(size, subsampling=0, quality=90, progressive=True, spread=12), 52
    ),
    "JPEG, CMYK": Kind(lambda size: jpeg(size, cmyk=True, subsampling=0, spread=6), 32),
    "JPEG, progressive CMYK": Kind(lambda size: jpeg(size, cmyk=True, progressive=True, subsampling=0, spread=4), 76),
    "JPEG, restarts": Kind(lambda size: jpeg(size, spread=4, quality=50, restart_marker_blocks=1)),
    "JPEG, 22 empty scans": Kind(lambda size: scans(size, 22)),
    "JPEG, 6 corrections": Kind(lambda size: scans(size, 6, refined=True)),
    "PNG, 8-bit RGB": Kind(lambda size: png(size, 8, 2)),
    "PNG, 8-bit RGB, 19 MiB": Kind(lambda size: png(size, 8, 2, fill=True)),
    "PNG, 8-bit RGBA, interlaced": Kind(lambda size: png(size, 8, 6, interlaced=True), 40),
    "PNG, 16-bit RGB": Kind(lambda size: png(size, 16, 2), 96),
    "PNG, 16-bit RGBA, interlaced": Kind(lambda size: png(size, 16, 6, interlaced=True), 160),
    "PNG, 16-bit grey": Kind(lambda size: png(size, 16, 0)),
    "PNG, 16-bit grey and alpha": Kind(lambda size: png(size, 16, 4), 32),
    "PNG, 1-bit": Kind(lambda size: png(size, 1, 0, how=0)),
    "PNG, palette with alpha": Kind(lambda size: png(size, 8, 3, how=0, extra=PALETTE)),
    "TIFF, 8-bit RGB, one strip": Kind(lambda size: tiff(size, 3, 8)),
    "TIFF, 8-bit RGB, a strip each row": Kind(lambda size: tiff(size, 3, 8, rows=1)),
    "TIFF, 8-bit RGBA, predictor, turned": Kind(lambda size: tiff(size, 4, 8, predictor=2, rows=16, orientation=6), 32),
    "TIFF, 8-bit RGBA, tiles": Kind(lambda size: tiff(size, 4, 8, tile=256), 34),
    "TIFF, 8-bit RGBA, tiny tiles": Kind(lambda size: tiff(size, 4, 8, tile=32), 34),
    "TIFF, 8-bit RGB, planes": Kind(lambda size: tiff(size, 3, 8, planar=True)),
    "TIFF, 16-bit RGBA, predictor": Kind(lambda size: tiff(size, 4, 16, predictor=2, rows=16), 128),
    "TIFF, 16-bit RGB, planes": Kind(lambda size: tiff(size, 3, 16, planar=True, rows=16), 96),
    "TIFF, 16-bit grey, one strip": Kind(lambda size: tiff(size, 1, 16)),
    "TIFF, 1-bit": Kind(lambda size: tiff(size, 1, 1)),
    "TIFF, LZW, 19 MiB": Kind(
        lambda size: full(lambda spread: tiff_by_pillow(size, "tiff_lzw", spread=spread, tile=16), (1, 2, 3, 4))
    ),
    "TIFF, PackBits": Kind(
        lambda size: saved(np.full((size[1], size[0], 3), 128, np.uint8), "TIFF", compression="packbits")
    ),
    "TIFF, LZMA": Kind(lambda size: tiff_by_pillow(size, "lzma", tile=1024, spread=40)),
    "TIFF, Zstandard": Kind(lambda size: tiff_by_pillow(size, "zstd", tile=1024, spread=40)),
    "TIFF, JPEG": Kind(lambda size: saved(noise(size, 3, 6), "TIFF", compression="jpeg")),
    "TIFF, group 3": Kind(lambda size: fax(size, "group3")),
    "TIFF, group 4": Kind(lambda size: fax(size, "group4")),
    "GIF": Kind(lambda size: gif(size, interlace=0)),
    "GIF, interlaced, transparent": Kind(lambda size: gif(size, interlace=1, transparency=3)),
    "BMP, run lengths of 8 bits": Kind(bmp_runs),
    "BMP, run lengths of 4 bits": Kind(lambda size: bmp_runs(size, 4), 64),
    "BMP, 1-bit": Kind(lambda size: saved(np.zeros((size[1], size[0])) > 0, "BMP")),
    "WebP, lossy with alpha": Kind(lambda size: webp(size, 4, quality=50), 40),
    "WebP, lossy, 19 MiB": Kind(
        lambda size: full(lambda spread: webp(size, quality=80, spread=spread), (4, 8, 12, 16, 24)), 40
    ),
    "WebP, lossless with alpha": Kind(lambda size: webp(size, 4, 60, lossless=True, quality=0), 40),
    "WebP, lossless, 19 MiB": Kind(
        lambda size: full(
            lambda tile: saved(noise(size, 3, 60, tile), "WEBP", method=0, lossless=True, quality=0),
            (256, 512, 1024, 1540),
        ),
        40,
    ),
}
"""The costliest known of each format, by a name for people."""


def size_of(pixels: int, bits: int, shape: str = "square") -> Size:
    """The largest image that counts as `pixels`; ``wide`` or ``tall`` as far as the shorter side may be small."""
    pixels = pixels * 24 // bits
    if shape == "square":
        return (math.isqrt(pixels),) * 2
    short = math.isqrt(pixels // 63)
    return (pixels // short, short) if shape == "wide" else (short, pixels // short)
