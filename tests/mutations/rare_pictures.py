"""Pictures in rare ways of their formats, cut, closed and lied about: what an attacker or an old program would send."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.imaging import handmade
from tests.mutations.oracle import Input, Make
from tests.mutations.picture_files import TOLD, Pixels, Rng, healthy, opened, png_chunks, png_of, saved, scene
from tests.mutations.picture_oracle import differs, read


def shortened(rng: Rng, data: bytes, *, packed: bool = True, fewest: int = 1) -> tuple[bytes, str]:
    """Whole, cut off, or, where it is packed and zeros and ones are not colours, blank from somewhere on.

    Args:
        rng: Draws how and where.
        data: The file.
        packed: Whether its pixels are coded.
        fewest: Blanks, where there are some.
    """
    at = int(rng.integers(1, len(data)))
    how = ("whole", "cut", "zeros", "ones")[rng.integers(4 if packed else 2)]
    if how in ("zeros", "ones"):
        at = max(1, min(at, len(data) - fewest))
    tail = {"whole": data[at:], "cut": b"", "zeros": bytes(len(data) - at), "ones": b"\xff" * (len(data) - at)}[how]
    return data[:at] + tail, how if how == "whole" else f"{how} from {at} of {len(data)}"


def judged(data: bytes, note: str, pixels: Pixels, *, whole: bool) -> Input:
    """Such a file must give these pixels, or, unless it is whole, be refused."""
    return read(data, note, wrong=differs(pixels), refusable=not whole)


def several(rng: Rng, pixels: Pixels, name: str, **options: Any) -> bytes:
    """An animation, or several images in one file."""
    out = io.BytesIO()
    further = [Image.fromarray(255 - pixels)] * int(rng.integers(1, 4))
    Image.fromarray(pixels).save(out, name, save_all=True, append_images=further, **options)
    return out.getvalue()


def animation(rng: Rng, _: Path) -> Input:
    """The first frame counts, and what follows it may be missing or broken."""
    name = str(rng.choice(("PNG", "WEBP", "MPO", "TIFF")))
    pixels = scene(rng)
    options = {"lossless": True} if name == "WEBP" else {}
    expected = opened(saved(pixels, "JPEG")) if name == "MPO" else pixels
    data, how = shortened(rng, several(rng, pixels, name, **options), packed=name not in ("TIFF", "WEBP"))
    return judged(data, f"several in one {name}, {how}", expected, whole=how == "whole")


def gif_of_frames(rng: Rng, _: Path) -> Input:
    """The same frame up to ten thousand times."""
    pixels = scene(rng)
    palette = rng.integers(0, 256, (200, 3)).astype(np.uint8)
    indices = (pixels[:, :, :1].astype(int) * 200) // 256
    data = handmade.gif(indices, palette)
    frame = data[13 + 768 : -1]
    times = int(rng.choice((10, 1000, 10_000)))
    data = data[:-1] + frame[: 2**20 // times * 8] * times + b";"
    return judged(data, f"gif and {times} frames or parts of them", palette[indices[:, :, 0]], whole=True)


def blank_tail_of_gif(rng: Rng, _: Path) -> Input:
    """A copy that stopped within the last blocks."""
    data, pixels = healthy(rng, "gif")
    at = len(data) - int(rng.integers(20, 900))
    return judged(data[:at] + bytes(len(data) - at), f"gif, zeros from {at} of {len(data)}", pixels, whole=False)


def blank_tail_of_webp(rng: Rng, _: Path) -> Input:
    """A copy that stopped and left zeros or ones: of one image, or of the first of several."""
    pixels, options = scene(rng), {"lossless": bool(rng.integers(2))}
    more = bool(rng.integers(2))  # at most three, so that a fifth of the file is within the first
    data = several(rng, pixels, "WEBP", **options) if more else saved(pixels, "WEBP", **options)
    at, blank = int(len(data) * rng.uniform(0.1, 0.2 if more else 0.9)), (0, 255)[rng.integers(2)]
    at = min(at, len(data) - TOLD)
    tail = bytes((blank,)) * (len(data) - at)
    note = f"webp {options}, {blank} from {at} of {len(data)}"
    return judged(data[:at] + tail, note, opened(data), whole=False)


def rare_tiff(rng: Rng, _: Path) -> Input:
    """Planes, 16 bits, predictors and every way of packing, by hand and by Pillow."""
    pixels = scene(rng)
    if rng.integers(2):
        depth = int(rng.choice((8, 16)))
        samples = pixels.astype(np.uint16) * 257 if depth == 16 else pixels
        options: dict[str, Any] = {"order": "<>"[rng.integers(2)], "planar": bool(rng.integers(2))}
        options |= {"tile": 16 * int(rng.integers(1, 5))} if rng.integers(2) else {"rows": int(rng.integers(1, 60))}
        options["deflate"] = bool(rng.integers(2))
        data = handmade.tiff(samples, depth, 2, **options)
        note, blank = f"tiff of {depth} bits, {options}", False
    else:
        packing = str(rng.choice(("tiff_lzw", "packbits", "tiff_adobe_deflate", "lzma", "zstd")))
        lines = int(rng.choice((8, 64, 4096)))
        data = saved(pixels, "TIFF", compression=packing, strip_size=lines * pixels.shape[1])
        note, blank = f"tiff, {packing}, {lines} rows", True
    data, how = shortened(rng, data, packed=blank)
    return judged(data, f"{note}, {how}", pixels, whole=how == "whole")


def rare_bmp(rng: Rng, _: Path) -> Input:
    """Run lengths with literal runs and jumps, the header of OS/2, rows from the top."""
    pixels = scene(rng)
    height, width = pixels.shape[:2]
    kind = ("runs", "OS/2", "top down")[rng.integers(3)]
    if kind == "runs":
        palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
        indices = pixels[:, :, 0] // 64
        body = b""
        for row in indices[::-1]:
            starts = np.flatnonzero(np.diff(row, prepend=-1))
            for start, end in zip(starts, [*starts[1:], width], strict=True):
                body += bytes((end - start, int(row[start])))
            body += b"\0\0"
        body += b"\0\1"
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
        table = b"".join(bytes((b, g, r, 0)) for r, g, b in palette.tolist())
        data = b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + info + table + body
        pixels = palette[indices]
    elif kind == "OS/2":
        rows = [row[:, ::-1].tobytes() + bytes(-3 * width % 4) for row in pixels[::-1]]
        data = b"BM" + struct.pack("<IHHIIHHHH", 0, 0, 0, 26, 12, width, height, 1, 24) + b"".join(rows)
    else:
        data = handmade.bmp(pixels, 24, top_down=True)
    data, how = shortened(rng, data, packed=False)
    return judged(data, f"bmp, {kind}, {how}", pixels, whole=how == "whole")


def rare_webp(rng: Rng, _: Path) -> Input:
    """A layer of transparency, a profile, EXIF: the extended container."""
    pixels = scene(rng)
    options: dict[str, Any] = {"lossless": bool(rng.integers(2))}
    if rng.integers(2):
        options["icc_profile"] = rng.bytes(3000)
    if rng.integers(2):
        options["exif"] = b"Exif\0\0" + rng.bytes(500)
    layered = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]) if rng.integers(2) else pixels
    if layered is not pixels:
        layered[:3, :3, 3] = 0
    plain = saved(layered, "WEBP", **options)
    with Image.open(io.BytesIO(plain)) as picture:
        shown = np.asarray(picture.convert("RGBA"))
    expected = np.where(shown[:, :, 3:] == 0, 255, shown[:, :, :3]).astype(np.uint8)
    data, how = shortened(rng, plain, fewest=TOLD)
    return judged(data, f"webp {sorted(options)}, {layered.shape[2]} channels, {how}", expected, whole=how == "whole")


def rare_jpeg(rng: Rng, _: Path) -> Input:
    """Four colours, and an Adobe segment that lies about them; a frame of a kind that is not read."""
    pixels = scene(rng)
    if rng.integers(2):
        data = saved(pixels, "JPEG", quality=int(rng.integers(30, 98)))
        marker = int(rng.choice((0xC3, 0xC5, 0xC9, 0xCA, 0xCB, 0xCD)))
        return read(data.replace(b"\xff\xc0", bytes((0xFF, marker)), 1), f"jpeg as frame {marker:X}")
    out = io.BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(out, "JPEG", quality=90)
    data, how = shortened(rng, out.getvalue())
    expected = opened(out.getvalue())
    return judged(data, f"jpeg of four colours, {how}", expected, whole=how == "whole")


def checksums_lie(rng: Rng, _: Path) -> Input:
    """A PNG whose checksum of the unpacked bytes is another or lacks: all pixels are there, or not."""
    data, pixels = healthy(rng, "png")
    chunks = png_chunks(data)
    packed = chunks[1][1]
    cut = int(rng.choice((1, 2, 4, 5, int(rng.integers(6, len(packed))))))
    tail = rng.bytes(4) if rng.integers(2) else b""
    chunks[1] = b"IDAT", packed[:-cut] + tail
    return judged(png_of(chunks), f"png, {cut} bytes cut and {len(tail)} others", pixels, whole=False)


def packed_to_more(rng: Rng, _: Path) -> Input:
    """Pixels that unpack to more than the image, as bombs do."""
    pixels = scene(rng)
    chunks = png_chunks(handmade.png(pixels, 8, 2))
    unpacked = zlib.decompress(chunks[1][1])
    chunks[1] = b"IDAT", zlib.compress(unpacked + bytes(int(rng.choice((1, 1000, 10**8)))))
    return judged(png_of(chunks), "png that unpacks to more", pixels, whole=False)


RARE: dict[str, Make] = {
    make.__name__: make
    for make in (
        animation, gif_of_frames, blank_tail_of_gif, blank_tail_of_webp, rare_tiff, rare_bmp, rare_webp, rare_jpeg,
        checksums_lie,
        packed_to_more,
    )
}  # fmt: skip
