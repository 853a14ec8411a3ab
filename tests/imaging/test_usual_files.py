"""The files that people have are read, and each kind that is not says what it is and what to do; which helps."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.costly_images import bmp_runs, jpeg, saved, turned
from lesion_core.errors import ImageTooLargeError, NotAnImageError
from lesion_core.imaging.decode import Limits, decode
from tests.imaging import handmade

Size = tuple[int, int]
"""Width and height."""


def photograph(size: Size) -> np.ndarray:
    """Light that changes slowly."""
    y, x = (np.linspace(0, 1, n, dtype=np.float32) for n in (size[1], size[0]))
    light = (80 * y[:, None] + 80 * x).astype(np.uint8)
    return np.dstack([light + 70, light + 40, light + 20])


def screenshot(size: Size, channels: int = 3) -> np.ndarray:
    """Windows of one colour and lines of small letters."""
    drawn = np.full((size[1], size[0], channels), 240, np.uint8)
    drawn[200:-200, 300:-300] = 255
    letters = np.random.default_rng(0).integers(0, 2, (12, size[0] // 2, 1), np.uint8) * 255
    for top in range(300, size[1] - 300, 200):
        drawn[top : top + 12, size[0] // 4 : size[0] // 4 + size[0] // 2] = letters
    return drawn


def deep(size: Size, ending: str, channels: int = 3) -> bytes:
    """16 bits for each colour."""
    pixels = np.repeat(photograph(size)[..., :1].astype(np.uint16) * 257, channels, axis=2)
    return cv2.imencode(ending, pixels)[1].tobytes()


def bmp_of_16_colours(size: Size) -> bytes:
    body = bytes(range(256)) * (-(-size[0] // 8) * 4 * size[1] // 256 + 1)
    info = struct.pack("<IiiHHIIiiII", 40, *size, 1, 4, 0, 0, 0, 0, 16, 0)
    return b"BM" + struct.pack("<IHHI", 118 + len(body), 0, 0, 118) + info + bytes(range(64)) + body


def in_one_file(size: Size) -> bytes:
    """As cameras write them: a large preview behind the photograph."""
    file = io.BytesIO()
    small = Image.fromarray(photograph((size[0] // 4, size[1] // 4)))
    Image.fromarray(photograph(size)).save(file, "MPO", save_all=True, append_images=[small])
    return file.getvalue()


USUAL: dict[str, tuple[Size, Callable[[Size], bytes]]] = {
    "telephone, 48 megapixels, upright": (
        (6048, 8064), lambda size: turned(jpeg(size[::-1], spread=16, quality=85))),
    "telephone, 50 megapixels": ((8160, 6120), lambda size: jpeg(size, spread=16, quality=85)),
    "camera, 24 megapixels, JPEG of the best quality": (
        (6000, 4000), lambda size: jpeg(size, spread=12, quality=95, subsampling=0)),
    "progressive JPEG": ((6000, 4000), lambda size: jpeg(size, spread=12, quality=85, progressive=True)),
    "JPEG for print, four colours": ((6000, 4000), lambda size: jpeg(size, cmyk=True, spread=6)),
    "several pictures in one JPEG": ((4000, 3000), in_one_file),
    "screenshot": ((6000, 4000), lambda size: saved(screenshot(size), "PNG", compress_level=1)),
    "screenshot with transparency": ((6000, 4000), lambda size: saved(screenshot(size, 4), "PNG", compress_level=1)),
    "PNG of 16 bits": ((4032, 3024), lambda size: deep(size, ".png")),
    "PNG of 16 bits, grey": ((6000, 4000), lambda size: deep(size, ".png", 1)),
    "TIFF of 16 bits": ((4032, 3024), lambda size: deep(size, ".tiff")),
    "TIFF, LZW": ((6000, 4000), lambda size: saved(screenshot(size), "TIFF", compression="tiff_lzw")),
    "TIFF, deflate": ((6000, 4000), lambda size: saved(screenshot(size), "TIFF", compression="tiff_adobe_deflate")),
    "TIFF as it is": ((2592, 1944), lambda size: saved(photograph(size), "TIFF")),
    "WebP": ((4000, 3000), lambda size: saved(photograph(size), "WEBP", method=0)),
    "GIF": ((4000, 3000), lambda size: saved(screenshot(size)[..., :1], "GIF")),
    "BMP": ((2592, 1944), lambda size: saved(photograph(size), "BMP")),
    "BMP of 16 colours": ((6000, 4000), bmp_of_16_colours),
}  # fmt: skip
"""By what people would call them: width and height as they are shown, and how to make one."""


@pytest.mark.slow
@pytest.mark.parametrize("name", USUAL)
def test_what_people_have_is_read(name: str) -> None:
    size, make = USUAL[name]
    data = make(size)
    assert len(data) <= Limits.max_bytes
    assert decode(data).shape == (size[1], size[0], 3)


# Refused -------------------------------------------------------------------------------------------------------------

SIDE = 128
ALLOWED = Limits(max_pixels=SIDE * SIDE)
"""As many as the images below have: what each pixel counts decides."""
PIXELS = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
LAYERED = np.dstack([PIXELS, PIXELS[..., 0]])


def pillow(name: str, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(PIXELS[..., 0] if mode in ("I", "F") else PIXELS)
    picture.convert(mode).save(file, name, **options)
    return file.getvalue()


PLAIN = {name: pillow(name) for name in ("JPEG", "PNG")}


def packed_by(number: int) -> bytes:
    """A TIFF that says so of itself."""
    entry = struct.pack("<HHII", 259, 3, 1, 1)
    data = handmade.tiff(PIXELS, 8, 2)
    assert data.count(entry) == 1
    return data.replace(entry, struct.pack("<HHII", 259, 3, 1, number))


def frame(marker: int, depth: int = 8) -> bytes:
    """A JPEG in another coding."""
    return PLAIN["JPEG"].replace(b"\xff\xc0\0\x11\x08", bytes((0xFF, marker, 0, 0x11, depth)), 1)


EIGHT_BITS = "Save it with 8 bits for each colour"
COUNTED: dict[str, tuple[bytes, str, str, bytes]] = {
    "PNG of 16 bits": (
        handmade.png(PIXELS.astype(np.uint16) * 257, 16, 2), "of 48 bits", EIGHT_BITS, PLAIN["PNG"]),
    "PNG of 16 bits with transparency": (
        handmade.png(LAYERED.astype(np.uint16) * 257, 16, 6), "of 64 bits", EIGHT_BITS, PLAIN["PNG"]),
    "PNG with transparency": (handmade.png(LAYERED, 8, 6), "of 32 bits", "Save it without transparency", PLAIN["PNG"]),
    "TIFF of 16 bits": (
        handmade.tiff(PIXELS.astype(np.uint16) * 257, 16, 2), "of 48 bits", EIGHT_BITS, handmade.tiff(PIXELS, 8, 2)),
    "TIFF of four colours": (
        pillow("TIFF", "CMYK"), "of 32 bits", "Save it in RGB", handmade.tiff(PIXELS, 8, 2)),
    "TIFF of large tiles": (
        handmade.tiff(PIXELS, 8, 2, tile=96), "in tiles of 96 x 96 pixels", "without tiles",
        handmade.tiff(PIXELS, 8, 2)),
    "JPEG of four colours": (pillow("JPEG", "CMYK"), "of four colours", "Save it in RGB", PLAIN["JPEG"]),
    "progressive JPEG": (
        pillow("JPEG", progressive=True, quality=98, subsampling=0), "in 10 scans", "not progressive", PLAIN["JPEG"]),
    "progressive JPEG of four colours": (
        pillow("JPEG", "CMYK", progressive=True), "of four colours in 1. scans", "in RGB .* not progressive",
        PLAIN["JPEG"]),
    "WebP": (pillow("WEBP"), "in a WebP file", "Save it as JPEG or PNG", PLAIN["JPEG"]),
    "BMP in run lengths of 4 bits": (
        bmp_runs((SIDE, SIDE), 4), "in run lengths of 4 bits", "Save it as JPEG or PNG", PLAIN["PNG"]),
}  # fmt: skip
"""What costs more for each pixel: the file, what is said of it, what to do, and a file of who did that."""


@pytest.mark.parametrize("name", COUNTED)
def test_what_costs_more_says_why_and_what_helps(name: str) -> None:
    data, said, remedy, instead = COUNTED[name]
    with pytest.raises(ImageTooLargeError) as caught:
        decode(data, limits=ALLOWED)
    assert re.search(rf"{SIDE} x {SIDE} pixels .*{said}.*ordinary ones; the limit is 16,384\.", caught.value.problem)
    assert re.search(rf"{remedy}.*, or scale it down\.", caught.value.remedy)
    assert decode(instead, limits=ALLOWED).shape == decode(data).shape


NOT_READ: dict[str, tuple[bytes, str]] = {
    **{f"JPEG, frame {marker:X}": (frame(marker), "JPEG in arithmetic coding")
       for marker in (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)},
    **{f"JPEG, frame {marker:X}": (frame(marker), "JPEG in layers") for marker in (0xC5, 0xC6, 0xC7)},
    "JPEG without loss": (frame(0xC3), "JPEG without loss"),
    "JPEG of 12 bits": (frame(0xC1, 12), "JPEG of 12 bits for each colour"),
    "TIFF, old JPEG": (packed_by(6), "TIFF packed by JPEG as TIFF 6.0 had it"),
    "TIFF, WebP": (packed_by(50001), "TIFF packed by WebP"),
    "TIFF, JPEG 2000": (packed_by(34712), "TIFF packed by JPEG 2000"),
    "TIFF, somehow": (packed_by(40123), r"TIFF packed by a way of its own \(compression 40123\)"),
    "TIFF of floating-point numbers": (pillow("TIFF", "F"), "32 bits for each colour, which have no agreed white"),
    "TIFF of large numbers": (pillow("TIFF", "I"), "32 bits for each colour, which have no agreed white"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_not_read_says_what_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))
    data, said = NOT_READ[name]
    with pytest.raises(NotAnImageError, match=said) as caught:
        decode(data)
    assert "save it again as JPEG or PNG" in caught.value.remedy
