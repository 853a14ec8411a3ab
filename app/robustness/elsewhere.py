"""The tab Somewhere else: what is lost on images of another source, and whether the rejection notices."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.cache import elsewhere as cached
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.cache.facts import facts_state
from app.compare.lessons import budget
from app.components import choose, how_to_read
from app.figures import elsewhere as figures
from app.figures import shares as share_figures
from app.figures.style import percent
from app.foreign_text import literal
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.slices import FEWEST
from lesion_core.analysis.sources import FIGURES, Loss, Source, TwoForms
from lesion_core.data.catalog import TITLES
from lesion_core.data.image_facts import COMMAND, FORMS
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.experiments.registry import AT_HOME, EXPERIMENTS, SOURCE_METRICS
from lesion_core.findings import Finding
from lesion_core.foreign_text import for_people
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import FileState

PLAIN = {"displayModeBar": False}
EXPECTED = ("ham10000", "isic2017", cached.MILK10K, OFFICIAL_TEST)
"""Sources that a run can be tested on; the first is what the others are compared with."""
REJECTION = ("rejected", "wrong_among_kept", "wrong_rejected")
CHARTED = ("accuracy", "balanced_accuracy", "melanoma_auroc", *REJECTION)
TRAIN_ON_MILK10K = (
    "this run was not tested on it. Train one on both folders: `python -m lesion_core train --data DATA --data MILK10K "
    "--settings FILE`"
)
STUDY = "sources"
STUDY_COMMAND = (
    "python -m lesion_core experiment sources --data DATA --data MILK10K --settings experiments/sources.json "
    "--weights-folder WEIGHTS"
)
BY_TONE = {"accuracy": "Accuracy", "melanoma_recall": "Melanomas found", "rejected": "Rejected"}


def draw(run: Run) -> None:
    """The tab."""
    policy = cached_runs.policy_of(run)
    key, table = "" if policy is None else policy.fingerprint(), facts_state(FORMS)
    draw_sources(run, key)
    st.subheader("The same lesion, with and without a dermatoscope", anchor=False)
    draw_forms(run, key, table)
    st.subheader("By skin tone", anchor=False)
    draw_skin_tones(run, key, table)
    st.subheader("Trained here, tested there", anchor=False)
    draw_matrix()
    how_to_read(
        "A loss is seen where the 95 % interval of the change of the accuracy or of the AUROC of melanoma lies "
        "under 0. It is noticed where the policy rejects more and what it keeps is as good as at home; in part, "
        "where it rejects more and what it keeps is worse all the same.",
        "A policy that rejects a few more images of another source has noticed something; whether that helps is "
        "told by what is wrong among the kept.",
        "Sources differ in cameras, people, diagnoses and files at once: a loss says that something differs, not what.",
    )


def _policy(run: Run, key: str) -> Policy | None:
    """The visitor's policy: what is drawn once is kept by its `key`, its fingerprint."""
    return cached_runs.policy_of(run) if key else None


@drawn_once("Measuring each source, with intervals …")
def draw_sources(run: Run, key: str) -> None:
    """Every source of test images: its figures, and whether a loss is noticed."""
    found = cached.sources(run, _policy(run, key))
    rows = rows_of(found)
    st.plotly_chart(
        share_figures.panels([(name, one.figures if one else {}) for name, one in rows], titles_of(found), REJECTION),
        config=PLAIN,
        alt="Accuracy, balanced accuracy, AUROC of melanoma and rejection in each source, with 95 % intervals",
    )
    st.caption(
        "A row is a source of test images. In the first three further right is better; diamonds say what the policy "
        "does: what it rejects, how much of what it keeps is wrong, how much of what is wrong it rejects. Lines: "
        f"95 % confidence intervals over lesions; grey: fewer than {FEWEST} lesions."
    )
    for sentence in said(found):
        st.markdown(sentence)
    if not key:
        st.markdown("This run has no policy, so nothing is rejected: `python -m lesion_core ood tune`.")
    with st.expander("All figures"):
        st.dataframe(for_people(source_table(rows)), hide_index=True, alt="Figures of each source. A row per source.")
    st.caption(
        "All sources are read in the same diagnoses, but they hold other ones: with few diagnoses there is less to "
        "confuse, so the AUROC of melanoma compares sources better than the accuracy does. Another source differs in "
        "cameras, people and how its files were made, all at once."
    )


