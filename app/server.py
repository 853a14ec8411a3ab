"""What the server changes in Streamlit's own answers: headers say what a page may load and who may show it, and no
path of this machine leaves it.

`streamlit run app/Home.py` serves the `streamlit.App` that it finds in that file, made with what is here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import re
import socket
import stat
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.config import is_manually_set
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.server_util import allow_all_cross_origin_requests

from app import state
from app.delivery import CompressedFiles, FirstPaint
from app.media import let_linger
from app.memory import keep_giving_back
from app.rehearsal import Clicks, rehearse
from app.room.shared import rooms
from lesion_core.errors import ConfigError
from lesion_core.foreign_text import shown

log = logging.getLogger(__name__)

SWITCH = 0.001
"""Seconds after which a page's script lets others run; Python's own 5 ms add up for phones, whose answers need several
turns each."""
ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:\d{1,5})?", re.IGNORECASE)
"""What may follow `frame-ancestors`: scheme, host and port, nothing that would begin another directive."""
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_PARTS = re.compile(r"(https?)://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE | re.ASCII)
_PORTS = {"http": 80, "https": 443}
_READS = {"GET", "HEAD", "OPTIONS"}


def content_security_policy(embed_in: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of every answer: only what this server sends is loaded and run.

    Streamlit needs the exceptions: styles are written by its scripts, components and workers start from blobs, and
    the one inline script of its start page is allowed by its hash.

    Args:
        embed_in: Origins whose pages may show the dashboard in a frame, beside its own.

    Raises:
        ConfigError: One is not an origin.
    """
    for origin in embed_in:
        if not ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"'{origin}' is not the address of a site.",
                "Give scheme and host alone after --embed-in, such as https://courses.example.org.",
            )
    start_page = (Path(st.__file__).parent / "static" / "index.html").read_bytes()
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(start_page)]
    directives = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", "blob:", *(f"'sha256-{digest}'" for digest in hashes)]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": " ".join(["'self'", *embed_in]),
    }
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


class SecurityHeaders:
    """ASGI middleware that sets `headers` on every answer to a request."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, answer if scope["type"] == "http" else send)


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin, None for what is not one."""
    if not (found := _PARTS.fullmatch(text)):
        return None
    scheme, host = found[1].lower(), found[2].lower()
    return scheme, host, int(found[3] or _PORTS[scheme])


def allowed_origin(origin: str, host: str, listed: Sequence[str] = ()) -> bool:
    """Whether a page of an origin may use this server: its own pages, and those of the sites that are listed.

    Streamlit compares the host alone, as `urlsplit` finds it, with names that it takes for its own: to it
    ``http://127.0.0.1:8501.evil.example`` and any program's page on a port of the visitor's machine are at home. For
    all others it asks a service on the internet for the server's address, and answers nobody meanwhile.

    Args:
        origin: The header ``Origin``: scheme, host and port.
        host: The header ``Host``: host and port. Whether a proxy took HTTPS off cannot be seen, so a port that is
            left out is the default of the origin's scheme.
        listed: Origins beside its own (`server.corsAllowedOrigins`); one without a scheme stands for both.

    Example:
        >>> allowed_origin("https://lab.example.org", "lab.example.org")
        True
        >>> allowed_origin("http://127.0.0.1:8501.evil.example", "127.0.0.1:8501")
        False
    """
    found = _origin(origin)
    if found is None:
        return False
    own = [f"{found[0]}://{entry.strip().rstrip('/')}" for entry in (host, *(e for e in listed if "://" not in e))]
    return found in map(_origin, [*own, *(entry.strip().rstrip("/") for entry in listed if "://" in entry)])


class OwnOrigins:
    """ASGI middleware that refuses WebSockets and whatever changes something (uploads) to pages of other origins.

    What sends no ``Origin`` is not a browser and passes, as with Streamlit, which checks what is let through once
    more.

    Args:
        app: What answers the others.
        listed: Origins that are allowed beside the server's own.
    """

    def __init__(self, app: ASGIApp, listed: Sequence[str] = ()) -> None:
        self._app, self._listed = app, listed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in _READS):
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            for origin in headers.getlist("origin"):
                if not allowed_origin(origin, host, self._listed):
                    log.warning(
                        "A page of %s was refused at %s. A proxy must pass on the Host that visitors ask for; other "
                        "sites are allowed with --server.corsAllowedOrigins.",
                        shown(origin),
                        shown(host),
                    )
                    if scope["type"] == "websocket":
                        await send({"type": "websocket.close", "code": 1008})
                    else:
                        answer = PlainTextResponse("Pages of other sites cannot use this server.\n", 403)
                        await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)


