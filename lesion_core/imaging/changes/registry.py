"""Every change that an image can undergo, in five severities."""

from __future__ import annotations

import numpy as np

from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.blur import BLUR
from lesion_core.imaging.changes.dermoscopy import DERMOSCOPY
from lesion_core.imaging.changes.digital import DIGITAL
from lesion_core.imaging.changes.entry import Change, Changed
from lesion_core.imaging.changes.light import LIGHT
from lesion_core.imaging.changes.noise import NOISE
from lesion_core.imaging.changes.overlays import OVERLAYS

__all__ = ["CHANGES", "SEVERITIES", "Change", "Changed", "change", "check_image", "known_change", "stream"]

SEVERITIES = (1, 2, 3, 4, 5)

CHANGES: dict[str, Change] = {
    entry.key: entry for group in (NOISE, BLUR, DIGITAL, LIGHT, OVERLAYS, DERMOSCOPY) for entry in group
}
"""In the order in which they are shown: SAM-C's 14 and its extras, contrast_up, and dermoscopy's own eight."""


def change(image: Pixels, key: str, severity: int, image_id: str, *, whole: bool = False) -> Changed:
    """An image after a change; the same image, key, severity and id give the same pixels.

    All severities of an image share one draw: what a lower one hides, moves or darkens, a higher one does too.

    Args:
        image: (H, W, 3) uint8 RGB; it is not changed.
        key: A key of `CHANGES`.
        severity: 0 (the image itself) to 5.
        image_id: Seeds the random stream, together with the key.
        whole: For a network that sees the whole image, not its central square: where a published length is of a square,
            the same share of the image is changed.

    Raises:
        ConfigError: The key or the severity is unknown.
        ImageError: The image is not (H, W, 3) uint8.

    Example:
        >>> import numpy as np
        >>> grey = np.full((4, 6, 3), 100, np.uint8)
        >>> int(change(grey, "brightness_up", 2, "ISIC_0024306").image[0, 0, 0])
        120
    """
    known_change(key)
    if isinstance(severity, bool) or severity not in (0, *SEVERITIES):
        raise ConfigError(f"There is no severity {severity!r}.", "Give a whole number from 0 (unchanged) to 5.")
    check_image(image)
    if severity == 0:
        return Changed(image)
    # OpenCV takes no views with steps.
    entry = CHANGES[key]
    draw = entry.draw_whole if whole and entry.draw_whole else entry.draw
    return draw(np.ascontiguousarray(image), int(severity), stream(key, image_id))


def known_change(key: str) -> str:
    """The key.

    Raises:
        ConfigError: It is unknown.
    """
    if key not in CHANGES:
        raise ConfigError(f"There is no change '{key}'.", f"Choose one of {', '.join(CHANGES)}.")
    return key


def stream(*words: str) -> np.random.Generator:
    """The random stream of a few words: the same words, the same numbers."""
    return np.random.default_rng([byte for word in words for byte in (*word.encode(), 0)])


def check_image(image: Pixels) -> None:
    """Raise an `ImageError` unless an array is (H, W, 3) uint8 with a pixel at least."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ImageError(
            f"An array of shape {image.shape} and type {image.dtype} is not an RGB image.",
            "Give (height, width, 3) of type uint8.",
        )
