"""What lies in the run folders, looked at once in each run of a page's script, however often the page asks.

A page asks for its run in many places, and each time the state of every file says whether what is kept still holds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lesion_core.runs.listing import folder_state

T = TypeVar("T")


class _Seen(threading.local):
    """Of the script that runs in this thread: what it found on the disk; None outside of `looked_at_once`."""

    found: dict[Hashable, Any] | None = None


_seen = _Seen()


@contextmanager
def looked_at_once() -> Iterator[None]:
    """For as long as a script runs; a change on the disk shows in the next run."""
    _seen.found = {}
    try:
        yield
    finally:
        _seen.found = None


def once(key: Hashable, look: Callable[[], T]) -> T:
    """What is found on the disk: in a script's run, what its first look found.

    Args:
        key: What is looked for.
        look: Finds it.
    """
    if _seen.found is None:
        return look()
    if key not in _seen.found:
        _seen.found[key] = look()
    found: T = _seen.found[key]
    return found


def state(root: Path) -> str:
    """`folder_state` as one text: Streamlit hashes nested tuples part by part."""
    return once(("state", root), lambda: repr(folder_state(root)))
