"""What skin and lesions of each diagnosis measure in HAM10000: means and spreads only, of pigments, texture and form.

`typical.json` is written by `python -m benchmarks.synthetic --fit`, from training images alone; it holds no pixel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("typical.json")
Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Typical:
    """The figures of `appearance.measure` over many images of one diagnosis.

    Attributes:
        colour: (6,) median of the skin's melanin, blood and deep pigment, and of what the lesion has more.
        colour_spread: (6, 6) lower triangle: times a standard normal it is the deviation of an image.
        texture: (2, 6, 3, 3) the same for the noise of each octave, fine to coarse, of skin and of lesion.
        texture_spread: (2,) deviation of the log of its strength between images, of skin and of lesion.
        area: mean and deviation of the log of the lesion's share of the square.
        aspect: mean and deviation of short over long axis.
        softness: median distance from the border of half the contrast, short sides.
        vignette: mean and deviation.
    """

    colour: Numbers
    colour_spread: Numbers
    texture: Numbers
    texture_spread: Numbers
    area: Numbers
    aspect: Numbers
    softness: Numbers
    vignette: Numbers


@cache
def typical(diagnosis: str) -> Typical:
    """The figures of a diagnosis, for reading only."""
    found = json.loads(FILE.read_text(encoding="utf-8"))[diagnosis]
    return Typical(**{name: np.array(values, float) for name, values in found.items()})
