"""A threshold on a score: what it rejects, who pays for it, and how to choose it honestly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.components import badges, choose, current_run, how_to_read, open_tabs, page_title, problem
from app.figures import shares as share_figures
from app.figures import style
from app.figures.style import percent
from app.foreign_text import literal
from app.out_of_distribution.corrupted_images import left_out, something_wrong
from app.out_of_distribution.tabs import (
    KEPT,
    OWN,
    PUBLISHED,
    borderline,
    calibration,
    policy_file,
    save,
    sets_of_diagnoses,
)
from app.out_of_distribution.uploads import show_uploads, your_pictures
from app.widgets.threshold import Mark, threshold_line
from lesion_core.analysis.intervals import Interval, clopper_pearson, share_intervals, shares_by
from lesion_core.analysis.subgroups import AGE_NAMES, NOT_RECORDED
from lesion_core.errors import LesionError
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.labels import DIAGNOSES, diagnosis
from lesion_core.ood.evaluation import EvaluatedScore
from lesion_core.ood.policy import read_policy
from lesion_core.ood.scores import DEFAULT, PUBLISHED_CONFIDENCE, SCORES
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.thresholds import keep_share_threshold

WHO = {"diagnosis": "Diagnosis", "sex": "Sex", "age": "Age", "site": "Body site", "dataset": "Data set"}
DATA_SETS = {
    "ham10000": "HAM10000",
    "isic2017": "ISIC 2017",
    "isic2018_test": "official ISIC 2018 test",
    "bcn20000": "BCN20000",
    "msk": "MSK",
}

run = current_run()
page_title("What does a threshold cost, and whom?")


def shares(interval: object) -> str:
    """A share with its interval, in words."""
    if not isinstance(interval, Interval) or not interval.n_images:
        return "none"
    return f"{percent(interval.value, 1)} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


@st.fragment
def body() -> None:
    """All that moves with the threshold; only this runs again when the line is let go."""
    try:
        threshold_page()
    except LesionError as error:  # a fragment's errors do not reach Home.py
        problem(error)


def threshold_page() -> None:
    head = st.container()
    if st.query_params.get(state.SCORE) not in (None, *SCORES):
        st.session_state["threshold_of"] = None  # on a score that there is no more: nobody chose it on calibrate
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        key = choose("Score", {k: s.name for k, s in SCORES.items()}, state.SCORE, default=DEFAULT, width=280)
        split = choose("Look at", {"test": "Test", "calibrate": "Calibrate, to choose"}, state.LOOK_AT, buttons=True)
        field = st.container(width=170)
    judged = rejections.judged(run, key)
    measure, table = judged.measure, judged.split(split)
    calibrate = judged.split("calibrate")
    if table.empty:
        st.info(f"This run has no {split} pictures.", icon=":material/info:")
        return
    kept_95 = measure.to_display(keep_share_threshold(calibrate["score"])) if len(calibrate) else None
    try:
        own_policy = read_policy(run)
    except LesionError as error:  # here it can be replaced, so the page must open
        own_policy = None
        problem(error)
    own = None
    if own_policy and own_policy.score == key:
        limits = {limit.score: limit.threshold for limit in own_policy.limits}
        own = cached_runs.scorer(run).threshold(key, limits)
        own = None if own is None else measure.to_display(own)
    marks = [Mark(kept_95, KEPT)] if kept_95 is not None else []
    if measure.published is not None:
        marks.append(Mark(measure.published, PUBLISHED))
    if own is not None and (kept_95 is None or not np.isclose(own, kept_95)):
        marks.append(Mark(own, OWN))
    uploaded = your_pictures(run, key)
    bins = rejections.bins(run, key, split, tuple(marks), tuple(value for _, _, value in uploaded))

    def moved() -> None:
        # In the link too: a reload must not turn a threshold that was tuned on test into an honest one.
        st.query_params[state.MOVED_ON] = split

    default = bins.snap(kept_95 if kept_95 is not None else PUBLISHED_CONFIDENCE)
    asked = [run.fingerprint, key]
    if st.session_state.setdefault("threshold_of", asked) != asked:
        # Another score, and another run, have other numbers. The link's own is bound: it is set, never deleted.
        st.session_state["threshold_of"], st.session_state[state.THRESHOLD] = asked, default
        st.query_params.pop(state.MOVED_ON, None)
    with field:
        threshold = float(
            st.number_input(
                "Threshold",
                value=default,
                step=float(10.0**-bins.decimals),
                format=f"%.{bins.decimals}f",
                key=state.THRESHOLD,
                bind="query-params",
                help="Drag the line, or type it here.",
                on_change=moved,
            )
        )

    def take(value: float) -> None:
        moved()
        st.session_state[state.THRESHOLD] = value

    at = threshold_line(bins, threshold, key=f"line_{key}_{split}", on_release=take)
    rejected = judged.rejected(table["shown"], at)
    strange = judged.rejected(judged.strangers["shown"], at)
    # Marks are edges of bins, so a line on one is exactly on it.
    named = next((mark.label for mark in marks if mark.value == at), None)
    moved_on = st.query_params.get(state.MOVED_ON, "test")
    with head:
        through = (
            f" and lets **{percent(1 - float(strange.mean()), 1)}** of the pictures that are no lesion through"
            if len(strange)
            else ""
        )
        correct = table["correct"].to_numpy(bool)[~rejected]
        st.markdown(
            f"At {at:.{bins.decimals}f} the model answers **{percent(float((~rejected).mean()))}** of the "
            f"{split} dermoscopy, is right in **{percent(float(correct.mean()) if len(correct) else np.nan)}** "
            f"of these{through}."
        )
    by_hand = ("by eye, on calibrate", "orange") if moved_on == "calibrate" else ("moved while looking at test", "red")
    shown_on = f"{split} split, n = {len(table):,}", "green" if split == "test" else "orange"
    badges(
        ("real dermoscopy", "blue"),
        shown_on,
        (f"no lesion, n = {len(strange):,}", "gray"),
        (f"threshold: {named}", "green") if named else by_hand,
    )
    st.caption(f"**{measure.name}**, ${measure.formula}$. {measure.description} {measure.paper}. {measure.cost}")

    open_tabs(
        {
            "Who pays": lambda: who_pays(table, rejected, judged, strange, split, at),
            "Ways to choose": lambda: ways(key),
            "All scores": lambda: scores(key, at),
            "Something wrong": lambda: spoiled(judged, at),
            "Calibration": lambda: calibration(run),
            "The borderline": lambda: borderline(run, judged, table, at, split),
            "Sets": lambda: sets_of_diagnoses(run),
            "Your pictures": lambda: show_uploads(uploaded, judged, at),
            "Save": lambda: save(run, judged, key, at, named, moved_on, own_policy),
        }
    )


def who_pays(
    table: pd.DataFrame, rejected: np.ndarray, judged: EvaluatedScore, strange: np.ndarray, split: str, at: float
) -> None:
    """The rejected share of each group of people and diagnoses, and of each kind of stranger."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        by = choose("By", WHO, state.WHO, buttons=True)
        groups, lesions = table[by], table["lesion_id"]
        if by == "dataset" and split == "test":
            groups, lesions = (
                pd.concat([own[name] for own in (table, judged.official)], ignore_index=True)
                for name in ("dataset", "lesion_id")
            )
            rejected = np.concatenate([rejected, judged.rejected(judged.official["shown"], at)])
        if by == "dataset":
            groups = groups.replace(DATA_SETS)
        found = shares_by(groups, rejected, lesions.to_numpy(str))
        orders = {"diagnosis": [*DIAGNOSES, "AKIEC"], "age": [*AGE_NAMES, NOT_RECORDED]}
        if by in orders:
            order = {name: i for i, name in enumerate(orders[by])}
            found = found.sort_values("group", key=lambda groups: groups.map(order), ignore_index=True)
        colours = {code: diagnosis(code).colour for code in found["group"]} if by == "diagnosis" else None
        st.plotly_chart(
            share_figures.share_dots(found, "dermoscopy rejected", colours=colours),
            config={"displayModeBar": False},
            alt=f"Rejected share of dermoscopy by {WHO[by].lower()}, with 95 % intervals",
        )
        st.caption(
            f"Further right is sent to a person more often. Groups of under {style.SMALLEST} pictures are "
            f"grey. 95 % intervals by lesion, {split} split."
            + (
                " The official ISIC 2018 test set and ISIC 2017 come from other clinics: what a score of "
                "strangeness rejects there is strange, not wrong."
                if by == "dataset"
                else ""
            )
        )
    with right:
        if not len(strange):
            st.caption("This run was scored on no pictures that are no lesion.")
            return
        kinds = shares_by(judged.strangers["kind"].astype(str).str.replace("_", " "), strange)
        st.plotly_chart(
            share_figures.share_dots(kinds, "no lesion, and rejected"),
            config={"displayModeBar": False},
            alt="Rejected share of each kind of stranger",
        )
        st.caption("Here further right is better.")


