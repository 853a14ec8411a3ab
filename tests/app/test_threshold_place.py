"""The link decides where the threshold stands, and what a visitor does writes all of it."""

from __future__ import annotations

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.out_of_distribution import head, sets
from lesion_core.analysis.conformal import evaluate_sets, fewest_of_class
from lesion_core.ood.scores import DEFAULT, SCORES
from lesion_core.runs.classifier import Run
from tests.literal import on_the_line, open_page, text

pytestmark = pytest.mark.usefixtures("with_run")


def where(app: AppTest) -> float:
    """The threshold on which the box and the line agree."""
    assert not app.exception
    at, _ = on_the_line(app)
    assert app.number_input(key="threshold").value == at
    return at


def link(app: AppTest, name: str) -> str | None:
    """A parameter of the link."""
    value = app.query_params.get(name)
    return value[-1] if isinstance(value, list) else value


def test_a_link_whose_threshold_is_not_a_number_stands_on_the_first_mark() -> None:
    wanted = where(open_page("out_of_distribution", score="confidence"))
    for written in ("nan", "inf", "1e999", "many", "", "0.5.5"):
        assert where(open_page("out_of_distribution", score="confidence", threshold=written)) == wanted, written


def test_what_another_state_had_is_not_kept() -> None:
    """One visit after another: the line is where it is for somebody who opens the link first."""
    app = open_page("out_of_distribution", score="confidence", threshold="0.8")
    first = where(app)
    for score in ("energy", DEFAULT, "margin", "confidence"):
        app.selectbox(key="score").set_value(score).run()
        assert where(app) == where(open_page("out_of_distribution", score=score)), score
        assert "threshold" not in app.query_params and "moved" not in app.query_params
    app.number_input(key="threshold").set_value(0.8).run()
    assert where(app) == first == pytest.approx(float(link(app, "threshold") or "nan"))


def test_a_deed_beside_a_slider_that_the_link_holds_is_written_too() -> None:
    app = open_page("out_of_distribution", score="confidence", threshold="0.4", tab="How to choose it", cost="7")
    app.number_input(key="threshold").set_value(0.6).run()
    assert where(app) == pytest.approx(0.6) and link(app, "threshold") == "0.6"
    app.selectbox(key="score").set_value("energy").run()
    assert where(app) == where(open_page("out_of_distribution", score="energy"))
    assert (link(app, "score"), link(app, "threshold"), link(app, "cost")) == ("energy", None, "7")


def test_bars_are_counts_until_the_link_says_shares() -> None:
    app = open_page("out_of_distribution")
    assert "bars" not in app.query_params and app.segmented_control(key="bars").value == "counts"
    app.segmented_control(key="bars").set_value("shares").run()
    assert link(app, "bars") == "shares"
    assert open_page("out_of_distribution", bars="shares").segmented_control(key="bars").value == "shares"


@pytest.mark.parametrize("key", SCORES)
def test_the_words_about_a_score_give_the_formula_of_its_axis(key: str) -> None:
    measure, words = SCORES[key], head.about(key)
    assert f"On the axis: ${measure.shown_formula or measure.formula}$" in words and measure.paper in words
    assert ("A policy stores" in words) == bool(measure.shown_formula)


def test_the_published_confidence_says_that_it_is_not_on_the_scale_of_the_other_pages() -> None:
    assert "before temperature scaling" in head.about("confidence")
    limit = SCORES["scaled_confidence"].from_display(0.387)
    assert head.told("scaled_confidence", limit) == "the model's confidence is under 38.7 %"


def test_the_limits_of_a_joined_score_are_told_and_are_those_of_the_line(small_run: Run) -> None:
    from lesion_core.ood.scores import Scorer

    app = open_page("out_of_distribution")
    limits = Scorer.of(small_run).limits(DEFAULT, where(app))
    for part, limit in limits.items():
        assert head.told(part, limit) in text(app)
    assert "is rejected if" not in text(open_page("out_of_distribution", score="energy"))


@pytest.mark.parametrize("by_class", [False, True])
def test_the_sentence_about_sets_is_counted_from_the_table(small_run: Run, by_class: bool) -> None:
    table = evaluate_sets(small_run, 0.7, by_class).set_index("diagnosis")
    said = sets.in_short(table, 70, by_class)
    assert f"{100 * table['covered']['all']:.0f} % of the sets hold the truth (70 % wanted)" in said
    rare = [code for code in table.index[1:] if table["calibration"][code] < fewest_of_class(0.7)]
    if by_class and rare:
        assert f"{', '.join(rare)}: fewer than {fewest_of_class(0.7)} calibration images" in said
        held = sum(round(table["covered"][code] * table["n"][code]) for code in rare if table["n"][code])
        assert f"{100 * held / table['n'][rare].sum():.0f} % of the sets hold it" in said
    else:
        assert "fewer than" not in said
    shown = open_page("out_of_distribution", tab="Sets", sure_set="70", by_class=str(by_class).lower())
    (frame,) = [frame.value for frame in shown.dataframe if "guaranteed" in frame.value]
    assert isinstance(frame, pd.DataFrame) and (frame["guaranteed"] == "70 %").tolist() == table["promised"].tolist()
