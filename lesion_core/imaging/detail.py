"""One sharpness and one compression for every image, whatever camera, archive or thumbnail it comes from."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.config import Detail
from lesion_core.imaging.geometry import scale_to


def equal_detail(image: NDArray[np.uint8], settings: Detail) -> NDArray[np.uint8]:
    """Reduce an image to a short side and compress it as JPEG (4:2:0), as an archive of thumbnails would.

    Where data sets differ in resolution and compression, and in which diagnoses they hold, a network learns the one
    as a sign of the other (shortcut learning, Geirhos et al., Nature Machine Intelligence 2, 2020). After this step the
    images of all of them have the same.

    Args:
        image: (H, W, 3) uint8 RGB.
        settings: The short side and the quality. A smaller image keeps its size.

    Returns:
        (h, w, 3) uint8 RGB, the same aspect to a pixel.
    """
    height, width = image.shape[:2]
    scale = min(1.0, settings.short_side / min(height, width))
    return compressed(scale_to(image, max(1, round(width * scale)), max(1, round(height * scale))), settings.quality)


def compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """An image (H, W, 3) uint8 RGB as it comes back from a JPEG file (4:2:0) of a quality from 1 to 100."""
    how = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    _, file = cv2.imencode(".jpg", image[:, :, ::-1], how)
    return np.ascontiguousarray(np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])
