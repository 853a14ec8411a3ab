"""The page Explain: the map at once, what takes long when it is asked for, the same page for whoever comes later."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.testing.v1 import AppTest

from app.cache import explanation as explanations
from app.explain import evidence, on_demand
from app.explain.on_demand import STATE, Overall, Pace, Progress, Work
from app.explain.question import Asked
from app.explain.sanity_check import verdict
from lesion_core.errors import BusyError
from lesion_core.explain.maps import Attribution, Target
from lesion_core.explain.methods import METHODS
from lesion_core.serving.classifier import Engine
from tests.app.test_drawn_once import shown
from tests.literal import open_page, text

pytestmark = pytest.mark.usefixtures("with_run")

SLOW = [name for name, entry in METHODS.items() if entry.slow]
ON_DEMAND: dict[str, tuple[dict[str, str], str]] = {
    "curves": ({}, "ask curves"),
    "sanity": ({"tab": "Sanity check"}, "ask sanity"),
    "superpixels": ({"method": "superpixels"}, "ask "),
    "methods": ({"beside": "methods"}, "ask for the others"),
}


def opened(**query: str) -> AppTest:
    app = open_page("explain", image="synthetic-MEL-1", **query)
    assert not app.exception
    return app


def offers(app: AppTest) -> list[str]:
    """The keys of the buttons that can be pressed to ask for something."""
    return [button.key for button in app.button if (button.key or "").startswith("ask") and not button.disabled]


def content(app: AppTest) -> list[tuple[str, str]]:
    """What a page shows, without its controls, which also say what was clicked in this visit."""
    kinds = ("heading", "title", "markdown", "caption", "imgs", "image", "plotly_chart", "arrow_data_frame", "metric")
    return [(kind, proto) for kind, proto in shown(app) if kind in kinds]


def ask(app: AppTest, key: str) -> AppTest:
    wanted = next(offered for offered in offers(app) if offered.startswith(key))
    app.button(key=wanted).click()
    app.run()
    assert not app.exception
    return app


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What passes the slow lanes of engines, by method."""
    seen: list[str] = []
    for name in ("explain", "answers", "sanity"):
        real = getattr(Engine, name)

        def counted(self: Engine, *args: Any, _real: Any = real, _name: str = name, **more: Any) -> Any:
            if _name != "explain" or METHODS[more.get("method", "gradcam")].slow:
                seen.append(str(more.get("method", _name)))
            return _real(self, *args, **more)

        monkeypatch.setattr(Engine, name, counted)
    yield seen


@pytest.mark.parametrize("name", ON_DEMAND)
def test_what_is_expensive_waits_for_a_click_and_is_there_for_the_next_visitor(name: str, passed: list[str]) -> None:
    query, button = ON_DEMAND[name]
    first = opened(**query)
    offered = next(key for key in offers(first) if key.startswith(button))
    assert not passed, "nothing expensive is computed unasked"
    assert "How to read this" in [title.value for title in first.subheader], "the page is complete"
    ask(first, offered)
    assert passed and offered not in offers(first)
    computed = len(passed)
    second = opened(**query)
    assert content(second) == content(first) and len(passed) == computed, "known to all"
    assert len(content(second)) > 10


@pytest.mark.slow
def test_the_same_page_by_whatever_way_it_was_reached() -> None:
    """States, in two orders, with what others have computed and without: one link, one page."""
    states: list[dict[str, str]] = [
        {},
        {"tab": "Sanity check"},
        {"method": "smoothgrad"},
        {"beside": "classes", "signed": "true"},
        {"opacity": "35", "hair": "true", "tab": "Numbers and download"},
        {"beside": "methods", "target": "NV"},
        {"tab": "Change the image"},
    ]

    def walk(order: list[int]) -> dict[int, Any]:
        return {i: shown(opened(**states[i])) for i in order}

    cold = walk(list(range(len(states))))
    assert walk(list(reversed(range(len(states))))) == cold
    for query, button in ON_DEMAND.values():
        ask(opened(**query), button)
    known = walk(list(range(len(states))))
    assert known[5] == cold[5] and known[6] == cold[6], "what was computed for another class shows nothing here"
    assert walk(list(reversed(range(len(states))))) == known


