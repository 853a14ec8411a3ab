"""Every number that decides how much work is done has an upper bound, and the refusal names it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pandas as pd
import pytest
import typer
from pydantic import Field

import lesion_core
from lesion_core.amounts import MOST, check_amount
from lesion_core.analysis.calibration import expected_calibration_error
from lesion_core.analysis.intervals import bootstrap, resamples
from lesion_core.cli.main import app
from lesion_core.config import Resize, Settings, Training
from lesion_core.data.corruptions import corrupted_images
from lesion_core.data.synthetic.lesions import gallery, make_dataset
from lesion_core.data.synthetic.ood_images import write_ood_samples
from lesion_core.errors import ConfigError
from lesion_core.explain.faithfulness import perturbed_curve
from lesion_core.inference.classifier import infer
from lesion_core.inference.segmenter import count_pixels


@pytest.mark.parametrize("what", MOST)
def test_what_decides_how_much_work_is_done_has_an_upper_bound_in_its_sentence(what: str) -> None:
    for fine in (1, MOST[what], np.int64(1)):
        assert check_amount(fine, what) == fine
    for wrong in (0, -1, MOST[what] + 1, 10**12, True, 1.0, float("nan"), float("inf"), "1", None):
        with pytest.raises(
            ConfigError, match=rf"{what} are out of range\. Ask for at least 1 and at most {MOST[what]:,}\."
        ):
            check_amount(wrong, what)


HUGE = 10**12
WORK: dict[str, Callable[[], object]] = {
    "resamples": lambda: list(resamples(["a", "b"], HUGE)),
    "bootstrap": lambda: bootstrap(lambda w: w.sum(0), ["a", "b"], HUGE),
    "bins": lambda: expected_calibration_error([0.5], np.array([True]), HUGE),
    "gallery": lambda: gallery(HUGE),
    "data set": lambda: make_dataset(Path("never"), HUGE, 0),
    "strangers": lambda: write_ood_samples(Path("never"), HUGE),
    "near": lambda: corrupted_images(pd.DataFrame(), HUGE),
    "curve": lambda: next(perturbed_curve(*[None] * 4, "deletion", steps=HUGE)),
    "curve at a time": lambda: next(perturbed_curve(*[None] * 4, "deletion", batch=HUGE)),
    "model over images": lambda: infer(None, None, [], batch_size=HUGE),
    "its workers": lambda: infer(None, None, [], workers=HUGE),
    "masks over images": lambda: count_pixels(None, None, [], batch_size=HUGE),
    "their workers": lambda: count_pixels(None, None, [], workers=HUGE),
    "epochs": lambda: Training.from_json(f'{{"epochs": {HUGE}}}', "settings"),
    "batch": lambda: Training.from_json(f'{{"batch_size": {HUGE}}}', "settings"),
    "workers of a training": lambda: Training.from_json(f'{{"workers": {HUGE}}}', "settings"),
    "sizes": lambda: Training.from_json(f'{{"sizes": {[64] * 1000}}}', "settings"),
    "size": lambda: Resize.from_json(f'{{"size": {HUGE}}}', "settings"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("work", WORK)
def test_too_much_work_is_refused_before_it_begins(work: str) -> None:
    with pytest.raises(ConfigError, match=r"at most|less than or equal"):
        WORK[work]()


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The commands of the command line with their names."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from commands(below, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))
OPTIONS = {
    (*path, parameter.opts[-1]): parameter
    for path, command in COMMANDS.items()
    for parameter in command.params
    if re.search(r"\b(int|float)\b", str(parameter.type_descriptor.annotation))
}
"""Every option that takes a number."""


def test_there_are_options_to_ask() -> None:
    assert ("evaluate", "--resamples") in OPTIONS and ("train", "--learning-rate") in OPTIONS and len(OPTIONS) > 20


def called(path: tuple[str, ...], option: str, value: object) -> tuple[object, ...]:
    """A call with one option, and whatever stands for the arguments that it needs."""
    needed: list[object] = []
    for parameter in COMMANDS[path].params:
        if parameter.required:
            needed += [parameter.opts[-1], "."] if parameter.opts[0].startswith("--") else ["."]
        elif parameter.opts[-1] == "--data":
            needed += ["--data", "."]
    return (*path, *needed, option, value)


@pytest.mark.parametrize("path", OPTIONS, ids=" ".join)
def test_every_number_on_the_command_line_has_a_smallest_and_a_largest_in_its_refusal(
    path: tuple[str, ...], call: Any
) -> None:
    parameter = OPTIONS[path]
    assert parameter.min is not None and parameter.max is not None
    decimal = re.search(r"\bfloat\b", str(parameter.type_descriptor.annotation))
    for bound, beyond in ((parameter.max, parameter.max * 2 + 1), (parameter.min, parameter.min - 1)):
        code, _, err = call(*called(path[:-1], path[-1], beyond if decimal else int(beyond)))
        named = re.search(r"or equal to ([-+\d.e]+)", re.sub(r"[\s│]+", " ", err))
        assert code == 2 and named and float(named[1]) == bound


@pytest.mark.parametrize("path", [path for path, c in COMMANDS.items() if any("--devices" in p.opts for p in c.params)])
def test_a_number_in_a_text_has_a_largest_too(path: tuple[str, ...], call: Any) -> None:
    code, _, err = call(*called(path, "--devices", HUGE))
    assert code == 2 and "the most that make sense" in err


def kinds_of_settings(kind: type[Settings] = Settings) -> Iterator[type[Settings]]:
    for below in kind.__subclasses__():
        yield below
        yield from kinds_of_settings(below)


MEASURED = {
    "Calibration",
    "KnownAnswer",
    "KnownMask",
    "Limit",
    "Policy",
    "StoredConfig",
    "RunConfig",
    "SegmenterConfig",
}
"""What the product writes itself: figures that were measured, which are compared with what they are measured on."""
SCALES = {("Preprocessing", "mean"), ("Preprocessing", "std")}
"""Numbers that pixels are shifted and divided by: they decide no amount of work."""


def unbounded(annotation: Any, metadata: Iterable[object]) -> bool:
    """Whether a type of settings holds a number without a largest value."""
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = [*metadata, *(m for one in more for m in getattr(one, "metadata", [one]))]
    if annotation in (int, float):
        return not any(hasattr(one, "le") or hasattr(one, "lt") for one in metadata)
    own = [] if get_origin(annotation) in (tuple, list, dict) else list(metadata)
    return any(unbounded(inner, own) for inner in get_args(annotation) if get_origin(annotation) is not Literal)


def test_every_number_in_settings_has_a_largest() -> None:
    for module in pkgutil.walk_packages(lesion_core.__path__, "lesion_core."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    fields = {
        (kind.__name__, name): (info.annotation, info.metadata)
        for kind in kinds_of_settings()
        for name, info in kind.model_fields.items()
        if kind.__name__.partition("[")[0] not in MEASURED
    }
    assert {("Training", "epochs"), ("Resize", "size"), ("SegmenterSettings", "decoder")} <= set(fields)
    assert {field for field, (kind, bounds) in fields.items() if unbounded(kind, bounds)} == SCALES


def test_the_search_for_numbers_without_a_largest_finds_them() -> None:
    bound = Annotated[int, Field(le=3)]
    for fine in (str, bool, bound, tuple[bound, ...], bound | None, Literal[1, 2], dict[str, bound]):
        assert not unbounded(fine, [])
    for bare in (int, float | None, tuple[int, ...], dict[str, float], Annotated[int, Field(ge=1)]):
        assert unbounded(bare, [])


COMPARED_ONLY = {("out_of_distribution.py", "Threshold")}
"""Fields whose number is compared with others, and decides no amount of work."""


def test_every_field_for_a_number_on_a_page_has_a_largest() -> None:
    """Sliders always have one; a link can put any number into a field."""
    root = Path(__file__).parents[1]
    fields = {
        (path.name, ast.unparse(node.args[0]).strip("'")): len(node.args) > 2
        or "max_value" in {k.arg for k in node.keywords}
        for path in [*(root / "app").rglob("*.py"), *(root / "pages").glob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "number_input"
    }
    assert {field for field, bounded in fields.items() if not bounded} == COMPARED_ONLY
    assert fields["controls.py", "Images in each arm"]
