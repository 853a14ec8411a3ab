"""What ships: it opens, gives its known answer, and README and docs say what it measures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmarks import synthetic, tables
from lesion_core.analysis.evaluation_sets import view_summary
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.segmentation import mask_summary
from lesion_core.data.collection import collect
from lesion_core.data.splits import Manifest
from lesion_core.data.synthetic.lesions import SyntheticLesion
from lesion_core.errors import RunError
from lesion_core.experiments.registry import EXPERIMENTS, SEEN, UNSEEN
from lesion_core.findings import read_experiment
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.labels import ISIC2019
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.policy import keeps, read_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.ood.scores import DEFAULT_LEARNED, Scorer
from lesion_core.ood.threshold_rules import THRESHOLD_RULES, TuningGoal, split_scores
from lesion_core.ood.tuning import tune
from lesion_core.reports.classifier_card import card
from lesion_core.reports.segmenter_card import segmenter_card
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.folder import kind_of
from lesion_core.runs.listing import run_folders
from lesion_core.runs.segmenter import SegmenterRun, open_segmenter
from lesion_core.serving.classifier import Engine
from lesion_core.serving.segmenter import SegmenterEngine

ROOT = Path(__file__).parent.parent
CLASSIFIERS = [folder for folder in run_folders(ROOT / "checkpoints") if kind_of(folder) == "classifier"]


@pytest.fixture(scope="module", params=CLASSIFIERS, ids=[folder.name for folder in CLASSIFIERS])
def shipped(request: pytest.FixtureRequest) -> Run:
    return open_run(request.param)


@pytest.fixture(scope="module")
def first() -> Run:
    """The run that the dashboard opens with."""
    return open_run(CLASSIFIERS[0])


def said(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def named(run: Run) -> str:
    return run.config.settings.model.architecture.replace("resnet", "ResNet-")


@pytest.fixture(scope="module")
def drawn() -> list[SyntheticLesion]:
    """Synthetic lesions of every diagnosis, of seeds that nothing was tuned on."""
    return synthetic.lesions(64, 920_000)


@pytest.mark.slow
def test_synthetic_dermoscopy_is_read_as_dermoscopy(shipped: Run, drawn: list[SyntheticLesion]) -> None:
    """Else what a visitor without data sees is a model that answers nothing."""
    said = synthetic.answers(shipped.folder, drawn)
    assert said["rejected"].mean() <= 0.15 and said["right"].mean() >= 0.65, said.groupby("diagnosis").mean()


@pytest.mark.slow
def test_synthetic_lesions_are_found(drawn: list[SyntheticLesion]) -> None:
    assert synthetic.dice(drawn[:32]).mean() >= 0.93


@pytest.fixture(scope="module")
def unet() -> SegmenterRun:
    return open_segmenter(ROOT / "checkpoints" / "unet-ham10000")


def test_the_segmenter_gives_its_known_answer_and_has_its_card(unet: SegmenterRun) -> None:
    image, expected = unet.golden
    assert SegmenterEngine(unet).segment(image).probabilities == pytest.approx(expected, abs=1e-3)
    assert (unet.folder / "card.md").read_text(encoding="utf-8") == segmenter_card(unet)
    assert unet.masks.groupby("lesion_id")["split"].nunique().max() == 1


def test_it_gives_its_known_answer_and_has_its_own_policy(shipped: Run) -> None:
    engine = Engine(shipped)
    assert read_policy(shipped) is not None
    prediction = engine.predict(shipped.golden[0])
    assert prediction.logits == pytest.approx(shipped.golden[1], abs=1e-3)


def test_none_of_its_limits_can_be_lifted_unnoticed(shipped: Run) -> None:
    policy, scorer = read_policy(shipped), Scorer.of(shipped)
    assert policy is not None
    for i, limit in enumerate(policy.limits):
        lifted = (*policy.limits[:i], limit.model_copy(update={"threshold": 1e9}), *policy.limits[i + 1 :])
        with pytest.raises(RunError, match="keeps 100"):
            Rejector(shipped, policy.model_copy(update={"limits": lifted}), scorer)


@pytest.mark.parametrize("how", THRESHOLD_RULES)
def test_every_way_to_choose_keeps_its_word(first: Run, how: str) -> None:
    scorer, key = Scorer.of(first), THRESHOLD_RULES[how].only_for or DEFAULT_LEARNED
    policy = tune(first, key, how, TuningGoal(error=0.15, threshold=0.9), scorer=scorer)
    table = first.part("calibrate")
    kept = keeps(policy, scorer.all(outputs_of(first, table), policy.parts))
    part = split_scores(first, scorer, key, "calibrate")
    assert policy.kept_share == kept.mean()
    if how == "keep":
        assert 0.95 <= kept.mean() < 0.96
    elif how == "eye":
        assert (kept == (part.scores <= 0.9)).all()
    elif how == "guarantee":
        assert kept.mean() > 0.05 and 1 - part.correct[kept].mean() < 0.15
    elif how == "cost":
        missed = (part.missed & kept).sum()
        assert (~kept).sum() + 20 * missed <= min(20 * part.missed.sum(), len(kept)) + len(kept) // 20


def test_no_lesion_is_in_two_roles(shipped: Run) -> None:
    assert shipped.predictions.groupby("lesion_id")["split"].nunique().max() == 1


FLOORS = {
    ("isic2018", "balanced_accuracy"): 0.716,
    ("isic2018", "macro_auroc"): 0.949,
    ("ham10000", "balanced_accuracy"): 0.719,
    ("ham10000", "macro_auroc"): 0.948,
    ("binary_ham10000", "accuracy"): 0.837,
    ("binary_ham10000", "f1"): 0.625,
}
"""What the best of the classifiers that ship reaches: a run that takes its place must not be worse."""


@pytest.mark.parametrize(("view", "metric"), FLOORS)
def test_the_headline_figures_do_not_slip(view: str, metric: str) -> None:
    values = []
    for folder in CLASSIFIERS:
        summary = view_summary(open_run(folder), view, n_boot=2)
        assert summary
        values.append(summary.table.set_index("metric").loc[metric, "value"])
    assert round(max(values), 3) >= FLOORS[view, metric]


@pytest.mark.parametrize(
    ("datasets", "floor"), [({"ham10000", "isic2017"}, 0.675), ({"ham10000", "isic2017", "milk10k"}, 0.666)]
)
def test_the_mean_recall_of_eight_diagnoses_does_not_slip(datasets: set[str], floor: float) -> None:
    """Of the sources that every network learned from, and with the one that only ResNet-50 did."""
    found = []
    for folder in CLASSIFIERS:
        run = open_run(folder)
        table = run.part("test")
        table = table[table["dataset"].isin(datasets)]
        found.append(balanced_accuracy_score(run.truth(table), run.logits(table).argmax(axis=1)))
    assert round(max(found), 3) >= floor


def test_what_was_tried_is_beside_what_ships(first: Run) -> None:
    table = first.part("select")
    truth, shares = first.truth(table), softmax(first.logits(table))
    balanced = balanced_accuracy_score(truth, shares.argmax(axis=1))
    auroc = np.mean([roc_auc_score(truth == k, shares[:, k]) for k in range(len(first.classes))])
    told = said("docs/results.md")
    assert f"| what ships | | the row above, at 8 bits per weight | | {balanced:.3f} | {auroc:.3f} |" in told
    assert f"validation set (n = {len(table)}, {(table['dataset'] == 'milk10k').sum()} of" in told


KINDS = {"clinical close-up": 0.95, "smartphone photograph": 0.93}
"""Of clinical photographs, what every policy that ships rejects at least."""


@pytest.mark.parametrize("kind", KINDS)
def test_clinical_photographs_are_rejected(shipped: Run, kind: str) -> None:
    policy, scorer = read_policy(shipped), Scorer.of(shipped)
    assert policy is not None and policy.score == DEFAULT_LEARNED
    shown = shipped.ood_images[shipped.ood_images["kind"] == kind]
    test = shipped.part("test")
    kept, answered = (
        keeps(policy, scorer.all(outputs, policy.parts))
        for outputs in (ood_outputs(shipped, shown), outputs_of(shipped, test))
    )
    assert len(shown) > 70 and (~kept).mean() >= KINDS[kind] and answered.mean() >= 0.93


def test_the_masks_do_not_slip(unet: SegmenterRun) -> None:
    table, counts = unet.counts("test", "clean")
    values = mask_summary(counts, table["lesion_id"]).set_index("metric")["value"]
    assert round(values["dice"], 3) >= 0.942 and round(values["threshold_jaccard"], 3) >= 0.878


@pytest.mark.parametrize("variant", EXPERIMENTS["imbalance"].variants)
def test_the_docs_say_what_ways_with_rare_diagnoses_do(variant: str) -> None:
    found = read_experiment("imbalance", ROOT / "experiments")
    assert found
    own = found.table[found.table["variant"] == variant]
    whole = own[own["class"].isna() | (own["class"] == "")].set_index(["view", "metric"])
    test, official = (whole.loc[(view, "balanced_accuracy")] for view in ("test", "isic2018"))
    recalls = own[(own["view"] == "test") & (own["metric"] == "sensitivity")].set_index("class")["value"]
    cells = [
        f"{test['value']:.3f} ({test['low']:.3f} to {test['high']:.3f})",
        f"{whole.loc[('test', 'accuracy'), 'value']:.3f}",
        f"{official['value']:.3f} ({official['low']:.3f} to {official['high']:.3f})",
        *(f"{100 * recalls[code]:.0f}" for code in ISIC2019),
    ]
    line = f"| {EXPERIMENTS['imbalance'].variants[variant].name} | {' | '.join(cells)} |"
    assert line in said("docs/experiments.md"), line


@pytest.mark.parametrize(
    ("view", "metric", "start"),
    [
        ("test", "balanced_accuracy", "| own test set, n = 1,631 | balanced accuracy |"),
        ("test", "macro_auroc", "| | mean AUROC |"),
        ("binary", "f1", "| benign or malignant | F1 |"),
        ("several", "accuracy", "| its lesions with several images | accuracy |"),
        ("isic2018", "balanced_accuracy", "| official ISIC 2018 test set, n = 1,285 | balanced accuracy |"),
        ("isic2018", "macro_auroc", "| | mean AUROC |"),
    ],
)
def test_the_docs_say_what_leakage_buys(view: str, metric: str, start: str) -> None:
    found = read_experiment("leakage", ROOT / "experiments")
    assert found
    cells = []
    for variant, several, where in (("lesion", UNSEEN, "none in train"), ("image", SEEN, "others in train")):
        own = found.table[(found.table["variant"] == variant) & (found.table["metric"] == metric)]
        row = own.set_index("view").loc[several if view == "several" else view]
        cells.append(
            f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
            + (f", n = {row['n_images']:.0f}, {where}" if view == "several" else "")
        )
    line = f"{start} {' | '.join(cells)} |"
    assert line in said("docs/experiments.md"), line


@pytest.mark.parametrize("key", EXPERIMENTS["shortcut"].kept)
def test_the_networks_of_the_shortcut_are_those_of_its_table(key: str) -> None:
    run, found = open_run(ROOT / "experiments" / "shortcut" / key), read_experiment("shortcut", ROOT / "experiments")
    assert found
    own = found.table[found.table["variant"] == key].fillna({"of": ""}).set_index(["view", "of", "metric"])["value"]
    assert "Not a model for diagnosis" in run.card
    Engine(run)  # it gives its known answer
    test = run.part("test")
    melanoma = (test["label"] == "MEL").to_numpy()
    without, having = (softmax(run.logits(rows))[:, 0] for rows in (test, run.ood_images))
    for view, ruler in (("nobody", melanoma & False), ("melanomas", melanoma), ("others", ~melanoma)):
        p = np.where(ruler, having, without)
        assert own[(view, "", "auroc")] == pytest.approx(roc_auc_score(melanoma, p), abs=1e-5)
        assert own[(view, "MEL", "called_melanoma")] == pytest.approx((p[melanoma] > 0.5).mean(), abs=1e-5)
        assert own[(view, "NV", "called_melanoma")] == pytest.approx((p[~melanoma] > 0.5).mean(), abs=1e-5)


def test_what_the_docs_say_of_the_shortcut_is_in_its_table() -> None:
    """The sentences between its tables, which the tables' command does not write."""
    found = read_experiment("shortcut", ROOT / "experiments")
    assert found
    own = found.table.fillna({"of": ""}).set_index(["variant", "view", "of", "metric"])
    honest = own.loc[("none", "melanomas", "", "auroc")]
    for learned in ("half", "most", "all"):
        assert own.loc[(learned, "melanomas", "MEL", "called_melanoma"), "low"] > 0.9
        assert own.loc[(learned, "others", "NV", "called_melanoma"), "low"] > 0.9
        assert own.loc[(learned, "melanomas", "", "auroc"), "low"] > honest["high"]
        for key in ("confidence", "scaled_confidence", "energy"):
            assert own.loc[(learned, "noticed", key, "auroc"), "high"] < 0.5
        for key in ("mahalanobis", "residual", "layer3_residual"):
            assert own.loc[(learned, "noticed", key, "auroc"), "low"] > 0.8
            assert learned != "all" or own.loc[(learned, "noticed", key, "rejected_with"), "high"] < 0.5


