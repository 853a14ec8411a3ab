"""Files that change at once: written aside, and renamed when complete; a single one by `written`, several that belong
together by `rewritten`.

Files that belong together are written into a hidden folder inside theirs (`rewritten`). Renaming that folder to
`COMPLETE` is the moment of change: killed before it, a writer leaves the old files; after it the new ones count, and
whoever comes next moves those that are not in their place yet. Meanwhile `current` tells where each file is.

Tables are opened here and not by Arrow, which takes a path that is not UTF-8 for a damaged file.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from lesion_core.errors import BusyError, ConfigError
from lesion_core.foreign_text import shown

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

log = logging.getLogger(__name__)

WRITING, COMPLETE, LOCK = ".writing", ".complete", ".lock"
"""Names in a folder that is written: new files until they are complete, complete ones not in their place yet, and the
lock of who writes."""
OWN = {WRITING, COMPLETE, LOCK}
"""All that a killed writer may leave in a new folder."""
ASIDE = f"{WRITING}-"
"""What the name of a single file begins with until it is complete; its writer holds a lock on it."""


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet table, at any path; raises what `pandas.read_parquet` raises.

    Arrow reads a copy in its own memory: where it reads a file of Python, a thread of it lets go of that file after the
    table is there, and a process that ends at that moment is aborted (apache/arrow#34314).
    """
    copy = pa.BufferOutputStream()
    copy.write(path.read_bytes())
    return pd.read_parquet(pa.BufferReader(copy.getvalue()))


def write_parquet(table: pd.DataFrame, path: Path, measured: Collection[str] = ()) -> None:
    """Write a table as Parquet without its index, at any path.

    Args:
        table: The table.
        path: The file.
        measured: Columns of floating-point numbers that hardly repeat: their bytes are split into streams, which
            compress better than a dictionary of them.
    """
    split: dict[str, Any] = {
        "use_dictionary": [str(name) for name in table.columns if name not in measured],
        "use_byte_stream_split": list(measured),
    }
    with path.open("wb") as file:
        table.to_parquet(file, index=False, compression="zstd", **(split if measured else {}))


_held: set[int] = set()
"""Handles of the locks of this process."""


def _let_go() -> None:
    """A process that this one forked holds none of its locks: it may outlive it."""
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _taken(handle: int, wait: bool) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other writers out of a folder, in this process and others; a killed process keeps nobody out.

    Args:
        folder: Made if it is not there.
        wait: For a writer that is there to finish, however long it takes.

    Raises:
        BusyError: Another one is writing it.
    """
    path, made = folder / LOCK, not folder.exists()
    handle = _lock(path, False)
    if handle is None:
        told = f"{shown(str(folder), 200)} is being written by another process."
        if not wait:
            raise BusyError(told, "Try again when it has finished.")
        log.info("%s Waiting until it has finished.", told)
        handle = _lock(path, True)
    try:
        yield
    finally:
        if handle in _held:  # not in a process that was forked meanwhile
            try:
                path.unlink(missing_ok=True)
            finally:
                _release(handle)
            if made:  # by a writer that failed: else it is not empty
                with suppress(OSError):
                    folder.rmdir()


def _lock(path: Path, wait: bool) -> int | None:
    """A handle that holds the lock of a file, which is made if it is not there; None where another one holds it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _taken(handle, wait):
                os.close(handle)
                return None
            # Who had it before has deleted it since: the lock of a file that nobody finds keeps nobody out.
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                _held.add(handle)
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _release(handle: int) -> None:
    _held.discard(handle)
    os.close(handle)


@contextmanager
def rewritten(folder: Path, *, wait: bool = False) -> Iterator[Path]:
    """Replace files of a folder at once: whoever reads it, whenever this process is killed, finds all old or all new.

    Args:
        folder: Made if it is not there.
        wait: As in `locked`.

    Yields:
        An empty folder. The files that are in it at the end take the place of those of their names; after a failure
        nothing of it is left.

    Raises:
        BusyError: Another one is writing the folder.
        ConfigError: A folder stands where a file is to be written.
    """
    with locked(folder, wait=wait):
        settle(folder)
        new = folder / WRITING
        new.mkdir()
        try:
            yield new
            for path in new.iterdir():
                if (folder / path.name).is_dir():
                    raise ConfigError(
                        f"{shown(str(folder / path.name), 200)} is a folder, and a file has to be there.",
                        "Move it away.",
                    )
                _sync(path)
            _sync(new)
            new.rename(folder / COMPLETE)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        _sync(folder)
        settle(folder)


