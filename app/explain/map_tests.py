"""The tabs under a map on the page Explain: whether it can be believed, the whole test set, numbers and files."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import state
from app.cache import explanation as explanations
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.components import badges, link_to, open_tabs, problem
from app.explain import explanation
from app.explain.evidence import Asked, StoppedError, progress, resume
from app.figures import shares as share_figures
from app.figures import style
from app.foreign_text import file_stem
from app.widgets.brush import brush
from lesion_core.config import DarkCorner, HairRemoval
from lesion_core.explain.maps import Attribution, energy_inside, peak_inside
from lesion_core.explain.methods import METHODS
from lesion_core.foreign_text import for_people, people_csv, visible
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import ARTEFACTS, add_artefact
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.geometry import dark_ring, to_original
from lesion_core.imaging.hair import remove_hair
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.labels import diagnosis

LARGEST = 768
"""Pixels per side of an image that is painted on: more is slow to fill, and no model here sees it."""


def tests_of_the_map(
    asked: Asked, attribution: Attribution, heat: NDArray[np.float32], mask: Mask | None, shown: Pixels
) -> None:
    """The tabs under the map; `shown` is the map as it is drawn on the page."""
    open_tabs(
        {
            "Is it true to the model?": lambda: faithfulness(asked, attribution),
            "Sanity check": lambda: sanity(asked),
            "Change the image": lambda: ask_back(asked),
            "The whole test set": lambda: test_set(asked),
            "Numbers and download": lambda: download(asked, attribution, heat, mask, shown),
        },
        renamed={"Ask back": "Change the image"},
    )


def faithfulness(asked: Asked, attribution: Attribution) -> None:
    """Deletion and insertion, drawn as they grow."""
    chart, side = st.columns([3, 1], gap="large")
    place = chart.empty()
    curves = {}
    for kind in ("deletion", "insertion"):
        for curve in explanations.curve(asked.run, asked.picture.image, asked.target, asked.against, attribution, kind):
            curves[kind] = curve
            place.plotly_chart(
                share_figures.answer_curves(curves),
                config={"displayModeBar": False},
                key=f"{kind}{len(curve.share)}",
                alt="The probability of the class while pixels are deleted or inserted by importance",
            )
    with side:
        st.metric("Area under deletion", f"{curves['deletion'].area:.3f}", help="Lower is better.")
        st.metric("Area under insertion", f"{curves['insertion'].area:.3f}", help="Higher is better.")
    st.caption(
        "Pixels are covered with the colour of the skin (deletion), or restored in a blurred image (insertion), the "
        "most important ones first. A map that is true to the model makes the first curve fall at once and the second "
        "rise at once. Both show the model images unlike any that it was trained on (Petsiuk et al., RISE, BMVC 2018)."
    )


def sanity(asked: Asked) -> None:
    """The map while the weights are lost, from the answer down."""
    if not st.toggle(
        "Randomise the model, stage by stage", key="sanity", help="On a copy: the model that answers is not changed."
    ):
        st.caption(
            "A map that stays the same when the model loses what it learned shows the image, not the model "
            "(Adebayo et al., NeurIPS 2018). Turn it on and watch."
        )
        return
    try:
        with progress("Randomising …", 6 * METHODS[asked.method].forward, f"sanity/{asked.key}") as on_pass:
            _stages(asked, on_pass if METHODS[asked.method].slow else None)
    except StoppedError as error:
        problem(error)
        st.button("Compute it", on_click=resume, key="resume_sanity")
    st.caption(
        "From left to right the model loses the last linear layer, then layer4, layer3 and so on. One scale for "
        "all, in multiples of each map's mean, as the units change with the weights. The agreement is the rank "
        "correlation with the true map: it should fall towards 0."
    )


def _stages(asked: Asked, on_pass: Callable[[int], None] | None) -> None:
    columns = st.columns(7)
    stages = explanations.sanity(
        asked.run,
        asked.picture.image,
        asked.target,
        asked.against,
        asked.method,
        asked.layer,
        asked.baseline,
        on_pass,
    )
    top = 0.0
    for column, (stage, description, found, agreement) in zip(columns, stages, strict=False):
        mean = explanation.spread(found, signed=False)
        top = top or (explanation.peak(found, signed=False) / mean if mean else 0.0)  # of the true map, the first
        with column:
            values = explanation.lay(found, asked.run, asked.picture.image, top * mean)
            agrees = f"agreement {agreement:.2f}" if np.isfinite(agreement) else "no order to compare"
            st.image(
                explanation.painted(explanation.paled(asked.picture.image, asked.run), values, 0.7),
                width="stretch",
                alt=f"The map with {description} randomised",
                caption=f"{stage}: {agrees}, largest {found.maximum:.2g}",
            )


def ask_back(asked: Asked) -> None:
    """Change the image and see what the model says then."""
    square = Pipeline(asked.run.config.settings.preprocessing).frame(asked.picture.image)
    x0, y0, x1, y1 = (max(0, round(v)) for v in square)
    view = np.ascontiguousarray(asked.picture.image[y0:y1, x0:x1])
    side = min(*view.shape[:2], LARGEST)
    shown = np.asarray(cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    options = {
        "paint": "Paint over it",
        "hair": "Erase the hair",
        **{f"add_{key}": f"Add: {key.replace('_', ' ')}" for key in ARTEFACTS},
    }
    left, right = st.columns([2, 5], gap="large")
    with left:
        change = st.selectbox("Change", list(options), format_func=options.__getitem__, key="change")
        changed, added = shown, None
        if change == "paint":
            mask = brush(shown, label="Paint over what the model should not see", name=content_hash(shown), key="brush")
            mask = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
            if mask.any():
                changed = np.asarray(
                    cv2.inpaint(shown, mask.astype(np.uint8), max(3, side // 60), cv2.INPAINT_TELEA), np.uint8
                )
            st.caption("What you paint over is filled in from its edge.")
        elif change == "hair":
            changed = remove_hair(shown, HairRemoval(enabled=True))[0]
        else:
            strength = st.slider("How much", 0.1, 1.0, 0.6, 0.1, key="strength")
            changed, added = add_artefact(shown, change.removeprefix("add_"), seed=0, strength=strength)
    before, after = cached_runs.predict(asked.run, shown), cached_runs.predict(asked.run, changed)
    with right:
        columns = st.columns(3)
        index = asked.run.classes.index(asked.target)
        for column, picture, found, words in zip(
            columns, (shown, changed), (before, after), ("before", "after"), strict=False
        ):
            map_of = explanations.explain(asked.run, picture, asked.target)
            scale = max(
                explanation.peak(explanations.explain(asked.run, p, asked.target), signed=False)
                for p in (shown, changed)
            )
            said = f"{words}: {asked.target} {style.percent(float(found.probabilities[index]), 1)}, answer {found.code}"
            if added is not None and added.any() and words == "after":
                heat = to_original(
                    map_of.heatmap, picture.shape, Pipeline(asked.run.config.settings.preprocessing).frame(picture)
                )
                said += (
                    f"; {style.percent(energy_inside(heat, added))} of the evidence is on what was added, which "
                    f"covers {style.percent(float(added.mean()))}"
                )
            with column:
                values = explanation.lay(map_of, asked.run, picture, scale)
                st.image(
                    explanation.painted(picture, values, 0.6),
                    width="stretch",
                    alt=f"Grad-CAM {words} the change",
                    caption=said,
                )
        with columns[2]:
            table = pd.DataFrame(
                {"before": before.probabilities, "after": after.probabilities}, index=list(asked.run.classes)
            )
            st.dataframe(table.map(lambda p: style.percent(p, 1)), alt="Probabilities before and after the change")
    st.caption(
        "Grad-CAM of the same class before and after, on one scale; the model is given the middle square. If the "
        "answer depends on a hair or a ruler, the model learned the wrong thing."
    )


def test_set(asked: Asked) -> None:
    """Where the model looks on all test images with a mask."""
    table = explanations.evaluation(asked.run)
    if table is None:
        st.caption("Not measured for this run yet. This command measures it, with the folder of the data for DATA:")
        st.code(f"python -m lesion_core explain checkpoints/{asked.run.name} --data DATA", language=None)
        return
    methods = list(dict.fromkeys(table["method"]))
    key = asked.method if asked.method in methods else methods[0]
    if key != asked.method:
        st.caption(f"{METHODS[asked.method].name} was not measured on the test set; this is {METHODS[key].name}.")
    rows = table[table["method"] == key]
    left, right = st.columns(2, gap="large")
    for column, by, words in ((left, "label", "diagnosis"), (right, "result", "right and wrong answers")):
        with column:
            found = explanations.evaluation_summary(asked.run, key, by)
            colours = {code: diagnosis(code).colour for code in found["group"]} if by == "label" else None
            st.plotly_chart(
                share_figures.share_dots(found, "evidence inside the lesion", colours=colours),
                config={"displayModeBar": False},
                alt=f"Share of evidence inside the lesion by {words}",
            )
    mean = {
        name: style.percent(float(rows[name].mean()), digits)
        for name, digits in (("area", 0), ("peak", 0), ("hair", 1), ("dark", 1))
    }
    at = " at the last layer" if METHODS[key].layered else ""
    st.caption(
        f"{METHODS[key].name}{at} of the model's own answer. Mean share inside the lesion with 95 % confidence "
        f"intervals (bootstrap over lesions); a map that points nowhere would have {mean['area']}, the lesion's share "
        f"of what is seen. Maximum inside: {mean['peak']} of the maps. On hair: {mean['hair']}; on dark corners: "
        f"{mean['dark']}."
    )
    _of_all()
    badges(
        ("real dermoscopy", "blue"),
        ("test set, with a mask", "green"),
        (f"n = {len(rows):,} images, {rows['lesion_id'].nunique():,} lesions", "gray"),
    )
    st.markdown("**Maps that point away from the lesion, worst first**")
    root = state.data_root()
    here = cached_images.all_real_samples(root) if root else {}
    elsewhere = rows.assign(gain=rows["inside"] - rows["area"]).nsmallest(12, "gain")
    if not any(image_id in here for image_id in elsewhere["image_id"]):
        st.caption("The images are not on this machine (see *Dataset*); these are their numbers.")
        st.dataframe(for_people(elsewhere[["image_id", "label", "answer", "inside", "area"]].round(2)), hide_index=True)
        return
    columns = st.columns(6)
    for i, row in enumerate(elsewhere.itertuples()):
        sample = here.get(str(row.image_id))
        if sample is not None:
            with columns[i % 6]:
                st.image(cached_images.thumbnail(sample), width="stretch", alt=visible(f"{row.image_id}, {row.label}"))
                link_to(
                    "explain",
                    f"{style.percent(float(row.inside))} inside, {row.label}",  # type: ignore[arg-type]
                    ":material/search:",
                    image=str(row.image_id),
                    run=asked.run.name,
                )


def _of_all() -> None:
    """Every model and method that was measured."""
    rows = [
        {
            "model": run.name,
            "method": METHODS[found["group"]].name,
            "n": found["n"],
            "inside the lesion": f"{found['share']:.3f} ({found['low']:.3f} to {found['high']:.3f})",
            "maximum inside": style.percent(found["peak"]),
            "lesion's share": f"{found['area']:.3f}",
        }
        for run in cached_runs.runs()[0]
        if explanations.evaluation(run) is not None
        for found in explanations.evaluation_summary(run, None, "method").to_dict("records")
    ]
    if len(rows) > 1:
        st.dataframe(
            for_people(pd.DataFrame(rows)), hide_index=True, alt="Evidence inside the lesion for each model and method"
        )


def download(
    asked: Asked, attribution: Attribution, heat: NDArray[np.float32], mask: Mask | None, shown: Pixels
) -> None:
    """The map as numbers, and as files; the image is the one on the page."""
    image = asked.picture.image
    facts: dict[str, object] = {
        "image": asked.picture.title if asked.picture.origin == "upload" else asked.picture.id,
        "run": f"{asked.run.name} ({asked.run.fingerprint})",
        "method": METHODS[asked.method].name,
        "evidence for": asked.target,
        "rather than": asked.against or "",
        "layer": attribution.layer or "",
        "largest evidence": attribution.maximum,
        "on hair": energy_inside(heat, explanations.hair(image)),
        "on dark corners": energy_inside(heat, dark_ring(image, DarkCorner())),
    }
    if METHODS[asked.method].baselined:
        facts["baseline"] = asked.baseline
    if attribution.completeness_error is not None:
        facts["completeness error"] = attribution.completeness_error
    if mask is not None:
        facts |= {
            "inside the lesion": energy_inside(heat, mask),
            "maximum inside": peak_inside(heat, mask),
            "lesion's share of what is seen": asked.share_seen(mask),
        }
    table = pd.DataFrame(
        {"what": list(facts), "value": [f"{v:.4g}" if isinstance(v, float) else str(v) for v in facts.values()]}
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.dataframe(for_people(table), hide_index=True, alt="The figures of this map")
        png = cv2.imencode(".png", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))[1].tobytes()
        raw = BytesIO()
        np.save(raw, attribution.raw)
        stem = f"{file_stem(asked.picture.id)}_{asked.method}_{asked.target}"
        with st.container(horizontal=True):
            for label, content, name, kind in (
                ("Image", png, f"{stem}.png", "image/png"),
                ("Array", raw.getvalue(), f"{stem}.npy", "application/octet-stream"),
                ("Figures", people_csv(table), f"{stem}.csv", "text/csv"),
            ):
                st.download_button(label, content, name, kind, on_click="ignore", icon=":material/download:")
    with right:
        st.dataframe(np.round(attribution.raw[:64, :64], 4), height=280)
        st.caption(
            "Signed, at the method's own resolution (the first 64 rows and columns): positive values "
            "support the answer."
        )
