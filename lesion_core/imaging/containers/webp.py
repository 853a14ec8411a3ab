"""WebP: the RIFF container (RFC 9649, section 2)."""

from __future__ import annotations

import struct

from lesion_core.imaging.containers.parts import Parts

BLANK = 32
"""Zeros at the end of the coded pixels from which on they may be what a copy that stopped has left."""
FEWER = 8


def take_apart(data: bytes) -> Parts:
    """The file as it is. If its pixels end in zeros, it is also given with fewer of them: coded pixels use all of their
    bytes, so that a decoder that can do without read none of the last."""
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind in (b"VP8 ", b"VP8L"):
            body = data[at + 8 : at + 8 + size]
            kept = len(body.rstrip(b"\0"))
            if len(body) - kept < BLANK:
                break
            less = body[: (len(body) - FEWER) // 2 * 2]
            head = b"RIFF" + struct.pack("<I4s4sI", 12 + len(less), b"WEBP", kind, len(less))
            return Parts(data, shorter=(head + less, kept / len(body)))
        at += 8 + size + size % 2
    return Parts(data)
