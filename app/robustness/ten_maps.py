"""Ten maps: can a person tell by the map whether the answer is right?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from app import state, visit
from app.cache import images as cached_images
from app.cache import map_numbers as cached
from app.cache import runs as cached_runs
from app.cache.runs import BY_FINGERPRINT
from app.components import ORIGIN_BADGES, badges
from app.explain import overlays
from app.explain.overlays import Look
from app.explain.question import Asked, Lesion
from app.figures.style import percent
from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.analysis.map_numbers import CONFIDENCE
from lesion_core.data.samples import Sample, synthetic_samples
from lesion_core.explain.methods import METHODS
from lesion_core.imaging.decode import content_hash
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run

EACH = 5
"""Right answers, and wrong ones, that are asked about at most."""
A_ROW = 5
GUESSES = {"right": "Right", "wrong": "Wrong"}


@dataclass(frozen=True)
class Shown:
    """An image whose map is shown.

    Attributes:
        sample: The image.
        answer: The model's answer to it, a class code.
        right: Whether that is the truth.
    """

    sample: Sample
    answer: str
    right: bool


def draw(run: Run, changed: int, method: str) -> None:
    """Ten maps to guess by, and the visitor's own hit rate beside the AUROC.

    Args:
        run: The run.
        changed: When it was measured.
        method: A key of `METHODS` that was measured.
    """
    entry = METHODS[method]
    if entry.slow:
        fast = ", ".join(one.name for one in METHODS.values() if not one.slow)
        st.caption(f"Each map by {entry.name} takes seconds. Choose a method of few passes: {fast}.")
        return
    number = _number()
    shown = ten(run, changed, method, number, state.data_root())
    if not shown:
        st.caption("There are no images here of which some answers are right and others wrong.")
        return
    right = sum(one.right for one in shown)
    st.markdown(
        "Is the model's answer right? Yellow is what speaks for it, white the lesion's outline. "
        f"**{right} of these {len(shown)} answers are right.**"
    )
    key = f"ten maps {run.fingerprint} {method} {number}"
    if kept := st.session_state.get(f"{key} kept"):
        _tell(run, changed, method, shown, kept)
        _tiles(run, method, shown, key, kept)
        return
    with st.form(key, border=False):
        _tiles(run, method, shown, key)
        if st.form_submit_button("Compare with the truth", type="primary"):
            guesses = [st.session_state.get(f"{key} {i}") for i in range(len(shown))]
            if all(guesses):
                st.session_state[f"{key} kept"] = guesses
                st.rerun()
            st.caption(f"Guess all {len(shown)} first: a guess that is made after the truth is worth nothing.")


def _number() -> int:
    """Which ten, from 1; in the link."""
    named = st.query_params.get(state.TEN, "1")
    return int(named) if named.isdecimal() and int(named[:4]) > 0 else 1


@st.cache_resource(show_spinner="Choosing the images …", max_entries=64, hash_funcs=BY_FINGERPRINT)
def ten(run: Run, changed: int, method: str, number: int, root: Path | None) -> tuple[Shown, ...]:  # noqa: ARG001
    """As many right answers as wrong ones, at most `EACH`, in any order; each of another lesion.

    Args:
        run: A run that was evaluated.
        changed: When.
        method: A key of `METHODS` that was measured.
        number: Seeds the draw.
        root: The data folder, if there is one; else the images are synthetic.

    Returns:
        Empty where no answer is right, or none is wrong.
    """
    found = _measured(run, method, root) if root else []
    if len({one.right for one in found}) < 2:
        found = _synthetic(run)
    draw = np.random.default_rng(number)
    sides = [[one for one in found if one.right == right] for right in (True, False)]
    n = min(EACH, *map(len, sides))
    chosen = [side[i] for side in sides for i in draw.permutation(len(side))[:n]]
    return tuple(chosen[i] for i in draw.permutation(len(chosen)))


def _measured(run: Run, method: str, root: Path) -> list[Shown]:
    """Test images that are on this machine, one per lesion."""
    here = cached_images.all_real_samples(root, run.config.settings.images)
    rows = cached.rows(run, method)
    rows = rows[rows["image_id"].isin(here)].drop_duplicates("lesion_id")
    facts = zip(rows["image_id"].astype(str), rows["answer"].astype(str), rows["label"].astype(str), strict=True)
    return [Shown(here[image_id], answer, answer == label) for image_id, answer, label in facts]


def _synthetic(run: Run) -> list[Shown]:
    found = []
    for sample in synthetic_samples():
        if sample.truth in run.classes:
            answer = cached_runs.predict(run, cached_images.picture(sample).image).code
            found.append(Shown(sample, answer, answer == sample.truth))
    return found


def _tiles(run: Run, method: str, shown: tuple[Shown, ...], key: str, kept: list[str] | None = None) -> None:
    """The maps; under each what it can be guessed with, or what was guessed and what is true."""
    for start in range(0, len(shown), A_ROW):
        row = shown[start : start + A_ROW]
        for i, one, column in zip(range(start, len(shown)), row, st.columns(A_ROW, gap="small"), strict=False):
            picture = cached_images.picture(one.sample)
            asked = Asked(run, picture, content_hash(picture.image), one.answer, None, method, "layer4", "skin")
            with column:
                st.image(
                    overlays.overlay(asked, asked.explain(), Look(0.55, signed=False, outlined=Lesion.of(picture))),
                    width="stretch",
                    alt=f"Map {i + 1}, for {diagnosis(one.answer).name}",
                )
                st.caption(f"**{i + 1}.** The model says {diagnosis(one.answer).name}.")
                if kept:
                    st.caption(_said(one, kept[i]))
                else:
                    st.segmented_control(
                        f"Is answer {i + 1} right?",
                        list(GUESSES),
                        format_func=GUESSES.__getitem__,
                        key=f"{key} {i}",
                        label_visibility="collapsed",
                    )


def _said(one: Shown, guess: str) -> str:
    """What was guessed of a map, and the truth unless the visitor hides it."""
    said = f"You said {GUESSES[guess].lower()}"
    if visit.truth_is_hidden() or one.sample.truth is None:
        return f"{said}."
    sign = "✓" if (guess == "right") == one.right else "✗"
    return f"{sign} {said}; it is {diagnosis(one.sample.truth).name}."


def _tell(run: Run, changed: int, method: str, shown: tuple[Shown, ...], kept: list[str]) -> None:
    """The visitor's hit rate, and what the numbers of the map come to."""
    hits = sum((guess == "right") == one.right for guess, one in zip(kept, shown, strict=True))
    own = clopper_pearson(hits, len(shown))
    found = cached.signals(run, changed, method)
    columns = st.columns(4)
    with columns[0]:
        _metric("You", f"{hits} of {len(shown)}", own.low, own.high)
    columns[1].metric("A coin", "50 %")
    others = (("inside", "Energy inside the lesion"), (CONFIDENCE, "Shown confidence"))
    for column, (key, label) in zip(columns[2:], others, strict=True):
        row = found[key]
        with column:
            _metric(label, percent(row["value"]), row["low"], row["high"], f"AUROC, n = {row['n']:,} test images.")
    st.caption(
        "Ten guesses say little, as the interval shows; those of a class together say more. Your share and an AUROC "
        "are both 50 % for a coin, and 100 % for who knows."
    )
    badges(ORIGIN_BADGES[shown[0].sample.origin], (f"n = {len(shown)} images of as many lesions", "gray"))
    link = {state.TEN: str(_number() + 1)}
    st.button("Ten others", icon=":material/refresh:", on_click=visit.change_link, args=(link,))


def _metric(label: str, value: str, low: float, high: float, help: str | None = None) -> None:
    interval = f"{percent(low)} to {percent(high)}" if np.isfinite(low) else None
    st.metric(label, value, interval, delta_color="off", delta_arrow="off", help=help)
