"""A file that is cut at a random place is refused, and never with more of the image than there is; or nothing that the
pixels need was lost, and they are those of the whole file."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.costly_images import saved
from lesion_core.errors import NotAnImageError, TruncatedImageError
from lesion_core.imaging.decode import decode
from tests.imaging.handmade import bmp, gif, png, tiff
from tests.imaging.test_ends_early import cut_strips, cut_webp

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what was damaged

RNG = np.random.default_rng(0)
NOISE = RNG.integers(90, 160, (96, 128, 3)).astype(np.uint8)
"""Of which every row takes as many bytes: the share of the coded bytes is that of the rows."""
INDICES = RNG.integers(0, 200, (96, 128, 1))
PALETTE = RNG.integers(0, 256, (200, 3))
DEEP = NOISE.astype(np.uint16) * 257

FILES: dict[str, tuple[bytes, float]] = {
    "JPEG": (saved(NOISE, "JPEG", quality=90), 0.06),
    "JPEG 4:4:4": (saved(NOISE, "JPEG", quality=95, subsampling=0), 0.06),
    "JPEG of few bits": (saved(NOISE, "JPEG", quality=10), 0.1),
    "JPEG grey": (saved(NOISE[..., :1], "JPEG", quality=90), 0.06),
    "JPEG of four colours": (saved(np.dstack([NOISE, NOISE[..., :1]]), "JPEG", "CMYK", quality=90), 0.06),
    "JPEG with restarts": (saved(NOISE, "JPEG", quality=90, restart_marker_rows=1), 0.06),
    "JPEG with few restarts": (saved(NOISE, "JPEG", quality=90, restart_marker_rows=4), 0.06),
    "JPEG progressive": (saved(NOISE, "JPEG", quality=90, progressive=True), 0.1),
    "JPEG progressive 4:4:4": (saved(NOISE, "JPEG", quality=95, progressive=True, subsampling=0), 0.1),
    "JPEG progressive grey": (saved(NOISE[..., :1], "JPEG", quality=80, progressive=True), 0.1),
    "PNG": (saved(NOISE, "PNG"), 0.02),
    "PNG interlaced": (png(NOISE, 8, 2, interlaced=True), 0.02),
    "PNG of 16 bits": (png(DEEP, 16, 2), 0.02),
    "GIF": (gif(INDICES, PALETTE), 0.02),
    "GIF interlaced": (gif(INDICES, PALETTE, interlaced=True), 0.02),
    "GIF by Pillow": (saved(INDICES.astype(np.uint8), "GIF"), 0.02),
    "BMP": (bmp(NOISE, 24), 0.02),
    "BMP from the top": (bmp(NOISE, 32, top_down=True), 0.02),
    "WebP": (saved(NOISE, "WEBP"), 0.02),
    "WebP lossless": (saved(NOISE, "WEBP", lossless=True), 0.02),
    "WebP with transparency": (saved(np.dstack([NOISE, NOISE[..., :1]]), "WEBP"), 0.02),
    "TIFF": (saved(NOISE, "TIFF"), 0.02),
    **{
        f"TIFF by hand {how}": (tiff(NOISE, 8, 2, **how), 0.02)
        for how in ({"rows": 7}, {"tile": 32}, {"deflate": True}, {"planar": True})
    },
    **{
        f"TIFF {code}": (saved(NOISE, "TIFF", compression=code), 0.08)
        for code in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg", "lzma", "zstd")
    },
}
"""Whole files, and by how much the share that is told may be above the share of the bytes."""
PACKED = [name for name in FILES if not name.startswith(("BMP", "TIFF"))]
"""In which zeros and ones are not colours."""


def found(name: str, data: bytes, share: float) -> None:
    """Decode what is left, of which `share` is there."""
    whole, tolerance = FILES[name]
    try:
        pixels = decode(data)
    except TruncatedImageError as error:
        told = re.findall(r"(at most |at least |about )?(\d+) % of the image is there", error.problem)
        assert len(told) <= 1, error.problem
        for words, percent in told:
            if words == "at most ":  # which is true of any share under it; headers are no part of the image
                begins = _scan_of(whole) if name.startswith("JPEG") else 0
                coded = (share * len(whole) - begins) / (len(whole) - begins)
                assert int(percent) / 100 > min(share, coded) - 0.01, error.problem
            else:
                assert int(percent) / 100 <= share + tolerance, error.problem
        assert error.remedy
    except NotAnImageError:
        assert share * len(whole) < 16  # not even what tells the format
    else:
        np.testing.assert_array_equal(pixels, decode(whole))


PLACES = st.one_of(st.floats(0, 1, exclude_max=True), st.floats(0.9, 1, exclude_max=True))
FEW = settings(max_examples=12, deadline=None)


def _scan_of(jpeg: bytes) -> int:
    """Where the first scan's bits begin."""
    at = jpeg.find(b"\xff\xda") + 2
    return at + int.from_bytes(jpeg[at : at + 2])


@pytest.mark.parametrize("name", FILES)
@FEW
@given(share=PLACES)
@example(share=0.71875)  # in the header of the scan, of which JPEG of few bits is two thirds
def test_cut_off(name: str, share: float) -> None:
    whole = FILES[name][0]
    found(name, whole[: int(share * len(whole))], share)


@pytest.mark.parametrize("name", PACKED)
@FEW
@given(share=PLACES, blank=st.sampled_from([b"\0", b"\xff"]))
def test_blank_from_somewhere_on(name: str, share: float, blank: bytes) -> None:
    """A copy into a file of full size that stopped."""
    whole = FILES[name][0]
    at = min(int(share * len(whole)), len(whole) - 40)
    if not (name.startswith("WebP") and blank == b"\xff"):
        found(name, whole[:at] + blank * (len(whole) - at), at / len(whole))


def closed_jpeg(whole: bytes, share: float) -> bytes:
    at = min(int(share * len(whole)), len(whole) - 18)  # a few bits may be those that a decoder takes
    return whole[:at].rstrip(b"\xff") + b"\xff\xd9"


def closed_gif(whole: bytes, share: float) -> bytes:
    return whole[: int(share * (len(whole) - 4))] + b"\0;"


CLOSED: dict[str, Callable[[bytes, float], bytes]] = {
    name: {"JPEG": closed_jpeg, "GIF ": closed_gif, "GIF": closed_gif, "WebP": cut_webp, "TIFF": cut_strips}[name[:4]]
    for name in FILES
    if not name.startswith(("PNG", "BMP", "TIFF by hand"))
}
"""How to cut a file so that it says that it is whole."""


@pytest.mark.parametrize("name", CLOSED)
@FEW
@given(share=PLACES)
def test_cut_and_closed(name: str, share: float) -> None:
    whole = FILES[name][0]
    if share * len(whole) >= 64:
        found(name, CLOSED[name](whole, share), share)


WITHOUT_SHARE = "TIFF .|JPEG of few bits|WebP with transparency"
"""Half a file has no directory, only tables, or no colours."""


@pytest.mark.parametrize("name", [name for name in FILES if not re.match(WITHOUT_SHARE, name)])
def test_half_a_file_is_told_to_be_half(name: str) -> None:
    """Not only never too much: where the coding goes from row to row, about what is there."""
    whole, tolerance = FILES[name]
    with pytest.raises(TruncatedImageError) as caught:
        decode(whole[: len(whole) // 2])
    ((how, percent),) = re.findall(r"(at least |about )?(\d+) % of the image is there", caught.value.problem)
    least = 0.0 if how == "at least " else 0.5 - max(0.1, 2 * tolerance)
    assert least <= int(percent) / 100 <= 0.5 + tolerance
