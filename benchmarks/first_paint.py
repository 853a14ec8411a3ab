"""What a visitor on a slow line waits for: python -m benchmarks.first_paint [PAGE ...]

Chromium with Lighthouse's "Fast 3G" (1.6 Mbit/s down, 750 kbit/s up, 150 ms) and a processor slowed down four times
opens each page twice with one cache: the first time anything is painted, the time until the page's own title is there,
and the MB that came over the line. The dashboard is started on what ships and has prepared itself before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from tempfile import TemporaryDirectory

from playwright.sync_api import BrowserContext, sync_playwright

from benchmarks.classroom import HOME, server
from tests.browser.served import CHROMIUM, FLAGS

PAGES = ("", "analyse", "compare", "out_of_distribution")
LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
SLOWER = 4
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def visit(context: BrowserContext, url: str) -> tuple[float, float, float]:
    """Seconds to the first paint and to the page's title, and MB received."""
    page = context.new_page()
    line = context.new_cdp_session(page)
    received = 0.0

    def count(event: dict[str, float]) -> None:
        nonlocal received
        received += event["encodedDataLength"] / 1e6

    line.send("Network.enable")
    line.on("Network.loadingFinished", count)
    line.send("Network.emulateNetworkConditions", LINE)
    line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    start = time.monotonic()
    page.goto(url, wait_until="commit", timeout=120_000)
    page.wait_for_selector("[data-testid='stMain'] h1", timeout=120_000)
    titled = time.monotonic() - start
    painted = float(page.evaluate(PAINTED)) / 1e3
    page.wait_for_selector("[data-testid='stStatusWidget']", state="detached", timeout=120_000)
    page.wait_for_timeout(3000)  # charts are fetched when they are drawn
    page.close()
    return painted, titled, received


def main(pages: Sequence[str]) -> None:
    print(f"{'page':22}{'visit':>8}{'first paint s':>15}{'title s':>9}{'MB':>7}")
    with server(HOME) as (url, _), sync_playwright() as playwright, TemporaryDirectory() as profile:
        time.sleep(30)
        for path in pages:
            with TemporaryDirectory(dir=profile) as cache:
                context = playwright.chromium.launch_persistent_context(
                    cache, executable_path=CHROMIUM, args=FLAGS, viewport={"width": 1280, "height": 800}
                )
                for words in ("first", "second"):
                    painted, titled, received = visit(context, f"{url}/{path}")
                    print(f"{path or 'overview':22}{words:>8}{painted:15.2f}{titled:9.2f}{received:7.2f}", flush=True)
                context.close()


if __name__ == "__main__":
    main(sys.argv[1:] or PAGES)
