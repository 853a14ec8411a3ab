"""The tab Somewhere else: its sentences and counts are those of the run, the policy and the tables beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.cache import facts as cached_facts
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.figures.elsewhere import matrix
from app.figures.shares import panels
from app.foreign_text import literal
from app.robustness.elsewhere import STUDY_COMMAND, said, said_of_forms
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.sources import Source, two_forms
from lesion_core.data.catalog import TITLES
from lesion_core.data.image_facts import CLOSE_UP, COMMAND, DERMOSCOPY, FORMS, write_facts
from lesion_core.data.tables import CORRUPTED, OFFICIAL_TEST
from lesion_core.experiments.registry import AT_HOME, COLUMNS, EXPERIMENTS
from lesion_core.findings import Finding, write_experiment
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.rejector import Rejector
from lesion_core.runs.classifier import Run
from tests.conftest import SMALL
from tests.literal import open_page, text


def with_milk10k(run: Run) -> tuple[Run, pd.DataFrame]:
    """The small run as if some of its test lesions were of MILK10k, and which of its images show one lesion."""
    table = run.predictions.copy()
    test = table.index[table["split"] == "test"]
    table.loc[test, "dataset"] = [("milk10k", "milk10k", "ham10000")[i % 3] for i in range(len(test))]
    own = table.loc[test][lambda t: t["dataset"] == "milk10k"]
    ood = run.ood.copy()
    close_ups = ood.index[ood["source"] == CORRUPTED][: len(own)]
    ood.loc[close_ups, ["kind", "source"]] = ["clinical close-up", "milk10k_close_ups"]
    known = run.with_predictions(table)
    known.__dict__["ood"] = ood
    forms = [(image, f"pair {i}", DERMOSCOPY, i % 2 * 5.0) for i, image in enumerate(own["image_id"])]
    forms += [(image, f"pair {i}", CLOSE_UP, i % 2 * 5.0) for i, image in enumerate(ood.loc[close_ups, "image_id"])]
    return known, pd.DataFrame(forms, columns=["image_id", "lesion_id", "form", "skin_tone"])


@pytest.mark.usefixtures("with_run")
def test_a_run_without_milk10k_and_without_tables_says_so(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_facts, "FACTS", tmp_path)
    monkeypatch.setattr(cached_results, "EXPERIMENTS", tmp_path)
    app = open_page("robustness", image="synthetic-MEL-1", tab="Somewhere else")
    assert not app.exception and not app.warning
    shown = text(app)
    (name,) = set(small_run.part("test")["dataset"])
    assert f"All test images of this run are of one source, {literal(TITLES.get(name, name))}." in shown
    assert shown.count(COMMAND) == 2 and STUDY_COMMAND in shown


@pytest.mark.usefixtures("with_run")
def test_the_tab_tells_what_the_tables_hold(small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, forms = with_milk10k(small_run)
    monkeypatch.setattr(cached_runs, "runs", lambda: ([run], {}))
    monkeypatch.setattr(cached_facts, "FACTS", tmp_path)
    monkeypatch.setattr(cached_results, "EXPERIMENTS", tmp_path)
    write_facts(forms, tmp_path, FORMS)
    rows = [
        (variant, view + end, "", "balanced_accuracy", value, value - 0.1, value + 0.1, 40, 30)
        for variant in EXPERIMENTS["sources"].variants
        for view, end, value in (("ham10000", "", 0.75), ("milk10k", "", 0.5), ("milk10k", AT_HOME, -0.2))
    ]
    write_experiment("sources", Finding(pd.DataFrame(rows, columns=list(COLUMNS)), SMALL), tmp_path)
    app = open_page("robustness", image="synthetic-MEL-1", tab="Somewhere else")
    assert not app.exception and not app.warning, app.warning
    shown = text(app)
    rejector = Rejector.open(run)
    assert rejector is not None
    own, close_ups = run.part("test", "milk10k"), run.ood[run.ood["source"] == "milk10k_close_ups"]
    lesions = forms.set_index("image_id")["lesion_id"]
    first = dict(zip(own["image_id"].map(lesions), rejector.keeps(outputs_of(run, own)), strict=True))
    second = dict(zip(close_ups["image_id"].map(lesions), rejector.keeps(ood_outputs(run, close_ups)), strict=True))
    both = first.keys() & second.keys()
    assert (
        f"n {len(both)} lesions: {sum(first[one] for one in both)} are answered as dermoscopy, "
        f"{sum(second[one] for one in both)} as close-up. In {sum(first[o] and not second[o] for o in both)} only"
    ) in shown
    lesions_of_run = own["lesion_id"].nunique()
    assert f"**MILK10k** (n {len(own)} images of {lesions_of_run} lesions" in shown
    assert "against HAM10000: **" in shown
    fewest = own["lesion_id"].groupby(own["image_id"].map(forms.set_index("image_id")["skin_tone"])).nunique().min()
    assert f"**Small n says little**: the rarest tone has {fewest} lesion" in shown
    assert "HAM10000 -20 points (-30 to -10)" in shown and STUDY_COMMAND not in shown


def source(dataset: str, accuracy: float) -> Source:
    figures = {key: Interval(accuracy, accuracy - 0.02, accuracy + 0.02, 99, 90) for key in ("accuracy", "rejected")}
    return Source(dataset, ("MEL", "NV"), 99, 90, figures | {"wrong_among_kept": figures["accuracy"]})


def test_each_source_is_compared_with_the_same_one() -> None:
    told = said([source("isic2017", 0.5), source("ham10000", 0.8), source(OFFICIAL_TEST, 0.81)])
    assert [one.split("**")[1] for one in told] == ["ISIC 2017", "official ISIC 2018 test", "MILK10k"]
    assert "against HAM10000: **the loss is not noticed**. Right answers -30 points" in told[0]
    assert "no loss is seen" in told[1] and "python -m lesion_core train" in told[2]
    assert "No source" in said([])[0]
    nothing_kept = source("isic2017", 0.5)
    none = Interval(np.nan, np.nan, np.nan, 0, 0)
    nothing_kept = replace(nothing_kept, figures={**nothing_kept.figures, "wrong_among_kept": none})
    assert "rejected" in (told := said([source("ham10000", 0.8), nothing_kept])[0]) and "nan" not in told


def test_pairs_without_a_known_diagnosis_say_nothing_of_right_answers() -> None:
    row = {"lesion_id": "a", "label": None, "dermoscopy_answer": "MEL", "close_up_answer": "NV"}
    (sentence,) = said_of_forms("another", two_forms(pd.DataFrame([{**row, "dermoscopy_kept": 1, "close_up_kept": 0}])))
    assert "n 1 lesions: 1 are answered as dermoscopy, 0 as close-up" in sentence and "p = 1.00" in sentence


def test_few_lesions_are_grey_and_nothing_has_no_dot() -> None:
    sure, few, none = Interval(0.5, 0.4, 0.6, 90, 80), Interval(0.5, 0, 1, 3, 3), Interval(np.nan, np.nan, np.nan, 0, 0)
    drawn = panels([("a", {"x": sure, "y": few}), ("b", {"x": none})], {"x": "X", "y": "Y"})
    assert len(drawn.data) == 2 and drawn.data[0].marker.color != drawn.data[1].marker.color
    cells = {("a", "a"): sure, ("a", "b"): few}
    squares = matrix(cells, {"a": "A", "c": "C"}, {"a": "A", "b": "B"}).data[0]
    assert list(squares.text) == ["0.50", "0.50", "", ""] and list(squares.marker.line.width) == [3, 1, 1, 1]
