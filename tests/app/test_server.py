"""The policy that goes with every answer, from the command line on."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app import server, state


@pytest.fixture(autouse=True)
def _own_arguments() -> Iterator[None]:
    state._arguments.cache_clear()
    yield
    state._arguments.cache_clear()


def test_the_sites_that_are_named_may_show_it_in_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = ["https://courses.example.org", "http://localhost:8080", "https://*.example.org"]
    monkeypatch.setattr(sys, "argv", ["Home.py", *(part for site in sites for part in ("--embed-in", site))])
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("x"))], middleware=server.middleware())
    for path in ("/", "/not-there"):
        policy = TestClient(app).get(path).headers["Content-Security-Policy"]
        assert f"frame-ancestors 'self' {' '.join(sites)}" in policy.split("; ")


@pytest.mark.parametrize(
    "site",
    ["", "*", "example.org", "https://a.b; script-src *", "https://a.b\r\nX: y", "https://a.b/page", "javascript:1"],
)
def test_what_is_not_a_site_stops_the_start_in_a_sentence(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["Home.py", f"--embed-in={site}"])
    with pytest.raises(SystemExit, match="--embed-in, such as"):
        server.middleware()


HERE, OTHERS = (
    "lab.example.org",
    ["https://courses.example.org", "https://mirror.example.org:8443", "plain.example.org"],
)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://lab.example.org", HERE, True),
        ("https://lab.example.org", HERE, True),  # a proxy before it took HTTPS off
        ("https://lab.example.org", f"{HERE}:443", True),
        ("https://LAB.example.org:443", HERE, True),
        ("http://lab.example.org:8501", f"{HERE}:8501", True),
        ("http://lab_1:8501", "lab_1:8501", True),
        ("http://[::1]:8501", "[::1]:8501", True),
        ("http://lab.example.org:8501", HERE, False),
        ("https://lab.example.org", f"{HERE}:80", False),
        ("https://courses.example.org", HERE, True),
        ("http://courses.example.org", HERE, False),
        ("https://courses.example.org:8443", HERE, False),
        ("https://mirror.example.org:8443", HERE, True),
        ("https://mirror.example.org", HERE, False),
        ("http://plain.example.org", HERE, True),
        ("https://plain.example.org", HERE, True),
        ("https://a.plain.example.org", HERE, False),
        ("https://lab.example.org", "", False),
        ("https://lab.example.org", "lab.example.org/x", False),
        ("null", "null", False),
        ("", "", False),
    ],
)
def test_an_origin_is_allowed_by_scheme_host_and_port(origin: str, host: str, allowed: bool) -> None:
    assert server.allowed_origin(origin, host, OTHERS) is allowed


@pytest.mark.parametrize(
    ("options", "origins"),
    [
        ({}, {"http://testserver": 200, "https://a.example": 403, "https://b.example": 403}),
        ({"server.corsAllowedOrigins": ["https://a.example/"]}, {"https://a.example": 200, "https://b.example": 403}),
        ({"server.enableCORS": False}, {"https://a.example": 200, "null": 200}),
        ({"browser.serverAddress": "b.example"}, {"https://b.example": 200, "http://b.example:8501": 200}),
    ],
)
def test_sites_of_the_settings_are_let_in(
    options: dict[str, object], origins: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    option = st.get_option
    monkeypatch.setattr(sys, "argv", ["Home.py"])
    monkeypatch.setattr(st, "get_option", lambda name: options[name] if name in options else option(name))
    monkeypatch.setattr(server, "is_manually_set", options.__contains__)
    monkeypatch.setattr(server, "allow_all_cross_origin_requests", lambda: "server.enableCORS" in options)
    routes = [Route("/", lambda _: PlainTextResponse("x"), methods=["GET", "PUT"])]
    client = TestClient(Starlette(routes=routes, middleware=server.middleware()))
    for origin, status in origins.items():
        answer = client.put("/", headers={"Origin": origin})
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (status, "nosniff")
        assert client.get("/", headers={"Origin": origin}).status_code == 200


async def _length(request: Request) -> PlainTextResponse:
    async with request.form() as form:
        return PlainTextResponse(str(len(await form["file"].read())))  # type: ignore[union-attr]


def test_an_upload_of_any_size_is_received_in_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_disk(_: object) -> None:
        raise AssertionError("An upload was written to disk.")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", to_disk)
    monkeypatch.setattr(MultiPartParser, "spool_max_size", MultiPartParser.spool_max_size)  # put back afterwards
    app = Starlette(routes=[Route("/", _length, methods=["POST"])], lifespan=server.started)
    limit = 2**20 * st.get_option("server.maxUploadSize")
    with pytest.raises(AssertionError, match="written to disk"):
        TestClient(app).post("/", files={"file": bytes(limit)})  # not started: what Starlette does by itself
    with TestClient(app) as client:
        assert client.post("/", files={"file": bytes(limit)}).text == str(limit)


def test_threads_take_turns_sooner_while_it_serves() -> None:
    before = sys.getswitchinterval()
    try:
        with TestClient(Starlette(lifespan=server.started)):
            assert sys.getswitchinterval() == pytest.approx(server.SWITCH)
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("headless", [True, False])
def test_a_browser_is_opened_on_a_desktop(headless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    option, options = st.get_option, {"server.headless": headless, "browser.serverPort": 8600}
    monkeypatch.setattr(st, "get_option", lambda name: options[name] if name in options else option(name))
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with TestClient(Starlette(lifespan=server.started)):
        time.sleep(1.5)
    assert opened == ([] if headless else ["http://localhost:8600/"])


def test_the_inline_script_of_the_start_page_is_allowed_and_no_other() -> None:
    """Streamlit's own page: one that an update changes is allowed as it is then."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    inline = re.findall(r"<script>([\s\S]*?)</script>", page)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in inline}
    allowed = re.search(r"script-src ([^;]*)", server.content_security_policy())
    assert allowed and set(allowed[1].split()) == {"'self'", "blob:", *hashes}


def test_the_place_of_the_script_stays_here_and_all_else_is_sent_as_it_is() -> None:
    begin, other = ForwardMsg(), ForwardMsg(hash="x")
    begin.new_session.main_script_path, begin.new_session.name = "/srv/lab/app/Home.py", "Home"
    other.delta.new_element.markdown.body = "app/Home.py"

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        for message in (begin, other):
            await socket.send_bytes(message.SerializeToString())
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/", stream)], middleware=[Middleware(server.NoPaths)])
    with TestClient(app).websocket_connect("/") as socket:
        first, second = socket.receive_bytes(), socket.receive_bytes()
    assert b"/srv" not in first and ForwardMsg.FromString(first).new_session.name == "Home"
    assert ForwardMsg.FromString(first).new_session.main_script_path == "Home.py"
    assert second == other.SerializeToString()
