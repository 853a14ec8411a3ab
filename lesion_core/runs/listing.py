"""Run folders below a folder, and whether anything in them was touched."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from operator import attrgetter
from pathlib import Path

from lesion_core.files import COMPLETE
from lesion_core.runs.hashes import FileState, file_state

POLICY = "policy.json"
"""The one file of a run that may be replaced: it names its run itself, and no hash of it is kept."""


def run_folders(root: Path) -> list[Path]:
    """The folders below a folder; numbers in names count, so resnet50 is before resnet101.

    Hidden ones are left out, and those of a run that was begun and never completed: all in them is hidden.
    """
    if not root.is_dir():
        return []
    found = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".") and not _begun(path))
    return sorted(
        found,
        key=lambda path: [
            (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)
        ],
    )


def _begun(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            names = {entry.name for entry in entries}
    except OSError:
        return False
    return bool(names) and COMPLETE not in names and all(name.startswith(".") for name in names)


def folder_state(root: Path) -> tuple[tuple[str, FileState], ...]:
    """The state of every file of every run below a folder: equal exactly as long as nothing was touched.

    Every script run of every visitor asks for it, so it is made of directory entries, without paths.
    """
    return tuple(
        (f"{folder.name}/{name}", state)
        for folder in run_folders(root)
        for name, state in states(folder)
        if name.rpartition("/")[2] != POLICY
    )


def states(folder: Path) -> list[tuple[str, FileState]]:
    """Files of a run folder with their states, those that are complete and not in their place yet too."""
    found = []
    for place, before in ((folder, ""), (folder / COMPLETE, f"{COMPLETE}/")):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
            named = sorted((entry for entry in entries if not entry.name.startswith(".")), key=attrgetter("name"))
            found += [(before + entry.name, file_state(entry)) for entry in named]
    return found
