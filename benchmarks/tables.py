"""The tables of README and docs that are made of what ships: python -m benchmarks.tables

Between ``<!-- table: KEY -->`` and ``<!-- end -->`` a document holds what this command computes from the runs in
`checkpoints/` and the tables in `experiments/`: all of a place are written anew, nothing else of the document is
touched. `tests/test_shipped.py` holds that the documents are up to date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesion_core.analysis.conformal import evaluate_sets
from lesion_core.analysis.evaluation_sets import (
    EVALUATION_SETS,
    EvaluationSummary,
    at_chosen_threshold,
    auroc_by_source,
    paired_differences,
    view_summary,
)
from lesion_core.analysis.intervals import clopper_pearson, share_intervals
from lesion_core.analysis.map_numbers import CONFIDENCE, MAP_NUMBERS, confidence_of, tells_right
from lesion_core.analysis.robustness.consistency import consistency, members_of
from lesion_core.analysis.robustness.references import REFERENCES
from lesion_core.analysis.robustness.severities import against_alexnet, answers_under_changes
from lesion_core.analysis.segmentation import mask_summary
from lesion_core.data.catalog import TITLES
from lesion_core.experiments.registry import EXPERIMENTS, MAPS, NOTICED, RULER_ON, SOURCE_METRICS
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.methods import METHODS
from lesion_core.findings import read_experiment
from lesion_core.imaging.changes.poses import POSES
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.policy import keeps, keeps_changed, read_policy
from lesion_core.ood.scores import SCORES, Scorer
from lesion_core.ood.sentences import kind_name
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.attribution import read_attribution
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.folder import kind_of
from lesion_core.runs.listing import run_folders
from lesion_core.runs.robustness import SERIES, read_robustness
from lesion_core.runs.segmenter import VARIANTS, open_segmenter

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "docs/results.md", "docs/experiments.md")
PLACE = re.compile(r"(<!-- table: (?P<key>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEADLINE = ("balanced_accuracy", "macro_auroc", "accuracy")
KINDS = ("natural", "chest_xray", "blood_smear", "clinical close-up", "smartphone photograph", "other diagnosis")
"""Of the OOD images of a run; those that ship in `ood_samples/` are few of each kind."""
UNITS = {
    ("test", "dermamnist_c"): "test set, 8 classes (DermaMNIST-C's unit)",
    ("isic2018", "dermamnist_c"): "official ISIC 2018 test set, 7 classes (DermaMNIST-C's unit)",
    ("binary", "sam_c"): "benign or malignant, test set (SAM-C's unit)",
}
"""Sets of images under change, and whose published errors they are divided by."""
REJECTING = (
    ("95 %", 0.95, ("", "photograph", "layer3_residual", "vim", "confidence")),
    ("99 %", 0.99, ("", "photograph", "vim")),
)
"""Share of the calibration set that is kept, and the scores that are told of; the empty one is a run's default."""


@cache
def classifiers() -> tuple[Run, ...]:
    """The classifiers that ship, in the order of their names' numbers."""
    folders = [folder for folder in run_folders(ROOT / "checkpoints") if kind_of(folder) == "classifier"]
    return tuple(open_run(folder) for folder in sorted(folders, key=lambda f: [*map(int, re.findall(r"\d+", f.name))]))


def named(run: Run) -> str:
    """The architecture as a person writes it."""
    return run.config.settings.model.architecture.replace("resnet", "ResNet-")


def written(row: Any) -> str:
    """A figure with its interval: anything with value, low and high."""
    return "-" if not np.isfinite(row.value) else f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"


def _per_cent(share: Any) -> str:
    return f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n"

    return line(head) + "|" + "---|" * len(head) + "\n" + "".join(map(line, rows))


def _of(summary: EvaluationSummary, metrics: Sequence[str]) -> list[str]:
    rows = summary.table.set_index("metric")
    return [written(rows.loc[metric]) for metric in metrics]


