"""The first answers to a browser: a start page that shows something, and Streamlit's scripts, compressed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.delivery import FILES, LOOK, ROOT, SHEET, SKELETON, CompressedFiles, FirstPaint

SCRIPTS = sorted((FILES / "static" / "js").glob("*.js"), key=lambda path: path.stat().st_size)[-60:-50]
START = (Path(st.__file__).parent / "static" / "index.html").read_text()
PACKED = {"Content-Encoding": "gzip"}


async def in_pieces() -> object:
    for start in range(0, len(START), 100):
        yield START[start : start + 100]


def client(base: str = "") -> TestClient:
    routes = [
        Route("/", lambda _: HTMLResponse(START)),
        Route("/packed", lambda _: Response(gzip.compress(START.encode()), headers=PACKED, media_type="text/html")),
        Route("/pieces", lambda _: StreamingResponse(in_pieces(), media_type="text/html")),
        Route("/text", lambda _: PlainTextResponse(ROOT.decode())),
        Route("/{rest:path}", lambda _: PlainTextResponse("Streamlit's own", status_code=404)),
    ]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(CompressedFiles, base), Middleware(FirstPaint)]))


@pytest.mark.parametrize("path", ["/", "/pieces", "/packed"])
def test_the_start_page_shows_something_before_its_scripts_are_there(path: str) -> None:
    answer = client().get(path)
    assert answer.content.count(SKELETON) == 1 and ROOT not in answer.content
    assert "<title>Lesion Lab</title>" in answer.text
    assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded
    sheets = SHEET.findall(START.encode())
    assert len(sheets) == 1 and answer.content.count(sheets[0]) == 1
    assert answer.content.index(SKELETON) < answer.content.index(sheets[0]) < answer.content.index(b"</body>")
    ours = b"<style>" + LOOK + b"</style>"
    assert answer.content.index(sheets[0]) < answer.content.index(ours), "ours wins where both say something"
    plain = (
        answer.content.replace(ours, b"").replace(SKELETON, ROOT).replace(b"<title>Lesion Lab<", b"<title>Streamlit<")
    )
    assert plain.replace(sheets[0], b"") == START.encode().replace(sheets[0], b"")


def test_streamlit_still_has_the_place_that_the_skeleton_stands_in() -> None:
    assert START.encode().count(ROOT) == 1


def test_what_is_not_a_start_page_is_left_alone() -> None:
    answer = client().get("/text")
    assert answer.content == ROOT


@pytest.mark.parametrize("base", ["", "lab", "/lab/"])
@pytest.mark.parametrize("script", SCRIPTS[:3], ids=lambda path: path.name)
def test_scripts_come_compressed_and_whole(script: Path, base: str) -> None:
    prefix = f"/{base.strip('/')}" if base else ""
    with client(base).stream("GET", f"{prefix}/static/js/{script.name}", headers={"Accept-Encoding": "gzip"}) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip" and "javascript" in answer.headers["content-type"]
    assert "immutable" in answer.headers["cache-control"] and answer.headers["vary"] == "Accept-Encoding"
    assert len(body) < script.stat().st_size
    assert gzip.decompress(body) == script.read_bytes()


@pytest.mark.parametrize(
    ("path", "encoding"),
    [
        (f"/static/js/{SCRIPTS[0].name}", "identity"),
        ("/static/js/there_is_none.js", "gzip"),
        ("/static/js", "gzip"),
        ("/static/../index.html", "gzip"),
        ("/static/%2e%2e/%2e%2e/__init__.py", "gzip"),
        ("/static/js/../../../cli.py", "gzip"),
        ("/index.html", "gzip"),
        ("/_stcore/health", "gzip"),
    ],
)
def test_everything_else_is_answered_by_streamlit(path: str, encoding: str) -> None:
    answer = client().get(path, headers={"Accept-Encoding": encoding})
    assert answer.text == "Streamlit's own" and "content-encoding" not in answer.headers
