"""The controls of the page Preprocessing: one a step, in the order of the pipeline."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.components import choose
from lesion_core.config import Preprocessing

FITS = {"crop": "Crop", "pad": "Pad", "stretch": "Stretch"}

STOOD_ON = "a run's own preprocessing"
"""Where in the session the settings are that the controls stand on, where these are a run's own."""

Number = TypeVar("Number", int, float)


def show_settings(settings: Preprocessing) -> None:
    """Put every control on some settings, which is what a button asks for before the next run of the page."""
    st.session_state.update(
        {
            state.DARK: settings.dark_corner.enabled,
            state.DARKNESS: settings.dark_corner.darkness,
            state.HAIR: settings.hair.enabled,
            state.HAIR_KERNEL: settings.hair.kernel,
            state.HAIR_THRESHOLD: settings.hair.threshold,
            state.HAIR_RADIUS: settings.hair.radius,
            state.COLOR: settings.color.enabled,
            state.POWER: settings.color.power,
            state.CLAHE: settings.clahe.enabled,
            state.CLIP: settings.clahe.clip_limit,
            state.TILES: settings.clahe.tiles,
            state.DETAIL: settings.detail.enabled,
            state.SHORT_SIDE: settings.detail.short_side,
            state.QUALITY: settings.detail.quality,
            state.SIZE: settings.resize.size,
            state.FIT: settings.resize.fit,
        }
    )


def controls(own: Preprocessing) -> Preprocessing:
    """Draw the controls.

    Args:
        own: What they stand on where neither the link nor the visitor says otherwise. Where they stood on another
            run's own settings, they go along to these.

    Returns:
        The chosen settings.
    """
    stood_on = st.session_state.get(STOOD_ON)
    if stood_on not in (None, own) and state.DETAIL in st.session_state:  # not after another page
        show_settings(own)
    chosen = _chosen(own)
    st.session_state[STOOD_ON] = own if chosen == own else None
    return chosen


def _chosen(own: Preprocessing) -> Preprocessing:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        dark, of_dark = _step(
            "Corners", state.DARK, own.dark_corner.enabled, "Crop to the bright field of the dermatoscope."
        )
        hair, of_hair = _step(
            "Hair", state.HAIR, own.hair.enabled, "Find thin dark lines and fill them in from the skin around them."
        )
        color, of_color = _step(
            "Colour", state.COLOR, own.color.enabled, "Shades of gray: take out the colour of the light."
        )
        clahe, of_clahe = _step(
            "Contrast", state.CLAHE, own.clahe.enabled, "CLAHE on the lightness: more contrast, tile by tile."
        )
        detail, of_detail = _step(
            "Detail",
            state.DETAIL,
            own.detail.enabled,
            "One sharpness and one compression for every image: archives differ in both, and a model learns the "
            "archive by them.",
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
            label = st.container(width="content")
            of_size = _settings("the resize", state.SIZE, "Settings of the resize, the last step.")
    with of_dark:
        darkness = _slider("Darkness limit (grey level)", state.DARKNESS, own.dark_corner.darkness, 1, 120, 1, on=dark)
    with of_hair:
        kernel = _slider(
            "Widest hair, share of the short side", state.HAIR_KERNEL, own.hair.kernel, 0.01, 0.2, 0.005, on=hair
        )
        threshold = _slider(
            "Least darkness of a hair, grey levels", state.HAIR_THRESHOLD, own.hair.threshold, 1, 100, 1, on=hair
        )
        radius = _slider(
            "Inpainting radius, share of the short side",
            state.HAIR_RADIUS,
            own.hair.radius,
            0.002,
            0.05,
            0.001,
            on=hair,
        )
    with of_color:
        power = _slider(
            "Minkowski norm",
            state.POWER,
            own.color.power,
            1,
            20,
            1,
            on=color,
            description="1 is gray world; large numbers look at the brightest pixels only.",
        )
    with of_clahe:
        clip = _slider("Clip limit", state.CLIP, own.clahe.clip_limit, 0.5, 10.0, 0.5, on=clahe)
        tiles = _slider("Tiles per side", state.TILES, own.clahe.tiles, 1, 32, 1, on=clahe)
    with of_detail:
        short_side = _slider("Short side, pixels", state.SHORT_SIDE, own.detail.short_side, 16, 2048, 1, on=detail)
        quality = _slider("JPEG quality", state.QUALITY, own.detail.quality, 1, 100, 1, on=detail)
    with of_size:
        # A slider as the rest: a field to type a number in ends in an exception at a link that says size=inf.
        size = _slider("Pixels per side", state.SIZE, own.resize.size, 16, 1024, 16, on=True)
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


def _step(label: str, key: str, own: bool, description: str) -> tuple[bool, DeltaGenerator]:
    """The switch of a step, and the popover for its settings."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
        on = st.toggle(label, value=own, key=key, bind="query-params")
        settings = _settings(label.lower(), key, f"Settings. {description}")
    settings.caption(description)
    return on, settings


def _settings(step: str, key: str, description: str) -> DeltaGenerator:
    """A popover that shows as an icon and has a name for those who hear it."""
    with st.container(key=f"icon-only-{key}", width="content"):
        return st.popover(f"Settings of {step}", icon=":material/tune:", type="tertiary", help=description)


def _slider(
    label: str,
    key: str,
    own: Number,
    low: Number,
    high: Number,
    by: Number,
    *,
    on: bool,
    description: str | None = None,
) -> Number:
    return st.slider(
        label,
        low,
        high,
        own,
        by,
        key=key,
        bind="query-params",
        disabled=not on,
        help=description,
        format="%.3f" if by < 0.01 else None,
    )
