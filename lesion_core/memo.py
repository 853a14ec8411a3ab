"""Answers that are dear to make, kept: made once even where many ask at once, the oldest let go when space runs out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """A bounded store of answers by key, safe between threads.

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

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer of a key; `make` is called unless it is kept or somebody is making it.

        Where the one who makes it fails or is stopped, the error is theirs, and one of those who wait makes it.
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
            done.wait()
        try:
            answer = make()
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
