"""What goes along with a visitor: the policy that is tried out, the hidden truth, the link to share, the tour."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.runtime.state.query_params import QueryParams

from app import share, state, tour
from app.navigation import GROUPS, PURPOSES
from lesion_core.data.samples import synthetic_samples, without_truth
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run
from tests.literal import open_page, text

STEMS = [stem for entries in GROUPS.values() for stem, _, _ in entries]
REJECTS_ALL = -1.0


LINKS = [
    ("overview", {}),
    ("dataset", {"sex": "male", "page": "2", "tab": "Images"}),
    ("preprocessing", {"image": "synthetic-MEL-1", "size": "128"}),
    ("segment", {"image": "synthetic-MEL-1", "hide": "1"}),
    ("compare", {"cell": "MEL:NV", "order": "confidence", "tab": "ROC curves"}),
    ("explain", {"image": "synthetic-MEL-1", "beside": "classes", "target": "NV"}),
    ("analyse", {"image": "synthetic-MEL-1", "present": "1"}),
    ("out_of_distribution", {"score": "energy", "threshold": "0.3", "on": "calibrate", "bars": "shares"}),
    ("out_of_distribution", {"tab": "Sets", "score": "confidence"}),
]


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize(("stem", "query"), LINKS, ids=[f"{stem} {' '.join(query)}" for stem, query in LINKS])
def test_a_page_that_is_looked_at_again_writes_no_link(
    stem: str, query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written while a visitor goes back twice becomes an entry of the history, and Back leads forward."""
    app = open_page(stem, **query)
    written: list[str] = []
    send = QueryParams._send_query_param_msg
    monkeypatch.setattr(
        QueryParams, "_send_query_param_msg", lambda params: (written.append(str(params)), send(params))
    )
    app.run()
    assert not app.exception and written == []


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize(("threshold", "word"), [(REJECTS_ALL, "UNKNOWN"), (1.0, "ANSWERED")])
def test_a_policy_in_the_link_holds_on_every_page_with_an_image(small_run: Run, threshold: float, word: str) -> None:
    policy = tune(small_run, "confidence", "eye", TuningGoal(threshold=threshold))
    link = f"{small_run.fingerprint[:8]}:confidence:eye:{threshold!r}"
    for stem in ("analyse", "explain", "segment", "preprocessing"):
        app = open_page(stem, image="synthetic-NV-1", policy=link)
        assert not app.exception and f": {word}" in text(app), stem
        assert app.session_state[state.POLICY] == policy
    app = open_page("analyse", image="synthetic-NV-1", policy=link)
    next(b for b in app.button if b.label == "Back to the run's policy").click().run()
    assert not app.exception and "policy" not in app.query_params and state.POLICY not in app.session_state


@pytest.mark.usefixtures("with_run")
def test_what_is_tried_out_can_be_read_from_its_link(small_run: Run) -> None:
    app = open_page("out_of_distribution", score="confidence", threshold="0.3", moved="calibrate", tab="Save")
    next(b for b in app.button if b.label == "Try it out").click().run()
    app.run()
    assert not app.exception
    chosen, link = app.session_state[state.POLICY], app.session_state[state.TRIED]
    other = open_page("analyse", image="synthetic-NV-1", policy=link)
    assert other.session_state[state.POLICY] == chosen and chosen.run == small_run.fingerprint


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize(
    "asked",
    ["", ":", "x", "00000000:confidence:eye:0.5", "{run}:tea:eye:0.5", "{run}:confidence:tea:0.5",
     "{run}:confidence:eye", "{run}:confidence:eye:nan", "{run}:confidence:eye:inf", "{run}:confidence:eye:a",
     "a" * 5000, "*a*:$x$:`y`"],
)  # fmt: skip
def test_a_policy_that_cannot_be_used_is_told_and_the_runs_own_holds(small_run: Run, asked: str) -> None:
    asked = asked.format(run=small_run.fingerprint[:8])
    app = open_page("analyse", image="synthetic-NV-1", policy=asked)
    assert not app.exception and state.POLICY not in app.session_state
    assert ("The policy of this link" in text(app)) == bool(asked)
    app.run()
    assert not app.exception and ("The policy of this link" in text(app)) == bool(asked), "as long as the link names it"


