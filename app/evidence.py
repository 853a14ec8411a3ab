"""The page Explain, piece by piece: maps side by side, the numbers of one, and tests whether it can be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import cache, cache_explanation, explanation, figures, state
from app.brush import brush
from app.components import badges, link_to, open_tabs, outline, problem
from lesion_core.config import DarkCorner, HairRemoval
from lesion_core.data.samples import Picture
from lesion_core.errors import LesionError
from lesion_core.explain.maps import energy_inside, peak_inside
from lesion_core.explain.methods import METHODS
from lesion_core.imaging.artefacts import ARTEFACTS, add_artefact
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.geometry import dark_ring, to_original
from lesion_core.imaging.hair import hair_mask, remove_hair
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.labels import diagnosis
from lesion_core.runs import Run

if TYPE_CHECKING:
    from lesion_core.engine import Prediction
    from lesion_core.explain.attribution import Attribution

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
PASSES = {"integrated_gradients": 34, "gradient_shap": 24, "smoothgrad": 24, "occlusion": 226, "superpixels": 300}
"""Pictures that go through the network for one map, for its progress bar."""
LARGEST = 768
"""Pixels a side of a picture that is painted on: more is slow to fill, and no model here sees it."""


@dataclass(frozen=True)
class Asked:
    """What is asked of one picture; all of it is in the link."""

    run: Run
    picture: Picture
    target: str
    against: str | None
    method: str
    layer: str
    baseline: str

    def explain(self) -> Attribution:
        """The map; a slow one shows its progress and stops when something else is clicked.

        Raises:
            LesionError: As `Engine.explain` raises it.
        """
        def ask(on_pass: Callable[[int], None] | None) -> Attribution:
            return cache_explanation.explain(
                self.run.name, self.picture.image, self.target, self.layer, against=self.against, method=self.method,
                baseline=self.baseline, on_pass=on_pass,
            )

        if METHODS[self.method].speed == "fast":
            return ask(None)
        with progress(f"{METHODS[self.method].name} …", PASSES[self.method]) as on_pass:
            return ask(on_pass)

    def heat(self, attribution: Attribution) -> NDArray[np.float32]:
        """The positive map on the whole picture, (H, W) in [0, 1]."""
        box = Pipeline(self.run.config.settings.preprocessing).frame(self.picture.image)
        return to_original(attribution.heatmap, self.picture.image.shape, box)


    def share_seen(self, mask: Mask) -> float:
        """The share of what the model was shown that a mask covers: what a map that points nowhere has inside."""
        box = Pipeline(self.run.config.settings.preprocessing).frame(self.picture.image)
        seen = to_original(np.ones((2, 2)), self.picture.image.shape, box) > 0
        return float(mask[seen].mean())


@contextmanager
def progress(text: str, steps: int) -> Iterator[Callable[[int], None]]:
    """A bar that appears with the first step and goes when the work ends; any click on the page stops the work."""
    place = st.empty()
    try:
        def show(done: int) -> None:
            place.progress(min(1.0, done / steps), f"{text} Click anything to stop.")

        yield show
    finally:
        place.empty()


def lesion_mask(picture: Picture) -> tuple[Mask | None, str]:
    """Where the lesion is, and who says so: the true mask, else the first segmenter's, else nothing."""
    if picture.mask is not None:
        return picture.mask, "The true mask." if picture.origin == "synthetic" else "The expert's mask."
    found = cache.segmenters()[0]
    if not found or picture.origin == "stranger":
        return None, ""
    try:
        mask = cache.segment(found[0].name, picture.image).mask(0.5)
    except LesionError:
        return None, ""
    return (mask, f"The mask that {found[0].name} finds.") if mask.any() else (None, "")


def numbers(
    asked: Asked, attribution: Attribution, heat: NDArray[np.float32], mask: Mask | None, prediction: Prediction
) -> None:
    """What one map says, beside it."""
    probability = prediction.probabilities[asked.run.classes.index(asked.target)]
    st.metric(f"Probability of {asked.target}", figures.percent(float(probability), 1))
    st.metric("Largest evidence", f"{attribution.maximum:.3g}",
              help=f"Before the map is scaled to itself; unit: {explanation.unit(asked.method)}. Near 0: empty, though "
              "it looks full.")
    if mask is not None and attribution.maximum > 0:
        st.metric("Evidence inside the lesion", figures.percent(energy_inside(heat, mask)),
                  help=f"The lesion covers {figures.percent(asked.share_seen(mask))} of what the model was shown.")
        st.metric("Maximum inside the lesion", "yes" if peak_inside(heat, mask) else "no",
                  help="The pointing game: is the strongest point of the map on the lesion?")
    if attribution.completeness_error is not None:
        st.metric("Completeness error", figures.percent(attribution.completeness_error, 2),
                  help="The map must sum to the difference of the answers to picture and baseline; this is missing.")


