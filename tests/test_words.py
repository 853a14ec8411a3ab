"""What a person reads is written as a native speaker writes it: no word or turn that reads as translated.

All strings and docstrings of the sources, and the documents, are searched for kinds of sentences that were here once.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("lesion_core", "app", "pages", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("lessons/*.yaml")]
)
CARDS = sorted(ROOT.glob("checkpoints/*/card.md"))


class Kind(NamedTuple):
    """A way not to write: what finds it, what to write, and sentences with and without it."""

    pattern: str
    write: str
    bad: tuple[str, ...]
    good: tuple[str, ...]


KINDS = (
    Kind(
        r"(?<!\bthere )(?<!\bThere )\b(?:is|are) no (?!longer\b|more\b|better\b|worse\b|larger\b)",
        "is not a",
        ("X is no run.", "The logits are no numbers.", "'odin' is no known score", "an array that is no image"),
        ("There is no run.", "Where there are no masks", "It is no longer there.", "0.5 is no better than a coin."),
    ),
    Kind(
        r"\b(?:row|score|label|number|boolean|probability|weight|column|[Pp]ixels|bytes|bits|lesions|images|[Oo]ne)"
        r" an? (?:image|picture|lesion|side|pixel|class|channel|row|run|second|file)\b",
        "per",
        (
            "Give one row an image.",
            "a row a lesion",
            "Pixels a side.",
            "16 bits a channel",
            "tested on images, one a lesion",
        ),
        ("Give one row per image.", "Draw a lesion.", "It lists an image twice.", "half a pixel"),
    ),
    Kind(
        r"\b[Kk]nown are\b",
        "Choose one of",
        ("Known are A, B.", "no score, known are a"),
        ("Choose one of A, B.",),
    ),
    Kind(
        r"\b[Ss]trangers?\b(?!-)",
        "OOD image",
        ("Strangers let through", "how many strangers are rejected"),
        ("OOD images accepted", "``stranger-<file>``", "a strange sight"),
    ),
    Kind(
        r"\b[Hh]and(?:ed|s|ing)? out\b",
        "report, download",
        ("To hand out", "what it hands out"),
        ("Report", "out of hand"),
    ),
    Kind(
        r" less (?:(?:that|those) (?:of|from)|(?:the|this|its) (?:first|other|run|evidence)|unchanged|without)\b",
        "minus",
        (
            "The other run's figure less this run's.",
            "the distance, less that from the middle",
            "Jaccard, less unchanged",
        ),
        ("The other run's figure minus this run's.", "with less memory", "less is better", "Allow less confidence."),
    ),
    Kind(
        r"\bdear(?:er|est)?\b", "expensive", ("answers that are dear to make",), ("answers that are expensive to make",)
    ),
    Kind(
        r"\btest dermoscopy\b|% of (?:the )?dermoscopy\b",
        "dermoscopic images",
        ("94 % of the test dermoscopy", "keeps 95 % of dermoscopy"),
        ("94 % of the dermoscopic test images", "synthetic dermoscopy"),
    ),
    Kind(
        r"\b(?:calibrate|select) (?:splits?|parts?|images?|pictures?|lesions?|rows)\b|"
        r"\btrain (?:split|images?|pictures?)\b",
        "calibration set, validation set, training set",
        ("95 % of the 1,088 calibrate pictures", "chosen on the select split", "fitted on the train split"),
        (
            "95 % of the 1,088 calibration images",
            "chosen on the validation set",
            "calibrate thresholds",
            "roles: train, test",
        ),
    ),
    Kind(
        r"(?<![\w.\"'/=-])[Pp]ictures?(?:'s)?(?![\w\"'/=(-]|\.\w)",
        "image",
        ("Choose another picture.", "Pictures that show no lesion", "the picture's rim", "a picture"),
        ("Choose another image.", "data.picture.startsWith", "app/pictures.py", "`pictures` of a run"),
    ),
)
KEYS = {
    " less the first",
    "Your pictures",
    "changed test dermoscopy",
    "test, lesion with several pictures, none in train",
}
"""Names in the tables of runs and of `experiments/` and in links of earlier versions, which stay."""
CODE = re.compile(r"``[^`]+``|`[^`\n]+`|^ *(?:>>>|\.\.\.) .*$|^ +pictures?\b(?=[\w, ]*: )", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """A text on one line, without what is code in it."""
    return " ".join(CODE.sub("`", text).split())


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of all strings with more than one word, docstrings too; what an f-string fills in is ``{}``."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        if len(text.split()) > 1 and text not in KEYS:
            yield node.lineno, text


def wrong(text: str) -> list[str]:
    """What of a text is not to be written, each with what to write in its place."""
    return [f"'{found[0]}' -> '{kind.write}'" for kind in KINDS for found in re.finditer(kind.pattern, prose(text))]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.write)
def test_each_kind_is_found_and_nothing_else(kind: Kind) -> None:
    for sentence in kind.bad:
        assert re.search(kind.pattern, prose(sentence)), sentence
        module = ast.parse(f'def f(x: str) -> str:\n    """{sentence}"""\n    return f"{{x}} and " "{sentence}"\n')
        assert [line for line, text in strings(module) if wrong(text)] == [2, 3], sentence
    for sentence in kind.good:
        assert not wrong(sentence), sentence


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sources_say_it_plainly(path: Path) -> None:
    found = [(line, w) for line, text in strings(ast.parse(path.read_text(encoding="utf-8"))) for w in wrong(text)]
    assert not found, "; ".join(f"line {line}: {w}" for line, w in sorted(found))


@pytest.mark.parametrize("path", DOCUMENTS + CARDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_say_it_plainly(path: Path) -> None:
    assert not wrong(FENCED.sub("", path.read_text(encoding="utf-8")))
