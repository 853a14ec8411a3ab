"""An image under the changes of `imaging.changes`, and what a run says of it: computed once for all visitors."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.cache import runs
from app.state import own_image
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.poses import POSES, pose
from lesion_core.imaging.changes.registry import SEVERITIES, Changed, change
from lesion_core.imaging.decode import content_hash
from lesion_core.runs.classifier import Run
from lesion_core.serving.results import Prediction
from lesion_core.serving.single_flight import SingleFlightCache

KEPT_PIXELS = 96 * 2**20
"""Bytes of changed images that are kept, with what was laid over and how pixels moved: about 40 of 600x450."""
KEPT_ANSWERS = 48 * 2**20
"""Bytes of answers that are kept: about 2,000 images under one change each."""
KEPT_DECISIONS = 10_000
"""Images under one change each, whose decisions are kept, and hashes of changed images."""
Answers = tuple[Prediction, ...]
"""Of one image by severity: the first is of the image itself."""


@st.cache_resource(show_spinner=False, max_entries=1)
def _pixels() -> SingleFlightCache[Changed]:
    return SingleFlightCache(lambda found: 3 * found.image.nbytes, KEPT_PIXELS)


def changed(image: Pixels, content: str, key: str, severity: int) -> Changed:
    """An image, whose `content_hash` is known, after a change that is drawn by its own pixels; for reading only.

    Of a visitor's own image nothing is kept.
    """

    def draw() -> Changed:
        return change(image, key, severity, content)

    return draw() if own_image() or not severity else _pixels().get((content, key, severity), draw)


@st.cache_resource(show_spinner=False, max_entries=1)
def _answers() -> SingleFlightCache[Answers]:
    return SingleFlightCache(lambda found: sum(one.nbytes + runs.BESIDE for one in found), KEPT_ANSWERS)


def answers(run: Run, image: Pixels, content: str, key: str) -> Answers:
    """What a run says of an image at each severity of a change, 0 to 5, whether or not it should answer."""
    model = runs.engine(run)

    def ask() -> Answers:
        own = runs.predict(run, image)
        images = [changed(image, content, key, severity).image for severity in SEVERITIES]
        found = model.predict_all(images)
        for one, said in zip(images, found, strict=True):
            runs.keep_prediction(run, one, said)  # their maps are asked for next
        return own, *found

    return _answers().get((run.fingerprint, content, key), ask)


def answers_to_poses(run: Run, image: Pixels, content: str, key: str) -> Answers:
    """What a run says of every pose of a set, a key of `POSES`, whether or not it should answer."""
    model = runs.engine(run)

    def ask() -> Answers:
        return tuple(model.predict_all([pose(image, key, i) for i in range(len(POSES[key].names))]))

    return _answers().get((run.fingerprint, content, f"poses {key}"), ask)


def known_answers(run: Run, content: str, key: str) -> Answers | None:
    """What `answers` has found before; the model is not asked."""
    return _answers().peek((run.fingerprint, content, key))


@st.cache_resource(show_spinner=False, max_entries=1)
def _decided() -> SingleFlightCache[Answers]:
    return SingleFlightCache(lambda _: 1, KEPT_DECISIONS)


def decided(run: Run, found: Answers, content: str, key: str) -> Answers:
    """`answers` with the decisions of the policy that holds for this visitor, made once for all who have it.

    Raises:
        RunError: The run's policy is there and cannot be used.
    """
    policy = runs.policy_of(run)
    of = run.fingerprint, policy.fingerprint() if policy else "", content, key
    return _decided().get(of, lambda: tuple(runs.decided(run, one) for one in found))


@st.cache_resource(show_spinner=False, max_entries=1)
def _contents() -> SingleFlightCache[str]:
    return SingleFlightCache(lambda _: 1, KEPT_DECISIONS)


def content_of(image: Pixels, content: str, key: str, severity: int) -> str:
    """The `content_hash` of `changed`."""
    return _contents().get((content, key, severity), lambda: content_hash(changed(image, content, key, severity).image))


def ask_all(run: Run, image: Pixels, content: str, keys: tuple[str, ...]) -> Callable[[Callable[[int], None]], None]:
    """What asks for an image under several changes; called with what it is to tell how many images were read."""

    def work(on_pass: Callable[[int], None]) -> None:
        for key in keys:
            answers(run, image, content, key)
            on_pass(len(SEVERITIES))

    return work
