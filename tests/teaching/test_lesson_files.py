"""Lessons as files: what ships can be read, and whatever is wrong with one is told with its line."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from lesion_core.config import Settings
from lesion_core.errors import ConfigError
from lesion_core.teaching.lessons import END_MINUTES, Lesson, list_lessons, read_lesson
from lesion_core.teaching.lines import read_lines


class At(Settings):
    """Arguments of a figure that only these tests have."""

    at: Annotated[float, Field(gt=0, lt=1)] = 0.9


FIGURES: dict[str, type[Settings]] = {"dots": At}
LESSON = """\
title: A lesson
headline: How often is it right?
order: 1
minutes: 20
aim: They see it.
needs: Nothing.
steps:
  - title: First
    text: Look.
    ask:
      kind: number
      text: How many of 100?
      unit: of 100
      least: 0
      most: 100
    reveal:
      figure: dots
      arguments: {at: 0.8}
      note: See it.
  - title: Second
    ask:
      kind: choice
      text: Which?
      options:
        - key: a
          text: Yes
        - key: b
          text: No
  - title: Third
    ask:
      kind: dealt
      deal: images
      text: What is it?
      n: 10
      help: answer
take_away: Test it.
published:
  finding: It was so.
  source: A paper, 2020
  confirmed: true
exit:
  text: And here?
  right: a
  options:
    - key: a
      text: So
      after: Right.
    - key: b
      text: Not so
      after: It is, as 3 of 4 is few.
students:
  - say: I knew it.
    answer: Fine.
