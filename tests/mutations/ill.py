"""A product with one fault of each sort: what the campaign itself is tested with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lesion_core.errors import DataError
from tests.mutations.oracle import TRIES, Input, Make, Part


def _raises(error: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


def _unguarded(text: str) -> DataError:
    """An error whose text stays as it was given; a `LesionError` shortens and escapes its own."""
    error = DataError("x")
    error.args = (text,)
    return error


def _takes(size: int) -> None:
    np.ones(size, np.uint8)
    raise DataError("This was expensive.")


def _spin() -> None:
    while True:
        pass


def _dear_once() -> Callable[[], None]:
    sizes = iter((2**27, *[1] * TRIES))
    return lambda: _takes(next(sizes))


def _always(made: Input) -> Make:
    def make(_: np.random.Generator, __: Path) -> Input:
        return made

    return make


KINDS: dict[str, Make] = {
    "right": _always(Input(lambda: 1, lambda answer: None if answer == 1 else "not 1", False)),
    "refused": _always(Input(_raises(DataError("The table is empty.", "Give another.")))),
    "silently wrong": _always(Input(lambda: 2, lambda answer: None if answer == 1 else "not 1")),
    "accepted": _always(Input(lambda: 1)),
    "healthy refused": _always(Input(_raises(DataError("The table is empty.")), lambda _: None, False)),
    "traceback": _always(Input(_raises(KeyError("x")))),
    "long": _always(Input(_raises(_unguarded("x" * 1000)))),
    "control letters": _always(Input(_raises(_unguarded("a\x1b[2Jb")))),
    "memory": _always(Input(lambda: _takes(2**27), cheap=True)),
    "seconds": _always(Input(lambda: (sum(range(10**7)), _takes(1)), cheap=True)),
    "seconds the first time": lambda _, __: Input(_dear_once(), cheap=True),
    "hang": _always(Input(lambda: time.sleep(600))),
    "endless": _always(Input(_spin)),
    "death": _always(Input(lambda: os._exit(3))),
}

PART = Part(KINDS, limit_s=2.0)