def _counted(summary: EvaluationSummary) -> str:
    return f"{summary.n_images:,} ({summary.n_groups:,})"


def _by_view(views: dict[str, str], metrics: Sequence[str]) -> list[list[str]]:
    """Rows view, model, n (lesions), metrics; the view is named once."""
    rows = []
    for view, words in views.items():
        found = [(run, summary) for run in classifiers() if (summary := view_summary(run, view))]
        rows += [
            ["" if i else words, named(run), _counted(summary), *_of(summary, metrics)]
            for i, (run, summary) in enumerate(found)
        ]
    return rows


def headline() -> str:
    """Balanced accuracy, AUROC and accuracy of each classifier in each view."""
    views = {
        "test": "test set, 8 classes",
        "ham10000": "its HAM10000 part, 7 classes",
        "milk10k": "its MILK10k part, 8 classes",
        "isic2018": "official ISIC 2018 test set, 7 classes",
    }
    head = ("images", "model", "n (lesions)", "balanced accuracy", "mean AUROC", "accuracy")
    return _table(head, _by_view(views, HEADLINE))


def differences() -> str:
    """What the other classifiers have that the first has not, at the same images."""
    first, *others = classifiers()
    rows = []
    for view in ("test", "isic2018"):
        for run in others:
            table = paired_differences(first, run, view)
            assert table is not None  # runs that ship share their test images
            found = table.set_index("metric")
            cells = [written(found.loc[metric]) for metric in HEADLINE]
            rows.append([EVALUATION_SETS[view].name, f"{named(run)} minus {named(first)}", *cells])
    return _table(("images", "difference", "balanced accuracy", "mean AUROC", "accuracy"), rows)


def binary() -> str:
    """Benign or malignant at a half, and at the threshold that the calibration set chose."""
    metrics, rows = ("accuracy", "precision", "recall", "f1"), []
    for words, view, dataset in (
        ("HAM10000 part of the test set", "binary_ham10000", "ham10000"),
        ("test set", "binary", None),
    ):
        for run in classifiers():
            plain, chosen = view_summary(run, view), at_chosen_threshold(run, dataset)
            assert plain and chosen  # of the classes that ship
            rows.append([words, named(run), _counted(plain), "0.5", *_of(plain, metrics)])
            rows.append(["", "", "", f"{chosen.threshold:.3f}", *_of(chosen.summary, metrics)])
    rows.append(["HAM10000, split by image", "earlier project", "", "0.5", "0.880", "0.675", "0.745", "0.708"])
    return _table(("images", "model", "n (lesions)", "threshold", "accuracy", "precision", "recall", "F1"), rows)


def melanoma() -> str:
    """Melanoma against all else, by source."""
    tables = [auroc_by_source(run).set_index("dataset") for run in classifiers()]
    rows = []
    for source in tables[0].index:
        first = tables[0].loc[source]
        cells = [written(table.loc[source]) if source in table.index else "-" for table in tables]
        rows.append([str(source), f"{first['n_images']:,.0f} of {first['n']:,.0f}", *cells])
    return _table(("source", "melanomas of images", *map(named, classifiers())), rows)


def calibration() -> str:
    """Temperatures, and the calibration errors that they leave."""
    rows = []
    for run in classifiers():
        cells = []
        for view in ("test", "ham10000", "isic2018"):
            summary = view_summary(run, view)
            assert summary
            cells += _of(summary, ["ece"])
        rows.append([named(run), f"{run.calibration.temperature:.3f}", *cells])
    return _table(("model", "temperature", "test set", "its HAM10000 part", "official ISIC 2018 test set"), rows)


def quantization() -> str:
    """What 8 bits per weight cost."""
    rows = [
        [
            named(run),
            f"{cost['balanced_accuracy_fp32']:.4f}",
            f"{cost['balanced_accuracy_8bit']:.4f}",
            f"{100 * cost['same_decision']:.2f} %",
        ]
        for run in classifiers()
        for cost in [run.config.quantization]
    ]
    return _table(("model", "float32", "8 bits", "same answer"), rows)


