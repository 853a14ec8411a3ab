"""JPEG: segments and scans (ITU-T T.81, annex B)."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from lesion_core.imaging.containers.parts import (
    MOST_PIECES,
    CostlyError,
    DamagedError,
    EndsEarlyError,
    NotReadError,
    Parts,
)
from lesion_core.imaging.containers.records import records

MOST_SCANS = 64
"""A progressive image has about ten."""
SCAN_COST, CORRECTION_COST, BYTE_COST, ORDINARY_COST = 16, 64, 16, 6
"""Steps that a scan of a progressive image takes for each block, however few bytes it has; those of one that corrects
coefficients, as it looks at each; those that each byte takes besides; and those that a pixel of an ordinary image is
worth: the ten scans that encoders write take 6.5 for each in full colour, without their bytes."""
MOST_MARKERS = 2**20
"""Of one scan: a restart before each unit of the largest image allowed, and as many bytes of pixels that look like one.
Something is filled in before each."""
MOST_LIKE_MARKERS = 2**22
"""Bytes of a file that look like the beginning of a marker, at each of which is looked."""
SEQUENTIAL, PROGRESSIVE = (0xC0, 0xC1), 0xC2
LOSSLESS, LAYERED, ARITHMETIC = {0xC3}, {*range(0xC5, 0xC8)}, {*range(0xC9, 0xCC), *range(0xCD, 0xD0)}
FRAMES = {*SEQUENTIAL, PROGRESSIVE, *LOSSLESS, *LAYERED, *ARITHMETIC}
SCAN, END, RESTART_INTERVAL = 0xDA, 0xD9, 0xDD
SCAN_ENDS = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")
RESTARTS = re.compile(rb"\xff([\xd0-\xd7])")
BLANK = bytes(16)
"""So many zeros at the end of a file without end marker are not pixels."""
RESTART = re.compile(rb"\xff(?=[\xd0-\xd7])")
OTHER_FILLING = b"\xb6\xd9\x4e\xa7\xd2\x6b" * 8
"""Bits that continue no scan as the zeros do that a decoder takes for missing ones; no byte is FF."""
BEFORE_RESTARTS = OTHER_FILLING[:24]
"""The same before each restart marker, of which there may be many."""


@dataclass
class _File:
    """What was found on the way through the segments."""

    kept: list[bytes] = field(default_factory=lambda: [b"\xff\xd8"])
    info: dict[str, bytes] = field(default_factory=dict)
    kind: int = 0
    frame: bytes = b""
    interval: int = 0
    scans: list[tuple[bytes, bytes, int]] = field(default_factory=list)
    """Header, coded data and restart interval of each."""


def filled(data: bytes) -> bytes:
    """The file with other filling: see `Parts.other`."""
    return _filled(_read(data))


def take_apart(data: bytes) -> Parts:
    """Keep tables, frame, scans and what tells the colours; leave out all other application segments and comments.

    Raises:
        DamagedError: There is no frame or no scan, or a second frame.
        CostlyError: There are too many scans, restarts or segments.
        NotReadError: The coding is one that is not read: only the common two say so where pixels are missing.
    """
    file = _read(data)
    scans = f"in {len(file.scans)} scans" if file.kind == PROGRESSIVE else ""
    colours, instead = ("of four colours", "in RGB as JPEG or PNG") if file.frame[5] == 4 else ("", "as JPEG or PNG")
    return Parts(
        b"".join(file.kept),
        file.info,
        partial(_check, file),
        other=partial(_filled, file),
        bits=8 * file.frame[5],
        area=_steps(file) // ORDINARY_COST,
        because=f"{colours} {scans}".strip(),
        instead=f"{instead}, not progressive" if scans else instead,
    )


def _read(data: bytes) -> _File:
    """As `take_apart`."""
    if data.count(b"\xff") > MOST_LIKE_MARKERS:
        raise CostlyError(f"has more than {MOST_LIKE_MARKERS:,} markers")
    file = _File()
    for marker, body, coded in _segments(data):
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            file.info = records(exif=body) | file.info
        elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            file.info = records(xmp=body.split(b"\0", 1)[1]) | file.info
        elif 0xE0 <= marker <= 0xEF or marker == 0xFE:
            if (marker == 0xE0 and body.startswith(b"JFIF")) or (marker == 0xEE and body.startswith(b"Adobe")):
                file.kept.append(_segment(marker, body))
        else:
            file.kept.append(_segment(marker, body))
            if marker in FRAMES:
                if file.kind:
                    raise DamagedError
                file.kind, file.frame = marker, body
            elif marker == RESTART_INTERVAL:
                file.interval = int.from_bytes(body[:2], "big")
            elif marker == SCAN:
                if coded.count(b"\xff") > MOST_MARKERS:
                    raise CostlyError(f"has more than {MOST_MARKERS:,} markers in a scan")
                file.scans.append((body, coded, file.interval))
                file.kept.append(coded)
                if len(file.scans) > MOST_SCANS:
                    raise CostlyError(f"has more than {MOST_SCANS} scans")
    if len(file.frame) < 6 or not file.scans:
        raise DamagedError
    for kinds, which in ((LOSSLESS, "without loss"), (LAYERED, "in layers"), (ARITHMETIC, "in arithmetic coding")):
        if file.kind in kinds:
            raise NotReadError(f"is a JPEG {which}")
    if file.frame[0] == 12:
        raise NotReadError("is a JPEG of 12 bits for each colour")
    file.kept.append(b"\xff\xd9")
    return file


def _steps(file: _File) -> int:
    """What the scans of a progressive image take, each over all of its blocks."""
    if file.kind != PROGRESSIVE:
        return 0
    _, _, blocks = _blocks(file)
    return BYTE_COST * sum(len(coded) for _, coded, _ in file.scans) + sum(
        blocks.get(name, 0) * (CORRECTION_COST if header[-1] >> 4 and header[-2] else SCAN_COST)
        for header, _, _ in file.scans
        for name in header[1 : 1 + 2 * header[0] : 2]
    )


def _filled(file: _File) -> bytes:
    """The file with other filling after each interval and scan."""
    filled = {id(coded): RESTART.sub(BEFORE_RESTARTS + b"\xff", coded) + OTHER_FILLING for _, coded, _ in file.scans}
    return b"".join(filled.get(id(part), part) for part in file.kept)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, contents, and, of a scan, the coded data that follow, up to the end of the image or of the file."""
    at = 2
    for _ in range(MOST_PIECES):
        found = SCAN_ENDS.search(data, at)  # what stands between segments is passed over, as decoders do
        if found is None:
            return
        at, marker = found.end(), data[found.end() - 1]
        if marker == END:
            return
        if marker in (0x01, 0xD8):  # no contents
            continue
        body = data[at + 2 : at + int.from_bytes(data[at : at + 2], "big")]
        at += 2 + len(body)
        coded = b""
        if marker == SCAN:
            end = SCAN_ENDS.search(data, at)
            coded = data[at : end.start() if end else len(data)]
            at += len(coded)
            if end is None:
                coded = _without_blank_end(coded)
        yield marker, body, coded
    raise CostlyError(f"consists of more than {MOST_PIECES:,} segments")


