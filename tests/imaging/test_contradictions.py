"""Files whose structure contradicts itself are refused in a sentence; what is odd and whole is read."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lesion_core.errors import DataError, ImageError, ImageTooLargeError, TruncatedImageError
from lesion_core.imaging import pixels
from lesion_core.imaging.containers.parts import Parts
from lesion_core.imaging.decode import decode, decode_listed, frame_of
from lesion_core.imaging.wholeness import MOST_SHARE, share_until, share_written
from tests.imaging.handmade import chunk, png, tiff

HEIGHT, WIDTH = 64, 80
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def saved(name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, name, **options)
    return file.getvalue()


# Run lengths ---------------------------------------------------------------------------------------------------------


def runs_of(indices: NDArray[np.int64], bits: int, rng: np.random.Generator) -> bytes:
    """A BMP of palette indices (H, W) in run lengths of every kind: runs, pixels as they are, jumps over index 0."""
    height, width = indices.shape
    coded = b""
    for y in range(height - 1, -1, -1):
        row, x = indices[y].tolist(), 0
        while x < width:
            rest = row[x:]
            blank = next((i for i, value in enumerate(rest) if value), len(rest))
            most = int(rng.integers(1, 30))
            if blank and rng.integers(2):
                coded += bytes((0, 2, min(blank, most), 0))
                x += min(blank, most)
            elif len(rest) >= 3 and rng.integers(2):
                part = rest[: max(3, most)]
                if bits == 4:
                    pairs = [*part, 0][: len(part) + len(part) % 2]
                    body = bytes(a << 4 | b for a, b in zip(pairs[::2], pairs[1::2], strict=True))
                else:
                    body = bytes(part)
                coded += bytes((0, len(part))) + body + bytes(len(body) % 2)
                x += len(part)
            else:
                two = (rest * 2)[:2] if bits == 4 else rest[:1] * 2
                same = next((i for i, value in enumerate(rest) if value != two[i % 2]), len(rest))
                count = min(same, most)
                coded += bytes((count, two[0] << 4 | two[1] if bits == 4 else two[0]))
                x += count
        coded += b"\0\0"
    coded += b"\0\1"
    start = 54 + 4 * 2**bits
    palette = b"".join(bytes((i * 7 % 256, i * 5 % 256, i * 3 % 256, 0)) for i in range(2**bits))
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 1 if bits == 8 else 2, len(coded), 0, 0, 2**bits, 0)
    return b"BM" + struct.pack("<IHHI", start + len(coded), 0, 0, start) + info + palette + coded


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bits", [4, 8])
def test_run_lengths_of_every_kind_are_read_as_they_were_written(bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    indices = np.repeat(rng.integers(0, 2**bits, (24, 20)), 2, axis=1) * rng.integers(0, 2, (24, 1))
    expected = np.stack([indices * 3, indices * 5, indices * 7], axis=2) % 256
    np.testing.assert_array_equal(decode(runs_of(indices, bits, rng)), expected)


# Refused -------------------------------------------------------------------------------------------------------------


def entry_of(data: bytes, tag: int) -> int:
    """Where the entry of a tag of a TIFF (little end first) begins."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    return next(e for e in range(at + 2, at + 2 + 12 * count, 12) if struct.unpack_from("<H", data, e)[0] == tag)


def with_entry(data: bytes, entry: int, **fields: int) -> bytes:
    """The file with another tag, kind, count or value in the entry of a tag."""
    changed, at = bytearray(data), entry_of(data, entry)
    for field, (form, place) in {"tag": ("<H", 0), "kind": ("<H", 2), "count": ("<I", 4), "value": ("<I", 8)}.items():
        if field in fields:
            struct.pack_into(form, changed, at + place, fields[field])
    return bytes(changed)


def upon_each_other() -> bytes:
    """A TIFF whose strips all are the whole file."""
    data = bytearray(tiff(RGB, 8, 2, rows=1))
    for tag, value in ((273, 8), (279, len(data))):
        count, at = struct.unpack_from("<II", data, entry_of(data, tag) + 4)
        struct.pack_into(f"<{count}I", data, at, *[value] * count)
    return bytes(data)


def strip_of(data: bytes) -> tuple[int, int]:
    """Start and length of the one strip of a TIFF."""
    return tuple(struct.unpack_from("<I", data, entry_of(data, tag) + 8)[0] for tag in (273, 279))  # type: ignore[return-value]


