"""What the server changes in Streamlit's own answers: headers say what a page may load and who may show it, and no
path of this machine leaves it.

`streamlit run app/Home.py` serves the `streamlit.App` that it finds in that file, made with what is here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import threading
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app import state
from app.delivery import CompressedFiles, FirstPaint
from app.memory import keep_giving_back
from lesion_core.errors import ConfigError

ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:\d{1,5})?", re.IGNORECASE)
"""What may follow `frame-ancestors`: scheme, host and port, nothing that would begin another directive."""
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


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

        await self._app(scope, receive, answer)


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


def _prepare() -> None:
    from app.cache.prepare import prepare  # with all that it imports: the server listens meanwhile

    prepare()
    keep_giving_back()


@asynccontextmanager
async def started(_: object) -> AsyncIterator[None]:
    """Around the server's life: uploads are received in memory, a desktop's browser is opened, and what the first
    visitor needs is made meanwhile.

    Starlette would write an upload of over 1 MB to a temporary file while it arrives. Streamlit opens a browser for a
    bare script, and leaves it to the owner of an `App`.
    """
    MultiPartParser.spool_max_size = 2 * 2**20 * st.get_option("server.maxUploadSize")
    if not st.get_option("server.headless"):
        host = st.get_option("browser.serverAddress")
        place = f"{host}:{st.get_option('browser.serverPort')}/{st.get_option('server.baseUrlPath')}"
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        # The port listens as soon as this start has ended.
        asyncio.get_running_loop().call_later(1, webbrowser.open, f"{scheme}://{place}")
    threading.Thread(target=_prepare, name="prepare", daemon=True).start()
    yield


def middleware() -> list[Middleware]:
    """The headers of this server, from its command line, how it delivers its start page, and what it keeps to itself.

    Raises:
        SystemExit: The command line is wrong; the message says where.
    """
    try:
        policy = content_security_policy(state.embed_in())
        state.limits()
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    return [
        Middleware(SecurityHeaders, headers=headers),
        Middleware(CompressedFiles, base=st.get_option("server.baseUrlPath")),
        Middleware(FirstPaint),
        Middleware(NoPaths),
    ]
