"""The table of mutants does not rot: every edit is of a line that is there, once, and its tests exist."""

from __future__ import annotations

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant, chosen


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.file}:{m.old[:30]}")
def test_the_edit_is_of_one_line_that_is_there(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.old != mutant.new
    assert all((ROOT / name.split("::")[0]).is_file() for name in mutant.tests.split())


def test_ten_tenths_are_all() -> None:
    tenths = [mutant for k in range(1, 11) for mutant in chosen(f"{k}/10")]
    assert len(tenths) == len(MUTANTS) >= 40 and set(tenths) == set(MUTANTS)
