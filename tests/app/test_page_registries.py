"""One entry in a registry is all that a new method needs: page and command line find it there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lesion_core.explain.methods import METHODS, Method
from lesion_core.explain.target_function import Request
from lesion_core.runs.attribution import read_attribution
from lesion_core.runs.classifier import Run, open_run
from tests.literal import open_page, text


def input_times_gradient(request: Request) -> tuple[torch.Tensor, None]:
    x = request.image.detach().clone().requires_grad_(True)
    gradient = torch.autograd.grad(request.evidence(x).sum(), x)[0]
    return (x * gradient).detach()[0].sum(0), None


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> str:
    entry = Method(
        name="Input x Gradient",
        description="Each pixel times its slope.",
        pitfall="A flat answer has no slope.",
        paper="Shrikumar et al., 2016",
        make=input_times_gradient,
        forward=1,
        backward=1,
        unit="logit per pixel, first order",
        signed=True,
    )
    monkeypatch.setitem(METHODS, "input_times_gradient", entry)
    return "input_times_gradient"


@pytest.mark.usefixtures("with_run")
def test_a_new_method_is_on_the_page(added: str) -> None:
    entry = METHODS[added]
    app = open_page("explain", image="synthetic-MEL-1", method=added)
    assert not app.exception
    for said in (entry.name, entry.description, entry.paper, entry.cost):
        assert said in text(app)
    largest = next(metric for metric in app.metric if metric.label == "Largest evidence")
    assert entry.unit in largest.help and float(largest.value) > 0


def test_a_new_method_is_on_the_command_line(
    added: str, call: Any, small_run: Run, tmp_path: Path, data_root: Path
) -> None:
    folder = Path(shutil.copytree(small_run.folder, tmp_path / "small"))
    code, out, err = call("explain", folder, "--data", data_root, "--most", "2", "--method", added)
    assert code == 0, err
    table = read_attribution(open_run(folder))
    assert table is not None and set(table["method"]) == {added} and f"{added}, " in out
