"""The examples in docstrings run and give what they say, and what a notebook calls has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Callable

import pytest

import lesion_core
from tests.literal import ROOT

MODULES = [info.name for info in pkgutil.walk_packages(lesion_core.__path__, "lesion_core.")]
MODULES.remove("lesion_core.__main__")  # that one runs the command line
WHOLE = (
    "analysis.calibration",
    "analysis.intervals",
    "analysis.metrics",
    "analysis.ranking",
    "analysis.resampling",
    "analysis.segmentation",
    "ood.detection",
    "ood.selective",
    "ood.thresholds",
)
"""Every public function of these has an example."""
DOORS = (
    "data.collection:collect",
    "data.splits:assign_roles",
    "explain.attribution:attribute",
    "imaging.decode:decode",
    "ood.policy:decide",
    "ood.scores:Scorer",
    "ood.tuning:tune",
    "runs.classifier:open_run",
    "runs.segmenter:open_segmenter",
    "serving.classifier:Engine.predict",
)
"""So do these: what a notebook begins with."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name), name)]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name.removeprefix("lesion_core."))
def test_an_example_gives_what_it_says(example: doctest.DocTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # a reader stands in the repository, with its checkpoints
    told: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(example, out=told.append)
    assert not told, "".join(told)


def public_functions(module: str) -> list[Callable[..., object]]:
    opened = importlib.import_module(f"lesion_core.{module}")
    return [
        value
        for name, value in vars(opened).items()
        if inspect.isfunction(value) and value.__module__ == opened.__name__ and not name.startswith("_")
    ]


@pytest.mark.parametrize("module", WHOLE)
def test_every_public_function_has_an_example(module: str) -> None:
    without = [f.__name__ for f in public_functions(module) if ">>>" not in (f.__doc__ or "")]
    assert without == []


@pytest.mark.parametrize("door", DOORS)
def test_what_a_notebook_begins_with_has_an_example(door: str) -> None:
    module, path = door.split(":")
    found = importlib.import_module(f"lesion_core.{module}")
    for name in path.split("."):
        found = getattr(found, name)
    assert ">>>" in (found.__doc__ or "")
