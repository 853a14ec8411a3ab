"""Answers counted: how many of each, and nothing by which one person could be told from another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lesion_core.teaching.questions import (
    Answer,
    ChoiceQuestion,
    DiagnosisQuestion,
    Question,
    SeriesQuestion,
    right_answer,
)
from lesion_core.teaching.reading import Reading, ReadingQuestion

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
        finished: People who answered all items of a series or reader study; None for other kinds.
        readings: For each person of a reader study, what was read; None for other kinds and under `FEWEST`.
    """

    n: int
    counts: dict[str, int] | None = None
    values: tuple[float, ...] | None = None
    items: tuple[tuple[int | None, int], ...] | None = None
    right: int | None = None
    finished: int | None = None
    readings: tuple[tuple[Reading, ...], ...] | None = None


def length(question: Question) -> int | None:
    """Items of a question that is answered one after the other; None for other kinds."""
    if isinstance(question, ReadingQuestion):
        return len(question.reads)
    return len(question.items) if isinstance(question, SeriesQuestion) else None


def finished(question: Question, answers: Mapping[int, Answer]) -> int | None:
    """Who answered all items of a series or reader study; None for other kinds."""
    items = length(question)
    return None if items is None else sum(isinstance(one, tuple) and len(one) == items for one in answers.values())


def tally(question: Question, answers: Mapping[int, Answer], people: Mapping[int, str] | None = None) -> Tally:
    """Count the answers to a question.

    Args:
        question: What was asked.
        answers: By person, as `check_answer` gives them.
        people: Person to the text by which a reader study deals; other kinds need none.

    Example:
        >>> from lesion_core.teaching.questions import NumberQuestion
        >>> points = NumberQuestion(key="points", text="How many?", least=0, most=50)
        >>> few = tally(points, {1: 8.0, 2: 10.0, 3: 5.0, 4: 8.0})
        >>> few.n, few.values
        (4, None)
        >>> tally(points, {1: 8.0, 2: 10.0, 3: 5.0, 4: 8.0, 5: 50.0}).values
        (5.0, 8.0, 8.0, 10.0, 50.0)
    """
    given, n = list(answers.values()), len(answers)
    right = right_answer(question)
    hits = None if right is None or n < FEWEST else sum(answer == right for answer in given)
    if isinstance(question, SeriesQuestion):
        series = [answer for answer in given if isinstance(answer, tuple)]
        heard = [[answer[place] for answer in series if len(answer) > place] for place in range(len(question.items))]
        items = tuple((sum(map(bool, one)) if len(one) >= FEWEST else None, len(one)) for one in heard)
        return Tally(n, items=items, right=hits, finished=finished(question, answers))
    if isinstance(question, ReadingQuestion):
        read = tuple(tuple(own) for own in readings(question, answers, people or {}))
        return Tally(n, finished=finished(question, answers), readings=read if n >= FEWEST else None)
    if n < FEWEST:
        return Tally(n)
    if isinstance(question, ChoiceQuestion | DiagnosisQuestion):
        found = Counter(map(str, given))
        keys = [option.key for option in question.options] if isinstance(question, ChoiceQuestion) else question.codes
        return Tally(n, counts={key: found[key] for key in keys}, right=hits)
    return Tally(n, values=tuple(sorted(answer for answer in given if isinstance(answer, float))))


def readings(
    question: ReadingQuestion, answers: Mapping[int, Answer], people: Mapping[int, str]
) -> Iterator[list[Reading]]:
    """What each person read, in an order that tells nothing of who came first."""
    for person in sorted(answers, key=people.__getitem__):
        own = answers[person]
        if isinstance(own, tuple):
            yield question.readings(people[person], tuple(map(str, own)))


def changed(first: Mapping[int, Answer], second: Mapping[int, Answer]) -> tuple[int, int] | None:
    """How many changed their answer, of those who gave two; None where these are under `FEWEST`."""
    both = first.keys() & second.keys()
    return (sum(first[person] != second[person] for person in both), len(both)) if len(both) >= FEWEST else None