def panels(beside: str, asked: Asked, mask: Mask | None, opacity: float, *, signed: bool) -> None:
    """Several maps of one picture on one colour scale, each with its raw maximum."""
    wanted: list[tuple[str, Asked]] = []
    if beside == "models":
        runs = [run for run in cache.runs()[0] if asked.target in run.classes
                and (asked.against is None or asked.against in run.classes)]
        wanted = [(run.name, replace(asked, run=run)) for run in runs]
    elif beside == "classes":
        wanted = [(f"{code} · {diagnosis(code).name}", replace(asked, target=code, against=None))
                  for code in asked.run.classes]
    else:
        wanted = [(entry.name, replace(asked, method=key)) for key, entry in METHODS.items()]
    found: list[tuple[str, Asked, Attribution]] = []
    with st.spinner("Explaining …", show_time=True):
        for name, one in wanted:
            try:
                found.append((name, one, one.explain()))
            except LesionError as error:
                problem(error)
    if not found:
        return
    by_spread = beside == "methods"  # other methods have other units
    units = [explanation.spread(a, signed=signed) if by_spread else 1.0 for _, _, a in found]
    top = max(explanation.peak(a, signed=signed) / u if u else 0.0 for (_, _, a), u in zip(found, units, strict=True))
    width = 4
    for start in range(0, len(found), width):
        row = zip(st.columns(width), found[start : start + width], units[start : start + width], strict=False)
        for column, (name, one, attribution), own_unit in row:
            with column:
                values = explanation.lay(attribution, one.run, one.picture.image, top * own_unit)
                shown = explanation.painted(
                    explanation.paled(one.picture.image, one.run), values, opacity,
                    signed=signed and METHODS[one.method].signed)
                said = f"{name}: largest {attribution.maximum:.3g}"
                heat = one.heat(attribution)
                if mask is not None:
                    shown = outline(shown, mask)
                    said += f", {figures.percent(energy_inside(heat, mask))} inside"
                if beside != "methods":
                    p = cache.predict(one.run.name, one.picture.image).probabilities[one.run.classes.index(one.target)]
                    said += f", probability {figures.percent(float(p))}"
                st.image(shown, width="stretch", alt=f"{name} over the picture", caption=said)
    what = "in multiples of each map's mean, as their units differ" if by_spread else "of the raw maps"
    st.image(explanation.scale_bar(signed), width=256, alt="Colour scale")
    st.caption(f"One scale for all, {what}: the right end is {top:.3g}" + (", the left end minus that." if signed
               else ", the left end 0."))
    if by_spread:
        ranks = cache_explanation.agreement([a for _, _, a in found])
        st.dataframe(pd.DataFrame(ranks, index=[n for n, _, _ in found], columns=[n for n, _, _ in found]).round(2),
                     alt="Rank agreement of every two methods")
        st.caption("Spearman's rank agreement of every two maps, pixel by pixel: 1 is the same order, 0 none. Where "
                   "methods disagree, none of them is *the* explanation.")


def tests_of_the_map(
    asked: Asked, attribution: Attribution, heat: NDArray[np.float32], mask: Mask | None
) -> None:
    """The tabs under the map."""
    open_tabs({
        "Is it true to the model?": lambda: faithfulness(asked, attribution),
        "Sanity check": lambda: sanity(asked),
        "Ask back": lambda: ask_back(asked),
        "The whole test set": lambda: test_set(asked),
        "Numbers and download": lambda: download(asked, attribution, heat, mask),
    })


def faithfulness(asked: Asked, attribution: Attribution) -> None:
    """Deletion and insertion, drawn as they grow."""
    chart, side = st.columns([3, 1], gap="large")
    place = chart.empty()
    curves = {}
    for kind in ("deletion", "insertion"):
        for curve in cache_explanation.curve(
                asked.run.name, asked.picture.image, asked.target, asked.against, attribution, kind):
            curves[kind] = curve
            place.plotly_chart(figures.answer_curves(curves), config={"displayModeBar": False},
                               key=f"{kind}{len(curve.share)}", alt="The probability of the class while "
                               "pixels are deleted or inserted by importance")
    with side:
        st.metric("Area under deletion", f"{curves['deletion'].area:.3f}", help="Lower is better.")
        st.metric("Area under insertion", f"{curves['insertion'].area:.3f}", help="Higher is better.")
    st.caption("Pixels are covered with the colour of the skin (deletion), or brought back into a blurred picture "
               "(insertion), the most important ones first. A map that is true to the model makes the first curve fall "
               "at once and the second rise at once. Both show the model pictures that it never saw (Petsiuk et al., "
               "RISE, BMVC 2018).")


