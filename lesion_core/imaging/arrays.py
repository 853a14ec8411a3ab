"""The arrays that images are, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

Mask = NDArray[np.bool_]
"""(H, W) bool: where the lesion, or whatever it is a mask of, is."""
