"""The image formats that are read: one list for the decoder, the folders and the upload boxes."""

from __future__ import annotations

SIGNATURES: dict[str, tuple[bytes, ...]] = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "TIFF": (b"II*\0", b"MM\0*"),
    "BMP": (b"BM",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "WEBP": (b"RIFF",),
}
"""The formats by Pillow's names, and how their files begin."""

ENDINGS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),  # jfif: browsers on Windows; mpo: cameras, several in one
    "PNG": (".png", ".apng"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
}
"""How the names of their files end, in lower case."""

IMAGE_ENDINGS = frozenset(ending for endings in ENDINGS.values() for ending in endings)

UPLOAD_TYPES = sorted(ending.removeprefix(".") for ending in IMAGE_ENDINGS)
"""The same as `st.file_uploader` wants them."""


def signature(data: bytes) -> str | None:
    """The format, a key of `SIGNATURES`, that the bytes begin like, or None."""
    for name, beginnings in SIGNATURES.items():
        if data.startswith(beginnings) and (name != "WEBP" or data[8:12] == b"WEBP"):
            return name
    return None