def settle(folder: Path) -> None:
    """Finish what a killed writer left complete and delete what it did not complete. Only for who holds the lock."""
    complete = folder / COMPLETE
    if complete.is_dir():
        for path in complete.iterdir():
            path.replace(folder / path.name)
        _sync(folder)
        complete.rmdir()
    shutil.rmtree(folder / WRITING, ignore_errors=True)


def finish(folder: Path) -> None:
    """Move in what a killed writer left complete, where this process may; readers need not wait for it."""
    if (folder / COMPLETE).is_dir():
        with suppress(BusyError, OSError), locked(folder):
            settle(folder)


def current(folder: Path, name: str) -> Path:
    """Where a file of a folder is: in its place, unless a newer one is complete and not moved there yet.

    Of a folder that `rewritten` yields, what it does not replace is in the one that it will be part of.
    """
    newer = folder / COMPLETE / name
    if newer.exists():
        return newer
    if folder.name == WRITING and not (folder / name).exists():
        return folder.parent / name
    return folder / name


def file_to_write(path: Path) -> Path:
    """The file that a path stands for, its links followed: looked at before work begins, and nothing is changed.

    Raises:
        ConfigError: A folder, a pipe or a device is there, or the folder of the file cannot be written to.
    """
    file = Path(os.path.realpath(path))
    try:
        kind = stat.S_IFMT(file.lstat().st_mode)
    except FileNotFoundError:
        kind = stat.S_IFREG
    except OSError as error:
        raise ConfigError(
            f"{shown(str(path), 200)} cannot be written ({error.strerror}).", "Name another file."
        ) from None
    if kind != stat.S_IFREG:
        what = {
            stat.S_IFDIR: "a folder",
            stat.S_IFIFO: "a pipe",
            stat.S_IFSOCK: "a socket",
            stat.S_IFLNK: "a loop of links",
        }
        raise ConfigError(
            f"{shown(str(path), 200)} is {what.get(kind, 'a device')}, not an ordinary file.",
            "Name a file to write to.",
        )
    folder_to_write(file.parent)
    return file


def folder_to_write(path: Path, option: str = "") -> Path:
    """The folder that a path stands for, its links followed: looked at before work begins, and nothing is changed.

    Args:
        path: The folder; it need not be there.
        option: What names it on the command line, for the error.

    Raises:
        ConfigError: It cannot be made or written to.
    """
    folder = Path(os.path.realpath(path))
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        remedy = f"Name another one with {option}." if option else "Name another one."
        raise ConfigError(
            f"The folder {shown(str(path), 200)} cannot be written to ({error.strerror}).", remedy
        ) from None
    return folder


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all, the folders above it too where they are not there; links are followed.

    Yields:
        Where to write it. After a failure nothing of it is left, and the old file is as it was.

    Raises:
        ConfigError: As `file_to_write`.
    """
    file = file_to_write(path)
    made = [folder for folder in file.parents if not folder.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    _clear(file.parent)
    new = file.with_name(f"{ASIDE}{uuid.uuid4().hex}")  # not longer than the file's own name may be
    handle = None
    try:
        handle = _lock(new, True)  # who clears up may hold it for a moment
        yield new
        if file.exists():
            shutil.copymode(file, new)
        _sync(new)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise
    finally:
        if handle in _held:
            _release(handle)


def _clear(folder: Path) -> None:
    """Delete what killed writers of single files left in a folder: that of a living one is locked."""
    for left in folder.glob(f"{ASIDE}*"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDWR)
            try:
                # Where another one cleared it meanwhile, its writer may have made the file anew, and holds that one.
                if _taken(handle, False) and os.path.samestat(os.fstat(handle), left.stat()):
                    left.unlink()
            finally:
                os.close(handle)


def _sync(path: Path) -> None:
    """Bring a file to the disk itself, and a folder where that is possible: a power cut keeps the order of changes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError) if path.is_dir() else nullcontext():
            os.fsync(handle)
    finally:
        os.close(handle)
