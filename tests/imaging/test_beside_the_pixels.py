"""What lies beside the pixels (texts, profiles, records, thumbnails, further images, trailing bytes) never decides
whether they are read, and costs little."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesion_core.imaging.decode import decode, frame_of, header_of
from tests.imaging.handmade import chunk, gif, png, tiff

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about records that are junk

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 32, 3)).astype(np.uint8)
INDICES = RNG.integers(0, 4, (24, 32, 1))
PALETTE = RNG.integers(0, 256, (4, 3))

LONG = zlib.compress(b"x" * (2**20 + 10))
BOMB = zlib.compress(bytes(50_000_000))
JUNK = (b"", b"\0", b"\xff" * 40, RNG.bytes(300), b"\0" * 5000)
EXIF = (
    b"II*\0\xff\xff\xff\xff",
    b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 100,
    b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 0x0112, 2, 2**31, 8) + struct.pack("<HHII", 0x011A, 5, 1, 2**31),
    # A resolution with a zero below the line, an orientation that is a text, a directory that points to itself.
    b"II*\0\x08\0\0\0\x03\0" + struct.pack("<HHII", 0x0112, 2, 4, 0x36363636)
    + struct.pack("<HHII", 0x011A, 5, 1, 0) + struct.pack("<HHII", 0x8769, 4, 1, 8) + bytes(4),
)  # fmt: skip


def png_chunks() -> dict[str, bytes]:
    found = {
        f"{kind.decode()} {name}": chunk(kind, head + packed)
        for kind, head in ((b"zTXt", b"k\0\0"), (b"iCCP", b"k\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
                           (b"zTXt", b"Raw profile type exif\0\0"))
        for name, packed in (("long", LONG), ("bomb", BOMB), ("cut", LONG[:50]), ("junk", b"\xff" * 30))
    }  # fmt: skip
    for kind in b"tEXt zTXt iTXt iCCP eXIf gAMA cHRM pHYs sRGB acTL fcTL fdAT caBX prVt".split():
        for i, junk in enumerate(JUNK):
            found[f"{kind.decode()} {i}"] = chunk(kind, junk)
        found[f"{kind.decode()} with a wrong checksum"] = chunk(kind, b"k\0\0text")[:-1] + b"\x55"
    return found | {f"eXIf as EXIF {i}": chunk(b"eXIf", exif) for i, exif in enumerate(EXIF)}


def jpeg_segments() -> dict[str, bytes]:
    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    heads = (b"", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0\1\2", b"MPF\0", b"FPXR\0",
             b"Photoshop 3.0\0", b"JFXX\0\x10")  # fmt: skip
    found = {
        f"APP{number} {head[:6]!r} {i}": segment(0xE0 + number, head + junk)
        for number in (1, 2, 13, 15)
        for head in heads
        for i, junk in enumerate((*JUNK, *EXIF))
    }
    return found | {f"comment {i}": segment(0xFE, junk) for i, junk in enumerate(JUNK)}


def tiff_tags() -> dict[str, tuple[tuple[int, int, bytes], ...]]:
    """Texts, resolution, profiles, records and thumbnails of each type and with junk in them."""
    tags = (270, 282, 283, 296, 305, 306, 315, 330, 700, 33723, 34377, 34665, 34675, 34853, 37724, 50341)
    return {
        f"{tag} type {kind} {i}": ((tag, kind, junk[: len(junk) // 8 * 8] or bytes(8)),)
        for tag in tags
        for kind in (1, 2, 3, 4, 5, 7)
        for i, junk in enumerate(JUNK[1:])
    }


def check(data: bytes, expected: np.ndarray, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        found = decode(data)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, expected)
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert frame_of(path) == expected.shape[:2]
    with header_of(path) as picture:
        assert sorted(picture.size) == sorted(expected.shape[:2])


def test_png(tmp_path: Path) -> None:
    for name, extra in png_chunks().items():
        for place in ("before", "after"):
            try:
                check(png(PIXELS, 8, 2, **{place: extra}), PIXELS, tmp_path)
            except Exception as error:
                raise AssertionError(f"{name}, {place}") from error


def test_png_trailing_bytes_and_a_missing_end(tmp_path: Path) -> None:
    whole = png(PIXELS, 8, 2)
    for data in (whole + b"trailing" * 100, whole[:-12], whole[:-12] + chunk(b"tEXt", b"k\0" + b"x" * 99)[:-50]):
        check(data, PIXELS, tmp_path)


def test_jpeg(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", quality=90)
    plain = buffer.getvalue()
    expected = decode(plain)
    for name, extra in jpeg_segments().items():
        try:
            check(plain[:2] + extra + plain[2:], expected, tmp_path)
        except Exception as error:
            raise AssertionError(name) from error
    for data in (plain + b"trailing" * 100, plain + plain, plain[:-2], plain[:20] + b"junk" + plain[20:]):
        check(data, expected, tmp_path)


def test_tiff(tmp_path: Path) -> None:
    for name, tags in tiff_tags().items():
        try:
            check(tiff(PIXELS, 8, 2, tags=tags), PIXELS, tmp_path)
        except Exception as error:
            raise AssertionError(name) from error
    check(tiff(PIXELS, 8, 2) + b"trailing" * 100, PIXELS, tmp_path)


def test_gif(tmp_path: Path) -> None:
    plain = gif(INDICES, PALETTE)
    expected = PALETTE[INDICES[:, :, 0]].astype(np.uint8)

    def extension(label: int, *blocks: bytes) -> bytes:
        return bytes([0x21, label]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"

    for extra in (
        extension(0xFE, *[b"comment " * 30] * 4000),
        extension(0xFF, b"NETSCAPE2.0", b"\1\0\0"),
        extension(0xFF, b"XMP DataXMP", b"x" * 200),
        extension(0x01, b"plain text"),
        extension(0x77),
    ):
        check(gif(INDICES, PALETTE, before=extra), expected, tmp_path)
        check(gif(INDICES, PALETTE, after=extra), expected, tmp_path)
    check(gif(INDICES, PALETTE, after=plain[plain.index(b"\x2c", 13 + 768) : -1] * 50), expected, tmp_path)
    check(plain + b"trailing" * 100, expected, tmp_path)
    check(plain[:-1], expected, tmp_path)


@pytest.mark.parametrize("junk", [*JUNK, *EXIF])
def test_webp(junk: bytes, tmp_path: Path) -> None:
    for key in ("exif", "xmp", "icc_profile"):
        buffer = io.BytesIO()
        Image.fromarray(PIXELS).save(buffer, "WEBP", lossless=True, **{key: junk})
        check(buffer.getvalue(), PIXELS, tmp_path)
        check(buffer.getvalue() + b"trailing" * 100, PIXELS, tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_record_of_the_orientation(orientation: int, tmp_path: Path) -> None:
    """EXIF as such, in an old PNG's text, and XMP, which stands in for a missing EXIF."""
    turned = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation](PIXELS)  # fmt: skip
    exif = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, orientation) + bytes(4)
    old = b"\nexif\n%8d\n%s\n" % (len(exif) + 6, (b"Exif\0\0" + exif).hex().encode())
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation
    for extra in (
        chunk(b"eXIf", exif),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(old)),
        chunk(b"tEXt", b"Raw profile type exif\0" + old),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
    ):
        check(png(PIXELS, 8, 2, before=extra), turned, tmp_path)
        check(png(PIXELS, 8, 2, after=extra), turned, tmp_path)
    check(tiff(PIXELS, 8, 2, orientation=orientation), turned, tmp_path)
