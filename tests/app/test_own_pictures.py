"""A visitor's file does not stay as long as the visit."""

from __future__ import annotations

import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile
from streamlit.testing.v1 import AppTest

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
    assert app.selectbox(key="image").value == "upload"
    assert bool(app.warning) == (content is not PNG)


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("stem", ["analyse", "explain", "preprocessing", "segment"])
def test_a_broken_file_takes_the_place_of_the_image_before(stem: str) -> None:
    """Whatever is wrong with it: its sentence stands where the image would, and no image with it."""

    def give(app: AppTest, name: str, content: bytes) -> AppTest:
        app.file_uploader(key="upload_file").set_value((name, content, "image/png")).run()
        assert not app.exception and app.selectbox(key="image").value == "upload"
        return app

    app = give(open_page(stem), "good.png", PNG)
    assert pictured(app) and not app.warning and "good.png" in app.selectbox(key="image").options[0]
    for i, content in enumerate((b"", b"no image", PNG[: len(PNG) // 2], PNG[:8] + PNG[40:])):
        give(app, f"broken-{i}.png", content)
        assert not pictured(app) and len(app.warning) == 1
        assert "good.png" not in " ".join(app.selectbox(key="image").options)
        assert not any(popover.get("warning") for popover in app.get("popover")), "closed, it would hide the sentence"
        assert len(app.run().warning) == 1 and not pictured(app), "and it stays"
    give(app, "again.png", PNG)
    assert pictured(app) and not app.warning and "again.png" in app.selectbox(key="image").options[0]
    give(app, "broken.png", b"")
    app.selectbox(key="image").set_value(app.selectbox(key="image").options[1]).run()
    assert pictured(app) and not app.warning, "another image can be chosen"


def pictured(app: AppTest) -> bool:
    """The page shows or measures an image."""
    return any(app.get(kind) for kind in ("image", "metric", "plotly_chart"))
