"""A class of scripted visitors on the dashboard, and the same on a bare Streamlit page: python -m benchmarks.classroom

    python -m benchmarks.classroom                                      # 30 visitors, every 2 s, both servers
    python -m benchmarks.classroom --visitors 60 --every 4 --duration 600
    python -m benchmarks.classroom --later 60 --no-peer                 # when the server has rehearsed its pages
    python -m benchmarks.classroom --url http://127.0.0.1:8501 --pid 4711       # a server that runs already
    python -m benchmarks.classroom --self-test                                  # what it counts, checked on a bare page

The dashboard starts on what ships, without LESION_DATA. A visitor (`benchmarks.visitor`) is one session and speaks
Streamlit's own WebSocket messages, without a browser. It waits, opens a link of the list (a page and its state) as the
browser's Back does, so that the link decides the state, and waits for the end of the script: the time is from the
message to `script_finished`, runs that `st.rerun` cuts short included, and for its first link the connection too;
`--media` adds the images that it has not fetched yet. Like a browser it tells the server which large messages it
still has. What stands in no link (buttons, a dragged line) is not pressed.

Closed loop (default): it waits --every seconds on average, acts, and waits again only when the page is there, so a slow
server is asked less. --open: the times to act are fixed beforehand, a late answer delays what follows, and time counts
from when the action was due. *failed*: an exception on the page, page not found, no answer within --patience,
disconnected. *told*: a red box on the page; a page that refuses fast has not answered.

Visitors and server share the machine: the server's CPU an action hardly depends on what else runs there, times do.
Exit status 1 if any action failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit

from benchmarks.served import HOME, bare_server, server, usage
from benchmarks.visitor import Action, Visitor

PAGES = (
    "",
    "?run=resnet101-isic2019",
    *(f"analyse?image={name}" for name in ("synthetic-MEL-1", "synthetic-NV-2", "synthetic-BCC-3", "stranger-text_0")),
    "analyse?image=synthetic-MEL-1&run=resnet152-isic2019",
    "dataset",
    "dataset?data=synthetic&tab=Sex",
    "preprocessing?image=synthetic-NV-1",
    "preprocessing?image=synthetic-MEL-2&hair=true&clahe=true",
    "compare",
    "compare?view=isic2018",
    "compare?run=resnet152-isic2019",
    "compare?tab=Each+class",
    "compare?view=binary&tab=Calibration",
    "segment?image=synthetic-MEL-1",
    "segment?image=synthetic-SCC-2&cut=0.3&show=probability",
    "explain?image=synthetic-MEL-1",
    "explain?image=synthetic-MEL-1&target=NV&layer=layer3",
    "explain?image=synthetic-BCC-1&tab=Change+the+image",
    "explain?image=synthetic-AK-2&tab=The+whole+test+set",
    "robustness?image=synthetic-MEL-1&change=hair",
    "robustness?tab=The+whole+test+set",
    "robustness?tab=Consistency",
    "robustness?tab=Somewhere+else",
    "robustness?tab=Artefacts+in+the+wild",
    "robustness?tab=Does+a+map+know%3F",
    "lessons",
    "lessons?lesson=calibration&step=2",
    "room",
    "out_of_distribution",
    "out_of_distribution?score=confidence&threshold=0.7",
    "out_of_distribution?score=energy&on=calibrate",
    "out_of_distribution?run=resnet101-isic2019&who=site",
    "out_of_distribution?tab=All+scores",
)
"""What a class opens on Lesion Lab: a page's path and its state, as in the address of a browser."""

BARE_PAGES = tuple(f"?state={state}" for state in range(1, 9))


@dataclass
class Result:
    """All that a class did: its actions, how many were asked for, for how long, and the server's use meanwhile."""

    actions: list[Action]
    asked: int
    seconds: float
    usage: dict[int, list[dict[str, float]]]
    load: tuple[float, float] = (0.0, 0.0)


