"""The tabs under a map on the page Explain: whether it can be believed, the whole test set, numbers and files."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import explanation as explanations
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.components import badges, open_tabs
from app.explain import overlays
from app.explain.change import ask_back
from app.explain.evidence import inside, on_artefacts
from app.explain.on_demand import OnDemand, OnPass, Work
from app.explain.overlays import Look
from app.explain.question import Asked, Lesion
from app.explain.sanity_check import sanity
from app.figures import shares as share_figures
from app.figures import style
from app.foreign_text import file_stem
from app.gallery import Entry, Order, pictures
from lesion_core.explain.maps import Attribution
from lesion_core.explain.methods import METHODS
from lesion_core.foreign_text import for_people, people_csv
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run

SHOWN = 12
"""Maps that point away, at once."""
TEST_SET = "The whole test set"  # a tab, which links name


def tests_of_the_map(
    asked: Asked, attribution: Attribution | None, lesion: Lesion, look: Look, on_demand: OnDemand
) -> None:
    """The tabs under the map.

    Args:
        asked: The question.
        attribution: Its map, None where that is not known yet.
        lesion: Where the lesion is.
        look: How the map is drawn on the page.
        on_demand: Computes what is not known yet.
    """

    def of_the_map(number: int) -> None:
        if attribution is None:
            st.caption("There is no map yet that could be tested: the button above computes it.")
        elif number == 0:
            faithfulness(asked, attribution, on_demand)
        elif number == 1:
            sanity(asked, attribution, on_demand)
        else:
            download(asked, attribution, lesion, look)

    open_tabs(
        {
            "Is it true to the model?": lambda: of_the_map(0),
            "Sanity check": lambda: of_the_map(1),
            "Change the image": lambda: ask_back(asked),
            TEST_SET: lambda: test_set(asked),
            "Numbers and download": lambda: of_the_map(2),
        },
        renamed={"Ask back": "Change the image"},
    )


def faithfulness(asked: Asked, attribution: Attribution, on_demand: OnDemand) -> None:
    """Deletion and insertion."""
    curves = explanations.known_curves(asked.key)
    if curves is not None:
        draw_curves(asked.key, curves)
    else:

        def measure(on_pass: OnPass) -> None:
            explanations.curves(
                asked.key, asked.run, asked.picture.image, asked.target, asked.against, attribution, on_pass
            )

        images = explanations.CURVE_IMAGES
        on_demand.offer(Work("curves", "Deletion and insertion", images, measure, images), "Measure it")
    st.caption(
        "Pixels are covered with the colour of the skin (deletion), or restored in a blurred image (insertion), the "
        "most important ones first. A map that is true to the model makes the first curve fall at once and the second "
        "rise at once. Both show the model images unlike any that it was trained on (Petsiuk et al., RISE, BMVC 2018)."
    )


@drawn_once()
def draw_curves(key: explanations.Key, _curves: explanations.Curves) -> None:  # noqa: ARG001
    """The curves of a question, and the areas under them."""
    chart, side = st.columns([3, 1], gap="large")
    chart.plotly_chart(
        share_figures.answer_curves({str(kind): curve for kind, curve in _curves.items()}),
        config={"displayModeBar": False},
        alt="The probability of the class while pixels are deleted or inserted by importance",
    )
    side.metric("Area under deletion", f"{_curves['deletion'].area:.3f}", help="Lower is better.")
    side.metric("Area under insertion", f"{_curves['insertion'].area:.3f}", help="Higher is better.")


def test_set(asked: Asked) -> None:
    """Where the model looks on all test images with a mask."""
    methods, changed = explanations.methods_of(asked.run), explanations.measured_at(asked.run)
    if not methods:
        st.caption("Not measured for this run yet. This command measures it, with the folder of the data for DATA:")
        st.code(f"python -m lesion_core explain checkpoints/{asked.run.name} --data DATA", language=None)
        return
    key = asked.method if asked.method in methods else methods[0]
    if key != asked.method:
        st.caption(f"{METHODS[asked.method].name} was not measured on the test set; this is {METHODS[key].name}.")
    draw_shares(asked.run, changed, key)
    draw_of_all(tuple((run, at) for run in cached_runs.runs()[0] if (at := explanations.measured_at(run))))
    found = explanations.measured(asked.run, changed, key)
    badges(
        ("real dermoscopy", "blue"),
        ("test set, with a mask", "green"),
        (f"n = {found.images:,} images, {found.lesions:,} lesions", "gray"),
    )
    st.markdown(
        f"**Where it looked elsewhere: {len(found.away):,} of {found.images:,} maps**",
        help="Their strongest point is outside of the lesion, and so is more than half of their evidence. First those "
        "with the least evidence inside for the size of the lesion.",
    )
    if found.away.empty:
        st.caption("None: each map has its strongest point or half of its evidence on the lesion.")
        return
    root = state.data_root()
    here = cached_images.all_real_samples(root, asked.run.config.settings.images) if root else {}
    if not any(image_id in here for image_id in found.away["image_id"]):
        draw_elsewhere(asked.run, changed, key)
        return
    away = found.away[found.away["image_id"].isin(here)]
    names, labels, shares = (away[name].to_numpy() for name in ("image_id", "label", "inside"))
    pictures(
        len(away),
        lambda places: [
            Entry(
                str(names[i]),
                str(names[i]),
                here[str(names[i])],
                (f"{style.percent(float(shares[i]))} inside",),
                truth=str(labels[i]),
            )
            for i in places
        ],
        key="elsewhere",
        label="Images whose map points away from the lesion",
        orders=(
            Order("away", "furthest from chance first", away["inside"] - away["area"]),
            Order("inside", "least inside first", shares),
        ),
        opens="explain",
        stays=True,
        query={state.RUN: asked.run.name, state.TAB: TEST_SET},
        run=asked.run,
        a_page=SHOWN,
    )


@drawn_once("Measuring, with intervals …")
def draw_shares(run: Run, changed: int, key: str) -> None:  # noqa: ARG001
    """The evidence inside the lesion on the test set, by diagnosis and by whether the answer was right.

    Args:
        run: The run.
        changed: When it was measured.
        key: Of the method.
    """
    table = explanations.evaluation(run)
    assert table is not None
    rows = table[table["method"] == key]
    left, right = st.columns(2, gap="large")
    for column, by, words in ((left, "label", "diagnosis"), (right, "result", "right and wrong answers")):
        with column:
            found = explanations.evaluation_summary(run, key, by)
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


@drawn_once("Measuring, with intervals …")
def draw_of_all(measured: tuple[tuple[Run, int], ...]) -> None:
    """Every model and method that was measured: the runs, and when each was."""
    rows = [
        {
            "model": run.name,
            "method": METHODS[found["group"]].name,
            "n": found["n"],
            "inside the lesion": f"{found['share']:.3f} ({found['low']:.3f} to {found['high']:.3f})",
            "maximum inside": style.percent(found["peak"]),
            "lesion's share": f"{found['area']:.3f}",
        }
        for run, _ in measured
        for found in explanations.evaluation_summary(run, None, "method").to_dict("records")
    ]
    if len(rows) > 1:
        st.dataframe(
            for_people(pd.DataFrame(rows)), hide_index=True, alt="Evidence inside the lesion for each model and method"
        )


@drawn_once()
def draw_elsewhere(run: Run, changed: int, key: str) -> None:
    """The numbers of images that are not on this machine."""
    st.caption("The images are not on this machine (see *Dataset*); these are their numbers.")
    rows = explanations.measured(run, changed, key).away.head(SHOWN)
    st.dataframe(for_people(rows[["image_id", "label", "answer", "inside", "area"]].round(2)), hide_index=True)


def download(asked: Asked, attribution: Attribution, lesion: Lesion, look: Look) -> None:
    """The map as numbers, and as files; the image is the one on the page."""
    hair, dark = on_artefacts(asked, attribution)
    facts: dict[str, object] = {
        "image": asked.picture.title if asked.picture.origin == "upload" else asked.picture.id,
        "run": f"{asked.run.name} ({asked.run.fingerprint})",
        "method": METHODS[asked.method].name,
        "evidence for": asked.target,
        "rather than": asked.against or "",
        "layer": attribution.layer or "",
        "largest evidence": attribution.maximum,
        "on hair": hair.evidence,
        "on dark corners": dark.evidence,
    }
    if METHODS[asked.method].baselined:
        facts["baseline"] = asked.baseline
    if attribution.completeness_error is not None:
        facts["completeness error"] = attribution.completeness_error
    on_lesion = inside(asked, attribution, lesion)
    if on_lesion is not None:
        facts |= {
            "inside the lesion": on_lesion.evidence,
            "maximum inside": on_lesion.at_peak,
            "lesion's share of what is seen": on_lesion.covers,
        }
    rows = tuple((what, f"{v:.4g}" if isinstance(v, float) else str(v)) for what, v in facts.items())
    left, right = st.columns(2, gap="large")
    with left:
        figures = draw_figures_of_the_map(rows)
        png = overlays.overlay_file(asked, attribution, look)
        raw = BytesIO()
        np.save(raw, attribution.raw)
        stem = f"{file_stem(asked.picture.id)}_{asked.method}_{asked.target}"
        with st.container(horizontal=True):
            for label, content, name, kind in (
                ("Image", png, f"{stem}.png", "image/png"),
                ("Array", raw.getvalue(), f"{stem}.npy", "application/octet-stream"),
                ("Figures", figures, f"{stem}.csv", "text/csv"),
            ):
                st.download_button(label, content, name, kind, on_click="ignore", icon=":material/download:")
    with right:
        draw_values(asked.key, attribution)
        st.caption(
            "Signed, at the method's own resolution (the first 64 rows and columns): positive values "
            "support the answer."
        )


@drawn_once()
def draw_figures_of_the_map(rows: tuple[tuple[str, str], ...]) -> bytes:
    """A table of what is known of a map, by name; given back as a CSV file."""
    table = pd.DataFrame({"what": [what for what, _ in rows], "value": [value for _, value in rows]})
    st.dataframe(for_people(table), hide_index=True, alt="The figures of this map")
    return people_csv(table)


@drawn_once()
def draw_values(key: explanations.Key, _attribution: Attribution) -> None:  # noqa: ARG001
    """The values of a question's map."""
    st.dataframe(np.round(_attribution.raw[:64, :64], 4), height=280)
