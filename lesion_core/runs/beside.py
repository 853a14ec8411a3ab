"""What stands beside the files that a run's `config.json` lists: it names its run itself, and may be replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from lesion_core.config import Settings
from lesion_core.errors import ConfigError, LesionError, RunError
from lesion_core.files import current, rewritten
from lesion_core.foreign_text import shown
from lesion_core.runs.folder import fingerprint_of, replaced
from lesion_core.runs.small_files import read_small


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
