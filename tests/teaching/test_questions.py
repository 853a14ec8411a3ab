"""Questions: what is an answer, what is refused, and what a phone may know."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.errors import ConfigError
from lesion_core.labels import ISIC2019
from lesion_core.teaching.questions import (
    KINDS,
    ChoiceQuestion,
    DiagnosisQuestion,
    Item,
    LineQuestion,
    NumberQuestion,
    Option,
    Question,
    SeriesQuestion,
    check_answer,
    read_question,
    right_answer,
)
from lesion_core.teaching.reading import ReadingImage, ReadingQuestion

SECRET = "tells-it"
OPTIONS = tuple(Option(key=key, text=f"Team {key}", after=f"{SECRET} {key}") for key in "abc")
EACH: dict[str, Question] = {
    "number": NumberQuestion(key="n", text="How many?", unit="%", least=0, most=100, right=42, after=SECRET),
    "line": LineQuestion(key="l", text="Where?", least=-2, most=6, right=1.5, below="unknown", bars=(1, 2, 0.5)),
    "choice": ChoiceQuestion(key="c", text="Who?", options=OPTIONS, right="b", after=SECRET),
    "diagnosis": DiagnosisQuestion(key="d", text="Which?", image="synthetic-MEL-1", right="MEL", after=SECRET),
    "series": SeriesQuestion(
        key="s",
        text="Right?",
        items=(Item(text="One", image="synthetic-NV-1", right=True), Item(text="Two", right=False)),
    ),
    "reading": ReadingQuestion(
        key="r",
        text="What is it?",
        after=SECRET,
        reads=tuple(
            ReadingImage(image=f"synthetic-NV-{i}", map=f"synthetic-BCC-{i}", truth="NV", answer=says, confidence=0.8)
            for i, says in enumerate(("NV", "NV", "NV", "MEL", "MEL", "MEL"))
        ),
    ),
}
ANSWERS: dict[str, list[object]] = {
    "number": [0, 100, 42.0],
    "line": [-2, 6, 0.3],
    "choice": ["a", "c"],
    "diagnosis": ["MEL", "SCC"],
    "series": [[True], [False, True]],
    "reading": [["MEL"], ["NV", "SCC", "MEL", "NV", "NV", "NV"]],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_there_is_one_of_each_kind() -> None:
    assert set(EACH) == set(KINDS) == {question.kind for question in EACH.values()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_comes_back_from_json(kind: str) -> None:
    assert read_question(EACH[kind].to_json()) == EACH[kind]


@pytest.mark.parametrize("kind", KINDS)
@given(raw=ANYTHING)
def test_whatever_comes_is_an_answer_or_a_sentence(kind: str, raw: object) -> None:
    """And an answer is one still when it is given again: what is counted is a fixed point."""
    try:
        answer = check_answer(EACH[kind], raw)
    except ConfigError as error:
        assert error.problem and error.remedy
    else:
        assert check_answer(EACH[kind], json.loads(json.dumps(answer))) == answer


@pytest.mark.parametrize("kind", KINDS)
def test_its_answers_are_taken(kind: str) -> None:
    for raw in ANSWERS[kind]:
        assert check_answer(EACH[kind], raw) == (tuple(raw) if isinstance(raw, list) else raw)
    right = right_answer(EACH[kind])
    assert right is None if kind == "reading" else check_answer(EACH[kind], right) == right


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        *(("number", raw) for raw in (-1, 101, 0.5, True, "7", None, float("nan"), float("inf"), [7])),
        *(("line", raw) for raw in (-2.01, 6.01, False, "0", {})),
        *(("choice", raw) for raw in ("d", "", 0, None, ["a"])),
        *(("diagnosis", raw) for raw in ("AKIEC", "melanoma", 1)),
        *(("series", raw) for raw in ([], [True, True, True], [1], "yes", True, [None])),
        *(("reading", raw) for raw in ([], ["MEL"] * 7, ["AKIEC"], "MEL", ["MEL", None], [True], {"0": "MEL"})),
    ],
)
def test_what_is_not_an_answer_is_refused(kind: str, raw: object) -> None:
    with pytest.raises(ConfigError):
        check_answer(EACH[kind], raw)


@given(least=st.integers(-1000, 1000), steps=st.integers(1, 1000), step=st.sampled_from([0.01, 0.1, 0.5, 1, 5]))
def test_every_step_of_a_number_is_one_answer(least: int, steps: int, step: float) -> None:
    question = NumberQuestion(key="n", text="?", least=least, most=least + steps * step, step=step)
    found = [check_answer(question, min(question.most, least + k * step)) for k in range(steps + 1)]
    assert len(set(found)) == steps + 1 and found == sorted(found)  # type: ignore[type-var]


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_knows_no_answer_before_the_reveal(kind: str) -> None:
    before, after = (json.dumps(EACH[kind].public(revealed=revealed)) for revealed in (False, True))
    assert "right" not in before and SECRET not in before and "synthetic" not in before + after
    assert "right" in after
    if kind == "diagnosis":
        assert [option["key"] for option in EACH[kind].public()["options"]] == list(ISIC2019)  # type: ignore[index]


def test_images_have_places() -> None:
    singles = [question for kind, question in EACH.items() if kind != "reading"]
    assert [question.images() for question in singles] == [
        (), (), (), ("synthetic-MEL-1",), ("synthetic-NV-1", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        ("number", {"least": 100}, "least"),
        ("number", {"step": 0}, "step"),
        ("number", {"step": 1e-6}, "steps"),
        ("number", {"right": 101}, "right"),
        ("number", {"kind": "date"}, "number"),
        ("number", {"colour": "red"}, "colour"),
        ("line", {"bars": [-1]}, "bars"),
        ("line", {"most": None}, "most"),
        ("choice", {"options": [{"key": "a", "text": "A"}]}, "options"),
        ("choice", {"options": [{"key": "a", "text": "A"}] * 2}, "key"),
        ("choice", {"right": "z"}, "right"),
        ("diagnosis", {"codes": ["MEL", "XYZ"]}, "XYZ"),
        ("diagnosis", {"codes": ["MEL", "MEL"]}, "twice"),
        ("diagnosis", {"codes": ["NV", "BCC"]}, "right"),
        ("series", {"items": []}, "items"),
        ("series", {"key": "../x"}, "key"),
        ("series", {"text": " "}, "text"),
        ("reading", {"codes": ["MEL", "BCC"]}, "NV is not among"),
        ("reading", {"reads": []}, "reads"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_its_field(
    kind: str, change: dict[str, object], field: str
) -> None:
    with pytest.raises(ConfigError, match=field):
        read_question(json.dumps(json.loads(EACH[kind].to_json()) | change))
