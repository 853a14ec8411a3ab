"""README and docs: what they tell a reader to type works, and they stay short and whole."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from lesion_core.cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(path: Path) -> list[list[str]]:
    """The arguments of each call of the command line, in blocks and in sentences; the line may be wrapped."""
    text = path.read_text(encoding="utf-8")
    found = [line for block in blocks(path, "bash") for line in block.replace("\\\n", " ").splitlines()]
    found += [part.replace("\n", " ") for part in re.findall(r"`((?:python -m lesion_core|lesion-lab) [^`]*)`", text)]
    calls = [re.split(r"(?:python|-m|\s)* lesion_core |lesion-lab ", f" {line}", maxsplit=1) for line in found]
    return [shlex.split(call[1], comments=True) for call in calls if len(call) == 2]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


@pytest.mark.slow
def test_the_lines_of_python_in_the_readme_run() -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    answer, reason = done.stdout.splitlines()
    assert re.fullmatch(r"[A-Z]+ 0\.\d\d; balanced accuracy 0\.\d{3}", answer)
    assert "20 referrals" in reason
    value = answer.split()[-1]
    assert f"| test set, 8 classes | ResNet-50 | 1,782 (1,452) | {value} (" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        generated = target.startswith("api/")
        assert generated or "://" in target or (path.parent / target).exists(), target


def test_the_architecture_names_what_is_there() -> None:
    """Each ``room.module`` and ``room.module.function`` in backticks; every room in the drawing and the README."""
    library = ROOT / "lesion_core"
    rooms = {path.stem for path in library.iterdir() if path.is_dir() or path.suffix == ".py"}
    rooms = {room for room in rooms if not room.startswith("_")}
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:\w+\.){1,2}\w+`", text)
    dotted = [name for one in named if (name := one.strip("`").split("."))[0] in rooms]
    assert len(dotted) > 20
    for room, module, *rest in dotted:
        path = library / room / f"{module}.py"
        assert path.exists() or (library / room / module).is_dir(), (room, module)
        for one in rest:
            assert re.search(rf"^(?:def|class) {one}\b", path.read_text(encoding="utf-8"), re.MULTILINE), one
    (drawing,) = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert rooms <= set(re.findall(r"\w+", drawing)), "not drawn"
    assert rooms <= set(re.findall(r"\w+", (ROOT / "README.md").read_text(encoding="utf-8"))), "not in the map"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(path: Path) -> None:
    root = typer.main.get_command(app)
    for arguments in commands(path):
        command: Any = root
        rest = list(arguments)
        while hasattr(command, "commands"):
            assert rest, arguments
            name = rest.pop(0)
            assert name in command.commands, (name, arguments)
            command = command.commands[name]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in rest if word.startswith("--")} - {"--"} <= known, arguments


def test_the_check_of_commands_sees_them() -> None:
    seen = [arguments[0] for path in DOCUMENTS for arguments in commands(path)]
    assert len(seen) >= 15
    assert {"train", "evaluate", "predict", "ood", "segment", "experiment"} <= set(seen)


def test_ci_takes_the_set_up_commands_from_the_readme() -> None:
    """`.ci/run` runs what the two blocks say, the second one last; nothing of them is repeated there."""
    taken = subprocess.run(
        [sys.executable, ROOT / ".ci" / "readme.py", "2"], capture_output=True, text=True, timeout=60
    )
    assert [taken.stdout.strip()] == [
        block.splitlines()[1] for block in blocks(ROOT / "README.md", "bash") if block.startswith("# 2.")
    ]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme.py 1\n" in script and script.rstrip().endswith('readme.py 2)"') and "pytest -n" not in script
