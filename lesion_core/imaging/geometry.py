"""Geometry: dark corners, the model's square, and the way back from it to the original image.

A `Box` is (x0, y0, x1, y1) in pixels from the top left, x1 and y1 exclusive.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.config import DarkCorner, Resize

Box = tuple[float, float, float, float]

LARGE_SIDE = 2048
"""Images with a longer side than this are first reduced to `REDUCED_SIDE`: hair and contrast need no more."""
REDUCED_SIDE = 1024

_WORKING_SIDE = 160  # pixels; a dermatoscope's ring is a coarse shape
_MIN_RING = 0.005  # share of the image: less is vignetting that costs nothing to keep
_MIN_SQUARE = 0.4  # share of the short side: less is a dark image, not a field


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which every pipeline begins: at most `LARGE_SIDE`, else `REDUCED_SIDE` on the longer side."""
    if max(height, width) <= LARGE_SIDE:
        return height, width
    scale = REDUCED_SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def crop_dark_corners(image: NDArray[np.uint8], settings: DarkCorner) -> tuple[NDArray[np.uint8], Box]:
    """Crop to the largest centred square free of the dark ring of a dermatoscope.

    Dark is a grey level under ``settings.darkness``, in a region that holds one of the image's corners: a
    lesion that is dark, even one that runs over an edge, stays. Without dark corners nothing is cropped.

    Args:
        image: (H, W, 3) uint8 RGB.
        settings: The darkness.

    Returns:
        The crop (a view) and its box in `image`; both the whole image where there is no ring.
    """
    height, width = image.shape[:2]
    whole = (0.0, 0.0, float(width), float(height))
    ring, scale = _small_ring(image, settings)
    if ring.mean() < _MIN_RING:
        return image, whole

    # A pixel is outside a centred square of half side s where its Chebyshev distance from the centre exceeds s.
    h, w = ring.shape
    distance = np.maximum(np.abs(np.arange(h) + 0.5 - h / 2)[:, None], np.abs(np.arange(w) + 0.5 - w / 2)[None, :])
    half = min(distance[ring].min() - 1.5, h / 2, w / 2)  # half a pixel to the edge, one for the soft transition
    side = int(2 * half * scale)
    if side < _MIN_SQUARE * min(height, width):
        return image, whole
    x0, y0 = (width - side) // 2, (height - side) // 2
    return image[y0 : y0 + side, x0 : x0 + side], (float(x0), float(y0), float(x0 + side), float(y0 + side))


def dark_ring(image: NDArray[np.uint8], settings: DarkCorner) -> NDArray[np.bool_]:
    """Where the dark ring of a dermatoscope is, as `crop_dark_corners` finds it: (H, W) bool, all false without one."""
    ring, _ = _small_ring(image, settings)
    if ring.mean() < _MIN_RING:
        return np.zeros(image.shape[:2], bool)
    return np.asarray(enlarge(ring.astype(np.float32), (image.shape[0], image.shape[1])) > 0.5)


def _small_ring(image: NDArray[np.uint8], settings: DarkCorner) -> tuple[NDArray[np.bool_], float]:
    """The ring on the image made smaller, and how many times smaller."""
    height, width = image.shape[:2]
    scale = max(1.0, min(height, width) / _WORKING_SIDE)
    small = cv2.resize(image, (round(width / scale), round(height / scale)), interpolation=cv2.INTER_AREA)
    dark = cv2.medianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), 5) < settings.darkness
    labels = cv2.connectedComponents(dark.astype(np.uint8))[1]
    corners = np.unique(labels[[0, 0, -1, -1], [0, -1, 0, -1]])
    return np.isin(labels, corners[corners > 0]), scale


def square(shape: tuple[int, ...], settings: Resize) -> tuple[int, int, int, int]:
    """The box that `resize` brings to the model's square.

    Args:
        shape: Height and width of the image; more is ignored.
        settings: How it is fitted.

    Returns:
        Whole pixels: the centred square inside the image (crop), the one around it (pad, so it exceeds
        the image), or the image (stretch).
    """
    height, width = shape[:2]
    if settings.fit == "stretch":
        return 0, 0, width, height
    side = min(height, width) if settings.fit == "crop" else max(height, width)
    # Floor towards minus infinity for both fits keeps the box whole and the square exact.
    x0, y0 = (width - side) // 2, (height - side) // 2
    return x0, y0, x0 + side, y0 + side


def resize(image: NDArray[np.uint8], settings: Resize) -> NDArray[np.uint8]:
    """Bring an image to the model's square.

    Args:
        image: (H, W, 3) uint8 RGB.
        settings: Pixels per side, and crop, pad (borders mirrored) or stretch.

    Returns:
        (size, size, 3) uint8, C-contiguous.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = square(image.shape, settings)
    if settings.fit == "pad":
        around = cv2.copyMakeBorder(image, -y0, y1 - height, -x0, x1 - width, cv2.BORDER_REFLECT)
        return scale_to(np.asarray(around, dtype=np.uint8), settings.size, settings.size)
    return scale_to(image[y0:y1, x0:x1], settings.size, settings.size)


def scale_to(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resample to a size: area averages down (no aliasing), bicubic up. The result is a copy."""
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image).copy()
    down = height <= image.shape[0] and width <= image.shape[1]
    method = cv2.INTER_AREA if down else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def to_original(heatmap: NDArray[np.floating], shape: tuple[int, ...], box: Box) -> NDArray[np.float32]:
    """Lay a map on the model's square over the original image.

    Args:
        heatmap: (h, w) on the model's square.
        shape: Height and width of the original image; more is ignored.
        box: What the square shows of it, from `Pipeline.frame`. It may exceed the image.

    Returns:
        (H, W) float32, bilinear, 0 outside the box.
    """
    height, width = shape[:2]
    x0, y0, x1, y1 = (round(edge) for edge in box)
    spread = enlarge(heatmap, (max(1, y1 - y0), max(1, x1 - x0)))
    out = np.zeros((height, width), dtype=np.float32)
    top, left, bottom, right = max(0, y0), max(0, x0), min(height, y1), min(width, x1)
    out[top:bottom, left:right] = spread[top - y0 : bottom - y0, left - x0 : right - x0]
    return out


def enlarge(field: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A map (h, w) at another height and width, bilinear, float32."""
    return np.asarray(
        cv2.resize(np.ascontiguousarray(field, dtype=np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
    )
