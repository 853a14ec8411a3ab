"""Every page and every tab is opened once before a class comes, and only while nobody clicks."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import parse_qsl

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app import rehearsal
from app.rehearsal import Clicks, Rehearsal

PAGES = {"": (), "tables": ("Metrics", "Each class"), "map": ("Map", "Ask back", "Numbers")}


class Site:
    """What a rehearsal needs of Streamlit's runtime; a page that is opened on its first tab names all of them."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, str]] = []
        self.visits = 0
        self.broken: str | None = None
        self._client: Rehearsal | None = None

    def connect_session(self, client: Rehearsal, user: dict[str, str]) -> str:
        assert user == {}
        self._client, self.visits = client, self.visits + 1
        return "a session"

    def close_session(self, session: str) -> None:
        assert session == "a session"
        self.visits -= 1

    def handle_backmsg(self, session: str, message: BackMsg) -> None:
        assert session == "a session"
        asked = message.rerun_script
        page = asked.page_script_hash.removeprefix("hash of ")
        if page == self.broken:
            raise RuntimeError("no such page")
        tab = dict(parse_qsl(asked.query_string)).get("tab", "")
        self.opened.append((page, tab))
        asyncio.get_running_loop().call_soon(self._answer, page)

    def _answer(self, page: str) -> None:
        assert self._client is not None
        navigation, early, done = ForwardMsg(), ForwardMsg(), ForwardMsg()
        for name in PAGES:
            navigation.navigation.app_pages.add(url_pathname=name, page_script_hash=f"hash of {name}")
        said = [navigation]
        for label in PAGES[page]:
            block = ForwardMsg()
            block.delta.add_block.tab.label = label
            said += [block]
        early.script_finished = ForwardMsg.FINISHED_EARLY_FOR_RERUN
        done.script_finished = ForwardMsg.FINISHED_SUCCESSFULLY
        for message in [*said, early, *said, done]:  # as where the script asks for a rerun
            self._client.write_forward_msg(message)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    found = Site()
    monkeypatch.setattr(rehearsal.Runtime, "instance", lambda: found)
    monkeypatch.setattr(rehearsal, "QUIET", 0.01)
    monkeypatch.setattr(rehearsal.gc, "freeze", lambda: None)
    monkeypatch.setattr(Clicks, "last", float("-inf"))
    return found


def test_every_page_and_every_tab_is_opened_once(site: Site) -> None:
    asyncio.run(rehearsal.rehearse())
    every = [(page, tab) for page, tabs in PAGES.items() for tab in ("", *tabs[1:])]
    assert site.opened == [("", ""), *every], "first the start page, which names the others"
    assert not site.visits


def test_it_waits_while_somebody_clicks(site: Site) -> None:
    asked: list[int] = []

    def quiet() -> bool:
        asked.append(len(site.opened))
        return len(asked) % 3 == 0

    asyncio.run(Rehearsal(site).every_page(quiet))  # type: ignore[arg-type]
    n = len(site.opened)
    assert asked == [opened for opened in range(1, n) for _ in range(3)], "before each link, until it may"


def test_what_cannot_be_opened_is_in_the_log_and_the_visit_ends(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.broken = "tables"
    asyncio.run(rehearsal.rehearse())
    assert "Not every page could be rehearsed" in caplog.text and not site.visits


@pytest.mark.usefixtures("site")
def test_clicks_are_what_visitors_send_on_their_websocket() -> None:

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await receive()

    async def receive() -> Message:
        return {"type": "websocket.receive"}

    async def send(_: Message) -> None: ...

    asyncio.run(Clicks(app)({"type": "http"}, receive, send))
    assert Clicks.last == float("-inf")
    asyncio.run(Clicks(app)({"type": "websocket"}, receive, send))
    assert time.monotonic() - Clicks.last < 3600
