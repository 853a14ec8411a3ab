"""Sequences of 31 slowly changing frames, one frame at a time, as in SAM-P and ImageNet-P.

Every frame is the central 7/8 of the image, so that a shift or a small turn shows no border: ImageNet-P cuts 224
pixels out of 256, and a published pixel is 1/256 of the short side. Where a frame still shows more than the image
(scale begins at a zoom of 0.4), the border pixels continue.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.errors import ConfigError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.artefacts import Rng
from lesion_core.imaging.changes.blur import gaussian, motion, zoom
from lesion_core.imaging.changes.entry import unit
from lesion_core.imaging.changes.light import lift
from lesion_core.imaging.changes.noise import gaussian as gaussian_noise
from lesion_core.imaging.changes.noise import shot, speckle
from lesion_core.imaging.changes.overlays import (
    BUBBLES,
    LARGEST_FONTS,
    LARGEST_RADII,
    LEAST_RADIUS,
    LETTERS,
    under,
    veil,
    word,
)
from lesion_core.imaging.changes.registry import check_image, stream

FRAMES = 31
MIDDLE = 15
KEPT = 7 / 8
"""Share of each side that a frame shows."""

Draw = Callable[[Pixels, int, Rng], Pixels]
"""(image, frame, random stream) to that frame, which is still to be cut out where it is not noise."""


@dataclass(frozen=True)
class FrameSequence:
    """One kind of sequence.

    Attributes:
        key: Its key in `SEQUENCES`.
        name: Its name on the screen.
        plain: What a person sees, one sentence.
        source: Where the steps come from.
        scale: What frame i shows, i from 0 to 30.
        compared_with: Whose answer a frame's answer is compared with: that of the frame before, or of the first frame.
        clean: The frame that is the image itself; None where none is.
        extra: Whether it is one of SAM-P's extras, which its mean flip rate leaves out.
        draw: Makes it.
    """

    key: str
    name: str
    plain: str
    source: str
    scale: str
    compared_with: Literal["previous", "first"]
    clean: int | None
    draw: Draw
    extra: bool = False


def frame(image: Pixels, key: str, i: int, image_id: str) -> Pixels:
    """Frame i of a sequence; the same image, key, frame and id give the same pixels.

    Args:
        image: (H, W, 3) uint8 RGB; it is not changed.
        key: A key of `SEQUENCES`.
        i: 0 to 30.
        image_id: Seeds the random stream, together with the key.

    Returns:
        (7/8 H, 7/8 W, 3) uint8, rounded, of the same size for every frame.

    Raises:
        ConfigError: The key or the frame is unknown.
        ImageError: The image is not (H, W, 3) uint8.

    Example:
        >>> import numpy as np
        >>> frame(np.zeros((256, 320, 3), np.uint8), "rotate", 15, "ISIC_0024306").shape
        (224, 280, 3)
    """
    if key not in SEQUENCES:
        raise ConfigError(f"There is no sequence '{key}'.", f"Choose one of {', '.join(SEQUENCES)}.")
    if isinstance(i, bool) or i not in range(FRAMES):
        raise ConfigError(f"There is no frame {i!r}.", f"Give a whole number from 0 to {FRAMES - 1}.")
    check_image(image)
    sequence, number, image = SEQUENCES[key], int(i), np.ascontiguousarray(image)
    if number == sequence.clean:
        return _centre(image)
    if sequence.compared_with == "first":  # noise has a grain that belongs to the frame, and is drawn anew for each
        return sequence.draw(_centre(image), number, stream(key, image_id, str(number)))
    return _centre(sequence.draw(image, number, stream(key, image_id)))


def compared(key: str, i: int) -> int | None:
    """The frame whose answer that of frame i is compared with; None for the first frame."""
    if i == 0:
        return None
    return 0 if SEQUENCES[key].compared_with == "first" else i - 1


def _centre(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    rows, columns = max(1, round(KEPT * height)), max(1, round(KEPT * width))
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns].copy()


def _pixel(image: Pixels) -> float:
    """Pixels of this image that a published one is."""
    return KEPT * unit(image)


def _about_centre(image: Pixels, matrix: NDArray[np.floating]) -> Pixels:
    """The image under a matrix (3, 3) in pixels, homogeneous, with the origin at its centre; bilinear."""
    height, width = image.shape[:2]
    there, back = np.eye(3), np.eye(3)
    there[:2, 2] = (width - 1) / 2, (height - 1) / 2
    back[:2, 2] = -there[:2, 2]
    return np.asarray(
        cv2.warpPerspective(
            image, there @ matrix @ back, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


def _translate(image: Pixels, i: int, _: Rng) -> Pixels:
    return _about_centre(image, np.array([[1, 0, (i - MIDDLE) * _pixel(image)], [0, 1, 0], [0, 0, 1.0]]))


def _rotate(image: Pixels, i: int, _: Rng) -> Pixels:
    cos, sin = math.cos(math.radians(i - MIDDLE)), math.sin(math.radians(i - MIDDLE))
    return _about_centre(image, np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]))


def _tilt(image: Pixels, i: int, _: Rng) -> Pixels:
    """The plane of the image, one focal length away, turned about the x axis and then about the y axis."""
    cos, sin = math.cos(math.radians(i - MIDDLE)), math.sin(math.radians(i - MIDDLE))
    focal = math.hypot(*image.shape[:2])
    about_x, about_y = (
        np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]),
        np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]),
    )
    turned = (about_x @ about_y)[:, :2]
    camera = np.diag([focal, focal, 1.0])
    return _about_centre(image, camera @ np.column_stack([turned, [0, 0, focal]]))


def _scale(image: Pixels, i: int, _: Rng) -> Pixels:
    factor = (40 + 2.5 * i) / 100
    return _about_centre(image, np.diag([factor, factor, 1]))


def _shear(image: Pixels, i: int, _: Rng) -> Pixels:
    return _about_centre(image, np.array([[1, math.tan(math.radians(i - MIDDLE)), 0], [0, 1, 0], [0, 0, 1]]))


def _characters(image: Pixels, i: int, rng: Rng) -> Pixels:
    height, width = image.shape[:2]
    text = "".join(LETTERS[j] for j in rng.integers(len(LETTERS), size=6))
    colour, line = rng.integers(256, size=3), rng.uniform(0.2, 0.8)
    pixel = _pixel(image)
    place = int(((1 - KEPT) / 2 + KEPT * i / FRAMES) * width), int(line * height)
    opacity = word((height, width), text, place, LARGEST_FONTS[-1] * pixel, max(1, round(pixel)))[..., None]
    return np.asarray(np.rint((1 - opacity) * image + opacity * colour), np.uint8)


def _bubbles(image: Pixels, i: int, rng: Rng) -> Pixels:
    height, width = image.shape[:2]
    drawn, pixel = rng.random((BUBBLES[2], 3)), _pixel(image)
    across = (drawn[:, 0] + i / 120) % 1 * width
    radii = (LEAST_RADIUS + drawn[:, 2] * (LARGEST_RADII[2] - LEAST_RADIUS)) * pixel
    return under(image, veil((height, width), np.column_stack([across, drawn[:, 1] * height, radii]), 2 * pixel)).image


SAM_P = "A sequence of SAM-P (Maron et al., European Journal of Cancer 155, 2021), which does not publish its steps"
OF_SAM_P = f"{SAM_P}; these are those of ImageNet-P (Hendrycks and Dietterich, ICLR 2019)."
OWN = f"{SAM_P}, and ImageNet-P has no such sequence; these are ours."

SEQUENCES: dict[str, FrameSequence] = {
    one.key: one
    for one in (
        FrameSequence(
            key="gaussian_noise",
            name="Gaussian noise",
            plain="Every frame has other noise.",
            source=OF_SAM_P,
            scale="The image plus N(0, 0.03) of the full range, drawn anew; frame 0 has none.",
            compared_with="first",
            clean=0,
            draw=lambda image, _, rng: gaussian_noise(image, 0.03, rng),
        ),
        FrameSequence(
            key="shot_noise",
            name="Shot noise",
            plain="Every frame counts the photons again.",
            source=OF_SAM_P,
            scale="300 photons at full white, drawn anew; frame 0 has no noise.",
            compared_with="first",
            clean=0,
            draw=lambda image, _, rng: shot(image, 300, rng),
        ),
        FrameSequence(
            key="motion_blur",
            name="Motion blur",
            plain="The direction in which the camera moved turns.",
            source=OF_SAM_P,
            scale="Radius 10 and sigma 3 pixels, at an angle of 4 (i - 30) degrees; no frame is clean.",
            compared_with="previous",
            clean=None,
            draw=lambda image, i, _: motion(image, 10 * _pixel(image), 3 * _pixel(image), 4.0 * (i - 30)),
        ),
        FrameSequence(
            key="zoom_blur",
            name="Zoom blur",
            plain="The camera moves towards the skin during an exposure that becomes longer.",
            source=OF_SAM_P,
            scale="The mean of the image at the zooms 1 + 0.004 j, j from 0 to i.",
            compared_with="previous",
            clean=0,
            draw=lambda image, i, _: zoom(image, [1 + 0.004 * j for j in range(i + 1)]),
        ),
        FrameSequence(
            key="characters",
            name="Characters",
            plain="A word of six letters slides over the image.",
            source=f"{OWN} SAM-P calls it char.",
            scale="1/31 of the width per frame.",
            compared_with="previous",
            clean=None,
            draw=_characters,
        ),
        FrameSequence(
            key="brightness",
            name="Brightness",
            plain="The image becomes brighter, from very dark to very bright.",
            source=OF_SAM_P,
            scale="The value of HSV, from 0 to 1, plus 0.02 (i - 15).",
            compared_with="previous",
            clean=MIDDLE,
            draw=lambda image, i, _: lift(image, 0.02 * (i - MIDDLE)),
        ),
        FrameSequence(
            key="translate",
            name="Translate",
            plain="The image slides to the right.",
            source=f"{OF_SAM_P} It has 41 frames there and 31 here, as in SAM-P.",
            scale="Shifted to the right by (i - 15)/256 of the short side.",
            compared_with="previous",
            clean=MIDDLE,
            draw=_translate,
        ),
        FrameSequence(
            key="rotate",
            name="Rotate",
            plain="The image turns.",
            source=OF_SAM_P,
            scale="Turned by i - 15 degrees.",
            compared_with="previous",
            clean=MIDDLE,
            draw=_rotate,
        ),
        FrameSequence(
            key="tilt",
            name="Tilt",
            plain="The camera looks at the skin at an angle.",
            source=OF_SAM_P,
            scale="Turned by i - 15 degrees about both axes of the image, at a focal length of its diagonal.",
            compared_with="previous",
            clean=MIDDLE,
            draw=_tilt,
        ),
        FrameSequence(
            key="scale",
            name="Scale",
            plain="The camera moves towards the lesion, which becomes larger.",
            source=f"{OF_SAM_P} Around the small image its border pixels continue, where ImageNet-P is black.",
            scale="Zoom 0.40 + 0.025 i; frame 24 is the image itself.",
            compared_with="previous",
            clean=24,
            draw=_scale,
        ),
        FrameSequence(
            key="speckle_noise",
            name="Speckle noise",
            plain="Every frame has other noise, which is stronger where it is bright.",
            source=OF_SAM_P,
            scale="x + x N(0, 0.05), drawn anew; frame 0 has none.",
            compared_with="first",
            clean=0,
            draw=lambda image, _, rng: speckle(image, 0.05, rng),
            extra=True,
        ),
        FrameSequence(
            key="gaussian_blur",
            name="Gaussian blur",
            plain="The image becomes softer and softer.",
            source=OF_SAM_P,
            scale="Sigma 0.25 + 0.035 i pixels; frame 0 is nearly clean.",
            compared_with="previous",
            clean=None,
            draw=lambda image, i, _: gaussian(image, (0.25 + 0.035 * i) * _pixel(image)),
            extra=True,
        ),
        FrameSequence(
            key="bubble",
            name="White bubbles",
            plain="White bubbles drift over the image.",
            source=OWN,
            scale="The bubbles of severity 3, moved by 1/120 of the width per frame.",
            compared_with="previous",
            clean=None,
            draw=_bubbles,
            extra=True,
        ),
        FrameSequence(
            key="shear",
            name="Shear",
            plain="The image leans over to one side.",
            source=OF_SAM_P,
            scale="Sheared by i - 15 degrees.",
            compared_with="previous",
            clean=MIDDLE,
            draw=_shear,
            extra=True,
        ),
    )
}
"""SAM-P's ten and its four extras."""
