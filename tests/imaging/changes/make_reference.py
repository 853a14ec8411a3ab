"""Makes reference.npz: what imagecorruptions 1.1.2 gives for an image made by code.

    python -m venv /tmp/reference
    /tmp/reference/bin/pip install imagecorruptions==1.1.2 'setuptools<81'
    /tmp/reference/bin/python tests/imaging/changes/make_reference.py

The tests read the result alone. Of each image every third pixel of each axis is kept; of noise, the mean and the
deviation by grey level.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIDE = 224
EVERY = 3
SEVERITIES = (1, 2, 3, 4, 5)
PIXELS = ("defocus_blur", "motion_blur", "zoom_blur", "elastic_transform", "pixelate", "jpeg_compression")
NOISE = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
LEVELS = (0, 20, 60, 128, 200, 235, 255)
FILE = Path(__file__).with_name("reference.npz")


def picture() -> np.ndarray:
    """A dark lesion with a net of lines on skin, (224, 224, 3) uint8."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    lesion = 1 / (1 + np.exp(40 * (np.hypot(x - 0.55, 1.2 * (y - 0.48)) - 0.27)))
    net = np.sin(70 * x + 9 * y) * np.sin(60 * y - 12 * x)
    skin = np.stack([214 + 14 * np.sin(7 * x + 3 * y), 168 + 12 * np.cos(5 * y - 4 * x), 146 + 10 * np.sin(6 * y)], -1)
    depth = np.array([0.45, 0.6, 0.62]) * lesion[..., None] * (1 + 0.25 * net[..., None])
    return np.rint(skin * (1 - depth)).astype(np.uint8)


def levels() -> np.ndarray:
    """Columns of grey levels, (224, 32 times their number, 3) uint8."""
    return np.broadcast_to(np.repeat(np.array(LEVELS, np.uint8), 32)[None, :, None], (SIDE, 32 * len(LEVELS), 3)).copy()


def moments(image: np.ndarray) -> np.ndarray:
    """Mean and deviation of each column of `levels`: (levels, 2)."""
    columns = image.astype(float).reshape(SIDE, len(LEVELS), 32, 3)
    return np.stack([columns.mean((0, 2, 3)), columns.std((0, 2, 3))], -1)


def main() -> None:
    """Write reference.npz. The seed of each severity is the severity itself."""
    from imagecorruptions import corruptions
    from PIL import Image

    found = {}
    for name in PIXELS + NOISE:
        for severity in SEVERITIES:
            np.random.seed(severity)  # noqa: NPY002 - the package draws from there
            image = levels() if name in NOISE else picture()
            # Not through `corrupt`, which cuts decimals off: half a grey level darker.
            result = np.asarray(getattr(corruptions, name)(Image.fromarray(image), severity), float)
            if name == "defocus_blur":  # its kernels of severities 4 and 5 sum to more than 1, and brighten
                result /= corruptions.disk(*DEFOCUS[severity - 1]).sum()
            kept = moments(np.rint(result)) if name in NOISE else np.rint(result[::EVERY, ::EVERY]).astype(np.uint8)
            found[f"{name}_{severity}"] = kept
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
