"""WebP: the RIFF container (RFC 9649, section 2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lesion_core.imaging.containers.parts import MOST_PIECES, CostlyError, EndsEarlyError, Parts
from lesion_core.imaging.containers.records import records

BLANK = 8
"""Equal bytes, `BLANKS`, at the end of the coded pixels from which on a copy that stopped may have left them."""
BLANKS = (b"\0", b"\xff")
FEWER = {b"VP8 ": 8, b"VP8L": 2}
"""Bytes without which a decoder lacks some where these were pixels: arithmetic coding reads ahead, and of codes the
last byte may hold none. WebP has no checksum: where few blanks took the place of pixels, under 100, nothing tells."""
BITS = 40
"""What a pixel counts, as the decoder holds four copies of 4 bytes."""
IMAGE, FEATURES, FRAME = (b"VP8 ", b"VP8L"), b"VP8X", b"ANMF"
KEPT = (*IMAGE, FEATURES, FRAME, b"ALPH", b"ANIM")
BESIDE = 0x20 | 0x08 | 0x04
"""Flags of a colour profile, EXIF and XMP."""
FRAME_HEAD = 16


def take_apart(data: bytes) -> Parts:
    """Keep the first image and its transparency.

    If its pixels end in blanks, it is also given with fewer of them: coded pixels use all of their bytes, so that a
    decoder that can do without read none of the last.

    Raises:
        EndsEarlyError: The coded pixels are longer than the file.
        CostlyError: There are too many chunks.
    """
    kept: list[tuple[bytes, bytes]] = []
    info: dict[str, bytes] = {}
    shorter = None
    for kind, body, size in _chunks(data, 12):
        if kind == b"EXIF":
            info = records(exif=body) | info
        elif kind == b"XMP ":
            info = records(xmp=body) | info
        if kind not in KEPT or any(before in (kind, *IMAGE, FRAME) for before, _ in kept):
            continue
        if kind in (*IMAGE, FRAME, b"ALPH") and len(body) < size:
            raise EndsEarlyError(_part(kind, body) / size, "about ")
        if kind == FEATURES and body:
            body = bytes((body[0] & ~BESIDE, *body[1:]))
        if kind in (*IMAGE, FRAME):
            shorter = _shorter(kind, body)
        kept.append((kind, body))
    return Parts(_file(kept), info, shorter=shorter, bits=BITS, because="in a WebP file")


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, contents, and the size that they are said to have."""
    for _ in range(MOST_PIECES):
        if at + 8 > len(data):
            return
        kind, size = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + size], size
        at += 8 + size + size % 2
    raise CostlyError(f"consists of more than {MOST_PIECES:,} chunks")


def _file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    packed = b"".join(kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for kind, body in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(packed)) + b"WEBP" + packed


def _part(kind: bytes, body: bytes) -> int:
    """Bytes of coded pixels that are there, of a layer of transparency none: the colours follow it."""
    return 0 if kind == b"ALPH" else max(0, len(body) - FRAME_HEAD * (kind == FRAME))


def _shorter(kind: bytes, body: bytes) -> tuple[bytes, float] | None:
    if kind == FRAME:  # its colours alone: a layer of transparency is before them
        inside = (chunk for chunk in _chunks(body, FRAME_HEAD) if chunk[0] in IMAGE)
        kind, body, _ = next(inside, (FRAME, b"", 0))
    kept = min(len(body.rstrip(blank)) for blank in BLANKS)
    if len(body) - kept < BLANK:
        return None
    return _file([(kind, body[: len(body) - FEWER[kind]])]), kept / len(body)