def _without_blank_end(coded: bytes) -> bytes:
    """The last scan of a file without end marker, without the blanks of a copy that stopped in a file of full size: a
    decoder takes them for data. An encoder fills the last byte with ones."""
    data = coded.rstrip(b"\0" if coded.endswith(BLANK) else b"\xff")
    return data + b"\0" if data.endswith(b"\xff") else data


def _restarts(coded: bytes, units: int, interval: int) -> float:
    """The share of a scan up to the first marker between its intervals that is missing: a decoder makes up the rest."""
    needed = -(-units // interval) - 1
    there = [marker[0] for marker in RESTARTS.findall(coded)]
    for i in range(needed):
        if i >= len(there) or there[i] != 0xD0 + i % 8:
            return (i + 1) / (needed + 1)
    return 1.0


def _blocks(file: _File) -> tuple[int, int, dict[int, int]]:
    """Units of the image across and down, in which all colours are interleaved, and blocks by component.

    Raises:
        DamagedError: The frame is cut off.
    """
    height, width, components = struct.unpack_from(">HHB", file.frame, 1)
    if len(file.frame) < 6 + 3 * components:
        raise DamagedError
    factors = {}
    for i in range(components):
        name, sampling, _ = file.frame[6 + 3 * i : 9 + 3 * i]
        factors[name] = sampling >> 4, sampling & 15
    across, down = (8 * max((max(1, f[i]) for f in factors.values()), default=1) for i in (0, 1))
    blocks = {name: -(-width * x // across) * -(-height * y // down) for name, (x, y) in factors.items()}
    return -(-width // across), -(-height // down), blocks


def _check(file: _File) -> None:
    """Refuse what cannot be whole: coefficients that no scan brings, fewer intervals than there must be, or fewer bits
    than blocks."""
    across, down, blocks = _blocks(file)
    progressive = file.kind == PROGRESSIVE
    seen = dict.fromkeys(blocks, 0)  # a bit for each coefficient
    before = seen  # the last scan, of which nobody knows how much is there
    most, bits, needed = 1.0, 0, 0
    for header, coded, interval in file.scans:
        names = header[1 : 1 + 2 * header[0] : 2]
        if interval:
            units = blocks.get(names[0], 0) if len(names) == 1 else across * down
            most = min(most, _restarts(coded, units, interval))
        before = dict(seen)
        first, last, low = (header[-3], header[-2], header[-1] & 15) if progressive else (0, 63, 0)
        for name in names:
            if low == 0 and name in seen:
                seen[name] |= max(0, 2 ** (min(last, 63) + 1) - 2**first)
        if first == 0:  # else a run of blocks without anything may take one code
            bits += 8 * len(coded)
            needed += sum(blocks.get(name, 0) for name in names) * (1 if progressive else 2)
    if any(found != 2**64 - 1 for found in seen.values()):
        there = sum(blocks[name] * found.bit_count() for name, found in before.items())
        raise EndsEarlyError(there / max(1, 64 * sum(blocks.values())), "at least ")
    if (most := min(most, bits / max(1, needed))) < 1:
        raise EndsEarlyError(most, "at most ", partial(_beginning, file, most))


def _beginning(file: _File, most: float) -> tuple[Parts, float]:
    """A file of the rows that may be there, of which some are not, and the share of the image that these are: it is
    decoded in little time where the frame lies."""
    height = struct.unpack_from(">H", file.frame, 1)[0]
    rows = min(height, 32 + math.ceil(most * height))
    frame = _segment(file.kind, file.frame)
    lower = _segment(file.kind, file.frame[:1] + struct.pack(">H", rows) + file.frame[3:])
    pixels = b"".join(lower if part == frame else part for part in file.kept)
    return Parts(pixels, other=partial(filled, pixels)), rows / height
