"""The browser and a page that fails its test if something goes wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.served import CHROMIUM, FLAGS, PATIENCE, ROOT, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Chromium and is slow."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, the installed one."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `server` writes what it says."""
    return tmp_path_factory.mktemp("dashboard") / "server.log"


@pytest.fixture(scope="session")
def server(runs_root: Path, data_root: Path, server_log: Path) -> Iterator[str]:
    """The dashboard, with the small run and the synthetic data; modules with pages of their own start another."""
    with serving(
        ROOT / "app" / "Home.py", server_log, LESION_RUNS=str(runs_root), LESION_DATA=str(data_root)
    ) as address:
        yield address


@pytest.fixture
def problems() -> list[str]:
    """What goes wrong in `page`: a test fails if it is not empty in the end."""
    return []


@pytest.fixture
def page(browser: Browser, problems: list[str]) -> Iterator[Page]:
    """A page of a laptop's size; errors in scripts, failed requests and messages on the console fail the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    # Streamlit's client first looks for its server below the page's own path; those two answers are meant to be 404.
    opened.on(
        "response",
        lambda r: (
            problems.append(f"{r.status} {r.url}")
            if r.status >= 400 and not r.url.endswith(("/_stcore/health", "/_stcore/host-config"))
            else None
        ),
    )
    # What the browser itself takes back, a picture that the next one replaces or a reload cuts off, did not fail.
    opened.on(
        "requestfailed",
        lambda r: (
            problems.append(f"{r.failure} {r.url}")
            if not r.url.startswith("data:") and r.failure != "net::ERR_ABORTED"
            else None
        ),
    )
    opened.on("console", lambda m: problems.append(m.text) if m.type == "error" and "404" not in m.text else None)
    yield opened
    opened.close()
    assert problems == []
