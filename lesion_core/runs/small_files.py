"""Small files of a run folder: read only where they are ordinary files of a size that makes sense.

A pipe keeps its reader waiting, a device never ends, and a folder or a link that leads nowhere is not the same as
nothing: what has a name and cannot be read is an error here, whatever it is.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 16 * 2**20
"""Bytes of a settings file, a history or a card: a thousand times what the largest of them takes."""


def read_small(path: Path) -> bytes:
    """All of a small file.

    Raises:
        FileNotFoundError: Nothing has that name, or a link leads nowhere.
        OSError: It cannot be opened, is not an ordinary file, or is larger than `MOST_BYTES`.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(MOST_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES // 2**20} MiB")
    return content


def is_there(path: Path) -> bool:
    """Whether anything has a name: a folder, a link that leads nowhere and what may not be read have it too.

    Raises:
        OSError: Nobody can tell, as the folder may not be read.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True
