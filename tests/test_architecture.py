"""The imports run one way, as `docs/architecture.md` draws it; tables open without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("lesion_core", "app", "pages") for path in (ROOT / folder).rglob("*.py"))
LIBRARY = [path for path in SOURCES if "lesion_core" in path.relative_to(ROOT).parts]
HEAVY = {"torch", "torchvision", "torchmetrics", "lightning", "captum"}


def name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name(path): path for path in SOURCES}


def imported(body: list[ast.stmt], *, everywhere: bool) -> set[str]:
    """Dotted names that code imports: when it is itself imported, or also later, inside of functions."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            found |= imported(node.orelse, everywhere=everywhere)
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody"):
                found |= imported(getattr(node, field, []), everywhere=everywhere)
            for handler in getattr(node, "handlers", []):
                found |= imported(handler.body, everywhere=everywhere)
    return found


@cache
def imports(path: Path, everywhere: bool = False) -> frozenset[str]:
    return frozenset(imported(ast.parse(path.read_text(encoding="utf-8")).body, everywhere=everywhere))


def reached(path: Path) -> set[str]:
    """All outside packages that importing a module imports, through any chain of our own modules."""
    seen: set[Path] = set()
    outside: set[str] = set()
    todo = [path]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        for dotted in imports(here):
            if dotted in MODULES:
                todo.append(MODULES[dotted])
            elif dotted.split(".")[0] not in ("lesion_core", "app", "pages"):
                outside.add(dotted.split(".")[0])
    return outside


FOUNDATION = {"amounts", "config", "errors", "labels"}
ALLOWED: dict[str, set[str]] = {
    "foreign_text": set(),
    "errors": {"foreign_text"},
    "files": {"errors", "foreign_text"},
    "steps": set(),
    "distributed": {"errors"},
    "amounts": {"errors"},
    "config": {"amounts", "errors", "foreign_text"},
    "labels": {"errors"},
    "imaging": {"config", "errors", "foreign_text"},
    "models": {"config", "errors", "foreign_text", "steps"},
    "data": FOUNDATION | {"files", "foreign_text", "imaging"},
    "archive": FOUNDATION | {"data", "files", "foreign_text", "imaging"},
    "runs": FOUNDATION | {"data", "files", "foreign_text"},
    "analysis": FOUNDATION | {"data", "runs"},
    "ood": FOUNDATION | {"analysis", "data", "files", "foreign_text", "imaging", "runs"},
    "explain": {"amounts", "config", "errors", "imaging", "models"},
    "training": FOUNDATION | {"data", "distributed", "files", "foreign_text", "imaging", "models", "steps"},
    "inference": FOUNDATION
    | {
        "analysis",
        "data",
        "distributed",
        "explain",
        "files",
        "foreign_text",
        "imaging",
        "models",
        "ood",
        "runs",
        "steps",
    },
    "serving": FOUNDATION | {"analysis", "explain", "imaging", "inference", "models", "ood", "runs"},
    "reports": FOUNDATION | {"analysis", "foreign_text", "ood", "runs", "teaching"},
    "experiments": FOUNDATION
    | {
        "analysis",
        "data",
        "explain",
        "files",
        "imaging",
        "inference",
        "ood",
        "runs",
        "steps",
        "training",
    },
    "findings": FOUNDATION | {"data", "experiments", "files", "foreign_text", "runs"},
    "teaching": FOUNDATION | {"foreign_text"},
}
"""The rooms that each room may import; `cli` and `__main__` may import all, and nothing imports them."""
WITHOUT_TORCH = {
    "amounts",
    "archive",
    "config",
    "errors",
    "labels",
    "imaging",
    "data",
    "runs",
    "analysis",
    "ood",
    "reports",
    "teaching",
}
FILES_WITHOUT_TORCH = {
    f"lesion_core.{one}"
    for one in (
        *("explain.faithfulness", "explain.layers", "explain.maps", "explain.methods", "models.known"),
        *("serving.queue", "serving.results", "serving.single_flight"),
        *("cli.main", "__main__"),
    )
}


def room(dotted: str) -> str:
    """The second part of a name of the library, the first of others."""
    first, *rest = dotted.split(".")
    return rest[0] if first == "lesion_core" and rest else first


@pytest.mark.parametrize("path", [path for path in LIBRARY if room(name(path)) not in ("cli", "__main__")], ids=name)
def test_a_room_imports_what_the_map_allows(path: Path) -> None:
    own = room(name(path))
    if own == "lesion_core":
        return
    others = {room(d) for d in imports(path, everywhere=True) if d in MODULES and d != "lesion_core"} - {own}
    assert others <= ALLOWED[own], f"{own} may not import {', '.join(sorted(others - ALLOWED[own]))}"


def test_the_map_has_no_circle_and_no_empty_room() -> None:
    assert set(ALLOWED) | {"cli", "__main__", "lesion_core"} >= {room(name(path)) for path in LIBRARY}
    left = dict(ALLOWED)
    while left:  # take away what stands on nothing that is left
        floor = {one for one, below in left.items() if not below & set(left)}
        assert floor, f"a circle among {', '.join(sorted(left))}"
        left = {one: below for one, below in left.items() if one not in floor}


def test_modules_import_each_other_in_no_circle() -> None:
    left = {one: {d for d in imports(path, everywhere=True) if d in MODULES} - {one} for one, path in MODULES.items()}
    left = {one: below for one, below in left.items() if one.startswith("lesion_core.")}
    while left:
        floor = {one for one, below in left.items() if not below & set(left)}
        assert floor, f"a circle among {', '.join(sorted(left))}"
        left = {one: below for one, below in left.items() if one not in floor}


def test_the_graph_sees_what_there_is() -> None:
    assert "torch" in reached(MODULES["lesion_core.serving.classifier"])
    assert "torch" in reached(MODULES["lesion_core.inference.classifier"])
    assert "numpy" in reached(MODULES["lesion_core.analysis.evaluation_sets"])


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_the_library_knows_nothing_of_the_dashboard(path: Path) -> None:
    names = {dotted.split(".")[0] for dotted in imports(path, everywhere=True)}
    assert not names & {"streamlit", "app", "pages"}


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in SOURCES
        if room(name(path)) in WITHOUT_TORCH | {"app", "pages"} or name(path) in FILES_WITHOUT_TORCH
    ],
    ids=name,
)
def test_tables_open_without_torch(path: Path) -> None:
    assert not reached(path) & HEAVY


def test_tables_open_without_torch_for_real() -> None:
    code = (
        "import sys, lesion_core.runs.classifier, lesion_core.cli.main, lesion_core.analysis.evaluation_sets\n"
        "import lesion_core.data.collection, lesion_core.ood.threshold_rules\n"
        f"sys.exit(' '.join(sorted({HEAVY!r} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_page_opens_without_a_model() -> None:
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('app/Home.py', default_timeout=120).run()\n"
        "assert not app.exception and app.title, app.exception\n"
        f"sys.exit(' '.join(sorted({HEAVY!r} & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_only_training_imports_lightning(path: Path) -> None:
    if not name(path).startswith("lesion_core.training"):
        assert not {d for d in imports(path, everywhere=True) if d.split(".")[0] in ("lightning", "torchmetrics")}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_are_nouns_of_a_readable_length(path: Path) -> None:
    assert path.stem not in ("utils", "util", "helpers", "common", "base", "manager", "misc")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