def masks() -> str:
    """The segmenter on its test set."""
    run, rows = open_segmenter(ROOT / "checkpoints" / "unet-ham10000"), []
    for variant, words in VARIANTS.items():
        table, counts = run.counts("test", variant)
        found = mask_summary(counts, table["lesion_id"]).set_index("metric")
        cells = [written(found.loc[m]) for m in ("dice", "jaccard", "threshold_jaccard", "accuracy")]
        cells.append(_per_cent(found.loc["failures"]))
        rows.append([words, *cells])
    return _table(("masks", "Dice", "Jaccard", "threshold Jaccard (0.65)", "pixel accuracy", "under 0.65, %"), rows)


def rejection() -> str:
    """Dermoscopy that policies keep, and OOD images of each kind that they reject, for every classifier."""
    present = [kind for kind in KINDS if any((run.ood_images["kind"] == kind).any() for run in classifiers())]
    counts = {kind: max(int((run.ood_images["kind"] == kind).sum()) for run in classifiers()) for kind in present}
    rows = []
    for run in classifiers():
        scorer, first = Scorer.of(run), True
        strange, known = ood_outputs(run), outputs_of(run, run.part("test"))
        for words, share, keys in REJECTING:
            for key in keys:
                if key and key not in scorer.keys:
                    continue
                policy = tune(run, key, goal=TuningGoal(share=share), scorer=scorer)
                kept, stays = (keeps(policy, scorer.all(outputs, policy.parts)) for outputs in (known, strange))
                cells = [f"{100 * kept.mean():.1f}"]
                for kind in present:
                    of = (run.ood_images["kind"] == kind).to_numpy()
                    gone = clopper_pearson(int((~stays[of]).sum()), int(of.sum()))
                    cells.append(_per_cent(gone) if of.any() else "-")
                rows.append([named(run) if first else "", words, SCORES[policy.score].name, *cells])
                first = False
    kinds = [f"{kind_name(kind)} (n = {counts[kind]})" for kind in present]
    return _table(("model", "calibration set kept", "score", "test set kept", *kinds), rows)


def under_change() -> str:
    """What changes in five severities do to the answers of the classifiers that ship theirs, beside AlexNet's."""
    steps = (0, 1, 3, 5)
    head = (
        "images",
        "model",
        "n",
        "mBE",
        "mean rBE",
        "median rBE",
        "wrong at severity 0, 1, 3, %",
        "at 5, %",
        "of these rejected, %",
        "of the right rejected, %",
    )
    rows = []
    for (view, benchmark), words in UNITS.items():
        found = [(run, table) for run in classifiers() if (table := read_robustness(run)) is not None]
        for i, (run, table) in enumerate(found):
            policy = read_policy(run)
            assert policy is not None, "what ships has a policy"
            answers = answers_under_changes(run, table, view, keeps_changed(policy, table))
            beside = against_alexnet(answers, REFERENCES[benchmark])
            assert beside is not None, "nothing of the reference was measured"
            of = beside.summary.set_index("metric")
            right = np.array([own.right[[own.severities.index(step) for step in steps]] for own in answers.values()])
            wrong = ", ".join(f"{100 * share:.0f}" for share in 1 - right[:, :-1].mean(axis=(0, 2)))
            rejected = ~np.array([own.kept[-1] for own in answers.values() if own.kept is not None]).ravel()
            last = right[:, -1].ravel()
            groups = np.concatenate([own.groups for own in answers.values()])
            asked = {"wrong": (~last, np.ones_like(last)), "of": (rejected, ~last), "other": (rejected, last)}
            shares = share_intervals(asked, groups)
            rows.append(
                [
                    *("" if i else words, named(run), f"{beside.n_images:,}", written(of.loc["mbe"])),
                    *(f"{of.loc[key, 'value']:.2f}" for key in ("mean_rbe", "median_rbe")),
                    wrong,
                    *map(_per_cent, shares.values()),
                ]
            )
    return _table(head, rows)


