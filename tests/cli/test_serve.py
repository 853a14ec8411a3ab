"""Several workers behind nginx: one visitor, one worker, also when another dies; and nothing is left at the end."""

from __future__ import annotations

import asyncio
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.visitor import Action, Visitor
from lesion_core.cli import proxy as proxies
from lesion_core.cli.proxy import Proxy, free_ports
from lesion_core.errors import ConfigError
from tests.literal import finished

ROOT = Path(__file__).parents[2]
try:
    NGINX = proxies.nginx()
except ConfigError:
    NGINX = ""
needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx is not installed (Debian: apt-get install nginx-light)")
PATIENCE_S = 120
"""Within it a bare page starts on a busy machine."""

SCRIPT = """
import os
import sys
import zlib

sys.path.insert(0, {root!r})
import numpy as np
import streamlit as st

if __name__ == "__main__":
    st.text(f"worker {{os.getpid()}} link {{st.query_params.get('image', '')}}")
    # An image of its own for each link: else another session of the wrong worker might hold it.
    seed = zlib.crc32(st.query_params.get("image", "").encode())
    st.image(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8))
    files = st.file_uploader("image", accept_multiple_files=True)
    st.text(f"bytes {{sum(file.size for file in files)}}")
else:
    from app.server import middleware

    served = st.App(__file__, middleware=middleware())
"""
BEHIND_NGINX = """
import sys
from lesion_core.cli.proxy import Proxy, free_ports
from lesion_core.cli.serve import serve_behind_nginx

def command(port):
    own = [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"]
    return [sys.executable, "-m", "streamlit", "run", sys.argv[1], *own, "--server.fileWatcherType=none"]

serve_behind_nginx(command, Proxy(free_ports(2), int(sys.argv[2])))
"""


@dataclass
class Witness(Visitor):
    """A visitor who remembers the texts of the page."""

    texts: list[str] = field(default_factory=list)

    async def _next(self, action: Action) -> ForwardMsg:
        message = await super()._next(action)
        if message.WhichOneof("type") == "delta" and message.delta.new_element.WhichOneof("type") == "text":
            self.texts.append(message.delta.new_element.text.body)
        return message

    async def seen(self, link: str) -> list[str]:
        """The texts of a link, which opened without a failure; a broken connection is made again as a browser does."""
        for _ in range(5):
            self.texts.clear()
            action = Action(link, time.monotonic())
            await self.act(link, action)
            if not action.failure.startswith("disconnected"):
                break
            await asyncio.sleep(0.5)
        assert action.failure == ""
        return self.texts

    async def worker(self, link: str) -> int:
        texts = await self.seen(link)
        assert texts[0].endswith(f"link {link.rpartition('=')[2]}"), "the state is in the link"
        return int(texts[0].split()[1])


@dataclass(frozen=True)
class Served:
    address: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def until_said(self, text: str, times: int = 1) -> None:
        eventually(lambda: self.said().count(text) >= times or self.process.poll() is not None)
        assert self.process.poll() is None and self.said().count(text) >= times, self.said()


def eventually(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def serving(folder: Path, command: list[str], port: int) -> Iterator[Served]:
    """A command that serves, until the block ends; its temporary files lie in `folder`/tmp."""
    (folder / "tmp").mkdir()
    log = folder / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said)
    try:
        served = Served(f"http://127.0.0.1:{port}", port, process, log)
        served.until_said("Ready: ")
        yield served
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@contextmanager
def small_pages(folder: Path) -> Iterator[Served]:
    """Two workers of a page that costs nothing."""
    script = folder / "page.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    [port] = free_ports(1)
    with serving(folder, [sys.executable, "-c", BEHIND_NGINX, str(script), str(port)], port) as served:
        yield served


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with small_pages(tmp_path_factory.mktemp("workers")) as served:
        yield served


