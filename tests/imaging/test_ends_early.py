"""What a decoder would make up is not believed, whatever says that the file is complete."""

from __future__ import annotations

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from lesion_core.errors import TruncatedImageError
from lesion_core.imaging.decode import decode
from tests.imaging.handmade import gif, png, tiff

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (64, 80, 3)).astype(np.uint8)
SMOOTH = np.asarray(Image.fromarray(RNG.integers(0, 256, (8, 10, 3)).astype(np.uint8)).resize((320, 256)))
INDICES = np.arange(64 * 80).reshape(64, 80, 1) % 200 + 1
PALETTE = RNG.integers(0, 256, (201, 3))
SHARES = (0.3, 0.6, 0.9, 0.99)


def saved(pixels: np.ndarray, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, name, **options)
    return file.getvalue()


def cut_jpeg(whole: bytes, share: float) -> bytes:
    """Cut in the coded data, the end marker put back."""
    start = whole.index(b"\xff\xda")
    return whole[: start + int((len(whole) - start) * share)].rstrip(b"\xff") + b"\xff\xd9"


def cut_webp(whole: bytes, share: float) -> bytes:
    """Cut, both lengths told anew."""
    cut = bytearray(whole[: int(len(whole) * share) // 2 * 2])
    struct.pack_into("<I", cut, 4, len(cut) - 8)
    struct.pack_into("<I", cut, 16, len(cut) - 20)
    return bytes(cut)


def cut_strips(whole: bytes, share: float) -> bytes:
    """A TIFF whose strips are told to be shorter than they are."""
    data = bytearray(whole)
    (at,) = struct.unpack_from("<I", data, 4)
    for i in range(*struct.unpack_from("<H", data, at)):
        tag, kind, count, value = struct.unpack_from("<HHII", data, at + 2 + 12 * i)
        if tag == 279:
            form = {3: "<H", 4: "<I"}[kind]
            size = struct.calcsize(form)
            first = at + 10 + 12 * i if size * count <= 4 else value
            for place in range(first, first + size * count, size):
                struct.pack_into(form, data, place, int(struct.unpack_from(form, data, place)[0] * share))
    return bytes(data)


def run_lengths(runs: bytes) -> bytes:
    """A BMP of 80 x 64 palette indices in run lengths."""
    info = struct.pack("<IiiHHIIiiII", 40, 80, 64, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + info + bytes(1024) + runs


ROW = bytes([80, 5, 0, 0])
WHOLE: dict[str, bytes] = {
    **{
        f"JPEG {options}": saved(SMOOTH, "JPEG", quality=88, **options)
        for options in (
            {},
            {"progressive": True},
            {"restart_marker_blocks": 3},
            {"restart_marker_rows": 1},
            {"subsampling": 0},
            {"optimize": True},
        )
    },
    "JPEG grey": saved(SMOOTH[:, :, 0], "JPEG"),
    "WebP": saved(SMOOTH, "WEBP"),
    "WebP lossless": saved(SMOOTH, "WEBP", lossless=True),
    **{
        f"TIFF {code}": saved(SMOOTH, "TIFF", compression=code)
        for code in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "jpeg", "lzma", "zstd")
    },
    **{
        f"TIFF {code}": saved(SMOOTH[:, :, 0] > 128, "TIFF", compression=code)
        for code in ("group3", "group4", "tiff_ccitt")
    },
    "PNG": png(PIXELS, 8, 2),
    "PNG interlaced": png(PIXELS, 8, 2, interlaced=True),
    "GIF": gif(INDICES, PALETTE),
    "BMP": run_lengths(ROW * 64 + b"\0\1"),
    "BMP without an end": run_lengths(ROW * 64),
}


def cuts() -> dict[str, bytes]:
    """Every file of `WHOLE` cut at each of `SHARES`, and told to be complete."""
    found = {}
    for share in SHARES:
        for name, data in WHOLE.items():
            for begins, cut in (("JPEG", cut_jpeg), ("WebP", cut_webp), ("TIFF", cut_strips)):
                if name.startswith(begins):
                    found[f"{name} {share}"] = cut(data, share)
        for how in ({}, {"rows": 10}, {"tile": 32}, {"deflate": True}, {"planar": True}):
            found[f"TIFF by hand {how} {share}"] = tiff(PIXELS, 8, 2, keep=share, **how)
        for interlaced in (False, True):
            found[f"PNG {interlaced} {share}"] = png(PIXELS, 8, 2, keep=int(64 * 241 * share), interlaced=interlaced)
            for clear in (None, 0):
                found[f"GIF {interlaced} {clear} {share}"] = gif(
                    INDICES, PALETTE, keep=int(5120 * share), interlaced=interlaced, transparent=clear
                )
        found[f"BMP {share}"] = run_lengths(ROW * int(64 * share) + b"\0\1")
    return found


CUT = cuts()


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_are_read(name: str) -> None:
    assert decode(WHOLE[name]).shape[2] == 3


@pytest.mark.parametrize("name", CUT)
def test_what_is_missing_is_not_made_up(name: str) -> None:
    with pytest.raises(TruncatedImageError):
        decode(CUT[name])


@pytest.mark.parametrize("name", [name for name in CUT if re.match("JPEG|PNG|BMP|TIFF by hand", name)])
def test_the_share_that_is_there_is_told(name: str) -> None:
    with pytest.raises(TruncatedImageError, match=r"\d+ % of the image is there") as caught:
        decode(CUT[name])
    told = int(re.findall(r"(\d+) %", caught.value.problem)[0]) / 100
    assert 0 <= told < 1
    if name.startswith(("PNG", "BMP", "TIFF")):
        assert told == pytest.approx(float(name.split()[-1]), abs=0.03)


def test_the_share_of_a_jpeg_is_that_of_its_rows() -> None:
    """Noise, of which each row takes as many bytes."""
    whole = saved(RNG.integers(100, 150, (256, 320, 3)).astype(np.uint8), "JPEG", quality=90)
    for share in SHARES:
        with pytest.raises(TruncatedImageError) as caught:
            decode(cut_jpeg(whole, share))
        assert int(re.findall(r"(\d+) %", caught.value.problem)[0]) / 100 == pytest.approx(share, abs=0.08)


def test_a_progressive_picture_without_its_last_scans() -> None:
    """Cut between two scans, so that each that is there is whole."""
    whole = WHOLE["JPEG {'progressive': True}"]
    scans = [found.start() for found in re.finditer(b"\xff\xda", whole)]
    assert len(scans) == 10
    for at in scans[1:]:
        end = whole.rindex(b"\xff\xc4", 0, at) if b"\xff\xc4" in whole[scans[0] : at] else at
        with pytest.raises(TruncatedImageError, match="% of the image is there"):
            decode(whole[:end] + b"\xff\xd9")


@pytest.mark.parametrize("extra", [b"", b"\xff\xd9", bytes(1000), b"\xff" * 50])
def test_healthy_odd_ends(extra: bytes) -> None:
    for name, data in WHOLE.items():
        if name.startswith("JPEG"):
            expected = decode(data)
            np.testing.assert_array_equal(decode(data + extra), expected)
            np.testing.assert_array_equal(decode(data[:-2]), expected)  # no end marker


@pytest.mark.parametrize("shade", [0, 77, 255])
def test_a_flat_webp_is_whole_though_its_codes_end_in_equal_bytes(shade: int) -> None:
    """Of such a file the encoder's last byte may hold no code."""
    pixels = np.full((1200, 1500, 3), shade, np.uint8)
    pixels[:120] = np.random.default_rng(0).integers(0, 256, (120, 1500, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, quality=0, method=0)
    assert (decode(out.getvalue()) == pixels).all()
