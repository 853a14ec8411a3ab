"""PNG: chunks (Portable Network Graphics, third edition, W3C 2025, section 5)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import partial

from lesion_core.imaging.containers.parts import (
    MOST_TEXT,
    CostlyError,
    DamagedError,
    EndsEarlyError,
    Parts,
    inflated,
)
from lesion_core.imaging.containers.records import records

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type."""
MOST_CHUNKS = 2**14
"""Of a file: at each is looked, however small it is."""
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column and row of each pass, and its steps."""


def take_apart(data: bytes) -> Parts:
    """Keep what the pixels need: the critical chunks and the transparency.

    Raises:
        DamagedError: A checksum of what the pixels need, other than the pixels themselves, does not fit.
        CostlyError: There are too many chunks.
    """
    kept: list[bytes | memoryview] = [SIGNATURE]
    packed: list[memoryview] = []
    info: dict[str, bytes] = {}
    texts = MOST_TEXT
    key: tuple[int, ...] = ()
    header: bytes | None = None
    last = "sound"
    for kind, body, whole, sound in _chunks(data):
        if kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
            if sound and texts > 0 and len(body) <= 2 * MOST_TEXT:
                found, unpacked = _orientation(kind, bytes(body))
                info, texts = info | found, texts - unpacked
            continue
        if kind[0] & 0x20 and kind != b"tRNS":  # a small first letter: ancillary
            continue
        if not sound and kind != b"IDAT":
            raise DamagedError
        if kind == b"IDAT":
            packed.append(body)
            if not sound:  # an empty chunk in its place, so that the header can be read
                last = "cut off" if len(whole) < len(body) + 12 else "damaged"
                kept.append(b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big"))
                break
        chunk: bytes | memoryview = whole
        if kind == b"tRNS" and header is not None:
            chunk, key = _key(header, bytes(body), whole)
        if kind == b"IHDR":
            if header is not None:
                raise DamagedError
            header = bytes(body)
        kept.append(chunk)
    if header is None or len(header) < 13:
        raise DamagedError
    depth, colour = header[8], header[9]
    bits = depth * CHANNELS.get(colour, 4)
    counted = bits * (2 if depth == 16 and colour in (2, 6) else 1)  # upper and lower bytes
    in_passes = bool(header[12]) and colour in (4, 6)
    return Parts(
        b"".join(kept),
        info,
        partial(_count, header, packed, last),
        key=key,
        # Both steps are the slowest of their kind: pixels put in their places one by one, and laid on white.
        bits=counted * 5 // 4 if in_passes else counted,
        because=f"of {bits} bits{' in seven passes' if in_passes else ''}",
        instead="with 8 bits for each colour" if depth == 16 else "without transparency",
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, memoryview, bool]]:
    """Kind, contents, the whole chunk, and whether its checksum fits, up to IEND."""
    view, at = memoryview(data), len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        whole = view[at : at + 12 + size]
        body = view[at + 8 : at + 8 + size]
        sound = len(whole) == 12 + size and zlib.crc32(whole[4:-4]) == int.from_bytes(whole[-4:], "big")
        yield kind, body, whole, sound
        if kind == b"IEND":
            return
        at += 12 + size
    raise CostlyError(f"consists of more than {MOST_CHUNKS:,} chunks")


def _orientation(kind: bytes, body: bytes) -> tuple[dict[str, bytes], int]:
    """What a chunk may say on how the camera was held: EXIF as such or as old programs wrote it, XMP; and the bytes
    that were looked at."""
    if kind == b"eXIf":
        return records(exif=body), 0
    keyword, _, rest = body.partition(b"\0")
    if keyword not in (b"XML:com.adobe.xmp", b"Raw profile type exif"):
        return {}, 0
    compressed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"iTXt":  # flag, method, language, translated keyword
        rest = rest[2:].split(b"\0", 2)[-1]
    elif compressed:  # method
        rest = rest[1:]
    if compressed:
        try:
            rest = zlib.decompressobj().decompress(rest, MOST_TEXT)
        except zlib.error:
            return {}, len(rest)
    if len(rest) > MOST_TEXT:
        return {}, 0
    if keyword == b"XML:com.adobe.xmp":
        return records(xmp=rest), len(rest)
    try:  # two lines that name and size it, then hexadecimal digits
        return records(exif=bytes.fromhex(b"".join(rest.split(b"\n")[3:]).decode("ascii"))), len(rest)
    except ValueError:
        return {}, len(rest)


def _key(header: bytes, body: bytes, whole: memoryview) -> tuple[bytes | memoryview, tuple[int, ...]]:
    """The transparent colour as Pillow compares it, and, where it cannot, none and the colour itself."""
    depth, colour = header[8], header[9]
    if colour == 3 or depth == 8:
        return whole, ()
    key = struct.unpack(f">{len(body) // 2}H", body[: len(body) // 2 * 2])
    if depth == 16:
        return b"", key
    scaled = struct.pack(">H", key[0] * 255 // (2**depth - 1)) if depth > 1 else body
    return struct.pack(">I", len(scaled)) + b"tRNS" + scaled + zlib.crc32(b"tRNS" + scaled).to_bytes(4, "big"), ()


def _count(header: bytes, packed: list[memoryview], last: str) -> None:
    """Refuse pixels that end early, whatever the end of the stream says: a decoder leaves the rest black; and those
    whose last chunk is cut off or damaged."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", header)
    bits = depth * CHANNELS.get(colour, 4)
    whole = sum(
        rows * (1 + -(-columns * bits // 8))
        for x, y, step_x, step_y in (PASSES if interlaced else ((0, 0, 1, 1),))
        if (columns := -(-(width - x) // step_x)) > 0 and (rows := -(-(height - y) // step_y)) > 0
    )
    if 1032 * sum(map(len, packed)) < whole:  # the most that deflate can pack
        raise EndsEarlyError(1032 * sum(map(len, packed)) / whole, "at most ")
    if last == "damaged":
        raise DamagedError
    there = inflated(packed, whole)
    if there < whole:
        raise EndsEarlyError(there / whole)
    if last == "cut off":  # within the checksums
        raise DamagedError
