"""From the bytes of an image file to its pixels, safely: every upload passes through here.

The bytes are untrusted. Size is judged from the header before a pixel is decoded, only image formats
are tried, and whatever a decoder trips over becomes one of the typed errors of `lesion_core.errors`.
"""

from __future__ import annotations

import hashlib
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from lesion_core.errors import (
    DataError,
    ImageError,
    ImageTooLargeError,
    ImageTooSmallError,
    NotAnImageError,
    TruncatedImageError,
)
from lesion_core.foreign_text import shown
from lesion_core.imaging.containers.dissect import opened, take_apart
from lesion_core.imaging.containers.parts import CostlyError, DamagedError, EndsEarlyError, NotReadError, Parts
from lesion_core.imaging.formats import SIGNATURES, signature
from lesion_core.imaging.geometry import reduced_size
from lesion_core.imaging.pixels import WITHOUT_WHITE, to_rgb, upright
from lesion_core.imaging.wholeness import (
    can_be_decoded,
    checksums,
    filled_otherwise,
    share_told,
    share_until,
    share_written,
)

_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"<svg", "a vector drawing (SVG)"),
    (4, b"ftyp", "a HEIC, AVIF or video file"),
    (128, b"DICM", "a DICOM file"),
)
"""Files that people mistake for images that can be read: offset, bytes there, name."""

DEEP = tuple(f"{raw};16" for raw in ("RGB", "RGBA", "RGBX", "CMYK", *"RGBA"))
"""Pillow's names of colours with 16 bits a sample, without the letter of the byte order."""
_SAVE_AGAIN = "Open it in an image program and save it again as JPEG or PNG."


