"""From the bytes of an image file to its pixels, safely: every upload passes through here.

The bytes are untrusted. Size is judged from the header before a pixel is decoded, only image formats
are tried, and whatever a decoder trips over becomes one of the typed errors of `lesion_core.errors`.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

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
from lesion_core.imaging.containers.dissect import take_apart
from lesion_core.imaging.containers.parts import CostlyError, EndsEarlyError, Parts
from lesion_core.imaging.formats import SIGNATURES, signature
from lesion_core.imaging.geometry import reduced_size
from lesion_core.imaging.pixels import to_rgb, upright

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
MOST_WEBP = 30_000_000
"""Pixels of a WebP image, whose decoder holds four copies of 4 bytes per pixel."""
MOST_DEEP = 12_500_000
"""Pixels up to which 16 bits are rounded to 8: of more the upper 8 are taken, as a second image in memory is much."""
STRIP = 16
"""Rows that are compared at a time to find where a file ends."""
BAND = 2**22
"""Pixels of which one checksum is made: most images are one band, and none is copied whole."""
_SAVE_AGAIN = "Open it in an image program and save it again as JPEG or PNG."


@dataclass(frozen=True)
class Limits:
    """What an image may cost.

    Attributes:
        max_bytes: Size of the file.
        max_pixels: Width times height; of a WebP image at most `MOST_WEBP`.
        min_side: Pixels of the shorter side, as far as they are used: see `geometry.reduced_size`.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
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
    name = f"'{source.name}'" if isinstance(source, Path) else "The image"
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
        picture = _opened(parts, known)
    except CostlyError as error:
        raise _too_costly(name, error) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(name, "far too many", limits) from None
    except Exception:
        raise TruncatedImageError(
            f"{name} begins like a {known} file, but its header is damaged, cut off or of a kind that is not read.",
            "Copy or download it again, or save it as JPEG or PNG.",
        ) from None
    with picture:
        width, height = picture.size
        most = min(limits.max_pixels, MOST_WEBP) if known == "WEBP" else limits.max_pixels
        if width * height > most:
            raise _too_many_pixels(name, f"{width} x {height}", replace(limits, max_pixels=most))
        check_side(width, height, name, limits)
        used = reduced_size(height, width)  # which counts, as a model is shown no more
        check_side(used[1], used[0], f"{name}, reduced from {width} x {height},", limits)
        try:
            parts.check()
            if parts.shorter and _can_be_decoded(parts.shorter[0], known):
                raise EndsEarlyError(parts.shorter[1], at_most=True)
            expected = _filled_otherwise(parts, known)
            low = _low_bytes(parts, known, picture)
            picture.load()
            if expected and _checksums(picture) != expected:
                raise EndsEarlyError(_share(picture, parts, known))
        except CostlyError as error:
            raise _too_costly(name, error) from None
        except EndsEarlyError as error:
            raise TruncatedImageError(
                f"{name} is a {known} file that ends early or is damaged: {'at most ' * error.at_most}"
                f"{int(100 * error.share)} % of the image is there.",
                "Copy or download it again.",
            ) from None
        except Exception:
            raise TruncatedImageError(
                f"{name} is a {known} file that ends early or is damaged.", "Copy or download it again."
            ) from None
        try:
            return to_rgb(upright(picture), parts, upright(low) if low else None)
        except (OSError, ValueError):
            raise NotAnImageError(
                f"{name} has colours of a kind that is not read ({picture.mode}).", _SAVE_AGAIN
            ) from None


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
        raise DataError(f"The image {path} cannot be used: {error.problem}", error.remedy) from None


def content_hash(image: NDArray[np.uint8]) -> str:
    """16 hex digits that change with any pixel or with the shape: the cache key of an image.

    Args:
        image: uint8 array of any shape.
    """
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _read(path: Path, limits: Limits) -> bytes:
    if path.is_dir():
        raise ImageError(f"'{path}' is a folder, not an image.", "Give the path of one file.")
    if not path.is_file():
        raise ImageError(f"There is no file at '{path}'.", "Check the path.")
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise _too_many_bytes(f"'{path.name}'", size, limits)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read: {error.strerror}.", "Check its permissions.") from None


