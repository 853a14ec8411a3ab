"""`tests.writers` as a program: it writes in processes of its own, for tests that end them or let them meet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.writers import BROKEN

ROOT = Path(__file__).parents[1]


class Server:
    """The program; `made` is a file with a pickled `Made`, `told` one for what it tells."""

    def __init__(self, made: Path, told: Path) -> None:
        self.told = told
        with told.open("w") as errors:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "tests.writers", str(made)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def begin(self, writer: str, place: Path, largest: int = 0) -> int:
        """Start to write; the process's id."""
        assert self.program.stdin is not None and self.program.stdout is not None
        self.program.stdin.write(f"{writer}\t{place}\t{largest}\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline().split()[0])

    def end(self) -> int:
        """Wait for the end; the status."""
        return self._end()[0]

    def _end(self) -> list[int]:
        assert self.program.stdout is not None
        statuses = [int(status) for status in self.program.stdout.readline().split()]
        assert BROKEN not in statuses, self.told.read_text()[-3000:]
        return statuses

    def at_once(self, writers: Sequence[str], place: Path) -> tuple[list[int], str]:
        """Several write at once: the statuses, and what they told."""
        before = self.told.stat().st_size
        self.begin("|".join(writers), place)
        return self._end(), self.told.read_bytes()[before:].decode()

    def write(self, writer: str, place: Path) -> None:
        self.begin(writer, place)
        assert self.end() == 0, self.told.read_text()[-3000:]