class NoPaths:
    """ASGI middleware that keeps the place of the script on the server's disk from the browser.

    Streamlit begins each run of a script with it; the browser makes an id of it and needs the name alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            data = message.get("bytes")
            if message["type"] == "websocket.send" and data and b"Home.py" in data:  # few are taken apart
                said = ForwardMsg.FromString(data)
                if said.WhichOneof("type") == "new_session":
                    said.new_session.main_script_path = Path(said.new_session.main_script_path).name
                    message = {**message, "bytes": said.SerializeToString()}
            await send(message)

        await self._app(scope, receive, tell if scope["type"] == "websocket" else send)


def _prepare(prepared: Callable[[], object], sweep: Callable[[], None]) -> None:
    from app.cache.prepare import prepare  # with all that it imports: the server listens meanwhile

    prepare()
    with suppress(RuntimeError):  # the server has ended meanwhile
        prepared()
    keep_giving_back(sweep)


def answer_at_once() -> int:
    """Let small answers go out at once, on all sockets that this process listens on; how many these are.

    Streamlit binds its socket itself, in a way for which asyncio does not set TCP_NODELAY, and uvicorn writes head and
    body apart: every answer on a kept connection would wait 40 ms for the client's delayed acknowledgement. Linux lets
    accepted connections inherit the setting; elsewhere nothing is changed.
    """
    found = 0
    for entry in Path("/proc/self/fd").glob("[0-9]*"):
        try:
            if not stat.S_ISSOCK(entry.stat().st_mode):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as door:
                tcp = door.family in (socket.AF_INET, socket.AF_INET6) and door.type == socket.SOCK_STREAM
                if tcp and door.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    found += 1
        except OSError:  # closed meanwhile
            continue
    return found


async def _rehearse(prepared: asyncio.Event) -> None:
    """Open every page once, after what the first visitor needs is there."""
    await prepared.wait()
    if runtime.exists() and state.rehearses():
        await rehearse()


async def _sweep_rooms() -> None:
    """Rooms that nobody uses any more go with their answers, also where nobody comes."""
    while True:
        await asyncio.sleep(600)
        await run_in_threadpool(rooms().sweep)


@asynccontextmanager
async def started(_: object) -> AsyncIterator[None]:
    """Around the server's life: uploads are received in memory, small answers go out at once, a desktop's browser is
    opened, what the first visitor needs is made meanwhile, then every page is rehearsed, images stay a little longer
    than they are shown, and rooms without use go.

    Starlette would write an upload of over 1 MB to a temporary file while it arrives. Streamlit opens a browser for a
    bare script, and leaves it to the owner of an `App`.
    """
    sys.setswitchinterval(SWITCH)
    MultiPartParser.spool_max_size = 2 * 2**20 * st.get_option("server.maxUploadSize")
    if not st.get_option("server.headless"):
        host = st.get_option("browser.serverAddress")
        place = f"{host}:{st.get_option('browser.serverPort')}/{st.get_option('server.baseUrlPath')}"
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        # The port listens as soon as this start has ended.
        asyncio.get_running_loop().call_later(1, webbrowser.open, f"{scheme}://{place}")
    sweep = let_linger() if runtime.exists() else lambda: None
    prepared, loop = asyncio.Event(), asyncio.get_running_loop()
    given = (lambda: loop.call_soon_threadsafe(prepared.set)), sweep
    threading.Thread(target=_prepare, args=given, name="prepare", daemon=True).start()
    answer_at_once()
    tasks = [asyncio.create_task(_sweep_rooms()), asyncio.create_task(_rehearse(prepared))]
    yield
    for task in tasks:
        task.cancel()


def _listed() -> list[str]:
    """Origins beside that of the Host: those of the settings, and the address that browsers are told to use."""
    listed = list(st.get_option("server.corsAllowedOrigins"))
    if is_manually_set("browser.serverAddress"):
        address = st.get_option("browser.serverAddress")
        listed += [address, f"{address}:{st.get_option('browser.serverPort')}"]
    return listed


def middleware() -> list[Middleware]:
    """The headers of this server, from its command line, how it delivers its start page, and what it keeps to itself.

    Raises:
        SystemExit: The command line is wrong; the message says where.
    """
    try:
        policy = content_security_policy(state.embed_in())
        state.limits()
        state.public_url()
        rooms()
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    own_origins = [] if allow_all_cross_origin_requests() else [Middleware(OwnOrigins, listed=_listed())]
    return [
        Middleware(SecurityHeaders, headers=headers),
        *own_origins,
        Middleware(CompressedFiles, base=st.get_option("server.baseUrlPath")),
        Middleware(FirstPaint),
        Middleware(NoPaths),
        Middleware(Clicks),
    ]
