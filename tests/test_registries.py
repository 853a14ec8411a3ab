"""Every registry of the library, found in its sources: each entry is asked for each field."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def registries() -> dict[str, tuple[str, str, ast.AnnAssign]]:
    """By name: the module, the class of the entries, and the assignment, of each ``NAME: dict[str, Entry] = ...``.

    Tables of numbers alone, such as those that synthetic lesions are drawn with, and of plain values are not meant.
    """
    found = {}
    for path in sorted((ROOT / "lesion_core").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            entry = re.fullmatch(r"dict\[str, ([A-Z]\w+)\]", ast.unparse(node.annotation))
            if entry and node.target.id.isupper() and not node.target.id.startswith("_"):
                dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                kind = getattr(import_module(dotted), entry[1])
                if is_dataclass(kind) and any(field.type == "str" for field in fields(kind)):
                    found[node.target.id] = dotted, entry[1], node
    return found


REGISTRIES = registries()


def test_they_are_found() -> None:
    assert {"SCORES", "METRICS", "MASK_METRICS", "EVALUATION_SETS", "THRESHOLD_RULES", "METHODS"} <= set(REGISTRIES)


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_entry_has_every_field(name: str) -> None:
    dotted, entry, _ = REGISTRIES[name]
    module = import_module(dotted)
    registry, kind = getattr(module, name), getattr(module, entry)
    names = [getattr(e, "name", key) for key, e in registry.items()]
    assert len(set(names)) == len(names), "two entries of one name"
    sentences, optional = (
        re.findall(rf"^ +(\w+): .*{words}", kind.__doc__ or "", re.MULTILINE) for words in ("one sentence", "empty")
    )
    for key, found in registry.items():
        assert isinstance(found, kind)
        assert getattr(found, "key", getattr(found, "code", key)) == key
        for field in fields(kind):
            value = getattr(found, field.name)
            if field.type == "str":
                assert (value or field.name in optional) and value == value.strip(), (key, field.name)
            if field.name in sentences:
                assert value[0] == value[0].upper() and value[-1] in ".?", (key, field.name)
            if str(field.type).startswith("Callable"):
                assert callable(value), (key, field.name)


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_field_is_explained(name: str) -> None:
    dotted, entry, _ = REGISTRIES[name]
    kind = getattr(import_module(dotted), entry)
    explained = re.findall(r"^ +(\w+): ", (kind.__doc__ or "").partition("Attributes:")[2], re.MULTILINE)
    assert {field.name for field in fields(kind)} <= set(explained)


@pytest.mark.parametrize("name", REGISTRIES)
def test_entries_of_many_fields_are_written_with_keywords(name: str) -> None:
    _, entry, node = REGISTRIES[name]
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == entry]
    assert not [ast.unparse(call)[:60] for call in calls if len(call.args) > 4]