@pytest.mark.parametrize("document", tables.DOCUMENTS)
def test_tables_of_the_documents_are_those_of_what_ships(document: str) -> None:
    """`python -m benchmarks.tables` writes them."""
    text = said(document)
    assert tables.PLACE.search(text) and tables.filled(text) == text


def test_every_table_has_a_place() -> None:
    told = {place["key"] for name in tables.DOCUMENTS for place in tables.PLACE.finditer(said(name))}
    assert told == set(tables.TABLES)


def test_its_policy_is_that_of_the_default_rule(shipped: Run) -> None:
    assert tune(shipped) == read_policy(shipped)


@pytest.mark.slow
def test_its_card_is_what_the_program_writes(shipped: Run) -> None:
    assert shipped.card == card(shipped)


@pytest.mark.real
@pytest.mark.skipif(not os.environ.get("LESION_DATA"), reason="LESION_DATA is not set")
def test_its_roles_are_those_of_its_table(shipped: Run) -> None:
    known = Manifest.of_run(shipped.predictions)
    assert known.fingerprint == shipped.config.split_fingerprint
    collection = collect(Path(os.environ["LESION_DATA"]), None, known=known)
    here = shipped.predictions[shipped.predictions["dataset"].isin(set(collection.table["dataset"]))]
    assert set(shipped.predictions["dataset"]) - set(here["dataset"]) <= {"milk10k"}, "it may lie in another folder"
    assert collection.manifest.fingerprint == Manifest.of_run(here).fingerprint and collection.unseen.empty
    assert collection.compared(shipped.name, here) == ()


