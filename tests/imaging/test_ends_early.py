"""What a decoder would make up is not believed, whatever says that the file is complete; a file that is built to cost
much is refused before it does."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesion_core.errors import ImageTooLargeError, TruncatedImageError
from lesion_core.imaging.decode import decode
from tests.imaging.handmade import chunk, gif, png, tiff

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


# Cost ------------------------------------------------------------------------------------------------------------


def scans_said_again(side: int, scans: int) -> bytes:
    """A progressive JPEG, grey, whose every scan says 'no difference' of all blocks, in some 75 bytes."""
    blocks = (-(-side // 8)) ** 2
    table = bytes([1] + [0] * 15)
    out = b"\xff\xd8\xff\xdb\0\x43\0" + b"\x10" * 64 + b"\xff\xc2\0\x0b\x08" + struct.pack(">HH", side, side)
    out += b"\1\1\x11\0\xff\xc4\0\x14\0" + table + b"\0\xff\xc4\0\x14\x10" + table + b"\xe0"
    out += b"\xff\xda\0\x08\1\1\0\0\0\0" + bytes(-(-blocks // 8))
    bits = ""
    while blocks > 0:
        run = min(32767, max(16384, blocks))
        bits, blocks = bits + f"0{run - 16384:014b}", blocks - run
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return out + (b"\xff\xda\0\x08\1\1\0\1\x3f\0" + data) * scans + b"\xff\xd9"


def small_in_a_tile(tile: int) -> bytes:
    """64 x 64 pixels in one tile."""
    packed = zlib.compress(b"\x80" * 4096)
    fields = [
        *((256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1), (284, 3, 1)),
        *((322, 4, tile), (323, 4, tile), (324, 4, 8 + 2 + 12 * 11 + 4), (325, 4, len(packed))),
    ]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in fields)
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + directory + bytes(4) + packed


def tall(jpeg: bytes, side: int) -> bytes:
    """The same with another height and width."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", side, side) + jpeg[at + 4 :]


COSTLY = {
    "JPEG of many scans": scans_said_again(7000, 1000),
    "JPEG of many scans, small": scans_said_again(64, 1000),
    "JPEG of many segments": saved(SMOOTH, "JPEG")[:2] + b"\xff\xfe\0\2" * 70_000 + saved(SMOOTH, "JPEG")[2:],
    "JPEG that lies": tall(saved(SMOOTH, "JPEG"), 7000),
    "PNG that lies": png(PIXELS, 8, 2).replace(struct.pack(">II", 80, 64), struct.pack(">II", 7000, 7000)),
    "PNG of many chunks": png(PIXELS, 8, 2, before=chunk(b"tEXt", b"") * 70_000),
    "TIFF of a large tile": small_in_a_tile(32768),
    "TIFF of a rather large tile": small_in_a_tile(16384),
    "BMP of many runs": run_lengths(bytes([1, 5]) * 2**20),
}

MEASURE = """
import resource, sys, time
from lesion_core.errors import ImageError
from lesion_core.imaging.decode import decode
decode({warm!r})
data = open(sys.argv[1], "rb").read()
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    decode(data)
except ImageError as error:
    print(type(error).__name__, end=" ")
print(time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_file_is_refused_before_it_costs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "costly"
    path.write_bytes(COSTLY[name])
    script = MEASURE.format(warm=WHOLE["PNG"])
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True, timeout=60)
    kind, seconds, megabytes = done.stdout.split()
    assert kind in ("ImageTooLargeError", "TruncatedImageError")
    assert float(seconds) < 0.2 and float(megabytes) < 50, done.stdout


def test_the_refusal_says_what_costs() -> None:
    for name, what in (("JPEG of many scans", "more than 64 scans"), ("TIFF of a large tile", "32,768 x 32,768"),
                       ("PNG of many chunks", "65,536 chunks"), ("BMP of many runs", "run lengths")):  # fmt: skip
        with pytest.raises(ImageTooLargeError, match=what) as caught:
            decode(COSTLY[name])
        assert caught.value.remedy


def test_ordinary_large_pictures_are_read_in_time() -> None:
    """A progressive image of 12 million pixels, and the most scans allowed."""
    large = np.asarray(Image.fromarray(SMOOTH).resize((4000, 3000)))
    for data in (saved(large, "JPEG", progressive=True), scans_said_again(3000, 60)):
        start = time.process_time()
        decode(data)
        assert time.process_time() - start < 2
