"""What the page Explain asks, the maps side by side, and the numbers of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.cache import explanation as explanations
from app.cache import runs as cached_runs
from app.components import problem
from app.explain import explanation
from app.figures import style
from app.foreign_text import literal
from lesion_core.config import DarkCorner
from lesion_core.data.samples import Picture
from lesion_core.errors import LesionError
from lesion_core.explain.maps import Attribution, energy_inside, peak_inside
from lesion_core.explain.methods import METHODS
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.geometry import dark_ring, to_original
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run
from lesion_core.serving.results import Prediction

UNSIGNED = " and ".join(entry.name for entry in METHODS.values() if not entry.signed)


@dataclass(frozen=True)
class Asked:
    """What is asked of one image; all of it is in the link."""

    run: Run
    picture: Picture
    target: str
    against: str | None
    method: str
    layer: str
    baseline: str

    def explain(self) -> Attribution:
        """The map; a slow one shows its progress and can be stopped.

        Raises:
            StoppedError: The visitor stopped it.
            LesionError: As `Engine.explain` raises it.
        """

        def ask(on_pass: Callable[[int], None] | None) -> Attribution:
            return explanations.explain(
                self.run,
                self.picture.image,
                self.target,
                self.layer,
                against=self.against,
                method=self.method,
                baseline=self.baseline,
                on_pass=on_pass,
            )

        entry = METHODS[self.method]
        if not entry.slow:
            return ask(None)
        with progress(f"{entry.name} …", entry.forward, self.key) as on_pass:
            return ask(on_pass)

    @property
    def key(self) -> str:
        """Tells one question from another."""
        said = (self.run.fingerprint, self.picture.id, self.target, self.against or "", self.method, self.layer)
        return "/".join((*said, self.baseline))

    def heat(self, attribution: Attribution) -> NDArray[np.float32]:
        """The positive map on the whole image, (H, W) in [0, 1]."""
        box = Pipeline(self.run.config.settings.preprocessing).frame(self.picture.image)
        return to_original(attribution.heatmap, self.picture.image.shape, box)

    def share_seen(self, mask: Mask) -> float:
        """The share of what the model was shown that a mask covers: what a map that points nowhere has inside."""
        box = Pipeline(self.run.config.settings.preprocessing).frame(self.picture.image)
        seen = to_original(np.ones((2, 2)), self.picture.image.shape, box) > 0
        return float(mask[seen].mean())


class StoppedError(LesionError):
    """The visitor stopped a computation; the page does not start it again by itself."""


def resume() -> None:
    """Forget what was stopped."""
    st.session_state["stopped"] = set()


@contextmanager
def progress(text: str, steps: int, key: str) -> Iterator[Callable[[int], None]]:
    """A bar with a button to stop, from the first step until the work ends.

    Raises:
        StoppedError: The visitor stopped this work before.
    """
    stopped: set[str] = st.session_state.setdefault("stopped", set())
    if key in stopped:
        raise StoppedError(f"{text.removesuffix(' …')} was stopped.", "The button Compute it starts it again.")
    bar, button = st.empty(), st.empty()
    started = False

    def show(done: int) -> None:
        nonlocal started
        bar.progress(min(1.0, done / steps), text)  # a click on the page is noticed here
        if not started:
            button.button("Stop", key=f"stop {key}", on_click=stopped.add, args=(key,), icon=":material/stop_circle:")
            started = True

    try:
        yield show
    finally:
        bar.empty()
        button.empty()


def lesion_mask(picture: Picture) -> tuple[Mask | None, str]:
    """Where the lesion is, and who says so: the true mask, else the first segmenter's, else nothing."""
    if picture.mask is not None:
        return picture.mask, "The true mask." if picture.origin == "synthetic" else "The expert's mask."
    found = cached_runs.segmenters()[0]
    if not found or picture.origin == "ood":
        return None, ""
    try:
        mask = cached_runs.segment(found[0], picture.image).mask(0.5)
    except LesionError:
        return None, ""
    return (mask, f"The mask that {found[0].name} finds.") if mask.any() else (None, "")