def lzw_in_blanks() -> bytes:
    """A TIFF whose strip ends in the blanks of a copy that stopped."""
    data = saved("TIFF", compression="tiff_lzw")
    start, length = strip_of(data)
    return data[: start + length // 2] + bytes(length - length // 2) + data[start + length :]


def lzw_beyond() -> bytes:
    """A TIFF whose strip goes on after the end of the file."""
    data = saved("TIFF", compression="tiff_lzw")
    return with_entry(data, 279, value=len(data))


def jpeg_with(before: bytes, inserted: bytes) -> bytes:
    plain = saved("JPEG")
    at = plain.index(before)
    return plain[:at] + inserted + plain[at:]


def frame_segment() -> bytes:
    plain = saved("JPEG")
    at = plain.index(b"\xff\xc0")
    return plain[at : at + 2 + int.from_bytes(plain[at + 2 : at + 4], "big")]


def short_frame() -> bytes:
    frame = frame_segment()
    body = frame[4:-6]
    return saved("JPEG").replace(frame, b"\xff\xc0" + (len(body) + 2).to_bytes(2, "big") + body)


def many_markers() -> bytes:
    plain = saved("JPEG")
    at = plain.index(b"\xff\xda") + 14
    return plain[:at] + b"\xff\xd0" * (2**20 + 1) + plain[at:]


def gif_of_tiny_blocks() -> bytes:
    plain = saved("GIF")
    at = plain.index(b"\x2c" + struct.pack("<HHHH", 0, 0, WIDTH, HEIGHT)) + 11
    return plain[:at] + b"\1\0" * (2**17 + 1) + b"\0;"


PNG = png(RGB, 8, 2)
HEADER = PNG[8:33]
CUT_OFF = TruncatedImageError
CONTRADICTIONS: dict[str, tuple[Callable[[], bytes], type[ImageError], str]] = {
    "PNG of two headers": (lambda: png(RGB, 8, 2, before=HEADER), CUT_OFF, "header is damaged"),
    "PNG without header": (lambda: PNG[:8] + PNG[33:], CUT_OFF, "header is damaged"),
    "PNG of a short header": (lambda: PNG[:8] + chunk(b"IHDR", HEADER[8:18]) + PNG[33:], CUT_OFF, "header is damaged"),
    "PNG of no pixels": (
        lambda: PNG[:8] + chunk(b"IHDR", struct.pack(">II", 3000, 3000) + HEADER[16:21]) + chunk(b"IDAT", b"x" * 9),
        CUT_OFF,
        "at most",
    ),
    "PNG cut in its last checksum": (lambda: PNG[:-14], CUT_OFF, "ends early or is damaged"),
    "PNG of another last checksum": (lambda: PNG[:-14] + b"??" + PNG[-12:], CUT_OFF, "ends early or is damaged"),
    "TIFF of an unknown kind of value": (lambda: with_entry(tiff(RGB, 8, 2), 258, kind=99), CUT_OFF, "damaged"),
    "TIFF of too many strips": (
        lambda: with_entry(tiff(RGB, 8, 2, rows=1), 273, count=70_000), ImageTooLargeError, "65,536 strips"
    ),
    "TIFF of strips upon each other": (upon_each_other, ImageTooLargeError, "lie upon each other"),
    "TIFF of strips without rows": (lambda: with_entry(tiff(RGB, 8, 2), 278, value=0), CUT_OFF, "damaged"),
    "TIFF without strips": (lambda: with_entry(tiff(RGB, 8, 2), 273, tag=272), CUT_OFF, "damaged"),
    "TIFF of half its strips": (lambda: with_entry(tiff(RGB, 8, 2, rows=16), 278, value=8), CUT_OFF, "50 %"),
    "TIFF, LZW, ends in blanks": (lzw_in_blanks, CUT_OFF, "(49|50) %"),
    "TIFF, LZW, ends beyond the file": (lzw_beyond, CUT_OFF, "ends early"),
    "TIFF, JPEG, of strips without length": (
        lambda: with_entry(saved("TIFF", compression="jpeg"), 279, tag=272), CUT_OFF, "damaged"
    ),
    "TIFF that begins behind its end": (lambda: b"II*\0" + struct.pack("<I", 10**6) + bytes(99), CUT_OFF, "damaged"),
    "JPEG of two frames": (lambda: jpeg_with(b"\xff\xc4", frame_segment()), CUT_OFF, "header is damaged"),
    "JPEG of a short frame": (short_frame, CUT_OFF, "damaged"),
    "JPEG of many markers in a scan": (many_markers, ImageTooLargeError, "1,048,576 markers in a scan"),
    "GIF of tiny blocks of pixels": (gif_of_tiny_blocks, ImageTooLargeError, "131,072 blocks"),
    "BMP of a jump over the last row": (
        lambda: runs_of(np.ones((24, 20), np.int64), 8, np.random.default_rng(0))[:1078] + b"\0\2\0\x20\0\1",
        CUT_OFF,
        "ends early or is damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_what_contradicts_itself_is_refused(what: str) -> None:
    make, kind, said = CONTRADICTIONS[what]
    with pytest.raises(kind, match=said) as told:
        decode(make())
    assert told.value.remedy


# Read ----------------------------------------------------------------------------------------------------------------

ODD: dict[str, tuple[Callable[[], bytes], bytes]] = {
    "PNG with a profile that is no number": (
        lambda: png(RGB, 8, 2, before=chunk(b"tEXt", b"Raw profile type exif\0\nexif\n4\nno number")), PNG
    ),
    "PNG with a profile of two megabytes": (
        lambda: png(RGB, 8, 2, before=chunk(b"tEXt", b"Raw profile type exif\0" + b"\n" * (2**20 + 1))), PNG
    ),
    "PNG with a packed text that is not packed": (
        lambda: png(RGB, 8, 2, before=chunk(b"zTXt", b"Raw profile type exif\0\0nothing")), PNG
    ),
    "JPEG with a start inside": (lambda: jpeg_with(b"\xff\xc4", b"\xff\xd8"), saved("JPEG")),
    "JPEG with a marker that says nothing": (lambda: jpeg_with(b"\xff\xdb", b"\xff\x01"), saved("JPEG")),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_beside_whole_pixels_changes_none(what: str) -> None:
    make, plain = ODD[what]
    np.testing.assert_array_equal(decode(make()), decode(plain))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_share_is_the_same_however_an_image_is_divided(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are bands enough their checksums tell it; else the pixels do."""
    whole = saved("JPEG", quality=90)
    cut = whole[: int(len(whole) * share)]
    told = []
    for band in (pixels.BAND, 16 * WIDTH, WIDTH):
        monkeypatch.setattr(pixels, "BAND", band)
        with pytest.raises(TruncatedImageError, match=r"\d+ %") as caught:
            decode(cut)
        told.append(int(caught.value.problem.split(" %")[0].split()[-1]))
    assert max(told) - min(told) <= 100 * 16 / HEIGHT and all(abs(t - 100 * share) <= 30 for t in told)


def test_where_nothing_tells_the_share_none_is_made_up() -> None:
    plain = saved("JPEG")
    same = Parts(plain, other=lambda: plain)
    with Image.open(io.BytesIO(plain)) as picture:
        assert share_until(picture, same, "JPEG") == MOST_SHARE, "no filling is seen: nearly all is there"
    for known, data in (("PNG", b"nothing"), ("WEBP", saved("WEBP")), ("PNG", png(RGB[:, :, :1] > 99, 1, 0))):
        assert share_written(Parts(data), known) is None


def test_an_image_of_a_list_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mole.png"
    path.write_bytes(PNG[:200])
    with pytest.raises(DataError, match=r"The image .*mole\.png cannot be used: 'mole\.png' is a PNG file that"):
        decode_listed(str(path))
    path.write_bytes(PNG)
    np.testing.assert_array_equal(decode_listed(str(path)), RGB)


def test_a_disk_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mole.png"
    path.write_bytes(PNG)

    def broken(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(ImageError, match=r"mole\.png' cannot be read: Input/output error"):
        decode(path)


@pytest.mark.parametrize("exif", [b"", b"x", b"II*\0", b"II*\0\xff\xff\xff\x7f", bytes(40), b"MM\0*" + b"\xff" * 99])
def test_the_sides_of_an_image_are_told_whatever_its_exif_is(exif: bytes, tmp_path: Path) -> None:
    for name, data in (
        ("a.jpg", saved("JPEG", exif=b"Exif\0\0" + exif)),
        ("a.png", png(RGB, 8, 2, before=chunk(b"eXIf", exif))),
    ):
        (tmp_path / name).write_bytes(data)
        assert frame_of(tmp_path / name) == (HEIGHT, WIDTH) == decode(tmp_path / name).shape[:2]
