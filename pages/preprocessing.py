"""Each step of the preprocessing on one picture: what it changes, and whether the answer changes with it."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.components import badges, choose, how_to_read, origin_badge, page_title, pick_picture
from app.figures.preprocessing import change_of_answer, rgb_histograms
from app.preprocessing.steps import STEP_NAMES, step_table
from app.widgets.comparison_slider import in_one_frame, kept_box, wipe
from lesion_core.config import ColorConstancy, HairRemoval, Preprocessing
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.labels import diagnosis

PLAIN = {"displayModeBar": False}
SHORT = {
    "dark_corner": "Corners",
    "hair": "Hair",
    "color": "Colour",
    "clahe": "Contrast",
    "detail": "Detail",
    "resize": "Resize",
}
FITS = {"crop": "Crop", "pad": "Pad", "stretch": "Stretch"}

run_name = st.session_state.get(state.RUN)
run = cached_runs.run(str(run_name)) if run_name else None
own = (
    run.config.settings.preprocessing
    if run
    else Preprocessing(hair=HairRemoval(enabled=True), color=ColorConstancy(enabled=True))
)
DEFAULTS = {
    state.DARK: own.dark_corner.enabled,
    state.DARKNESS: own.dark_corner.darkness,
    state.HAIR: own.hair.enabled,
    state.HAIR_KERNEL: own.hair.kernel,
    state.HAIR_THRESHOLD: own.hair.threshold,
    state.HAIR_RADIUS: own.hair.radius,
    state.COLOR: own.color.enabled,
    state.POWER: own.color.power,
    state.CLAHE: own.clahe.enabled,
    state.CLIP: own.clahe.clip_limit,
    state.TILES: own.clahe.tiles,
    state.DETAIL: own.detail.enabled,
    state.SHORT_SIDE: own.detail.short_side,
    state.QUALITY: own.detail.quality,
    state.SIZE: own.resize.size,
    state.FIT: own.resize.fit,
}


def reset() -> None:
    """Every control back to the run's own settings."""
    st.session_state.update(DEFAULTS)


