"""What a browser gets first: a page that shows something before Streamlit's scripts are there, and these compressed.

Streamlit sends its scripts as they are, over 2 MB for any page and 4.7 MB more for the first chart, and its start page
is blank until they run.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from functools import lru_cache
from pathlib import Path

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILES = Path(st.__file__).parent / "static"
"""Streamlit's own files; the names of those below `static/` in it change with what is in them."""
COMPRESSED = {".js", ".css", ".svg"}
A_YEAR = "public, immutable, max-age=31536000"
ROOT = b'<div id="root"></div>'
"""Where Streamlit's scripts draw the page; what stands in it goes then."""
LOOK = (Path(__file__).parent / "look.css").read_bytes()
"""What the theme cannot say of our pages."""
SHEET = re.compile(rb'<link rel="stylesheet"[^>]*>')
SKELETON = b"""<div id="root"><style>
.first{font-family:"Source Sans",sans-serif;color:#1C2B2D;background:#FCFCFA;min-height:100vh;display:flex}
.first nav{width:16rem;background:#F1F3F1;padding:1.5rem 1.25rem;box-sizing:border-box}
.first main{flex:1;padding:4.5rem 5rem;box-sizing:border-box;max-width:100%}
.first b{font-size:1.35rem}.first p{color:#4A5A5C;max-width:46rem}
.first i{display:block;background:#E3E8E6;border-radius:.3rem;height:1rem;margin:1rem 0}
.first .large{height:22rem;margin-top:2rem}
@media(prefers-color-scheme:dark){.first{color:#F2F6F5;background:#0E1517}.first nav{background:#151E20}
.first p{color:#A9B8B8}.first i{background:#2A373A}}
@media(max-width:760px){.first nav{display:none}.first main{padding:3rem 1.25rem}}
</style><div class="first" role="status"><nav><b>Lesion Lab</b><i></i><i></i><i></i><i></i></nav><main>
<b>Lesion Lab</b><p>How far can you trust a model that looks at skin? The page opens as soon as its scripts are here: on
a first visit about 2 MB, later none. For research and teaching, not a medical device.</p><i style="width:60%"></i>
<i style="width:45%"></i><i class="large"></i></main></div></div>"""


@lru_cache(maxsize=256)
def compressed(name: str) -> bytes | None:
    """One of Streamlit's files, gzipped; None where there is none of that name.

    Args:
        name: Its path below `FILES`.
    """
    path = (FILES / name).resolve()
    if not path.is_relative_to(FILES.resolve() / "static") or path.suffix not in COMPRESSED or not path.is_file():
        return None
    return gzip.compress(path.read_bytes(), 9, mtime=0)


class CompressedFiles:
    """ASGI middleware that answers for Streamlit's scripts and styles where a browser takes gzip: each is compressed
    once and kept, a few MB in all.

    Args:
        app: What answers everything else.
        base: `server.baseUrlPath`.
    """

    def __init__(self, app: ASGIApp, base: str = "") -> None:
        self._app = app
        self._prefix = f"/{base.strip('/')}/".replace("//", "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = str(scope.get("path", "")).removeprefix(self._prefix)
        if (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and name.startswith("static/")
            and "gzip" in Headers(scope=scope).get("accept-encoding", "")
            and (body := await run_in_threadpool(compressed, name)) is not None
        ):
            headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "Cache-Control": A_YEAR}
            answer = Response(body, media_type=mimetypes.guess_type(name)[0], headers=headers)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def with_skeleton(page: bytes) -> bytes:
    """The start page with `SKELETON` in it, and after that its style sheet and `LOOK`: in the head a browser paints
    nothing before the sheet is there, and asks for it after all scripts. Other pages stay as they are."""
    if ROOT not in page:
        return page
    sheets = b"".join(SHEET.findall(page))
    page = SHEET.sub(b"", page).replace(b"</body>", sheets + b"<style>" + LOOK + b"</style></body>")
    return page.replace(ROOT, SKELETON).replace(b"<title>Streamlit<", b"<title>Lesion Lab<")


class FirstPaint:
    """ASGI middleware that makes the start page one that is never blank: `with_skeleton`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        parts: list[bytes] = []

        async def answer(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                if MutableHeaders(scope=message).get("content-type", "").startswith("text/html"):
                    start = message  # with the length of the body that is not known yet
                    return
            elif start is not None and message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if message.get("more_body", False):
                    return
                headers, body = MutableHeaders(scope=start), b"".join(parts)
                compressed = headers.get("content-encoding") == "gzip"  # at every address but that of the start page
                body = with_skeleton(gzip.decompress(body) if compressed else body)
                body = gzip.compress(body, mtime=0) if compressed else body
                del headers["accept-ranges"]
                headers["content-length"] = str(len(body))
                await send(start)
                message = {"type": "http.response.body", "body": body}
            await send(message)

        await self._app(scope, receive, answer if scope.get("method") == "GET" else send)
