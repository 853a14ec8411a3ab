"""How the camera was held, as records beside the pixels say it (Exif 3.0, 4.6.5; XMP part 2)."""

from __future__ import annotations

import re
import struct

ORIENTATION = 0x0112
TYPES = {1: "B", 3: "H", 4: "I"}
"""Bytes, shorts and longs."""
XMP = re.compile(rb'tiff:Orientation(="|>)([0-9])')


def records(exif: bytes | None = None, xmp: bytes | None = None) -> dict[str, bytes]:
    """Records that say the orientation and nothing else, as Pillow names them: of whatever else stands in one, each
    entry could take as much memory as the whole file."""
    found = {}
    if exif is not None and (value := orientation(exif)) is not None:
        entry = struct.pack("<HHIHH", ORIENTATION, 3, 1, value, 0)
        found["exif"] = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    if xmp is not None and (said := XMP.search(xmp)):
        found["xmp"] = said[0]
    return found


def orientation(exif: bytes) -> int | None:
    """The number that an EXIF record gives; None where it gives none."""
    record = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(record[:2])
    if order is None or len(record) < 8:
        return None
    (at,) = struct.unpack_from(f"{order}I", record, 4)
    if at + 2 > len(record):
        return None
    (count,) = struct.unpack_from(f"{order}H", record, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(record) - 11), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", record, entry)
        if tag == ORIENTATION:
            if kind not in TYPES or values != 1:
                return None
            (value,) = struct.unpack_from(f"{order}{TYPES[kind]}", record, entry + 8)
            return int(value) if value < 2**16 else None
    return None