async def attend(options: argparse.Namespace) -> Result:
    """The class: every visitor acts until the time is over or its actions are done."""
    start, load, actions, asked = time.monotonic(), os.getloadavg()[0], [], 0
    end = start + options.duration if options.actions is None else float("inf")
    samples: dict[int, list[dict[str, float]]] = {pid: [usage(pid)] for pid in options.pid}

    async def visit(number: int) -> None:
        nonlocal asked
        draw = random.Random(f"{options.seed}/{number}")
        visitor = Visitor(options.url, number, options.patience, options.media, options.own_address, options.upload)
        due, done = start + options.ramp * number / options.visitors, 0
        while done != options.actions:
            exponential = options.jitter == "exponential"
            pause = draw.expovariate(1 / options.every) if exponential else draw.uniform(0, 2 * options.every)
            due = (due if options.open or not done else time.monotonic()) + pause
            if due >= end:
                break
            asked, done = asked + 1, done + 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() >= end:  # open loop: due, but the one before was not answered in time
                continue
            if draw.random() < options.fresh:
                await visitor.hang_up(forget=True)
            action = Action(draw.choice(options.pages), (due if options.open else time.monotonic()) - start)
            await visitor.act(action.link, action)
            action.ended = time.monotonic() - start
            actions.append(action)
        await visitor.leave()

    async def watch() -> None:
        while True:
            await asyncio.sleep(1)
            for pid, found in samples.items():
                found.append(usage(pid))

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(visit(number) for number in range(options.visitors)))
    watcher.cancel()
    seconds = time.monotonic() - start if options.actions is not None else options.duration
    return Result(actions, asked, seconds, samples, (load, os.getloadavg()[0]))


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values, linear between neighbours."""
    place = share * (len(values) - 1)
    low = int(place)
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (place - low)


def row(name: str, actions: Sequence[Action], seconds: float) -> dict[str, Any]:
    """A line of the table; only answers within the time count as pages a second, all count as times."""
    times = sorted(action.took for action in actions if not action.failure) or [float("nan")]
    in_time = sum(action.ended <= seconds and not action.failure for action in actions)
    return {
        "page": name,
        "actions": len(actions),
        "failed": sum(bool(action.failure) for action in actions),
        "told": sum(action.told for action in actions),
        "a_second": in_time / seconds,
        "median": quantile(times, 0.5),
        "p95": quantile(times, 0.95),
        "max": times[-1],
        "kB": sum(action.received for action in actions) / max(1, len(actions)) / 1e3,
    }


def rows(result: Result) -> list[dict[str, Any]]:
    """The table: a line a page, and one for all."""
    by_page: defaultdict[str, list[Action]] = defaultdict(list)
    for action in result.actions:
        by_page[action.page].append(action)
    lines = [row(name, found, result.seconds) for name, found in sorted(by_page.items())]
    return [*lines, row("all", result.actions, result.seconds)]


def show(result: Result, options: argparse.Namespace) -> None:
    """Print the table and what the server used."""
    print(
        f"{'page':22}{'actions':>8}{'failed':>8}{'told':>6}{'a second':>10}{'median s':>10}{'95 % s':>9}{'max s':>9}"
        f"{'kB each':>9}"
    )
    for line in rows(result):
        print(
            f"{line['page']:22}{line['actions']:8}{line['failed']:8}{line['told']:6}{line['a_second']:10.2f}"
            f"{line['median']:10.3f}{line['p95']:9.3f}{line['max']:9.3f}{line['kB']:9.1f}"
        )
    kind, total = "open" if options.open else "closed", rows(result)[-1]
    rate = result.asked if options.open or options.actions else options.visitors / options.every * result.seconds
    print(
        f"{options.visitors} visitors, every {options.every:g} s, {kind} loop, {result.seconds:.0f} s: "
        f"{rate / result.seconds:.1f} a second asked for, {total['a_second']:.1f} done; "
        f"load average {result.load[0]:.1f} before, {result.load[1]:.1f} after"
    )
    for failure in sorted({action.failure for action in result.actions} - {""}):
        print(f"failed: {sum(action.failure == failure for action in result.actions)} x {failure}")
    for pid, samples in result.usage.items():
        if found := [sample for sample in samples if sample]:
            first, last, most = found[0], found[-1], max(sample["rss"] for sample in found)
            cpu = last["cpu"] - first["cpu"]
            settled = f"{found[120]['rss']:.0f} after two minutes, " if len(found) > 120 else ""  # a sample per second
            print(
                f"server {pid}: {first['rss']:.0f} MB before, {settled}{last['rss']:.0f} after, {most:.0f} most; "
                f"{cpu:.0f} CPU s, {1e3 * cpu / max(1, len(result.actions)):.0f} ms an action; threads "
                f"{first['threads']:.0f} to {last['threads']:.0f}, files {first['files']:.0f} to "
                f"{last['files']:.0f}"
            )


async def warm_up(options: argparse.Namespace) -> None:
    """One visitor opens every link once, before the class; the slowest are printed."""
    visitor = Visitor(options.url, 0, max(options.patience, 300.0), upload=options.upload)
    found, start = [], time.monotonic()
    for link in dict.fromkeys(options.pages):
        action = Action(link, time.monotonic() - start)
        await visitor.act(link, action)
        action.ended = time.monotonic() - start
        found.append(action)
    await visitor.leave()
    found.sort(key=lambda action: -action.took)
    slowest = ", ".join(f"{action.link or 'start page'} {action.took:.1f} s" for action in found[:5])
    print(
        f"first opening of {len(found)} links: {sum(a.took for a in found):.1f} s, the slowest {slowest}; "
        f"failed {sum(bool(a.failure) for a in found)}"
    )


def self_test() -> None:
    """Known actions on the bare page; every count is compared with what was asked for."""

    def run(*given: str) -> tuple[Result, dict[str, Any]]:
        result = asyncio.run(attend(parse([*address, "--every", "0.05", "--actions", "6", *given])))
        return result, rows(result)[-1]

    with bare_server() as (url, process):
        address = ["--url", url, "--visitors", "3", "--pid", str(process.pid)]
        result, total = run("--pages", *BARE_PAGES)
        assert total["actions"] == result.asked == 18 and not total["failed"] and not total["told"], total
        assert len({action.link for action in result.actions}) > 3 and total["kB"] > 1 and total["median"] < 5, total
        assert sum(line["actions"] for line in rows(result)[:-1]) == 18 and usage(process.pid)["rss"] > 20
        _, total = run("--pages", "?slow=1", "--fresh", "0.5", "--media")
        assert not total["failed"] and 0.5 <= total["median"] < 5, total
        _, total = run("--pages", "?wrong=1")
        assert total["failed"] == 18 and total["a_second"] == 0, total
        _, total = run("--pages", "?red=1")
        assert total["told"] == 18 and not total["failed"], total
        _, total = run("--pages", "?slow=1", "--patience", "0.2")
        assert total["failed"] == 18, total
        result, total = run("--open", "--pages", "?slow=1")  # due every 0.05 s, answered every 0.5 s: late ones count
        assert total["median"] > 1 and not total["failed"], total
        process.kill()
        result, total = run("--pages", *BARE_PAGES)
        assert total["failed"] == 18 and all("disconnected" in action.failure for action in result.actions), total
    assert quantile([1.0, 2.0, 4.0], 0.5) == 2 and quantile([1.0, 2.0, 4.0], 0.75) == 3 and quantile([5.0], 0.95) == 5
    print("self-test: all counts are as asked for")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", type=lambda url: url.rstrip("/"), help="of a server that runs; default: start one")
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between a visitor's actions, on average")
    parser.add_argument("--jitter", choices=("exponential", "uniform"), default="exponential")
    parser.add_argument("--duration", type=float, default=90.0, help="seconds")
    parser.add_argument("--actions", type=int, help="of each visitor, in place of a duration")
    parser.add_argument("--ramp", type=float, default=5.0, help="seconds over which the visitors arrive")
    parser.add_argument("--open", action="store_true", help="open loop: times to act are fixed beforehand")
    parser.add_argument("--fresh", type=float, default=0.0, help="share of actions in a new tab: a new session")
    parser.add_argument("--pages", nargs="+", help="links, path?query; upload:path?query puts the file there")
    parser.add_argument("--upload", type=Path, help="a file; adds upload:analyse to the default links")
    parser.add_argument("--media", action="store_true", help="also fetch the images, each once a visitor")
    parser.add_argument("--own-address", action="store_true", help="visitor n from 127.0.n.1, for a proxy's affinity")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds until an action has failed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--later", type=float, default=0.0, help="seconds between server and class")
    parser.add_argument("--warm", action="store_true", help="first one visitor opens every link once")
    parser.add_argument("--pid", type=int, nargs="+", default=[], help="of the servers, to watch what they use (Linux)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--server-option", action="append", default=[], help="of both servers: name=value")
    parser.add_argument("--no-peer", action="store_true", help="only the dashboard, not the bare page")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args(arguments)
    options.pages = options.pages or [*PAGES, *(["upload:analyse"] if options.upload else [])]
    if not options.upload and any(link.startswith("upload:") for link in options.pages):
        parser.error("upload:PAGE needs --upload FILE")
    return options


def measured(options: argparse.Namespace, title: str) -> Result:
    """One class; its table is printed."""
    time.sleep(options.later)
    if options.warm:
        asyncio.run(warm_up(options))
    result = asyncio.run(attend(options))
    print(f"\n{title}")
    show(result, options)
    return result


def main() -> int:
    options = parse()
    if options.self_test:
        self_test()
        return 0
    if options.url:
        results = {options.url: measured(options, options.url)}
    else:
        with server(HOME, options.server_option) as (options.url, process):
            options.pid = [process.pid]
            results = {"dashboard": measured(options, "The dashboard")}
        if not options.no_peer:
            options.pages, options.upload = BARE_PAGES, None
            with bare_server(["runner.postScriptGC=false", *options.server_option]) as (options.url, process):
                options.pid = [process.pid]
                results["bare page"] = measured(options, "A bare page with one Plotly figure, the same load")
    if options.json:
        told = {
            "arguments": {k: str(v) for k, v in vars(options).items()},
            "streamlit": streamlit.__version__,
            "python": platform.python_version(),
            "classes": {
                name: {
                    "rows": rows(result),
                    "asked": result.asked,
                    "seconds": result.seconds,
                    "load": result.load,
                    "usage": result.usage,
                    "actions": [asdict(action) for action in result.actions],
                }
                for name, result in results.items()
            },
        }
        options.json.write_text(json.dumps(told, indent=1))
    return int(any(action.failure for result in results.values() for action in result.actions))


if __name__ == "__main__":
    sys.exit(main())
