"""Tabs of the page: images near the threshold, calibration, and the policy to save."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from app import state, tried_policy
from app.cache import images as cached_images
from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.cache.drawn import drawn_once
from app.components import link_to, problem
from app.figures.style import percent
from app.foreign_text import literal
from app.out_of_distribution.line import KEPT, OWN, PUBLISHED, Line
from app.out_of_distribution.score_tables import policy_json
from app.reliability import show_calibration
from lesion_core.config import ROLE_NAMES
from lesion_core.data.samples import Sample
from lesion_core.errors import LesionError
from lesion_core.foreign_text import visible
from lesion_core.ood.policy import Policy, save_policy
from lesion_core.ood.scores import SCORES
from lesion_core.runs.classifier import Run

BORDER = 6  # images on each side of the line


@drawn_once()
def draw_calibration(run: Run) -> None:
    """Whether a confidence means what it says."""
    data = cached_results.answers(run, "test")
    if data is not None:
        show_calibration(run, data, f"Test set, n = {len(data.truth):,} images")


# Where images are is looked up once for all anyway: see `cached_images.all_real_samples`.
@drawn_once("Looking for the images …", most=64)
def draw_near(run: Run, key: str, split: str, at: float, root: Path | None) -> None:
    """Images just on either side of the threshold.

    Args:
        run: The run.
        key: A key of `SCORES`.
        split: The role of the dermoscopic images.
        at: The threshold, as a person reads it.
        root: The data folder, if there is one.
    """
    here = cached_images.all_real_samples(root) if root else {}
    shipped = {s.id: s for s in cached_images.samples(run, root).values() if s.origin == "ood"}
    judged = rejections.judged(run, key)
    table, ood_images = judged.split(split), judged.ood_images
    names = ood_images["image_id"].str.split("/")
    ood_images = ood_images.assign(
        id="stranger-" + names.str[-1].where(ood_images["source"] == "ood_samples", names.str.join("-")),
        description=ood_images["kind"].astype(str),
    )
    table = table.assign(id=table["image_id"], description=table["diagnosis"] + ", answer " + table["answer"])
    for title, rows, known in (("Dermoscopy", table, here), ("Non-lesion images", ood_images, here | shipped)):
        beyond = judged.rejected(rows["shown"], at)
        for words, side in (("just rejected", beyond), ("just answered", ~beyond)):
            near = rows[side].assign(distance=(rows["shown"][side] - at).abs()).nsmallest(BORDER, "distance")
            st.markdown(f"**{title}, {words}**")
            if near.empty:
                st.caption("None.")
            for column, row in zip(st.columns(BORDER), near.to_dict("records"), strict=False):
                with column:
                    draw_neighbour({str(name): value for name, value in row.items()}, known, run.name)
    st.caption(
        f"The nearest to the threshold on each side, {ROLE_NAMES[split]}; the number is the quantity on its axis. "
        "Images show where they are on this machine."
    )


def draw_neighbour(row: dict[str, object], known: dict[str, Sample], run_name: str) -> None:
    """One image: itself where it is here, its value, and what it is.

    Args:
        row: id, image_id, description, shown.
        known: The images that are on this machine, by id.
        run_name: For the link to the page Analyse.
    """
    name, description, value = str(row["id"]), str(row["description"]), f"{row['shown']:.3f}"
    image_id = str(row["image_id"])
    if name in known:
        st.image(
            cached_images.thumbnail(known[name]),
            width="stretch",
            alt=f"{visible(image_id)}, {visible(description)}",
        )
        link_to("analyse", value, ":material/search:", image=name, run=run_name)
    else:
        st.markdown(value)
    st.caption(f"{literal(description)}  \n{literal(image_id)}")


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
