"""The networks of the shortcut experiment and what they say of one image with a ruler and without, for all visitors."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.cache import disk
from app.cache import runs as cached_runs
from app.state import EXPERIMENTS
from lesion_core.errors import RunError
from lesion_core.experiments.registry import EXPERIMENTS as ENTRIES
from lesion_core.explain.maps import Attribution, energy_inside
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.planted import centre_square, ruler_band, with_ruler
from lesion_core.runs.classifier import Run, open_run

LAYER = "layer3"
"""Whose maps are shown: finer than the last layer's, where a ruler is as wide as one cell."""

FOLDER = EXPERIMENTS / "shortcut"


@dataclass(frozen=True)
class Seen:
    """What one network says of one square.

    Attributes:
        network: What it was trained with: the variant's name.
        ruler: Whether the square has a ruler.
        square: (S, S, 3) uint8.
        melanoma: The probability of melanoma that a person is shown, in [0, 1].
        evidence: What speaks for melanoma rather than nevus, in `LAYER`.
        run: The network's run.
        in_band: Share of that evidence in the band where the ruler lies, or would lie.
    """

    network: str
    ruler: bool
    square: Pixels
    melanoma: float
    evidence: Attribution
    run: Run
    in_band: float


@st.cache_resource(show_spinner=False, max_entries=4)
def _networks(state: str) -> dict[str, Run]:  # noqa: ARG001
    return {key: open_run(FOLDER / key) for key in ENTRIES["shortcut"].kept if (FOLDER / key).is_dir()}


def networks() -> dict[str, Run]:
    """The networks that the experiment kept, by variant.

    Raises:
        RunError: One is not here, or it cannot be opened.
    """
    found = _networks(disk.state(FOLDER))
    if len(found) < len(ENTRIES["shortcut"].kept):
        raise RunError(
            "The networks of the shortcut experiment are not here.",
            "Make them: `python -m lesion_core experiment shortcut --data DATA`.",
        )
    return found


def both_ways(image: Pixels, image_id: str) -> list[Seen]:
    """What each network says of an image without a ruler, then with it.

    Args:
        image: (H, W, 3) uint8.
        image_id: Decides where the ruler lies.

    Raises:
        RunError: As in `networks`.
        BusyError: Too many callers wait.
    """
    found = []
    for key, run in networks().items():
        engine = cached_runs.engine(run)
        square = centre_square(image, run.config.settings.preprocessing.resize.size)
        for ruler, shown in ((False, square), (True, with_ruler(square, image_id))):
            said = engine.predict(shown)
            evidence = engine.explain(shown, "MEL", against="NV", layer=LAYER)
            inside = energy_inside(evidence.heatmap, ruler_band(image_id, evidence.size))
            name, p = ENTRIES["shortcut"].variants[key].name, float(said.probabilities[run.classes.index("MEL")])
            found.append(Seen(name, ruler, shown, p, evidence, run, inside))
    return found
