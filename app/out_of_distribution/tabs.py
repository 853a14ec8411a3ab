"""Tabs of the page: pictures near the line, calibration, sets of diagnoses, and the policy to save."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import images as cached_images
from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.components import link_to
from app.figures.style import percent
from app.reliability import show_calibration
from lesion_core.ood.evaluation import EvaluatedScore
from lesion_core.ood.policy import Policy, PolicyFile, write_policy
from lesion_core.ood.scores import PUBLISHED_CONFIDENCE, SCORES
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run

KEPT, PUBLISHED, OWN = "95 % of calibrate kept", f"{PUBLISHED_CONFIDENCE:g}, as published", "the run's own"
BORDER = 6  # pictures on each side of the line


def policy_file(policy: Policy) -> str:
    return PolicyFile(policy=policy, check=policy.fingerprint()).to_json()


def calibration(run: Run) -> None:
    """Whether a confidence means what it says."""
    data = cached_results.answers(run, "test")
    if data is not None:
        show_calibration(run, data, f"Test split, n = {len(data.truth):,}")


def borderline(run: Run, judged: EvaluatedScore, table: pd.DataFrame, at: float, split: str) -> None:
    """Pictures just on either side of the line."""
    root = state.data_root()
    with st.spinner("Looking for the pictures …", show_time=True):
        here = cached_images.all_real_samples(root) if root else {}
    shipped = {s.id: s for s in cached_images.samples(run, root).values() if s.origin == "stranger"}
    names = judged.strangers["image_id"].str.split("/")
    strangers = judged.strangers.assign(
        id="stranger-" + names.str[-1].where(judged.strangers["source"] == "ood_samples", names.str.join("-"))
    )
    for title, rows, known in (
        ("Dermoscopy", table.assign(id=table["image_id"]), here),
        ("No lesion", strangers, here | shipped),
    ):
        beyond = judged.rejected(rows["shown"], at)
        for words, side in (("just rejected", beyond), ("just answered", ~beyond)):
            near = rows[side].assign(distance=(rows["shown"][side] - at).abs()).nsmallest(BORDER, "distance")
            st.markdown(f"**{title}, {words}**")
            if near.empty:
                st.caption("None.")
                continue
            for column, row in zip(st.columns(BORDER), near.to_dict("records"), strict=False):
                with column:
                    seen = title == "Dermoscopy"
                    description = f"{row['diagnosis']}, answer {row['answer']}" if seen else row["kind"]
                    if row["id"] in known:
                        st.image(
                            cached_images.thumbnail(known[row["id"]]),
                            width="stretch",
                            alt=f"{row['image_id']}, {description}",
                        )
                        link_to(
                            "analyse", f"{row['shown']:.3f}", ":material/search:", image=str(row["id"]), run=run.name
                        )
                    else:
                        st.markdown(f"{row['shown']:.3f}")
                    st.caption(f"{description}  \n{row['image_id']}")
    st.caption(
        f"The nearest to the line on each side, {split} split; the number is the quantity on its axis. Pictures "
        "show where they are on this machine."
    )


def sets_of_diagnoses(run: Run) -> None:
    """The other answer than UNKNOWN: a set that holds the truth with a chosen chance."""
    with st.container(horizontal=True, gap="large", vertical_alignment="bottom"):
        level = st.slider(
            "The set holds the truth in … % of cases", 50, 99, 90, key=state.SETS_LEVEL, bind="query-params", width=300
        )
        by_class = st.toggle("… of each diagnosis by itself", key=state.SETS_BY_CLASS, bind="query-params")
    table = rejections.conformal_sets(run, level / 100, by_class)
    shown = pd.DataFrame(
        {
            "diagnosis": table["diagnosis"],
            "n": table["n"],
            "holds the truth": [
                f"{percent(r['covered'])} ({100 * r['low']:.0f} to {100 * r['high']:.0f})"
                for r in table.to_dict("records")
            ],
            "diagnoses in a set": table["size"].round(2),
            "just one": [percent(v) for v in table["one"]],
            "empty": [percent(v) for v in table["none"]],
            "promise": ["" if p else "too few calibration pictures: always in the set" for p in table["promised"]],
        }
    )
    st.dataframe(shown, hide_index=True, height=350, alt="What conformal sets hold, by diagnosis")
    st.caption(
        "Conformal prediction, learned on calibrate and shown on test, one picture a lesion in both. The "
        "promise is for pictures like these: not for other clinics, not for what is no lesion; and strictly "
        "for probabilities that calibrate had no part in: one number, the temperature, was fitted on it. "
        "Without the switch it is kept on average, and rare diagnoses may be left out far more often. *Analyse* "
        "shows the set of one picture."
    )


def save(
    run: Run, judged: EvaluatedScore, key: str, at: float, named: str | None, moved_on: str, own_policy: Policy | None
) -> None:
    """Write the threshold down as a policy."""
    if not named and moved_on != "calibrate":
        st.error(
            "This threshold was moved while looking at test, so test flatters it: it is not saved. Choose "
            "*Calibrate, to choose* above, and set the line there.",
            icon=":material/block:",
        )
        return
    how, goal = "eye", TuningGoal(threshold=judged.measure.from_display(at))
    if named == KEPT:
        how, goal = "keep", TuningGoal()
    elif named == PUBLISHED:
        how, goal = "published", TuningGoal()
    policy = own_policy if named == OWN and own_policy else tune(run, key, how, goal, scorer=cached_runs.scorer(run))
    st.markdown(policy.chosen)
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "score": SCORES[limit.score].name,
                    "limit": SCORES[limit.score].to_display(limit.threshold),
                    "calibrate within it": percent(limit.kept_share if limit.kept_share is not None else np.nan, 1),
                }
                for limit in policy.limits
            ]
        ),
        hide_index=True,
    )
    with st.container(horizontal=True):
        if st.button("Use it on the page Analyse", icon=":material/check:", help="For this visit, on your screen."):
            st.session_state[state.POLICY] = policy
            st.toast("Analyse obeys it until you close this page.")
        st.download_button(
            "policy.json",
            policy_file(policy),
            "policy.json",
            "application/json",
            on_click="ignore",
            icon=":material/download:",
        )
        if state.may_save_policies() and st.button("Save for this run", icon=":material/save:"):
            write_policy(policy, run.folder / "policy.json")
            st.toast("Saved: everybody's answers obey it now.")
    st.caption(
        "`python -m lesion_core predict PICTURES --run RUN --policy policy.json` obeys the file; another run "
        "refuses it. Saving for everybody is possible where the server was started with `-- --save-policies`."
    )