def in_poses() -> str:
    """How many lesions get more than one answer in the poses of an image, of the classifiers that ship theirs."""
    head = (
        *("images", "poses", "model", "lesions", "more than one answer, %", "the same, averaged over flips, %"),
        "right in one pose and wrong in another, %",
    )
    rows = []
    for view, words in (("test", "test set, 8 classes"), ("isic2018", "official ISIC 2018 test set, 7 classes")):
        found = [(run, table) for run in classifiers() if (table := read_robustness(run, SERIES)) is not None]
        for name, pose in POSES.items():
            for run, table in found:
                members = members_of(run, table, view)[name]
                plain = consistency(members, pose.shown).set_index("metric")
                flips = consistency(members.averaged(pose.flips), pose.shown).set_index("metric")
                figures = plain.loc["several"], flips.loc["several"], plain.loc["sides"]
                of = f"{int(figures[0]['n_groups']):,}"
                rows.append([words, f"{pose.name}, {len(pose.shown)}", named(run), of, *map(_per_cent, figures)])
    for before, row in reversed(list(pairwise(rows))):  # what stands above is said once
        row[:2] = ["" if row[i] == before[i] and row[0] == before[0] else row[i] for i in range(2)]
    return _table(head, rows)


def maps() -> str:
    """How well the numbers of each method's maps tell right answers from wrong ones, beside the confidence."""
    numbers = (CONFIDENCE, "inside", "peak", "deletion", "deletion_by_confidence", "maximum")
    names = ("confidence", *(MAP_NUMBERS[key].name.lower() for key in numbers[1:]))
    rows = []
    for run in classifiers():
        table = read_attribution(run)
        assert table is not None, "what ships has its maps in numbers"
        for i, key in enumerate(method for method in METHODS if (table["method"] == method).any()):
            own = table[table["method"] == key]
            found = tells_right(own, confidence_of(run, own["image_id"])).set_index("number")
            n = found.loc[CONFIDENCE, "n"]
            told = {
                number: written(row) + (f", n = {row['n']:,.0f}" if row["n"] != n else "")
                for number, row in found.iterrows()
            }
            rows.append(
                [
                    "" if i else named(run),
                    METHODS[key].name,
                    f"{n:,.0f}",
                    *(told.get(number, "-") for number in numbers),
                ]
            )
    return _table(("model", "maps by", "n", *names), rows)


def conformal() -> str:
    """Shares of the test lesions whose set holds the truth, at 90 % by class."""
    rows = []
    for run in classifiers():
        table = evaluate_sets(run, 0.9, True).set_index("diagnosis")
        rare = table.loc[~table["promised"]].drop(index="all", errors="ignore")
        promised = [name for name in run.classes if name not in rare.index]
        together = (rare["covered"] * rare["n"]).sum() / max(rare["n"].sum(), 1)
        cells = [f"{name} {100 * table.loc[name, 'covered']:.0f}" for name in promised]
        rows.append(
            [
                named(run),
                f"{table.loc['all', 'n']:,}",
                f"{100 * table.loc['all', 'covered']:.0f}",
                ", ".join(cells),
                f"{100 * together:.0f} ({', '.join(rare.index)})" if len(rare) else "-",
                f"{table.loc['all', 'size']:.1f}",
            ]
        )
    return _table(("model", "lesions", "all", "promised", "not promised, together", "diagnoses in a set"), rows)


@cache
def _rulers() -> dict[str, pd.DataFrame]:
    """What the shortcut experiment found, by the name of a network; indexed by view, of, metric."""
    found = read_experiment("shortcut", ROOT / "experiments")
    assert found, "experiments/shortcut.csv is not there"
    variants = EXPERIMENTS["shortcut"].variants
    own = found.table.fillna({"of": ""}).set_index(["variant", "view", "of", "metric"])
    return {variant.name: own.loc[key] for key, variant in variants.items()}


