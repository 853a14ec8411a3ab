"""What opening each page costs the server: python -m benchmarks.page_costs [--OPTION=VALUE ...] [LINK ...]

One visitor opens each link once, then some times more: seconds and CPU seconds of the first opening, and CPU ms of a
warm one, which hardly depends on what else the machine does. Streamlit's own share, on the bare page of
`benchmarks.classroom`, is printed last. Options are Streamlit's: --runner.postScriptGC=true is its default.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence

from benchmarks.classroom import BARE_PAGES, HOME, PAGES, bare_server, server, usage
from benchmarks.visitor import Action, Visitor

WARM = 10
"""Warm openings of a link, of which the mean is told."""


async def costs(url: str, pid: int, links: Sequence[str]) -> None:
    """Print a line for each link.

    Raises:
        RuntimeError: A page failed.
    """

    async def open_(link: str) -> tuple[float, float]:
        action, start, before = Action(link, 0.0), time.monotonic(), usage(pid)["cpu"]
        await visitor.act(link, action)
        if action.failure:
            raise RuntimeError(f"{link}: {action.failure}")
        return time.monotonic() - start, usage(pid)["cpu"] - before

    visitor, warm_of_all = Visitor(url, 0, 600.0), []
    for link in links:
        seconds, cpu = await open_(link)
        warm = [1e3 * (await open_(link))[1] for _ in range(WARM)]
        warm_of_all.append(sum(warm) / WARM)
        print(f"{link or 'start page':58}{seconds:9.2f}{cpu:9.2f}{warm_of_all[-1]:9.0f}", flush=True)
    await visitor.leave()
    print(f"{'mean':58}{'':18}{sum(warm_of_all) / len(links):9.0f}")


def main(given: Sequence[str]) -> None:
    options = [option.removeprefix("--") for option in given if option.startswith("--")]
    links = [link for link in given if not link.startswith("--")] or PAGES
    os.environ["LESION_REHEARSAL"] = "0"  # what the server opens by itself would be counted
    print(f"{'link':58}{'first s':>9}{'CPU s':>9}{'warm ms':>9}")
    with server(HOME, options) as (url, process):
        asyncio.run(costs(url, process.pid, links))
    with bare_server(["runner.postScriptGC=false", *options]) as (url, process):
        print("a bare page with one figure")
        asyncio.run(costs(url, process.pid, BARE_PAGES[:3]))


if __name__ == "__main__":
    main(sys.argv[1:])
