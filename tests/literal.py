"""What several tests need: references written as slowly and plainly as can be, shapes that are known, pages opened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parent.parent
HOME = str(ROOT / "app" / "Home.py")

Mask = NDArray[np.bool_]
T = TypeVar("T")
Place = tuple[int, int]

FOUR = [(-1, 0), (1, 0), (0, -1), (0, 1)]
EIGHT = [*FOUR, (-1, -1), (-1, 1), (1, -1), (1, 1)]


def aside(work: Callable[[], T]) -> T:
    """What a function returns, in a thread of its own: a browser that another test drives has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def finished(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, `aside`."""
    return aside(lambda: asyncio.run(work))


def flood(free: Mask, start: Place, steps: list[Place]) -> set[Place]:
    """The places that are reached from one over others that are free."""
    seen, todo = {start}, [start]
    while todo:
        y, x = todo.pop()
        for dy, dx in steps:
            place = y + dy, x + dx
            inside = 0 <= place[0] < free.shape[0] and 0 <= place[1] < free.shape[1]
            if inside and place not in seen and free[place]:
                seen.add(place)
                todo.append(place)
    return seen


def clean_up(mask: Mask) -> Mask:
    """Flood fills: the largest part over eight neighbours, and what the outside does not reach over four."""
    left, largest = {tuple(place) for place in np.argwhere(mask).tolist()}, set()
    while left:
        part = flood(mask, min(left), EIGHT)
        largest = part if len(part) > len(largest) else largest
        left -= part
    framed = np.ones((mask.shape[0] + 2, mask.shape[1] + 2), bool)
    for y, x in largest:
        framed[y + 1, x + 1] = False
    outside = flood(framed, (0, 0), FOUR)
    return np.array([[(y + 1, x + 1) not in outside for x in range(mask.shape[1])] for y in range(mask.shape[0])])


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> Mask:
    """True within a radius of a centre (y, x)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.asarray((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2)


def open_page(stem: str, **query: str) -> AppTest:
    """A page of the dashboard, opened by its link."""
    app = AppTest.from_file(HOME, default_timeout=120)
    app.switch_page(f"../pages/{stem}.py")
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def text(app: AppTest) -> str:
    """What a page says in titles, sentences and warnings."""
    kinds = (app.title, app.markdown, app.caption, app.warning, app.info)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def on_the_line(app: AppTest) -> tuple[float, dict[str, tuple[int, int]]]:
    """Where the line of the page Out of distribution stands and, of each count its script gets, kept and all."""
    (given,) = (json.loads(element.proto.json) for element in app.main if element.type == "bidi_component")
    bins, at = json.loads(given["bins"]), given["threshold"]
    low = sum(edge <= at for edge in bins["edges"])  # bins on the low side of the line
    kept = slice(low, None) if bins["reject"] == "under" else slice(None, low)
    groups = {name: bins[name] for name in ("right", "wrong", "melanomaRight", "melanomaWrong")}
    groups |= {kind["kind"]: kind["counts"] for kind in bins["ood_images"]}
    return at, {name: (sum(counts[kept]), sum(counts)) for name, counts in groups.items()}
