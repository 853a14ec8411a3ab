"""Tabs of the page: calibration, and the policy to save."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state, tried_policy
from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.cache.drawn import drawn_once
from app.components import problem
from app.figures.style import percent
from app.foreign_text import literal
from app.out_of_distribution.line import KEPT, OWN, PUBLISHED, Line
from app.out_of_distribution.score_tables import policy_json
from app.reliability import show_calibration
from lesion_core.errors import LesionError
from lesion_core.ood.policy import Policy, save_policy
from lesion_core.ood.scores import SCORES
from lesion_core.runs.classifier import Run


@drawn_once()
def draw_calibration(run: Run) -> None:
    """Whether a confidence means what it says."""
    data = cached_results.answers(run, "test")
    if data is not None:
        show_calibration(run, data, f"Test set, n = {len(data.truth):,} images")


def policy_of_line(line: Line) -> tuple[Policy, str, float | None]:
    """The threshold of the page as a policy: by the rule of the mark that it stands on, or set by hand; the rule, and
    the threshold on the score where a hand set it."""
    how = {KEPT: "keep", PUBLISHED: "published"}.get(line.mark or "", "eye")
    threshold = line.measure.from_display(line.at) if how == "eye" else None
    if line.mark == OWN and line.own_policy:
        return line.own_policy, how, threshold
    return rejections.tuned(line.run, line.key, how, threshold), how, threshold


def draw_save(line: Line) -> None:
    """Write the threshold down as a policy."""
    if not line.honest:
        st.error(
            "This threshold was chosen on the test set, where it looks better than it is: it is not saved. Choose "
            "*Calibration set* above, and set the line there.",
            icon=":material/block:",
        )
        return
    policy, how, threshold = policy_of_line(line)
    st.markdown(literal(policy.chosen))
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "score": SCORES[limit.score].name,
                    "limit": SCORES[limit.score].to_display(limit.threshold),
                    "calibration set within it": percent(
                        limit.kept_share if limit.kept_share is not None else np.nan, 1
                    ),
                }
                for limit in policy.limits
            ]
        ),
        hide_index=True,
        alt="The limits of the policy",
    )
    with st.container(horizontal=True):
        if st.button("Try it out", icon=":material/check:", help="In this visit, and for whoever opens its links."):
            tried_policy.try_out(policy, how, threshold)
            st.toast("Every page obeys it until you close this one; the link keeps it.")
        st.download_button(
            "policy.json",
            policy_json(policy),
            "policy.json",
            "application/json",
            on_click="ignore",
            icon=":material/download:",
        )
        if state.may_save_policies() and st.button("Save for this run", icon=":material/save:"):
            try:
                save_policy(policy, line.run)
            except LesionError as error:  # another one is writing the run
                problem(error)
            else:
                st.toast("Saved: everybody's answers obey it now.")
    st.caption(
        "`python -m lesion_core predict IMAGES --run RUN --policy policy.json` obeys the file; another run refuses it. "
        "Saving for everybody is possible where the server was started with `-- --save-policies`."
    )
