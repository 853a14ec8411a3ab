"""What a visit shows can be fetched for a while after its script runs again, whoever else comes and goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.runtime import media_file_manager
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app import media
from app.media import LINGER, LingeringFiles


class Visits:
    """Visits of one server, and its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.storage = MemoryMediaFileStorage("/media")
        self.manager = MediaFileManager(self.storage)
        self.now, self.visitor = 0.0, "one"
        monkeypatch.setattr(media_file_manager, "_get_session_id", lambda: self.visitor)

    def script(self, visitor: str, *images: bytes) -> list[str]:
        """A whole run of a visitor's script; gives the names of the files that it shows."""
        self.visitor = visitor
        self.manager.clear_session_refs()
        urls = [self.manager.add(image, "image/jpeg", f"1.{place}") for place, image in enumerate(images)]
        self.manager.remove_orphaned_files()
        return [url.rpartition("/")[2] for url in urls]

    def there(self, name: str) -> bool:
        """Whether a browser gets it."""
        try:
            return bool(self.storage.get_file(name).content)
        except MediaFileStorageError:
            return False


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visits]:
    yield Visits(monkeypatch)


@pytest.mark.parametrize("lingers", [False, True])
def test_an_image_outlives_the_runs_that_leave_it_out_for_a_moment(visits: Visits, lingers: bool) -> None:
    if lingers:
        LingeringFiles(visits.storage, lambda: visits.now)
    (name,) = visits.script("one", b"image")
    visits.manager.clear_session_refs("one")  # their script begins to run again
    visits.script("two", b"another")  # meanwhile, somebody else's ends
    assert visits.there(name) == lingers, "Streamlit alone deletes it"


def test_what_nobody_shows_goes_in_the_end_and_what_is_shown_again_stays(visits: Visits) -> None:
    files = LingeringFiles(visits.storage, lambda: visits.now)
    old, again = visits.script("one", b"old", b"again")
    visits.script("one")
    visits.now = LINGER / 2
    assert visits.script("two", b"again") == [again]
    visits.now = LINGER - 1
    files.sweep()
    assert visits.there(old) and visits.there(again)
    visits.now = LINGER
    files.sweep()
    assert not visits.there(old) and visits.there(again)
    visits.now = 10 * LINGER
    files.sweep()
    assert visits.there(again), "a visitor still sees it"
    visits.script("two")
    visits.now = 11 * LINGER
    files.sweep()
    assert not visits.there(again)


def test_what_lingers_has_a_bound(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MOST", 25)
    LingeringFiles(visits.storage, lambda: visits.now)
    shown = [visits.script("one", bytes([n]) * 10)[0] for n in range(1, 6)]
    assert [visits.there(name) for name in shown] == [False, False, True, True, True]
    assert visits.there(visits.script("one", b"\x03" * 10)[0])
    visits.script("one", b"\x06" * 10)
    assert sum(map(visits.there, shown)) == 2, "what was shown again counts anew"
