"""A long class that does everything people do, and what the server's memory does meanwhile: python -m benchmarks.soak

    python -m benchmarks.soak                                   # 30 visitors for 30 minutes
    python -m benchmarks.soak --visitors 10 --minutes 3 --csv soak.csv
    python -m benchmarks.soak --actions 20                      # of each visitor: a fixed amount of work
    python -m benchmarks.soak --uploads 1000                    # only uploads: 20 MB from all at once, vast, mutated

Visitors (`benchmarks.active_visitor`) open all pages, upload healthy and damaged files, drag and type the threshold,
make policies of their own, press Stop, reload, come back in a new tab, and vanish. The dashboard starts on what ships,
without LESION_DATA, and without a policy that could be saved. Every five seconds a line of the CSV: memory (resident,
and PSS, which counts shared pages once), threads, open files, actions, failures, sentences told.

*Failed*: an exception, an action without an answer, a file that was neither taken nor refused in a sentence, a healthy
file that was refused, and in any message: a path of this machine, a traceback, a file or an image of another visitor;
and a traceback in the server's log. *Growth*: memory at the end of the class against two minutes (or a quarter of the
actions) after its beginning. What a visitor takes: memory at the end of the class minus memory once all have left and
Streamlit has forgotten them; it does so when a visitor comes or goes, so one more is sent. It keeps sessions for two
minutes (--forget-after shortens that, for tests).

Exit status 1 on a failure, on growth over 10 % plus --allowance, on more than --share MB per visitor, or where threads
or open files have not gone back.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import odd_pictures
from benchmarks.active_visitor import ActiveVisitor
from benchmarks.classroom import PAGES
from benchmarks.served import HOME, server, usage
from benchmarks.visitor import Action

ROOT = HOME.parents[1]
SECRETS = (*(str(path).encode() for path in (ROOT, sys.prefix)), b"Traceback (most recent call last)", b'File "/')
"""What no browser may get."""
COMES_BACK_AFTER = 0.5
UPLOAD_PAGES = ("analyse", "preprocessing", "segment", "explain", "out_of_distribution?tab=Your+images")
GROWTH = 0.10
EVERY = 5.0
"""Seconds between two samples."""
SLACK = 4
"""Threads and open files that may be there after a class and were not before it: pools that start on first use."""

Deed = Callable[[ActiveVisitor, random.Random, Action], Awaitable[None]]


async def read(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    await visitor.open(draw.choice(PAGES), action)


async def drag(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    await visitor.drag(f"out_of_distribution?on={draw.choice(('test', 'calibrate'))}", 3, draw, action)


async def keep_policy(visitor: ActiveVisitor, _: random.Random, action: Action) -> None:
    await visitor.press("out_of_distribution?on=calibrate&tab=Save", "Try it out", action)
    if not action.failure:
        await visitor.open("analyse", action)


async def upload_good(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    if await visitor.give(draw.choice(UPLOAD_PAGES), [odd_pictures.good(draw.getrandbits(32))], action):
        action.failure = action.failure or "upload: a healthy file was refused"


async def upload_odd(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    ending, content, refusable = odd_pictures.fuzzed(draw.getrandbits(32))
    said = await visitor.give(draw.choice(UPLOAD_PAGES), [(ending, content)], action, unlike=False)
    if said and not refusable:
        action.failure = action.failure or f"upload: a healthy file was refused: {said[0]}"


async def stop(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    await visitor.stop(draw.choice(PAGES), draw.uniform(0, 1), action)


async def reload(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    """Lose the network and come back to the same session, no sooner than Streamlit's client does: a message that is on
    its way meanwhile is lost, and with it the end of a script that this waits for."""
    await visitor.hang_up(forget=False)
    await asyncio.sleep(COMES_BACK_AFTER)
    await visitor.open(draw.choice(PAGES), action)


async def new_tab(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    await visitor.hang_up(forget=True)
    await visitor.open(draw.choice(PAGES), action)


async def vanish(visitor: ActiveVisitor, draw: random.Random, action: Action) -> None:
    await visitor.vanish(draw.choice(PAGES), draw.uniform(0, 1), action)


DEEDS: dict[Deed, int] = {
    read: 40, drag: 14, keep_policy: 6, upload_good: 10, upload_odd: 12, stop: 7, reload: 4, new_tab: 4, vanish: 3,
}  # fmt: skip
"""What visitors do, with how often."""


def pss(pid: int) -> float:
    """Memory of a process in MB, pages that it shares counted by their share; NaN where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Pss:"))


