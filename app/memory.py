"""Memory that no visitor uses any more goes back to the machine."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from contextlib import suppress

EVERY = 30.0
"""Seconds; a collection after everything that stays was frozen takes some tens of milliseconds."""


def give_back() -> None:
    """Collect what sessions left in circles, and let the allocator return its empty pages.

    Nothing else does: the collector does not run after scripts (`runner.postScriptGC`), and glibc keeps what each of a
    server's many threads has freed.
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def keep_giving_back(sweep: Callable[[], None]) -> None:
    """Now and then, for ever.

    Args:
        sweep: Called before, to let go of what has an end of its own.
    """
    while True:
        time.sleep(EVERY)
        sweep()
        give_back()
