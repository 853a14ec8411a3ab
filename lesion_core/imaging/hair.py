"""Hair: found as thin, long, dark lines and filled from what lies beside them.

Lee et al., DullRazor: a software approach to hair removal from images, Comput. Biol. Med. 27 (1997), with
linear openings to keep lines and drop spots (Soille, Morphological Image Analysis, 2003, chapter 8) and
Telea's inpainting (J. Graphics Tools 9, 2004).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.config import HairRemoval

_WORKING_SIDE = 450  # pixels; larger images are reduced: hair is still wide enough, and the cost has a ceiling
_ANGLES = 16
_STRAIGHT = 2.0  # a hair is straight over this many kernels; the meshes of a pigment network are not
_EXTENT = 2.5  # and, with its bends, at least this many kernels long
_ELONGATION = 10.0  # least extent over mean width; streaks and dots of a lesion stay below
_GROWTH = 0.8  # share of the threshold that the ends and bends of a hair must reach


def line(length: int, angle: float) -> NDArray[np.uint8]:
    """A flat structuring element: a line one pixel wide through the centre.

    Args:
        length: Pixels, made odd.
        angle: Radians from the x axis.
    """
    half = length // 2
    element = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.uint8)
    dx, dy = round(half * np.cos(angle)), round(half * np.sin(angle))
    cv2.line(element, (half - dx, half - dy), (half + dx, half + dy), 1)
    rows, columns = element.any(axis=1), element.any(axis=0)
    return np.ascontiguousarray(element[rows][:, columns])


def hair_mask(image: NDArray[np.uint8], settings: HairRemoval) -> NDArray[np.bool_]:
    """Find dark hair.

    The black-hat of the grey image with a line across a hair fills the hair, along it does not; spots are
    filled by lines in every direction. So the response of a direction is its black-hat minus the weakest one.
    What stays of it after an opening with a longer line along the hair is straight enough, and seeds a
    growth along what is thin and dark. Connected parts that are short or plump are dropped, and the rest is
    widened by the soft rim of a hair.

    Args:
        image: (H, W, 3) uint8 RGB.
        settings: Kernel as a share of the short side, and threshold in grey levels.

    Returns:
        (H, W) bool, True on hair. Bright hair is not found.
    """
    return _enlarge(_find(_reduce(image), settings), image.shape)


def remove_hair(image: NDArray[np.uint8], settings: HairRemoval) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Find hair and fill it from its surroundings (Telea's inpainting).

    Args:
        image: (H, W, 3) uint8 RGB.
        settings: As for `hair_mask`, and the inpainting radius as a share of the short side.

    Returns:
        The (H, W, 3) uint8 image, untouched outside the mask, and the (H, W) bool mask.
    """
    small = _reduce(image)
    found = _find(small, settings)
    mask = _enlarge(found, image.shape)
    out = image.copy()
    if found.any():
        radius = max(1.0, settings.radius * min(found.shape))
        filled = cv2.inpaint(small, found.astype(np.uint8), radius, cv2.INPAINT_TELEA)
        height, width = image.shape[:2]
        out[mask] = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)[mask]
    return out, mask


def _reduce(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image at working size, or as it is where that is not larger."""
    height, width = image.shape[:2]
    scale = _WORKING_SIDE / min(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _enlarge(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask at working size on the image that it was made from."""
    if mask.shape == shape[:2]:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.uint8), shape[1::-1], interpolation=cv2.INTER_NEAREST), dtype=bool)


def _find(image: NDArray[np.uint8], settings: HairRemoval) -> NDArray[np.bool_]:
    """`hair_mask` at working size."""
    kernel = max(5, round(settings.kernel * min(image.shape[:2])))
    margin = 2 * kernel
    # Borders are extended: a line that they cut off would find hair along every dark corner.
    grey = cv2.copyMakeBorder(
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), margin, margin, margin, margin, cv2.BORDER_REPLICATE
    )
    # Skin between two bright lines (scales, reflections) is not a hair: thin bright lines go first, by a median
    # over a kernel. It is taken at half size, where it costs a quarter and finds the same.
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    grey = np.minimum(grey, cv2.resize(cv2.medianBlur(half, 2 * (kernel // 4) + 1), grey.shape[::-1]))

    angles = np.arange(_ANGLES) * np.pi / _ANGLES
    hats = [cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, line(kernel, angle)) for angle in angles]
    weakest = np.minimum.reduce(hats)
    thin = (cv2.subtract(np.maximum.reduce(hats), weakest) >= settings.threshold * _GROWTH).astype(np.uint8)
    found = np.zeros(grey.shape, dtype=np.uint8)
    for i, angle in enumerate(angles):
        across = cv2.subtract(hats[(i + _ANGLES // 2) % _ANGLES], weakest) >= settings.threshold
        along = line(round(_STRAIGHT * kernel), angle)
        found |= np.asarray(cv2.morphologyEx(across.astype(np.uint8), cv2.MORPH_OPEN, along), dtype=np.uint8)
    neighbours = np.ones((3, 3), dtype=np.uint8)
    for _ in range(kernel):
        found |= np.asarray(cv2.dilate(found, neighbours), dtype=np.uint8) & thin

    found = np.ascontiguousarray(found[margin:-margin, margin:-margin])
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    extent = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    depth = cv2.distanceTransform(found, cv2.DIST_L2, 3)
    # Across a line of width w, the distance to its edge is w / 4 on average; it counts from half a pixel outside.
    area = np.maximum(stats[:, cv2.CC_STAT_AREA], 1)  # the background may have none
    width = 4 * (np.bincount(labels.ravel(), depth.ravel(), count) / area - 0.5)
    keep = (extent >= _EXTENT * kernel) & (extent >= _ELONGATION * width)
    keep[0] = False  # the background
    return np.asarray(cv2.dilate(keep[labels].astype(np.uint8), neighbours), dtype=bool)
