"""Change an image and ask the model again: the third tab under a map on the page Explain."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import pandas as pd
import streamlit as st

from app.cache import explanation as explanations
from app.cache import runs as cached_runs
from app.cache.encoded import encoded
from app.explain import explanation
from app.explain.question import Asked
from app.figures import style
from app.widgets.brush import brush
from lesion_core.config import HairRemoval
from lesion_core.explain.maps import Attribution, energy_inside
from lesion_core.imaging.arrays import Pixels
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
    before, after = cached_runs.predict(asked.run, shown), cached_runs.predict(asked.run, changed)
    with right:
        columns = st.columns(3)
        index = asked.run.classes.index(asked.target)
        for column, picture, found, words in zip(
            columns, (shown, changed), (before, after), ("before", "after"), strict=False
        ):
            map_of = explanations.explain(asked.run, picture, asked.target)
            scale = max(
                explanation.peak(explanations.explain(asked.run, p, asked.target), signed=False)
                for p in (shown, changed)
            )
            said = f"{words}: {asked.target} {style.percent(float(found.probabilities[index]), 1)}, answer {found.code}"
            if added is not None and added.any() and words == "after":
                heat = to_original(
                    map_of.heatmap, picture.shape, Pipeline(asked.run.config.settings.preprocessing).frame(picture)
                )
                said += (
                    f"; {style.percent(energy_inside(heat, added))} of the evidence is on what was added, which "
                    f"covers {style.percent(float(added.mean()))}"
                )
            with column:
                st.image(
                    encoded(
                        ("changed", asked.run.fingerprint, content_hash(picture), asked.target, scale),
                        functools.partial(_changed, asked.run, picture, map_of, scale),
                    ),
                    width="stretch",
                    alt=f"Grad-CAM {words} the change",
                    caption=said,
                )
        with columns[2]:
            table = pd.DataFrame(
                {"before": before.probabilities, "after": after.probabilities}, index=list(asked.run.classes)
            )
            st.dataframe(table.map(lambda p: style.percent(p, 1)), alt="Probabilities before and after the change")
    st.caption(
        "Grad-CAM of the same class before and after, on one scale; the model is given the middle square. If the "
        "answer depends on a hair or a ruler, the model learned the wrong thing."
    )


def _changed(run: Run, picture: Pixels, attribution: Attribution, scale: float) -> Pixels:
    return explanation.painted(picture, explanation.lay(attribution, run, picture, scale), 0.6)
