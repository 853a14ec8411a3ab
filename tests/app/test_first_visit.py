"""What a first visit is offered: an answer that is right, a refusal, and a mistake that the run is sure of."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.cache import first
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from lesion_core.data.samples import load, ood_samples
from lesion_core.runs.classifier import Run
from tests.literal import open_page, text

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh_clone(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The dashboard as it is cloned: the shipped runs, and no data."""
    monkeypatch.delenv("LESION_RUNS", raising=False)
    monkeypatch.delenv("LESION_DATA", raising=False)
    return cached_runs.runs()[0][0]


def verdict(app: AppTest) -> list[str]:
    """The words of the strip."""
    (strip,) = [element.value for element in app.markdown if element.value.startswith("## :")]
    return [word for word in ("ANSWERED", "UNKNOWN", "RIGHT", "WRONG") if word in strip]


@pytest.mark.slow
def test_the_first_three_images_are_an_answer_a_refusal_and_a_mistake(fresh_clone: Run) -> None:
    app = open_page("analyse")
    assert not app.exception and verdict(app) == ["ANSWERED", "RIGHT"]
    offered = list(first.samples(fresh_clone, None))
    assert app.selectbox(key="image").value == offered[0]
    assert len(offered) == len(set(offered)) and set(offered) == set(cached_images.samples(fresh_clone, None))
    app.selectbox(key="image").set_value(offered[1]).run()
    assert not app.exception and verdict(app) == ["UNKNOWN"] and offered[1].startswith("stranger-")
    assert "It looks unlike the dermoscopy that the model knows" in text(app)
    app.selectbox(key="image").set_value(offered[2]).run()
    assert not app.exception and verdict(app) == ["ANSWERED", "WRONG"]


@pytest.mark.slow
@pytest.mark.usefixtures("with_run")
def test_the_three_are_what_the_run_says_of_them(small_run: Run, data_root: Path) -> None:
    """Also of images whose outputs it has stored, with a run that knows little."""
    found = cached_images.samples(small_run, data_root)
    policy = cached_runs.own_policy(small_run)
    assert policy
    three = first.chosen(small_run, policy, data_root)
    assert len(three) == len(set(three)) and tuple(first.samples(small_run, data_root))[: len(three)] == three
    for name in three:
        prediction = cached_runs.predict(small_run, load(found[name]).image)
        (decision,) = cached_runs.rejector(small_run, policy).decide(prediction.outputs)
        assert decision.rejected == (found[name].origin == "ood")
        if not decision.rejected and prediction.code != found[name].truth:
            assert prediction.confidence >= first.CONFIDENT - 0.02


def test_without_a_run_the_list_is_as_it_is() -> None:
    assert list(first.samples(None, None)) == list(cached_images.samples(None, None))


def test_bare_skin_is_the_first_without_a_lesion() -> None:
    kinds = [sample.path.parent.name for sample in ood_samples(ROOT / "ood_samples") if sample.path]
    skins = kinds.count("skin")
    assert skins and set(kinds[:skins]) == {"skin"}
