"""The tab Consistency: whether the model says the same of one lesion however the camera is held."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import changes as cached_changes
from app.cache import robustness as measured
from app.cache import runs as cached_runs
from app.cache.drawn import FinishedFigure, drawn_once
from app.cache.encoded import encoded
from app.components import badges, choose, how_to_read, origin_badge, pick_picture, role_badge
from app.figures import under_changes as figures
from app.figures.style import percent
from app.foreign_text import literal
from app.robustness.errors import with_interval
from app.robustness.whole import places_of_runs
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.robustness.consistency import AVERAGES, MEASURES
from lesion_core.analysis.robustness.references import REFERENCES
from lesion_core.analysis.robustness.severities import VIEWS
from lesion_core.errors import LesionError
from lesion_core.foreign_text import for_people, visible
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.poses import POSES, PoseSet, pose
from lesion_core.imaging.changes.sequences import SEQUENCES
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.geometry import scale_to
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run
from lesion_core.runs.robustness import SERIES

A_ROW = (6, 5, 4)
"""Poses that stand side by side: the first number that makes whole rows, such as a row of flips over one of turns."""
SIDE = 360
"""Longest side, in pixels, of an image of a pose."""
PLAIN = {"displayModeBar": False}
ASKED = {
    "several": "More than one answer",
    "sides": "Right and wrong",
    "pairs": "Two images differ",
    "agreement": "Agreement",
}
"""Keys of `MEASURES`, and what stands on their buttons."""
PHOTOGRAPHS = "Several photographs"


def draw(run: Run) -> None:
    """One image above, the test set below."""
    draw_one(run)
    st.subheader("The whole test set", anchor=False)
    draw_all(run)
    how_to_read(
        "Nothing in the lesion differs between two poses, so a model that answers differently answered to how the "
        "camera was held. Rotations are cut to the same inscribed square at every angle, at 0° too: otherwise black "
        "corners and the scale would be measured.",
        "*With flips* averages the probabilities of a pose and its three flips before the answer. Over all eight "
        "symmetries the mean would be the same for each by itself, so only the quarter turn is left to disagree.",
        "Poses are artificial. Several photographs of one lesion are what a clinic has; what helps against the first "
        "helps less against the second (Maron et al. 2021, European Journal of Cancer 145:81-91).",
        "More images of a lesion find more answers. To compare rows, take *Two images differ*, which does not depend "
        "on how many there are.",
        "The same answer every time can be the same mistake every time: read it beside the error.",
    )


def draw_one(run: Run) -> None:
    """Every pose of an image with the answer under it."""
    said = st.container()
    left, right = st.columns([6, 5], vertical_alignment="bottom")
    with left:
        picture = pick_picture(wide=1.4)
    with right:
        key = choose("Poses", {key: one.name for key, one in POSES.items()}, state.POSES, buttons=True)
    entry, content = POSES[key], content_hash(picture.image)
    found = cached_changes.answers_to_poses(run, picture.image, content, key)
    probabilities = np.stack([one.probabilities for one in found])  # (F, K)
    averaged = np.stack([probabilities[list(own)].mean(axis=0) for own in entry.flips])
    said.markdown(sentence(entry, run.classes, probabilities, averaged))
    draw_poses(picture.image, visible(picture.title), key, run.classes, probabilities, averaged)
    badges(origin_badge(picture), *role_badge(run, picture), ("n = 1 image", "gray"))
    st.caption(f"**{entry.name}.** {entry.plain} ✗ marks what differs from the most frequent answer.")


@drawn_once()
def draw_poses(
    image: Pixels, title: str, key: str, classes: tuple[str, ...], probabilities: Floats, averaged: Floats
) -> None:
    """The poses in rows, each with its answer.

    Args:
        image: The image as it is.
        title: What it is called.
        key: Of `POSES`.
        classes: Class codes.
        probabilities: (F, K) of each pose.
        averaged: (F, K), each averaged with its flips.
    """
    entry, content = POSES[key], content_hash(image)
    most = Counter(answers_of(classes, probabilities, entry)).most_common(1)[0][0]
    a_row = next((n for n in A_ROW if len(entry.shown) % n == 0), A_ROW[0])
    for start in range(0, len(entry.shown), a_row):
        row = entry.shown[start : start + a_row]
        for column, i in zip(st.columns(a_row, gap="small"), row, strict=False):
            answer, with_flips = (classes[int(p[i].argmax())] for p in (probabilities, averaged))
            sign = "✓" if answer == most else "✗"
            with column:
                st.image(
                    encoded(("pose", content, key, i), partial(small_pose, image, key, i)),
                    width="stretch",
                    alt=f"{title}, {entry.names[i]}",
                )
                st.caption(
                    f"**{entry.names[i]}** {sign} {answer} {percent(float(probabilities[i].max()))}  \n"
                    f"with flips {with_flips} {percent(float(averaged[i].max()))}"
                )


def small_pose(image: Pixels, key: str, i: int) -> Pixels:
    """A pose for a row of several."""
    image = pose(image, key, i)
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    return scale_to(image, max(1, round(width * scale)), max(1, round(height * scale)))


def answers_of(classes: tuple[str, ...], probabilities: Floats, entry: PoseSet) -> list[str]:
    """The answers to the poses that are shown."""
    return [classes[int(probabilities[i].argmax())] for i in entry.shown]


def sentence(entry: PoseSet, classes: tuple[str, ...], probabilities: Floats, averaged: Floats) -> str:
    """How many poses agree, as they are and averaged over flips."""
    plain, flips = (Counter(answers_of(classes, p, entry)) for p in (probabilities, averaged))
    n = len(entry.shown)
    (answer, most), (_, most_with) = plain.most_common(1)[0], flips.most_common(1)[0]
    if most == n:
        return f"**All {n} poses get the same answer**, {diagnosis(answer).name}."
    others = ", ".join(f"{diagnosis(code).name} ({count})" for code, count in plain.most_common()[1:])
    return (
        f"**{most} of {n} poses agree** on {diagnosis(answer).name}; the others get {others}. Averaged with their "
        f"flips, {'all' if most_with == n else most_with} of {n} agree."
    )


def draw_all(run: Run) -> None:
    """Lesions with more than one answer, runs side by side; what averaging does; flips along sequences."""
    changed = measured.measured_at(run, SERIES.file)
    views = [
        key
        for key in VIEWS
        if measured.photographs(run, key) is not None or (changed and measured.members(run, changed, key))
    ]
    if not changed:
        st.caption("Poses were not measured for this run yet. This command measures them:")
        st.code(f"python -m lesion_core consistency checkpoints/{run.name} --data DATA", language=None)
    if not views:
        return
    with st.container(horizontal=True):  # each as wide as it is: in columns one of them was cut
        view = choose(
            "Images and classes", {key: EVALUATION_SETS[key].short for key in views}, state.TEST_VIEW, buttons=True
        )
        measure = choose("Measure", ASKED, state.MEASURE, buttons=True)
    found = of_all_runs(run, changed)
    st.plotly_chart(
        of_lesions(found, view, measure, tuple(places_of_runs().items())),
        config=PLAIN,
        alt=f"{ASKED[measure]}: poses and photographs, with and without flips, a dot per run",
    )
    st.caption(
        f"{MEASURES[measure][0].upper()}{MEASURES[measure][1:]}. "
        + ("Further right is better." if measure == "agreement" else "Further left is better.")
        + " Lines: 95 % confidence intervals over lesions. Photographs: every test lesion that has several."
    )
    badges(("real dermoscopy", "blue"), ("test set", "green"), *numbers(run, changed, view))
    left, right = st.columns([3, 2], gap="large")
    with left:
        if changed:
            draw_averages(run, changed, view)
    with right:
        draw_sequences(found, view)


def of_all_runs(run: Run, changed: int) -> tuple[tuple[Run, int], ...]:
    """Every run and when its series were written, 0 where they were not or cannot be used; the first is this one."""
    found = [(run, changed)]
    for other in cached_runs.runs()[0]:
        if other.name == run.name:
            continue
        written = measured.measured_at(other, SERIES.file)
        try:
            usable = bool(written and any(measured.members(other, written, view) for view in VIEWS))
        except LesionError:  # told where that run is looked at
            usable = False
        found.append((other, written if usable else 0))
    return tuple(found)


def numbers(run: Run, changed: int, view: str) -> list[tuple[str, str]]:
    """Badges of how many lesions there are."""
    found = next(iter(measured.held(run, changed, view).values()), None) if changed else None
    photographs = measured.photographs(run, view)
    told = []
    if found is not None:
        told.append((f"poses: n = {found['n_images'].iloc[0]:,} images", "gray"))
    if photographs is not None:
        one = photographs.iloc[0]
        told.append((f"photographs: n = {one['n_images']:,} of {one['n_groups']:,} lesions", "gray"))
    return told


@drawn_once("Measuring, with intervals …")
def of_lesions(
    found: tuple[tuple[Run, int], ...], view: str, measure: str, places: tuple[tuple[str, int], ...]
) -> FinishedFigure:
    """A measure of every set of poses, with and without flips, and of photographs, a dot per run.

    Args:
        found: Runs, and when their series were written.
        view: A key of `VIEWS`.
        measure: A key of `MEASURES`.
        places: The place of each run in the list of all.
    """
    tables = {}
    for run, changed in found:
        rows = []
        for (key, flips), table in (measured.held(run, changed, view) if changed else {}).items():
            rows.append((f"{POSES[key].name}{', with flips' if flips else ''}", table))
        if (photographs := measured.photographs(run, view)) is not None:
            rows.append((PHOTOGRAPHS, photographs))
        if rows:
            tables[run.name] = pd.concat(
                [table[table["metric"] == measure].assign(row=name) for name, table in rows], ignore_index=True
            )
    return FinishedFigure(figures.shares_of_runs(tables, dict(places), ASKED[measure].lower()))


@drawn_once("Measuring, with intervals …")
def draw_averages(run: Run, changed: int, view: str) -> None:
    """Whether averaging makes answers right too."""
    table = measured.averages(run, changed, view, "symmetries")
    if table is None:
        return
    rows = []
    for _, row in table.iterrows():
        more = row[["more", "more_low", "more_high"]].set_axis(["value", "low", "high"])
        rows.append(
            {
                "the answer to": AVERAGES[str(row["average"])].replace("members", "eight"),
                "balanced error": with_interval(row),
                "difference": "" if np.isnan(row["more"]) else with_interval(more),
            }
        )
    st.markdown(f"**Does averaging make answers of {literal(run.name)} right too?**")
    st.dataframe(
        for_people(pd.DataFrame(rows)), hide_index=True, alt="Balanced error with and without averaging over flips"
    )
    st.caption(
        "The difference to one image is of the same images in the same resampled lesions; below 0 averaging helps."
    )


@drawn_once("Measuring, with intervals …")
def draw_sequences(found: tuple[tuple[Run, int], ...], view: str) -> None:
    """How often the answer changes from frame to frame of SAM-P's sequences."""
    rows: dict[str, dict[str, str]] = {}
    means = []
    for run, changed in found:
        for extra in (False, True):
            both = measured.sequences(run, changed, view, extra) if changed else None
            if both is None:
                continue
            for _, row in both[0].iterrows():
                name = SEQUENCES[str(row["sequence"])].name
                rate = row["metric"] == "flip_rate"
                column = f"{run.name}{', over AlexNet' if rate else ''}"
                told = f"{row['value']:.2f}" if rate else percent(float(row["value"]), 1)
                rows.setdefault(name, {})[column] = told
            reference = REFERENCES["sam_p_extra" if extra else "sam_p"].name
            means += [
                f"{literal(run.name)}, {reference}: mFR {with_interval(row)} over {row['changes']} sequences."
                for _, row in both[1].iterrows()
                if row["metric"] == "mfr"
            ]
    if not rows:
        if any(changed for _, changed in found):
            st.caption(
                "SAM-P's sequences of 31 frames were not measured: `consistency` with `--series rotate` and the like "
                "measures them."
            )
        return
    st.markdown("**Flips from frame to frame**")
    table = pd.DataFrame([{"sequence": name, **own} for name, own in rows.items()]).fillna("")
    st.dataframe(for_people(table), hide_index=True, alt="Flip probability along each sequence, a column per run")
    st.caption(
        " ".join(means) + " A frame is compared with the one before, of noise with the first. AlexNet's flips are of "
        "two classes and other images: a unit, not a place in a published table."
    )
