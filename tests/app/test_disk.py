"""The run folders are looked at once in a run of a script, and anew in the next."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.cache import disk
from lesion_core.runs.listing import folder_state
from tests.literal import open_page


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that were looked at."""
    found: list[Path] = []
    monkeypatch.setattr(disk, "folder_state", lambda root: found.append(root) or folder_state(root))
    return found


@pytest.mark.usefixtures("with_run")
def test_a_page_looks_once_however_often_it_asks_for_its_run(looks: list[Path]) -> None:
    for opened in (1, 2):
        assert not open_page("analyse").exception
        assert len(looks) == opened, "the next visitor's script looks anew"


def test_a_change_shows_in_the_next_run_also_after_one_that_failed(tmp_path: Path, looks: list[Path]) -> None:
    def write(name: str) -> None:
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_text("a")

    write("one.json")
    with pytest.raises(RuntimeError), disk.looked_at_once():
        before = disk.state(tmp_path)
        write("two.json")
        assert disk.state(tmp_path) == before and len(looks) == 1
        other = threading.Thread(target=lambda: looks.clear() if disk.state(tmp_path) != before else None)
        other.start()
        other.join()
        assert not looks, "another visitor's script sees it"
        raise RuntimeError
    assert disk.state(tmp_path) == repr(folder_state(tmp_path)) != before