def test_a_stop_ends_one_map_and_the_rest_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A click on Stop, as Streamlit takes it: the script ends in its next call, then runs with the click's effect."""
    app = opened(beside="methods")
    names = [METHODS[key].name for key in SLOW]
    real, calls = Progress.__call__, itertools.count()

    def stopping(self: Progress, done: int) -> None:
        real(self, done)
        if next(calls) == 1:
            st.session_state[STATE].status[self._work.name] = "stopped"
            st.rerun()

    with monkeypatch.context() as once:
        once.setattr(Progress, "__call__", stopping)
        ask(app, "ask for the others")
    captions = [image.proto.imgs[0].caption for image in app.get("image")]
    assert sum(any(caption.startswith(name) for caption in captions) for name in names) == len(names) - 1
    assert text(app).count("was stopped.") == 1
    ask(app, "ask ")
    captions = [image.proto.imgs[0].caption for image in app.get("image")]
    assert all(any(caption.startswith(METHODS[key].name) for caption in captions) for key in METHODS)


def test_maps_arrive_one_by_one_the_cheapest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    bars: list[str] = []
    panels, panel, show = evidence.panels, evidence._panel, Overall.show

    def pages(*arguments: Any) -> None:
        drawn.append([])
        panels(*arguments)

    def maps(name: str, one: Asked, *arguments: Any, **options: Any) -> None:
        drawn[-1].append(one.method)
        panel(name, one, *arguments, **options)

    def shown_bar(self: Overall, work: Work, share: float, pace: Pace) -> None:
        bars.append(self._told)
        show(self, work, share, pace)

    monkeypatch.setattr(evidence, "panels", pages)
    monkeypatch.setattr(evidence, "_panel", maps)
    monkeypatch.setattr(Overall, "show", shown_bar)
    monkeypatch.setattr(on_demand, "LOOK", 0.0)
    app = opened(beside="methods")
    order = sorted(METHODS, key=lambda key: METHODS[key].effort)
    quick = [key for key in order if key not in SLOW]
    assert drawn == [order[:n] for n in range(1, len(quick) + 1)], "what takes no time comes unasked"
    drawn.clear()
    ask(app, "ask for the others")
    assert drawn == [order[:n] for n in range(len(quick), len(order) + 1)]
    assert list(dict.fromkeys(bars)) == [f"{n} of 8 maps are ready" for n in range(len(quick), len(order))]
    assert "ask for the others" not in [button.key for button in app.button], "all are there"


def test_a_stop_of_all_computes_nothing_more_until_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(beside="methods")
    real, calls = Progress.__call__, itertools.count()

    def stopping(self: Progress, done: int) -> None:
        real(self, done)
        if next(calls) == 1:  # a click on *Stop all*, as Streamlit takes it
            status = st.session_state[STATE].status
            status |= {name: "stopped" for name, now in status.items() if now == "asked"}
            st.rerun()

    with monkeypatch.context() as once:
        once.setattr(Progress, "__call__", stopping)
        ask(app, "ask for the others")
        assert next(calls) == 2 and text(app).count("was stopped.") == len(SLOW)
    ask(app, "ask for the others")
    assert "was stopped." not in text(app) and len(app.get("image")) == 1 + len(METHODS) - 1


def test_the_time_to_go_is_that_of_the_effort_left() -> None:
    assert Pace().to_go(100) == "" and Pace(0.1, 1).to_go(100) == "", "not known yet"
    quick = Progress(Work("quick", "Quick", 1, lambda _: None, 6))
    quick(1)
    assert quick.pace == Pace(), "one call says nothing of how long an image takes"
    pace = Pace(1, 50).after(1, 50)
    assert pace.to_go(300) == ", about 6 s to go" and pace.to_go(10) == ""