def _too_many_bytes(name: str, size: int, limits: Limits) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} has {size / 2**20:.1f} MiB, the limit is {limits.max_bytes / 2**20:.1f} MiB.",
        "Save it smaller, for example as JPEG of at most 2,000 pixels per side.",
    )


def _too_costly(name: str, error: CostlyError) -> ImageTooLargeError:
    return ImageTooLargeError(f"{name} {error}, which would take too long or too much memory.", _SAVE_AGAIN)


def _too_many_pixels(name: str, found: str, limits: Limits) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} has {found} pixels, the limit is {limits.max_pixels / 1e6:g} million.",
        "Scale it down, for example to 2,000 pixels per side.",
    )


def _opened(parts: Parts, known: str, *, other: bool = False) -> ImageFile.ImageFile:
    """The pixels' file, its header read."""
    picture = Image.open(io.BytesIO(parts.other if other and parts.other else parts.pixels), formats=[known])
    picture.info.update(parts.info)
    if parts.deep_planes:  # which Pillow takes for planes of 8 bits where they are not compressed
        picture.tile = [
            tile._replace(args=(f"{tile.args[0]};16{parts.deep_planes}", *tile.args[1:]))
            if isinstance(tile.args, tuple) and tile.args[0] in tuple("RGBA")
            else tile
            for tile in picture.tile
        ]
    return picture


def _filled_otherwise(parts: Parts, known: str) -> list[int]:
    """Checksums of the image as it is where the decoder fills what is missing with something else; none where that
    need not be tried. Made first and let go, as the image itself takes as much memory."""
    if parts.other is None:
        return []
    with _opened(parts, known, other=True) as picture:
        picture.load()
        return _checksums(picture)


def _can_be_decoded(data: bytes, known: str) -> bool:
    try:
        with _opened(Parts(data), known) as picture:
            picture.load()
    except Exception:
        return False
    return True


def _share(picture: Image.Image, parts: Parts, known: str) -> float:
    """How much of an image whose end was made up is there: up to the first pixel that depends on how it was filled."""
    with _opened(parts, known, other=True) as other:
        other.load()
        for top in range(0, picture.height, STRIP):
            box = 0, top, picture.width, min(top + STRIP, picture.height)
            one, two = (np.asarray(p.crop(box)).reshape(box[3] - top, picture.width, -1) for p in (picture, other))
            differs = (one != two).any(axis=2)
            if differs.any():
                rows, left = int(differs.any(axis=1).argmax()), int(differs.any(axis=0).argmax())
                return min(0.99, (top + rows + STRIP * left / picture.width) / picture.height)
    return 0.0


def _low_bytes(parts: Parts, known: str, picture: ImageFile.ImageFile) -> Image.Image | None:
    """The lower bytes of samples of 16 bits, of which Pillow keeps the upper: the file read in the other byte order.

    Args:
        parts: The file.
        known: Its format.
        picture: It with its header read and no pixel.
    """
    if picture.width * picture.height > MOST_DEEP:
        return None
    tiles = []
    for tile in picture.tile:
        raw, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if str(raw)[:-1] not in DEEP:
            return None
        other = raw[:-1] + ("B" if raw[-1] == "L" or (raw[-1] == "N" and sys.byteorder == "little") else "L")
        tiles.append(tile._replace(args=(other, *rest) if rest else other))
    low = _opened(parts, known)
    low.tile = tiles
    low.load()
    return low


def _checksums(picture: Image.Image) -> list[int]:
    """A checksum of every `BAND` pixels, in whole rows."""
    width, height = picture.size
    step = max(1, BAND // width)
    if step >= height:  # a crop copies all that Pillow knows of an image, which of a small one takes longer
        return [zlib.crc32(picture.tobytes())]
    rows = range(0, height, step)
    return [zlib.crc32(picture.crop((0, y, width, min(y + step, height))).tobytes()) for y in rows]


def header_of(path: Path) -> Image.Image:
    """An image that `decode` can read, its header read and no pixel; to be closed. Pillow, given the file itself, may
    trip over what lies beside the pixels."""
    data = path.read_bytes()
    known = signature(data) or ""
    return _opened(take_apart(known, data), known)


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
