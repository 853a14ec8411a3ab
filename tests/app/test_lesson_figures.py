"""The figures of lessons against NumPy and scikit-learn on the frozen predictions of the runs that ship."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from app.cache import lessons as measured
from app.lessons import deals, figures
from app.lessons.given import NOTHING, Card, Committed, Dealing, Given
from app.lessons.shown import Shown
from lesion_core.analysis.predictive_values import cheapest_threshold, predictive_value
from lesion_core.analysis.readers import balanced_accuracy_interval
from lesion_core.analysis.slices import random_slices
from lesion_core.errors import RunError
from lesion_core.labels import BINARY, convert_codes
from lesion_core.runs.classifier import Run, open_run
from lesion_core.teaching.lessons import Dealt

RUNS = sorted(path for path in (Path(__file__).parents[2] / "checkpoints").glob("resnet*"))


@pytest.fixture(params=RUNS, ids=lambda path: path.name, scope="module")
def run(request: pytest.FixtureRequest) -> Run:
    return open_run(request.param)


@pytest.fixture(scope="module")
def frozen(run: Run) -> SimpleNamespace:
    """The test set recomputed from the table alone."""
    table = pd.read_parquet(run.folder / "predictions.parquet")
    table = table[(table["split"] == "test") & (table["dataset"] != "isic2018_test")]
    z = table[[f"logit_{code}" for code in run.classes]].to_numpy(np.float64)

    def probabilities(t: float) -> np.ndarray:
        e = np.exp(z / t - (z / t).max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    label = table["label"].to_numpy(str)
    return SimpleNamespace(
        table=table,
        plain=probabilities(1.0),
        scaled=probabilities(run.calibration.temperature),
        label=label,
        correct=np.array(run.classes)[z.argmax(axis=1)] == label,
        said=np.array(run.classes)[z.argmax(axis=1)],
    )


def drawn(run: Run, name: str, given: Given = NOTHING, **arguments: object) -> Shown:
    return figures.shown(run, name, arguments, given)


def value(found: Shown, at: int) -> float:
    """The number that a figure tells first, second or third, as it stands on the screen."""
    return float(found.numbers[at].value.split()[0].replace(",", ""))


def numbers(text: str) -> list[float]:
    return [float(part.replace(",", "")) for part in re.findall(r"[-+]?\d[\d,]*\.?\d*", text)]


def test_confident_answers_are_right_as_often_as_counted(run: Run, frozen: SimpleNamespace) -> None:
    found = drawn(run, "confident_right", at=0.9)
    for at, p in enumerate((frozen.plain, frozen.scaled)):
        sure = p.max(axis=1) >= 0.9
        assert value(found, at) == pytest.approx(100 * frozen.correct[sure].mean(), abs=0.051)
        assert numbers(found.numbers[at].beside)[2] == sure.sum()
    missed = drawn(run, "confident_missed", at=0.8, diagnosis="MEL")
    lost = (frozen.label == "MEL") & ~frozen.correct
    surely = lost & (frozen.plain.max(axis=1) >= 0.8)
    assert numbers(missed.sentence)[:2] == [surely.sum(), lost.sum()]


def test_the_temperature_changes_no_diagnosis_and_the_error_as_counted(run: Run, frozen: SimpleNamespace) -> None:
    found = drawn(run, "temperature")
    assert value(found, 0) == (frozen.plain.argmax(axis=1) != frozen.scaled.argmax(axis=1)).sum()
    for at, p in ((1, frozen.plain), (2, frozen.scaled)):
        c, error = p.max(axis=1), 0.0
        for low in np.arange(15) / 15:
            own = (c > low) & (c <= low + 1 / 15)
            error += abs(c[own].sum() - frozen.correct[own].sum()) / len(c)
        assert value(found, at) == pytest.approx(error, abs=6e-4)


def test_what_tells_right_from_wrong_has_the_auroc_of_scikit_learn(run: Run, frozen: SimpleNamespace) -> None:
    c = frozen.scaled.max(axis=1)
    assert value(drawn(run, "series_of_answers"), 0) == pytest.approx(roc_auc_score(frozen.correct, c), abs=6e-4)
    maps = pd.read_parquet(run.folder / "explanations.parquet").query("method == 'gradcam'")
    right = maps["label"] == maps["answer"]
    confidence = pd.Series(c, index=frozen.table["image_id"])[maps["image_id"]]
    expected = {
        "inside": maps["inside"],
        "peak": maps["peak"],
        "maximum": maps["maximum"],
        "inside_by_area": maps["inside"] / maps["area"],
        "confidence": confidence,
    }
    for key, interval in measured.maps_tell(run).items():
        if key in expected:  # others are not in every run's table
            assert interval.value == pytest.approx(roc_auc_score(right, expected[key]), abs=1e-9), key
    called = measured.maps_when_called(run, "MEL")
    own = maps[maps["answer"] == "MEL"]
    assert called is not None and called.n_images == len(own)
    assert called.areas["size"].value == pytest.approx(roc_auc_score(own["label"] == "MEL", own["area"]))


def test_who_is_turned_away_and_what_passes_is_counted(run: Run, frozen: SimpleNamespace) -> None:
    found = measured.confidence_price(run, 0.8)
    kept = frozen.plain.max(axis=1) >= 0.8
    assert found.kept.value == kept.mean() and found.wrong.value == pytest.approx((~frozen.correct[kept]).mean())
    for code, interval in found.turned_away.items():
        own = frozen.label == code
        assert (interval.value, interval.n_images) == (pytest.approx((~kept[own]).mean()), own.sum())
    out = run.ood_images
    z = out[[f"logit_{code}" for code in run.classes]].to_numpy(np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    passes = (e / e.sum(axis=1, keepdims=True)).max(axis=1) >= 0.8
    for kind, interval in found.let_through.items():
        own = (out["kind"] == kind).to_numpy()
        assert interval.value == passes[own].mean()
        k, n = passes[own].sum(), own.sum()
        assert interval.high == pytest.approx(beta.ppf(0.975, k + 1, n - k) if k < n else 1.0)
    line = drawn(run, "own_line", Given(Committed(0.6)), at=0.8)
    assert value(line, 0) == pytest.approx(100 * (frozen.plain.max(axis=1) >= 0.6).mean(), abs=0.51)


def test_alarms_are_counted_and_bayes_is_kept(run: Run, frozen: SimpleNamespace) -> None:
    malignant = [run.classes.index(code) for code in ("MEL", "BCC", "AK", "SCC")]
    ill = np.isin(frozen.label, ["MEL", "BCC", "AK", "SCC"])
    called = frozen.scaled[:, malignant].sum(axis=1) >= 0.5
    se, sp = called[ill].mean(), (~called[~ill]).mean()
    for p in (0.02, 0.2):
        dots = drawn(run, "of_a_thousand", prevalence=p)
        assert value(dots, 0) == pytest.approx(100 * se * p / (se * p + (1 - sp) * (1 - p)), abs=0.51)
        counted = [int(name.split()[0].replace(",", "")) for name in (trace.name for trace in dots.chart.data)]
        assert sum(counted) == 1000 and counted[0] == round(1000 * p * se) and counted[0] + counted[2] == 1000 * p
    known = run.part("calibrate")
    from lesion_core.analysis.evaluation_sets import evaluation_data

    part = evaluation_data(run, known, BINARY)
    assert part is not None
    truth = convert_codes(known["label"].to_numpy(str), BINARY) == np.array("malignant")
    for cost in (1.0, 20.0):
        bills = {
            t: (part.probabilities[~truth, 1] >= t).sum() + cost * (part.probabilities[truth, 1] < t).sum()
            for t in np.unique(part.probabilities[:, 1])
        }
        best = cheapest_threshold(truth, part.probabilities[:, 1], cost)
        assert bills[best] == min(bills.values())
        flagged, hit = measured.miss_costs(run, (cost,))[cost]
        over = frozen.scaled[:, malignant].sum(axis=1) >= best
        assert flagged.value == pytest.approx(over.mean()) and hit.value == pytest.approx(over[ill].mean())


def test_drawn_changes_and_sites_are_counted(run: Run, frozen: SimpleNamespace) -> None:
    changed = run.ood[run.ood["source"] == "changed test dermoscopy"]
    before = pd.Series(frozen.said, index=frozen.table["image_id"])
    for kind, interval in measured.changed(run, "MEL").items():
        own = changed[changed["kind"] == kind]
        after = np.array(run.classes)[own[[f"logit_{code}" for code in run.classes]].to_numpy().argmax(axis=1)]
        same = before[own["image_id"].str.removeprefix(f"{kind}/")].to_numpy() == after
        assert interval.same.value == pytest.approx(same.mean())
    for site, interval in measured.recall_by_site(run, "MEL", "site").items():
        own = (frozen.table["site"].fillna("not recorded") == site).to_numpy() & (frozen.label == "MEL")
        assert (interval.value, interval.n_images) == (pytest.approx(frozen.correct[own].mean()), own.sum())


def test_random_slices_spread_as_drawn_without_replacement() -> None:
    found = np.arange(211) < 116
    ours = np.ptp(random_slices(found, 20, draws=4000), axis=1)
    rng = np.random.default_rng(7)
    drawn_ = [np.ptp([rng.choice(found, 20, replace=False).mean() for _ in range(10)]) for _ in range(2000)]
    assert np.mean(ours) == pytest.approx(np.mean(drawn_), abs=0.01)
    assert random_slices(found, 211, draws=3) == pytest.approx(np.full((3, 10), found.mean()))


def test_a_rare_illness_makes_alarms_wrong() -> None:
    assert predictive_value(0.9, 0.9, 0.01) == pytest.approx(9 / 108)
    assert predictive_value(1.0, 1.0, 0.5) == 1 and np.isnan(predictive_value(0.0, 1.0, 0.5))


def test_the_planted_ruler_is_read_off_its_table() -> None:
    table = pd.read_csv(Path(__file__).parents[2] / "experiments" / "shortcut.csv").fillna({"of": ""})
    told = table.set_index(["variant", "view", "of", "metric"])["value"]
    run = open_run(RUNS[0])
    answers, maps, noticed = (drawn(run, f"planted_{name}") for name in ("answers", "maps", "noticed"))
    per_cent = [100 * told[("all", view, of, "called_melanoma")] for view, of in (("others", "NV"), ("nobody", "NV"))]
    assert [value(answers, at) for at in (0, 1)] == pytest.approx(per_cent, abs=0.51)
    assert value(maps, 0) == pytest.approx(100 * told[("all", "maps", "layer4", "in_band")], abs=0.51)
    assert value(noticed, 1) == pytest.approx(
        100 * told[("all", "noticed", "layer3_residual", "rejected_with")], abs=0.51
    )


@pytest.mark.parametrize("deal", ["answers", "maps"])
def test_half_of_a_dealt_series_is_right(deal: str, run: Run) -> None:
    question = Dealt.model_validate({"kind": "dealt", "key": "k", "deal": deal, "text": "Right?", "n": 10})
    first, again, other = (deals.deal(run, question, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [sum(card.right for card in dealing.cards) for dealing in (first, other)] == [5, 5]


def reading(help_: str, rows: list[tuple[str, str, str, bool]]) -> Committed:
    """Truth, the model's answer, the reader's, and whether the model's was planted."""
    cards = tuple(Card("", t == m, f"image-{i}", t, m, 0.9, planted=p) for i, (t, m, _, p) in enumerate(rows))
    return Committed(tuple(said for _, _, said, _ in rows), Dealing(cards, help_, True))  # type: ignore[arg-type]


