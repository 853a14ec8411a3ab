"""Every kind of image file, good and bad, ends in RGB uint8 or in a sentence that says what to do."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from lesion_core.config import DarkCorner, Preprocessing
from lesion_core.data.samples import Picture
from lesion_core.errors import (
    ImageError,
    ImageTooLargeError,
    ImageTooSmallError,
    NotAnImageError,
    TruncatedImageError,
)
from lesion_core.imaging import decode as decode_module
from lesion_core.imaging.decode import SIGNATURES, Limits, content_hash, decode, frame_of
from lesion_core.imaging.preprocess import Pipeline, crop_dark_corners

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
LOSSLESS = {"PNG": {}, "TIFF": {}, "BMP": {}, "WEBP": {"lossless": True, "exact": True}}


def encode(picture: Image.Image | np.ndarray, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, name, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, extra: bytes = b"", pixels: bytes = b"\0" * 10) -> bytes:
    """A PNG by hand, to claim what no encoder would write."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        SIGNATURES["PNG"][0]
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


# Good files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_the_pixels_back(name: str) -> None:
    out = decode(encode(PICTURE, name, **LOSSLESS[name]))
    assert out.dtype == np.uint8 and out.flags.c_contiguous and out.flags.writeable
    np.testing.assert_array_equal(out, PICTURE)


def test_jpeg_is_near() -> None:
    smooth = cv2.GaussianBlur(PICTURE, (0, 0), 4)
    assert np.abs(decode(encode(smooth, "JPEG", quality=95)).astype(int) - smooth).mean() < 2


def test_a_path_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "näevus 1.png"
    path.write_bytes(encode(PICTURE, "PNG"))
    np.testing.assert_array_equal(decode(path), PICTURE)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation(name: str, orientation: int, upright: object, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(PICTURE, name, exif=exif, **LOSSLESS[name])
    np.testing.assert_array_equal(decode(data), upright(PICTURE))
    (tmp_path / "p").write_bytes(data)
    assert frame_of(tmp_path / "p") == upright(PICTURE).shape[:2]


def test_exif_orientation_of_a_jpeg() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, turned = encode(PICTURE, "JPEG"), encode(PICTURE, "JPEG", exif=exif)
    np.testing.assert_array_equal(decode(turned), np.rot90(decode(plain), -1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_nonsense_exif_does_not_refuse_the_pixels() -> None:
    for junk in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        np.testing.assert_array_equal(decode(encode(PICTURE, "PNG", exif=junk)), PICTURE)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "WEBP"])
def test_transparency_lies_on_white(name: str) -> None:
    alpha = np.linspace(0, 255, PICTURE.shape[0] * PICTURE.shape[1]).round().reshape(PICTURE.shape[:2])
    layered = np.dstack([PICTURE, alpha.astype(np.uint8)])
    share = layered[..., 3:].astype(np.float64) / 255
    expected = share * PICTURE + (1 - share) * 255
    assert np.abs(decode(encode(layered, name, **LOSSLESS[name])) - expected).max() <= 1


def test_transparent_colours_of_palette_and_grey() -> None:
    palette = Image.fromarray(np.tile(np.array([[0, 1]], np.uint8), (16, 16))).convert("P")
    palette.putpalette([200, 10, 10, 10, 200, 10])
    out = decode(encode(palette, "PNG", transparency=0))
    np.testing.assert_array_equal(out[0, :2], [[255, 255, 255], [10, 200, 10]])
    grey = np.dstack([PICTURE[..., 0], np.zeros_like(PICTURE[..., 0])])
    assert (decode(encode(Image.fromarray(grey, "LA"), "PNG")) == 255).all()


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_scaled_not_clipped(suffix: str) -> None:
    grey = np.linspace(0, 65535, 32 * 48).reshape(32, 48).astype(np.uint16)
    out = decode(cv2.imencode(suffix, grey)[1].tobytes())
    assert out.shape == (32, 48, 3) and (out == out[..., :1]).all()
    assert np.abs(out[..., 0] - grey / 257).max() <= 0.5
    color = np.dstack([grey, grey[::-1], grey[:, ::-1]])
    out = decode(cv2.imencode(suffix, color[..., ::-1])[1].tobytes())  # OpenCV writes BGR
    assert np.abs(out - color / 257).max() < 1


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "LA"])
def test_other_modes_keep_what_they_show(mode: str) -> None:
    flat = Image.new("RGB", (32, 32), (255, 255, 255))
    flat.paste((0, 0, 0), (0, 0, 16, 32))
    out = decode(encode(flat.convert(mode), "TIFF"))
    assert out.shape == (32, 32, 3) and out[:, :16].max() <= 1 and out[:, 16:].min() >= 254


