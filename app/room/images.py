"""Images that a class may see on phones and on the wall, each with whose it is.

A phone in a room is like a publication: images made by code and free ones go there, and those of a data set whose
licence allows it, with its credit.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from app import state
from app.cache import images as cached_images
from lesion_core.data.catalog import LAYOUTS
from lesion_core.data.samples import OOD, SYNTHETIC, Sample, load, ood_samples, synthetic_samples
from lesion_core.errors import DataError, LesionError
from lesion_core.foreign_text import shown

FREE = "CC"
"""How licences begin that allow an image to be shown with its credit."""
SIDE = 900
"""Pixels of the longer side at most: enough for a wall, and about 100 kB."""


class ClassImage(NamedTuple):
    """A JPEG for a class, the kind that its badge names, and its credit."""

    jpeg: bytes
    kind: str
    credit: str


@lru_cache(maxsize=128)
def class_image(name: str) -> ClassImage:
    """The image of a sample as a class may see it.

    Args:
        name: Its id: of a synthetic lesion, of an OOD image that ships, or of a data set on this machine.

    Raises:
        DataError: There is no such image, or its licence does not allow it.
        ImageError: The file cannot be decoded.
    """
    sample, kind, credit = _allowed(name)
    image = load(sample).image
    scale = min(1.0, SIDE / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    reduced = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    written = cv2.imencode(".jpg", cv2.cvtColor(reduced, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return ClassImage(written.tobytes(), kind, credit)


def _allowed(name: str) -> tuple[Sample, str, str]:
    if name.startswith(SYNTHETIC):
        found = {sample.id: sample for sample in synthetic_samples(per_class=99)}
        if name in found:
            return found[name], "synthetic", "Made by code; it says nothing of real skin."
    if name.startswith(OOD):
        shipped = {sample.id: sample for sample in ood_samples(state.OOD_SAMPLES)}
        if name in shipped:
            return shipped[name], "not a lesion", "Made by code, or in the public domain."
    root = state.data_root()
    real = cached_images.all_real_samples(root).get(name) if root else None
    if real is None:
        raise DataError(f"There is no image {shown(name)} here.", "Choose one of the list.")
    if line := cached_images.credit_lines(root).get(name):
        return real, "real", line
    for layout in cached_images.data_sets():
        licence = LAYOUTS[layout].licence
        if licence.startswith(FREE):
            with suppress(LesionError):
                if name in set(cached_images.catalog(layout).table["image_id"]):
                    return real, "real", f"{LAYOUTS[layout].title}, {licence}"
    raise DataError(f"The licence of {shown(name)} is not known.", "Choose a synthetic image for a class.")
