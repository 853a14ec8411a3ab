"""Files that are whole or not there: written under a name of their own, renamed when complete."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def aside(path: Path) -> Path:
    """A name beside a path that no other process has, on this machine or another: for what is renamed when complete."""
    return path.with_name(f"{path.stem}.{uuid.uuid4().hex}{path.suffix}")


@contextmanager
def kept_if_complete(*paths: Path) -> Iterator[None]:
    """Delete what was written to `aside` paths where the work on them fails."""
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise
