"""The images of a cell of the confusion matrix, beside it: what the model said, how sure, and whether it may answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import state, visit
from app.cache import images as cached_images
from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.components import problem
from app.figures.style import name_of, percent
from app.gallery import Entry, Order, pictures, verdict
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.config import ROLE_NAMES
from lesion_core.errors import LesionError
from lesion_core.foreign_text import for_people
from lesion_core.labels import BINARY
from lesion_core.runs.classifier import Run

A_PAGE = 6
"""Images that stand beside the matrix on the first screen of a laptop."""


def draw_cell(run: Run, view: str, cell: tuple[str, str]) -> None:
    """The images of a cell, the surest first: themselves where they are here, else their figures.

    Args:
        run: The run.
        view: A key of `EVALUATION_SETS`.
        cell: Truth and answer, two codes.
    """
    data = cached_results.answers_of(run, view)
    truth, answer = (data.classes.index(code) for code in cell)
    inside = np.flatnonzero((data.truth == truth) & (data.predicted == answer))
    confidence = data.probabilities[inside, answer]
    images, labels = (data.table[name].to_numpy(str)[inside] for name in ("image_id", "label"))
    answers = may_answer(run, view)
    kept = None if answers is None else answers[inside]
    head, end = st.columns([5, 1], vertical_alignment="center")
    n = f"{len(inside):,} image{'s' if len(inside) != 1 else ''}"
    head.markdown(f"**{cell[0]} called {cell[1]}**, {n}", help=title(cell))
    end.button("", icon=":material/close:", on_click=close, help="Close the images, show the figures again")
    if visit.truth_is_hidden():
        st.info(
            "The images of a cell tell their truth, which is hidden. To see them, switch off *Hide the truth* in the "
            "sidebar.",
            icon=":material/visibility_off:",
        )
        return
    root = state.data_root()
    here = cached_images.all_real_samples(root, run.config.settings.images) if root else {}

    def entries(places: NDArray[np.intp]) -> Sequence[Entry]:
        return [
            Entry(
                images[i],
                images[i],
                here.get(images[i]),
                (f"{cell[1]}, {percent(float(confidence[i]))}" + (f"; {labels[i]}" if data.classes == BINARY else ""),),
                verdict(truth == answer, None if kept is None else bool(kept[i])),
            )
            for i in places.tolist()
        ]

    role = ROLE_NAMES[EVALUATION_SETS[view].split]
    if any(image in here for image in images):
        pictures(
            len(inside),
            entries,
            key="pictures_of_cell",
            label=title(cell),
            noun=None,
            orders=(
                Order("surest", "surest first", confidence, highest_first=True),
                Order("least_sure", "least sure first", confidence),
            ),
            query={state.RUN: run.name},
            run=run,
            a_page=A_PAGE,
        )
        st.caption(f"In small type the answer and its confidence; {role}.")
        return
    table = pd.DataFrame({"image": images, "confidence": confidence})
    if kept is not None:
        table["verdict"] = np.where(kept, "ANSWERED", "UNKNOWN")
    table = table.assign(**{"data set": data.table["dataset"].to_numpy(str)[inside]})
    st.dataframe(
        for_people(table.sort_values("confidence", ascending=False, ignore_index=True)),
        hide_index=True,
        height=min(36 * (len(table) + 1) + 2, 400),
        column_config={"confidence": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1)},
        alt=f"Images of {cell[0]} that the model calls {cell[1]}",
    )
    st.caption(
        f"{len(table):,} images, the surest first, {role}. The images themselves are shown where the data folder is: "
        "set `LESION_DATA` to it."
    )


def title(cell: tuple[str, str]) -> str:
    """What a cell holds, in words."""
    truth, answer = ((code if code in BINARY else name_of(code)) for code in cell)
    return f"{truth} called {answer}" if truth != answer else f"{truth} called so"


def may_answer(run: Run, view: str) -> NDArray[np.bool_] | None:
    """(N,): the images that the policy of this visitor lets the model answer; None where there is no policy."""
    try:
        policy = cached_runs.policy_of(run)
        return None if policy is None else rejections.answered(run, view, policy)
    except LesionError as error:
        problem(error)
        return None


def forget_page() -> None:
    """Other images begin with their first page."""
    visit.change_link({state.PAGE: None})


def close() -> None:
    """No cell is chosen."""
    st.session_state[state.CELL] = None
    forget_page()
