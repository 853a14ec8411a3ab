"""What the folders of classifiers and segmenters have in common: a `config.json` that names its files' SHA-256."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

from lesion_core.config import Settings
from lesion_core.errors import ConfigError, RunError

SCHEMA_VERSION = 1
POLICY = "policy.json"
"""The one file of a run that may be replaced: it names its run itself, and no hash of it is kept."""
INCOMPLETE = "Copy the folder again, or score the run again with `evaluate --data`."

Config = TypeVar("Config", bound=Settings)


def file_state(path: Path) -> tuple[int, int, int]:
    """What changes with a file's content: inode, size, and time of the last change in nanoseconds; zeros where it is
    not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def folder_state(root: Path) -> tuple[tuple[str, int, int, int], ...]:
    """The state of every file of every run below a folder: equal exactly as long as nothing was touched."""
    return tuple(
        (str(path.relative_to(root)), *file_state(path))
        for folder in run_folders(root)
        for path in sorted(folder.iterdir())
        if path.name != POLICY
    )


@lru_cache(maxsize=1024)
def _sha256(path: Path, state: tuple[int, int, int]) -> str:  # noqa: ARG001 (another state, another hash)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex, computed once for each state of the file."""
    return _sha256(path.resolve(), file_state(path))


def read_config(
    folder: Path, kind: type[Config], *, verify: bool, needed: Collection[str], remedy: str = INCOMPLETE
) -> tuple[Config, str]:
    """`config.json` of a folder, and its fingerprint, with its files checked.

    Args:
        folder: The run folder.
        kind: What to read it as; it has the field `files`.
        verify: Compare every needed file's SHA-256 with the one in `config.json` (about 0.1 s for 30 MB).
        needed: Files that must be there.
        remedy: What to do where one is not.

    Raises:
        RunError: The folder or a file is missing, `config.json` is not valid, or a file was altered.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise RunError(f"{folder.name} is no run: it has no config.json.", "Name a folder that `train` has written.")
    text = path.read_bytes()
    try:
        version = json.loads(text).get("schema_version")
    except (ValueError, AttributeError, RecursionError):
        raise RunError(f"config.json of {folder.name} is no JSON object.", "Copy the folder again.") from None
    if version != SCHEMA_VERSION:
        raise RunError(
            f"Run {folder.name} has schema version {version}, this program reads {SCHEMA_VERSION}.",
            "Open it with the version that wrote it, or train it again with this one.",
        )
    try:
        config = kind.from_json(text, f"config.json of {folder.name}")
    except ConfigError as error:
        raise RunError(error.problem, "The run was altered or made by another version; train it again.") from None
    files: dict[str, str] = getattr(config, "files")  # noqa: B009
    for name in needed:
        if not (folder / name).is_file():
            raise RunError(f"Run {folder.name} lacks {name}.", remedy)
        if verify and files.get(name) != sha256(folder / name):
            raise RunError(
                f"{name} of run {folder.name} was altered: its SHA-256 is not the one in config.json.",
                "Take the whole folder from one source again.",
            )
    return config, hashlib.sha256(text).hexdigest()[:16]


def is_segmenter(folder: Path) -> bool:
    """Whether the folder's `config.json` says that it holds a segmenter."""
    try:
        found = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "segmenter"


def run_folders(root: Path) -> list[Path]:
    """The folders below a folder, hidden ones left out; numbers in names count, so resnet50 is before resnet101."""
    if not root.is_dir():
        return []
    found = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(
        found,
        key=lambda path: [
            (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)
        ],
    )


class Named(Protocol):
    """A run, of either kind."""

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...


def check_name(name: str, folder: Path, known: Sequence[Named]) -> None:
    """Refuse a run whose name another one has: links and lists tell runs by their names.

    Raises:
        RunError: It has.
    """
    for other in known:
        if other.name == name:
            raise RunError(
                f"{folder.name} and {other.folder.name} both hold a run named {name}.",
                "Move one of them to another folder; a backup belongs beside the runs, not among them.",
            )
