"""What every format is taken apart into, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MOST_PIECES = 65_536
"""Chunks, segments, strips or tiles of one file: each costs the same to look at, however small it is."""
MOST_TEXT = 2**20
"""Bytes that a compressed text may unpack to and still be looked at for the orientation."""


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
        other: The same pixels with other filling after what may end early: where it decodes to something else, the
            decoder made up what the file lacks. None where `check` sees all there is to see.
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
    other: bytes | None = None
    shorter: tuple[bytes, float] | None = None


class DamagedError(Exception):
    """The structure contradicts itself."""


class EndsEarlyError(Exception):
    """Pixels are missing.

    Attributes:
        share: Of the image that is there, 0 to 1.
        at_most: Whether that is only a bound, found without decoding.
    """

    def __init__(self, share: float, *, at_most: bool = False) -> None:
        self.share, self.at_most = share, at_most
        super().__init__(share)


class CostlyError(Exception):
    """Decoding would cost more than an image may; the text says what, as in 'has 1,000 scans, 64 are the most'."""
