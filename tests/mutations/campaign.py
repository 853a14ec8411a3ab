"""Runs cases in child processes, so that one that hangs, crashes or takes all memory is a finding and not the end."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.mutations.oracle import Outcome, Part, Verdict, judge

PARTS = ("pictures", "tables", "settings", "runs", "run_contents", "policies", "calls", "links", "requests")
MOST_MEMORY = 6 * 2**30
"""Bytes of address space that a worker may take beyond what it has when it is warm: the machine's safety."""
PATIENCE = 10
"""Seconds of the clock for each second of processor time that a case may take: a busy machine is not a fault."""


@dataclass(frozen=True)
class Finding:
    """A case whose outcome is not what its oracle asks for."""

    seed: int
    part: str
    case: int
    kind: str
    verdict: Verdict

    def __str__(self) -> str:
        again = f"python -m tests.mutations --seed {self.seed} --only {self.part} --case {self.case}"
        what = f"{self.verdict.outcome.value}: {self.part}, {self.kind} ({self.verdict.note})"
        return f"{what}\n  {self.verdict.detail}\n  {again}"


def part_of(name: str) -> Part:
    """The part with this name; imported here, as only some need torch."""
    part: Part = importlib.import_module(f"tests.mutations.{name}").PART
    return part


def judged(name: str, seed: int, case: int) -> Verdict:
    """Make one case and judge what the product says of it, in this process."""
    folder = Path(tempfile.mkdtemp(prefix="lesion-mutations-"))
    try:
        try:
            made = part_of(name).make(seed, case, folder)
        except Exception as error:
            raise RuntimeError(f"the case {name} {seed} {case} cannot be made: {error}") from error
        return judge(made)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(name: str, pipe: Connection) -> None:
    """Judge cases until there are no more; what the product prints is not shown."""
    os.environ.update(CUDA_VISIBLE_DEVICES="", GLIBC_TUNABLES="set", COLUMNS="400")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("LESION_DATA", None)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    part_of(name).warm()
    with suppress(OSError, ValueError):
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_MEMORY, resource.RLIM_INFINITY))
    pipe.send(None)
    while (asked := pipe.recv()) is not None:
        try:
            pipe.send(judged(name, *asked))
        except RuntimeError:
            pipe.send(traceback.format_exc())


class Worker:
    """A child process that judges the cases of one part, and is replaced when one ends it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._limit_s = part_of(name).limit_s
        self._start()

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(self.name, theirs))
        self._process.start()
        theirs.close()
        self._pipe.recv()  # warm

    def judge(self, seed: int, case: int) -> Verdict:
        """The verdict on a case.

        Raises:
            RuntimeError: The case cannot be made: a fault of its generator.
        """
        self._pipe.send((seed, case))
        spent, start = self._processor_time(), time.monotonic()
        try:
            while not self._pipe.poll(0.5):
                used, passed = self._processor_time() - spent, time.monotonic() - start
                if used > self._limit_s or passed > PATIENCE * self._limit_s:
                    break
            else:
                said = self._pipe.recv()
                if isinstance(said, str):
                    raise RuntimeError(said)
                return said  # type: ignore[no-any-return]
            found = Verdict(Outcome.COSTLY, f"no answer in {passed:.0f} s, of which {used:.0f} s of processor time")
        except EOFError:
            self._process.join()
            found = Verdict(Outcome.TRACEBACK, f"the process died (exit code {self._process.exitcode})")
        self.close()
        self._start()
        return found

    def _processor_time(self) -> float:
        """Seconds of processor time of the worker and of the processes that it ended; 0 where Linux does not tell."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # of its own and of its children's

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def cases(name: str, seed: int, seconds: float, worker: Worker) -> Iterator[tuple[int, str, Verdict]]:
    """Cases of a part, their kinds in turn, until the time is over: number, kind, verdict."""
    part, start, case = part_of(name), time.monotonic(), 0
    while time.monotonic() - start < seconds:
        yield case, part.kind(case), worker.judge(seed, case)
        case += 1


def run(seed: int, seconds: float, names: tuple[str, ...] = PARTS) -> tuple[dict[str, Counter[Outcome]], list[Finding]]:
    """A campaign: the time is shared by the parts. Findings are printed as they come.

    Returns:
        Outcomes by part, and the findings.
    """
    tried: dict[str, Counter[Outcome]] = {}
    findings: list[Finding] = []
    for name in names:
        tried[name] = Counter()
        worker = Worker(name)
        try:
            for case, kind, verdict in cases(name, seed, seconds / len(names), worker):
                tried[name][verdict.outcome] += 1
                if verdict.outcome.is_finding:
                    findings.append(Finding(seed, name, case, kind, verdict))
                    print(findings[-1], file=sys.stderr, flush=True)
        finally:
            worker.close()
    return tried, findings


def table(tried: dict[str, Counter[Outcome]]) -> str:
    """Outcomes by part, for people."""
    columns = list(Outcome)
    lines = ["part        tried  " + "  ".join(outcome.value for outcome in columns)]
    for name, counts in tried.items():
        cells = [f"{counts[outcome]:>{len(outcome.value)}}" for outcome in columns]
        lines.append(f"{name:<10}  {counts.total():>5}  " + "  ".join(cells))
    return "\n".join(lines)
