"""What the server sends to whoever asks: the headers that protect a visitor, nothing about the machine."""

from __future__ import annotations

import gzip
import http.client
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.delivery import SKELETON
from app.navigation import GROUPS
from tests.browser.served import ROOT, serving

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


@pytest.fixture(scope="module")
def server(runs_root: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard, with the small run and the synthetic data."""
    log = tmp_path_factory.mktemp("answers") / "server.log"
    with serving(ROOT / "app" / "Home.py", log, LESION_RUNS=str(runs_root), LESION_DATA=str(data_root)) as address:
        yield address


def ask(server: str, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body; the path goes out as it stands, dots and all."""
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=60)
    try:
        connection.request(method, path, headers=headers)
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
