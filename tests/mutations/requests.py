"""Requests to a running server that no page of ours sends: paths, methods, headers, uploads and sockets of others.

Every answer carries the headers that protect a visitor and tells nothing of the machine, and the server serves on.
"""

from __future__ import annotations

import functools
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.literal import HOME, ROOT
from tests.mutations.oracle import Input, Make, Part

Rng = np.random.Generator
WATCHED = (
    "import os, sys, threading; from streamlit.web.cli import main;"
    "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start(); main()"
)
"""Streamlit's command line, in a process that ends with the one that started it."""
STARTS_WITHIN_S = 300
PATIENCE_S = 120
UPLOAD = 20 * 2**20
"""Bytes that a file may have."""
PATHS = ("/", "/analyse", "/no/such/page", "/_stcore/health", "/_stcore/metrics", "/_stcore/host-config",
         "/_stcore/script-health-check", "/_stcore/stream", "/_stcore/upload_file/a/b", "/_stcore/agent/openapi.json",
         "/media/a.png", "/component/a/index.html", "/_stcore/bidi-components/a/x.js", "/static/js/x.js",
         "/app/static/Home.py", "/favicon.png", "/manifest.json", "/robots.txt")  # fmt: skip
ENDINGS = ("", "/", "//", "/..", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd",
           "/..%5c..%5cwin.ini", "//etc/passwd", "/%00", "/%ff%fe", "/%c0%ae%c0%ae/", ";/../", "?a=%0d%0aX-Evil:%201",
           "?" + "a=b&" * 2000, "/" + "a" * 8000, "/.git/config", "/~root", "/%252e%252e/etc/passwd", "#x", "/con",
           "/%E2%80%AE")  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "x")
SECRETS = (b"Traceback", b'File "', b"site-packages", b"root:", b"set_page_config", ROOT.as_posix().encode(),
           sys.prefix.encode())  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the server sent; status 0 where it closed the connection without a word."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@functools.cache
def port() -> int:
    """The port of the dashboard, started when it is first asked for; it ends with this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        chosen = int(free.getsockname()[1])
    command = [sys.executable, "-c", WATCHED, "run", HOME, "--server.headless=true", "--server.address=127.0.0.1"]
    log = Path(tempfile.mkdtemp(prefix="lesion-requests-")) / "log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            [*command, f"--server.port={chosen}"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=said, stderr=said,
        )  # fmt: skip
    for _ in range(2 * STARTS_WITHIN_S):
        try:
            socket.create_connection(("127.0.0.1", chosen), 1).close()
        except OSError:
            assert server.poll() is None, log.read_text(errors="replace")[-2000:]
            time.sleep(0.5)
        else:
            return chosen
    raise AssertionError("The server does not answer.")


def ask(method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """One request, its path as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", port(), timeout=PATIENCE_S)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value.encode())
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        try:
            for start in range(0, len(body or b""), 2**16):
                connection.send((body or b"")[start : start + 2**16])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered already, or will not
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return Answer(0, {})
    finally:
        connection.close()


def ill(said: Answer) -> str | None:
    """What is wrong with an answer, whatever was asked."""
    if said.status >= 500 and said.status != 501:
        return f"status {said.status}: {said.body[:200]!r}"
    told = said.body + str(said.headers).encode()
    if leaked := [secret for secret in SECRETS if secret in told]:
        return f"it tells {leaked}"
    if "x-evil" in said.headers:
        return "a header of the asker's"
    by_parser = said.status == 0 or (said.status in (400, 431) and b"Invalid HTTP request" in said.body)
    if not by_parser:  # what is not HTTP never reaches the application
        if said.headers.get("x-content-type-options") != "nosniff":
            return f"status {said.status} without nosniff: {said.headers}"
        policy = said.headers.get("content-security-policy", "")
        if "frame-ancestors 'self'" not in policy or "default-src 'self'" not in policy:
            return f"status {said.status} with the policy {policy!r}"
    health = ask("GET", "/_stcore/health")
    return None if health.status == 200 else f"then the server says {health.status}"


