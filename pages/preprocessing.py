"""Each step of the preprocessing on one image: what it changes, and whether the answer changes with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state, verdict, visit
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.components import (
    badges,
    choose,
    how_to_read,
    open_tabs,
    origin_badge,
    page_title,
    pick_picture,
    role_badge,
    run_if_any,
)
from app.preprocessing import drawn
from app.preprocessing.controls import controls, show_settings
from app.preprocessing.steps import SHORT_NAMES, STEP_NAMES, findings, step_table
from app.verdict import Verdict
from app.widgets.comparison_slider import in_one_frame, kept_box, wipe
from lesion_core.config import ColorConstancy, HairRemoval, Preprocessing
from lesion_core.data.samples import Picture
from lesion_core.foreign_text import visible
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.preprocess import Preprocessed
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run


def draw(run: Run | None) -> None:
    """The page.

    Args:
        run: Whose settings the controls stand on, and who is asked; without one, some steps are shown switched on.
    """
    strip, answer = st.container(), st.container()
    picture = pick_picture()
    own = (
        run.config.settings.preprocessing
        if run
        else Preprocessing(hair=HairRemoval(enabled=True), color=ColorConstancy(enabled=True))
    )
    settings = controls(own)
    result = cached_images.preprocess(settings, picture.image)
    table = step_table(picture.image, result)
    left, right = st.columns([3, 1], gap="large")
    with left:
        draw_wipe(picture, result, own, settings, "The run's own settings" if run else "Default settings")
    with right:
        figures = st.container()
        draw_numbers(picture, result, run, settings == own)
    open_tabs(
        {
            "The answer": lambda: drawn.draw_answer(run, picture.image, before_resize(picture, result)),
            "Hair mask": lambda: draw_hair(picture, result),
            "Colours": lambda: drawn.draw_colours(picture.image, result.image),
            "Steps and time": lambda: draw_times(table),
        }
    )
    found = findings(table)
    if run is None:
        answer.markdown(f"{found} There is no run to ask, so nothing is known of the answer.")
    else:  # last: it may have to load a model
        judged = verdict.verdict_of(run, picture, not visit.truth_is_hidden())
        with strip:
            verdict.draw(judged)
        draw_answers(run, before_resize(picture, result), judged, answer, figures, found)


def before_resize(picture: Picture, result: Preprocessed) -> Pixels:
    """The image after all steps but the last."""
    return result.steps[-2].image if len(result.steps) > 1 else picture.image


def draw_wipe(
    picture: Picture, result: Preprocessed, own: Preprocessing, settings: Preprocessing, title_of_own: str
) -> None:
    """The image before and after the chosen step."""
    names = [step.name for step in result.steps]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        until = choose(
            "Show the image after",
            {name: SHORT_NAMES[name] for name in names},
            state.AFTER,
            default=names[-1],
            buttons=True,
            label_visibility="collapsed",
        )
        st.button(
            title_of_own,
            on_click=show_settings,
            args=(own,),
            disabled=settings == own,
            icon=":material/restart_alt:",
        )
    steps = result.steps[: names.index(until) + 1]
    before, after = in_one_frame(picture.image, steps[-1].image, kept_box(picture.image.shape, steps))
    wipe(
        before,
        after,
        labels=("original", f"after {STEP_NAMES[steps[-1].name].lower()}"),
        key="wipe",
        alts=(f"The image as it is: {visible(picture.title)}", f"The image after {len(steps)} steps"),
        label="Wipe between the original and the processed image",
    )
    st.caption(
        "Drag the handle or use the arrow keys: the original is left of it, the image after the chosen step "
        "right. What is faded is cropped away."
    )


def draw_numbers(picture: Picture, result: Preprocessed, run: Run | None, as_the_run: bool) -> None:
    """Time, hair, and the badges."""
    milliseconds = sum(step.milliseconds for step in result.steps)
    st.metric("Preprocessing", f"{milliseconds:.0f} ms", help="When first computed on this image.")
    hair = next((step.mask for step in result.steps if step.mask is not None), None)
    if hair is not None:
        st.metric("Covered by hair", f"{100 * hair.mean():.1f} %")
    labels = [origin_badge(picture)]
    if picture.frame:
        height, width = picture.frame
        labels.append((f"reduced from {width} × {height} px before the first step", "gray"))
    if run is not None:
        labels += role_badge(run, picture)
        labels.append(("the run's own settings", "gray") if as_the_run else ("not the run's settings", "orange"))
    badges(*labels, ("n = 1 image", "gray"))


def draw_hair(picture: Picture, result: Preprocessed) -> None:
    """What was taken for hair, beside what it was found on."""
    at = next((i for i, step in enumerate(result.steps) if step.mask is not None), None)
    if at is None:
        st.info("Hair removal is switched off. Switch it on to see what it takes for hair.")
        return
    mask = result.steps[at].mask
    assert mask is not None
    first, second = st.columns(2)
    first.image(
        result.steps[at - 1].image if at else picture.image,
        width="stretch",
        alt="The image before hair removal",
        caption="Before",
    )
    second.image(
        mask.astype(np.uint8) * 255,
        width="stretch",
        alt="The hair mask: white is taken for hair",
        caption=f"White is taken for hair: {100 * mask.mean():.2f} % of the image",
    )
    st.caption("Look for white on the lesion itself: a network or streaks taken for hair are lost to the model.")


def draw_times(table: pd.DataFrame) -> None:
    """A row per step."""
    st.dataframe(
        table.assign(found=table["found"].where(table["found"] != "", None)),
        hide_index=True,
        width="stretch",
        placeholder="",
        alt="Time and effect of each step",
        column_config={
            "step": "Step",
            "size": "Size after it",
            "found": "What it found",
            "milliseconds": st.column_config.NumberColumn("Time, ms", format="%.1f"),
            "changed": st.column_config.NumberColumn(
                "Mean change, grey levels", format="%.2f", help="From the step before; empty where the frame changes."
            ),
        },
    )
    st.caption("One row per step, in the order in which they are applied. Times are of the first computation here.")


def draw_answers(
    run: Run, processed: Pixels, judged: Verdict, answer: DeltaGenerator, figures: DeltaGenerator, found: str
) -> None:
    """Whether the answer changes: a sentence under the verdict, two figures beside the image."""
    as_it_is, after_steps = judged.prediction, cached_runs.predict(run, processed)
    old, new = diagnosis(as_it_is.code), diagnosis(after_steps.code)
    then, now = f"{100 * as_it_is.confidence:.0f} %", f"{100 * after_steps.confidence:.0f} %"
    guess = "best guess" if judged.rejected else "answer"
    if old.code == new.code:
        description = f"The {guess} stays **{old.name}** ({then} before the steps, {now} after them)."
    else:
        description = f"**The {guess} changes** from {old.name} ({then}) to **{new.name}** ({now})."
    answer.markdown(f"{verdict.muted(description, judged.rejected)} {found}")
    figures.metric("As it is", f"{old.code} {then}", help=old.name)
    figures.metric("After the steps", f"{new.code} {now}", help=new.name)


page_title("What does each step change, and does it change the answer?")
draw(run_if_any())
how_to_read(
    "The steps are applied from left to right; what one takes away, no later one brings back.",
    "A step can look better to you and be worse for the model, which learned from images prepared in its own way.",
    "Where the images of one archive are sharper than those of another and show other diagnoses, a model learns the "
    "sharpness; equal detail takes that sign away.",
    "The last step shrinks the image to the square that the model reads: what you cannot see there, the model cannot "
    "see either.",
    "One image proves nothing about a step: that takes a whole test set and a model trained for it.",
)
