"""What happens to dermoscopic images: hair, rulers, ink, gel, dark corners, glare, white balance, focus.

The artefacts are those of `imaging.artefacts`. Five severities of them are not published; ours are spread so that the
distance to the original grows about evenly.
"""

from __future__ import annotations

import numpy as np

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.artefacts import ARTEFACTS, Rng, glare, hair, ink, lay, ruler, step
from lesion_core.imaging.changes.blur import gaussian
from lesion_core.imaging.changes.entry import OWN, Change, Changed
from lesion_core.imaging.changes.light import gains
from lesion_core.imaging.corruptions import LIGHTS


def dark_corner(image: Pixels, share: float, rng: Rng) -> Changed:
    """The round field of a dermatoscope that leaves a share of the image black; its edge is 0.02 short sides soft."""
    height, width = image.shape[:2]
    short = min(height, width)
    x0, y0 = np.array([width - 1, height - 1]) / 2 + rng.uniform(-0.03, 0.03, 2) * short
    colour = rng.uniform(4, 14) * np.array([1.1, 0.9, 1.0])
    # The radius that leaves this share outside, from 128 x 128 points spread over the image.
    x, y = ((np.arange(128) + 0.5) / 128 * side - 0.5 for side in (width, height))
    radius = float(np.quantile(np.hypot(x - x0, (y - y0)[:, None]), 1 - share))
    far = np.hypot(
        np.arange(width, dtype=np.float32) - np.float32(x0),
        (np.arange(height, dtype=np.float32) - np.float32(y0))[:, None],
    )
    return Changed(*lay(image, step(far, radius - 0.01 * short, radius + 0.01 * short), colour))


def white_balance(image: Pixels, power: float, rng: Rng) -> Pixels:
    """One of the three `LIGHTS`, drawn, with its gains to a power from 0 (none) to 1; (H, W, 3) uint8."""
    return gains(image, tuple(np.array(LIGHTS[rng.integers(len(LIGHTS))]) ** power))


STRENGTHS = (0.1, 0.25, 0.45, 0.7, 1.0)
"""Of the artefacts of `imaging.artefacts`."""
SPANS = (0.2, 0.4, 0.6, 0.8, 1.0)
TICKS = (0.040, 0.050, 0.060, 0.075, 0.090)
BLACK = (0.02, 0.06, 0.12, 0.22, 0.36)
POWERS = (0.2, 0.4, 0.6, 0.8, 1.0)
SIGMAS = (0.004, 0.008, 0.013, 0.020, 0.030)
"""In short sides."""
_DRAWN = (
    "The U-Net drew {what} by the same code, of strength 0.2 to 1, over 5 % of its training images; the classifiers "
    "drew "
    "none."
)

DERMOSCOPY = (
    Change(
        key="hair",
        name="Hair",
        group="dermoscopy",
        plain=ARTEFACTS["hair"].plain,
        source=OWN,
        scale="7, 12, 20, 29, 40 hairs, longer and longer.",
        draw=lambda image, severity, rng: Changed(*hair(image, rng, STRENGTHS[severity - 1], 40)),
        drawn=_DRAWN.format(what="hair"),
    ),
    Change(
        key="ruler",
        name="Ruler",
        group="dermoscopy",
        plain=ARTEFACTS["ruler"].plain,
        source=OWN,
        scale="Ticks on the middle 0.2, 0.4, 0.6, 0.8, 1 of one side; a short one has 0.040, 0.050, 0.060, 0.075, "
        "0.090 "
        "of the short side.",
        draw=lambda image, severity, rng: Changed(*ruler(image, rng, TICKS[severity - 1], SPANS[severity - 1])),
        drawn=_DRAWN.format(what="rulers along the whole side"),
    ),
    Change(
        key="ink",
        name="Ink",
        group="dermoscopy",
        plain=ARTEFACTS["ink"].plain,
        source=OWN,
        scale="1, 2, 3, 4, 5 strokes.",
        draw=lambda image, severity, rng: Changed(*ink(image, rng, severity, 5)),
        drawn=_DRAWN.format(what="ink"),
    ),
    Change(
        key="gel_bubbles",
        name="Gel bubbles",
        group="dermoscopy",
        plain=ARTEFACTS["bubbles"].plain,
        source=OWN,
        scale="3, 6, 8, 12, 16 bubbles, larger and larger.",
        draw=lambda image, severity, rng: Changed(*ARTEFACTS["bubbles"].draw(image, rng, STRENGTHS[severity - 1])),
        drawn=_DRAWN.format(what="bubbles"),
    ),
    Change(
        key="dark_corner",
        name="Dark corners",
        group="dermoscopy",
        plain=ARTEFACTS["dark_corner"].plain,
        source=OWN,
        scale="0.02, 0.06, 0.12, 0.22, 0.36 of the image is black; a network that sees the central square sees less of "
        "it.",
        draw=lambda image, severity, rng: dark_corner(image, BLACK[severity - 1], rng),
        drawn=_DRAWN.format(what="dark corners").replace("the same code", "similar code"),
    ),
    Change(
        key="glare",
        name="Glare",
        group="dermoscopy",
        plain=ARTEFACTS["glare"].plain,
        source=OWN,
        scale="Strength 0.1, 0.25, 0.45, 0.7, 1: more and larger patches.",
        draw=lambda image, severity, rng: Changed(*glare(image, rng, STRENGTHS[severity - 1], 11)),
        drawn=_DRAWN.format(what="glare"),
    ),
    Change(
        key="white_balance",
        name="White balance",
        group="dermoscopy",
        plain="The light has a colour, and no camera corrected it.",
        source=f"{OWN} The gains are those of a bulb, of shade and of a fluorescent tube.",
        scale="The gains of one of three lights to the power of 0.2, 0.4, 0.6, 0.8, 1.",
        draw=lambda image, severity, rng: Changed(white_balance(image, POWERS[severity - 1], rng)),
        drawn="Not this rule, but the hue was drawn: within 0.015 of the colour circle by the classifiers, within 0.05 "
        "by "
        "the U-Net.",
    ),
    Change(
        key="focus",
        name="Out of focus",
        group="dermoscopy",
        plain="The dermatoscope was not focused, and the structures of the lesion are gone.",
        source=f"{OWN} The last is the corruption out_of_focus.",
        scale="Gaussian blur with a sigma of 0.004, 0.008, 0.013, 0.020, 0.030 of the short side.",
        draw=lambda image, severity, _: Changed(gaussian(image, SIGMAS[severity - 1] * min(image.shape[:2]))),
        drawn="The U-Net saw blur up to severity 2 in 15 % of its training images; the classifiers saw none.",
    ),
)
