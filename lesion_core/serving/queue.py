"""One at a time: the lock of a model, or of another costly step, with a bounded queue before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lesion_core.errors import BusyError

OnWait = Callable[[], None]
PATIENCE = 0.3
"""Seconds between two calls of an `OnWait`."""


class BoundedLock:
    """Callers of one model take turns.

    Args:
        queue: How many may wait; one more gets `BusyError` at once instead of a page that hangs.
        busy: What is told to that one.
    """

    def __init__(self, queue: int = 64, busy: str = "The model is busy with other visitors.") -> None:
        self._busy = busy
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(queue + 1)

    @contextmanager
    def take(self, on_wait: OnWait | None = None) -> Iterator[None]:
        """Wait for one's turn and hold it.

        Args:
            on_wait: Called now and then while others have theirs; it may raise to leave the queue.

        Raises:
            BusyError: Too many callers wait.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError(self._busy, "Try again in a few seconds.")
        try:
            while not self._lock.acquire(timeout=PATIENCE if on_wait else -1):
                assert on_wait
                on_wait()
            try:
                yield
            finally:
                self._lock.release()
        finally:
            self._places.release()