def ask(port: int, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def below(process: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        if parent == process:
            own = int(stat.parent.name)
            found |= {own} | below(own)
    return found


def running(process: int) -> bool:
    """Whether it has not ended; one that nobody has asked about its end (a zombie) has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_nginx
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_nginx_accepts_the_configuration(tmp_path: Path, workers: int, framed: bool, address: str) -> None:
    """Whole, and the printed part within the configuration of somebody else."""
    door = Proxy(free_ports(workers), free_ports(1)[0], address, framed)
    other = f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{door.site()}}}\n"
    for text in (door.whole(), other):
        (tmp_path / "nginx.conf").write_text(text)
        test = [NGINX, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
        done = subprocess.run(test, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "warn" not in done.stderr, done.stderr


@needs_nginx
@pytest.mark.slow
def test_each_visitor_keeps_a_worker_for_page_websocket_image_and_upload(pages: Served, tmp_path: Path) -> None:
    """A file of more than nginx's own limit; the workers refuse an image or upload of a session that they lack."""
    picture = tmp_path / "a.bin"
    picture.write_bytes(b"x" * 3 * 2**20)

    async def class_of(size: int) -> list[set[int]]:
        visitors = [Witness(pages.address, number, PATIENCE_S, media=True, upload=picture) for number in range(size)]

        async def visit(visitor: Witness) -> set[int]:
            workers = {await visitor.worker(f"?image={visitor.number}-{n}") for n in range(3)}
            assert (await visitor.seen("upload:?image=b"))[-1] == f"bytes {3 * 2**20}"
            await visitor.hang_up(forget=True)
            workers.add(await visitor.worker("?image=reloaded"))
            return workers

        try:
            return await asyncio.gather(*map(visit, visitors))
        finally:
            await asyncio.gather(*(visitor.leave() for visitor in visitors))

    seen = finished(class_of(6))
    assert all(len(workers) == 1 for workers in seen)
    assert len(set().union(*seen)) == 2, "both workers have visitors"


@needs_nginx
@pytest.mark.slow
def test_visitors_of_a_killed_worker_go_on_with_their_link_and_the_worker_returns(
    pages: Served, tmp_path: Path
) -> None:
    picture = tmp_path / "a.bin"
    picture.write_bytes(b"x" * 2**20)
    restarts = pages.said().count("answers again")

    async def visit() -> None:
        visitor = Witness(pages.address, 0, PATIENCE_S, media=True, upload=picture)
        try:
            first = await visitor.worker("?image=before")
            os.kill(first, signal.SIGKILL)
            began = time.monotonic()
            second = await visitor.worker("?image=after")
            assert second != first and time.monotonic() - began < 30
            await asyncio.to_thread(pages.until_said, "answers again", restarts + 1)
            await asyncio.sleep(2.5)  # fail_timeout: nginx asks it again
            for number in range(3):  # what HTTP asks for still goes where the websocket is
                assert await visitor.worker(f"?image=returned-{number}") == second
                assert (await visitor.seen("upload:?image=d"))[-1].startswith("bytes ")
            others = [Witness(pages.address, number, PATIENCE_S) for number in range(4)]
            workers = {await other.worker("?image=new") for other in others}
            assert len(workers) == 2 and first not in workers, "new visitors come to the new process too"
            for other in others:
                await other.leave()
        finally:
            await visitor.leave()

    finished(visit())
    assert "SIGKILL" in pages.said()


@needs_nginx
@pytest.mark.slow
def test_headers_come_once_and_nothing_is_told_of_the_machine(pages: Served) -> None:
    for path, method in (
        ("/", "GET"),
        ("/_stcore/health", "GET"),
        ("/no/such/page", "POST"),
        ("/media/none.png", "GET"),
        ("/_stcore/metrics", "GET"),
        ("/_stcore/agent/openapi.json", "GET"),
        ("/../../etc/passwd", "GET"),
        ("/" + "a" * 9000, "GET"),
        ("/", "TRACE"),
    ):
        answer = ask(pages.port, path, method)
        for name in ("X-Content-Type-Options", "Content-Security-Policy"):
            assert len(answer.headers.get_all(name, [])) == 1, (path[:40], method, answer.status, name)
        assert answer.status < 500 and "1.2" not in answer.headers.get("Server", "")
    assert ask(pages.port, "/_stcore/metrics").status == 403


@needs_nginx
@pytest.mark.slow
def test_the_cookie_comes_once_and_only_where_it_changes(pages: Served) -> None:
    def cookies(**headers: str) -> list[str]:
        found = ask(pages.port, "/", **headers).headers.get_all("Set-Cookie", [])
        return [cookie for cookie in found if cookie.startswith("lesion_lab_")]

    [cookie] = cookies()
    name, _, number = cookie.split(";")[0].partition("=")
    assert number in ("1", "2") and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert cookies(Cookie=f"{name}={number}") == []
    for wrong in ("3", "0", "x", "1; 2", "%00", "1" * 500):
        assert len(cookies(Cookie=f"{name}={wrong}")) <= 1


@needs_nginx
@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_and_leaves_neither_process_nor_file(tmp_path: Path, signal_number: signal.Signals) -> None:
    with small_pages(tmp_path) as served:

        async def visit() -> None:
            visitor = Witness(served.address, 0, PATIENCE_S)  # whose websocket is open at the end
            await visitor.worker("?image=x")
            served.process.send_signal(signal_number)
            await asyncio.to_thread(served.process.wait, PATIENCE_S)
            await visitor.leave()

        started = below(served.process.pid)
        assert len(started) == 4, "two workers, nginx's two processes"
        assert any((tmp_path / "tmp").iterdir()), "where its files would be left"
        finished(visit())
    assert served.process.returncode == 0, served.said()
    assert not any(map(running, started))
    assert not any((tmp_path / "tmp").iterdir())
    assert "Traceback" not in served.said()


@needs_nginx
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is not installed (Debian: util-linux)")
def test_where_it_is_killed_itself_no_process_is_left(tmp_path: Path) -> None:
    with small_pages(tmp_path) as served:
        started = below(served.process.pid)
        served.process.kill()
        eventually(lambda: not any(map(running, started)))


@needs_nginx
@pytest.mark.slow
def test_a_worker_that_does_not_start_ends_all(tmp_path: Path) -> None:
    """And says so, in place of being started for ever."""
    code = BEHIND_NGINX.replace('"-m", "streamlit", "run"', '"-c", "raise SystemExit(3)"')
    command = [sys.executable, "-c", code, "x", str(free_ports(1)[0])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1 and "ended before it answered (exit code 3)" in done.stderr
    assert not any(tmp_path.iterdir())


@needs_nginx
@pytest.mark.slow
def test_the_dashboard_itself_answers_behind_nginx(tmp_path: Path) -> None:
    """As a person starts it."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "lesion_core", "serve", "--workers", "2", "--port", str(port)]
    with serving(tmp_path, command, port) as served:

        async def visit() -> None:
            visitor = Visitor(served.address, 0, PATIENCE_S, media=True)
            for link in ("", "dataset"):
                action = Action(link, time.monotonic())
                await visitor.act(link, action)
                assert action.failure == "" and not action.told, link
            await visitor.leave()

        finished(visit())
        headers = ask(port, "/").headers
        assert len(headers.get_all("Content-Security-Policy", [])) == 1 and "script-src" in str(headers)


def test_what_cannot_be_served_is_a_sentence_before_anything_starts(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: str) -> str:
        code, out, err = call("serve", *arguments)
        assert code == 1 and out == "" and "Traceback" not in err and "start" not in err.split(".")[0]
        return str(err)

    monkeypatch.setattr(proxies, "nginx", lambda: "/bin/false")
    monkeypatch.setattr("lesion_core.cli.serve.nginx", lambda: "/bin/false")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} is in use." in refused("--port", str(port))
        assert f"Port {port} is in use." in refused("--no-proxy", "--port", str(port - 1))
    assert "is not an IP address" in refused("--address", "0.0.0.0; include /etc/passwd")
    assert "not an address of this machine" in refused("--address", "203.0.113.7")
    monkeypatch.undo()
    monkeypatch.setattr(proxies.shutil, "which", lambda *_, **__: None)
    assert "nginx is not installed" in refused() and "apt-get install nginx-light" in refused()


def test_the_printed_part_is_for_the_ports_of_workers_without_nginx(call: Any) -> None:
    code, out, _ = call("serve", "--workers", "3", "--port", "8600", "--print-config")
    assert code == 0 and out == Proxy([8601, 8602, 8603], 8600).site()


def test_a_frame_of_another_site_keeps_its_cookie_over_https_only() -> None:
    framed, own = (Proxy([1, 2], 3, framed=framed).site() for framed in (True, False))
    assert "SameSite=None; Secure" in framed and "SameSite=None" not in own
