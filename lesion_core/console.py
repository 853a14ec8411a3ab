"""What the commands share: standard output and standard error, a progress bar, picture files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lesion_core.errors import ConfigError

out, err = Console(), Console(stderr=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output on standard output.")]


@contextmanager
def bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error as a callback of done and in all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(text, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_json(value: Any) -> None:
    """JSON on standard output; NaN is refused."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


def tell(text: str) -> None:
    """A sentence on standard error, as it is: paths may hold what rich takes for markup."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A sentence on standard output, as it is."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def picture_files(given: Sequence[Path]) -> list[Path]:
    """The files named, and of folders the pictures in them, by name.

    Raises:
        ConfigError: There is none.
    """
    from lesion_core.data.tables import IMAGE_SUFFIXES

    files = [
        path for each in given
        for path in (
            sorted(p for p in each.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES) if each.is_dir() else [each]
        )
    ]
    if not files:
        raise ConfigError("There is no picture in what was given.", "Name picture files, or a folder that holds some.")
    return files