def step(label: str, key: str, description: str) -> tuple[bool, DeltaGenerator]:
    """The switch of a step, and the popover for its settings."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
        on = st.toggle(label, value=bool(DEFAULTS[key]), key=key, bind="query-params")
        settings = st.popover("", icon=":material/tune:", type="tertiary", help=f"Settings. {description}")
    settings.caption(description)
    return on, settings


def slider(label: str, key: str, low: float, high: float, by: float, on: bool, description: str | None = None) -> float:
    """A slider of whole numbers or of fractions, as its default is."""
    kind = type(DEFAULTS[key])
    return st.slider(
        label,
        kind(low),
        kind(high),
        DEFAULTS[key],
        kind(by),
        key=key,
        bind="query-params",
        disabled=not on,
        help=description,
        format="%.3f" if by < 0.01 else None,
    )


def controls() -> Preprocessing:
    """One control a step, in the order of the pipeline."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        dark, of_dark = step("Corners", state.DARK, "Crop to the bright field of the dermatoscope.")
        hair, of_hair = step("Hair", state.HAIR, "Find thin dark lines and fill them from beside.")
        color, of_color = step("Colour", state.COLOR, "Shades of gray: take out the colour of the light.")
        clahe, of_clahe = step("Contrast", state.CLAHE, "CLAHE on the lightness: more contrast, tile by tile.")
        detail, of_detail = step(
            "Detail",
            state.DETAIL,
            "One sharpness and one compression for every picture: "
            "archives differ in both, and a model learns the archive by them.",
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
            label = st.container(width="content")
            of_size = st.popover(
                "", icon=":material/tune:", type="tertiary", help="Settings of the resize, the last step."
            )
    with of_dark:
        darkness = slider("Dark is under, grey levels", state.DARKNESS, 1, 120, 1, dark)
    with of_hair:
        kernel = slider("Widest hair, share of the short side", state.HAIR_KERNEL, 0.01, 0.2, 0.005, hair)
        threshold = slider("Least darkness of a hair, grey levels", state.HAIR_THRESHOLD, 1, 100, 1, hair)
        radius = slider("Inpainting radius, share of the short side", state.HAIR_RADIUS, 0.002, 0.05, 0.001, hair)
    with of_color:
        power = slider(
            "Minkowski norm",
            state.POWER,
            1,
            20,
            1,
            color,
            "1 is gray world; large numbers look at the brightest pixels only.",
        )
    with of_clahe:
        clip = slider("Clip limit", state.CLIP, 0.5, 10.0, 0.5, clahe)
        tiles = slider("Tiles a side", state.TILES, 1, 32, 1, clahe)
    with of_detail:
        short_side = slider("Short side, pixels", state.SHORT_SIDE, 16, 2048, 1, detail)
        quality = slider("JPEG quality", state.QUALITY, 1, 100, 1, detail)
    with of_size:
        size = st.number_input("Pixels a side", 16, 1024, own.resize.size, 16, key=state.SIZE, bind="query-params")
        fit = choose("Fit", FITS, state.FIT, default=own.resize.fit, buttons=True)
        st.caption("Crop: the centre square. Pad: all of it, borders mirrored. Stretch: all of it, the aspect lost.")
    label.markdown(f"{FITS[fit]}, {size} px")
    return own.model_copy(
        update={
            "dark_corner": own.dark_corner.model_copy(update={"enabled": dark, "darkness": darkness}),
            "hair": own.hair.model_copy(
                update={"enabled": hair, "kernel": kernel, "threshold": threshold, "radius": radius}
            ),
            "color": own.color.model_copy(update={"enabled": color, "power": power}),
            "clahe": own.clahe.model_copy(update={"enabled": clahe, "clip_limit": clip, "tiles": tiles}),
            "detail": own.detail.model_copy(update={"enabled": detail, "short_side": short_side, "quality": quality}),
            "resize": own.resize.model_copy(update={"size": size, "fit": fit}),
        }
    )


page_title("What does each step change, and does it change the answer?")
answer = st.container()
picture = pick_picture()
settings = controls()
result = cached_images.preprocess(settings, picture.image)
table = step_table(picture.image, result)

# The picture ---------------------------------------------------------------------------------------------------

left, right = st.columns([3, 1], gap="large")
with left:
    names = [step.name for step in result.steps]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        until = choose(
            "Show the picture after",
            {name: SHORT[name] for name in names},
            state.AFTER,
            default=names[-1],
            buttons=True,
            label_visibility="collapsed",
        )
        st.button(
            "The run's own settings" if run else "Default settings",
            on_click=reset,
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
        alts=(f"The picture as it is: {picture.title}", f"The picture after {len(steps)} steps"),
        label="Wipe between the original and the processed picture",
    )
    st.caption(
        "Drag the handle or use the arrow keys: the original is left of it, the picture after the chosen step "
        "right. What is faded is cropped away."
    )
with right:
    verdict = st.container()
    st.metric("Preprocessing", f"{table['milliseconds'].sum():.0f} ms", help="When first computed on this picture.")
    hair = next((step.mask for step in result.steps if step.mask is not None), None)
    if hair is not None:
        st.metric("Covered by hair", f"{100 * hair.mean():.1f} %")
    labels = [origin_badge(picture)]
    if picture.frame:
        height, width = picture.frame
        labels.append((f"reduced from {width} x {height} pixels before the first step", "gray"))
    if run:
        labels.append(("the run's own settings", "gray") if settings == own else ("not the run's settings", "orange"))
    badges(*labels, ("n = 1 picture", "gray"))

# The detail ----------------------------------------------------------------------------------------------------

answers, hairs, colours, times = st.tabs(
    ["The answer", "Hair mask", "Colours", "Steps and time"], key=state.TAB, bind="query-params"
)
with hairs:
    if hair is None:
        st.info("Hair removal is switched off. Switch it on to see what it takes for hair.")
    else:
        first, second = st.columns(2)
        with first:
            seen = (
                next(
                    s.image
                    for s, after_it in zip(result.steps, result.steps[1:], strict=False)
                    if after_it.name == "hair"
                )
                if names[0] != "hair"
                else picture.image
            )
            st.image(seen, width="stretch", alt="The picture before hair removal", caption="Before")
        with second:
            st.image(
                hair.astype("uint8") * 255,
                width="stretch",
                alt="The hair mask: white is taken for hair",
                caption=f"White is taken for hair: {100 * hair.mean():.2f} % of the picture",
            )
        st.caption("Look for white on the lesion itself: a network or streaks taken for hair are lost to the model.")
with colours:
    st.plotly_chart(
        rgb_histograms(picture.image, result.image),
        width="stretch",
        config=PLAIN,
        key="histograms",
        alt="Three histograms: red, green and blue of the original and of the processed picture",
    )
    st.caption(
        "Each panel is a colour channel from dark to bright: the grey area is the original, the line the "
        "processed picture. Colour constancy moves whole curves, local contrast widens them."
    )
with times:
    st.dataframe(
        table.replace({"found": {"": None}}),
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
    st.caption("A row a step, in the order in which they are applied. Times are of the first computation here.")

# The answer, last: it may have to load a model ----------------------------------------------------------------

found = "; ".join(f"{r.step.lower()}: {r.found}" for r in table[:-1].itertuples() if r.found)
found = f"{found[:1].upper()}{found[1:]}." if found else "No step before the resize is switched on."
if run is None:
    with answer:
        st.markdown(f"{found} There is no run to ask, so nothing is known of the answer.")
    with answers:
        st.info("There is no run to ask. Train one: `python -m lesion_core train --help`.")
else:
    as_it_is = cached_runs.predict(run, picture.image)
    changed = Pipeline(settings).before_resize(picture.image)
    after_steps = cached_runs.predict(run, changed)
    old, new = diagnosis(as_it_is.code), diagnosis(after_steps.code)
    then, now = f"{100 * as_it_is.confidence:.0f} %", f"{100 * after_steps.confidence:.0f} %"
    with answer:
        if old.code == new.code:
            description = f"The answer stays **{old.name}** ({then} before the steps, {now} after them)."
        else:
            description = f"**The answer changes** from {old.name} ({then}) to **{new.name}** ({now})."
        st.markdown(f"{description} {found}")
    with verdict:
        st.metric("As it is", f"{old.code} {then}", help=old.name)
        st.metric("After the steps", f"{new.code} {now}", help=new.name)
    with answers:
        p, q = (pd.Series(x.probabilities, index=list(x.classes)) for x in (as_it_is, after_steps))
        st.plotly_chart(
            change_of_answer(p, q),
            width="stretch",
            config=PLAIN,
            key="answers",
            alt="The probabilities of the five most probable diagnoses, before and after the steps",
        )
        st.caption(
            "Each row is a diagnosis: the open circle is the picture as it is, the full one the picture after "
            "the steps. A long line is a large change; a single circle is none."
        )
        st.markdown(
            f"Run **{run.name}** always applies its own preprocessing. The open circles are its answer to the picture "
            "as it is. For the full ones, the picture after the chosen steps, all but the resize, was given to it as a "
            "new picture, and its own preprocessing came on top. A model is only as good as on pictures prepared like "
            "those it learned from: a changed answer shows how much it depends on the preparation, not that the steps "
            "are better or worse."
        )
how_to_read(
    "The steps are applied from left to right; what one takes away, no later one brings back.",
    "A step can look better to you and be worse for the model, which learned from pictures prepared in its own way.",
    "Where the pictures of one archive are sharper than those of another and show other diagnoses, a model learns the "
    "sharpness; equal detail takes that sign away.",
    "The last step shrinks the picture to the square that the model reads: what you cannot see there, it cannot.",
    "One picture proves nothing about a step: that takes a whole test split and a model trained for it.",
)
