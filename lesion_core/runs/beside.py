"""What stands beside the files that a run's `config.json` lists: it names its run itself, and may be replaced."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import pandas as pd
import pyarrow as pa

from lesion_core.config import Settings
from lesion_core.errors import ConfigError, LesionError, RunError
from lesion_core.files import current, read_parquet, rewritten, write_parquet
from lesion_core.foreign_text import shown
from lesion_core.runs.folder import fingerprint_of, replaced
from lesion_core.runs.small_files import is_there, read_small


class OpenedRun(Protocol):
    """A run of any kind, as it was opened."""

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


@contextmanager
def as_opened(run: OpenedRun) -> Iterator[None]:
    """Read what stands beside a run: where it does not fit because the run was replaced meanwhile, that is told.

    Raises:
        RunError: Reading failed, and the run's folder holds another run by now.
    """
    try:
        yield
    except LesionError:
        if fingerprint_of(run.folder) != run.fingerprint:
            raise replaced(run) from None
        raise


@contextmanager
def rewriting(run: OpenedRun) -> Iterator[Path]:
    """`files.rewritten` for what is added to a run that was opened before, such as its policy.

    Raises:
        RunError: Its folder holds another run by now.
    """
    with rewritten(run.folder) as new:
        if fingerprint_of(run.folder) != run.fingerprint:
            raise replaced(run)
        yield new


def read_beside(run: OpenedRun, name: str, remedy: str) -> pd.DataFrame | None:
    """A table beside the files of a run, as it stands there: the caller checks what it holds.

    Args:
        run: The run.
        name: The file.
        remedy: What to do where it is damaged.

    Returns:
        None where there is none.

    Raises:
        RunError: The file is there and cannot be read.
    """
    path = current(run.folder, name)
    try:
        if not is_there(path):
            return None
        if not path.is_file():  # a pipe would keep its reader waiting
            raise OSError(errno.EINVAL, "it is not an ordinary file")
        return read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"{name} of {run.name} is damaged ({shown(str(error), 200)}).", remedy) from None


AnyRun = TypeVar("AnyRun", bound=OpenedRun)


def put_beside(
    run: AnyRun,
    name: str,
    found: pd.DataFrame,
    key: Sequence[str],
    read: Callable[[AnyRun], pd.DataFrame | None],
    *,
    alike: Callable[[pd.DataFrame, pd.DataFrame], bool] = lambda *_: True,
    write: Callable[[pd.DataFrame, Path], None] = write_parquet,
) -> Path:
    """Put rows into a table beside the files of a run, in place of older ones of the same key; the others stay.

    Args:
        run: The run.
        name: The file.
        found: The new rows.
        key: Columns that tell rows apart together.
        read: Gives the table that is there, checked; one that it refuses is damaged, and the new rows take its place.
        alike: Whether older rows and new ones can stand in one table; older ones that cannot are dropped.
        write: Writes the table.

    Returns:
        The file's path.

    Raises:
        BusyError: Another process is writing the run.
        RunError: Its folder holds another run by now.
    """
    with rewriting(run) as new:
        try:
            earlier = read(run)
        except RunError:
            earlier = None
        if earlier is not None and alike(earlier, found):
            found = pd.concat([found, earlier], ignore_index=True).drop_duplicates(list(key), ignore_index=True)
        write(found, new / name)
    return run.folder / name


class OfRun(Settings):
    """Settings in a file beside those that `config.json` lists: they name their run themselves."""

    run: str


AnyOfRun = TypeVar("AnyOfRun", bound=OfRun)


def read_of_run(run: OpenedRun, name: str, kind: type[AnyOfRun], remedy: str) -> AnyOfRun:
    """A file beside those that `config.json` lists.

    Args:
        run: The run that has it.
        name: The file.
        kind: What it holds.
        remedy: What to do where it cannot be used, one sentence.

    Raises:
        RunError: It is missing, cannot be read, is damaged, or another run's; or the run was replaced meanwhile.
    """
    with as_opened(run):
        try:
            found = kind.from_json(read_small(current(run.folder, name)), name)
        except OSError as error:
            raise RunError(f"{name} of run {run.name} cannot be read ({error.strerror}).", remedy) from None
        except ConfigError as error:
            raise RunError(f"Run {run.name}: {error.problem}", remedy) from None
        if found.run != run.fingerprint:
            raise RunError(
                f"{name} was made for another run ({shown(found.run)}), not for {run.name} ({run.fingerprint}).", remedy
            )
        return found
