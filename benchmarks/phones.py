"""Phones in a room beside visitors of the pages: python -m benchmarks.phones

    python -m benchmarks.phones                       # 30 phones, 30 visitors, every 2 s, one minute
    python -m benchmarks.phones --visitors 0          # phones alone
    python -m benchmarks.phones --duration 600 --warm # a long class; every page was opened once before

The dashboard starts on what ships, without LESION_DATA, and keeps its rooms in a file, in which this process opens a
room and asks. Each phone joins, and then asks for the state of its room and sends an answer, each every 2 s on average,
on one kept connection, as a phone does. Visitors are those of `benchmarks.classroom`. At the end every phone's last
answer must be there once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from benchmarks import classroom
from benchmarks.served import HOME, server
from lesion_core.teaching.questions import ChoiceQuestion, Option
from lesion_core.teaching.rooms import FileRooms

QUESTION = ChoiceQuestion(
    key="teams",
    text="Two teams train one network. Whose figure is higher?",
    options=tuple(Option(key=key, text=f"Team {key}") for key in "abc"),
)


async def attend(address: str, number: int, every: float, end: float, took: dict[str, list[float]]) -> str:
    """One phone until the time is over; its last answer."""
    draw, value = random.Random(number), ""
    jar = aiohttp.CookieJar(unsafe=True)  # of an IP address, too
    async with aiohttp.ClientSession(cookie_jar=jar) as session:

        async def ask(what: str, path: str, body: dict[str, str] | None = None) -> dict[str, str]:
            start = time.monotonic()
            call = session.get(address + path) if body is None else session.post(address + path, json=body)
            async with call as answer:
                found: dict[str, str] = await answer.json()
                assert answer.status == 200, (what, answer.status, found)
            took[what].append(time.monotonic() - start)
            return found

        await asyncio.sleep(draw.uniform(0, every))
        await ask("join", "/join", {})
        while time.monotonic() < end:
            state = await ask("poll", "/state")
            await asyncio.sleep(draw.uniform(0, every))
            value = draw.choice("abc")
            await ask("vote", "/answer", {"ballot": state["ballot"], "value": value})
            await asyncio.sleep(draw.uniform(0, every))
    return value


async def measure(url: str, pid: int, code: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Phones, and visitors beside them; the seconds of each kind of request."""
    took: dict[str, list[float]] = {"join": [], "poll": [], "vote": []}
    given = ["--url", url, "--pid", str(pid), "--visitors", str(options.visitors), "--every", str(options.every)]
    visitors = classroom.parse([*given, "--duration", str(options.duration)])
    if options.warm:
        await classroom.warm_up(visitors)
    end = time.monotonic() + options.duration
    phones = [attend(f"{url}/r/{code}", n, options.every, end, took) for n in range(options.phones)]
    work = [*phones, *([classroom.attend(visitors)] if options.visitors else [])]
    found = await asyncio.gather(*work)
    if options.visitors:
        classroom.show(found[-1], visitors)
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--phones", type=int, default=30)
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between what a phone or a visitor does")
    parser.add_argument("--duration", type=float, default=60.0, help="seconds")
    parser.add_argument("--warm", action="store_true", help="first one visitor opens every link once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rooms.db"
        with server(HOME, arguments=["--rooms", str(file)]) as (url, process):
            rooms = FileRooms(file)
            room = rooms.open()
            rooms.ask(*room, QUESTION)
            before = os.getloadavg()[0]
            took = asyncio.run(measure(url, process.pid, room.code, options))
            answered = rooms.view(*room).answered
            rooms.end()
    print(f"{options.phones} phones; load average {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    for what, times in took.items():
        times.sort()
        if times:
            p50, p95 = (1e3 * classroom.quantile(times, share) for share in (0.5, 0.95))
            print(
                f"{what:6}{len(times):7} requests, median {p50:8.1f} ms, 95 % {p95:8.1f} ms, max {1e3 * times[-1]:8.1f}"
            )
    print(f"{answered} of {options.phones} phones have one answer each")
    return int(answered != options.phones)


if __name__ == "__main__":
    sys.exit(main())
