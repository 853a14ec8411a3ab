"""What the first visitor needs is there before they come, and what cannot be made stops nothing."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import pytest

from app.cache import prepare as prepared
from app.cache import runs as cached_runs
from lesion_core.errors import RunError
from tests.literal import open_page


@pytest.fixture(autouse=True)
def _collected_again() -> object:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("with_run")
def test_the_first_picture_is_answered_before_anybody_asks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        prepared.prepare()
    assert not [record for record in caplog.records if record.name.startswith(("app", "lesion_core"))]

    def loaded(*_: object) -> None:
        raise AssertionError("The model is loaded again.")

    monkeypatch.setattr("lesion_core.serving.classifier.Engine.__init__", loaded)
    monkeypatch.setattr("lesion_core.serving.segmenter.SegmenterEngine.__init__", loaded)
    assert not open_page("analyse").exception


def test_without_a_run_the_server_starts_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LESION_RUNS", str(tmp_path))
    monkeypatch.delenv("LESION_DATA", raising=False)
    prepared.prepare()
    assert cached_runs.runs() == ([], {})


@pytest.mark.usefixtures("with_run")
def test_what_cannot_be_prepared_is_told_in_the_log_and_on_the_page(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RunError("The weights are damaged.", "Take the folder again.")

    monkeypatch.setattr("lesion_core.serving.classifier.Engine.__init__", broken)
    prepared.prepare()
    assert "Not everything could be prepared" in caplog.text
    app = open_page("analyse")
    assert not app.exception and "The weights are damaged" in app.warning[0].value
