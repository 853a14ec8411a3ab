"""Chromium, a server of Streamlit and the wait for its scripts: what all tests in a browser share."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE = 60_000
"""Milliseconds; a model loads within it on a busy machine."""
STARTS_WITHIN = 180
"""Seconds until a server must answer."""

expect.set_options(timeout=PATIENCE)


@contextmanager
def serving(script: Path, log: Path, **environment: str) -> Iterator[str]:
    """Streamlit on a free port of this machine, until the block ends.

    Args:
        script: What it runs.
        log: Where it writes what it says; shown if it does not start.
        environment: Variables on top of this process's.

    Yields:
        Its address.

    Raises:
        AssertionError: It ended, or did not answer within `STARTS_WITHIN` seconds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
    command += ["--server.address=127.0.0.1", f"--server.port={port}"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=said, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(4 * STARTS_WITHIN):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                try:
                    process.wait(0.25)
                except subprocess.TimeoutExpired:
                    continue
                break
        else:
            raise AssertionError(f"The server did not answer: {log.read_text(errors='replace')}")
        assert process.poll() is None, log.read_text(errors="replace")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def settle(page: Page) -> None:
    """Wait until no script of the page runs."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def visit(page: Page, server: str, link: str) -> None:
    """Open a link and wait until its script has run."""
    page.goto(f"{server}/{link}")
    expect(page.locator("h1")).to_contain_text("?")
    settle(page)
