"""Images that belong together, by their place: poses of one image, and frames of a sequence that hardly changes."""

from __future__ import annotations

from lesion_core.errors import ConfigError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.poses import POSES, pose
from lesion_core.imaging.changes.sequences import FRAMES, SEQUENCES, frame

SERIES = {**{key: entry.name for key, entry in POSES.items()}, **{key: one.name for key, one in SEQUENCES.items()}}
"""Every set of poses and every sequence: key to its name on the screen."""


def length(key: str) -> int:
    """How many images a series has.

    Raises:
        ConfigError: The key is unknown.

    Examples:
        >>> length("symmetries"), length("rotate")
        (8, 31)
    """
    if key not in SERIES:
        raise ConfigError(f"There is no series '{key}'.", f"Choose one of {', '.join(SERIES)}.")
    return len(POSES[key].names) if key in POSES else FRAMES


def member(image: Pixels, key: str, i: int, image_id: str) -> Pixels:
    """The image at place i of a series; arguments and errors as in `sequences.frame`.

    Example:
        >>> import numpy as np
        >>> member(np.zeros((8, 6, 3), np.uint8), "symmetries", 5, "ISIC_0024306").shape
        (6, 8, 3)
    """
    return pose(image, key, i) if key in POSES else frame(image, key, i, image_id)
