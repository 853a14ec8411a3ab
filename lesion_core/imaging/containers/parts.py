"""What every format is taken apart into, and what can be wrong with it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

MOST_PIECES = 65_536
"""Chunks, segments, strips or tiles of one file: each costs the same to look at, however small it is."""
MOST_TEXT = 2**20
"""Bytes that a text may have, unpacked, and still be looked at for the orientation."""
STEP = 2**16
"""Bytes that are given to deflate at a time: what it leaves is copied."""
ORDINARY_BITS = 24
"""Of the pixel that a limit on pixels counts as one."""


@dataclass(frozen=True)
class Parts:
    """An image file taken apart.

    Attributes:
        pixels: A file of the same format that holds nothing but the first image.
        info: What may tell how the camera was held, as Pillow names it: ``exif``, ``xmp``.
        check: To be called once the size is known to be allowed, before a pixel is decoded; raises `EndsEarlyError`,
            `DamagedError` or `CostlyError`.
        key: The colour that counts as transparent where it has 16 bits a sample, one number for each sample.
        white_is_zero: Grey of more than 8 bits that has to be inverted.
        deepest: The value of white where a grey has more than 8 bits.
        deep_planes: Byte order, ``L`` or ``B``, of samples of 16 bits that lie in a plane for each colour.
        other: Makes the same pixels with other filling after what may end early: where it decodes to something else,
            the decoder made up what the file lacks. None where `check` sees all there is to see.
        bits: Of a pixel as its decoder handles them, of all times that it does so together.
        area: Pixels that are decoded, where these are more than the image shows.
        because: What makes either more than usual, as in 'of 64 bits'.
        instead: How a person saves it so that it counts as usual, as in 'with 8 bits for each colour'.
        shorter: The same without some of the blanks that it ends in, and the share that is not blank: where it can be
            decoded all the same, the blanks are not pixels.
    """

    pixels: bytes
    info: dict[str, bytes] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None
    key: tuple[int, ...] = ()
    white_is_zero: bool = False
    deepest: int = 65535
    deep_planes: str = ""
    other: Callable[[], bytes] | None = None
    bits: int = ORDINARY_BITS
    area: int = 0
    because: str = ""
    instead: str = "as JPEG or PNG"
    shorter: tuple[bytes, float] | None = None

    def counted(self, width: int, height: int) -> int:
        """Ordinary pixels, of `ORDINARY_BITS`, that cost as much to decode as an image of this size."""
        return max(width * height, self.area) * max(ORDINARY_BITS, self.bits) // ORDINARY_BITS


class NotReadError(Exception):
    """Of a kind that is not read; the text says which, as in 'is a JPEG in arithmetic coding'."""


class DamagedError(Exception):
    """The structure contradicts itself."""


class EndsEarlyError(Exception):
    """Pixels are missing.

    Attributes:
        share: Of the image that is there, 0 to 1.
        how: What is to be said before the share: ``at most`` or ``at least`` where it is a bound, found without
            decoding, ``about`` where it is that of the coded bytes; nothing where it is that of the pixels.
        begins: Makes a file of the rows that may be there, from which the share can be told, and the share of the image
            that these are.
    """

    def __init__(self, share: float, how: str = "", begins: Callable[[], tuple[Parts, float]] | None = None) -> None:
        self.share, self.how, self.begins = share, how, begins
        super().__init__(share)


class CostlyError(Exception):
    """Decoding would cost more than an image may; the text says what, as in 'has 1,000 scans, 64 are the most'."""


def inflated(pieces: Iterable[bytes | memoryview], needed: int) -> int:
    """Bytes that one deflate stream in pieces gives, at most those that are needed, of which none is kept."""
    stream, there = zlib.decompressobj(), 0
    with suppress(zlib.error):
        for piece in pieces:
            for at in range(0, len(piece), STEP):
                rest = piece[at : at + STEP]
                while rest and not stream.eof and there < needed:
                    there += len(stream.decompress(rest, 2**20))
                    rest = stream.unconsumed_tail
        if there < needed:
            there += len(stream.flush())
    return min(there, needed)