def sanity(asked: Asked) -> None:
    """The map while the weights are lost, from the answer down."""
    if not st.toggle("Randomise the model, stage by stage", key="sanity", help="On a copy: the served model stays."):
        st.caption("A map that stays the same when the model loses what it learned shows the picture, not the model "
                   "(Adebayo et al., NeurIPS 2018). Turn it on and watch.")
        return
    columns = st.columns(7)
    stages = cache_explanation.sanity(
        asked.run.name, asked.picture.image, asked.target, asked.against, asked.method, asked.layer, asked.baseline)
    for column, (stage, says, found, agreement) in zip(columns, stages, strict=False):
        with column:
            values = explanation.lay(found, asked.run, asked.picture.image, explanation.peak(found, signed=False))
            st.image(explanation.painted(explanation.paled(asked.picture.image, asked.run), values, 0.7),
                     width="stretch", alt=f"The map with {says} randomised",
                     caption=f"{stage}: agreement {agreement:.2f}" if np.isfinite(agreement) else f"{stage}: empty map")
    st.caption("From left to right the model loses the last linear layer, then layer4, layer3 and so on, each map on a "
               "scale of its own. The agreement is the rank correlation with the true map: it should fall towards 0.")


def ask_back(asked: Asked) -> None:
    """Change the picture and see what the model says then."""
    square = Pipeline(asked.run.config.settings.preprocessing).frame(asked.picture.image)
    x0, y0, x1, y1 = (max(0, round(v)) for v in square)
    view = np.ascontiguousarray(asked.picture.image[y0:y1, x0:x1])
    side = min(*view.shape[:2], LARGEST)
    shown = np.asarray(cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    options = {"paint": "Paint over it", "hair": "Erase the hair",
               **{f"add_{key}": f"Add: {key.replace('_', ' ')}" for key in ARTEFACTS}}
    left, right = st.columns([2, 5], gap="large")
    with left:
        change = st.selectbox("Change", list(options), format_func=options.__getitem__, key="change")
        changed = shown
        if change == "paint":
            mask = brush(shown, label="Paint over what the model should not see", name=content_hash(shown), key="brush")
            mask = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
            if mask.any():
                changed = np.asarray(cv2.inpaint(shown, mask.astype(np.uint8), max(3, side // 60), cv2.INPAINT_TELEA),
                                     np.uint8)
            st.caption("What you paint over is filled from its rim.")
        elif change == "hair":
            changed = remove_hair(shown, HairRemoval(enabled=True))[0]
        else:
            strength = st.slider("How much", 0.1, 1.0, 0.6, 0.1, key="strength")
            changed = add_artefact(shown, change.removeprefix("add_"), seed=0, strength=strength)[0]
    before, after = cache.predict(asked.run.name, shown), cache.predict(asked.run.name, changed)
    with right:
        columns = st.columns(3)
        index = asked.run.classes.index(asked.target)
        for column, picture, found, words in zip(
                columns, (shown, changed), (before, after), ("before", "after"), strict=False):
            map_of = cache_explanation.explain(asked.run.name, picture, asked.target)
            scale = max(explanation.peak(cache_explanation.explain(asked.run.name, p, asked.target), signed=False)
                        for p in (shown, changed))
            with column:
                values = explanation.lay(map_of, asked.run, picture, scale)
                st.image(explanation.painted(picture, values, 0.6), width="stretch",
                         alt=f"Grad-CAM {words} the change",
                         caption=f"{words}: {asked.target} {figures.percent(float(found.probabilities[index]), 1)}, "
                                 f"answer {found.code}")
        with columns[2]:
            table = pd.DataFrame({"before": before.probabilities, "after": after.probabilities},
                                 index=list(asked.run.classes))
            st.dataframe(table.map(lambda p: figures.percent(p, 1)), alt="Probabilities before and after the change")
    st.caption("Grad-CAM of the same class before and after, on one scale; the model is given the middle square. If "
               "the answer hangs on a hair or a ruler, the model learned the wrong thing.")


def test_set(asked: Asked) -> None:
    """Where the model looks on all test pictures with a mask."""
    table = cache_explanation.survey(asked.run.name)
    if table is None:
        st.caption("Not measured for this run yet: `python -m lesion_core explain checkpoints/" + asked.run.name
                   + " --data DATA`.")
        return
    methods = list(dict.fromkeys(table["method"]))
    key = asked.method if asked.method in methods else methods[0]
    if key != asked.method:
        st.caption(f"{METHODS[asked.method].name} was not measured on the test set; this is {METHODS[key].name}.")
    rows = table[table["method"] == key]
    left, right = st.columns(2, gap="large")
    for column, by, words in ((left, "label", "diagnosis"), (right, "result", "right and wrong answers")):
        with column:
            found = cache_explanation.survey_summary(asked.run.name, key, by)
            colours = {code: diagnosis(code).colour for code in found["group"]} if by == "label" else None
            st.plotly_chart(figures.share_dots(found, "evidence inside the lesion", colours=colours),
                            config={"displayModeBar": False}, alt=f"Share of evidence inside the lesion by {words}")
    mean = {name: figures.percent(float(rows[name].mean()), digits)
            for name, digits in (("area", 0), ("peak", 0), ("hair", 1), ("dark", 1))}
    st.caption(f"{METHODS[key].name} of the model's own answer. Mean share inside the lesion, 95 % intervals by "
               f"lesion; a map that points nowhere would have {mean['area']}, the lesion's share of what is seen. "
               f"Maximum inside: {mean['peak']} of the maps. On hair: {mean['hair']}; on dark corners: {mean['dark']}.")
    badges(("real dermoscopy", "blue"), ("test split, with a mask", "green"),
           (f"n = {len(rows):,} images, {rows['lesion_id'].nunique():,} lesions", "gray"))
    st.markdown("**Where it looked elsewhere, first**")
    root = state.data_root()
    here = cache.all_real_samples(root) if root else {}
    elsewhere = rows.assign(gain=rows["inside"] - rows["area"]).nsmallest(12, "gain")
    if not any(image_id in here for image_id in elsewhere["image_id"]):
        st.caption("The pictures are not on this machine (see *Dataset*); these are their numbers.")
        st.dataframe(elsewhere[["image_id", "label", "answer", "inside", "area"]].round(2), hide_index=True)
        return
    columns = st.columns(6)
    for i, row in enumerate(elsewhere.itertuples()):
        sample = here.get(str(row.image_id))
        if sample is not None:
            with columns[i % 6]:
                st.image(cache.thumbnail(sample), width="stretch", alt=f"{row.image_id}, {row.label}")
                link_to("explain", f"{figures.percent(float(row.inside))} inside, {row.label}", ":material/search:",  # type: ignore[arg-type]
                        image=str(row.image_id), run=asked.run.name)


def download(asked: Asked, attribution: Attribution, heat: NDArray[np.float32], mask: Mask | None) -> None:
    """The map as numbers, and as files."""
    image = asked.picture.image
    facts: dict[str, object] = {
        "picture": asked.picture.id, "run": f"{asked.run.name} ({asked.run.fingerprint})",
        "method": METHODS[asked.method].name, "evidence for": asked.target, "and not": asked.against or "",
        "layer": attribution.layer or "", "largest evidence": attribution.maximum,
        "on hair": energy_inside(heat, hair_mask(image, HairRemoval(enabled=True))),
        "on dark corners": energy_inside(heat, dark_ring(image, DarkCorner())),
    }
    if asked.method == "integrated_gradients":
        facts["baseline"], facts["completeness error"] = asked.baseline, attribution.completeness_error
    if mask is not None:
        facts |= {"inside the lesion": energy_inside(heat, mask), "maximum inside": peak_inside(heat, mask),
                  "lesion's share of what is seen": asked.share_seen(mask)}
    table = pd.DataFrame({"what": list(facts), "value": [f"{v:.4g}" if isinstance(v, float) else str(v)
                                                         for v in facts.values()]})
    left, right = st.columns(2, gap="large")
    with left:
        st.dataframe(table, hide_index=True, alt="The figures of this map")
        values = explanation.lay(attribution, asked.run, image, explanation.peak(attribution, signed=False))
        drawn = explanation.painted(image, values, 0.6)
        png = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1].tobytes()
        raw = BytesIO()
        np.save(raw, attribution.raw)
        stem = f"{asked.picture.id}_{asked.method}_{asked.target}"
        with st.container(horizontal=True):
            for label, content, name, kind in (
                ("Picture", png, f"{stem}.png", "image/png"),
                ("Array", raw.getvalue(), f"{stem}.npy", "application/octet-stream"),
                ("Figures", table.to_csv(index=False), f"{stem}.csv", "text/csv"),
            ):
                st.download_button(label, content, name, kind, on_click="ignore", icon=":material/download:")
    with right:
        st.dataframe(np.round(attribution.raw[:64, :64], 4), height=280)
        st.caption("Signed, at the method's own resolution (the first 64 rows and columns): the answer rises with what "
                   "is positive.")
