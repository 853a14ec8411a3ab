"""Damaged, forged and odd but healthy picture files, and the pixels that are right for them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesion_core.imaging.containers import webp
from lesion_core.imaging.decode import Limits, decode
from tests.imaging import handmade
from tests.mutations.oracle import MOST_RSS, Input, Make, Part
from tests.mutations.picture_files import (
    FORMATS,
    TOLD,
    Pixels,
    Rng,
    healthy,
    jpeg_segments,
    opened,
    png_chunks,
    png_of,
    saved,
    scene,
    tiff_entries,
)
from tests.mutations.picture_oracle import differs, harmless, read
from tests.mutations.rare_pictures import RARE

# Kinds -------------------------------------------------------------------------------------------------------------


def sound(rng: Rng, _: Path) -> Input:
    name = str(rng.choice(FORMATS))
    data, pixels = healthy(rng, name)
    return read(data, name, wrong=differs(pixels), refusable=False)


def beside_the_pixels(rng: Rng, _: Path) -> Input:
    """What lies beside the pixels is odd, broken or long: the pixels are there."""
    name = str(rng.choice(FORMATS))
    data, pixels = healthy(rng, name)
    junk = rng.bytes(int(rng.choice((0, 1, 2, 7, 300, 60000))))
    if name == "png":
        chunks = png_chunks(data)
        kind = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA", b"pHYs", b"tIME", b"xxXx", b"sRGB", b"acTL")
        body = junk if rng.integers(2) else b"a\0\0" + zlib.compress(bytes(2**21))
        chunks.insert(int(rng.integers(1, len(chunks))), (kind[rng.integers(len(kind))], body))
        data = png_of(chunks)
    elif name == "jpeg":
        parts = jpeg_segments(data)
        marker = int(rng.choice((*range(0xE1, 0xEE), 0xEF, 0xFE)))
        head = (b"", b"Exif\0\0", b"ICC_PROFILE\0\1\1", b"http://ns.adobe.com/xap/1.0/\0", b"MPF\0", b"Photoshop 3.0\0")
        body = head[rng.integers(len(head))] + junk
        first = next(i for i, part in enumerate(parts) if part[1] in (0xC0, 0xC1, 0xC2))
        parts.insert(int(rng.integers(1, first + 1)), struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
        data = b"".join(parts)
    elif name == "webp":
        kind4 = (b"EXIF", b"XMP ", b"ICCP", b"xxxx")[rng.integers(4)]
        data += kind4 + struct.pack("<I", len(junk)) + junk + bytes(len(junk) % 2)
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
        return read(data, f"webp with {kind4!r}", wrong=differs(pixels), refusable=False)
    elif name == "gif":
        blocks = b"".join(bytes([len(junk[i : i + 255])]) + junk[i : i + 255] for i in range(0, len(junk), 255))
        palette = 13 + 768
        data = data[:palette] + b"\x21" + bytes([(0xFE, 0xFF, 0x01)[rng.integers(3)]]) + blocks + b"\0" + data[palette:]
    if rng.integers(2):
        data += junk
    return read(data, f"{name} with junk beside", wrong=differs(pixels), refusable=False)


def held_otherwise(rng: Rng, _: Path) -> Input:
    """EXIF says how the camera was held."""
    turns: dict[int, Callable[[Pixels], Pixels]] = {
        1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2), 6: lambda p: p.transpose(1, 0, 2)[:, ::-1],
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2), 8: lambda p: p.transpose(1, 0, 2)[::-1],
    }  # fmt: skip
    number, name = int(rng.integers(1, 9)), str(rng.choice(("JPEG", "PNG", "WEBP", "TIFF")))
    exif = Image.Exif()
    exif[0x0112] = number
    plain = saved(pixels := scene(rng), name)
    data = saved(pixels, name, exif=exif)
    return read(data, f"{name} orientation {number}", wrong=differs(turns[number](opened(plain))), refusable=False)


def no_end(rng: Rng, _: Path) -> Input:
    """All pixels, and no end marker."""
    name = str(rng.choice(("jpeg", "png", "gif")))
    data, pixels = healthy(rng, name)
    return read(data[: -{"jpeg": 2, "png": 12, "gif": 1}[name]], f"{name} without end", wrong=differs(pixels),
                refusable=False)  # fmt: skip


def cut(rng: Rng, _: Path) -> Input:
    """Cut off anywhere."""
    name = str(rng.choice(FORMATS))
    data, pixels = healthy(rng, name)
    at = int(rng.integers(0, len(data)))
    return read(data[:at], f"{name} cut at {at} of {len(data)}", wrong=differs(pixels))


def cut_and_closed(rng: Rng, _: Path) -> Input:
    """Cut off, and repaired so that the file says that it is whole."""
    name = str(rng.choice(("png", "jpeg", "webp", "gif", "tiff")))
    data, pixels = healthy(rng, name)
    share = float(rng.choice((rng.random(), 1 - 0.02 * rng.random())))
    if name == "png":
        chunks = png_chunks(data)
        packed = zlib.decompress(chunks[1][1])
        chunks[1] = b"IDAT", zlib.compress(packed[: int(share * (len(packed) - 1))])
        data = png_of(chunks)
    elif name == "jpeg":
        parts = jpeg_segments(data)
        scans = [i for i, part in enumerate(parts) if part[1] == 0xDA]
        at = int(rng.choice(scans))
        head = 2 + int.from_bytes(parts[at][2:4], "big")
        # Of fewer bytes a few bits may be all that is missing, and these by chance the ones that a decoder takes.
        kept = min(int(share * (len(parts[at]) - head)), len(parts[at]) - head - 16)
        parts[at] = parts[at][: head + max(0, kept)].rstrip(b"\xff")
        data = b"".join(parts)
    elif name == "webp":
        # A decoder of arithmetic coding reads ahead by bytes that a writer adds, and some pixels may need them.
        body = data[20 : min(20 + int(share * (len(data) - 20)), len(data) - max(webp.FEWER.values()))]
        body += bytes(len(body) % 2)
        data = data[:16] + struct.pack("<I", len(body)) + body
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    elif name == "gif":
        data = data[: 13 + 768 + 11 + int(share * (len(data) - 793))] + b"\0;"
    else:
        kind = {"order": "<>"[rng.integers(2)], "deflate": bool(rng.integers(2)), "rows": int(rng.integers(4, 60))}
        data = handmade.tiff(pixels, 8, 2, keep=min(share, 0.995), **kind)
    return read(data, f"{name}, {share:.3f} kept and closed", wrong=differs(pixels))


def blank_tail(rng: Rng, _: Path) -> Input:
    """A copy into a file of full size that stopped: zeros from somewhere on, or ones as of empty flash memory."""
    name = str(rng.choice(("png", "jpeg", "webp", "gif")))
    data, pixels = healthy(rng, name)
    at = int(rng.integers(len(data) // 4, len(data) - (TOLD if name == "webp" else 64)))
    blank = b"\0" if name == "webp" or rng.integers(2) else b"\xff"
    return read(
        data[:at] + blank * (len(data) - at), f"{name}, {blank!r} from {at} of {len(data)}", wrong=differs(pixels)
    )


def taller(rng: Rng, _: Path) -> Input:
    """The header declares more pixels than there are."""
    name = str(rng.choice(FORMATS))
    data, pixels = healthy(rng, name)
    height = len(pixels)
    new = int(rng.choice((height + 8, 2 * height, 500, 7000, 16000))) + 64  # more than a tile or a block hides
    old = bytearray(data)
    if name == "png":
        chunks = png_chunks(data)
        chunks[0] = b"IHDR", chunks[0][1][:4] + struct.pack(">I", new) + chunks[0][1][8:]
        old = bytearray(png_of(chunks))
    elif name == "jpeg":
        at = next(sum(map(len, parts[:i])) for parts in [jpeg_segments(data)] for i, part in enumerate(parts)
                  if part[1] in (0xC0, 0xC1, 0xC2))  # fmt: skip
        struct.pack_into(">H", old, at + 5, new)
    elif name == "bmp":
        struct.pack_into("<i", old, 22, -new if struct.unpack_from("<i", old, 22)[0] < 0 else new)
    elif name == "gif":
        struct.pack_into("<H", old, 8, new)
        struct.pack_into("<H", old, 13 + 768 + 7, new)
    elif name == "webp":
        if data[12:16] == b"VP8 ":
            struct.pack_into("<H", old, 28, new & 0x3FFF)
            new &= 0x3FFF
        else:
            (bits,) = struct.unpack_from("<I", old, 21)
            new = min(new, 0x4000)
            struct.pack_into("<I", old, 21, bits & ~(0x3FFF << 14) | (new - 1) << 14)
    else:
        order, places = tiff_entries(data)
        struct.pack_into(f"{order}I", old, places[257] + 8, new)
        if rng.integers(2) and 278 in places:
            struct.pack_into(f"{order}I", old, places[278] + 8, new)
    return read(bytes(old), f"{name} of {height} rows declares {new}")


def flipped(rng: Rng, _: Path) -> Input:
    """Some bits are others. A PNG has checksums, and says so; what the others give cannot be told."""
    name = str(rng.choice(FORMATS))
    data, pixels = healthy(rng, name)
    bad = np.frombuffer(data, np.uint8).copy()
    where = rng.integers(8, len(bad) if rng.integers(2) else min(len(bad), 200), int(rng.choice((1, 2, 8))))
    bad[where] ^= (1 << rng.integers(0, 8, len(where))).astype(np.uint8)
    # An exact file whose pixels cannot all be right says so only with checksums.
    return read(
        bad.tobytes(), f"{name} with bits at {where.tolist()}", wrong=differs(pixels) if name == "png" else harmless
    )


def overwritten(rng: Rng, _: Path) -> Input:
    """A stretch of other bytes, as a bad disk or a half-finished copy leaves it."""
    name = str(rng.choice(FORMATS))
    data, pixels = healthy(rng, name)
    at, size = int(rng.integers(4, len(data))), int(rng.choice((4, 64, 512, 4096)))
    body = (rng.bytes(size), b"\xff" * size, b"\0" * size, data[:size])[rng.integers(4)][: len(data) - at]
    return read(data[:at] + body + data[at + len(body) :], f"{name} overwritten at {at}",
                wrong=differs(pixels) if name == "png" else harmless)  # fmt: skip


def shuffled(rng: Rng, _: Path) -> Input:
    """Pieces left out, twice, or in another order."""
    name = str(rng.choice(("png", "jpeg", "tiff")))
    data, pixels = healthy(rng, name)
    if name == "tiff":
        order, places = tiff_entries(data)
        old = bytearray(data)
        tag = int(rng.choice(list(places)))
        struct.pack_into(f"{order}H", old, places[tag], 65000)
        return read(bytes(old), f"tiff without tag {tag}", wrong=harmless)
    pieces: list[Any] = png_chunks(data) if name == "png" else jpeg_segments(data)
    i, j = (int(n) for n in rng.integers(1 if name == "jpeg" else 0, len(pieces), 2))
    what = ("left out", "twice", "swapped")[rng.integers(3)]
    if what == "left out":
        del pieces[i]
    elif what == "twice":
        pieces.insert(j, pieces[i])
    else:
        pieces[i], pieces[j] = pieces[j], pieces[i]
    made = png_of(pieces) if name == "png" else b"".join(pieces)
    # A JPEG's tables in another order, or one scan's for another's, may be a picture, if another one.
    return read(made, f"{name}, pieces {i}, {j} {what}", wrong=differs(pixels) if name == "png" else harmless)


def spliced(rng: Rng, _: Path) -> Input:
    """The beginning of one file and the end of another."""
    (one, _), (two, _) = (healthy(rng, str(rng.choice(FORMATS))) for _ in range(2))
    at = int(rng.integers(1, len(one)))
    return read(one[:at] + two[int(rng.integers(0, len(two))) :], "spliced", wrong=harmless)


def random_bytes(rng: Rng, _: Path) -> Input:
    """A signature and then anything."""
    name = str(rng.choice(FORMATS))
    data, _ = healthy(rng, name)
    kept = int(rng.choice((2, 3, 4, 8, 12, 16, 30)))
    return read(data[:kept] + rng.bytes(int(rng.integers(0, 3000))), f"{name} of {kept} true bytes", wrong=harmless)


def flat_and_large(rng: Rng, _: Path) -> Input:
    """Millions of pixels in few bytes: a healthy picture that may cost what its pixels cost, or is refused where they
    cost more than the limit allows: those of 16 bits are decoded twice."""
    side, depth = int(rng.integers(2000, 7000)), int(rng.choice((1, 8, 16)))
    colour = int(rng.choice((0, 2, 6))) if depth > 1 else 0
    channels = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + -(-side * channels * depth // 8))
    pack = zlib.compressobj(9)
    body = (
        b"".join(pack.compress(row * 100) for _ in range(side // 100))
        + pack.compress(row * (side % 100))
        + pack.flush()
    )
    share = float(rng.choice((1, 1, rng.random())))
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    data = png_of([(b"IHDR", header), (b"IDAT", body[: int(share * len(body))]), (b"IEND", b"")])

    def wrong(answer: Any) -> str | None:
        value = 255 if colour == 6 else 0
        return None if answer.shape == (side, side, 3) and (answer == value).all() else f"not {value} everywhere"

    counts = max(24, channels * depth * (2 if depth == 16 and channels > 2 else 1)) / 24
    refused = share < 1 or side * side * counts > Limits.max_pixels
    return Input(lambda: decode(data), wrong if share == 1 else Input.wrong, refused, most_rss=MOST_RSS, data=data,
                 note=f"png of {side} x {side}, {depth} bits, colour {colour}, {share:.2f} kept")  # fmt: skip


def many_pieces(rng: Rng, _: Path) -> Input:
    """The same small piece over and over."""
    n = int(rng.choice((1000, 20000, 200000)))
    name = str(rng.choice(("png", "jpeg", "gif", "tiff")))
    data, pixels = healthy(rng, name)
    if name == "png":
        chunks = png_chunks(data)
        data = png_of([chunks[0], *[(b"IDAT", b"")] * n, *chunks[1:]])
    elif name == "jpeg":
        parts = jpeg_segments(data)
        data = parts[0] + b"\xff\xfe\0\2" * n + b"".join(parts[1:])
    elif name == "gif":
        data = data[:781] + b"\x21\xfe\1a\0" * n + data[781:]
    else:
        data = handmade.tiff(pixels, 8, 2, tags=tuple((40000 + i, 3, b"\1\0") for i in range(min(n, 20000))))
    return read(data, f"{name} with {n} small pieces", wrong=differs(pixels))


def costly_tiff(rng: Rng, _: Path) -> Input:
    """A small TIFF with numbers far too large, each packed so well that the file is small."""
    pixels = scene(rng)
    data = bytearray(
        handmade.tiff(pixels, 8, 2, deflate=True, tile=64) if rng.integers(2) else handmade.tiff(pixels, 8, 2)
    )
    order, places = tiff_entries(bytes(data))
    tags = [int(tag) for tag in rng.choice(list(places), int(rng.integers(1, 3)), replace=False)]
    for tag in tags:
        at, form = ((2, "H"), (4, "I"), (8, "I"), (8, "H"))[rng.integers(4)]
        number = int(rng.choice((0, 1, 3, 255, 2**15, 2**16 - 1, 2**31) if form == "I" else (0, 1, 3, 255, 2**15)))
        struct.pack_into(f"{order}{form}", data, places[tag] + at, number)
    return read(bytes(data), f"tiff with odd numbers in {tags}", wrong=harmless)


KINDS: dict[str, Make] = {
    make.__name__: make
    for make in (
        sound, beside_the_pixels, held_otherwise, no_end, cut, cut_and_closed, blank_tail, taller, flipped, overwritten,
        shuffled, spliced, random_bytes, flat_and_large, many_pieces, costly_tiff,
    )
} | RARE  # fmt: skip


def _warm() -> None:
    rng = np.random.default_rng(0)
    for name in FORMATS:
        decode(healthy(rng, name)[0])


PART = Part(KINDS, _warm)
