"""Answers are made once, kept within bounds, and an error is its maker's alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from lesion_core.serving.queue import BoundedLock
from lesion_core.serving.single_flight import SingleFlightCache


def test_many_who_ask_at_once_get_one_answer() -> None:
    memo: SingleFlightCache[int] = SingleFlightCache(lambda _: 1, 10)
    made, start = [], threading.Barrier(8)

    def make() -> int:
        made.append(1)
        threading.Event().wait(0.05)
        return 7

    def ask(_: int) -> int:
        start.wait(10)
        return memo.get("a", make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [7] * 8
    assert made == [1] and memo.peek("a") == 7 and memo.peek("b") is None


def test_nobody_writes_into_what_is_kept_for_all() -> None:
    @dataclass(frozen=True)
    class Map:
        values: NDArray[np.float32]
        parts: tuple[list[NDArray[np.float32]], str]

    memo: SingleFlightCache[Map] = SingleFlightCache(lambda _: 1, 10)
    found = memo.get("a", lambda: Map(np.zeros(3, np.float32), ([np.ones(2, np.float32)], "words")))
    for array in (found.values, found.parts[0][0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_who_is_stopped_leaves_the_work_to_one_who_waits() -> None:
    memo: SingleFlightCache[int] = SingleFlightCache(lambda _: 1, 10)
    inside, leave = threading.Event(), threading.Event()

    def stopped() -> int:
        inside.set()
        leave.wait(10)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memo.get, "a", stopped)
        assert inside.wait(10)
        second = pool.submit(memo.get, "a", lambda: 5)
        leave.set()
        with pytest.raises(KeyboardInterrupt):
            first.result(10)
        assert second.result(10) == 5


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    memo: SingleFlightCache[bytes] = SingleFlightCache(len, 10)
    for key in "abc":
        memo.get(key, lambda: b"1234")
        memo.get("a", lambda: b"never")
    assert memo.peek("b") is None and memo.peek("a") == b"1234" and memo.peek("c") and memo.weight == 8
    assert memo.get("big", lambda: b"x" * 99) and memo.peek("a") is None and memo.weight == 99


def test_who_waits_can_be_told_so_and_can_leave() -> None:
    memo: SingleFlightCache[int] = SingleFlightCache(lambda _: 1, 10)
    inside, leave = threading.Event(), threading.Event()
    told: list[int] = []

    def slow() -> int:
        inside.set()
        leave.wait(10)
        return 5

    def leaves() -> None:
        told.append(1)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(memo.get, "a", slow)
        assert inside.wait(10)
        with pytest.raises(KeyboardInterrupt):
            memo.get("a", lambda: 6, leaves)
        leave.set()
        assert first.result(10) == 5 and told == [1]


def test_who_queues_can_be_told_so_and_can_leave() -> None:
    turns, told = BoundedLock(1), []

    def leaves() -> None:
        told.append(1)
        raise KeyboardInterrupt

    with turns.take():
        with pytest.raises(KeyboardInterrupt), turns.take(leaves):
            pass
        assert told == [1]
        with pytest.raises(KeyboardInterrupt), turns.take(leaves):  # not BusyError: the place was given back
            pass
    with turns.take(leaves):
        assert told == [1, 1]
