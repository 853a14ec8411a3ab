"""Where the evidence goes under a change: does the map stay where it was, on the lesion, or move to what was added?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.explain.question import Asked, Lesion
from app.figures.style import percent
from app.state import own_image
from lesion_core.explain.under_change import agreement_under_change
from lesion_core.imaging.changes.registry import Changed
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.serving.single_flight import SingleFlightCache

FEWEST_PIXELS = 20
"""Of an artefact under which a share of a map on it says nothing."""


@dataclass(frozen=True)
class Evidence:
    """A map of a changed image, beside that of the image as it is.

    Attributes:
        agreement: Rank correlation with the clean map, cell by cell, in [-1, 1]; NaN where one of them is constant.
        in_lesion: Share of the evidence inside the lesion, which moves with the pixels; None where no mask is known.
        on_artefact: Share of it on what was laid over the image; None where nothing was.
        covers: Share of what the model was shown that this covers: what a map that points nowhere has on it.
    """

    agreement: float
    in_lesion: float | None
    on_artefact: float | None
    covers: float

    @property
    def on_lesion(self) -> str:
        """How much of it is in the lesion; empty where no mask is known."""
        return "" if self.in_lesion is None else f"{percent(self.in_lesion)} in the lesion"

    @property
    def words(self) -> str:
        """The numbers in a line or two."""
        said = [f"Order {self.agreement:+.2f}" if np.isfinite(self.agreement) else "A map is constant"]
        if self.on_lesion:
            said.append(self.on_lesion)
        if self.on_artefact is not None:
            said.append(f"{percent(self.on_artefact)} on what was laid over {percent(self.covers)} of it")
        return ", ".join(said)


@st.cache_resource(show_spinner=False, max_entries=1)
def _kept() -> SingleFlightCache[Evidence]:
    return SingleFlightCache(lambda _: 1, 10_000)


def of(clean: Asked, now: Asked, made: Changed, lesion: Lesion) -> Evidence:
    """Where the evidence went; measured once for all visitors. Of a visitor's own image nothing is kept.

    Args:
        clean: The question of the image as it is.
        now: The same question of the changed one.
        made: What the change gave.
        lesion: Where the lesion of the image as it is lies.
    """

    def measure() -> Evidence:
        return _measure(clean, now, made, lesion)

    return measure() if own_image() else _kept().get((clean.key, now.key, lesion.content), measure)


def _measure(clean: Asked, now: Asked, made: Changed, lesion: Lesion) -> Evidence:
    before, after = clean.explain(), now.explain()
    frame = Pipeline(clean.run.config.settings.preprocessing).frame
    images = clean.picture.image, now.picture.image
    height, width = images[0].shape[:2]
    agreement = agreement_under_change(before, after, (height, width), (frame(images[0]), frame(images[1])), made.moved)
    in_lesion: float | None = None
    on_artefact: float | None = None
    covers = 0.0
    if (mask := lesion.mask) is not None:
        moved = mask if made.moved is None else np.asarray(made.moved(mask), bool)
        in_lesion = now.overlap(after, f"lesion {lesion.content} moved", lambda: moved).evidence
    if (artefact := made.artefact) is not None and artefact.sum() >= FEWEST_PIXELS:
        found = now.overlap(after, "artefact", lambda: artefact)
        on_artefact, covers = found.evidence, found.covers
    return Evidence(agreement, in_lesion, on_artefact, covers)