def rows_of(found: Sequence[Source]) -> list[tuple[str, Source | None]]:
    """Sources by name with n, also those of `EXPECTED` that a run on real data was not tested on."""
    by_key = {one.dataset: one for one in found}
    real = any(key in by_key for key in EXPECTED)
    keys = [*(key for key in EXPECTED if real), *(key for key in by_key if not real or key not in EXPECTED)]
    rows: list[tuple[str, Source | None]] = []
    for key in keys:
        one, name = by_key.get(key), TITLES.get(key, key)
        rows.append((f"{name}, n {one.n_images:,}" if one else f"{name}, not tested", one))
    return rows


def titles_of(found: Sequence[Source]) -> dict[str, str]:
    """The figures of the chart that any source has."""
    return {key: FIGURES[key] for key in CHARTED if any(key in one.figures for one in found)}


def source_table(rows: Sequence[tuple[str, Source | None]]) -> pd.DataFrame:
    """Every figure of every source as text."""
    cells = []
    for name, one in rows:
        cell = {"source": name.rsplit(", ", 1)[0]}
        if one is None:
            cell |= {"images": "none"}
        else:
            cell |= {
                "images": f"{one.n_images:,}",
                "lesions": f"{one.n_lesions:,}",
                "diagnoses": ", ".join(one.diagnoses),
                **{FIGURES[key]: _told(found) for key, found in one.figures.items()},
            }
        cells.append(cell)
    return pd.DataFrame(cells).fillna("none")


def said(found: Sequence[Source]) -> list[str]:
    """For each source but the one that the others are compared with: what is lost there, and whether it is noticed."""
    by_key = {one.dataset: one for one in found}
    if not found:
        return ["No source of this run's test images can be read in its diagnoses."]
    reference = next((by_key[key] for key in EXPECTED if key in by_key), found[0])
    home = literal(TITLES.get(reference.dataset, reference.dataset))
    sentences = []
    for one in found:
        if one is not reference:
            loss = Loss.of(reference, one)
            verdict = f": **{VERDICTS[loss.verdict]}**" if loss.verdict else ""
            parts = [
                f"{words} {change(loss.changes[key])}"
                for key, (words, change) in COMPARED.items()
                if key in loss.changes and all(map(math.isfinite, loss.changes[key]))  # not where nothing is kept
            ]
            name = literal(TITLES.get(one.dataset, one.dataset))
            n = f"n {one.n_images:,} images of {one.n_lesions:,} lesions, {len(one.diagnoses)} diagnoses"
            sentences.append(f"- **{name}** ({n}) against {home}{verdict}. {'; '.join(parts)}.")
    if reference.dataset in EXPECTED and cached.MILK10K not in by_key:
        sentences.append(f"- **{TITLES[cached.MILK10K]}**: {TRAIN_ON_MILK10K}.")
    if len(found) == 1:
        sentences.insert(0, f"All test images of this run are of one source, {home}.")
    return sentences


def _change(change: tuple[float, float, float]) -> str:
    """A difference of shares as points with its interval."""
    value, low, high = (round(100 * end) + 0 for end in change)
    return f"{value:+d} points ({low:+d} to {high:+d})".replace("+0", "0")


def _auroc(change: tuple[float, float, float]) -> str:
    """A difference of areas with its interval."""
    value, low, high = change
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


VERDICTS = {
    "no loss seen": "no loss is seen",
    "noticed": "the loss is noticed",
    "noticed in part": "the loss is noticed in part",
    "not noticed": "the loss is not noticed",
}
COMPARED = {
    "accuracy": ("Right answers", _change),
    "melanoma_auroc": ("AUROC of melanoma", _auroc),
    "rejected": ("rejected", _change),
    "wrong_among_kept": ("wrong among the kept", _change),
    "melanoma_auroc_kept": ("AUROC of melanoma among the kept", _auroc),
}
"""What a sentence compares, in its order: the figure's name and how its change is written."""


