"""The page Lessons: every lesson is played to its end, and no figure stands before an answer."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.lessons import play
from app.lessons.answers import BEGUN
from app.lessons.library import lessons
from lesion_core.teaching.lessons import Dealt
from lesion_core.teaching.questions import ChoiceQuestion, LineQuestion
from tests.literal import open_page, text


def charts(app: AppTest) -> list[object]:
    return app.get("plotly_chart")


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return app.run()


def answer(app: AppTest, ask: object) -> AppTest:
    """Answer the question on the screen; the first option, the middle of an axis, and "right" item after item."""
    if isinstance(ask, Dealt):
        for turn in range(3):
            assert not charts(app), "a figure before the last item"
            options = [button for button in app.button if (button.key or "").startswith("item ")]
            assert len(options) >= 2
            options[turn % 2].click()
            app = app.run()
            assert not app.exception
            if turn == 1:  # the items between are like these
                (so_far,) = [own for _, own in app.session_state[BEGUN].values() if len(own) == 2]
                so_far += [so_far[0]] * (ask.n - 3)
                app = app.run()
        return app
    assert next(button for button in app.button if button.label == "Lock my answer").disabled
    if isinstance(ask, ChoiceQuestion):
        assert app.radio[0].value is None
        app.radio[0].set_value(ask.options[0].key)
    elif isinstance(ask, LineQuestion):
        app.select_slider[0].set_value((ask.least + ask.most) / 2)
    else:
        assert app.number_input[0].value is None
        app.number_input[0].set_value(ask.most)
    return press(app.run(), "Lock my answer")


@pytest.mark.slow
def test_every_lesson_is_played_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """On what ships, without a data folder; each step commits before it reveals."""
    monkeypatch.delenv("LESION_DATA", raising=False)
    monkeypatch.delenv("LESION_RUNS", raising=False)
    found, broken = lessons()
    assert len(found) >= 5 and not broken
    for name, lesson in found.items():
        app = open_page("lessons", lesson=name)
        assert not app.exception and app.title[0].value == lesson.headline
        for step, own in enumerate(lesson.steps, start=1):
            assert own.title in [heading.value for heading in app.subheader]
            assert len(charts(app)) == isinstance(own.ask, LineQuestion), "a figure before the answer"
            assert "\n## " not in text(app), "a number before the answer"
            app = answer(app, own.ask)
            assert not app.exception and not app.warning, (name, step, text(app))
            if own.reveal is not None:
                assert 1 <= text(app).count("\n## ") <= 3 and len(charts(app)) == 1, (name, step)
            app = press(app, "Next")
            assert app.query_params[play.state.STEP] in (str(step + 1), [str(step + 1)])
        assert lesson.take_away in text(app) and lesson.published.source in text(app)
        app = answer(press(app, "Next"), lesson.exit)
        assert not app.exception
        for option in lesson.exit.options:
            assert option.after in text(app)
