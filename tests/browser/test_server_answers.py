"""What the server sends to whoever asks: the headers that protect a visitor, nothing about the machine."""

from __future__ import annotations

import gzip
import http.client
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app.delivery import SKELETON
from app.navigation import GROUPS
from tests.browser.served import ROOT

ODD = [
    "/",
    "/analyse",
    "/no/such/page",
    "/_stcore/health",
    "/_stcore/metrics",
    "/_stcore/host-config",
    "/_stcore/script-health-check",
    "/_stcore/upload_file/a/b",
    "/_stcore/agent/openapi.json",
    "/media/no-such-file.png",
    "/media/../../../../etc/passwd",
    "/component/no.such/index.html",
    "/component/../app/Home.py",
    "/_stcore/bidi-components/none/x.js",
    "/static/../../../etc/passwd",
    "/static/%2e%2e/%2e%2e/index.py",
    "/static//etc/passwd",
    "/app/static/Home.py",
    "/%00",
    "/%ff%fe",
    "/analyse?image=%00%0d%0aSet-Cookie:%20a=b",
    "/" + "a" * 8000,
]
METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]
OTHER_ORIGINS = [
    "http://127.0.0.1:PORT.evil.example",
    "http://127.0.0.1:PORT@evil.example",
    "http://evil.example@127.0.0.1:PORT",
    "http://127.0.0.1:PORT:evil.example",
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1:PORT/evil.example",
    "http://127.0.0.1:PORT?evil.example",
    "http://127.0.0.1:PORT#evil.example",
    "http://127.0.0.1:PORT, http://evil.example",
    "http://127.0.0.1:PORT http://evil.example",
    "http://evil.example:PORT",
    "http://127.0.0.1.evil.example:PORT",
    "http://127.0.0.1:PORT0",
    "http://127.0.0.1:1",
    "http://127.0.0.1:",
    "http://127.0.0.1",
    "http://localhost:PORT",
    "http://localhost:3000",
    "http://[::1]:PORT",
    "http://[127.0.0.1:PORT",
    "http:127.0.0.1:PORT",
    "http:///127.0.0.1:PORT",
    "http://127.0.0.1\\:PORT",
    "127.0.0.1:PORT",
    "//127.0.0.1:PORT",
    "file://127.0.0.1:PORT",
    "chrome-extension://127.0.0.1:PORT",
    "https://\u0661\u0662\u0667.0.0.1:PORT",
    "file://",
    "null",
    "*",
    "",
]
"""Of pages that are not the server's own at 127.0.0.1:PORT, or of nothing that a browser sends."""


def ask(
    server: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body; the path goes out as it stands, dots and all."""
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ODD)
def test_every_answer_is_protected_and_tells_nothing_of_the_machine(server: str, path: str) -> None:
    for method in METHODS:
        status, headers, body = ask(server, path, method)
        assert status < 500
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = dict(directive.split(" ", 1) for directive in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'self'"
        assert "unsafe-eval" not in policy["script-src"] and "unsafe-inline" not in policy["script-src"]
        said = body + str(headers).encode()
        for secret in (b"Traceback", b'File "', b"site-packages", *(str(p).encode() for p in (ROOT, sys.prefix))):
            assert secret not in said, (method, status)
        assert b"root:" not in body and b"set_page_config" not in body
        assert "a=b" not in str(headers.get("Set-Cookie"))


@pytest.mark.parametrize("encoding", ["identity", "gzip, deflate, br"])
@pytest.mark.parametrize("path", ["/", *(f"/{stem}?run=a" for entries in GROUPS.values() for stem, _, _ in entries)])
def test_every_page_shows_something_before_its_scripts_are_there(server: str, path: str, encoding: str) -> None:
    status, headers, body = ask(server, path, **{"Accept-Encoding": encoding})
    assert status == 200 and headers["Content-Length"] == str(len(body))
    assert SKELETON in (gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body)


def test_what_listens_sets_the_headers_on_scripts_and_styles_too(server: str) -> None:
    page = ask(server, "/")[2].decode()
    script = page.split('type="module" crossorigin src=".')[1].split('"')[0]
    status, headers, body = ask(server, script)
    assert (status, headers["X-Content-Type-Options"]) == (200, "nosniff") and len(body) > 1000
    assert "javascript" in headers["Content-Type"]


def visit(server: str, origin: str | None) -> ClientConnection:
    """A visitor's socket."""
    address = server.replace("http", "ws") + "/_stcore/stream"
    return connect(address, subprotocols=["streamlit"], origin=origin, open_timeout=60, max_size=None)  # type: ignore[list-item, arg-type]


@pytest.fixture(scope="module")
def visitor(server: str) -> Iterator[str]:
    """The session of somebody who is there meanwhile."""
    with visit(server, server) as socket:
        socket.send(BackMsg(rerun_script={"query_string": ""}).SerializeToString())  # type: ignore[arg-type]
        session = ""
        while not session:
            session = ForwardMsg.FromString(socket.recv(60)).new_session.initialize.session_id  # type: ignore[arg-type]
        yield session


def upload(server: str, session: str, **headers: str) -> int:
    """The status of what answers to a file for a session, with the token that belongs to it."""
    token = ask(server, "/_stcore/health")[1]["Set-Cookie"].split("_streamlit_xsrf=")[1].split(";")[0]
    headers |= {"Content-Type": "multipart/form-data; boundary=b", "X-Xsrftoken": token}
    headers["Cookie"] = f"_streamlit_xsrf={token}"
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nx\r\n--b--\r\n'
    return ask(server, f"/_stcore/upload_file/{session}/1", "PUT", body, **headers)[0]


@pytest.mark.parametrize("form", OTHER_ORIGINS)
def test_a_page_of_another_origin_is_no_visitor_and_uploads_nothing(server: str, visitor: str, form: str) -> None:
    origin = form.replace("PORT", str(urlsplit(server).port)).encode().decode("latin-1")
    with pytest.raises(InvalidStatus, match="403"):
        visit(server, origin).close()
    assert upload(server, visitor, Origin=origin) == 403


def test_the_servers_own_pages_and_programs_are_let_in(server: str, visitor: str) -> None:
    for origin in (server, server.replace("http", "HTTP"), None):
        visit(server, origin).close()
        assert upload(server, visitor, **({} if origin is None else {"Origin": origin})) == 204