def test_rejected_shares_of_unseen_diagnoses_have_the_exact_interval() -> None:
    table = pd.read_csv(ROOT / "experiments" / "left_out.csv")
    rows = table[table["measure"] == "rejected"]
    assert len(rows) == 3 * rows["score"].nunique() > 0
    counts = (rows["value"] * rows["n"]).round().astype(int)
    assert np.abs(counts / rows["n"] - rows["value"]).max() < 1e-5, "not a share of n"
    exact = [binomtest(k, n).proportion_ci(0.95, "exact") for k, n in zip(counts, rows["n"], strict=True)]
    assert np.abs(rows["low"] - [i.low for i in exact]).max() < 1e-5
    assert np.abs(rows["high"] - [i.high for i in exact]).max() < 1e-5


def test_corrupted_images_are_told_from_images_without_a_lesion(shipped: Run) -> None:
    """By their kinds, as nothing but the stored source tells them apart where the run is read."""
    assert set(shipped.corrupted["kind"]) == set(CORRUPTIONS)
    elsewhere = {"milk10k", "milk10k_close_ups", "pad_ufes_20"}
    assert set(shipped.ood_images["source"]) == {"data folder", "ood_samples", *elsewhere}
    assert len(shipped.corrupted) + len(shipped.ood_images) + len(shipped.ood_to_choose_with) == len(shipped.ood)
    assert not set(shipped.corrupted["source"]) & set(shipped.ood_images["source"])
