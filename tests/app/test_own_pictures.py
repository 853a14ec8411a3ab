"""A visitor's file does not stay as long as the visit."""

from __future__ import annotations

import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.cache import uploads
from tests.app.test_uploads import PNG
from tests.literal import open_page


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
