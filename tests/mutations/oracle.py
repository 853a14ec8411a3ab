"""What an input must lead to, and the verdict on what it led to.

Inputs are mutated here, never the code: for small edits of the code that the tests must catch see `tests/mutants.py`.
"""

from __future__ import annotations

import enum
import time
import traceback
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lesion_core.errors import LesionError

LONGEST_SENTENCE = 600
LONGEST_PIECE = 200
JOINERS = "\u200c\u200d"
"""Format characters that letters of some scripts, and emoji, are made with."""
MOST_RSS = 600 * 2**20
"""Bytes of the whole process while it reads an upload."""
MOST_REFUSAL_S = 0.1
"""Seconds of processor time, which a busy machine does not lengthen much."""
MOST_REFUSAL_BYTES = 50 * 2**20
TRIES = 4
"""How often a refusal is measured that seems dear: it is dear if it is so each time."""


class Outcome(enum.Enum):
    """What became of one input; all but the first two are findings."""

    RIGHT = "right"
    REFUSED = "refused"
    WRONG = "silently wrong"
    HEALTHY_REFUSED = "healthy refused"
    TRACEBACK = "traceback"
    SENTENCE = "bad sentence"
    COSTLY = "hang or memory"

    @property
    def is_finding(self) -> bool:
        return self not in (Outcome.RIGHT, Outcome.REFUSED)


@dataclass(frozen=True)
class Input:
    """One input with its oracle, which is decided when it is made and not by what the product says.

    Attributes:
        act: Gives it to the product: the answer, or a `LesionError`.
        wrong: What is wrong with an answer, or None; by default every answer is, as the input must be refused.
        refusable: Whether a refusal is right.
        note: What was done to it.
        cheap: Whether refusing it may cost hardly anything (`MOST_REFUSAL_S`, `MOST_REFUSAL_BYTES`).
        most_rss: Bytes that the process may take.
        data: The file itself, where it is one image.
    """

    act: Callable[[], Any]
    wrong: Callable[[Any], str | None] = lambda answer: f"it must be refused, and gives {str(answer)[:80]!r}"
    refusable: bool = True
    note: str = ""
    cheap: bool = False
    most_rss: int = 2**40
    data: bytes = b""


Make = Callable[[np.random.Generator, Path], Input]
"""Makes an input of one kind, with its files in an empty folder."""


@dataclass(frozen=True)
class Part:
    """Inputs of one way into the product.

    Attributes:
        kinds: How to make each kind of input, by name.
        warm: Called once in a worker, before any cost is measured.
        limit_s: Seconds of processor time after which an input counts as hanging; of the clock, `PATIENCE` times as
            many, since others may use the machine.
    """

    kinds: dict[str, Make]
    warm: Callable[[], object] = lambda: None
    limit_s: float = 20.0

    def kind(self, case: int) -> str:
        """The kind of the case with this number: all take turns."""
        return list(self.kinds)[case % len(self.kinds)]

    def make(self, seed: int, case: int, folder: Path) -> Input:
        """The case with this number of a campaign."""
        kind = self.kind(case)
        return self.kinds[kind](np.random.default_rng([seed, case]), folder)


@dataclass(frozen=True)
class Verdict:
    """What became of a case."""

    outcome: Outcome
    detail: str = ""
    note: str = ""
    cost: dict[str, float] = field(default_factory=dict)


def bad_sentence(text: str, longest: int = LONGEST_SENTENCE) -> str | None:
    """What is wrong with what a person is told, or None."""
    if not text.strip():
        return "an empty sentence"
    if len(text) > longest:
        return f"a sentence of {len(text):,} letters: {text[:80]!r}"
    if (piece := max(map(len, text.split()))) > LONGEST_PIECE:
        return f"a piece of {piece:,} letters: {text[:80]!r}"
    if strange := [c for c in text if unicodedata.category(c)[0] == "C" and c not in JOINERS]:
        return f"control letters {strange[:3]!r} in {text[:80]!r}"
    if "Traceback" in text or 'File "' in text:
        return f"a traceback in {text[:80]!r}"
    return None


def judge(case: Input) -> Verdict:
    """Give an input to the product and judge what it says."""
    told: LesionError | None = None
    answer: Any = None
    spent, grown = float("inf"), 2**63
    for _ in range(TRIES if case.cheap else 1):
        before = _memory("VmRSS")
        _forget_peak()
        start = time.process_time()
        try:
            answer, told = case.act(), None
        except LesionError as error:
            told = error
        except BaseException:
            return Verdict(Outcome.TRACEBACK, traceback.format_exc()[-1500:], case.note)
        peak = _memory("VmHWM")
        spent, grown = min(spent, time.process_time() - start), min(grown, peak - before)
        cost = {"cpu_s": spent, "grown_mb": grown / 2**20, "rss_mb": peak / 2**20}
        if peak > case.most_rss:
            return Verdict(Outcome.COSTLY, f"the process takes {peak / 2**20:.0f} MB", case.note, cost)
        if told is None or (spent <= MOST_REFUSAL_S and grown <= MOST_REFUSAL_BYTES):
            break
    if told is None:
        wrong = case.wrong(answer)
        return Verdict(Outcome.WRONG if wrong else Outcome.RIGHT, wrong or "", case.note, cost)
    if bad := bad_sentence(str(told)):
        return Verdict(Outcome.SENTENCE, bad, case.note, cost)
    if not case.refusable:
        return Verdict(Outcome.HEALTHY_REFUSED, str(told), case.note, cost)
    if case.cheap and (spent > MOST_REFUSAL_S or grown > MOST_REFUSAL_BYTES):
        detail = f"refused after {spent:.2f} s and {grown / 2**20:.0f} MB: {told}"
        return Verdict(Outcome.COSTLY, detail, case.note, cost)
    return Verdict(Outcome.REFUSED, str(told), case.note, cost)


def _memory(field_name: str) -> int:
    """Bytes of this process, now (VmRSS) or at most since `_forget_peak` (VmHWM); 0 where Linux does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field_name)), 0)


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
