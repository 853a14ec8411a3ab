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
from app.cache import explanation as explanations
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.explain import explanation
from lesion_core.data.catalog import LAYOUTS
from lesion_core.data.samples import OOD, SYNTHETIC, Sample, load, ood_samples, synthetic_samples
from lesion_core.errors import DataError, LesionError
from lesion_core.foreign_text import shown
from lesion_core.imaging.arrays import Pixels
from lesion_core.runs.classifier import Run

FREE = "CC"
"""How licences begin that allow an image to be shown with its credit."""
SIDE = 900
"""Pixels of the longer side at most: enough for a wall, and about 100 kB."""
PHONE_SIDE = 360
"""Pixels for a phone, and about 20 kB: a class of thirty shares one Wi-Fi."""
MAP = "map"
"""How the name of an image with a map over it begins."""
MAP_OPACITY = 0.5


class ClassImage(NamedTuple):
    """A JPEG for a class, the kind that its badge names, and its credit."""

    jpeg: bytes
    kind: str
    credit: str


def map_name(run: Run, code: str, image: str) -> str:
    """The name of an image with the Grad-CAM map of an answer over it: any process can make it."""
    return "\t".join((MAP, code, run.name, image))


def with_map(run: Run, image: Pixels, code: str) -> Pixels:
    """The Grad-CAM map of an answer over an image, as the page Explain shows it."""
    return explanation.over(run, image, explanations.explain(run, image, code), MAP_OPACITY)


def may_be_shown(name: str) -> bool:
    """Whether a class may see the image of a sample."""
    try:
        _allowed(name)
    except LesionError:
        return False
    return True


@lru_cache(maxsize=256)
def class_image(name: str, side: int = SIDE) -> ClassImage:
    """The image of a sample as a class may see it.

    Args:
        name: Its id: of a synthetic lesion, of an OOD image that ships, or of a data set on this machine; or what
            `map_name` gives of one.
        side: Pixels of the longer side at most.

    Raises:
        DataError: There is no such image, or its licence does not allow it.
        ImageError: The file cannot be decoded.
        RunError: The run of a map is not here.
    """
    code = run = ""
    if name.startswith(f"{MAP}\t"):
        _, code, run, name = name.split("\t", 3)
    sample, kind, credit = _allowed(name)
    image = load(sample).image
    if run:
        image = with_map(cached_runs.run(run), image, code)
    scale = min(1.0, side / max(image.shape[:2]))
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
