"""What the first visitor of a fresh server waits for: python -m benchmarks.start [--rounds N] [--data FOLDER]

From the command `streamlit run` on: until the port answers, until Overview has its title and until it stands still with
its figures; then from the click on *Try one image* until the verdict is there, and until that page stands still. In
brackets the CPU seconds that the server has used since its start, which other work on the machine hardly changes. Each
round is a new server and a new Chromium on what ships; the load of the machine is printed beside it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from benchmarks.served import HOME, server, usage
from tests.browser.served import CHROMIUM, FLAGS

STEPS = ("port", "title", "Overview", "verdict", "Analyse")
VERDICT = "[data-testid='stMain'] h2:has-text('ANSWERED'), [data-testid='stMain'] h2:has-text('UNKNOWN')"
PATIENCE = 300_000


LAST = ".st-key-how-to-read h3"


def first_visit(page: Page, arguments: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Of each of `STEPS` the seconds, the first three from the command and the others from the click, and the server's
    CPU seconds by then."""
    found: dict[str, tuple[float, float]] = {}
    start = time.monotonic()

    def took(step: str) -> None:
        found[step] = time.monotonic() - start, usage(process.pid)["cpu"]

    with server(HOME, arguments=arguments) as (url, process):
        took("port")
        page.goto(url, wait_until="commit", timeout=PATIENCE)
        page.wait_for_selector("[data-testid='stMain'] h1", timeout=PATIENCE)
        took("title")
        page.wait_for_selector("[data-testid='stMetric']", timeout=PATIENCE)
        took("Overview")
        link = page.get_by_role("link", name="Try one image")
        start = time.monotonic()
        link.click()
        page.wait_for_selector(VERDICT, timeout=PATIENCE)
        took("verdict")
        page.wait_for_selector(LAST, timeout=PATIENCE)
        took("Analyse")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="a data folder; none by default")
    given = parser.parse_args()
    arguments = ("--data", str(given.data)) if given.data else ()
    print("".join(f"{step + ' s (CPU)':>18}" for step in STEPS) + f"{'load':>8}")
    with sync_playwright() as playwright:
        for _ in range(given.rounds):
            with TemporaryDirectory() as cache:
                context = playwright.chromium.launch_persistent_context(
                    cache, executable_path=CHROMIUM, args=FLAGS, viewport={"width": 1280, "height": 800}
                )
                found = first_visit(context.new_page(), arguments)
                context.close()
            load = os.getloadavg()[0]
            told = (f"{found[step][0]:.2f} ({found[step][1]:.1f})" for step in STEPS)
            print("".join(f"{text:>18}" for text in told) + f"{load:8.1f}", flush=True)


if __name__ == "__main__":
    main()