def test_hidden_ids_tell_nothing_and_are_all_different() -> None:
    names = [sample.id for sample in synthetic_samples(per_class=40)]
    hidden = [without_truth(name) for name in names]
    assert len(set(hidden)) == len(names)
    assert all(name.startswith("case-") and without_truth(name) == name for name in hidden)


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("hide", ["", "1"])
def test_the_images_of_a_cell_are_not_told_while_the_truth_is_hidden(hide: str) -> None:
    app = open_page("compare", hide=hide)
    cells = next(box for box in app.selectbox if box.label == "Images of a cell")
    cells.select(cells.options[0]).run()
    assert not app.exception
    assert ("The images of a cell tell their truth" in text(app)) == bool(hide)
    assert ("the surest first" in text(app) or "In small type" in text(app)) != bool(hide)


@pytest.mark.parametrize("hide", ["", "1"])
def test_the_table_near_the_threshold_hides_the_truth_too(
    hide: str, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.delenv("LESION_DATA", raising=False)
    app = open_page("out_of_distribution", tab="Near the threshold", hide=hide)
    assert not app.exception
    tables = [table.value for table in app.dataframe if "verdict" in table.value]
    assert tables and all(("shows" in table) != bool(hide) for table in tables)


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.lists(st.text(max_size=12), min_size=1, max_size=3), max_size=4)
)
def test_a_shared_link_holds_what_was_in_it(query: dict[str, list[str]]) -> None:
    link = share.address("http://lab.example/analyse", query)
    assert parse_qs(urlsplit(link).query, keep_blank_values=True) == query and link.isascii()


@pytest.mark.parametrize("length", [10, 300, 900])
def test_the_qr_code_is_read_back(length: int) -> None:
    link = "http://lab.example/explain?image=" + "a" * length
    drawn = share.qr_code(link)
    assert drawn
    image = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)
    assert cv2.QRCodeDetector().detectAndDecode(image)[0] == link


def test_a_link_that_is_too_long_for_a_qr_code_has_none() -> None:
    assert share.qr_code("http://lab.example/?" + "a" * 3000) is None


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("at", range(1, len(tour.STEPS) + 1))
def test_each_step_of_the_tour_opens_its_page_and_can_be_ended(at: int) -> None:
    step = tour.STEPS[at - 1]
    assert step.page in STEMS
    app = open_page(step.page, **step.query, tour=str(at))
    assert not app.exception and f"{at} of {len(tour.STEPS)}. {step.text}" in text(app)
    next(b for b in app.button if b.label == "End the tour").click().run()
    assert not app.exception and step.text not in text(app) and "tour" not in app.query_params


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("asked", ["0", "6", "-1", "x", "1.5", "¹", "9" * 400])
def test_a_step_that_there_is_not_is_no_tour(asked: str) -> None:
    app = open_page("overview", tour=asked)
    assert not app.exception and " of 5. " not in text(app) and "New here?" in text(app)


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem != "overview"])
def test_who_comes_by_a_link_is_told_what_the_page_is_for(stem: str) -> None:
    app = open_page(stem)
    assert not app.exception and PURPOSES[stem] in text(app)
    next(b for b in app.button if b.label == "Not now").click().run()
    assert not app.exception and PURPOSES[stem] not in text(app)
    in_a_room = open_page(stem, present="1")
    assert PURPOSES[stem] not in text(in_a_room)
    further = open_page("overview")
    further.switch_page(f"../pages/{stem}.py").run()
    assert not further.exception and PURPOSES[stem] not in text(further), "who came from Overview knows"


@pytest.mark.usefixtures("with_run")
def test_the_tour_is_offered_until_it_is_declined() -> None:
    app = open_page("overview")
    assert "New here?" in text(app)
    next(b for b in app.button if b.label == "Not now").click().run()
    assert not app.exception and "New here?" not in text(app)
