"""From the bytes of a picture file to its pixels, safely: every upload passes through here.

The bytes are untrusted. Size is judged from the header before a pixel is decoded, only picture formats
are tried, and whatever a decoder trips over becomes one of the typed errors of `lesion_core.errors`.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesion_core.errors import (
    DataError,
    ImageError,
    ImageTooLargeError,
    ImageTooSmallError,
    NotAnImageError,
    TruncatedImageError,
)
from lesion_core.imaging.formats import SIGNATURES, signature

_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"<svg", "a vector drawing (SVG)"),
    (4, b"ftyp", "a HEIC, AVIF or video file"),
    (128, b"DICM", "a DICOM file"),
)
"""Files that people mistake for pictures that can be read: offset, bytes there, name."""

_ORIENTATIONS: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (tag 0x0112; EXIF 2.32, 4.6.4 A)."""

_SAVE_AGAIN = "Open it in a picture program and save it again as JPEG or PNG."


@dataclass(frozen=True)
class Limits:
    """What a picture may cost.

    Attributes:
        max_bytes: Size of the file.
        max_pixels: Width times height.
        min_side: Pixels of the shorter side.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    min_side: int = 16


def decode(source: bytes | Path, *, limits: Limits = Limits()) -> NDArray[np.uint8]:
    """Decode a picture file to RGB.

    The EXIF orientation is applied, transparency lies on white, 16 bits a channel become 8, and of an
    animation the first frame is taken. Colour profiles are not applied: the models are trained without.

    Args:
        source: The file's bytes, or its path.
        limits: What the picture may cost.

    Returns:
        (H, W, 3) uint8, C-contiguous, writable.

    Raises:
        NotAnImageError: Empty, or not one of the formats in `SIGNATURES`.
        TruncatedImageError: A picture that ends early or is damaged.
        ImageTooLargeError: Over the limit in bytes or pixels.
        ImageTooSmallError: The shorter side is under the limit.
        ImageError: There is no readable file at the path.
    """
    name = f"'{source.name}'" if isinstance(source, Path) else "The picture"
    data = _read(source, limits) if isinstance(source, Path) else source
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(name, len(data), limits)
    if not data:
        raise NotAnImageError(f"{name} is empty (0 bytes).", "Choose another file, or copy it again.")
    known = signature(data)
    if known is None:
        kind = next((text for at, magic, text in _FOREIGN if data[at : at + len(magic)] == magic), "no known picture")
        raise NotAnImageError(f"{name} is {kind}.", f"Give one of {', '.join(SIGNATURES)}.")

    # The parsers below raise nearly any exception on hostile bytes, hence the broad clauses.
    try:
        picture = Image.open(io.BytesIO(data), formats=[known])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(name, "far too many", limits) from None
    except Exception:
        raise TruncatedImageError(
            f"{name} begins like a {known} file, but its header is damaged or cut off.", "Copy or download it again."
        ) from None
    with picture:
        width, height = picture.size
        if width * height > limits.max_pixels:
            raise _too_many_pixels(name, f"{width} x {height}", limits)
        if min(width, height) < limits.min_side:
            raise ImageTooSmallError(
                f"{name} has {width} x {height} pixels, too few to show a lesion.",
                f"Give a picture of at least {limits.min_side} pixels a side.",
            )
        try:
            picture.load()
        except Exception:
            raise TruncatedImageError(
                f"{name} is a {known} file that ends early or is damaged.", "Copy or download it again."
            ) from None
        try:
            return _rgb(_upright(picture))
        except (OSError, ValueError):
            raise NotAnImageError(
                f"{name} has colours of a kind that is not read ({picture.mode}).", _SAVE_AGAIN
            ) from None


def decode_listed(path: str) -> NDArray[np.uint8]:
    """`decode` for a file that a table lists.

    Raises:
        DataError: It cannot be decoded; the message says where it is.
    """
    try:
        return decode(Path(path))
    except ImageError as error:
        raise DataError(f"The picture {path} cannot be used: {error.problem}", error.remedy) from None


def content_hash(image: NDArray[np.uint8]) -> str:
    """16 hex digits that change with any pixel or with the shape: the cache key of a picture.

    Args:
        image: uint8 array of any shape.
    """
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _read(path: Path, limits: Limits) -> bytes:
    if path.is_dir():
        raise ImageError(f"'{path}' is a folder, not a picture.", "Give the path of one file.")
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
        "Save it smaller, for example as JPEG of at most 2000 pixels a side.",
    )


def _too_many_pixels(name: str, found: str, limits: Limits) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} has {found} pixels, the limit is {limits.max_pixels / 1e6:g} million.",
        "Scale it down, for example to 2000 pixels a side.",
    )


def _orientation(picture: Image.Image) -> int:
    """Its EXIF tag, 1 where there is none."""
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF is no reason to refuse the pixels
        return 1


def _upright(picture: Image.Image) -> Image.Image:
    """The picture as its camera was held."""
    orientation = _orientation(picture)
    return picture.transpose(_ORIENTATIONS[orientation]) if orientation in _ORIENTATIONS else picture


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Pixels of any mode as RGB."""
    if picture.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255 where 65535 is white; 257 = 65535 / 255.
        grey = ((np.asarray(picture, dtype=np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise ValueError("32 bits a channel have no agreed white")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def frame_of(path: Path) -> tuple[int, int]:
    """Height and width that `decode` gives a picture that it can read, from the header alone."""
    with Image.open(path) as picture:
        # Of a TIFF, Pillow has turned the size already.
        turned = picture.format != "TIFF" and _orientation(picture) in (5, 6, 7, 8)
        return (picture.width, picture.height) if turned else (picture.height, picture.width)
