"""Images as a browser gets them, drawn and encoded once for all visitors: the same bytes have the same address, so
that browsers keep them too. A visitor's own image is drawn for that visitor and not kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import cv2
import numpy as np
import streamlit as st

from app.state import own_image
from lesion_core.imaging.arrays import Pixels
from lesion_core.serving.single_flight import SingleFlightCache

KEPT = 64 * 2**20
"""Bytes of files that are kept: about 600 overlays."""
WIDEST = 1460
"""Pixels; what is wider Streamlit would decode, shrink and encode again for each visitor."""
QUALITY = 90


@st.cache_resource(show_spinner=False, max_entries=1)
def _files() -> SingleFlightCache[bytes]:
    return SingleFlightCache(len, KEPT)


def encoded(key: Hashable, draw: Callable[[], Pixels]) -> bytes:
    """An image as a JPEG for `st.image`.

    Args:
        key: All that the image depends on; what differs in it is another image.
        draw: Makes it, (H, W, 3) uint8 RGB.
    """

    def make() -> bytes:
        drawn = draw()
        height, width = drawn.shape[:2]
        if width > WIDEST:
            size = WIDEST, max(1, round(height * WIDEST / width))
            drawn = np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)
        return _encode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])

    return make() if own_image() else _files().get((key, "jpg"), make)


def lossless(key: Hashable, draw: Callable[[], Pixels]) -> bytes:
    """The same as a PNG of its own size, to be downloaded."""

    def make() -> bytes:
        return _encode(".png", draw(), [])

    return make() if own_image() else _files().get((key, "png"), make)


def _encode(kind: str, drawn: Pixels, options: list[int]) -> bytes:
    return cv2.imencode(kind, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), options)[1].tobytes()
