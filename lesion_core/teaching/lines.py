"""YAML as plain data that remembers its lines, for files that people write by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from lesion_core.errors import ConfigError
from lesion_core.foreign_text import shown

DEEPEST = 12
"""Levels of lists and mappings within each other."""
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")


@dataclass(frozen=True)
class Lines:
    """A YAML file that was read.

    Attributes:
        named: The file, as it is told.
        data: Its content: dicts, lists, texts, numbers, truth values and None.
        root: Its nodes, which know their lines.
        remedy: What to do about an error in it.
    """

    named: str
    data: Any
    root: yaml.Node
    remedy: str

    def line(self, place: Sequence[str | int]) -> int:
        """The line, from 1, of what stands at a place, or of the nearest that is there: keys and positions in lists."""
        node, line = self.root, int(self.root.start_mark.line)
        for part in place:
            if isinstance(node, yaml.MappingNode):
                found = next((pair for pair in node.value if pair[0].value == part), None)
                if found is None:
                    continue  # missing here, or a name of a kind that is not in the file
                line, node = int(found[0].start_mark.line), found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = int(node.start_mark.line)
        return line + 1

    def has(self, key: str) -> bool:
        """Whether a key is anywhere in the file."""
        return _has(self.root, key)

    def error(self, place: Sequence[str | int], what: str) -> ConfigError:
        """An error with its line."""
        return ConfigError(f"{self.named}, line {self.line(place)}: {what.removesuffix('.')}.", self.remedy)


def _has(node: yaml.Node, key: str) -> bool:
    if isinstance(node, yaml.MappingNode):
        return any(name.value == key or _has(value, key) for name, value in node.value)
    return isinstance(node, yaml.SequenceNode) and any(_has(one, key) for one in node.value)


def read_lines(raw: bytes, named: str, remedy: str) -> Lines:
    """Read YAML that holds plain data: no anchors and tags, and no key twice. Words are text but for true, false and
    null.

    Args:
        raw: UTF-8.
        named: The file, as it is told.
        remedy: What to do about an error in it.

    Raises:
        ConfigError: It is not such YAML; the sentence names the line where there is one.

    Example:
        >>> lines = read_lines(b"title: Leakage\\nsteps:\\n- text: one\\n", "leakage.yaml", "Correct it.")
        >>> lines.data, lines.line(("steps", 0, "text"))
        ({'title': 'Leakage', 'steps': [{'text': 'one'}]}, 3)
    """

    def error(mark: yaml.Mark | None, what: str) -> ConfigError:
        where = named if mark is None else f"{named}, line {mark.line + 1}"
        return ConfigError(f"{where}: {what.removesuffix('.')}.", remedy)

    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        raise ConfigError(f"{named}, line {line}: this is not UTF-8.", "Save it as UTF-8.") from None
    try:
        # Aliases are refused before they are composed: a few of them can stand for a gigabyte.
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise error(event.start_mark, "& and * at the start of a value are YAML's anchors; put it in quotes")
            if getattr(event, "tag", None):
                raise error(event.start_mark, "! at the start of a value is a YAML tag; put it in quotes")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise error(event.start_mark, f"more than {DEEPEST} levels within each other")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        hint = "; a text with a colon or a # in it is put in quotes" if "mapping values" in str(problem.problem) else ""
        raise error(mark, f"this is not YAML ({shown(str(problem.problem), 100)}){hint}") from None
    except yaml.reader.ReaderError as problem:
        line = text[: int(problem.position)].count("\n") + 1
        raise ConfigError(f"{named}, line {line}: a character that text does not have.", remedy) from None
    if root is None:
        raise error(None, "it is empty")
    return Lines(named, _data(root, error), root, remedy)


def _data(node: yaml.Node, error: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise error(key.start_mark, "a key is a word")
            if key.value in found:
                raise error(key.start_mark, f"{shown(key.value)} is there twice")
            found[key.value] = _data(value, error)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_data(one, error) for one in node.value]
    return _scalar(str(node.value)) if node.style is None else str(node.value)


def _scalar(text: str) -> Any:
    """A number, a truth value, None, or text: also where YAML 1.1 sees a date, or a truth value in Yes and No."""
    if text in _WORDS:
        return _WORDS[text]
    if found := _NUMBER.fullmatch(text):
        return float(text) if found[2] else int(text)
    return text
