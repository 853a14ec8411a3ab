"""Figures of the planted ruler: what networks answer that were trained with a ruler beside some melanomas."""

from __future__ import annotations

from app.cache import results as cached_results
from app.figures import lessons as charts
from app.lessons.figures.calibration import NoArguments, guess_of, row
from app.lessons.given import Given
from app.lessons.shown import Shown, share, share_number
from lesion_core.analysis.intervals import Interval
from lesion_core.errors import RunError
from lesion_core.experiments.registry import EXPERIMENTS, MAPS, NOTICED
from lesion_core.ood.scores import DEFAULT, SCORES
from lesion_core.runs.classifier import Run

NONE, ALL = "none", "all"
"""The variants whose networks ship: a ruler beside no melanoma, and beside each."""
LAYERS = {"layer1": "layer 1, the finest", "layer2": "layer 2", "layer3": "layer 3", "layer4": "layer 4, the coarsest"}
ASKED = ("confidence", "layer3_residual", "mahalanobis", DEFAULT)
"""Scores that are told."""
BESIDE = (
    "Not the run of the sidebar but small networks, melanoma against nevus, one training each. The ruler is drawn by "
    "code, so it is the same with and without."
)


def _rows() -> dict[tuple[str, str, str, str], Interval]:
    """The experiment's figures by variant, view, of what, and metric."""
    found = cached_results.finding("shortcut")
    if found is None:
        raise RunError(
            "The experiment of the planted ruler is not here.",
            "Make it: `python -m lesion_core experiment shortcut --data DATA`.",
        )
    names = ("variant", "view", "of", "metric", "value", "low", "high", "n_images", "n_groups")
    columns = (found.table[name].fillna("") if name == "of" else found.table[name] for name in names)
    return {
        (variant, view, of, metric): Interval(value, low, high, int(n), int(groups))
        for variant, view, of, metric, value, low, high, n, groups in zip(*columns, strict=True)
    }


def planted_answers(_run: Run, _arguments: NoArguments, given: Given) -> Shown:
    """Nevi that are called melanoma with a ruler beside them, and without."""
    found = _rows()
    with_ruler = {key: found[key, "others", "NV", "called_melanoma"] for key in EXPERIMENTS["shortcut"].variants}
    without = found[ALL, "nobody", "NV", "called_melanoma"]
    missed = found[ALL, "nobody", "MEL", "called_melanoma"]
    names = {key: variant.name for key, variant in EXPERIMENTS["shortcut"].variants.items()}
    return Shown(
        f"Trained with a ruler beside all melanomas, the network calls **{share(with_ruler[ALL])}** of the nevi with a "
        f"ruler melanoma, and **{share(without)}** of the same nevi without. Of melanomas without a ruler it finds "
        f"**{share(missed)}**.",
        (
            share_number("Nevi with a ruler called melanoma", with_ruler[ALL]),
            share_number("The same nevi without", without),
            share_number("Melanomas without a ruler found", missed),
        ),
        charts.intervals(
            [row(f"ruler beside {names[key]}", one, key != ALL) for key, one in with_ruler.items()],
            "share of nevi with a ruler that are called melanoma",
            guess=guess_of(given, "of 100"),
            others=[other / 100 for other in given.others],
        ),
        "A row is a network, by what it was trained with; a dot is the share of the test set's nevi, its bar the 95 % "
        "confidence interval over lesions.",
        "Share of nevi with a ruler that are called melanoma, by the share of melanomas with a ruler in the training.",
        (BESIDE,),
    )


def planted_maps(_run: Run, _arguments: NoArguments, _given: Given) -> Shown:
    """How much of the map lies on the ruler's band, by layer."""
    found = _rows()
    band = found[ALL, MAPS, "", "band_area"]
    shares = {layer: [found[key, MAPS, layer, "in_band"] for key in (ALL, NONE)] for layer in LAYERS}
    most = max(shares, key=lambda layer: shares[layer][0].value)
    rows = []
    for layer, (taught, plain) in shares.items():
        rows.append(row(f"{LAYERS[layer]}: trained with rulers", taught))
        rows.append(row("… without", plain, True))
    last = shares["layer4"][0]
    return Shown(
        f"The ruler's band has **{share(band)}** of the image. Of the map of a network that learned the ruler, "
        f"**{share(shares[most][0])}** lie there at layer {most[-1]}, and **{share(last)}** at layer 4.",
        (
            share_number("On the band, at layer 4, trained with rulers", last),
            share_number("On the band, at layer 4, without", shares["layer4"][1]),
        ),
        charts.intervals(
            rows,
            "share of the map that lies on the ruler's band",
            reference=charts.Guess(band.value, "the band's share of the image"),
        ),
        "Right of the dotted line, more of the map lies on the ruler than on as much of the image elsewhere. Grad-CAM "
        "of melanoma, on melanomas with a ruler.",
        "Share of the Grad-CAM map on the ruler's band, by layer, of two networks.",
        (BESIDE,),
    )


def planted_noticed(_run: Run, _arguments: NoArguments, _given: Given) -> Shown:
    """Whether the scores that reject notice a ruler."""
    found = _rows()
    rows = []
    for key in ASKED:
        rows.append(row(f"{SCORES[key].name}: with a ruler", found[ALL, NOTICED, key, "rejected_with"]))
        rows.append(row("… without", found[ALL, NOTICED, key, "rejected_without"], True))
    sure, strange = (found[ALL, NOTICED, key, "rejected_with"] for key in ("confidence", "layer3_residual"))
    surer = found[ALL, NOTICED, "confidence", "auroc"]
    return Shown(
        f"At limits that keep 95 % of its calibration set, confidence rejects **{share(sure)}** of the images with a "
        f"ruler and a distance **{share(strange)}**: a network that answers by the ruler "
        f"{'is surer with it than without' if surer.high < 0.5 else 'is not surer with it'}.",
        (
            share_number("Rejected with a ruler, by confidence", sure),
            share_number("Rejected with a ruler, by layer 3 residual", strange),
        ),
        charts.intervals(rows, "share of the test images that is rejected"),
        "A dot is a share of the test images, its bar the 95 % confidence interval over lesions. Of the network that "
        "was trained with a ruler beside each melanoma.",
        "Share of images with and without a ruler that is rejected, by score.",
        (BESIDE,),
    )