@dataclass
class Soak:
    """A class and what was seen of it; times in seconds since it began."""

    options: argparse.Namespace
    start: float = field(default_factory=time.monotonic)
    actions: list[Action] = field(default_factory=list)
    visitors: list[ActiveVisitor] = field(default_factory=list)
    samples: list[dict[str, float]] = field(default_factory=list)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return (*SECRETS, *([str(self.options.runs.resolve()).encode()] if self.options.runs else []))

    def sample(self) -> dict[str, float]:
        """What the server uses now, kept."""
        pid = self.options.pid
        now: dict[str, float] = {"seconds": round(time.monotonic() - self.start, 1)}
        now |= {"visitors": sum(visitor.connected for visitor in self.visitors), "pss": pss(pid)} | usage(pid)
        now |= {"actions": len(self.actions), "failures": sum(bool(action.failure) for action in self.actions)}
        self.samples.append(now | {"told": sum(sum(visitor.sentences.values()) for visitor in self.visitors)})
        return self.samples[-1]

    def visitor(self) -> ActiveVisitor:
        """One more."""
        number = len(self.visitors)
        self.visitors.append(ActiveVisitor(self.options.url, number, self.options.patience, secrets=self.secrets))
        return self.visitors[-1]

    async def act(self, visitor: ActiveVisitor, deed: Deed, draw: random.Random) -> None:
        action = Action(deed.__name__, time.monotonic() - self.start)
        await deed(visitor, draw, action)
        action.ended = time.monotonic() - self.start
        self.actions.append(action)

    async def attend(self) -> tuple[dict[str, float], dict[str, float], dict[str, float], dict[str, float]]:
        """The class: samples before it, two minutes (or a quarter) in, at its end, and once all are forgotten."""
        options = self.options
        if options.warm:
            guest = self.visitor()
            for link in PAGES:
                action = Action("first opening", time.monotonic() - self.start)
                await guest.open(link, action)
                action.ended = time.monotonic() - self.start
                self.actions.append(action)
            await guest.leave()
        before, began = self.sample(), time.monotonic()
        whole = options.visitors * options.actions if options.actions else None
        done, early = 0, None

        async def visit(number: int) -> None:
            nonlocal done, early
            draw, visitor, own = random.Random(f"{options.seed}/{number}"), self.visitor(), 0
            await asyncio.sleep(5 * number / options.visitors)
            while own < options.actions if whole else time.monotonic() < began + 60 * options.minutes:
                await asyncio.sleep(draw.expovariate(1 / options.every))
                await self.act(visitor, draw.choices(list(DEEDS), list(DEEDS.values()))[0], draw)
                own, done = own + 1, done + 1
                if early is None and (done >= whole // 4 if whole else time.monotonic() > began + 120):
                    early = self.sample()

        async def watch() -> None:
            while True:
                await asyncio.sleep(EVERY)
                self.sample()

        watcher = asyncio.create_task(watch())
        await asyncio.gather(*(visit(number) for number in range(options.visitors)))
        end = self.sample()
        await self.part()
        watcher.cancel()
        return before, early or end, end, self.sample()

    async def part(self) -> None:
        """All leave; one more comes and goes once the server may forget them."""
        for visitor in self.visitors:
            await visitor.leave()
        for _ in range(2):
            await asyncio.sleep(self.options.forget_after + 2)
            last = self.visitor()
            await self.act(last, new_tab, random.Random(0))
            await last.leave()

    async def uploads(self, mutated: int) -> tuple[dict[str, float], ...]:
        """All at once a file as large as may be, a vast image, a mutated one; then mutated ones one after another."""
        guests = [self.visitor() for _ in range(self.options.visitors)]
        await self.act(guests[0], upload_good, random.Random(0))  # what the first upload loads
        before = self.sample()

        async def large(visitor: ActiveVisitor, _: random.Random, action: Action) -> None:
            if said := await visitor.give("analyse", [odd_pictures.large(visitor.number)], action):
                action.failure = action.failure or f"upload: a file of 20 MB was refused: {said[0]}"

        async def vast(visitor: ActiveVisitor, _: random.Random, action: Action) -> None:
            if not await visitor.give("analyse", [odd_pictures.vast()], action):
                action.failure = action.failure or "upload: an image of 40,000 pixels per side was not refused"

        samples = [before]
        for deed in (large, vast):
            await asyncio.gather(*(self.act(visitor, deed, random.Random(0)) for visitor in guests))
            samples.append(self.sample())

        async def series(visitor: ActiveVisitor) -> None:
            draw = random.Random(f"{self.options.seed}/{visitor.number}")
            while sum(action.page == "upload_odd" for action in self.actions) < mutated:
                await self.act(visitor, upload_odd, draw)

        await asyncio.gather(*(series(visitor) for visitor in guests))
        samples.append(self.sample())
        await self.part()
        return (*samples, self.sample())

    def leaks(self) -> list[str]:
        """Images with an own file's name that reached somebody else too."""
        owned = Counter(url for visitor in self.visitors for url in visitor.own)
        return [
            f"leak: an image of visitor {visitor.number}"
            for visitor in self.visitors
            for other in self.visitors
            if visitor is not other and visitor.own & other.pictures
        ] + [f"leak: {url} has {n} owners" for url, n in owned.items() if n > 1]

    def failures(self) -> Counter[str]:
        """By kind."""
        return Counter([f"{a.page}: {a.failure}" for a in self.actions if a.failure] + self.leaks())


def verdicts(soak: Soak, log: str, before: dict[str, float], early: dict[str, float], end: dict[str, float],
             after: dict[str, float]) -> list[str]:  # fmt: skip
    """Print what was seen; what is wrong with it."""
    options, wrong = soak.options, []
    deeds = Counter(action.page for action in soak.actions)
    failed = Counter(action.page for action in soak.actions if action.failure)
    print(f"{'deed':16}{'times':>7}{'failed':>8}")
    for name, times in sorted(deeds.items()):
        print(f"{name:16}{times:7}{failed[name]:8}")
    for failure, times in soak.failures().most_common():
        wrong.append(f"{times} x {failure}")
    if tracebacks := len(re.findall(r"Traceback.{0,40}\(most", log)):  # with colours in it
        wrong.append(f"{tracebacks} tracebacks in the server's log")
    told: Counter[str] = Counter()
    for visitor in soak.visitors:
        told.update({text[:60]: n for text, n in visitor.sentences.items()})
    for text, times in told.most_common(8):
        print(f"told {times:5} x {text}")
    moments = {"before": before, "early": early, "end": end, "all gone": after}
    print(f"\n{'':10}{'s':>7}{'RSS MB':>9}{'PSS MB':>9}{'threads':>9}{'files':>7}")
    for name, at in moments.items():
        print(f"{name:10}{at['seconds']:7.0f}{at['rss']:9.0f}{at['pss']:9.0f}{at['threads']:9.0f}{at['files']:7.0f}")
    growth, share = end["rss"] / early["rss"] - 1, (end["rss"] - after["rss"]) / options.visitors
    print(f"growth {100 * growth:.1f} %, given back {end['rss'] - after['rss']:.0f} MB, {share:.1f} MB per visitor")
    if end["rss"] > early["rss"] * (1 + GROWTH) + options.allowance:
        wrong.append(f"memory grew by {100 * growth:.1f} %")
    if share > options.share:
        wrong.append(f"a visitor takes {share:.1f} MB")
    for what in ("threads", "files"):
        if after[what] > before[what] + SLACK:
            wrong.append(f"{what}: {after[what]:.0f} after everybody left, {before[what]:.0f} before")
    return wrong


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", type=lambda url: url.rstrip("/"), help="of a server that runs; default: start one")
    parser.add_argument("--pid", type=int, help="of that server")
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--actions", type=int, help="of each visitor, in place of a time")
    parser.add_argument("--uploads", type=int, help="only uploads, and so many mutated files")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between a visitor's actions, on average")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds until an action has failed")
    parser.add_argument("--forget-after", type=int, default=120, help="seconds that Streamlit keeps a closed session")
    parser.add_argument("--allowance", type=float, default=0.0, help="MB that caches may still fill")
    parser.add_argument("--share", type=float, default=15.0, help="MB that a visitor may take")
    parser.add_argument("--cold", dest="warm", action="store_false", help="do not open every link once before")
    parser.add_argument("--runs", type=Path, help="the folder of runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="where to write the samples")
    parser.add_argument("--log", type=Path, help="where the server writes what it says")
    options = parser.parse_args(arguments)
    if bool(options.url) != bool(options.pid):
        parser.error("--url needs --pid, and the other way round")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        log = options.log or Path(folder) / "server.log"
        given = ("--runs", str(options.runs.resolve())) if options.runs else ()
        started: Any = (
            nullcontext((options.url, None))
            if options.url
            else server(HOME, [f"server.disconnectedSessionTTL={options.forget_after}"], arguments=given, log=log)
        )
        with started as (options.url, process):
            options.pid = options.pid or process.pid
            soak = Soak(options)
            if options.uploads:
                before, *between, after = asyncio.run(soak.uploads(options.uploads))
                moments = before, between[0], between[-1], after
            else:
                moments = asyncio.run(soak.attend())
            wrong = verdicts(soak, log.read_text(errors="replace") if log.exists() else "", *moments)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            table = csv.DictWriter(file, list(soak.samples[0]))
            table.writeheader()
            table.writerows(soak.samples)
    for problem in wrong:
        print(f"wrong: {problem}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
