"""Answers that are expensive to make, kept: made once even where many ask; the oldest go when space runs out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Generic, TypeVar

import numpy as np

from lesion_core.serving.queue import PATIENCE, OnWait

T = TypeVar("T")


class SingleFlightCache(Generic[T]):
    """A bounded store of answers by key, safe between threads. Arrays in them become read-only: they are everybody's.

    Args:
        size: How much one answer weighs, such as its bytes.
        most: The weight of all that are kept; the ones that were asked for longest ago go first.
    """

    def __init__(self, size: Callable[[T], int], most: int) -> None:
        self._size, self._most = size, most
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, threading.Event] = {}
        self._lock = threading.Lock()
        self.weight = 0

    def get(self, key: Hashable, make: Callable[[], T], on_wait: OnWait | None = None) -> T:
        """The answer of a key; `make` is called unless it is kept or somebody is making it.

        Where the one who makes it fails or is stopped, the error is theirs, and one of those who wait makes it.

        Args:
            key: What is asked.
            make: Makes the answer.
            on_wait: Called now and then while somebody else makes it; it may raise to stop waiting.
        """
        while True:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
                done = self._making.get(key)
                if done is None:
                    done = self._making[key] = threading.Event()
                    break
            while not done.wait(PATIENCE if on_wait else None):
                assert on_wait
                on_wait()
        try:
            answer = make()
            _protect(answer)
            with self._lock:
                self._kept[key] = answer
                self.weight += self._size(answer)
                while self.weight > self._most and len(self._kept) > 1:
                    self.weight -= self._size(self._kept.popitem(last=False)[1])
            return answer
        finally:
            with self._lock:
                del self._making[key]
            done.set()

    def peek(self, key: Hashable) -> T | None:
        """The answer of a key if it is kept."""
        with self._lock:
            return self._kept.get(key)


def _protect(answer: object) -> None:
    """Make an array read-only, and those in dataclasses, tuples and lists."""
    if isinstance(answer, np.ndarray):
        answer.flags.writeable = False
    elif isinstance(answer, tuple | list):
        for part in answer:
            _protect(part)
    elif is_dataclass(answer):
        for entry in fields(answer):
            _protect(getattr(answer, entry.name))
