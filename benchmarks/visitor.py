"""One scripted visitor of a Streamlit server, in Streamlit's own messages; `classroom.py` makes a class of it.

A visitor opens the websocket /_stcore/stream, sends a BackMsg with `rerun_script` (the page's hash, or its path where
no hash is known yet, and the link's query) and reads ForwardMsgs until `script_finished` says that the script ended.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


@dataclass
class Action:
    """One opened link and what became of it; times in seconds since the class began."""

    link: str
    began: float
    ended: float = 0.0
    received: int = 0
    failure: str = ""
    told: bool = False

    @property
    def page(self) -> str:
        return self.link.partition("?")[0] or "start page"

    @property
    def took(self) -> float:
        return self.ended - self.began


@dataclass
class Visitor:
    """One browser: a session of HTTP with its cookies, a websocket, and the large messages that it still has."""

    url: str
    number: int
    patience: float = 60.0
    media: bool = False
    own_address: bool = False
    upload: Path | None = None
    _http: aiohttp.ClientSession | None = None
    _socket: aiohttp.ClientWebSocketResponse | None = None
    _reader: asyncio.Task[None] | None = None
    _inbox: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _session: str = ""
    _hashes: dict[str, str] = field(default_factory=dict)
    _kept: dict[str, int] = field(default_factory=dict)
    _runs: int = 0
    _uploader: str = ""
    _seen: set[str] = field(default_factory=set)

    @property
    def connected(self) -> bool:
        return self._socket is not None and not self._socket.closed

    async def connect(self) -> None:
        """As a browser opens a page: the document, health (which sets the XSRF cookie), settings, the websocket."""
        if self._http is None:
            address = (f"127.0.{1 + self.number % 250}.1", 0) if self.own_address else None
            jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)  # an address may set cookies; no quotes added
            self._http = aiohttp.ClientSession(cookie_jar=jar, connector=aiohttp.TCPConnector(local_addr=address))
        for path in ("/", "/_stcore/health", "/_stcore/host-config"):
            async with self._http.get(self.url + path) as answer:
                answer.raise_for_status()
        self._inbox = asyncio.Queue()
        # Streamlit's own use of the header: protocol, XSRF token, session to go on with.
        names = ["streamlit", "PLACEHOLDER_AUTH_TOKEN", *([self._session] if self._session else [])]
        self._socket = await self._http.ws_connect(self.url + "/_stcore/stream", protocols=names, max_msg_size=0)
        self._reader = asyncio.create_task(self._read(self._socket, self._inbox))

    @staticmethod
    async def _read(stream: aiohttp.ClientWebSocketResponse, inbox: asyncio.Queue[bytes | None]) -> None:
        """Take all that comes, also while the visitor thinks, so that pings are answered."""
        async for message in stream:
            if message.type is aiohttp.WSMsgType.BINARY:
                inbox.put_nowait(message.data)
        inbox.put_nowait(None)

    async def hang_up(self, *, forget: bool) -> None:
        """Close the websocket; `forget` the session too, as a closed tab does."""
        stream, self._socket = self._socket, None
        if stream is not None:
            await stream.close()
        if forget:
            self._session, self._kept, self._runs, self._seen = "", {}, 0, set()

    async def leave(self) -> None:
        await self.hang_up(forget=True)
        if self._http is not None:
            await self._http.close()

    async def act(self, link: str, action: Action) -> None:
        """Open a link and wait for the end of the script; what happens is written into `action`."""

        async def opened() -> None:
            path, _, query = link.removeprefix("upload:").partition("?")
            await self._run(path, query, action)
            if link.startswith("upload:") and not action.failure:
                await self._put_file(path, query, action)

        await self._attempt(action, opened)

    async def _attempt(self, action: Action, deed: Callable[[], Any]) -> None:
        """Do it; what happens is written into `action`."""
        try:
            async with asyncio.timeout(self.patience):
                if not self.connected:
                    await self.connect()
                await deed()
        except TimeoutError:
            action.failure = "no answer"
            await self.hang_up(forget=True)
        except (aiohttp.ClientError, OSError) as error:
            action.failure = f"disconnected: {type(error).__name__}"
            await self.hang_up(forget=False)

    def _message(self, path: str, query: str) -> BackMsg:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.is_history_navigation = query, True
        state.page_script_hash = self._hashes.get(path, "")
        state.page_name = "" if state.page_script_hash else path
        state.cached_message_hashes.extend(self._kept)
        return message

    async def _run(self, path: str, query: str, action: Action, message: BackMsg | None = None) -> None:
        assert self._socket is not None
        images: list[str] = []
        self._runs += 1
        await self._socket.send_bytes((message or self._message(path, query)).SerializeToString())
        while True:
            answer = await self._next(action)
            kind = answer.WhichOneof("type")
            if answer.metadata.cacheable or kind == "ref_hash":
                self._kept[answer.ref_hash or answer.hash] = self._runs
            if kind == "new_session":
                self._session = answer.new_session.initialize.session_id
                age = answer.new_session.config.max_cached_message_age
                self._kept = {name: run for name, run in self._kept.items() if self._runs - run <= age}
            elif kind == "navigation":
                self._hashes = {page.url_pathname: page.page_script_hash for page in answer.navigation.app_pages}
            elif kind == "page_not_found":
                action.failure = "page not found"
            elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                self._see(answer.delta.new_element, answer.delta.fragment_id, action)
                images += [image.url for image in answer.delta.new_element.imgs.imgs]
            elif kind == "session_event" and answer.session_event.WhichOneof("type") == "script_compilation_exception":
                action.failure = "exception: script does not compile"
            elif kind == "script_finished":
                if answer.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    action.failure = "exception: script does not compile"
                    break
                if answer.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    break
        if self.media:
            await self._fetch([url for url in images if url.startswith("/media/")], action)

    def _see(self, element: Element, fragment: str, action: Action) -> None:  # noqa: ARG002
        """What a person would notice of one element; `fragment` is the part of the page that it runs again with."""
        if element.WhichOneof("type") == "exception" and not element.exception.is_warning:
            action.failure = f"exception: {element.exception.type or 'not told'}"
        action.told |= element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR
        self._uploader = element.file_uploader.id or self._uploader

    async def _next(self, action: Action) -> ForwardMsg:
        data = await self._inbox.get()
        if data is None:
            raise ConnectionResetError
        action.received += len(data)
        message = ForwardMsg()
        message.ParseFromString(data)
        return message

    async def _fetch(self, urls: list[str], action: Action) -> None:
        assert self._http is not None
        for url in dict.fromkeys(urls):
            if url not in self._seen:
                async with self._http.get(self.url + url) as answer:
                    action.received += len(await answer.read())
                    action.failure = action.failure or ("" if answer.ok else f"image: {answer.status}")
                self._seen.add(url)

    async def _put_file(self, path: str, query: str, action: Action) -> None:
        """Upload the file into the page's uploader, as its three steps are: ask where to, put, run."""
        assert self.upload is not None
        if file := await self._send(self.upload.name, self.upload.read_bytes(), action):
            message = self._message(path, query)
            state = message.rerun_script.widget_states.widgets.add()
            state.id = self._uploader
            state.file_uploader_state_value.uploaded_file_info.append(file)
            await self._run(path, query, action, message)

    def _token(self) -> dict[str, str]:
        """The header that the server compares with its cookie."""
        assert self._http is not None
        return {"X-Xsrftoken": {c.key: c.value for c in self._http.cookie_jar}.get("_streamlit_xsrf", "")}

    async def _send(self, name: str, content: bytes, action: Action) -> UploadedFileInfo | None:
        """Ask the server where a file goes to, and put it there; None where it is refused."""
        assert self._http is not None and self._socket is not None
        ask = BackMsg()
        ask.file_urls_request.request_id, ask.file_urls_request.session_id = uuid.uuid4().hex, self._session
        ask.file_urls_request.file_names.append(name)
        await self._socket.send_bytes(ask.SerializeToString())
        while (answer := await self._next(action)).WhichOneof("type") != "file_urls_response":
            pass
        where = answer.file_urls_response.file_urls[0]
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        async with self._http.put(self.url + where.upload_url, data=form, headers=self._token()) as put:
            if not put.ok:
                action.failure = f"upload: {put.status}"
                return None
        return UploadedFileInfo(file_id=where.file_id, name=name, size=len(content), file_urls=where)
