"""The keys of links and of a visitor's session, and where the server's folders are."""

from __future__ import annotations

import argparse
import os
import sys
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import streamlit as st

from lesion_core.data.catalog import from_environment
from lesion_core.errors import ConfigError, DataError
from lesion_core.foreign_text import shown
from lesion_core.imaging.decode import Limits

ROOT = Path(__file__).resolve().parent.parent
OOD_SAMPLES = ROOT / "ood_samples"
MOST_MEGAPIXELS = 150
"""Pillow refuses larger images by itself."""
EXPERIMENTS = ROOT / "experiments"
LESSONS = ROOT / "lessons"
FACTS = ROOT / "facts"

# Keys of widgets that are bound to the link: the key is the parameter's name in the URL.
RUN = "run"
IMAGE = "image"
HIDDEN = "hide"
TRIED = "policy"
TOUR = "tour"
TARGET = "target"
AGAINST = "against"
METHOD = "method"
BASELINE = "baseline"
SIGNED = "signed"
BESIDE = "beside"
ONE_SCALE = "one_scale"
LAYER = "layer"
OPACITY = "opacity"  # of Explain; a key that two pages bind is lost between them
CAM_OPACITY = "cam_opacity"
MASK_OPACITY = "mask_opacity"
HAIRED = "show_hair"
CHANGE = "change"
SEVERITY = "severity"
TEST_VIEW = "of"  # of Robustness
FIGURE = "figure"
SIDES = "sides"
POSES = "poses"
MEASURE = "measure"
SOURCE_FIGURE = "in_each"
SLICED_BY = "seen_by"
SLICE_SIZE = "slice"
ARTEFACT = "artefact"
MAP_METHOD = "map"
MAP_VIEW = "map_view"
CALLED = "called"
TEN = "ten"
THRESHOLD = "threshold"
WHO = "who"
SCORE = "score"
SCORES_RUN = "scores_of"
SETS_LEVEL = "sure_set"
SETS_BY_CLASS = "by_class"
LOOK_AT = "on"
MOVED_ON = "moved"
BARS = "bars"
COST = "cost"
MOST_ERRORS = "errors"
SURE = "sure"
VIEW = "view"
CELL = "cell"
FURTHER_RUNS = "with"
TAB = "tab"
PRESENT = "present"

# The mask of a lesion.
SEGMENTER = "segmenter"
CUT = "cut"
SHOW = "show"
CLEAN = "clean"

# The data set and its filters.
DATA = "data"
DIAGNOSES = "diagnosis"
SEX = "sex"
SITE = "site"
AGES = "age"
CONFIRMATION = "confirmed"
PAGE = "page"
ORDER = "order"
LESION = "lesion"

# The steps of preprocessing, in their order.
DARK, DARKNESS = "dark", "darkness"
HAIR, HAIR_KERNEL, HAIR_THRESHOLD, HAIR_RADIUS = "hair", "hair_kernel", "hair_threshold", "hair_radius"
COLOR, POWER = "color", "power"
CLAHE, CLIP, TILES = "clahe", "clip", "tiles"
DETAIL, SHORT_SIDE, QUALITY = "detail", "short_side", "quality"
SIZE, FIT = "size", "fit"
AFTER = "after"

# A step of a lesson.
LESSON, STEP = "lesson", "step"

# Keys of a visitor's session.
UPLOAD = "uploaded_picture"
HISTORY = "analysed"
POLICY = "own_policy"
OWN_PICTURES = "own_pictures"


@cache
def _arguments() -> argparse.Namespace:
    """What stands behind ``--`` on the command line: ``streamlit run app/Home.py -- --data DIR --runs DIR``."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--save-policies", action="store_true")
    parser.add_argument("--embed-in", action="append", default=[])
    parser.add_argument("--max-megapixels", default=None)
    parser.add_argument("--rooms", type=Path)
    parser.add_argument("--public-url", default=None)
    return parser.parse_known_args(sys.argv[1:])[0]


def data_root() -> Path | None:
    """The folder with the real data, from ``--data`` or the variable LESION_DATA; None where there is none.

    Raises:
        DataError: A folder is named and is not there.
    """
    given: Path | None = _arguments().data
    if given is not None and not given.is_dir():
        raise DataError(f"There is no data folder at {shown(str(given), 200)}.", "Correct --data, or leave it out.")
    return given or from_environment()


def runs_root() -> Path:
    """The folder of runs: ``--runs``, the variable LESION_RUNS, or `checkpoints/`."""
    given: Path | None = _arguments().runs
    return given or Path(os.environ.get("LESION_RUNS") or ROOT / "checkpoints")


def link(stem: str, **query: str) -> str:
    """The address of a page with a state in it; ids and names are percent-encoded.

    Example:
        >>> link("analyse", image="a b&c")
        'analyse?image=a%20b%26c'
    """
    return f"{stem}?{urlencode(query, quote_via=quote)}"


def own_image() -> bool:
    """Whether the image that this visitor looks at is their own: nothing that shows it is kept for others."""
    return st.session_state.get(IMAGE) == "upload"


def may_save_policies() -> bool:
    """Whether a visitor may write a run's `policy.json`: ``--save-policies``; never in a room of students by chance."""
    return bool(_arguments().save_policies)


def embed_in() -> tuple[str, ...]:
    """The sites whose pages may show the dashboard in a frame: ``--embed-in``, once for each."""
    return tuple(_arguments().embed_in)


def limits() -> Limits:
    """What an upload may cost: ``--max-megapixels``, by default that of `Limits`.

    Raises:
        ConfigError: It is not a number from 1 to `MOST_MEGAPIXELS`.
    """
    given = _arguments().max_megapixels
    if given is None:
        return Limits()
    try:
        megapixels = float(given)
    except ValueError:
        megapixels = 0.0
    if not 1 <= megapixels <= MOST_MEGAPIXELS:
        raise ConfigError(
            f"--max-megapixels is {shown(given)}, which is out of range.",
            f"Give a number from 1 to {MOST_MEGAPIXELS}; each takes about 12 MB of memory.",
        )
    return Limits(max_pixels=round(1e6 * megapixels))


def rehearses() -> bool:
    """Whether every page is opened once before anybody comes: unless the variable LESION_REHEARSAL is 0."""
    return os.environ.get("LESION_REHEARSAL") != "0"


def rooms_file() -> Path | None:
    """The file in which several processes keep rooms together, ``--rooms``; None keeps them in memory."""
    given: Path | None = _arguments().rooms
    return given


def public_url() -> str | None:
    """The address under which phones reach this server, ``--public-url``, without a slash at its end.

    Raises:
        ConfigError: It is not an address.
    """
    given = _arguments().public_url
    if given is None:
        return None
    parts = urlsplit(given)
    try:
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        _ = parts.port
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(
            f"--public-url is {shown(given)}, which is not the address of a server.",
            "Give what a phone would open, such as https://lab.example.org or http://192.168.1.20:8501.",
        )
    return str(given).rstrip("/")


def backend() -> str:
    """How predictions are computed: the variable LESION_BACKEND (LESION_TRUNK in version 0.1), a key of
    `models.backends.BACKENDS`."""
    return os.environ.get("LESION_BACKEND") or os.environ.get("LESION_TRUNK") or "eager"
