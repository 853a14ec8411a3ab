"""What a wrong call quotes is short and harmless, wherever in the call it stands."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from lesion_core.cli.options import log_training
from tests.test_foreign_text import HOSTILE

PLACES = {
    "command": ("@",),
    "command of a group": ("ood", "@"),
    "option": ("predict", "x.jpg", "--@", "1"),
    "run": ("predict", "x.jpg", "--run", "@"),
    "policy": ("ood", "score", "x.jpg", "--run", "@", "--policy", "@"),
    "image": ("predict", "@", "--run", "@"),
    "number": ("evaluate", "x", "--resamples", "@"),
    "data": ("train", "--data", "@", "--settings", "@"),
    "settings": ("train", "--data", ".", "--settings", "@"),
    "devices": ("train", "--data", ".", "--devices", "9" * 300 + "@"),
    "backend": ("predict", "x.jpg", "--run", ".", "--backend", "@"),
    "too many": ("runs", "--runs", ".", "@", "@"),
    "folder": ("runs", "--runs", "@"),
    "experiment": ("experiment", "@", "--data", "."),
    "synthetic": ("synthesize", "@", "--per-class", "@"),
}
TEXTS = {name: text for name, text in HOSTILE.items() if name != "surrogate"} | {"bytes": "na\udce9vus"}


@pytest.mark.parametrize("place", PLACES)
def test_what_a_wrong_call_quotes_is_short_and_harmless(place: str, call: Any) -> None:
    for text in TEXTS.values():
        code, out, err = call(*(part.replace("@", text) for part in PLACES[place]))
        told = " ".join((out + err).translate(dict.fromkeys(map(ord, "╭─╮│╰╯\n"), " ")).split())
        assert code in (1, 2) and told.isprintable(), (text[:50], code, told[:500])
        assert len(told) < 1000 and max(map(len, told.split())) < 250, (text[:50], told[:500])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_line_of_the_log_is_one_line(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    log_training()
    logging.getLogger("lesion_core.data").info("the folder %s is not used", text)
    told = stream.getvalue()
    assert (
        told.startswith("the folder ")
        and told.endswith(" is not used\n")
        and len(told) < 2100
        and told[:-1].isprintable()
    )
