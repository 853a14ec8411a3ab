"""Answers counted: how many of each, and nothing by which one person could be told from another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lesion_core.teaching.questions import (
    Answer,
    ChoiceQuestion,
    DiagnosisQuestion,
    Question,
    SeriesQuestion,
    right_answer,
)

FEWEST = 5
"""Answers under which nothing but their number is told: in a row of four neighbours everybody knows who it was."""


@dataclass(frozen=True)
class Tally:
    """One vote, counted.

    Attributes:
        n: People who answered.
        counts: Option or diagnosis to people, those that nobody chose too; None for other kinds and under `FEWEST`.
        values: Numbers or places of a line in ascending order; None for other kinds and under `FEWEST`.
        items: For each item of a series, who says yes and who answered it; None for other kinds. An item that fewer
            than `FEWEST` answered has None in place of the first.
        right: People whose answer is the right one (of a series: every item); None where there is none, for numbers
            and lines, and under `FEWEST`.
    """

    n: int
    counts: dict[str, int] | None = None
    values: tuple[float, ...] | None = None
    items: tuple[tuple[int | None, int], ...] | None = None
    right: int | None = None


def tally(question: Question, answers: Mapping[int, Answer]) -> Tally:
    """Count the answers to a question.

    Args:
        question: What was asked.
        answers: By person, as `check_answer` gives them.

    Example:
        >>> from lesion_core.teaching.questions import NumberQuestion
        >>> points = NumberQuestion(key="points", text="How many?", least=0, most=50)
        >>> tally(points, {1: 8.0, 2: 10.0, 3: 5.0, 4: 8.0})
        Tally(n=4, counts=None, values=None, items=None, right=None)
        >>> tally(points, {1: 8.0, 2: 10.0, 3: 5.0, 4: 8.0, 5: 50.0}).values
        (5.0, 8.0, 8.0, 10.0, 50.0)
    """
    given, n = list(answers.values()), len(answers)
    right = right_answer(question)
    hits = None if right is None or n < FEWEST else sum(answer == right for answer in given)
    if isinstance(question, SeriesQuestion):
        series = [answer for answer in given if isinstance(answer, tuple)]
        heard = [[answer[place] for answer in series if len(answer) > place] for place in range(len(question.items))]
        items = tuple((sum(one) if len(one) >= FEWEST else None, len(one)) for one in heard)
        return Tally(n, items=items, right=hits)
    if n < FEWEST:
        return Tally(n)
    if isinstance(question, ChoiceQuestion | DiagnosisQuestion):
        found = Counter(map(str, given))
        keys = [option.key for option in question.options] if isinstance(question, ChoiceQuestion) else question.codes
        return Tally(n, counts={key: found[key] for key in keys}, right=hits)
    return Tally(n, values=tuple(sorted(answer for answer in given if isinstance(answer, float))))


def changed(first: Mapping[int, Answer], second: Mapping[int, Answer]) -> tuple[int, int] | None:
    """How many changed their answer, of those who gave two; None where these are under `FEWEST`."""
    both = first.keys() & second.keys()
    return (sum(first[person] != second[person] for person in both), len(both)) if len(both) >= FEWEST else None