limits: One run.
"""


def read(tmp_path: Path, text: str | bytes) -> Lesson:
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_lesson(path, FIGURES)


def test_a_lesson_is_read_with_its_questions_named(tmp_path: Path) -> None:
    lesson = read(tmp_path, LESSON)
    assert [step.ask.key for step in lesson.steps] == ["mine-1", "mine-2", "mine-3"]
    assert lesson.exit.key == "mine-exit" and lesson.exit.kind == "choice"
    assert [option.text for option in lesson.steps[1].ask.options] == ["Yes", "No"], "text, not truth values"
    assert lesson.steps[0].reveal is not None and lesson.steps[0].reveal.arguments == {"at": 0.8}


WRONG = {
    "a missing key": ("minutes: 20\n", "", 1, "minutes is missing"),
    "a missing key within": ("      text: Which?\n", "", 21, "text is missing"),
    "an unknown key": ("aim: They", "aims: They", 5, "aims"),
    "a key twice": ("order: 1\n", "order: 1\norder: 2\n", 4, "order is there twice"),
    "another type": ("minutes: 20", "minutes: long", 4, "minutes"),
    "out of range": ("minutes: 20", "minutes: 0", 4, "minutes"),
    "an unknown figure": ("figure: dots", "figure: dotz", 17, "there is no figure 'dotz'; choose one of dots"),
    "a wrong argument": ("{at: 0.8}", "{at: 8}", 18, "at"),
    "an unknown argument": ("{at: 0.8}", "{ot: 0.8}", 18, "ot is not a key here"),
    "an unknown kind": ("kind: choice", "kind: chioce", 21, "chioce"),
    "no kind": ("      kind: choice\n", "", 21, "kind is missing"),
    "one option": ("        - key: b\n          text: No\n", "", 24, "options"),
    "an exit that does not explain": ("      after: Right.\n", "", 41, "no sentence"),
    "an exit without a right option": ("  right: a\n", "", 41, "right"),
    "a right option that is not there": ("  right: a", "  right: c", 41, "right"),
    "no step": (LESSON[LESSON.index("  - title: First") : LESSON.index("take_away")], "  []\n", 7, "steps"),
    "a colon in a text": ("aim: They see it.", "aim: They see: it.", 5, "quotes"),
    "a tab": ("  - title: First", "\t- title: First", 8, "not YAML"),
    "a bracket left open": ("{at: 0.8}", "{at: 0.8", 19, "not YAML"),
    "a list for a text": ("title: A lesson", "title: [A, lesson]", 1, "title"),
    "an anchor": ("aim: They", "aim: &they They", 5, "put it in quotes"),
    "a tag": ("aim: They", "aim: !!python/object:os.system They", 5, "put it in quotes"),
    "a headline that does not ask": ("is it right?", "it is right.", 2, "question mark"),
    "help beside what is not an image": ("deal: images", "deal: maps", 30, "help"),
    "a name that is too long": ("title: A lesson", f"title: {'A' * 300}", 1, "title"),
    "minutes of one step": ("  - title: First\n", "  - title: First\n    minutes: 17\n", 1, "name all or none"),
    "an infinite number": ("minutes: 20", "minutes: .inf", 4, "minutes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    old, new, line, said = WRONG[name]
    assert LESSON.count(old) == 1, old
    with pytest.raises(ConfigError) as told:
        read(tmp_path, LESSON.replace(old, new))
    assert f"mine.yaml, line {line}: " in told.value.problem and said in told.value.problem, told.value.problem
    assert told.value.remedy


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe\x00", b"# only words\n", b"[" * 60, b"a: \x00", b"x" * 2**18, b"- 1\n"]
)
def test_what_is_not_a_lesson_is_a_sentence(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        read(tmp_path, raw)


def places(node: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """All places in a lesson, as keys and positions."""
    if at:
        yield at
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(value, (*at, key))


PLACES = list(places(yaml.safe_load(LESSON)))


@settings(max_examples=120)
@given(st.sampled_from(PLACES), st.sampled_from(["drop", "twice", None, 7, -1.5, True, "", [], {}, [[1]], "x" * 5000]))
def test_any_mutation_is_read_or_told_with_a_line(place: tuple[str | int, ...], change: Any) -> None:
    """A key dropped, misspelt or of another type, anywhere: a lesson, or a sentence whose line is in the file."""
    data = yaml.safe_load(LESSON)
    owner = data
    for part in place[:-1]:
        owner = owner[part]
    if change == "drop":
        del owner[place[-1]]
    elif change == "twice":
        if isinstance(owner, dict):
            owner[f"{place[-1]}x"] = owner.pop(place[-1])
        else:
            owner.append(copy.deepcopy(owner[place[-1]]))  # the same one would be written as an alias
    else:
        owner[place[-1]] = change
    text = yaml.safe_dump(data, sort_keys=False)
    assert read_lines(text.encode(), "mine.yaml", "Correct it.").data == data, "read as YAML's own library writes it"
    try:
        with tempfile.TemporaryDirectory() as folder:
            read(Path(folder), text)
    except ConfigError as error:
        line = int(error.problem.split("line ")[1].split(":")[0])
        assert 1 <= line <= text.count("\n") + 1 and error.problem.startswith("mine.yaml, line "), error.problem
        assert len(error.problem) < 400 and error.remedy


def test_minutes_of_steps_add_up_to_those_of_the_lesson(tmp_path: Path) -> None:
    timed = LESSON
    for title, minutes in (("First", 6), ("Second", 6), ("Third", 5)):
        timed = timed.replace(f"- title: {title}\n", f"- title: {title}\n    minutes: {minutes}\n")
    assert read(tmp_path, timed).minutes == 6 + 6 + 5 + END_MINUTES
    with pytest.raises(ConfigError, match=r"the steps take 18 minutes and the end 3, the lesson says 20"):
        read(tmp_path, timed.replace("minutes: 5", "minutes: 6"))


def test_one_broken_lesson_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "second.yaml").write_text(LESSON.replace("order: 1", "order: 2"))
    (tmp_path / "first.yaml").write_text(LESSON)
    (tmp_path / "broken.yaml").write_text("title: 1\n")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "two words.yaml").write_text(LESSON)
    found, broken = list_lessons(tmp_path, FIGURES)
    assert list(found) == ["first", "second"] and set(broken) == {"broken.yaml", "folder.yaml", "two words.yaml"}