def numbers(
    asked: Asked, attribution: Attribution, heat: NDArray[np.float32], mask: Mask | None, prediction: Prediction
) -> None:
    """What one map says, beside it."""
    probability = prediction.probabilities[asked.run.classes.index(asked.target)]
    st.metric(f"Probability of {asked.target}", style.percent(float(probability), 1))
    st.metric(
        "Largest evidence",
        f"{attribution.maximum:.3g}",
        help=f"Before the map is stretched to its own maximum; unit: {METHODS[asked.method].unit}. Near 0 the map is "
        "empty, though it looks full.",
    )
    if mask is not None and attribution.maximum > 0:
        st.metric(
            "Evidence inside the lesion",
            style.percent(energy_inside(heat, mask)),
            help=f"The lesion covers {style.percent(asked.share_seen(mask))} of what the model was shown.",
        )
        st.metric(
            "Maximum inside the lesion",
            "yes" if peak_inside(heat, mask) else "no",
            help="The pointing game: is the strongest point of the map on the lesion?",
        )
    if attribution.maximum > 0:
        hair = explanations.hair(asked.picture.image)
        dark = dark_ring(asked.picture.image, DarkCorner())
        st.metric(
            "Evidence on hair",
            style.percent(energy_inside(heat, hair), 1),
            help=f"Hair covers {style.percent(asked.share_seen(hair), 1)} of what the model was shown. On dark "
            f"corners: {style.percent(energy_inside(heat, dark), 1)}. It does not look for rulers: the tab "
            "*Change the image* lays one on the image and says how much of the evidence goes there.",
        )
    if attribution.completeness_error is not None:
        st.metric(
            "Completeness error",
            style.percent(attribution.completeness_error, 2),
            help="The map should add up to the difference between the answers to the image and to the baseline; this "
            "share of it is missing.",
        )


def panels(
    beside: str, asked: Asked, mask: Mask | None, lines: Callable[[Pixels], Pixels], opacity: float, *, signed: bool
) -> None:
    """Several maps of one image on one colour scale, each with its raw maximum; `lines` draws what lies over them."""
    wanted: list[tuple[str, Asked]] = []
    if beside == "models":
        runs = [
            run
            for run in cached_runs.runs()[0]
            if asked.target in run.classes and (asked.against is None or asked.against in run.classes)
        ]
        wanted = [(run.name, replace(asked, run=run)) for run in runs]
    elif beside == "classes":
        wanted = [
            (f"{code} · {diagnosis(code).name}", replace(asked, target=code, against=None))
            for code in asked.run.classes
        ]
    else:
        wanted = [(entry.name, replace(asked, method=key)) for key, entry in METHODS.items()]
    found: list[tuple[str, Asked, Attribution]] = []
    stopped = False
    with st.spinner("Explaining …", show_time=True):
        for name, one in wanted:
            try:
                found.append((name, one, one.explain()))
            except LesionError as error:
                problem(error)
                stopped = stopped or isinstance(error, StoppedError)
    if stopped:
        st.button("Compute it", on_click=resume, key="resume")
    if not found:
        return
    by_spread = beside == "methods"  # other methods have other units
    units = [explanation.spread(a, signed=signed) if by_spread else 1.0 for _, _, a in found]
    peaks = [explanation.peak(a, signed=signed) / u if u else 0.0 for (_, _, a), u in zip(found, units, strict=True)]
    # Single pixels stand out further than cells: on the largest peak's scale a coarse map would look empty.
    top = float(np.median(peaks)) if by_spread else max(peaks)
    width = min(4, max(2, len(found)))  # few maps are drawn large
    for start in range(0, len(found), width):
        row = zip(st.columns(width), found[start : start + width], units[start : start + width], strict=False)
        for column, (name, one, attribution), own_unit in row:
            with column:
                values = explanation.lay(attribution, one.run, one.picture.image, top * own_unit)
                shown = explanation.painted(
                    explanation.paled(one.picture.image, one.run), values, opacity, signed=signed
                )
                said = f"{name}: largest {attribution.maximum:.3g}"
                heat = one.heat(attribution)
                if mask is not None:
                    said += f", {style.percent(energy_inside(heat, mask))} inside"
                if beside != "methods":
                    p = cached_runs.predict(one.run, one.picture.image).probabilities[one.run.classes.index(one.target)]
                    said += f", probability {style.percent(float(p))}"
                st.image(lines(shown), width="stretch", alt=f"{name} over the image", caption=literal(said))
    what = (
        "in multiples of each map's mean, as their units differ; larger values look like the end of the scale"
        if by_spread
        else "of the raw maps"
    )
    st.image(explanation.scale_bar(signed), width=256, alt="Colour scale")
    st.caption(
        f"One scale for all, {what}: the right end is {top:.3g}"
        + (", the left end minus that." if signed else ", the left end 0.")
        + (f" {UNSIGNED} show nothing that counts against the answer." if signed and by_spread else "")
        + (" Each class is shown alone, without the comparison." if beside == "classes" and asked.against else "")
    )
    if by_spread:
        ranks = explanations.agreement([a for _, _, a in found])
        st.dataframe(
            pd.DataFrame(ranks, index=[n for n, _, _ in found], columns=[n for n, _, _ in found]).round(2),
            alt="Rank agreement of every two methods",
        )
        st.caption(
            "Spearman's rank correlation of every two maps, pixel by pixel: 1 is the same order, 0 means no relation. "
            "Where methods disagree, none of them is *the* explanation."
        )