def shortcut_answers() -> str:
    """AUROC with the ruler on nobody, the melanomas and everybody else; what is called melanoma without and with it."""
    head = (
        "ruler in training on",
        *(f"AUROC, ruler on {who}" for who in RULER_ON.values()),
        "melanomas found, without a ruler",
        "with",
        "nevi called melanoma, without",
        "with",
    )
    called = (("nobody", "MEL"), ("melanomas", "MEL"), ("nobody", "NV"), ("others", "NV"))
    rows = [
        [
            name,
            *(written(own.loc[(view, "", "auroc")]) for view in RULER_ON),
            *(_per_cent(own.loc[(view, code, "called_melanoma")]) for view, code in called),
        ]
        for name, own in _rulers().items()
    ]
    return _table(head, rows)


def shortcut_maps() -> str:
    """Grad-CAM's share in the ruler's band by layer, and how many maps are empty."""
    rows = []
    for name, own in _rulers().items():
        layers = [(own.loc[(MAPS, layer, "in_band")], own.loc[(MAPS, layer, "empty")]) for layer in LAYERS]
        rows.append([name, *(f"{_per_cent(share)}; {100 * empty.value:.0f} empty" for share, empty in layers)])
    area = next(iter(_rulers().values())).loc[(MAPS, "", "band_area")]
    rows.append(["*the band's share of the area*", *([f"{100 * area.value:.1f}"] * len(LAYERS))])
    return _table(("ruler in training on", *LAYERS), rows)


def shortcut_noticed() -> str:
    """How well each OOD score tells images with a ruler from those without."""
    networks = _rulers()
    worst, last = list(networks.items())[-1]
    head = ("score", *(f"AUROC, {name}" for name in networks), f"rejected, {worst}, without a ruler", "with")
    rows = [
        [
            score.name,
            *(written(own.loc[(NOTICED, key, "auroc")]) for own in networks.values()),
            *(_per_cent(last.loc[(NOTICED, key, f"rejected_{which}")]) for which in ("without", "with")),
        ]
        for key, score in SCORES.items()
        if (NOTICED, key, "auroc") in last.index
    ]
    return _table(head, rows)


def sources() -> str:
    """What each network of the experiment of sources reaches on the test lesions of every source."""
    found = read_experiment("sources", ROOT / "experiments")
    assert found, "experiments/sources.csv is not there"
    own = found.table.set_index(["metric", "variant", "view"])
    first = found.table[found.table["metric"] == "balanced_accuracy"]
    tested = {view: n for view, n in zip(first["view"], first["n_images"], strict=True) if view in TITLES}
    rows = []
    for metric in ("balanced_accuracy", "melanoma_auroc", "rejected_layer3_residual"):
        cell, unit = (_per_cent, ", %") if metric.startswith("rejected") else (written, "")
        for i, (key, variant) in enumerate(EXPERIMENTS["sources"].variants.items()):
            cells = (cell(own.loc[(metric, key, view)]) for view in tested)
            rows.append(["" if i else SOURCE_METRICS[metric] + unit, variant.name, *cells])
    return _table(("figure", "trained on", *(f"{TITLES[view]}, n {n:,}" for view, n in tested.items())), rows)


TABLES: dict[str, Callable[[], str]] = {
    table.__name__: cache(table)
    for table in (
        *(headline, differences, binary, melanoma, calibration, quantization, masks, under_change, in_poses, maps),
        *(rejection, conformal),
        *(shortcut_answers, shortcut_maps, shortcut_noticed, sources),
    )
}
"""What a place in a document may name."""


def filled(text: str) -> str:
    """A document with each of its tables as it is now; a place that names no table is a `KeyError`."""
    return PLACE.sub(lambda place: place[1] + "\n" + TABLES[place["key"]]() + "\n" + place[3], text)


def main() -> None:
    """Write the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            path.write_text(new, encoding="utf-8")
            print(f"{name} was written anew.")


if __name__ == "__main__":
    main()
