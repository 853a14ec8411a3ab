"""What the first visitor of a server would wait for is made as soon as it listens."""

from __future__ import annotations

import gc
import logging
import time

import streamlit as st

from app import state
from app.cache import first
from app.cache import images as cached_images
from app.cache import results as cached_results
from app.cache import runs as cached_runs

log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)  # in it nothing else shows a spinner: there is no page to show it on
def _made() -> None:
    runs = cached_runs.runs()[0]
    for run in runs[:1]:  # the one that a page opens on; Overview first, which needs no model
        for view in ("test", "isic2018"):
            cached_results.view_summary(run, view)
        image = cached_images.picture(next(iter(first.samples(run, state.data_root()).values()))).image
        outputs = cached_runs.predict(run, image).outputs
        if policy := cached_runs.own_policy(run):
            cached_runs.rejector(run, policy).decide(outputs)
        for segmenter in cached_runs.segmenters()[0][:1]:
            cached_runs.segment(segmenter, image)


def prepare() -> None:
    """Check the runs, measure the first one, load its model and the segmenter, and answer the first image.

    What cannot be made is told to the visitor who asks for it. Then all that was imported and made is left out of
    garbage collections: half a million objects that stay.
    """
    start = time.monotonic()
    try:
        _made()
    except Exception:
        log.warning("Not everything could be prepared.", exc_info=True)
    gc.collect()
    gc.freeze()
    log.info("Prepared in %.1f s.", time.monotonic() - start)
