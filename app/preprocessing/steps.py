"""What each preprocessing step did, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.style import percent
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.preprocess import Preprocessed, Step

STEP_NAMES: dict[str, str] = {
    "reduce": "Reduction",
    "dark_corner": "Dark corners",
    "hair": "Hair removal",
    "color": "Colour constancy",
    "clahe": "Local contrast",
    "detail": "Equal detail",
    "resize": "Resize",
}


SHORT_NAMES: dict[str, str] = {
    "reduce": "Reduction",
    "dark_corner": "Corners",
    "hair": "Hair",
    "color": "Colour",
    "clahe": "Contrast",
    "detail": "Detail",
    "resize": "Resize",
}
"""The same on a button."""


def step_table(original: Pixels, result: Preprocessed) -> pd.DataFrame:
    """A row per step: step, milliseconds, changed (mean difference in grey levels from the step before; NaN where the
    step changes the frame), size, found (a sentence)."""
    rows, before = [], original
    for step in result.steps:
        same = step.image.shape == before.shape
        change = float(np.abs(step.image.astype(np.int16) - before).mean()) if same else float("nan")
        height, width = step.image.shape[:2]
        rows.append(
            {
                "step": STEP_NAMES[step.name],
                "milliseconds": step.milliseconds,
                "changed": change,
                "size": f"{width} x {height}",
                "found": _found(step.name, step, before),
            }
        )
        before = step.image
    return pd.DataFrame(rows)


def _found(name: str, step: Step, before: Pixels) -> str:
    mask, gains, box = step.mask, step.gains, step.box
    if mask is not None:
        return f"hair on {percent(mask.mean())} of the image" if mask.any() else "no hair"
    if gains is not None:
        return "red × {:.2f}, green × {:.2f}, blue × {:.2f}".format(*gains)
    if box is not None:
        height, width = before.shape[:2]
        area = (min(box[2], width) - max(box[0], 0)) * (min(box[3], height) - max(box[1], 0)) / (width * height)
        if name == "dark_corner" and area > 0.999:
            return "no dark corners"
        return f"keeps {percent(area)} of the area"
    if name == "detail":
        was, now = (min(image.shape[:2]) for image in (before, step.image))
        return f"short side {was} to {now} px, compressed" if now < was else "compressed"
    return ""


def findings(table: pd.DataFrame) -> str:
    """What the steps before the resize found, as a sentence.

    Args:
        table: From `step_table`.
    """
    rows = zip(table["step"][:-1].astype(str), table["found"][:-1].astype(str), strict=True)
    found = "; ".join(f"{step.lower()}: {what}" for step, what in rows if what)
    return f"{found[:1].upper()}{found[1:]}." if found else "No step before the resize is switched on."
