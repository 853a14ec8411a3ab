"""The policy that goes with every answer, from the command line on."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app import server, state


@pytest.fixture(autouse=True)
def _own_arguments() -> Iterator[None]:
    state._arguments.cache_clear()
    yield
    state._arguments.cache_clear()


def test_the_sites_that_are_named_may_show_it_in_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = ["https://courses.example.org", "http://localhost:8080", "https://*.example.org"]
    monkeypatch.setattr(sys, "argv", ["Home.py", *(part for site in sites for part in ("--embed-in", site))])
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("x"))], middleware=server.security())
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
        server.security()


def test_the_inline_script_of_the_start_page_is_allowed_and_no_other() -> None:
    """Streamlit's own page: one that an update changes is allowed as it is then."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    inline = re.findall(r"<script>([\s\S]*?)</script>", page)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in inline}
    allowed = re.search(r"script-src ([^;]*)", server.content_security_policy())
    assert allowed and set(allowed[1].split()) == {"'self'", "blob:", *hashes}
