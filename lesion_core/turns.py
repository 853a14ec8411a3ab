"""One at a time: the lock of a model, with a bounded queue before it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lesion_core.errors import BusyError


class Turns:
    """Callers of one model take turns.

    Args:
        queue: How many may wait; one more gets `BusyError` at once instead of a page that hangs.
    """

    def __init__(self, queue: int = 64) -> None:
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(queue + 1)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for one's turn and hold it.

        Raises:
            BusyError: Too many callers wait.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("Many people are asking this model at the moment.", "Try again in a few seconds.")
        try:
            with self._lock:
                yield
        finally:
            self._places.release()