def _told(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" if one.n_images else "none"


@drawn_once("Pairing images …")
def draw_forms(run: Run, key: str, of_table: FileState) -> None:  # noqa: ARG001
    """Each test lesion of MILK10k in two forms; `of_table` is the state of the table that pairs them."""
    policy, table = _policy(run, key), cached.lesion_forms()
    if table is None:
        st.caption(f"Which images show one lesion is not told here. This command makes the table: `{COMMAND}`.")
        return
    if policy is None:
        st.caption("This run has no policy, so it answers everything: `python -m lesion_core ood tune`.")
        return
    found = cached.forms(run, policy, table)
    if not found.known.lesions + found.other.lesions:
        st.caption(
            "MILK10k shows a lesion twice, as dermoscopy and as a clinical close-up, and " + TRAIN_ON_MILK10K + "."
        )
        return
    rows = {"diagnosis known to the model": found.known, "another diagnosis": found.other}
    rows = {name: one for name, one in rows.items() if one.lesions}
    st.plotly_chart(
        figures.forms(rows),
        config=PLAIN,
        alt="Lesions that are answered as dermoscopy, as close-up, in both forms or in neither",
    )
    st.caption(
        "A bar is all test lesions of MILK10k that are there in both forms. The model learned from dermoscopy alone: "
        "it should answer the first form and reject the second, and any form of a diagnosis that it does not know."
    )
    for name, one in rows.items():
        for sentence in said_of_forms(name, one):
            st.markdown(sentence)


def said_of_forms(name: str, one: TwoForms) -> list[str]:
    """What a count of pairs says."""
    dermoscopy, close_up = one.both + one.only_dermoscopy, one.both + one.only_close_up
    sentences = [
        f"**{name[0].upper()}{name[1:]}**, n {one.lesions:,} lesions: {dermoscopy:,} are answered as dermoscopy, "
        f"{close_up:,} as close-up. In {one.only_dermoscopy:,} only the first is, in {one.only_close_up:,} only the "
        f"second: exact McNemar test, p {_p(one.p)}."
    ]
    if one.right[0].n_images:
        first, second = one.right
        wrong = one.wrong_among_answered[1]
        sentences.append(
            f"Asked all the same, the model is right in {percent(first.value)} ({percent(first.low)} to "
            f"{percent(first.high)}) of them as dermoscopy and in {percent(second.value)} ({percent(second.low)} to "
            f"{percent(second.high)}) as close-up; its two answers are the same in {percent(one.same.value)}."
            + (
                f" Of the {wrong.n_images:,} close-ups that it answers, {percent(wrong.value)} "
                f"({percent(wrong.low)} to {percent(wrong.high)}) are wrong."
                if wrong.n_images
                else ""
            )
        )
    return sentences


def _p(p: float) -> str:
    return "under 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


@drawn_once("Measuring by skin tone …")
def draw_skin_tones(run: Run, key: str, of_table: FileState) -> None:  # noqa: ARG001
    """Figures of MILK10k's test images by skin tone; `of_table` is the state of the table that tells it."""
    table = cached.lesion_forms()
    if table is None:
        st.caption(f"The skin of each lesion is not told here. This command makes the table: `{COMMAND}`.")
        return
    found = cached.by_skin_tone(run, _policy(run, key), table)
    if found is None:
        st.caption(
            "Of the data sets here only MILK10k records the tone of the skin, and "
            + TRAIN_ON_MILK10K
            + ". Nothing can "
            "be said of this run's figures by skin tone."
        )
        return
    st.plotly_chart(share_figures.panels(tone_rows(found), BY_TONE, ("rejected",)), config=PLAIN, alt=ALT_OF_TONES)
    fewest = found.loc[found["figure"] == "accuracy"].nsmallest(1, "n_groups").iloc[0]
    st.caption(
        "MILK10k's classes of skin, as published. Further right is better in the first two; diamonds: rejected. Lines: "
        f"95 % confidence intervals over lesions; grey: fewer than {FEWEST} lesions."
    )
    st.markdown(
        f"**Small n says little**: the rarest tone has {_lesions(int(fewest['n_groups']))}. A difference between rows "
        "whose lines overlap may be chance, and no difference seen is not equality. HAM10000, ISIC 2017 and the "
        "official set record no skin tone, so nobody knows it of most of what the model learned from."
    )


ALT_OF_TONES = "Accuracy, melanomas found and rejection by skin tone, with 95 % intervals"


def tone_rows(found: pd.DataFrame) -> list[tuple[str, Mapping[str, Interval]]]:
    """The rows of the chart: a tone with its n, and its figures."""
    rows: list[tuple[str, Mapping[str, Interval]]] = []
    for group, own in found.groupby("group", sort=False):
        cells = {str(row["figure"]): _interval(row) for row in own.to_dict("records")}
        rows.append((f"{group}, n {cells['accuracy'].n_images:,}", cells))
    return rows


def _interval(row: Mapping[Hashable, Any]) -> Interval:
    return Interval(row["value"], row["low"], row["high"], int(row["n_images"]), int(row["n_groups"]))


def _lesions(n: int) -> str:
    return f"{n:,} lesion{'s' * (n != 1)}"


def draw_matrix() -> None:
    """Small networks that saw one source each, tested on every source."""
    found = cached_results.finding(STUDY)
    entry = EXPERIMENTS[STUDY]
    if found is None:
        st.caption(
            f"{entry.description} Its table is not here yet; this command trains the networks and writes it: "
            f"`{STUDY_COMMAND}`."
        )
        return
    metric = choose("Figure", SOURCE_METRICS, state.SOURCE_FIGURE, buttons=True)
    st.plotly_chart(
        figures.matrix(*matrix_cells(found, metric)),
        config=PLAIN,
        alt=f"{SOURCE_METRICS[metric]} of each network on each source",
    )
    st.caption(
        "A row is a small network and what it was trained on, a column the images that it is tested on; framed: "
        f"trained and tested on one source. {entry.description} {budget(found.settings)} One training each: "
        "another seed moves the figures too."
    )
    for sentence in said_of_matrix(found.table):
        st.markdown(sentence)


def matrix_cells(found: Finding, metric: str) -> tuple[dict[tuple[str, str], Interval], dict[str, str], dict[str, str]]:
    """The cells of a figure, by variant and source, and the names of rows and columns that have some."""
    own = found.table[(found.table["metric"] == metric) & ~found.table["view"].str.endswith(AT_HOME)]
    cells = {(str(row["variant"]), str(row["view"])): _interval(row) for row in own.to_dict("records")}
    variants = EXPERIMENTS[STUDY].variants
    rows = {key: variant.name for key, variant in variants.items() if any(key == row for row, _ in cells)}
    sources = {key: key for _, key in cells}
    order = [*(key for key in EXPECTED if key in sources), *(key for key in sources if key not in EXPECTED)]
    return cells, rows, {key: TITLES.get(key, key) for key in order}


def said_of_matrix(table: pd.DataFrame) -> list[str]:
    """What it costs to have learned elsewhere: paired differences of balanced accuracy, from images of the source."""
    own = table[(table["metric"] == "balanced_accuracy") & table["view"].str.endswith(AT_HOME)]
    variants = EXPERIMENTS[STUDY].variants
    sentences = []
    for view, rows in own.groupby("view", sort=False):
        source = str(view).removesuffix(AT_HOME)
        parts = [
            f"{variants[row['variant']].name} {_change((row['value'], row['low'], row['high']))}"
            for row in rows.to_dict("records")
            if row["variant"] in variants and math.isfinite(row["low"])
        ]
        name = literal(TITLES.get(source, source))
        sentences.append(
            f"- Balanced accuracy on **{name}** (n {int(rows['n_images'].max()):,}), against the network that was "
            f"trained on it alone: {'; '.join(parts)}."
        )
    return sentences