def ways(key: str) -> None:
    """The ways to choose a threshold, side by side, each with what it does on test."""
    with st.container(horizontal=True, gap="medium"):
        cost = st.slider(
            "A missed melanoma is worth … referrals", 1, 200, 20, key=state.COST, bind="query-params", width=260
        )
        error = st.slider(
            "Guaranteed: at most … % errors", 1, 40, 10, key=state.MOST_ERRORS, bind="query-params", width=260
        )
        sure = st.slider("… with … % confidence", 50, 99, 90, key=state.SURE, bind="query-params", width=260)
    goal = TuningGoal(cost=float(cost), error=error / 100, confidence=sure / 100)
    tried = rejections.ways_to_choose(run, key, goal)
    st.dataframe(
        pd.DataFrame(
            [
                {"way": way.name, **{name.replace("_", " "): shares(value) for name, value in way.outcome.items()}}
                for way in tried
            ]
        ).fillna("not possible"),
        hide_index=True,
        alt="What each way to choose a threshold does on the test split",
    )
    st.caption(
        "Each is chosen on the calibrate split and shown on test, with 95 % intervals; the second limit of a "
        "score that joins two comes from select where the way is by cost or guaranteed. The strangers have no "
        "split. *As published* is a rule on the plain confidence, whatever the score above."
    )
    for way in tried:
        st.markdown(f"- **{way.name}.** {way.description}")
    possible = [way for way in tried if way.policy]
    for column, way in zip(st.columns(max(len(possible), 1)), possible, strict=False):
        with column:
            st.download_button(
                f"policy.json: {way.name.lower()}",
                policy_file(way.policy),
                "policy.json",  # type: ignore[arg-type]
                "application/json",
                on_click="ignore",
                width="stretch",
                icon=":material/download:",
            )


