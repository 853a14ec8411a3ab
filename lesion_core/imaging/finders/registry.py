"""The finders by the name of what they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.finders.colours import find_ink, find_patches
from lesion_core.imaging.finders.frame import find_dark_corner
from lesion_core.imaging.finders.gel import find_gel_border, find_gel_bubbles
from lesion_core.imaging.finders.hairs import find_hair
from lesion_core.imaging.finders.rulers import find_ruler
from lesion_core.imaging.finders.working_size import Found, at_working_size


@dataclass(frozen=True)
class Finder:
    """One kind of artefact and how it is found.

    Attributes:
        key: Its key in the registry, and its column in the labels by hand.
        name: As a label shows it.
        plain: What is looked for, one sentence for a student.
        source: Where the method is from.
        find: From an image at the working size to score and mask.
    """

    key: str
    name: str
    plain: str
    source: str
    find: Callable[[Pixels], tuple[float, Mask]]


_OURS = "ours"

FINDERS: dict[str, Finder] = {
    finder.key: finder
    for finder in (
        Finder(
            key="dark_corner",
            name="Dark corner",
            plain="How much darker the darkest corner is than the middle grey of the image.",
            source=_OURS,
            find=find_dark_corner,
        ),
        Finder(
            key="hair",
            name="Hair",
            plain="Thin, long, dark lines on skin that are neither violet nor on a ruler.",
            source="Lee et al., DullRazor, Comput. Biol. Med. 27 (1997), with changes of ours",
            find=find_hair,
        ),
        Finder(
            key="gel_border",
            name="Gel border",
            plain="Long, smooth, faint edges on skin, where the gel or the contact plate ends.",
            source="Canny, IEEE Trans. PAMI 8 (1986), for the edges; which of them count is ours",
            find=find_gel_border,
        ),
        Finder(
            key="gel_bubble",
            name="Gel bubbles",
            plain="Small, round, bright spots, as bubbles in the gel mirror the light.",
            source=_OURS,
            find=find_gel_bubbles,
        ),
        Finder(
            key="ruler",
            name="Ruler",
            plain="A straight line with ticks at equal steps, or such ticks alone.",
            source="Duda and Hart, Commun. ACM 15 (1972), for the lines; the ticks are ours",
            find=find_ruler,
        ),
        Finder(
            key="ink",
            name="Ink",
            plain="Strokes that swallow green light more than blue, as a surgeon's violet pen does.",
            source=_OURS,
            find=find_ink,
        ),
        Finder(
            key="patches",
            name="Coloured patches",
            plain="Vivid areas with a smooth outline that the frame cuts off, as stickers are.",
            source=_OURS,
            find=find_patches,
        ),
    )
}
"""Every artefact that is looked for, in the order of the labels by hand."""


def find_artefact(image: Pixels, key: str) -> Found:
    """Look for one kind of artefact.

    Args:
        image: (H, W, 3) uint8 RGB of any size; it is not changed. Under 32 pixels nothing is found.
        key: Key of `FINDERS`.

    Returns:
        Score in [0, 1] and (H, W) mask; the same image gives the same.

    Raises:
        ConfigError: The key is unknown.
        ImageError: The image is not (H, W, 3) uint8.
    """
    if key not in FINDERS:
        raise ConfigError(f"There is no finder of '{key}'.", f"Choose one of {', '.join(FINDERS)}.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ImageError(
            f"An array of shape {image.shape} and type {image.dtype} is not an RGB image.",
            "Give (height, width, 3) of type uint8.",
        )
    return at_working_size(FINDERS[key].find, image)
