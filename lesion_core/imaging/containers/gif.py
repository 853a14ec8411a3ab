"""GIF: blocks (Graphics Interchange Format 89a, CompuServe 1990)."""

from __future__ import annotations

from lesion_core.imaging.containers.parts import DamagedError, Parts

EXTENSION, CONTROL, IMAGE, END = 0x21, 0xF9, 0x2C, 0x3B


def take_apart(data: bytes) -> Parts:
    """Keep the first image with its colours and its transparency.

    Raises:
        DamagedError: There is no image.
    """
    at = 13 + _palette(data[10])
    head, control = data[:at], b""
    while at < len(data):
        if data[at] == IMAGE:
            first = data[at : (at := at + 10 + _palette(data[at + 9]))]
            end = _blocks(data, at + 1)
            body = data[at:end] if end <= len(data) else _cut_off(data[at:])
            return Parts(head + control + first + body + b";")
        if data[at] != EXTENSION:
            at += 1  # decoders pass over what they do not know
            continue
        end = _blocks(data, at + 2)
        if data[at + 1] == CONTROL:
            control = data[at:end] if end - at == 8 else b""
        at = end
    raise DamagedError


def _palette(flags: int) -> int:
    """Bytes of the palette that follows."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> int:
    """Where the blocks that begin here end, the empty one included."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def _cut_off(body: bytes) -> bytes:
    """Coded pixels whose last block is cut off or lacks its end: that block as long as it is, and an end.

    What closes a file, put back after a cut, would else be read as the codes of pixels that are gone."""
    at, last = 1, len(body)
    while at < len(body):
        last, at = at, at + body[at] + 1
    rest = body[last + 1 :]
    if at > len(body):
        rest = rest.removesuffix(b"\0;")
    return body[:last] + (bytes([len(rest)]) + rest if rest else b"") + b"\0"