@pytest.mark.parametrize("name", ["curves", "superpixels", "methods"])
def test_a_closed_tab_ends_what_only_it_waited_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Streamlit closes a session whose websocket is gone: it asks the script to stop."""
    query, button = ON_DEMAND[name]
    app, calls = opened(**query), 0
    real = Progress.__call__

    def closed(self: Progress, done: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            context = get_script_run_ctx()
            assert context and context.script_requests
            context.script_requests.request_stop()
        real(self, done)

    with monkeypatch.context() as until_it_is_closed:
        until_it_is_closed.setattr(Progress, "__call__", closed)
        ask(app, button)
    assert calls == 2, "nothing passes the network afterwards"
    next_visitor = opened(**query)
    offered = next(key for key in offers(next_visitor) if key.startswith(button))
    ask(next_visitor, offered)
    assert offered not in offers(next_visitor), "the next one has it from the start"


def test_another_question_takes_back_what_was_asked(passed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened()

    def busy(*_: object) -> None:
        raise BusyError("Busy.", "Try again.")

    with monkeypatch.context() as for_a_while:
        for_a_while.setattr(Progress, "__call__", busy)
        ask(app, "ask curves")
    assert "Busy." in text(app) and "ask curves" in offers(app)
    passed.clear()
    app.selectbox(key="image").set_value("synthetic-NV-1").run()
    assert "Busy." not in text(app) and not app.exception
    app.selectbox(key="image").set_value("synthetic-MEL-1").run()
    assert "Busy." not in text(app) and "ask curves" in offers(app) and not passed


@pytest.mark.parametrize("make", ["curves", "sanity"])
def test_who_waits_for_an_answer_takes_it_over_from_one_who_left(make: str, small_run: Any) -> None:
    """Two ask the same; the one who computes leaves in the middle; the other has the whole answer."""
    from lesion_core.data.synthetic.lesions import make_lesion

    image, entered, waits = make_lesion("MEL", 3, 64).image, threading.Event(), threading.Event()
    true = explanations.explain(small_run, image, "MEL")
    extra = () if make == "curves" else ("layer4", "skin")

    class LeftError(BaseException):
        pass

    def asks(on_pass: Callable[[int], None]) -> Any:
        key = ("run", "image", "MEL", None, "gradcam", "layer4", "")
        return getattr(explanations, make)(key, small_run, image, "MEL", None, true, *extra, on_pass)

    def leaves(_: int) -> None:
        entered.set()
        assert waits.wait(60)
        raise LeftError

    answers: list[Any] = []

    def first() -> None:
        with pytest.raises(LeftError):
            asks(leaves)

    def second() -> None:
        assert entered.wait(60)
        answers.append(asks(lambda done: waits.set() if done == 0 else None))

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(answers) == 1 and len(answers[0]) == (2 if make == "curves" else 7)


def scales(app: AppTest) -> list[list[float]]:
    """The numbers under each map."""
    found = [re.findall(r"<span>([^<]*)</span>", element.proto.body) for element in app.get("html")]
    numbers = [[said.removesuffix(" and more").replace("\N{MINUS SIGN}", "-") for said in row] for row in found if row]
    return [[float(said) for said in row] for row in numbers]


@pytest.mark.parametrize("signed", [False, True])
def test_each_map_has_its_own_scale_and_the_switch_in_the_link_has_one_for_all(signed: bool) -> None:
    query = {"beside": "classes"} | ({"signed": "true"} if signed else {})
    own = scales(opened(**query))
    captions = [image.proto.imgs[0].caption for image in opened(**query).get("image")]
    found = [match for said in captions if (match := re.search(r": (?:largest ([\d.e+-]+)|empty),", said))]
    largest = [float(match[1] or 0) for match in found]
    assert len(own) == len(largest) > 1
    for numbers, most in zip(own, largest, strict=True):
        assert numbers[0] == (-numbers[-1] if signed else 0)
        assert numbers[-1] >= most if signed else numbers[-1] == most, "a coarse map ends at its largest evidence"
    common = scales(opened(**query, one_scale="true"))
    assert {tuple(numbers) for numbers in common} == {max((tuple(numbers) for numbers in own), key=lambda n: n[-1])}


def stage(values: Any, agreement: float) -> explanations.Stage:
    raw = np.asarray(values, np.float32)
    return explanations.Stage("conv1", "all", Attribution(raw, Target(0), "gradcam", "layer4", 64), agreement)


def test_the_sanity_check_says_what_it_found_and_why() -> None:
    some, empty = np.arange(16).reshape(4, 4), np.zeros((4, 4))
    said = {
        "Passed": verdict([stage(some, 1), stage(some, -0.43)]),
        "Failed": verdict([stage(some, 1), stage(some, 0.97)]),
        "Cannot be told": verdict([stage(some, 1), stage(some, 0.6)]),
    }
    for outcome, sentence in said.items():
        assert f"**{outcome}**: " in sentence and "16 cells" in sentence and sentence.count(".\n") == 0
    assert "is empty" in verdict([stage(empty, 1), stage(some, float("nan"))])
    assert "nothing is left" in verdict([stage(some, 1), stage(empty, float("nan"))])
    for without_order in ([stage(empty, 1), stage(some, 0.1)], [stage(some, 1), stage(empty + 1, float("nan"))]):
        assert "**Cannot be told**" in verdict(without_order)


def test_the_sanity_check_of_the_page_ends_in_a_verdict() -> None:
    app = ask(opened(tab="Sanity check"), "ask sanity")
    assert re.search(r"\*\*(Passed|Failed|Cannot be told)\*\*: ", text(app))
    assert len(scales(app)) == 8, "the page's map and seven of the check"
