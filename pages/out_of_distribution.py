"""A threshold on the confidence: what it rejects, and who pays for it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from app import cache, figures, state
from app.answers import AGE_NAMES, UNKNOWN, shares_by
from app.components import badges, choose, current_run, how_to_read, page_title
from app.figures import PUBLISHED, percent
from lesion_core.analysis.curves import roc
from lesion_core.analysis.detection import measure
from lesion_core.analysis.intervals import Interval, wilson
from lesion_core.analysis.policy import read_policy
from lesion_core.analysis.rejection import keep_share_threshold, operating_point, threshold_table
from lesion_core.labels import DIAGNOSES, diagnosis

EDGES = np.linspace(0, 1, 41)
WHO = {"diagnosis": "Diagnosis", "sex": "Sex", "age": "Age", "site": "Body site"}
SMALLEST = 20

run = current_run()
policy = read_policy(run)
on_confidence = policy.limit("scaled_confidence") if policy else None
sure = cache.confidences(run.name, policy.temperature if policy else run.calibration.temperature)
n_test, n_strangers, n_calibrate = len(sure.test), len(sure.strangers), len(sure.calibrate)


def hundredth(score: float) -> float:
    """The confidence of a score, down to a hundredth, so that it keeps at least as much."""
    return max(0.0, math.floor(100 * (1 - score) + 1e-9) / 100)


kept_95 = hundredth(keep_share_threshold(1 - sure.calibrate)) if n_calibrate else None
shipped = hundredth(on_confidence.threshold) if on_confidence else None
default = shipped if shipped is not None else kept_95 if kept_95 is not None else PUBLISHED


def provenance(threshold: float) -> tuple[str, str, str]:
    """Where a threshold comes from: a badge, its colour, and a sentence."""
    at = round(threshold, 2)
    if policy and on_confidence and at == shipped:
        origin = "published" if policy.chosen_on == "published" else f"chosen on {policy.chosen_on}"
        return f"threshold {origin}", "green", (
            f"The run's own limit on the confidence, {1 - on_confidence.threshold:.3f}, down to a hundredth. "
            f"{policy.chosen}"
        )
    if at == kept_95:
        return "threshold chosen on calibrate", "green", (
            f"It keeps 95 % of the calibrate split (n = {n_calibrate:,})."
        )
    if at == PUBLISHED:
        return "threshold as published", "blue", (
            "It is the usual choice of demonstrations, made without this model's data."
        )
    return "threshold moved by hand", "orange", (
        "A threshold that is chosen while looking at these test figures is flattered by them: to use one, choose it on "
        "calibrate."
    )


def set_threshold(value: float) -> None:
    st.session_state[state.THRESHOLD] = value


def number(label: str, interval: Interval, says: str) -> None:
    """A share with its interval, in per cent, and of how many."""
    if interval.n_images == 0:
        st.metric(label, "none", help=says)
        return
    st.metric(label, percent(interval.value, 1), help=says, delta_color="off", delta_arrow="off",
              delta=f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %, n {interval.n_images:,}")


@st.fragment
def body() -> None:
    """All that moves with the threshold; only this runs again when the slider does."""
    head = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        threshold = float(st.slider("Reject under a confidence of", 0.0, 1.0, default, 0.01, key=state.THRESHOLD,
                                    bind="query-params", format="%.2f"))
        st.button(f"{PUBLISHED:g}, as published", on_click=set_threshold, args=(PUBLISHED,))
        if kept_95 is not None:
            st.button("Keep 95 % of calibrate", on_click=set_threshold, args=(kept_95,))
    test, strangers = sure.test, sure.strangers
    confidence, correct = test["confidence"].to_numpy(), test["correct"].to_numpy(bool)
    strange = strangers["confidence"].to_numpy(np.float64)
    rejected, strange_rejected = confidence < threshold, strange < threshold
    limit = 1 - threshold
    point = operating_point(~rejected, correct, ~strange_rejected)
    melanoma = (test["diagnosis"] == "MEL").to_numpy()
    missed = wilson(int((melanoma & ~rejected & ~correct).sum()), int(melanoma.sum()))
    sent = wilson(int((melanoma & rejected).sum()), int(melanoma.sum()))
    badge, colour, sentence = provenance(threshold)

    with head:
        through = (
            f"and still lets **{percent(1 - point.ood_rejected.value)}** of pictures that are no lesion through."
            if n_strangers
            else "; this run was scored on no pictures that are no lesion, so what it lets through is unknown."
        )
        st.markdown(
            f"At {threshold:.2f} the model answers **{percent(point.coverage.value)}** of dermoscopy"
            + (" " if n_strangers else "") + through
        )
        badges(("real dermoscopy", "blue"), (f"shown on test, n = {n_test:,}", "green"), (badge, colour),
               (f"no lesion, n = {n_strangers:,}", "gray"))

    main, side = st.columns([3, 1], gap="large")
    with main:
        right, wrong, odd = (np.histogram(v, EDGES)[0] for v in (confidence[correct], confidence[~correct], strange))
        st.plotly_chart(
            figures.confidence_histograms(EDGES, right, wrong, odd, threshold), key="confidences",
            config={"displayModeBar": False},
            alt=f"Histograms of the confidence on test dermoscopy and on pictures that are no lesion; rejected under "
                f"{threshold:.2f}",
        )
        st.caption(
            "Each panel is the share of its own pictures. What stands on grey is rejected: a cost in the first panel, "
            f"a gain in the others. {sentence}"
        )
    with side, st.container(gap="xxsmall"):
        number("Dermoscopy answered", point.coverage, "Coverage: the share of the test split that is not rejected.")
        number("Right when it answers", point.accuracy, "Accuracy on the pictures that are kept.")
        number("No lesion, rejected", point.ood_rejected, "The share of pictures that are no lesion that is rejected.")
        number("Melanomas missed", missed, "Melanomas that are answered, and with another diagnosis.")
        number("Melanomas rejected", sent, "Melanomas that are sent to a person.")

    tabs = st.tabs(["By kind of picture", "Who pays", "Risk and coverage", "ROC"], key=state.TAB, bind="query-params")
    if tabs[0].open:
        with tabs[0]:
            by_kind(strangers, strange_rejected)
    if tabs[1].open:
        with tabs[1]:
            who_pays(test, rejected)
    if tabs[2].open:
        with tabs[2]:
            limits = np.unique(np.append(np.quantile(1 - confidence, np.linspace(0, 1, 201)), limit))
            st.plotly_chart(
                figures.risk_coverage(threshold_table(1 - confidence, correct, 1 - strange, limits),
                                      point.coverage.value, point.accuracy.value),
                config={"displayModeBar": False}, alt="Wrong answers among the answered against the share answered",
            )
            st.caption(
                "To the left the model answers only what it is surest of; a good confidence makes the line fall there. "
                f"Test split, n = {n_test:,}."
            )
    if tabs[3].open:
        with tabs[3]:
            ood_curve(1 - confidence, 1 - strange, float(rejected.mean()), strange_rejected)


def no_strangers() -> None:
    st.info(
        "This run has no rows of pictures that are no lesion. Score it again with `python -m lesion_core evaluate` "
        "where `ood_samples/` or the data folder is.", icon=":material/info:",
    )


def by_kind(strangers: pd.DataFrame, rejected: np.ndarray) -> None:
    """The rejected share of each kind of picture that is no lesion."""
    if strangers.empty:
        no_strangers()
        return
    table = shares_by(strangers["kind"], rejected)
    drawn = (strangers["source"] == "ood_samples").to_numpy()
    if drawn.any():
        together = shares_by(pd.Series(["all made by code"] * int(drawn.sum())), rejected[drawn])
        large = table["n"] >= SMALLEST
        table = pd.concat([table[large], together, table[~large]], ignore_index=True)
    table["group"] = table["group"].str.replace("_", " ")
    st.plotly_chart(figures.share_dots(table, "rejected", SMALLEST), config={"displayModeBar": False},
                    alt="Rejected share of each kind of picture that is no lesion, with 95 % intervals")
    st.caption(
        f"Further right is safer. Kinds of under {SMALLEST} pictures are grey: one picture moves them far. Wilson's "
        f"95 % intervals; no picture of these was trained or chosen on, n = {len(strangers):,}."
    )


def who_pays(test: pd.DataFrame, rejected: np.ndarray) -> None:
    """The rejected share of each group of people and diagnoses."""
    by = choose("By", WHO, state.WHO, buttons=True)
    table = shares_by(test[by], rejected)
    if by == "diagnosis":
        order = {code: i for i, code in enumerate([*DIAGNOSES, "AKIEC"])}
        table = table.sort_values("group", key=lambda groups: groups.map(order), ignore_index=True)
    if by == "age":
        order = {name: i for i, name in enumerate([*AGE_NAMES, UNKNOWN])}
        table = table.sort_values("group", key=lambda groups: groups.map(order), ignore_index=True)
    colours = {code: diagnosis(code).colour for code in table["group"]} if by == "diagnosis" else None
    st.plotly_chart(figures.share_dots(table, "dermoscopy rejected", SMALLEST, colours),
                    config={"displayModeBar": False},
                    alt=f"Rejected share of test dermoscopy by {WHO[by].lower()}, with 95 % intervals")
    st.caption(
        f"A group further right is sent to a person more often. Groups of under {SMALLEST} pictures are grey. Wilson's "
        f"95 % intervals, test split, n = {len(test):,}."
    )


def ood_curve(score_in: np.ndarray, score_out: np.ndarray, dermoscopy: float, rejected: np.ndarray) -> None:
    """How well the confidence tells the two apart, whatever the threshold."""
    if not len(score_out):
        no_strangers()
        return
    left, right = st.columns([3, 1], gap="large")
    with left:
        positive = np.arange(len(score_in) + len(score_out)) >= len(score_in)
        curve = roc(positive, np.concatenate([score_in, score_out]))
        st.plotly_chart(figures.ood_roc(curve, dermoscopy, float(rejected.mean())), config={"displayModeBar": False},
                        alt="ROC of pictures that are no lesion against dermoscopy")
    with right:
        st.metric("AUROC", f"{measure('auroc', score_in, score_out):.3f}", help="0.5 is guessing.")
        st.metric("FPR at 95 % TPR", percent(measure("fpr95", score_in, score_out)),
                  help="Dermoscopy that is rejected when 95 % of the pictures that are no lesion are.")
    st.caption(
        f"Positive is a picture that is no lesion (n = {len(score_out):,}), negative is dermoscopy of the test split "
        f"(n = {len(score_in):,}). Papers that turn this around mean another figure by the same name."
    )


page_title("What does a threshold cost, and whom?")
body()
how_to_read(
    "The confidence is the highest probability after the temperature. Rejecting is saying: I do not know, a person "
    "must look.",
    "A network is often sure of what it has never seen, so a threshold on confidence is a weak guard: the violet bars "
    "right of the line are pictures that are no lesion and get a diagnosis.",
    "Every threshold trades answers for errors, and the price is not paid alike: see *Who pays*.",
    "The intervals are Wilson's, with each picture as a case. They speak of these kinds of pictures only.",
)
