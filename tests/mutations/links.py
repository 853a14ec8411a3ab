"""Links to the pages: parameters that nobody's page wrote, of any length and letters, twice, or not a number.

A page draws what it can and says in a bounded sentence what it cannot; it never shows an exception.
"""

from __future__ import annotations

import functools
import os
import re
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from streamlit.testing.v1 import AppTest

from app import state
from app.navigation import GROUPS
from lesion_core.data.synthetic.lesions import make_dataset
from tests.literal import HOME
from tests.mutations.oracle import Input, Make, Part, bad_sentence

Rng = np.random.Generator
PAGES = tuple(stem for entries in GROUPS.values() for stem, _, _ in entries)
SESSION = {"UPLOAD", "HISTORY", "POLICY", "OWN_PICTURES"}
KEYS = tuple(
    value for name, value in vars(state).items() if name.isupper() and isinstance(value, str) and name not in SESSION
)
"""Every parameter that a link of ours may have."""
NUMBERS = ("nan", "-nan", "inf", "-inf", "1e308", "-1e308", "1e309", "1e-320", "-1", "-0.0", "0", "1", "2.5", "0x10",
           "1_0", "１２", "9" * 400, "1,5", "1-2", "50,60", "-5,1e9", "nan,nan", "9" * 20)  # fmt: skip
TEXTS = ("", " ", "\x00", "\n", "\u202e", "<script>alert(1)</script>", "[x](javascript:alert(1))", "$x$",
         ":material/home:", "../../etc/passwd", "%2e%2e", "a/b", "NaN", "null", "None", "true", "false", "on", "test",
         "病変 Übersicht", "'; DROP TABLE runs", "{}", "[]", "__class__", "upload", "MEL", "nobody", "Z" * 10**6,
         "\u0301" * 300)  # fmt: skip
LONGEST = 200
"""Letters of a parameter that a sentence may repeat."""


@functools.cache
def data() -> Path:
    """A small data set, so that the pages have something to filter."""
    root = Path(tempfile.mkdtemp(prefix="lesion-links-"))
    make_dataset(root / "synthetic", per_class=2, seed=0, size=64)
    return root


def open_link(stem: str, query: dict[str, str | list[str]]) -> AppTest:
    """A page, opened by its link, with the shipped runs and a small data set."""
    with mock.patch.dict(os.environ, {"LESION_DATA": str(data())}):
        app = AppTest.from_file(HOME, default_timeout=600)
        app.switch_page(f"../pages/{stem}.py")
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()


def ill(app: AppTest) -> str | None:
    """What is wrong with a page, whatever was asked of it."""
    if app.exception:
        return f"an exception: {app.exception[0].message[:100]} {app.exception[0].stack_trace[-3:]}"
    for element in (*app.error, *app.warning, *app.info):
        if bad := bad_sentence(re.sub(r"\n\n|  \n", " ", element.value)):
            return bad
    for element in (*app.markdown, *app.caption, *app.title, *app.subheader):
        if re.search(rf"(Z|\u0301|9){{{LONGEST + 1}}}", element.value):
            return f"a text of {len(element.value):,} letters repeats the link"
    return None if app.title else "no title"


def opening(stem: str, query: dict[str, Any]) -> Input:
    note = f"{stem}: " + ", ".join(f"{key}={value!r:.30}" for key, value in query.items())
    return Input(lambda: open_link(stem, query), ill, False, note=note[:300])


def page(rng: Rng) -> str:
    return PAGES[rng.integers(len(PAGES))]


def value(rng: Rng) -> str:
    chosen = NUMBERS if rng.integers(2) else TEXTS
    return chosen[rng.integers(len(chosen))]


def one_odd(rng: Rng, _: Path) -> Input:
    """One parameter, so that nothing else keeps the page from using it."""
    return opening(page(rng), {KEYS[rng.integers(len(KEYS))]: value(rng)})


def number(rng: Rng, _: Path) -> Input:
    """A number that is none, or beyond everything, for what takes numbers."""
    keys = ("threshold", "opacity", "cost", "errors", "sure", "sure_set", "cut", "age", "page", "darkness", "power",
            "clip", "tiles", "quality", "size", "short_side", "hair_kernel", "hair_threshold", "strength")  # fmt: skip
    stem = {"age": "dataset", "page": "dataset", "cut": "segment", "opacity": "explain"}
    key = keys[rng.integers(len(keys))]
    threshold = key in ("threshold", "cost", "errors", "sure", "sure_set")
    where = stem.get(key, "out_of_distribution" if threshold else "preprocessing")
    return opening(where, {key: NUMBERS[rng.integers(len(NUMBERS))]})


def all_odd(rng: Rng, _: Path) -> Input:
    """Every parameter that there is, but for a few that are left as they are."""
    return opening(page(rng), {key: value(rng) for key in KEYS if rng.integers(4)})


def repeated(rng: Rng, _: Path) -> Input:
    """Parameters more than once."""
    keys = rng.choice(KEYS, 4, replace=False)
    return opening(page(rng), {str(key): [value(rng) for _ in range(rng.integers(2, 30))] for key in keys})


def unknown(rng: Rng, _: Path) -> Input:
    """Parameters that no page has."""
    names = ("embed", "embed_options", "__proto__", "<b>", "Z" * 5000, " ", "RUN", "run[]", "\u202e", "a\x00b")
    return opening(page(rng), {str(name): value(rng) for name in rng.choice(names, 4, replace=False)})


KINDS: dict[str, Make] = {make.__name__: make for make in (one_odd, number, all_odd, repeated, unknown)}


def _warm() -> None:
    for stem in PAGES:
        open_link(stem, {})


PART = Part(KINDS, _warm, 60.0)
