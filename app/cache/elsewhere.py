"""What a run's stored answers say of each source of its test images: computed once for all visitors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.cache.facts import facts
from app.cache.runs import BY_FINGERPRINT, Hashes, rejector
from lesion_core.analysis.evaluation_sets import view_data
from lesion_core.analysis.sources import Source, TwoForms, by_group, by_source, test_images, two_forms
from lesion_core.data.image_facts import FORMS, SKIN_TONES
from lesion_core.ood.model_outputs import Outputs, ood_outputs, outputs_of
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run

HASHES: Hashes = {**BY_FINGERPRINT, Policy: Policy.fingerprint}
MILK10K, CLOSE_UPS = "milk10k", "milk10k_close_ups"
NOT_RECORDED = "not recorded"


def _kept(run: Run, policy: Policy | None, outputs: Outputs) -> NDArray[np.bool_] | None:
    return None if policy is None else rejector(run, policy).keeps(outputs)


@st.cache_resource(show_spinner="Measuring each source, with intervals …", max_entries=16, hash_funcs=HASHES)
def sources(run: Run, policy: Policy | None) -> list[Source]:
    """The figures of each source of test images, as `by_source` gives them."""
    return by_source(run, _kept(run, policy, outputs_of(run, test_images(run))))


@dataclass(frozen=True)
class Forms:
    """Test lesions of MILK10k as dermoscopy and as close-up: those of the run's diagnoses, and those of others."""

    known: TwoForms
    other: TwoForms


@st.cache_resource(show_spinner="Pairing images …", max_entries=16, hash_funcs=HASHES)
def forms(run: Run, policy: Policy, table: pd.DataFrame) -> Forms:
    """How each test lesion of MILK10k is answered in either form.

    Args:
        run: The run.
        policy: What it rejects by.
        table: `image_facts.lesion_forms`.
    """
    lesions = table.set_index("image_id")["lesion_id"]
    test, ood = run.part("test", MILK10K), run.ood_images
    others, close_ups = ood[ood["source"] == MILK10K], ood[ood["source"] == CLOSE_UPS]

    def said(rows: pd.DataFrame, outputs: Outputs, form: str) -> pd.DataFrame:
        codes = np.array(run.classes)[outputs.logits.argmax(axis=1)] if len(rows) else np.zeros(0, str)
        return pd.DataFrame(
            {
                "lesion_id": rows["image_id"].map(lesions).to_numpy(object),
                f"{form}_answer": codes,
                f"{form}_kept": rejector(run, policy).keeps(outputs),
            }
        ).dropna(subset=["lesion_id"])

    shown = said(close_ups, ood_outputs(run, close_ups), "close_up")
    known = said(test, outputs_of(run, test), "dermoscopy").merge(
        test.assign(lesion_id=test["image_id"].map(lesions))[["lesion_id", "label"]], on="lesion_id"
    )
    strange = said(others, ood_outputs(run, others), "dermoscopy").assign(label=None)
    return Forms(*(two_forms(one.merge(shown, on="lesion_id")) for one in (known, strange)))


@st.cache_resource(show_spinner="Measuring by skin tone …", max_entries=16, hash_funcs=HASHES)
def by_skin_tone(run: Run, policy: Policy | None, table: pd.DataFrame) -> pd.DataFrame | None:
    """The figures of `by_group` for MILK10k's test images, from the darkest skin to the lightest; None without any.

    Arguments as in `forms`.
    """
    data = view_data(run, MILK10K)
    if data is None:
        return None
    tone = data.table["image_id"].map(table.set_index("image_id")["skin_tone"])
    named = {float(i): f"{i}{_end(i)}" for i in SKIN_TONES}
    return by_group(
        data, tone.map(named).fillna(NOT_RECORDED).to_numpy(str), _kept(run, policy, outputs_of(run, data.table))
    )


def _end(tone: int) -> str:
    return {SKIN_TONES[0]: ", very dark", SKIN_TONES[-1]: ", very light"}.get(tone, "")


def lesion_forms() -> pd.DataFrame | None:
    """Which images of MILK10k show one lesion, and on which skin; None where that table does not lie here."""
    return facts(FORMS)
