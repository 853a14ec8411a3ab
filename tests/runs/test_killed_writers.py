"""Every writer, ended at moments that chance draws: by `kill -9`, Ctrl-C, a full disk and a limit on the size of files,
for real.

In CI a few moments each; ``LESION_KILLS=60 python -m pytest tests/runs/test_killed_writers.py -s`` draws 60 for each
writer and kind of end, and prints what was found. A disk that can be filled is mounted (a tmpfs); where this machine
mounts none, that end is skipped with the reason, after the others were tried.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesion_core.runs.hashes import FileState, file_state
from tests.writers import INTERRUPTED, TOLD, WRITERS, Made
from tests.writing_server import Server

ASKED = os.environ.get("LESION_KILLS")
KILLS = int(ASKED or 2)
ENDS = ("kill -9", "Ctrl-C", "limit on files", "full disk")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(4000),  # on a busy machine
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A small disk; None where this machine mounts none for us."""
    folder = tmp_path_factory.mktemp("disk")
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=640m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        yield None
        return
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def hidden(place: Path) -> list[str]:
    return [str(path.relative_to(place)) for path in place.rglob(".*")]


def fill(disk: Path, free: int) -> None:
    """Leave so many bytes."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        there = shutil.disk_usage(disk).free - free
        os.posix_fallocate(filler.fileno(), 0, max(there, 1))


def sizes(place: Path) -> dict[FileState, int]:
    """Bytes of every file, in whole blocks."""
    return {file_state(path): -(-path.stat().st_size // 4096) * 4096 for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [name for name, writer in WRITERS.items() if ASKED or not writer.costly])
def test_whenever_it_ends_there_is_old_or_new(
    name: str, server: Server, made: Made, disk: Path | None, tmp_path: Path
) -> None:
    writer, draw = WRITERS[name], random.Random(name)
    place = (disk or tmp_path) / "runs" / "place"
    place.parent.mkdir()
    try:
        writer.begin(made, place)
        server.write(name, place)
        before = writer.read(made, place)
        sizes_before, started = sizes(place), time.monotonic()
        server.write(name, place)
        whole = time.monotonic() - started
        written = [size for state, size in sizes(place).items() if state not in sizes_before]
        assert (writer.read(made, place) != before) == writer.changes
        for end in ENDS if disk else ENDS[:-1]:
            before, found, statuses = writer.read(made, place), {"old": 0, "new": 0}, []
            for i in range(KILLS):
                if end == "full disk":
                    assert disk is not None
                    statuses.append(_meet_a_full_disk(server, name, place, draw, sum(written), disk))
                elif end == "limit on files":
                    server.begin(name, place, draw.randint(1, max(written, default=4096)))
                    statuses.append(server.end())
                else:
                    kill = signal.SIGKILL if end == "kill -9" else signal.SIGINT
                    statuses.append(_end(server, name, place, kill, draw, whole, i % 2 == 1 and writer.changes))
                after = writer.read(made, place)  # fails on half
                found["new" if after != before else "old"] += 1
                assert writer.changes or after == before
                before = after
            assert set(statuses) <= {0, TOLD, INTERRUPTED, -signal.SIGKILL, -signal.SIGINT}
            ended = sum(status != 0 for status in statuses)
            print(f"\n{name}, {end}: {KILLS} moments, {ended} cut off, {found['old']} old, {found['new']} new, 0 half")
        server.write(name, place)
        assert (writer.read(made, place) != before) == writer.changes
        assert not hidden(place), "what was left by those that ended is cleared up"
    finally:
        shutil.rmtree(place.parent)
    if disk is None:
        pytest.skip("No tmpfs can be mounted here, so no disk could be filled. The other ends were tried, and passed.")


def _end(
    server: Server, name: str, place: Path, kill: signal.Signals, draw: random.Random, whole: float, late: bool
) -> int:
    """Start to write and end it: at any moment, or in its late phase."""
    child = server.begin(name, place)
    until = time.monotonic() + (60 if late else draw.uniform(0, 1.1 * whole))
    while time.monotonic() < until and not (late and WRITERS[name].is_late(place)) and Path(f"/proc/{child}").exists():
        time.sleep(0.0003)
    time.sleep(draw.choice([0, draw.uniform(0, 0.02), draw.uniform(0, 0.4 * whole)]) if late else 0)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, kill)
    return server.end()


def _meet_a_full_disk(server: Server, name: str, place: Path, draw: random.Random, needed: int, disk: Path) -> int:
    """Write where there is not enough space: for a part of what is needed, or for its last kilobytes."""
    fill(disk, max(1, int(draw.choice([draw.uniform(0, needed), needed - 10 ** draw.uniform(3, 5.5)]))))
    try:
        server.begin(name, place)
        return server.end()
    finally:
        (disk / "filler").unlink()
