"""The same lesion with the camera held otherwise: the eight symmetries, rotations, and crops.

Nothing is laid over the image and no light changes, so an answer that changes did so for no reason in the lesion. Each
set of poses holds with a pose its three flips, so that a mean over the flips (test-time augmentation) needs no further
image.

Source: Maron et al. 2021 (European Journal of Cancer 145:81-91), who measured brittleness by rotations and zooms; the
sets of angles and places are ours. Ten crops with their mirror images are those of Krizhevsky et al. 2012; here each of
five has all flips.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lesion_core.errors import ConfigError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.registry import check_image

FLIPS = ("as it is", "mirrored left to right", "mirrored top to bottom", "turned by half")
"""The four symmetries of a rectangle, in the order of `_flip`."""
ANGLES = 12
"""Rotations, in equal steps: an even number, so that half a turn is one of them."""
KEPT = 7 / 8
"""Share of each side that a crop shows."""
PLACES = ("centre", "upper left", "upper right", "lower left", "lower right")


@dataclass(frozen=True)
class PoseSet:
    """Several poses of one image.

    Attributes:
        key: Its key in `POSES`.
        name: Its name on the screen.
        plain: What a person sees, one sentence.
        names: F names, one per pose.
        shown: The poses that are compared with each other, the first one with the camera as it was; the others are
            flips of these.
        flips: (F, 4): of each pose itself and its three flips, by place.
        draw: Makes a pose.
    """

    key: str
    name: str
    plain: str
    names: tuple[str, ...]
    shown: tuple[int, ...]
    flips: tuple[tuple[int, ...], ...]
    draw: Callable[[Pixels, int], Pixels]


def pose(image: Pixels, key: str, i: int) -> Pixels:
    """A pose of an image.

    Args:
        image: (H, W, 3) uint8 RGB; it is not changed.
        key: A key of `POSES`.
        i: Its place, from 0.

    Returns:
        (H', W', 3) uint8, of the same area for every pose of a set.

    Raises:
        ConfigError: The key or the pose is unknown.
        ImageError: The image is not (H, W, 3) uint8.

    Example:
        >>> import numpy as np
        >>> image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
        >>> pose(image, "symmetries", 4).shape, bool((pose(image, "symmetries", 1) == image[:, ::-1]).all())
        ((3, 2, 3), True)
    """
    if key not in POSES:
        raise ConfigError(f"There are no poses '{key}'.", f"Choose one of {', '.join(POSES)}.")
    if isinstance(i, bool) or i not in range(len(POSES[key].names)):
        raise ConfigError(f"There is no pose {i!r}.", f"Give a whole number from 0 to {len(POSES[key].names) - 1}.")
    check_image(image)
    return np.ascontiguousarray(POSES[key].draw(image, int(i)))


def _flip(image: Pixels, which: int) -> Pixels:
    return image[:: -1 if which & 2 else 1, :: -1 if which & 1 else 1]


def _symmetry(image: Pixels, i: int) -> Pixels:
    return _flip(np.rot90(image) if i >= len(FLIPS) else image, i % len(FLIPS))


def _rotation(image: Pixels, i: int) -> Pixels:
    """Turned counterclockwise and cut to the square that lies inside of the image at every angle, at 0 degrees too:
    otherwise black corners and the scale would be measured. Its side is the short one over the root of 2."""
    height, width = image.shape[:2]
    side = max(1, math.floor(min(height, width) / math.sqrt(2)))
    angle = 2 * math.pi * (i % ANGLES) / ANGLES
    cos, sin = math.cos(angle), math.sin(angle)
    middle, centre = (side - 1) / 2, ((width - 1) / 2, (height - 1) / 2)
    # From a place of the square to one of the image.
    back = np.array(
        [
            [cos, -sin, centre[0] - cos * middle + sin * middle],
            [sin, cos, centre[1] - sin * middle - cos * middle],
        ]
    )
    turned = cv2.warpAffine(
        np.ascontiguousarray(image),
        back,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return _flip(np.asarray(turned, np.uint8), i // ANGLES)


def _crop(image: Pixels, i: int) -> Pixels:
    height, width = image.shape[:2]
    rows, columns = max(1, round(KEPT * height)), max(1, round(KEPT * width))
    place = i // len(FLIPS)
    if place == 0:
        top, left = (height - rows) // 2, (width - columns) // 2
    else:
        top, left = (height - rows) * ((place - 1) // 2), (width - columns) * ((place - 1) % 2)
    return _flip(image[top : top + rows, left : left + columns], i % len(FLIPS))


def _with_flips(places: int) -> tuple[tuple[int, ...], ...]:
    """Of poses whose four flips follow one another."""
    return tuple(tuple(i ^ f for f in range(4)) for i in range(4 * places))


def _half_turns() -> tuple[tuple[int, ...], ...]:
    """Of rotations, then their mirror images: half a turn is another rotation, and top to bottom its mirror image."""
    opposite = [(k + ANGLES // 2) % ANGLES for k in range(ANGLES)]
    own = [(k, ANGLES + k, ANGLES + opposite[k], opposite[k]) for k in range(ANGLES)]
    return (*own, *((ANGLES + k, k, opposite[k], ANGLES + opposite[k]) for k in range(ANGLES)))


POSES: dict[str, PoseSet] = {
    one.key: one
    for one in (
        PoseSet(
            key="symmetries",
            name="Flips and quarter turns",
            plain="The eight ways to lay the image down, which lose no pixel.",
            names=(
                *FLIPS,
                *(f"a quarter turn, {flip}" if place else "a quarter turn" for place, flip in enumerate(FLIPS)),
            ),
            shown=tuple(range(8)),
            flips=_with_flips(2),
            draw=_symmetry,
        ),
        PoseSet(
            key="rotations",
            name="Rotations",
            plain=f"Turned in {ANGLES} steps, each cut to the square that fits at every angle.",
            names=(
                *(f"{360 * k // ANGLES}°" for k in range(ANGLES)),
                *(f"{360 * k // ANGLES}°, mirrored" for k in range(ANGLES)),
            ),
            shown=tuple(range(ANGLES)),
            flips=_half_turns(),
            draw=_rotation,
        ),
        PoseSet(
            key="crops",
            name="Crops",
            plain="Seven eighths of each side, from the centre and the four corners.",
            names=tuple(f"{place}, {flip}" if f else place for place in PLACES for f, flip in enumerate(FLIPS)),
            shown=tuple(4 * place for place in range(len(PLACES))),
            flips=_with_flips(len(PLACES)),
            draw=_crop,
        ),
    )
}
"""In the order in which they are shown."""