@dataclass(frozen=True)
class Limits:
    """What an image may cost.

    Attributes:
        max_bytes: Size of the file.
        max_pixels: Width times height in pixels of 24 bits, of which each takes about 12 bytes of memory and 35 ns; a
            pixel of more bits, or one that the format makes decode again and again, counts for more (`Parts.counted`).
            The default is the largest photograph of today's phones, 8192 x 6144.
        min_side: Pixels of the shorter side, as far as they are used: see `geometry.reduced_size`.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 8192 * 6144
    min_side: int = 16


def decode(source: bytes | Path, *, limits: Limits = Limits()) -> NDArray[np.uint8]:
    """Decode an image file to RGB.

    The EXIF orientation is applied, transparency lies on white, 16 bits per channel become 8, and of an
    animation the first frame is taken. Colour profiles are not applied: the models are trained without.

    Args:
        source: The file's bytes, or its path.
        limits: What the image may cost.

    Returns:
        (H, W, 3) uint8, C-contiguous, writable.

    Raises:
        NotAnImageError: Empty, or not one of the formats in `SIGNATURES`.
        TruncatedImageError: An image that ends early or is damaged.
        ImageTooLargeError: Over the limit in bytes or pixels, or built so that decoding would cost too much.
        ImageTooSmallError: The shorter side is under the limit, or would be once a large image is reduced.
        ImageError: There is no readable file at the path.

    Examples:
        >>> import cv2
        >>> ok = cv2.imencode(".png", np.zeros((40, 60, 3), np.uint8))[1]
        >>> decode(ok.tobytes()).shape
        (40, 60, 3)
    """
    name = f"'{shown(source.name)}'" if isinstance(source, Path) else "The image"
    data = _read(source, limits) if isinstance(source, Path) else source
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(name, len(data), limits)
    if not data:
        raise NotAnImageError(f"{name} is empty (0 bytes).", "Choose another file, or copy it again.")
    known = signature(data)
    if known is None:
        kind = next(
            (text for at, magic, text in _FOREIGN if data[at : at + len(magic)] == magic), "not in a known format"
        )
        raise NotAnImageError(f"{name} is {kind}.", f"Give one of {', '.join(SIGNATURES)}.")

    # The parsers below raise nearly any exception on hostile bytes, hence the broad clauses.
    try:
        parts = take_apart(known, data)
        picture = opened(parts, known)
    except CostlyError as error:
        raise _too_costly(name, error) from None
    except NotReadError as error:
        raise NotAnImageError(f"{name} {error}, which is not read.", _SAVE_AGAIN) from None
    except EndsEarlyError as error:
        raise _ends_early(name, known, error.share, error.how) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(name, "far too many pixels", limits) from None
    except Exception:
        raise TruncatedImageError(
            f"{name} begins like a {known} file, but its header is damaged, cut off or of a kind that is not read.",
            "Copy or download it again, or save it as JPEG or PNG.",
        ) from None
    with picture:
        width, height = picture.size
        if width * height > limits.max_pixels:
            raise _too_many_pixels(name, f"{width} x {height} pixels", limits)
        if (counted := parts.counted(width, height)) > limits.max_pixels:
            found = (
                f"{width} x {height} pixels {parts.because}, which cost as much as {_millions(counted)} ordinary ones"
            )
            raise _too_many_pixels(name, found, limits, f"Save it {parts.instead}, or scale it down.")
        check_side(width, height, name, limits)
        used = reduced_size(height, width)  # which counts, as a model is shown no more
        check_side(used[1], used[0], f"{name}, reduced from {width} x {height},", limits)
        if picture.mode in WITHOUT_WHITE:
            raise NotAnImageError(f"{name} has 32 bits for each colour, which have no agreed white.", _SAVE_AGAIN)
        try:
            parts.check()
            if parts.shorter and can_be_decoded(parts.shorter[0], known):
                raise EndsEarlyError(parts.shorter[1], "about ")
            expected = filled_otherwise(parts, known)
            low = _low_bytes(parts, known, picture)
            picture.load()
            if expected and (found_sums := checksums(picture)) != expected:
                raise EndsEarlyError(share_until(picture, parts, known, (expected, found_sums)))
        except CostlyError as error:
            raise _too_costly(name, error) from None
        except EndsEarlyError as error:
            raise _ends_early(name, known, *share_told(error, known)) from None
        except DamagedError:
            raise _ends_early(name, known, None) from None
        except Exception:
            picture.close()
            raise _ends_early(name, known, share_written(parts, known)) from None
        return to_rgb(upright(picture), parts, upright(low) if low else None)


def check_side(width: int, height: int, name: str = "The image", limits: Limits = Limits()) -> None:
    """Refuse an image, or what a model would be shown of it, that has too few pixels.

    Raises:
        ImageTooSmallError: The shorter side is under the limit.
    """
    if min(width, height) < limits.min_side:
        raise ImageTooSmallError(
            f"{name} has {width} x {height} pixels, too few to show a lesion.",
            f"Give an image of at least {limits.min_side} pixels per side.",
        )


def decode_listed(path: str) -> NDArray[np.uint8]:
    """`decode` for a file that a table lists.

    Raises:
        DataError: It cannot be decoded; the message says where it is.
    """
    try:
        return decode(Path(path))
    except ImageError as error:
        raise DataError(f"The image {shown(str(path), 200)} cannot be used: {error.problem}", error.remedy) from None


def content_hash(image: NDArray[np.uint8] | NDArray[np.bool_]) -> str:
    """16 hex digits that change with any pixel or with the shape: the cache key of an image.

    A page asks for that of its image a dozen times. Of an array that owns its pixels and is read-only it is computed
    once for as long as the array lives.

    Args:
        image: uint8 array, or a mask, of any shape.
    """
    if image.flags.writeable or not image.flags.owndata:
        return _digest(image)
    place = id(image)
    known = _digests.get(place)
    if known is None or known[0]() is not image:
        # The array's place in memory is another's only after the callback, which forgets it.
        known = weakref.ref(image, lambda _: _digests.pop(place, None)), _digest(image)
        _digests[place] = known
    return known[1]


_digests: dict[int, tuple[weakref.ref[NDArray[Any]], str]] = {}


def _digest(image: NDArray[Any]) -> str:
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _read(path: Path, limits: Limits) -> bytes:
    if path.is_dir():
        raise ImageError(f"'{shown(str(path), 200)}' is a folder, not an image.", "Give the path of one file.")
    if not path.is_file():
        raise ImageError(f"There is no file at '{shown(str(path), 200)}'.", "Check the path.")
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise _too_many_bytes(f"'{shown(path.name)}'", size, limits)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(
            f"'{shown(str(path), 200)}' cannot be read: {error.strerror}.", "Check its permissions."
        ) from None


def _too_many_bytes(name: str, size: int, limits: Limits) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} has {size / 2**20:.1f} MiB, the limit is {limits.max_bytes / 2**20:.1f} MiB.",
        "Save it smaller, for example as JPEG of at most 2,000 pixels per side.",
    )


def _too_costly(name: str, error: CostlyError) -> ImageTooLargeError:
    return ImageTooLargeError(f"{name} {error}, which would take too long or too much memory.", _SAVE_AGAIN)


def _too_many_pixels(
    name: str, found: str, limits: Limits, remedy: str = "Scale it down, for example to 2,000 pixels per side."
) -> ImageTooLargeError:
    return ImageTooLargeError(f"{name} has {found}; the limit is {_millions(limits.max_pixels)}.", remedy)


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:,.3g} million" if pixels >= 1e6 else f"{pixels:,}"


def _ends_early(name: str, known: str, share: float | None, how: str = "") -> TruncatedImageError:
    there = "" if share is None else f": {how}{int(100 * share)} % of the image is there"
    return TruncatedImageError(
        f"{name} is a {known} file that ends early or is damaged{there}.", "Copy or download it again."
    )


def _low_bytes(parts: Parts, known: str, picture: ImageFile.ImageFile) -> Image.Image | None:
    """The lower bytes of samples of 16 bits, of which Pillow keeps the upper: the file read in the other byte order.

    Args:
        parts: The file.
        known: Its format.
        picture: It with its header read and no pixel.
    """
    tiles = []
    for tile in picture.tile:
        raw, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if str(raw)[:-1] not in DEEP:
            return None
        other = raw[:-1] + ("B" if raw[-1] == "L" or (raw[-1] == "N" and sys.byteorder == "little") else "L")
        tiles.append(tile._replace(args=(other, *rest) if rest else other))
    if not tiles:
        return None
    low = opened(parts, known)
    low.tile = tiles
    low.load()
    return low


def header_of(path: Path) -> Image.Image:
    """An image that `decode` can read, its header read and no pixel; to be closed. Pillow, given the file itself, may
    trip over what lies beside the pixels."""
    data = path.read_bytes()
    known = signature(data) or ""
    return opened(take_apart(known, data), known)


def frame_of(path: Path) -> tuple[int, int]:
    """Height and width that `decode` gives an image that it can read, from the header alone."""
    with header_of(path) as picture:
        # Of a TIFF, Pillow has turned the size already.
        turned = picture.format != "TIFF" and _orientation(picture) in (5, 6, 7, 8)
        return (picture.width, picture.height) if turned else (picture.height, picture.width)


def _orientation(picture: Image.Image) -> object:
    """Its EXIF tag, 1 where there is none."""
    try:
        return Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1)  # a PNG's own would decode the pixels
    except Exception:
        return 1
