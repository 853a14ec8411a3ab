"""A disk that fails at a chosen step: a death, Ctrl-C or a full disk between any two changes that Python makes."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate"}
"""What Python tells its audit hooks before it does it: every change of the disk that is made here."""


class Fault:
    """Fails at one step of the disk; a death fails at all that follow too, a clean-up's among them."""

    def __init__(self) -> None:
        self.armed, self.at, self.deadly = False, 0, False
        self.error: Callable[[], BaseException] = RuntimeError
        sys.addaudithook(self)

    def __call__(self, event: str, _: tuple[object, ...]) -> None:
        if self.armed and event in STEPS:
            self.at -= 1
            if self.at == 0 or (self.deadly and self.at < 0):
                raise self.error()


@cache
def _fault() -> Fault:
    return Fault()  # once: a hook is never taken off


@contextmanager
def failing(at: int, error: Callable[[], BaseException], deadly: bool) -> Iterator[Fault]:
    """Let the `at`-th step of what follows fail, counted from 1."""
    fault = _fault()
    fault.at, fault.error, fault.deadly, fault.armed = at, error, deadly, True
    try:
        yield fault
    finally:
        fault.armed = False


class Death(BaseException):
    """Nothing catches it, and nothing on the disk changes after it."""


FAULTS = {
    "killed": (Death, True),
    "interrupted": (KeyboardInterrupt, False),
    "disk full": (lambda: OSError(errno.ENOSPC, "No space left on device"), False),
}
