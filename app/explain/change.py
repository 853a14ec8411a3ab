"""Change an image and ask the model again: the third tab under a map on the page Explain."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import streamlit as st

from app.cache import explanation as explanations
from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.explain import explanation
from app.explain.question import Asked
from app.figures import style
from app.widgets.brush import brush
from lesion_core.config import HairRemoval
from lesion_core.explain.maps import energy_inside
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import ARTEFACTS, add_artefact
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.geometry import to_original
from lesion_core.imaging.hair import remove_hair
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.runs.classifier import Run

LARGEST = 768
"""Pixels per side of an image that is painted on: more is slow to fill, and no model here sees it."""


def ask_back(asked: Asked) -> None:
    """Change the image and see what the model says then."""
    square = Pipeline(asked.run.config.settings.preprocessing).frame(asked.picture.image)
    x0, y0, x1, y1 = (max(0, round(v)) for v in square)
    view = np.ascontiguousarray(asked.picture.image[y0:y1, x0:x1])
    side = min(*view.shape[:2], LARGEST)
    shown = np.asarray(cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    options = {
        "paint": "Paint over it",
        "hair": "Erase the hair",
        **{f"add_{key}": f"Add: {key.replace('_', ' ')}" for key in ARTEFACTS},
    }
    left, right = st.columns([2, 5], gap="large")
    with left:
        change = st.selectbox("Change", list(options), format_func=options.__getitem__, key="change")
        changed, added = shown, None
        if change == "paint":
            mask = brush(shown, label="Paint over what the model should not see", name=content_hash(shown), key="brush")
            mask = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
            if mask.any():
                changed = np.asarray(
                    cv2.inpaint(shown, mask.astype(np.uint8), max(3, side // 60), cv2.INPAINT_TELEA), np.uint8
                )
            st.caption("What you paint over is filled in from its edge.")
        elif change == "hair":
            changed = remove_hair(shown, HairRemoval(enabled=True))[0]
        else:
            strength = st.slider("How much", 0.1, 1.0, 0.6, 0.1, key="strength")
            changed, added = add_artefact(shown, change.removeprefix("add_"), seed=0, strength=strength)
    with right:
        draw_before_and_after(
            asked.run, asked.target, content_hash(shown), content_hash(changed), shown, changed, added
        )
    st.caption(
        "Grad-CAM of the same class before and after, on one scale; the model is given the middle square. If the "
        "answer depends on a hair or a ruler, the model learned the wrong thing."
    )


@drawn_once()
def draw_before_and_after(
    run: Run,
    target: str,
    before: str,  # noqa: ARG001
    after: str,  # noqa: ARG001
    _shown: Pixels,
    _changed: Pixels,
    _added: Mask | None,
) -> None:
    """Grad-CAM of a class before and after a change, and the probabilities.

    Args:
        run: The run.
        target: Class code.
        before: `content_hash` of the image as it is.
        after: The same of the changed one.
        _shown: The image as it is.
        _changed: The changed one.
        _added: What was laid on it, if anything.
    """
    squares = _shown, _changed
    found = [cached_runs.predict(run, square) for square in squares]
    maps = [explanations.explain(run, square, target) for square in squares]
    scale = max(explanation.peak(each, signed=False) for each in maps)
    columns = st.columns(3)
    for column, square, prediction, attribution, words in zip(
        columns, squares, found, maps, ("before", "after"), strict=False
    ):
        probability = float(prediction.probabilities[run.classes.index(target)])
        said = f"{words}: {target} {style.percent(probability, 1)}, answer {prediction.code}"
        if _added is not None and _added.any() and words == "after":
            box = Pipeline(run.config.settings.preprocessing).frame(square)
            heat = to_original(attribution.heatmap, square.shape, box)
            said += (
                f"; {style.percent(energy_inside(heat, _added))} of the evidence is on what was added, which "
                f"covers {style.percent(float(_added.mean()))}"
            )
        column.image(
            explanation.painted(square, explanation.lay(attribution, run, square, scale), 0.6),
            width="stretch",
            alt=f"Grad-CAM {words} the change",
            caption=said,
        )
    table = pd.DataFrame({"before": found[0].probabilities, "after": found[1].probabilities}, index=list(run.classes))
    columns[2].dataframe(table.map(lambda p: style.percent(p, 1)), alt="Probabilities before and after the change")
