"""TIFF: directories, strips and tiles (TIFF 6.0, Adobe 1992)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from lesion_core.imaging.containers import jpeg
from lesion_core.imaging.containers.parts import (
    MOST_PIECES,
    CostlyError,
    DamagedError,
    EndsEarlyError,
    NotReadError,
    Parts,
    inflated,
)

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIPS, ORIENTATION, SAMPLES, ROWS, STRIP_SIZES, PLANAR = 273, 274, 277, 278, 279, 284
FAX_OPTIONS, PREDICTOR, PALETTE = (292, 293), 317, 320
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES = 322, 323, 324, 325
INKS, EXTRA, FORMAT, JPEG_TABLES, OLD_JPEG, YCBCR = (332, 334), 338, 339, 347, range(512, 522), range(529, 533)
NEEDED = frozenset(
    (
        *(WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIPS, ORIENTATION, SAMPLES, ROWS, STRIP_SIZES),
        *(PLANAR, *FAX_OPTIONS, PREDICTOR, PALETTE, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES, *INKS, EXTRA, FORMAT),
        *(JPEG_TABLES, *OLD_JPEG, *YCBCR),
    )
)
"""Tags that decide what the pixels are; all others (texts, profiles, resolution, thumbnails) are left out."""
TYPES = {1: "B", 3: "H", 4: "I"}
"""Bytes, shorts and longs: what sizes and places are written in."""
SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
"""Bytes of a value of each type."""
RAW, DEFLATE, FAX, GROUP_3, JPEG = 1, (8, 32946), (2, 3, 4), 3, 7
LZW, PACKBITS, LZMA, ZSTANDARD = 5, 32773, 34925, 50000
READ = frozenset((RAW, *DEFLATE, *FAX, JPEG, LZW, PACKBITS, LZMA, ZSTANDARD))
"""Ways of packing whose decoders say that something is missing, or are asked with another filling."""
NOT_READ = {
    6: "JPEG as TIFF 6.0 had it", 32809: "ThunderScan", 34661: "JBIG", 34676: "SGI Log", 34677: "SGI Log",
    34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
"""Others that people may meet."""
LINE_ENDS = b"\x00\x10\x01" * 16
"""Other filling for faxes of group 3, whose decoders pass over all bits up to the next end of a line (ITU-T T.4)."""
BLANK = bytes(16)
"""So many zeros at the end of a strip are a copy that stopped: an encoder packs them, or closes with another code."""
MOST_TAGS = 2**21
"""Bytes of all tags that are kept, which Pillow reads one by one, wherever they lie."""


@dataclass(frozen=True)
class _Directory:
    data: bytes
    order: str
    entries: dict[int, bytes]

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The values of a tag."""
        if tag not in self.entries:
            return default
        kind, count = struct.unpack_from(f"{self.order}HI", self.entries[tag], 2)
        if kind not in TYPES:
            raise DamagedError
        if count > MOST_PIECES:
            raise CostlyError(f"consists of more than {MOST_PIECES:,} strips or tiles")
        form = f"{self.order}{count}{TYPES[kind]}"
        if struct.calcsize(form) <= 4:
            return struct.unpack_from(form, self.entries[tag], 8)
        (at,) = struct.unpack_from(f"{self.order}I", self.entries[tag], 8)
        if at + struct.calcsize(form) > len(self.data):
            raise DamagedError
        return struct.unpack_from(form, self.data, at)

    def number(self, tag: int, default: int) -> int:
        return next(iter(self.numbers(tag, (default,))), default)


def take_apart(data: bytes) -> Parts:
    """Keep the tags of the first directory that decide what the pixels are.

    Raises:
        DamagedError: The directory is not in the file.
        CostlyError: It is far too long, or strips lie upon each other.
        NotReadError: The pixels are packed in a way that is not read.
    """
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    if at + 2 > len(data):
        raise DamagedError
    (count,) = struct.unpack_from(f"{order}H", data, at)
    entries: dict[int, bytes] = {}
    for i in range(count):
        entry = data[at + 2 + 12 * i : at + 14 + 12 * i]
        if len(entry) < 12:
            break
        (tag,) = struct.unpack_from(f"{order}H", entry)
        if tag in NEEDED:
            entries.setdefault(tag, entry)
    file = _Directory(data, order, dict(entries))
    held = (struct.unpack_from(f"{order}HI", entry, 2) for entry in entries.values())
    if sum(count * SIZES[kind] for kind, count in held if kind < len(SIZES)) > MOST_TAGS:
        raise CostlyError(f"has more than {MOST_TAGS // 2**20} MiB of tags")
    if file.number(COMPRESSION, RAW) not in READ:
        packing = file.number(COMPRESSION, RAW)
        raise NotReadError(f"is a TIFF packed by {NOT_READ.get(packing, f'a way of its own (compression {packing})')}")
    for place, size in ((STRIPS, STRIP_SIZES), (TILES, TILE_SIZES)):
        pairs = zip(file.numbers(place), file.numbers(size), strict=False)
        if sum(max(0, min(length, len(data) - start)) for start, length in pairs) > 2 * len(data):
            raise CostlyError("has strips or tiles that lie upon each other")
    depth, inverted = max(file.numbers(BITS, (1,))), False
    if depth in (12, 16) and file.number(SAMPLES, 1) == 1 and (inverted := file.number(PHOTOMETRIC, 0) == 0):
        # Pillow reads this polarity in some of the ways only, and does not invert it.
        entries[PHOTOMETRIC] = struct.pack(f"{order}HHIHH", PHOTOMETRIC, 3, 1, 1, 0)
    directory = _packed(order, entries)
    room = 2 + 12 * count + 4
    # Written over the old one, which is at least as long but for the last four bytes, which some files lack.
    pixels = data[:at] + directory[:room] + data[at + len(directory[:room]) :]
    other = partial(_filled, file, pixels) if file.number(COMPRESSION, RAW) in (JPEG, *FAX) else None
    planes = ("L" if order == "<" else "B") if depth == 16 and file.number(PLANAR, 1) == 2 else ""
    samples = max(1, file.number(SAMPLES, 1))
    because, area = f"of {depth * samples} bits", 0
    instead = "with 8 bits for each colour" if depth == 16 else "in RGB"
    if TILES in file.entries:
        grid = _grid(file)
        because += f" in tiles of {grid.across:,} x {grid.down:,} pixels"
        area = grid.rows * grid.columns * grid.across * grid.down
        instead += " and without tiles"
    return Parts(
        pixels,
        check=partial(_check, file),
        white_is_zero=inverted,
        deepest=2**depth - 1,
        deep_planes=planes,
        other=other,
        bits=depth * samples * (2 if depth == 16 and samples > 2 else 1),  # upper and lower bytes
        area=area,
        because=because,
        instead=instead,
    )


