"""The tabs that hold scores and rules against each other: How to choose it, and All scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.components import choose
from app.figures.style import percent
from app.foreign_text import literal
from app.out_of_distribution.line import MOST_LINES
from lesion_core.analysis.intervals import Interval, clopper_pearson, share_intervals
from lesion_core.foreign_text import for_people
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.ood.policy import Policy, PolicyFile
from lesion_core.ood.scores import SCORES
from lesion_core.ood.sentences import kind_name
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.runs.classifier import Run

OUTCOMES = {
    "answered": "answered",
    "right": "right",
    "melanomas_missed": "melanomas missed",
    "melanomas_to_a_person": "melanomas to a person",
    "ood_rejected": "OOD images rejected",
}
"""What a policy does, as `policy_outcome` names it, to what a person reads."""
COLUMNS = {
    "coverage": "dermoscopy kept",
    "risk": "wrong among kept",
    "rejected": "OOD images rejected",
    "auroc": "AUROC",
    "aupr_ood": "AUPR, OOD positive",
    "aupr_dermoscopy": "AUPR, dermoscopy positive",
    "fpr95": "FPR at 95 % TPR",
    "aurc": "AURC",
    "augrc": "AUGRC",
}
"""The figures of the scoreboard, in order."""


def share(interval: Interval | None) -> str:
    """A share with its interval, in words."""
    if interval is None or not interval.n_images:
        return "none"
    return f"{percent(interval.value, 1)} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def policy_json(policy: Policy) -> str:
    """The policy as the file that other programs read."""
    return PolicyFile(policy=policy, check=policy.fingerprint()).to_json()


def score_table(
    keys: Sequence[str], heads: Sequence[str], cells: Sequence[str], alt: str, marked: str | None = None
) -> None:
    """One row per score, one column per head, as they first occur.

    Args:
        keys: The score of each cell, keys of `SCORES`.
        heads: The column of each cell.
        cells: The text of each cell.
        alt: What the table holds.
        marked: The key of the score whose row has a ▶.
    """
    names = [("▶ " if key == marked else "") + SCORES[key].name for key in keys]
    long = pd.DataFrame({"score": names, "head": list(heads), "cell": list(cells)})
    wide = long.pivot_table(index="score", columns="head", values="cell", aggfunc="first", sort=False)
    st.dataframe(for_people(wide), height="content", alt=alt)


def draw_rules(run: Run, key: str) -> None:
    """The ways to choose a threshold, side by side, each with what it does on the test set.

    Args:
        run: The run.
        key: A key of `SCORES`.
    """
    with st.container(horizontal=True, gap="medium"):
        cost = st.slider(
            "One missed melanoma counts as … referrals", 1, 200, 20, key=state.COST, bind="query-params", width=270
        )
        error = st.slider(
            "Guaranteed: at most … % errors", 1, 40, 10, key=state.MOST_ERRORS, bind="query-params", width=230
        )
        sure = st.slider("… with … % confidence", 50, 99, 90, key=state.SURE, bind="query-params", width=230)
    possible = draw_tried(run, key, cost, error, sure)
    for column, (name, file) in zip(st.columns(max(len(possible), 1)), possible, strict=False):
        column.download_button(
            f"policy.json: {name.lower()}",
            file,
            "policy.json",
            "application/json",
            on_click="ignore",
            width="stretch",
            icon=":material/download:",
        )


@drawn_once("Trying every way to choose …")
def draw_tried(run: Run, key: str, cost: int, error: int, sure: int) -> list[tuple[str, str]]:
    """Every way to choose, and what each does on the test set.

    Args:
        run: The run.
        key: A key of `SCORES`.
        cost: Referrals that one missed melanoma counts as.
        error: Most errors that are guaranteed, in %.
        sure: The guarantee's confidence, in %.

    Returns:
        Name and `policy.json` of each that was possible.
    """
    goal = TuningGoal(cost=float(cost), error=error / 100, confidence=sure / 100)
    tried = rejections.ways_to_choose(run, key, goal)
    st.dataframe(
        pd.DataFrame(
            [
                {"rule": rule.name}
                | {
                    title: share(rule.outcome.get(name)) if rule.policy else "not possible"
                    for name, title in OUTCOMES.items()
                }
                for rule in tried
            ]
        ),
        hide_index=True,
        alt="What each way to choose a threshold does on the test set",
    )
    st.caption(
        "Each is chosen on the calibration set and shown on the test set, with 95 % confidence intervals; the second "
        "limit of a score that joins two comes from the validation set where the rule is by cost or guaranteed. The "
        "OOD images have no split. *As published* is a rule on the plain confidence, whatever the score above."
    )
    for rule in tried:
        st.markdown(f"- **{rule.name}.** {literal(rule.description)}")
    return [(rule.name, policy_json(rule.policy)) for rule in tried if rule.policy]


def draw_scores(run: Run, key: str, at: float) -> None:
    """All scores and, on request, the same figures of another run; and the threshold of the page on every run.

    Args:
        run: The run.
        key: A key of `SCORES`, of the page.
        at: The threshold of the page.
    """
    runs = {other.name: other for other in cached_runs.runs()[0]}
    name = run.name
    if len(runs) > 1:
        name = choose("Run", {other: other for other in runs}, state.SCORES_RUN, default=run.name)
        draw_on_every_run(tuple(runs.values()), key, at)
    draw_board(cached_runs.run(name), key)


@drawn_once("Comparing the scores …")
def draw_board(run: Run, key: str) -> None:
    """Every score's figures on a run, the row of one of them marked."""
    board = rejections.all_scores(run)
    whole = board[board["kind"].isin(["", "all"])]
    whole = whole[whole["measure"].isin(list(COLUMNS))].sort_values(
        "measure", key=lambda measures: measures.map({name: i for i, name in enumerate(COLUMNS)}), kind="stable"
    )
    score_table(
        whole["score"].astype(str).tolist(),
        [COLUMNS[measure] for measure in whole["measure"].astype(str)],
        [
            f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(value) else "none"
            for value, low, high in zip(whole["value"], whole["low"], whole["high"], strict=True)
        ],
        "Every score with its figures and 95 % intervals",
        marked=key,
    )
    st.caption(
        f"Run {literal(run.name)}, thresholds that keep 95 % of the calibration set, shown on the test set. ▶ is the "
        "score above. Positive is an OOD image. AURC and AUGRC (lower is better) ask whether "
        "mistakes score high. In brackets: 95 % confidence intervals."
    )
    kinds = board[(board["measure"] == "rejected") & ~board["kind"].isin(["", "all", *CORRUPTIONS])]
    if kinds.empty:
        return
    score_table(
        kinds["score"].astype(str).tolist(),
        [
            f"{kind}, n {n:,}"
            for kind, n in zip(kinds["kind"].astype(str).map(kind_name), kinds["n"].astype(int), strict=True)
        ],
        [
            f"{percent(value)} ({100 * low:.0f} to {100 * high:.0f})"
            for value, low, high in zip(kinds["value"], kinds["low"], kinds["high"], strict=True)
        ],
        "Rejected share of each kind of OOD image by score",
    )
    st.caption(
        "The rejected share of each kind of OOD image, at the same thresholds, with exact 95 % intervals. "
        "These images have no split: they are seen while one chooses, and the default score was chosen with them, so "
        "these shares make it look better than it is."
    )


@drawn_once("Scoring …", most=MOST_LINES)
def draw_on_every_run(runs: tuple[Run, ...], key: str, at: float) -> None:
    """The threshold of the page on every run's test set."""
    rows = []
    for run in runs:
        judged = rejections.judged(run, key)
        test = judged.split("test")
        kept = ~judged.rejected(test["shown"], at)
        strange = judged.rejected(judged.ood_images["shown"], at)
        found = share_intervals(
            {"answered": (kept, np.ones_like(kept)), "right": (test["correct"].to_numpy(bool), kept)},
            test["lesion_id"].to_numpy(str),
        )
        rows.append(
            {
                "run": run.name,
                "dermoscopy answered": share(found["answered"]),
                "right when it answers": share(found["right"]),
                "OOD images rejected": share(clopper_pearson(int(strange.sum()), len(strange))),
            }
        )
    st.dataframe(for_people(pd.DataFrame(rows)), hide_index=True, alt="The same threshold on every run")
    st.caption(
        f"{SCORES[key].name} with the threshold of this page, {at:.4g}, on the test set of every run: a number that is "
        "right for one model can be wrong for another."
    )
