"""Figures of the lesson on leakage: from the experiment that ships, and the run's own table."""

from __future__ import annotations

import pandas as pd

from app.cache import results as cached_results
from app.figures import lessons as charts
from app.lessons.figures.calibration import NoArguments
from app.lessons.given import Given
from app.lessons.shown import Number, Shown, holds_zero, points, share, share_number, signed
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.slices import difference
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import RunError
from lesion_core.experiments.registry import DIFFERENCE, SEEN, UNSEEN
from lesion_core.runs.classifier import Run

ONE_SEED = "One training each: another seed moves the dots too, which the bars do not show."


def _rows() -> dict[tuple[str, str, str], Interval]:
    """The experiment's figures over all classes by variant, view and metric."""
    found = cached_results.finding("leakage")
    if found is None:
        raise RunError(
            "The experiment on leakage is not here.",
            "Make it: `python -m lesion_core experiment leakage --data DATA --settings FILE`.",
        )
    table = found.table[found.table["class"].fillna("") == ""]
    columns = (table[c] for c in ("variant", "view", "metric", "value", "low", "high", "n_images", "n_groups"))
    return {
        (variant, view, metric): Interval(value, low, high, int(n), int(groups))
        for variant, view, metric, value, low, high, n, groups in zip(*columns, strict=True)
    }


def _dot(name: str, interval: Interval, pale: bool = False) -> charts.Row:
    return charts.Row(
        name,
        (interval.value, interval.low, interval.high),
        f"{share(interval)}, n {interval.n_images:,}",
        pale,
    )


def two_tests(_run: Run, _arguments: NoArguments, _given: Given) -> Shown:
    """Balanced accuracy of both ways to split, on the own test set and on new images."""
    rows = _rows()
    metric = "balanced_accuracy"
    own = {variant: rows[variant, "test", metric] for variant in ("lesion", "image")}
    new = {variant: rows[variant, "isic2018", metric] for variant in ("lesion", "image")}
    paired = rows["image", "isic2018" + DIFFERENCE, metric]
    apart, shared = difference(own["image"], own["lesion"]), (paired.value, paired.low, paired.high)
    return Shown(
        f"The split by image is **{signed(100 * apart[0])}** points on its own test set ({holds_zero(apart)}) and "
        f"**{signed(100 * shared[0])}** on new images ({holds_zero(shared)}).",
        (
            points(
                "Own test set: by image minus by lesion",
                apart,
                f"n {own['image'].n_images:,} and {own['lesion'].n_images:,}",
            ),
            points("New images: by image minus by lesion", shared, f"n {paired.n_images:,}, the same for both"),
        ),
        charts.intervals(
            [
                _dot("own test set, split by lesion", own["lesion"], True),
                _dot("own test set, split by image", own["image"]),
                _dot("new images, split by lesion", new["lesion"], True),
                _dot("new images, split by image", new["image"]),
            ],
            "balanced accuracy",
            (0.4, 0.8),
        ),
        "A dot is the balanced accuracy, its bar the 95 % confidence interval. New images: the official ISIC 2018 test "
        "set.",
        "Balanced accuracy of two small trainings on their own test set and on the official ISIC 2018 test set.",
        (ONE_SEED,),
    )


def several_images(_run: Run, _arguments: NoArguments, given: Given) -> Shown:
    """Accuracy on lesions with several images, where others of them were trained on and where none was."""
    rows = _rows()
    seen, unseen = rows["image", SEEN, "accuracy"], rows["lesion", UNSEEN, "accuracy"]
    same = rows["image", UNSEEN, "accuracy"]
    bought = difference(seen, unseen)
    whole = rows["image", "test", "accuracy"].n_images
    guess = None if given.number is None else given.number / 100
    return Shown(
        f"{seen.n_images:,} of the {whole:,} test images of the split by image show a lesion that was trained on: "
        f"**{signed(100 * bought[0])}** points on those ({holds_zero(bought)}).",
        (
            points("Bought by leakage", bought, f"n {seen.n_images:,} and {unseen.n_images:,}"),
            points(
                "The same network, seen minus not seen",
                difference(seen, same),
                f"n {seen.n_images:,} and {same.n_images:,}",
            ),
            share_number("Right, lesions that were trained on", seen),
        ),
        charts.intervals(
            [
                _dot("split by lesion: none was trained on", unseen, True),
                _dot("split by image: others were trained on", seen),
                _dot("split by image: none was trained on", same, True),
            ],
            "accuracy on lesions with several images",
            (0.5, 0.9),
            guess=None
            if guess is None
            else charts.Guess(unseen.value + guess, f"your guess: {given.number:+.0f} points"),
            others=[unseen.value + other / 100 for other in given.others],
        ),
        "A dot is the accuracy, its bar the 95 % confidence interval over lesions. The guess stands that many points "
        "to the right of the upper dot.",
        "Accuracy on lesions with several images, in three parts of two test sets.",
        (ONE_SEED,),
    )


def siblings(run: Run, _arguments: NoArguments, given: Given) -> Shown:
    """How many images of the run's data show a lesion that another image shows too."""
    table = run.predictions[run.predictions["dataset"] != OFFICIAL_TEST]
    several = table["lesion_id"].map(table["lesion_id"].value_counts()) > 1
    by_set = pd.crosstab(table["dataset"], several)
    counts = {str(name): (int(row.get(True, 0)), int(row.sum())) for name, row in by_set.iterrows()}
    guess = None if given.number is None else charts.Guess(given.number / 100, f"your guess: {given.number:.0f} %")
    names = [("all images of this run", int(several.sum()), len(table)), *((n, k, m) for n, (k, m) in counts.items())]
    return Shown(
        f"**{int(several.sum()):,} of {len(table):,}** images show a lesion of which there is another image; dealt "
        "one by one, many of those would have a sibling on the other side.",
        (
            Number(
                "Images with a sibling",
                f"{100 * several.mean():.0f} %",
                f"n {len(table):,} images of {table['lesion_id'].nunique():,} lesions, all counted",
            ),
        ),
        charts.intervals(
            [
                charts.Row(name, (k / m, k / m, k / m), f"{100 * k / m:.0f} %, n {m:,}", pale=i > 0)
                for i, (name, k, m) in enumerate(names)
            ],
            "share of images whose lesion has another image",
            guess=guess,
            others=[other / 100 for other in given.others],
        ),
        "A dot is a share of all images that the run was made with; they are counted, not sampled, so there is no "
        "interval.",
        "Share of images whose lesion has several images, by data set.",
    )
