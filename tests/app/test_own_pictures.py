"""What is made of a visitor's own image goes with the visit."""

from __future__ import annotations

import numpy as np
import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile
from streamlit.testing.v1 import AppTest

from app.cache import uploads
from app.cache.drawn import drawn_once
from lesion_core.imaging.arrays import Pixels
from tests.app.test_uploads import PNG
from tests.literal import open_page

IMAGE = np.zeros((20, 30, 3), np.uint8)
CALLS: list[str] = []


@drawn_once()
def part(image: Pixels, name: str) -> None:
    CALLS.append(name)
    st.image(image)


def visit(part, image, own) -> None:  # type: ignore[no-untyped-def]  # run as a script, without what is imported here
    """A page that draws an image twice, which may be the visitor's own, and a sample."""
    from types import SimpleNamespace

    import streamlit as st

    if own:
        st.session_state["uploaded_picture"] = SimpleNamespace(image=image)
    part(image, "own")
    part(image, "own")
    part(image.copy(), "sample")


def test_no_part_of_it_is_kept_for_others() -> None:
    for own, made in ((True, ["own", "sample"]), (False, ["own"]), (False, [])):
        CALLS.clear()
        app = AppTest.from_function(visit, kwargs={"part": part, "image": IMAGE, "own": own}).run()
        assert not app.exception and made == CALLS


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("content", [PNG, PNG[:400]])
def test_the_file_itself_is_dropped_once_it_was_read(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped, really = [], uploads.let_go

    def let_go(file: UploadedFile) -> None:
        really(file)
        ctx = get_script_run_ctx()
        assert ctx and not ctx.uploaded_file_mgr.get_files(ctx.session_id, [file.file_id])
        dropped.append(file.name)

    monkeypatch.setattr(uploads, "let_go", let_go)
    app = open_page("preprocessing")
    app.file_uploader(key="upload_file").set_value(("mine.png", content, "image/png")).run()
    assert not app.exception and dropped == ["mine.png"]
    assert (app.selectbox(key="image").value == "upload") == (content is PNG)
