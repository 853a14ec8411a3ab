"""SHA-256 of a run's files, made once for each state of a file."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from lesion_core.errors import RunError
from lesion_core.foreign_text import shown

SETTLED = 2 * 10**9
"""Nanoseconds after which a change shows in a file's times: an older hash is kept, a younger one is made again."""
KEPT_HASHES = 4096


FileState = tuple[int, int, int, int]
"""Inode, size, time of writing and of change in nanoseconds: one of them differs after a file was altered."""


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex, read anew."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_state(path: Path | os.DirEntry[str]) -> FileState:
    """What tells that a file was altered, without reading it; zeros where there is none.

    A link that leads nowhere has a state of its own: it is not the same as nothing.
    The time of writing can be set back by whoever alters a file, the time of change cannot.
    """
    try:
        found = path.stat()
    except OSError:
        try:
            found = path.stat(follow_symlinks=False)
        except OSError:
            return 0, 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


_hashes: OrderedDict[tuple[Path, FileState], str] = OrderedDict()
_hashes_lock = threading.Lock()


def known_sha256(path: Path) -> str:
    """The file's SHA-256 in hex; each state of a file is read once.

    A file that changed less than `SETTLED` ago is read anew: two changes within one tick of the clock leave the same
    state. So is one that changes while it is read.
    """
    before = file_state(path)
    key = path.resolve(), before
    with _hashes_lock:
        if key in _hashes:
            _hashes.move_to_end(key)
            return _hashes[key]
    found = sha256(path)
    if before == file_state(path) and time.time_ns() - max(before[2:]) > SETTLED:
        with _hashes_lock:
            _hashes[key] = found
            while len(_hashes) > KEPT_HASHES:
                _hashes.popitem(last=False)
    return found


def check_hash(path: Path, files: Mapping[str, str]) -> None:
    """Refuse a file that is not the one that was written.

    Args:
        path: A file of a run folder.
        files: SHA-256 by name, as `config.json` lists them.

    Raises:
        RunError: The file is another, or not listed.
    """
    if files.get(path.name) != known_sha256(path):
        raise RunError(
            f"{path.name} of run {shown(path.parent.name)} was altered: its SHA-256 is not the one in config.json.",
            "Take the whole folder from one source again.",
        )