def test_cmyk_jpeg_is_not_inverted() -> None:
    red = decode(encode(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG"))[16, 16]
    assert red[0] > 250 and red[1] < 5 and red[2] < 5


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation(name: str) -> None:
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "lime", "blue")]
    options = {} if name == "TIFF" else {"duration": 100, **LOSSLESS.get(name, {})}
    data = encode(frames[0], name, save_all=True, append_images=frames[1:], **options)
    assert (decode(data) == (255, 0, 0)).all()


def test_a_cameras_multi_picture_jpeg() -> None:
    data = encode(
        Image.new("RGB", (32, 24), "red"), "MPO", save_all=True, append_images=[Image.new("RGB", (32, 24), "blue")]
    )
    assert decode(data).shape == (24, 32, 3) and decode(data)[..., 0].min() > 250


# Bad files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not in a known format"),
        (b"\0" * 4096, "not in a known format"),
        (b"%PDF-1.7 and so on", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not in a known format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0" * 128 + b"DICM" + b"\0" * 64, "DICOM"),
    ],
)
def test_what_is_no_picture(data: bytes, message: str) -> None:
    with pytest.raises(NotAnImageError, match=message) as caught:
        decode(data)
    assert caught.value.remedy


def test_numbers_without_an_agreed_white_are_refused() -> None:
    with pytest.raises(NotAnImageError, match="no agreed white"):
        decode(encode(Image.new("F", (32, 32), 0.5), "TIFF"))


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_file_that_ends_early(name: str) -> None:
    data = encode(PICTURE, name)
    for share in (0.03, 0.3, 0.6, 0.9):
        with pytest.raises(TruncatedImageError, match=name):
            decode(data[: int(share * len(data))])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what was damaged
@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(SIGNATURES)), data=st.data())
def test_damage_never_ends_in_another_error(name: str, data: st.DataObject) -> None:
    damaged = bytearray(encode(PICTURE, name))
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=12)):
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        out = decode(bytes(damaged), limits=Limits(max_pixels=1_000_000))
    except ImageError as error:
        assert str(error)
    else:
        assert out.dtype == np.uint8 and out.ndim == 3 and out.shape[2] == 3


def test_pixels_are_counted_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(ImageTooLargeError, match=r"8000 x 8000.* 50\.3 million"):
        decode(png(8000, 8000))
    with pytest.raises(ImageTooLargeError, match=r"50\.3 million"):
        decode(png(60_000, 60_000))  # where Pillow itself refuses
    with pytest.raises(ImageTooLargeError):
        decode(encode(PICTURE, "PNG"), limits=Limits(max_pixels=32 * 48 - 1))
    with pytest.raises(ImageTooLargeError, match=r"6000 x 6000 .*WebP.* 60 million .* 50\.3 million"):  # more memory
        decode(encode(Image.new("L", (6000, 6000)), "WEBP", method=0))


def test_limits_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(PICTURE, "PNG")
    assert decode(data, limits=Limits(max_bytes=len(data))).shape == PICTURE.shape
    with pytest.raises(ImageTooLargeError, match="MiB"):
        decode(data, limits=Limits(max_bytes=len(data) - 1))
    path = tmp_path / "large.png"
    path.write_bytes(data)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read"))
    with pytest.raises(ImageTooLargeError, match=r"large\.png"):
        decode(path, limits=Limits(max_bytes=10))


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooSmallError, match=f"{size[0]} x {size[1]}"):
        decode(encode(Image.new("RGB", size), "PNG"))


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("long", [2048, 2049, 9000])
@pytest.mark.parametrize("short", [16, 31, 33, 140, 141])
def test_too_small_is_what_a_model_would_be_shown(name: str, long: int, short: int) -> None:
    """A longer side over 2048 is reduced to 1024, and the other with it."""
    left = short if long <= 2048 else round(short * 1024 / long)
    for size in ((long, short), (short, long)):
        data = encode(Image.new("RGB", size), name)
        if left >= 16:
            decode(data)
            continue
        with pytest.raises(ImageTooSmallError, match=f"{size[0]} x {size[1]}"):
            decode(data)


def test_too_small_is_what_dark_corners_leave() -> None:
    y, x = np.mgrid[-1:1:30j, -1:1:30j]
    sides = []
    for radius in np.linspace(0.3, 1.2, 19):
        ring = np.where((x**2 + y**2 < radius**2)[..., None], np.array([200, 150, 130]), 0).astype(np.uint8)
        found, _ = crop_dark_corners(ring, DarkCorner(enabled=True))
        sides.append(min(found.shape[:2]))
        pipeline = Pipeline(Preprocessing(dark_corner=DarkCorner(enabled=True)))
        if sides[-1] >= 16:
            pipeline.apply(ring)
            continue
        with pytest.raises(ImageTooSmallError, match=f"{found.shape[1]} x {found.shape[0]}"):
            pipeline.apply(ring)
    assert min(sides) < 16 < max(sides)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="folder"):
        decode(tmp_path)
    with pytest.raises(ImageError, match="no file"):
        decode(tmp_path / "absent.jpg")
    broken = tmp_path / "broken.png"
    broken.write_bytes(encode(PICTURE, "PNG")[:200])
    with pytest.raises(TruncatedImageError, match=r"'broken\.png'"):
        decode(broken)


def test_threads_and_pillows_switches() -> None:
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    good, bad = encode(PICTURE, "PNG"), encode(PICTURE, "PNG")[:900]

    def work(i: int) -> bool:
        if i % 2:
            return bool((decode(good) == PICTURE).all())
        with pytest.raises(TruncatedImageError):
            decode(bad)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
    assert before == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)


# The cache key ---------------------------------------------------------------------------------------------------


def test_content_hash() -> None:
    key = content_hash(PICTURE)
    assert len(key) == 16 and int(key, 16) >= 0
    assert content_hash(np.asfortranarray(PICTURE)) == content_hash(PICTURE.copy()) == key
    assert content_hash(PICTURE.reshape(48, 32, 3)) != key
    other = PICTURE.copy()
    other[-1, -1, -1] ^= 1
    assert content_hash(other) != key


def test_the_hash_of_pixels_that_nobody_can_change_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    digest, computed = decode_module._digest, []
    monkeypatch.setattr(decode_module, "_digest", lambda image: computed.append(image.shape) or digest(image))
    image = PICTURE.copy()
    key = content_hash(image)
    assert content_hash(image) == key and len(computed) == 2, "somebody may draw into it"
    image.flags.writeable = False
    assert content_hash(image) == content_hash(image) == key and len(computed) == 3
    view = image[:]
    assert content_hash(view) == content_hash(view) == key and len(computed) == 5, "what it shows is another's"
    del image, view
    for value in range(20):  # each in the place of the one before
        other = np.full((64, 64, 3), value, np.uint8)
        other.flags.writeable = False
        assert content_hash(other) == content_hash(other.copy())
    kept = len(decode_module._digests)
    del other
    assert len(decode_module._digests) == kept - 1


def test_nobody_draws_into_a_picture() -> None:
    image, mask = PICTURE.copy(), np.ones(PICTURE.shape[:2], bool)
    picture = Picture("a", "A", "upload", image, mask=mask)
    with pytest.raises(ValueError, match="read-only"):
        picture.image[0, 0] = 0
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0] = False