def scores(key: str, at: float) -> None:
    """All scores and, on request, the same figures of another run; and the threshold of the page on every run."""
    others = {other.name: other.name for other in cached_runs.runs()[0]}
    name = choose("Run", others, state.SCORES_RUN, default=run.name) if len(others) > 1 else run.name
    if len(others) > 1:
        rows = []
        for other in others:
            own = rejections.judged(cached_runs.run(other), key)
            test = own.split("test")
            kept = ~own.rejected(test["shown"], at)
            lesions, strange = test["lesion_id"].to_numpy(str), own.rejected(own.strangers["shown"], at)
            own_shares = share_intervals(
                {"answered": (kept, np.ones_like(kept)), "right": (test["correct"].to_numpy(bool), kept)}, lesions
            )
            rows.append(
                {
                    "run": other,
                    "dermoscopy answered": shares(own_shares["answered"]),
                    "right when it answers": shares(own_shares["right"]),
                    "strangers rejected": shares(clopper_pearson(int(strange.sum()), len(strange))),
                }
            )
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt="The same threshold on every run")
        st.caption(
            f"{SCORES[key].name} with the threshold of this page, {at:.4g}, on the test split of every run: a "
            "number that is right for one model can be wrong for another."
        )
    board = rejections.all_scores(cached_runs.run(name))
    wide = board.assign(
        text=[
            f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" if np.isfinite(row.value) else "none"
            for row in board.itertuples()
        ]
    )
    columns = {
        "coverage": "dermoscopy kept",
        "risk": "wrong among kept",
        "rejected": "strangers rejected",
        "auroc": "AUROC",
        "aupr_ood": "AUPR, stranger positive",
        "aupr_dermoscopy": "AUPR, dermoscopy positive",
        "fpr95": "FPR at 95 % TPR",
        "aurc": "AURC",
        "augrc": "AUGRC",
    }
    shown = wide[wide["kind"].isin(["", "all"])].pivot_table(
        index="score", columns="measure", values="text", aggfunc="first", sort=False
    )
    shown = shown[[c for c in columns if c in shown.columns]].rename(columns=columns)
    shown.insert(0, "name", [("▶ " if k == key else "") + SCORES[str(k)].name for k in shown.index])
    st.dataframe(shown, hide_index=True, height="content", alt="Every score with its figures and 95 % intervals")
    st.caption(
        f"Run {literal(name)}, thresholds that keep 95 % of calibrate, shown on test. ▶ is the score above. Positive "
        "is a picture that is no lesion. AURC and AUGRC (lower is better) ask whether mistakes score high."
    )
    kinds = wide[~wide["kind"].isin(["", "all", *CORRUPTIONS])]
    if not kinds.empty:
        cells = [f"{percent(r.value)} ({100 * r.low:.0f} to {100 * r.high:.0f})" for r in kinds.itertuples()]
        heads = kinds["kind"].str.replace("_", " ") + ", n " + kinds["n"].astype(str)
        st.dataframe(
            kinds.assign(share=cells, kind=heads)
            .pivot_table(
                index="score",
                columns="kind",
                values="share",
                aggfunc="first",
                sort=False,
            )
            .rename(index=lambda k: SCORES[str(k)].name),
            height="content",
            alt="Rejected share of each kind of stranger by score",
        )
        st.caption(
            "The rejected share of each kind of picture that is no lesion, at the same thresholds, with "
            "exact 95 % intervals. The strangers have no split: they are seen while one chooses, and the "
            "default score was chosen with them, so these shares flatter it."
        )


def spoiled(judged: EvaluatedScore, at: float) -> None:
    """Pictures near to what the model knows."""
    something_wrong(judged, at)
    left_out()


body()
how_to_read(
    "Rejecting is saying: I do not know, a person must look. Drag the line: everything in the frame moves with it.",
    "A network is often sure of what it has never seen, so confidence finds mistakes and hardly finds strangers. "
    "Distance finds strangers and hardly finds mistakes, and it also turns away real dermoscopy of another kind: "
    "strangeness is not error. The score *Unsure or strange* asks both.",
    "The last layer has learned to forget what does not tell the diagnoses apart, and with it what makes a cat a cat. "
    "The layer before still sees it: where few may be turned away, the residual of layer 3 finds more strangers.",
    "A threshold that is chosen while looking at test is flattered by test: choose on calibrate, look at test after.",
    "The intervals speak of these pictures and these kinds of strangers only.",
)
