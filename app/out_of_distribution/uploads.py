"""Images that a visitor drops on the page Out of distribution: in memory for the visit, counted in no figure."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import state
from app.cache import runs as cached_runs
from app.cache import uploads as cached_uploads
from app.components import problem
from lesion_core.errors import ImageError, LesionError
from lesion_core.foreign_text import for_people, visible
from lesion_core.imaging.formats import UPLOAD_TYPES
from lesion_core.ood.scores import SCORES
from lesion_core.runs.classifier import Run

MOST_PICTURES = 20
"""At a time; three times as many are kept."""


def uploader() -> str:
    """The key of the uploader: a new one is an empty one."""
    return f"ood_uploads_{st.session_state.get('ood_forgotten', 0)}"


def forget_pictures() -> None:
    """The visitor's images, and the uploader's own copies."""
    st.session_state[state.OWN_PICTURES] = {}
    st.session_state["ood_forgotten"] = st.session_state.get("ood_forgotten", 0) + 1


def your_pictures(run: Run, key: str) -> list[tuple[str, str, float]]:
    """Title, answer and value of the visitor's own images, which stay for the visit whatever tab is open."""
    kept = st.session_state.setdefault(state.OWN_PICTURES, {})
    here = st.session_state.get(uploader()) or []
    files = [file for file in here if isinstance(file, UploadedFile)]  # not: let go, which only has an id
    if len(files) > MOST_PICTURES:
        st.info(
            f"The first {MOST_PICTURES} of {len(files):,} images are looked at; drop the others after them.",
            icon=":material/info:",
        )
    for file in files[:MOST_PICTURES]:
        if (run.fingerprint, file.file_id) not in kept:
            if len(kept) >= 3 * MOST_PICTURES:
                st.info(
                    f"{len(kept):,} images are kept already: *Forget them* before you drop more.",
                    icon=":material/info:",
                )
                break
            try:
                kept[run.fingerprint, file.file_id] = (
                    visible(file.name),
                    cached_runs.predict(run, cached_uploads.pixels(file)[0]),
                )
            except LesionError as error:
                if isinstance(error, ImageError):  # said once: it is not decoded again in each run of the page
                    cached_uploads.let_go(file)
                problem(error)
    if not kept:
        return []
    scorer = cached_runs.scorer(run)
    return [
        (name, prediction.code, SCORES[key].to_display(float(scorer(key, prediction.outputs)[0])))
        for (fingerprint, _), (name, prediction) in kept.items()
        if fingerprint == run.fingerprint
    ]


def draw_uploads(uploaded: list[tuple[str, str, float]], key: str, at: float) -> None:
    """Where a visitor drops images, and what became of them."""
    st.file_uploader(
        f"Your own images, up to {MOST_PICTURES} at a time: each is a mark on the axis of the OOD images",
        key=uploader(),
        accept_multiple_files=True,
        type=UPLOAD_TYPES,
    )
    if uploaded:
        measure = SCORES[key]
        under = measure.rejected_side == "under"
        st.dataframe(
            for_people(
                pd.DataFrame(
                    [
                        {
                            "image": name,
                            "answer": "UNKNOWN" if (value < at if under else value > at) else code,
                            "most probable": code,
                            measure.quantity.rstrip(","): round(value, 4),
                        }
                        for name, code, value in uploaded
                    ]
                )
            ),
            hide_index=True,
            alt="Your images, their answers and their values",
        )
        st.button("Forget them", on_click=forget_pictures)
    st.caption("They stay in memory for this visit, never on disk, and are counted in no figure.")
