"""How much it takes to change the answer, to one image and on the whole test set, and whether the policy notices."""

from __future__ import annotations

import streamlit as st

from app import verdict, visit
from app.components import (
    badges,
    current_run,
    how_to_read,
    open_tabs,
    origin_badge,
    page_title,
    pick_picture,
    role_badge,
)
from app.robustness import artefacts, elsewhere, held, maps, one, whole
from app.robustness.series import Series
from lesion_core.imaging.decode import content_hash
from lesion_core.runs.classifier import Run


def draw(run: Run) -> None:
    """The page: each tab says how to read it."""
    open_tabs(
        {
            "One image": lambda: draw_one(run),
            "The whole test set": lambda: whole.draw(run),
            "Consistency": lambda: held.draw(run),
            "Somewhere else": lambda: elsewhere.draw(run),
            "Artefacts in the wild": lambda: artefacts.draw(run),
            "Does a map know?": lambda: maps.draw(run),
        },
        {"Six severities": "One image", "All changes": "One image"},
    )


def draw_one(run: Run) -> None:
    """The verdict, the image with its slider, then what asks for more of the model."""
    strip, said = st.container(), st.container()
    left, right = st.columns([7, 3], vertical_alignment="bottom")
    with left:
        picture = pick_picture(wide=1.7)
    with right:
        change = one.choose_change()
    judged = verdict.verdict_of(run, picture, not visit.truth_is_hidden())
    with strip:
        verdict.draw(judged)
    content = content_hash(picture.image)
    found = Series.of(run, picture.image, content, change)
    said.markdown(verdict.muted(found.sentence, judged.rejected))
    one.draw_series(run, picture, content, found, judged)
    badges(origin_badge(picture), *role_badge(run, picture), ("n = 1 image", "gray"))
    st.subheader("Six severities", anchor=False)
    one.draw_strip(run, picture, found)
    one.send(picture, content, found)
    st.subheader("All changes", anchor=False)
    on_demand = one.draw_all(run, picture, content, change)
    how_to_read(
        "A change is drawn anew from this image's own pixels; its five severities share one draw, so that each hides, "
        "moves or darkens what the one before did, and more.",
        "*In time* means that the policy rejects the image before or when the answer changes; *too late*, that another "
        "answer was given first; *for nothing*, that the answer would have stayed.",
        "One image shows what can happen, not how often. A change made by code is not another camera or hospital.",
        "Changes that the training drew itself flatter the model; where that is so, the change says it.",
    )
    on_demand.work()


page_title("How much does it take to change the answer?")
draw(current_run())
