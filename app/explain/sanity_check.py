"""The sanity check of a map on the page Explain: does it change when the model loses what it has learned?"""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.cache import explanation as explanations
from app.explain import overlays
from app.explain.on_demand import OnDemand, OnPass, Work
from app.explain.overlays import Look
from app.explain.question import Asked
from app.explain.scale import scale_under
from lesion_core.explain.faithfulness import SAME, sanity_verdict
from lesion_core.explain.maps import Attribution
from lesion_core.explain.methods import METHODS

STAGES = 6
"""After the map as trained."""
OPACITY = 0.7
ICONS = {"passed": ":material/check_circle:", "failed": ":material/cancel:", "cannot be told": ":material/help:"}


def sanity(asked: Asked, attribution: Attribution, on_demand: OnDemand) -> None:
    """The map while the weights are lost, from the answer down."""
    stages = explanations.known_sanity(asked.key)
    if stages is None:

        def measure(on_pass: OnPass) -> None:
            explanations.sanity(
                asked.key,
                asked.run,
                asked.picture.image,
                asked.target,
                asked.against,
                attribution,
                asked.layer,
                asked.baseline,
                on_pass,
            )

        method = METHODS[asked.method]
        on_demand.offer(
            Work("sanity", "The sanity check", STAGES * method.forward, measure, STAGES * method.effort), "Measure it"
        )
        st.caption(
            "A map that stays the same when the model loses what it learned shows the image, not the model "
            "(Adebayo et al., NeurIPS 2018). A copy of the model is randomised, stage by stage; the model that answers "
            "is not changed."
        )
        return
    st.markdown(verdict(stages))
    look = Look(OPACITY, METHODS[asked.method].signed)  # a map of lost weights may hold only what counts against
    for column, stage in zip(st.columns(len(stages)), stages, strict=True):
        with column:
            st.image(
                overlays.overlay(asked, stage.found, look, stage=stage.name),
                width="stretch",
                alt=f"The map with {stage.lost} randomised",
                caption=f"{stage.name}: largest {np.abs(stage.found.raw).max():.2g}, {agreement_of(stage)}",
            )
            scale_under(stage.found, look)
    st.caption(
        "From left to right the model loses the last linear layer, then layer4, layer3 and so on. Each map has its own "
        "scale, as the units change with the weights, so a nearly empty one looks full: read its largest value"
        + (" (orange-red supports the answer, blue counts against it)" if look.signed else "")
        + ". The "
        "agreement is the rank correlation with the true map: chance leaves around 0 of it, on either side. "
        f"The test is that of Adebayo et al., NeurIPS 2018. The limit of {SAME:.2f} is ours: there two maps share half "
        "of the variance of their ranks, and the interval must be on one side of it."
    )


def agreement_of(stage: explanations.Stage) -> str:
    """How much a stage's map is like the true one."""
    return f"agreement {stage.agreement:.2f}" if stage.agreement == stage.agreement else "no order to compare"


def verdict(stages: list[explanations.Stage]) -> str:
    """Passed, failed or cannot be told, and why, in one sentence.

    Args:
        stages: The true map first, that of a model which has learned nothing last.
    """
    true, lost = stages[0].found, stages[-1].found
    found = sanity_verdict(stages[-1].agreement, true.raw.size)
    if not true.raw.any():
        why = "the map of the trained model is empty, so there is nothing that could be lost."
    elif found.low != found.low:
        why = (
            "nothing is left in the map of a model that has learned nothing, so there is no order to compare."
            if not lost.raw.any()
            else "one of the two maps has the same value everywhere, so there is no order to compare."
        )
    else:
        said = (
            f"the rank correlation with the map of a model that has learned nothing is {stages[-1].agreement:.2f} "
            f"(95 % confidence interval {found.low:.2f} to {found.high:.2f}, {true.raw.size:,} cells), "
        )
        why = (
            said
            + {
                "passed": f"under {SAME:.2f}: without what the model learned this is another map.",
                "failed": f"over {SAME:.2f}: the map hardly depends on what the model learned.",
                "cannot be told": f"on both sides of {SAME:.2f}: so few cells can be alike by accident.",
            }[found.outcome]
        )
    outcome = "cannot be told" if not true.raw.any() else found.outcome
    return f"{ICONS[outcome]} **{outcome.capitalize()}**: {why}"
