"""What a command does and how long it will take, on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from lesion_core.cli.options import err, tell
from lesion_core.steps import Progress, duration, silent

EVERY_S = 10
"""Seconds between two lines about one step, where there is no terminal."""


class Steps:
    """Steps that follow one another, as a `lesion_core.steps.Step`; each ends where the next one begins.

    Args:
        named: Without a terminal, whether a step is told when it begins; else only once it lasts.
    """

    def __init__(self, *, named: bool = True) -> None:
        self.named = named
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Steps:
        if err.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bars = Bars(*columns, console=err, transient=True)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, name: str) -> Progress:
        if "torch" in sys.modules:  # what several processes share needs it
            from lesion_core import distributed

            if not distributed.starts():
                return silent(name)
        return self._bar(self._bars, name) if self._bars else self._lines(name)

    def _bar(self, bars: Bars, name: str) -> Progress:
        if self._task is not None:
            bars.remove_task(self._task)
        task = self._task = bars.add_task(name, total=None)

        def told(done: int, total: int) -> None:
            if task == self._task:
                bars.update(task, completed=done, total=total)

        return told

    def _lines(self, name: str) -> Progress:
        began = last = time.monotonic()
        if self.named:
            tell(f"{name} …")

        def told(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if 0 < done < total and now - last >= EVERY_S:
                last = now
                to_go = duration((now - began) / done * (total - done))
                tell(f"{name}: {done:,} of {total:,}, about {to_go} to go.")

        return told


@contextmanager
def bar(text: str) -> Iterator[Progress]:
    """One step, as a callback of done and in all."""
    with Steps(named=False) as step:
        yield step(text)
