"""The tab Artefacts in the wild: who finds them, what goes with them, and how little a small slice says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import artefacts as cached
from app.cache import runs as cached_runs
from app.cache.artefacts import Seen, Sliced
from app.cache.drawn import drawn_once
from app.cache.facts import facts, facts_state
from app.components import choose, how_to_read
from app.figures import artefacts as figures
from app.figures import shares as share_figures
from app.figures.style import percent
from app.foreign_text import literal
from lesion_core.analysis.intervals import Interval, clopper_pearson
from lesion_core.analysis.slices import FEWEST
from lesion_core.analysis.small_slices import DRAWS, SLICES, RandomSlices
from lesion_core.data.artefact_labels import TABLE
from lesion_core.data.catalog import LAYOUTS
from lesion_core.data.image_facts import COMMAND, FINDERS
from lesion_core.foreign_text import for_people
from lesion_core.imaging.finders.registry import FINDERS as REGISTRY
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import FileState

PLAIN = {"displayModeBar": False}
NAMES = {key: entry.name for key, entry in REGISTRY.items()}
BY = {
    "finders": "Finders, test set",
    "official": "Finders, official ISIC 2018 test",
    "labels": "People, ISIC 2017",
}
"""Who says what an image shows, and of which images."""
TITLES = {
    "recall": "Melanomas found",
    "nevi_called_melanoma": "Nevi called melanoma",
    "rejected": "Rejected",
}
USUAL_SIZE, SMALLEST_SIZE = 20, 5


def draw(run: Run) -> None:
    """The tab."""
    policy = cached_runs.policy_of(run)
    key, root = "" if policy is None else policy.fingerprint(), state.data_root()
    st.subheader("What goes with an artefact?", anchor=False)
    by = choose("Who says what an image shows", BY, state.SLICED_BY, buttons=True)
    draw_slices(run, key, by, root, cached.seen_in(root))
    st.subheader("The trap of small n", anchor=False)
    draw_trap(run)
    st.subheader("How well are artefacts found?", anchor=False)
    draw_finders(facts_state(FINDERS))
    draw_examples(root)
    how_to_read(
        "A slice is a question until its n answers: whoever looks at many sees some that differ, so p values are "
        f"corrected for all that were looked at (Holm), and what has fewer than {FEWEST} lesions on a side is grey.",
        "A finder is a classical piece of image processing with a cut of 0.5, not a person: where it errs, both sides "
        "of a slice hold some of the other.",
        "No difference seen is not the same as no difference: an interval says how large one could still be.",
    )


@drawn_once("Comparing slices …")
def draw_slices(run: Run, key: str, by: str, root: Path | None, seen_in: Seen) -> None:
    """Melanomas found, nevi called melanoma and rejection, with each artefact and without it.

    Args:
        run: The run.
        key: The fingerprint of the visitor's policy, empty without one.
        by: Of `BY`.
        root: The data folder.
        seen_in: What changes with the tables that say what images show.
    """
    policy: Policy | None = cached_runs.policy_of(run) if key else None
    found = cached.sliced(run, policy, by, root, seen_in)
    if found is None:
        st.caption(missing(by))
        return
    names = {key: f"{name}, in {found.present[key]:,}" for key, name in NAMES.items()}
    titles = {figure: title for figure, title in TITLES.items() if (found.table["figure"] == figure).any()}
    st.plotly_chart(
        figures.slices(found.table, names, titles),
        config=PLAIN,
        alt="Melanomas found, nevi called melanoma and rejection with each artefact and without it, with intervals",
    )
    st.caption(
        f"A row is an artefact and how many of the {found.n_images:,} images show it: the filled dot is the share "
        f"among these, the open one among the others. Grey: one side has fewer than {FEWEST} lesions. Lines: 95 % "
        "confidence intervals over lesions."
        + (f" {found.without:,} test images have no entry and are left out." if found.without else "")
    )
    for sentence in said(found, by):
        st.markdown(sentence)
    with st.expander("All figures, with p values"):
        st.dataframe(for_people(slice_table(found.table)), hide_index=True, alt="Every slice as a table")
        st.caption(
            "p: the smallest 1 - level whose interval of the difference leaves 0 out; corrected (Holm) for all rows "
            f"of this table. Enough: at least {FEWEST} lesions on both sides."
        )


def missing(by: str) -> str:
    """What to do where nobody says what the images show."""
    if by == "labels":
        return (
            "The labels made by hand (Bissoto, Valle and Avila 2020) are not part of this project: put their "
            f"`{TABLE}` "
            "into the data folder beside ISIC 2017 and start the dashboard with `LESION_DATA` set to it; this run must "
            "have test images of ISIC 2017, too."
        )
    return f"The finders' scores of this run's test images are not here. This command makes them: `{COMMAND}`."


def said(found: Sliced, by: str) -> list[str]:
    """What the slices allow to say."""
    table = found.table
    looked = int(table["p"].notna().sum())
    if not looked:
        return ["No artefact divides these images into two parts, so nothing can be compared."]
    sure = table[table["p_corrected"] < 0.05].sort_values("p")
    least = table.nsmallest(1, "p").iloc[0]
    sentences = []
    if sure.empty:
        sentences.append(
            f"**Of {looked} differences looked at, none is left after the correction for having looked at all of "
            "them.** "
            f"The smallest p value, {_p(least['p'])}, is that of {_named(least)}; corrected (Holm) it is "
            f"{least['p_corrected']:.2f}. That is not to say that no artefact matters: see how wide the lines are."
        )
    else:
        sentences.append(
            f"**Of {looked} differences looked at, {len(sure)} {'is' if len(sure) == 1 else 'are'} left after the "
            "correction for having looked at all of them (Holm):**"
        )
        sentences += [
            f"- {_named(row)[0].upper()}{_named(row)[1:]}: {percent(row['with_value'])} of {int(row['with_n']):,} "
            f"images with it, {percent(row['without_value'])} of {int(row['without_n']):,} without it; difference "
            f"{_points(row)}, corrected p {_p(row['p_corrected'])}."
            for _, row in sure.iterrows()
        ]
    sentences.append(
        "A difference goes with the artefact, it need not come from it: clinics that use rulers or ink also see other "
        "patients and have other cameras."
        + ("" if by == "labels" else " The finders err, see below: that draws the two sides together.")
    )
    return sentences


def _named(row: pd.Series) -> str:
    figure = TITLES[str(row["figure"])]
    return f"{figure.lower()} and {NAMES[str(row['artefact'])].lower()}"


def _points(row: pd.Series) -> str:
    return f"{100 * row['difference']:+.0f} points ({100 * row['low']:+.0f} to {100 * row['high']:+.0f})"


def _p(p: float) -> str:
    return "under 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def slice_table(table: pd.DataFrame) -> pd.DataFrame:
    """Every slice as text."""

    def side(row: pd.Series, which: str) -> str:
        n = int(row[f"{which}_n"])
        if not n:
            return "none"
        share = f"{percent(row[f'{which}_value'])} ({percent(row[f'{which}_low'])} to {percent(row[f'{which}_high'])})"
        return f"{share}, n {n:,}"

    rows = [
        {
            "artefact": NAMES[str(row["artefact"])],
            "figure": TITLES[str(row["figure"])],
            "with it": side(row, "with"),
            "without it": side(row, "without"),
            "difference": _points(row) if np.isfinite(row["difference"]) else "none",
            "p": _p(row["p"]) if np.isfinite(row["p"]) else "none",
            "p, corrected": _p(row["p_corrected"]) if np.isfinite(row["p_corrected"]) else "none",
            "enough": "yes" if row["enough"] else "no",
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


def draw_trap(run: Run) -> None:
    """Slices of the test melanomas that are drawn at random."""
    n = len(cached.melanomas_found(run))
    if n <= SMALLEST_SIZE:
        st.caption(f"This run was tested on {n:,} melanomas: there is nothing to draw slices from.")
        return
    size = st.slider(
        "Size of a slice, melanomas",
        SMALLEST_SIZE,
        n,
        min(USUAL_SIZE, n),
        key=state.SLICE_SIZE,
        bind="query-params",
        help="Of the test melanomas, drawn at random: nothing but chance makes two slices differ.",
    )
    draw_random(run, int(size))


@drawn_once("Drawing slices at random …")
def draw_random(run: Run, size: int) -> None:
    """What chance alone does to slices of a size."""
    found, n = cached.drawn_at_random(run, size), len(cached.melanomas_found(run))
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            share_figures.share_dots(first_draw(found), "melanomas found", smallest=FEWEST),
            config=PLAIN,
            alt=f"The share of melanomas found in {SLICES} slices of {size} drawn at random, with 95 % intervals",
        )
        st.caption(f"The first of {DRAWS:,} draws: {SLICES} slices with nothing in common but their size.")
    with right:
        st.plotly_chart(
            figures.spreads(found),
            config=PLAIN,
            alt="How far apart the best slice and the worst lie in each draw",
        )
        st.caption("All draws: a bar is the share of them whose best slice and worst lie so far apart.")
    st.markdown(
        f"**Among {SLICES} slices of {size:,} of the {n:,} test melanomas, drawn at random, the best and the worst "
        f"lie {100 * found.spread(0.5):.0f} points apart in half of the draws, and {100 * found.spread(0.95):.0f} or "
        "more in one of twenty.** A slice by artefact, site or age has to differ by more than that before it says "
        "anything."
    )


def first_draw(found: RandomSlices) -> pd.DataFrame:
    """The slices of the first draw, as `share_dots` wants them."""
    rows = []
    for i, share in enumerate(found.shares[0].tolist()):
        one = clopper_pearson(round(share * found.size), found.size)
        rows.append((f"slice {i + 1}", found.size, one.value, one.low, one.high))
    return pd.DataFrame(rows, columns=["group", "n", "share", "low", "high"])


@drawn_once()
def draw_finders(seen_in: FileState) -> None:  # noqa: ARG001
    """The AUROC of each finder on lesions that none was tuned on.

    Args:
        seen_in: What changes with their table.
    """
    table = facts(FINDERS)
    if table is None:
        st.caption(f"How well the finders do is not told here. This command measures them: `{COMMAND}`.")
        return
    rows = [
        (
            f"{NAMES[row['artefact']]}, in {row['positives']:,} of {row['n']:,}",
            {"auroc": Interval(row["value"], row["low"], row["high"], row["n"], row["lesions"])},
        )
        for row in table.to_dict("records")
        if row["artefact"] in NAMES
    ]
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            share_figures.panels(rows, {"auroc": "AUROC against labels made by hand"}),
            config=PLAIN,
            alt="AUROC of each finder against labels made by hand, with 95 % intervals",
        )
        st.caption(
            "The chance that an image with the artefact scores higher than one without; 0.5 is a coin. On images of "
            "ISIC 2017 whose lesions no finder was tuned on, labelled by hand (Bissoto, Valle and Avila 2020). "
            "Lines: 95 % confidence intervals over lesions."
        )
    with right:
        for entry in REGISTRY.values():
            st.markdown(f"**{entry.name}.** {literal(entry.plain)}")


def draw_examples(root: Path | None) -> None:
    """Images of each artefact, where the data folder has them."""
    draw_examples_of(choose("Examples", NAMES, state.ARTEFACT, buttons=True), root, cached.seen_in(root))


@drawn_once(most=16)
def draw_examples_of(artefact: str, root: Path | None, seen_in: Seen) -> None:
    """Images of one artefact.

    Args:
        artefact: A key of `NAMES`.
        root: The data folder.
        seen_in: What changes with the tables that say what images show.
    """
    found = cached.examples(root, artefact, seen_in) if root else []
    if not found:
        st.caption(
            "Examples are shown where the dashboard is started with `LESION_DATA` set to a folder with the images "
            f"of ISIC 2017 ({LAYOUTS[cached.LABELLED_SET].source})."
        )
        return
    for column, one in zip(st.columns(len(found), gap="small"), found, strict=True):
        with column:
            st.image(one.pixels, width="stretch", output_format="JPEG", alt=f"{one.image_id}, {NAMES[artefact]}")
            people = "" if one.labelled is None else f"People: {'yes' if one.labelled else 'no'}. "
            st.caption(f"{people}Finder: {'yes' if one.score > cached.FOUND else 'no'}, {one.score:.2f}")
    st.caption(
        "Yellow: what the finder marks. "
        + (
            "Three that people and the finder agree on as far as there are such, one that it is least sure of "
            "though people saw it, and one that it is surest of though they did not."
            if found[0].labelled is not None
            else "The test images with the highest scores."
        )
        + f" ISIC 2017, {LAYOUTS[cached.LABELLED_SET].licence}."
    )
