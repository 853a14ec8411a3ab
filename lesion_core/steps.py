"""How long work tells what it does: step by step, each with how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Is told how much of a step is done and how much there is in all."""

Step = Callable[[str], Progress]
"""Is told what begins, such as *Fitting the temperature*, and gives what is told how far that is."""


def silent(name: str) -> Progress:  # noqa: ARG001
    """A `Step` that nobody watches.

    Examples:
        >>> silent("Reading the images")(1, 2)
    """
    return _unwatched


def _unwatched(done: int, total: int) -> None:
    del done, total


def duration(seconds: float) -> str:
    """A time to go in words.

    Examples:
        >>> duration(41.2), duration(600), duration(9000)
        ('42 s', '10 min', '2.5 h')
    """
    if seconds < 99:
        return f"{int(seconds) + 1} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
