"""Before a class comes, the server opens every page and every tab once, as a visitor would, while nobody else asks.

The first one to open a page waits for its imports, its figures and its intervals; with thirty at once, everybody waits.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import Runtime, SessionClient

from app import state

log = logging.getLogger(__name__)

QUIET = 3.0
"""Seconds without a click of any visitor after which the next page is rehearsed."""
PATIENCE = 300.0
"""Seconds after which a page is given up."""


class Clicks:
    """ASGI middleware that knows how long no visitor has clicked.

    Args:
        app: What answers them.
    """

    last = float("-inf")
    """When, on the monotonic clock; of all visitors of this process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:
            message = await receive()
            Clicks.last = time.monotonic()
            return message

        await self._app(scope, received if scope["type"] == "websocket" else receive, send)


class Rehearsal(SessionClient):
    """A visitor within the server, who opens links and looks at nothing but the names of pages and tabs.

    Args:
        runtime: Streamlit's.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ended = asyncio.Event()
        self._pages: dict[str, str] = {}
        self._tabs: list[str] = []
        self._session = runtime.connect_session(self, {})

    def write_forward_msg(self, msg: ForwardMsg) -> None:
        """Take what Streamlit would send to a browser."""
        kind = msg.WhichOneof("type")
        if kind == "navigation":
            self._pages = {page.url_pathname: page.page_script_hash for page in msg.navigation.app_pages}
        elif kind == "delta" and msg.delta.add_block.HasField("tab"):
            self._tabs.append(msg.delta.add_block.tab.label)
        elif kind == "script_finished" and msg.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._ended.set()

    async def open(self, page: str, **query: str) -> list[str]:
        """Open a link and wait until its script has ended.

        Args:
            page: Its name in links.
            query: Its parameters.

        Returns:
            The titles of its tabs, the open one first.
        """
        self._ended.clear()
        self._tabs = []
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.is_history_navigation = urlencode(query), True
        asked.page_script_hash = self._pages.get(page, "")
        asked.page_name = "" if asked.page_script_hash else page
        self._runtime.handle_backmsg(self._session, message)
        async with asyncio.timeout(PATIENCE):
            await self._ended.wait()
        return list(dict.fromkeys(self._tabs))

    async def every_page(self, may_go_on: Callable[[], bool]) -> int:
        """Open every page and every tab of it, each when it may; how many these were."""
        found = 0
        await self.open("")
        for page in self._pages:
            links: list[dict[str, str]] = [{}]
            for query in links:  # which grows: a page is known by its tabs when it was opened
                while not may_go_on():
                    await asyncio.sleep(QUIET / 10)
                tabs = await self.open(page, **query)
                found += 1
                if not query:
                    links += [{state.TAB: tab} for tab in tabs[1:]]
        return found

    def leave(self) -> None:
        """Close the visit."""
        self._runtime.close_session(self._session)


async def rehearse() -> None:
    """Rehearse, and leave what stays out of garbage collections, as `cache.prepare` does."""
    began = time.monotonic()
    visitor = Rehearsal(Runtime.instance())
    try:
        found = await visitor.every_page(lambda: time.monotonic() - Clicks.last > QUIET)
    except Exception:  # a visitor is told what is wrong when they ask
        log.warning("Not every page could be rehearsed.", exc_info=True)
        return
    finally:
        visitor.leave()
    await asyncio.to_thread(gc.collect)
    gc.freeze()
    log.info("Rehearsed %d pages and tabs in %.1f s.", found, time.monotonic() - began)
