"""GIF: blocks (Graphics Interchange Format 89a, CompuServe 1990)."""

from __future__ import annotations

import re

from lesion_core.imaging.containers.parts import CostlyError, DamagedError, Parts

EXTENSION, CONTROL, IMAGE, END = 0x21, 0xF9, 0x2C, 0x3B
MOST_BLOCKS = 2**17
"""Blocks of at most 255 bytes before and in the first image: half as many again as the largest file needs."""
KNOWN = re.compile(rb"[!,]")
BLANK = bytes(16)
"""So many zeros at the end of the last block are not pixels."""
MOST_JUNK = 2**20
"""Bytes that are passed over, as decoders do, where neither an image nor an extension begins."""


def take_apart(data: bytes) -> Parts:
    """Keep the first image with its colours and its transparency.

    Raises:
        DamagedError: There is no image.
        CostlyError: There are too many blocks.
    """
    at = 13 + _palette(data[10])
    head, control = data[:at], b""
    blocks = MOST_BLOCKS
    while blocks > 0 and (found := KNOWN.search(data, at, at + MOST_JUNK)):
        at = found.start()
        if data[at] == IMAGE:
            first = data[at : (at := at + 10 + _palette(data[at + 9]))]
            end, blocks = _blocks(data, at + 1, blocks)
            if not blocks:
                break
            body = _without_blank_end(data[at:end]) if end <= len(data) else _cut_off(data[at:])
            return Parts(head + control + first + body + b";")
        end, blocks = _blocks(data, at + 2, blocks - 1)
        if data[at + 1] == CONTROL:
            control = data[at:end] if end - at == 8 else b""
        at = end
    if blocks <= 0:
        raise CostlyError(f"consists of more than {MOST_BLOCKS:,} blocks")
    raise DamagedError


def _palette(flags: int) -> int:
    """Bytes of the palette that follows."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, at: int, most: int) -> tuple[int, int]:
    """Where the blocks that begin here end, the empty one included, and how many more there may be."""
    while at < len(data) and data[at] and most > 0:
        at, most = at + data[at] + 1, most - 1
    return at + 1, most


def _without_blank_end(body: bytes) -> bytes:
    """Coded pixels without the blanks of a copy that stopped in a file of full size, which a decoder takes for
    pixels of the first colour. An encoder closes with a code that is not zero."""
    if not body.endswith(BLANK + b"\0"):
        return body
    at, last = 1, 1
    while body[at]:
        last, at = at, at + body[at] + 1
    rest = body[last + 1 : at].rstrip(b"\0")
    return body[:last] + (bytes([len(rest)]) + rest if rest else b"") + b"\0"


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