def test_the_reading_is_counted(run: Run) -> None:
    alone = reading("nothing", [("MEL", "NV", "MEL", False)] * 4 + [("NV", "NV", "MEL", False)] * 2)
    helped = reading(
        "answer", [("MEL", "NV", "NV", True)] * 2 + [("NV", "NV", "NV", False)] * 3 + [("BCC", "NV", "MEL", True)]
    )
    given = Given(steps={4: alone, 5: helped})
    study = drawn(run, "reader_study", given)
    assert numbers(study.sentence)[:2] == [2, 3], "three were planted, two of them followed"
    assert [number.label for number in study.numbers] == ["You, alone: 4 of 6", "You, with the answer: 3 of 6"]
    beside = drawn(run, "human_against_model", given)
    truth, model, own = ["MEL"] * 4 + ["NV"] * 2, ["NV"] * 6, ["MEL"] * 6
    for number, said in zip(beside.numbers, (own, model), strict=True):
        found = balanced_accuracy_interval(truth, np.array(said) == truth)
        assert found.value == pytest.approx(balanced_accuracy_score(truth, said))
        assert f"balanced accuracy {found.value:.2f} ({found.low:.2f} to {found.high:.2f})" in number.beside
    assert numbers(beside.sentence) == [6, 4, 2]
    assert any("Nobody is ranked" in note for note in beside.notes)


def test_no_percentage_under_five_and_a_guess_stays_drawn(run: Run) -> None:
    own = Given(Committed(60.0))
    for name in ("confident_right", "confident_missed", "let_through", "alarms_by_prevalence", "price_of_a_miss"):
        chart = drawn(run, name, own).chart
        assert any("your guess" in str(note.text) for note in chart.layout.annotations), name
        assert not any("your guess" in str(note.text) for note in drawn(run, name).chart.layout.annotations), name
    few = reading("nothing", [("MEL", "NV", "MEL", False)] * 4)
    assert "%" not in drawn(run, "reader_study", Given(steps={1: few})).numbers[0].value


def test_what_a_run_lacks_is_said_with_the_command(run: Run, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(run.folder, tmp_path / run.name, ignore=shutil.ignore_patterns("explanations*")))
    with pytest.raises(RunError, match="python -m lesion_core explain"):
        drawn(open_run(copy), "series_of_maps")
