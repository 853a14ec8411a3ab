"""Uploads of all visitors are decoded one at a time; who waits is told so, and who is sent away keeps the file."""

from __future__ import annotations

import io
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from app import server, state
from app.cache import uploads
from lesion_core.errors import ImageTooLargeError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.decode import Limits, decode
from lesion_core.serving.queue import BoundedLock
from tests.literal import open_page

PAGES = {"analyse": "upload_file", "out_of_distribution": "ood_uploads_0"}
"""Every uploader's key; the pages on one image share the first."""
VISITORS = 6

PNG = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8))[1].tobytes()


def give(stem: str) -> AppTest:
    """A page with an upload."""
    query = {"tab": "Your images"} if stem == "out_of_distribution" else {}
    app, file = open_page(stem, **query), ("mine.png", PNG, "image/png")
    return app.file_uploader(key=PAGES[stem]).set_value([file] if stem == "out_of_distribution" else file).run()


def taken(app: AppTest, stem: str) -> bool:
    """Whether the page has the upload's pixels."""
    if stem == "out_of_distribution":
        return bool(app.session_state["own_pictures"])
    return bool(app.selectbox(key="image").value == "upload")


def test_no_two_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, seen = [], []

    def slow(data: bytes, *, limits: Limits) -> Pixels:
        inside.append(1)
        seen.append(len(inside))
        time.sleep(0.05)
        inside.pop()
        return decode(data, limits=limits)

    monkeypatch.setattr(uploads, "decode", slow)
    with ThreadPoolExecutor(VISITORS) as pool:
        found = list(pool.map(uploads.pixels, [io.BytesIO(PNG) for _ in range(VISITORS)]))
    assert seen == [1] * VISITORS
    assert all(np.array_equal(image, decode(PNG)) for image, _ in found)


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("stem", PAGES)
def test_who_waits_is_told_so_and_served(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns, said = BoundedLock(), threading.Event()
    info = DeltaGenerator.info

    def told(self: DeltaGenerator, body: str, **options: str) -> DeltaGenerator:
        if body == uploads.WAITING:
            said.set()
        return info(self, body, **options)  # type: ignore[arg-type]

    def another(holds: threading.Event) -> bool:
        with turns.take():
            holds.set()
            return said.wait(120)

    monkeypatch.setattr(uploads, "TURNS", turns)
    monkeypatch.setattr(DeltaGenerator, "info", told)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(another, holds := threading.Event())
        assert holds.wait(10)
        app = give(stem)
        assert first.result(10)
    assert taken(app, stem) and not app.exception
    assert uploads.WAITING not in [element.value for element in app.info]


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("stem", PAGES)
def test_who_finds_the_queue_full_is_told_so_and_can_try_again(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = BoundedLock(queue=0, busy="Others are read.")
    monkeypatch.setattr(uploads, "TURNS", turns)
    with turns.take():
        app = give(stem)
        assert [error.value for error in (*app.error, *app.warning) if "Others are read." in error.value]
        assert not taken(app, stem) and not app.exception
    assert taken(app.run(), stem)


def test_the_limit_on_pixels_is_set_by_who_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    large = cv2.imencode(".png", np.zeros((1100, 1000, 3), np.uint8))[1].tobytes()
    try:
        for given, refused in (("1.1", False), ("1", True)):
            state._arguments.cache_clear()
            monkeypatch.setattr(sys, "argv", ["Home.py", "--max-megapixels", given])
            if refused:
                with pytest.raises(ImageTooLargeError, match="the limit is 1 million"):
                    uploads.pixels(io.BytesIO(large))
            else:
                assert uploads.pixels(io.BytesIO(large))[0].shape == (1100, 1000, 3)
        for given in ("0", "151", "nan", "many"):
            state._arguments.cache_clear()
            monkeypatch.setattr(sys, "argv", ["Home.py", f"--max-megapixels={given}"])
            with pytest.raises(SystemExit, match=r"--max-megapixels is .* from 1 to 150"):
                server.middleware()
    finally:
        state._arguments.cache_clear()
