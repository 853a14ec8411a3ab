"""The page Robustness: what it says of a change is what the engine and the policy say, severity by severity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.cache import runs as cached_runs
from app.explain import overlays
from app.figures.robustness import outcomes, probabilities_by_severity
from app.robustness.series import OUTCOMES, Outcome, Series
from lesion_core.data.samples import load, synthetic_samples
from lesion_core.errors import RunError
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, change
from lesion_core.imaging.decode import content_hash
from lesion_core.ood.policy import Decision
from lesion_core.runs.classifier import Run
from lesion_core.serving.classifier import Engine
from lesion_core.serving.results import Prediction
from tests.literal import open_page, text


def prediction(base: Prediction, code: str, rejected: bool | None) -> Prediction:
    """One with another answer and decision."""
    probabilities = np.zeros(len(base.classes))
    probabilities[base.classes.index(code)] = 1.0
    decision = None if rejected is None else replace(DECISION, rejected=rejected)
    return replace(base, probabilities=probabilities, decision=decision)


DECISION = Decision(rejected=False, scores={}, reason="")


@pytest.fixture(scope="module")
def base(small_run: Run) -> Prediction:
    return Engine(small_run).predict(small_run.golden[0])


@pytest.mark.parametrize(
    ("answers", "rejected", "first", "words"),
    [
        ("MMMMMM", "000000", (None, None), ("No severity", "rejects none of them")),
        ("MMMNNM", "000000", (3, None), ("Severity 3 of 5", "from melanoma to melanocytic nevus", "never notices")),
        ("MMMNNN", "000111", (3, 3), ("from severity 3 on: in time",)),
        ("MMMNNN", "001111", (3, 2), ("from severity 2 on: in time",)),
        ("MNNNNN", "000011", (1, 4), ("from severity 4 on: too late",)),
        ("MMMMMM", "000011", (None, 4), ("No severity", "from severity 4 on, for nothing")),
        ("MNNNNN", "111111", (1, 0), ("rejects this image as it is",)),
        ("MNMMMM", "......", (1, None), ("Severity 1 of 5", "never notices")),
    ],
)
def test_a_series_says_what_it_takes(
    base: Prediction, answers: str, rejected: str, first: tuple[int | None, int | None], words: tuple[str, ...]
) -> None:
    made = tuple(
        prediction(base, {"M": "MEL", "N": "NV"}[a], None if r == "." else r == "1")
        for a, r in zip(answers, rejected, strict=True)
    )
    found = Series("hair", made)
    assert (found.first_other, found.first_rejected) == first
    assert all(word in found.sentence for word in words), found.sentence
    for at, (a, r) in enumerate(zip(answers, rejected, strict=True)):
        assert found.outcome(at) == ("rejected" if r == "1" else "same" if a == "M" else "other")


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("key", ["gaussian_noise", "hair", "brightness_down"])
def test_the_page_says_what_the_engine_says(small_run: Run, key: str) -> None:
    picture = load(synthetic_samples()[0])
    app = open_page("robustness", image=picture.id, change=key, severity="4")
    assert not app.exception and not app.warning
    engine, content = Engine(small_run), content_hash(picture.image)
    expected = [engine.predict(change(picture.image, key, at, content).image) for at in (0, *SEVERITIES)]
    shown = text(app)
    for at, one in enumerate(expected):
        title = "as it is" if at == 0 else str(at)
        assert any(
            caption.value.startswith(f"**{title}** ") and f"{one.code} {100 * one.confidence:.0f} %" in caption.value
            for caption in app.caption
        ), at
    assert CHANGES[key].plain in shown


@pytest.mark.usefixtures("with_run")
def test_the_model_reads_each_severity_once_and_the_next_visitor_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch, answers: dict[Any, Any]
) -> None:
    open_page("robustness", image="synthetic-VASC-1")  # loads the model
    answers.clear()
    read: list[int] = []
    laid: list[str] = []
    ask, lay = Engine._read, overlays.overlay
    monkeypatch.setattr(Engine, "_read", lambda self, squares: read.append(len(squares)) or ask(self, squares))
    monkeypatch.setattr(overlays, "overlay", lambda *given: laid.append(given[0].content) or lay(*given))
    first = open_page("robustness", image="synthetic-VASC-2", change="contrast_up")
    assert not first.exception
    assert read == [1, len(SEVERITIES)] and len(laid) == 1 + len(SEVERITIES)
    second = open_page("robustness", image="synthetic-VASC-2", change="contrast_up")
    assert not second.exception and len(read) == 2 and len(laid) == 1 + len(SEVERITIES)
    assert [one.value for one in second.caption] == [one.value for one in first.caption]


@pytest.mark.usefixtures("with_run")
def test_a_link_to_what_is_not_there_shows_the_usual() -> None:
    app = open_page("robustness", image="synthetic-MEL-1", change="earthquake", severity="9")
    assert not app.exception
    assert "The link asks for earthquake" in text(app)


@pytest.mark.usefixtures("with_run")
def test_all_changes_are_asked_for_by_a_button() -> None:
    app = open_page("robustness", image="synthetic-NV-1", tab="All changes")
    asked = next(button for button in app.button if button.key == "ask every change")
    assert str(len(CHANGES)) in asked.label
    app = asked.click().run()
    for _ in range(20):
        if not any(button.key == "stop every change" for button in app.button):
            break
        app.run()
    assert not app.exception
    words = {words for words, _, _ in OUTCOMES.values()}
    totals = [metric.value for metric in app.metric if metric.label.split(" ", 1)[-1] in words]
    assert len(totals) == 3 and all(total.endswith(f"of {len(CHANGES) * len(SEVERITIES)}") for total in totals)
    assert sum(int(total.split()[0]) for total in totals) == len(CHANGES) * len(SEVERITIES)


@pytest.mark.usefixtures("with_run")
def test_a_changed_image_goes_along_as_the_visitors_own() -> None:
    app = open_page("robustness", image="synthetic-MEL-1", change="hair", severity="5")
    button = next(button for button in app.button if button.label.startswith("Keep severity 5"))
    app = button.click().run()
    assert not app.exception
    picture = app.session_state["uploaded_picture"]
    assert picture.origin == "upload" and picture.title.endswith("hair 5") and picture.truth == "MEL"
    before = load(next(one for one in synthetic_samples() if one.id == "synthetic-MEL-1")).image
    assert np.array_equal(picture.image, change(before, "hair", 5, content_hash(before)).image)


@pytest.mark.usefixtures("with_run")
def test_the_mask_of_a_changed_image_moves_with_its_pixels() -> None:
    app = open_page("robustness", image="synthetic-MEL-1", change="elastic_transform", severity="5")
    app = next(button for button in app.button if button.label.startswith("Keep severity 5")).click().run()
    assert not app.exception
    before = load(next(one for one in synthetic_samples() if one.id == "synthetic-MEL-1"))
    moved = change(before.image, "elastic_transform", 5, content_hash(before.image)).moved
    assert moved is not None and before.mask is not None
    mask = app.session_state["uploaded_picture"].mask
    assert np.array_equal(mask, moved(before.mask)) and not np.array_equal(mask, before.mask)


def test_no_policy_rejects_nothing(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Prediction:
        raise RunError("The policy cannot be read.", "Make it again.")

    monkeypatch.setattr(cached_runs, "decided", refuse)
    monkeypatch.setattr(cached_runs, "engine", lambda run: Engine(run))
    image = load(synthetic_samples()[0]).image
    found = Series.of(small_run, image, content_hash(image), "contrast_up")
    assert found.first_rejected is None and len(found.predictions) == 6


def test_charts_hold_every_class_and_every_square() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), size=6)
    figure = probabilities_by_severity(probabilities, ("MEL", "NV", "BCC"), 2, [4, 5])
    drawn = {trace.name.split()[-1]: trace.y for trace in figure.data}
    assert {name: list(y) for name, y in drawn.items()} == {
        code: probabilities[:, k].tolist() for k, code in enumerate(("MEL", "NV", "BCC"))
    }
    rows: dict[str, list[Outcome]] = {"hair": ["same"] * 5, "ink": ["other", "rejected", "other", "rejected", "same"]}
    squares = outcomes(rows, {"hair": "Hair", "ink": "Ink"}, ("ink", 2))
    (trace,) = squares.data
    assert [tuple(one) for one in trace.customdata] == [(key, s) for key in ("hair", "ink") for s in SEVERITIES]
    assert trace.marker.color[6] == OUTCOMES["rejected"][1] and trace.marker.line.width[6] == 3