def asking(method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Input:
    note = f"{method} {path[:80]} {str(headers or '')[:120]} {len(body or b'')} bytes"
    return Input(lambda: ask(method, path, headers, body), ill, False, note=note)


def odd_path(rng: Rng, _: Path) -> Input:
    """Ways out of a folder, bytes that are not text, and any method."""
    path = PATHS[rng.integers(len(PATHS))] + ENDINGS[rng.integers(len(ENDINGS))]
    return asking(METHODS[rng.integers(len(METHODS))] if rng.integers(2) else "GET", path)


def odd_headers(rng: Rng, _: Path) -> Input:
    """Headers of any size and sense."""
    odd = (
        ("Range", ("bytes=0-", "bytes=-1", "bytes=5-1", "bytes=0-0,2-3", "bytes=" + "0-1," * 5000, "bytes=a-b",
                   "bytes=9" + "9" * 400 + "-")[rng.integers(7)]),
        ("Host", ("evil.example", "", "127.0.0.1:1", "a" * 5000)[rng.integers(4)]),
        ("Origin", ("https://evil.example", "null", "\u202e")[rng.integers(3)]),
        ("Cookie", ("_streamlit_xsrf=" + "a" * 4000, "a" * 60_000, "_streamlit_xsrf=2|x|y|z")[rng.integers(3)]),
        ("X-Huge", "h" * int(rng.integers(1000, 200_000))),
        ("If-None-Match", "*"),
        ("Accept-Encoding", ("gzip;q=nan", "br, " * 3000, "\xff")[rng.integers(3)]),
        ("Content-Type", "multipart/form-data; boundary=" + "b" * 300),
        ("X-Forwarded-For", "::1, " * 1000),
        ("Transfer-Encoding", "chunked, chunked"),
    )  # fmt: skip
    chosen = dict(odd[i] for i in rng.choice(len(odd), 2, replace=False))
    return asking("GET" if rng.integers(3) else "POST", PATHS[rng.integers(len(PATHS))], chosen)


def no_http(rng: Rng, _: Path) -> Input:
    """Bytes that are not a request, or only the beginning of one."""
    start = (b"", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET /" + b"a" * 10**6,
             b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
             b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\x00: c\r\n\r\n")[rng.integers(9)]  # fmt: skip
    data = start + (rng.bytes(200) if rng.integers(2) else b"")

    def act() -> Answer:
        with socket.create_connection(("127.0.0.1", port()), PATIENCE_S) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                said = b"".join(iter(lambda: connection.recv(2**16), b""))
            except OSError:
                said = b""
        return Answer(0, {}, said)

    return Input(act, ill, False, note=f"{data[:60]!r}, {len(data)} bytes")


def visit(origin: str | None = None) -> ClientConnection:
    """A visitor's socket."""
    return connect(
        f"ws://127.0.0.1:{port()}/_stcore/stream", origin=origin, subprotocols=["streamlit"],  # type: ignore[arg-type, list-item]
        open_timeout=PATIENCE_S, max_size=None,
    )  # fmt: skip


def foreign_socket(rng: Rng, _: Path) -> Input:
    """A page of another site wants to be a visitor: it is refused."""
    origin = ("https://evil.example", "null", "http://localhost.evil.example", "http://evil.example:8501",
              "https://127.0.0.1.evil.example:PORT", "file://", "https://evil.example/127.0.0.1:PORT",
              "https://127.0.0.1@evil.example", "http://127.0.0.1:PORT.evil.example", "http://localhost:3000",
              "http://evil.example@127.0.0.1:PORT", "http://127.0.0.1:PORT/evil.example")[rng.integers(12)]  # fmt: skip

    def act() -> str:
        try:
            with visit(origin.replace("PORT", str(port()))):
                return "let in"
        except InvalidStatus as refusal:
            return str(refusal.response.status_code)

    return Input(act, lambda said: None if said == "403" else said, False, note=f"a socket from {origin}")


def odd_messages(rng: Rng, _: Path) -> Input:
    """A visitor's socket that sends what is no message of a browser; others go on."""
    messages = [(rng.bytes(int(rng.integers(1, 2000))), "text", b"", b"\xff" * 10**5)[i] for i in rng.integers(0, 4, 5)]

    def act() -> Answer:
        with visit() as socket_of_visitor:
            try:
                for message in messages:
                    socket_of_visitor.send(message)
            except Exception as closed:
                return Answer(0, {}, repr(closed).encode()[:100])
        return Answer(0, {})

    return Input(act, ill, False, note=f"messages {[m[:10] for m in messages]}")


def upload(rng: Rng, _: Path) -> Input:
    """A visitor's upload: too large, of a foreign origin, without its token, for another's session, damaged."""
    what = ("right", "too large", "no token", "wrong token", "other session", "no form", "two files", "foreign page")[
        rng.integers(8)
    ]
    size = UPLOAD + 3 * 2**20 if what == "too large" else 1000
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + b"x" * size + b"\r\n"
    body = b"nothing" if what == "no form" else part * (2 if what == "two files" else 1) + b"--b--\r\n"

    def act() -> Answer:
        page = ask("GET", "/_stcore/health").headers.get("set-cookie", "")
        token = page.partition("_streamlit_xsrf=")[2].partition(";")[0]
        headers = {"Content-Type": "multipart/form-data; boundary=b", "Cookie": f"_streamlit_xsrf={token}"}
        headers |= {} if what == "no token" else {"X-Xsrftoken": "x" if what == "wrong token" else token}
        headers |= {"Origin": f"http://127.0.0.1:{port()}.evil.example"} if what == "foreign page" else {}
        with visit() as of_visitor:
            of_visitor.send(BackMsg(rerun_script={"query_string": ""}).SerializeToString())
            session = ""
            while not session:
                message = ForwardMsg.FromString(of_visitor.recv(PATIENCE_S))  # type: ignore[arg-type]
                session = message.new_session.initialize.session_id
            owner = "0" * 8 if what == "other session" else session
            return ask("PUT", f"/_stcore/upload_file/{owner}/1", headers, body)

    expected = {
        "right": (204,),
        "too large": (413,),
        "no token": (403,),
        "wrong token": (403,),
        "foreign page": (403,),
        "two files": (204, 400),
    }.get(what, (400,))

    def wrong(said: Answer) -> str | None:
        return ill(said) if said.status in expected else f"status {said.status} for {what}: {said.body[:200]!r}"

    return Input(act, wrong, False, note=what)


KINDS: dict[str, Make] = {
    make.__name__: make for make in (odd_path, odd_headers, no_http, foreign_socket, odd_messages, upload)
}
PART = Part(KINDS, port, 60.0)
