"""Image files written by hand, without Pillow: PNG, TIFF, BMP and GIF in every way that the tests ask for."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def packed(samples: NDArray[np.integer], depth: int, order: str = ">") -> bytes:
    """Samples (H, W, C) of 1 to 16 bits, each row in whole bytes."""
    rows = samples.reshape(len(samples), -1)
    if depth in (8, 16):
        return rows.astype(f"{order}u{depth // 8}").tobytes()
    bits = (rows[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    samples: NDArray[np.integer], depth: int, colour: int, *, before: bytes = b"", after: bytes = b"",
    interlaced: bool = False, keep: int | None = None,
) -> bytes:  # fmt: skip
    """A PNG of samples (H, W, C); `before` and `after` stand around the pixels, of which `keep` bytes are kept."""

    def filtered(part: NDArray[np.integer]) -> bytes:
        if 0 in part.shape:
            return b""
        size = len(packed(part[:1], depth))
        data = packed(part, depth)
        return b"".join(b"\0" + data[i : i + size] for i in range(0, len(data), size))

    passes = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES] if interlaced else [samples]
    pixels = b"".join(map(filtered, passes))[:keep]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(pixels)) + after
        + chunk(b"IEND", b"")
    )  # fmt: skip


def tiff(
    samples: NDArray[np.integer], depth: int, photometric: int, *, order: str = "<", extra: int | None = None,
    palette: NDArray[np.integer] | None = None, rows: int | None = None, tile: int | None = None, planar: bool = False,
    deflate: bool = False, tags: tuple[tuple[int, int, bytes], ...] = (), keep: float = 1.0, orientation: int = 1,
) -> bytes:  # fmt: skip
    """A TIFF of samples (H, W, C); `keep` is the share of each strip or tile that is kept, with its size told so."""
    height, width, channels = samples.shape
    planes = [samples[:, :, i : i + 1] for i in range(channels)] if planar else [samples]
    pieces = []
    for plane in planes:
        if tile:
            whole = np.zeros((-(-height // tile) * tile, -(-width // tile) * tile, plane.shape[2]), plane.dtype)
            whole[:height, :width] = plane
            grid = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
            pieces += [packed(whole[y : y + tile, x : x + tile], depth, order) for y, x in grid]
        else:
            step = rows or height
            pieces += [packed(plane[y : y + step], depth, order) for y in range(0, height, step)]
    if deflate:
        pieces = [zlib.compress(piece) for piece in pieces]
    pieces = [piece[: int(len(piece) * keep)] for piece in pieces]
    short, long = f"{order}H", f"{order}I"
    entries: list[tuple[int, int, bytes]] = [
        (256, 4, struct.pack(long, width)), (257, 4, struct.pack(long, height)),
        (258, 3, struct.pack(short, depth) * channels), (259, 3, struct.pack(short, 8 if deflate else 1)),
        (262, 3, struct.pack(short, photometric)), (274, 3, struct.pack(short, orientation)),
        (277, 3, struct.pack(short, channels)), (284, 3, struct.pack(short, 2 if planar else 1)), *tags,
    ]  # fmt: skip
    if extra is not None:
        entries.append((338, 3, struct.pack(short, extra)))
    if palette is not None:
        entries.append((320, 3, (palette.T * 257).astype(f"{order}u2").tobytes()))
    sizes = b"".join(struct.pack(long, len(piece)) for piece in pieces)
    places = bytes(len(sizes))
    if tile:
        entries += [(322, 4, struct.pack(long, tile)), (323, 4, struct.pack(long, tile))]
        entries += [(324, 4, places), (325, 4, sizes)]
    else:
        entries += [(273, 4, places), (278, 4, struct.pack(long, rows or height)), (279, 4, sizes)]
    width_of = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
    at, values = 8, {}
    data = b""
    for tag, _, body in entries:  # what does not fit into an entry lies before the directory
        if len(body) > 4 and tag not in (273, 324):
            values[tag], data, at = at, data + body, at + len(body)
    offsets = []
    for piece in pieces:
        offsets.append(at)
        data, at = data + piece, at + len(piece)
    places = b"".join(struct.pack(long, offset) for offset in offsets)
    if len(places) > 4:
        values[273] = values[324] = at
        data, at = data + places, at + len(places)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, at)
    directory = struct.pack(short, len(entries))
    for tag, kind, body in sorted(entries):
        body = places if tag in (273, 324) else body
        inline = struct.pack(long, values[tag]) if len(body) > 4 else body.ljust(4, b"\0")
        directory += struct.pack(f"{order}HHI", tag, kind, len(body) // width_of[kind]) + inline
    return head + data + directory + struct.pack(long, 0)


def bmp(
    samples: NDArray[np.integer], depth: int, *, palette: NDArray[np.integer] | None = None, top_down: bool = False
) -> bytes:
    """A BMP of palette indices (H, W, 1) or of RGB (H, W, 3)."""
    height, width = samples.shape[:2]
    table = b"" if palette is None else b"".join(bytes((b, g, r, 0)) for r, g, b in palette.tolist())
    if depth == 32:
        samples = np.dstack([samples[:, :, ::-1], np.zeros((height, width, 1), np.uint8)])
    elif depth == 24:
        samples = samples[:, :, ::-1]
    lines = [packed(samples[y : y + 1], min(depth, 8)) for y in range(height)]
    lines = [line + bytes(-len(line) % 4) for line in lines]
    body = b"".join(lines if top_down else lines[::-1])
    start = 54 + len(table)
    info = struct.pack("<IiiHHIIiiII", 40, width, -height if top_down else height, 1, depth, 0, len(body), 0, 0,
                       len(table) // 4, 0)  # fmt: skip
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + table + body


def gif(
    indices: NDArray[np.integer], palette: NDArray[np.integer], *, transparent: int | None = None,
    interlaced: bool = False, keep: int | None = None, before: bytes = b"", after: bytes = b"", local: bool = False,
) -> bytes:  # fmt: skip
    """A GIF of 8 bits; every code but the first of 64 follows a clear code, so that none has more than 9 bits."""
    height, width = indices.shape[:2]
    if interlaced:
        indices = np.concatenate([indices[start::step] for start, step in ((0, 8), (4, 8), (2, 4), (1, 2))])
    values = indices.ravel().tolist()[:keep]
    codes = [code for i, value in enumerate(values) for code in ((256, value) if i % 64 == 0 else (value,))] + [257]
    bits = np.array(codes)[:, None] >> np.arange(9) & 1  # the least first
    packed_codes = np.packbits(bits.ravel().astype(np.uint8), bitorder="little").tobytes()
    blocks = [packed_codes[i : i + 255] for i in range(0, len(packed_codes), 255)]
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    control = b"" if transparent is None else b"\x21\xf9\4\1\0\0" + bytes([transparent]) + b"\0"
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70 if local else 0xF7, 0, 0)
        + (b"" if local else table.tobytes()) + before + control
        + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0x40 * interlaced | (0x87 if local else 0))
        + (table.tobytes() if local else b"") + b"\x08" + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"
        + after + b";"
    )  # fmt: skip