@dataclass(frozen=True)
class _Grid:
    """How an image is divided into strips or tiles: their sides, and how many there are."""

    across: int
    down: int
    columns: int
    rows: int


def _grid(file: _Directory) -> _Grid:
    """Of a file. A strip is as high as the image at most.

    Raises:
        DamagedError: A side is nothing.
    """
    width, height = file.number(WIDTH, 0), file.number(HEIGHT, 0)
    if TILES in file.entries:
        across, down = file.number(TILE_WIDTH, 0), file.number(TILE_HEIGHT, 0)
    else:
        across, down = width, min(file.number(ROWS, height), height)
    if not (across and down):
        raise DamagedError
    return _Grid(across, down, -(-width // across), -(-height // down))


def _check(file: _Directory) -> None:
    """Refuse strips and tiles that lie outside of the file or unpack to too little."""
    height, grid = file.number(HEIGHT, 0), _grid(file)
    samples, planar = file.number(SAMPLES, 1), file.number(PLANAR, 1) == 2
    depth = max(file.numbers(BITS, (1,)))
    bits = depth * (1 if planar else samples)
    tiled = TILES in file.entries
    places, sizes = (file.numbers(tag) for tag in ((TILES, TILE_SIZES) if tiled else (STRIPS, STRIP_SIZES)))
    if not places:
        raise DamagedError
    pieces = grid.rows * grid.columns * (samples if planar else 1)
    if len(places) < pieces:
        raise EndsEarlyError(len(places) / pieces)
    compression = file.number(COMPRESSION, RAW)
    whole = there = 0
    for i in range(pieces):
        lines = grid.down if tiled else min(grid.down, height - grid.down * (i % grid.rows))
        needed = lines * -(-grid.across * bits // 8)
        size = sizes[i] if i < len(sizes) else len(file.data)
        piece = memoryview(file.data)[places[i] : places[i] + size]
        whole += needed
        if compression == RAW:
            there += min(needed, len(piece))
        elif compression in DEFLATE:
            there += inflated((piece,), needed)
        elif compression in (LZW, PACKBITS) and bytes(piece[-len(BLANK) :]) == BLANK:
            there += needed * len(bytes(piece).rstrip(b"\0")) // len(piece)
        elif i >= len(sizes) or len(piece) == size:
            there += needed
    if there < whole:
        raise EndsEarlyError(there / whole)


def _filled(file: _Directory, pixels: bytes) -> bytes:
    """The file with other filling at the end of each strip or tile, for codes whose decoders make up what is missing:
    the strips anew behind the file, and a directory that says so."""
    place, size = (TILES, TILE_SIZES) if TILES in file.entries else (STRIPS, STRIP_SIZES)
    places, sizes = file.numbers(place), file.numbers(size)
    if not places or len(places) != len(sizes):
        raise DamagedError
    pieces = [file.data[at : at + length] for at, length in zip(places, sizes, strict=True)]
    if file.number(COMPRESSION, RAW) == JPEG:
        pieces = [jpeg.filled(piece) for piece in pieces]
    else:
        filling = LINE_ENDS if file.number(COMPRESSION, RAW) == GROUP_3 else jpeg.OTHER_FILLING
        pieces = [piece + filling for piece in pieces]
    end = len(pixels) + len(pixels) % 2
    out = pixels + bytes(len(pixels) % 2) + b"".join(pieces)
    lengths = [len(piece) for piece in pieces]
    starts = list(accumulate(lengths[:-1], initial=end))
    entries = dict(file.entries)
    for tag, values in ((place, starts), (size, lengths)):
        packed = struct.pack(f"{file.order}{len(values)}I", *values)
        inline = packed if len(values) == 1 else struct.pack(f"{file.order}I", len(out))
        entries[tag] = struct.pack(f"{file.order}HHI", tag, 4, len(values)) + inline
        out += b"" if len(values) == 1 else packed
    return out[:4] + struct.pack(f"{file.order}I", len(out)) + out[8:] + _packed(file.order, entries)


def _packed(order: str, entries: dict[int, bytes]) -> bytes:
    """A directory that no other follows."""
    return struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
