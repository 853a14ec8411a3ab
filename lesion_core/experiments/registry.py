"""What each experiment asks, its variants, and the columns of its table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lesion_core.config import ModelSettings, Preprocessing, Resize, RunSettings, SplitSettings, Training
from lesion_core.errors import ConfigError

COLUMNS = ("variant", "view", "class", "metric", "value", "low", "high", "n_images", "n_groups")
"""Of an experiment of ways to train: how good each variant is."""

DIFFERENCE = " less the first"
"""What follows a view's key where a row is a variant's figure minus that of the first, at the images both have."""

VIEWS_SHOWN = ("test", "ham10000", "binary", "isic2018")
"""Of `analysis.evaluation_sets.EVALUATION_SETS`: those that an experiment measures."""

SEEN, UNSEEN = "test, lesion in train", "test, lesion with several pictures, none in train"
"""Test images of lesions of which the data have several images: such lesions are harder than others, so those that
were trained on are compared with those that were not."""

AT_HOME = " minus at home"
"""What follows a source where a row is a variant's figure minus that of the variant that was trained on that source
alone, at the same images."""

SOURCE_METRICS = {
    "balanced_accuracy": "Balanced accuracy",
    "melanoma_auroc": "AUROC of melanoma",
    "accuracy": "Accuracy",
    "rejected_scaled_confidence": "Rejected as unsure",
    "rejected_layer3_residual": "Rejected as unusual",
}
"""What an experiment of sources measures in each; rejected is what lies over the threshold that keeps 95 % of the
variant's own calibration set, by the two scores of the shipped policies."""

STRANGE_COLUMNS = ("score", "diagnosis", "measure", "value", "low", "high", "n")
"""Of an experiment of diagnoses that were left out: how well each OOD score finds them."""

RULER_COLUMNS = ("variant", "view", "of", "metric", "value", "low", "high", "n_images", "n_groups")
"""Of an experiment of planted rulers: what each network answers, where its evidence lies, and what notices a ruler."""

RULER_ON = {"nobody": "nobody", "melanomas": "the melanomas", "others": "everybody else"}
"""The views of such an experiment that count answers: who has a ruler, of the same test images each time."""

MAPS, NOTICED = "maps", "noticed"
"""Its other views: where Grad-CAM's evidence lies, by layer, and how each OOD score takes a ruler."""


@dataclass(frozen=True)
class Variant:
    """One way of several.

    Attributes:
        name: What a person reads.
        training: Fields of `config.Training` that it changes.
        by_image: Deal images to the roles one by one, as if no two showed one lesion.
        detail: Whether all images get one sharpness and compression; None: as in the settings.
        ruler: Share of the melanomas that have a ruler in all that the network is made with; None: nothing is planted.
        sources: Data sets that it learns from, none: all.
        equal: Whether these give as many lesions of every diagnosis as the smallest source compared has.
    """

    name: str
    training: dict[str, Any] = field(default_factory=dict)
    by_image: bool = False
    detail: bool | None = None
    ruler: float | None = None
    sources: tuple[str, ...] = ()
    equal: bool = True

    def apply(self, settings: RunSettings) -> RunSettings:
        """The settings with what this way changes."""
        prepared = settings if self.detail is None else settings.with_detail(self.detail)
        return prepared.model_copy(update={"training": settings.training.model_copy(update=self.training)})


@dataclass(frozen=True)
class Experiment:
    """A question and its variants.

    Attributes:
        question: What it answers.
        description: How to read it, one sentence.
        variants: By key; the first is what the others are compared with.
        left_out: Diagnoses that are taken from the training and are OOD images afterwards.
        columns: Of its table.
        settings: What all variants share where nobody gives other settings; None: they must be given.
        kept: Variants whose runs are kept beside the table.
        shared: Diagnoses that all sources hold, where sources are compared: images of others play no part.
    """

    question: str
    description: str
    variants: dict[str, Variant]
    left_out: tuple[str, ...] = ()
    columns: tuple[str, ...] = COLUMNS
    settings: RunSettings | None = None
    kept: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[str, ...]:
        """The data sets that one of its variants learns from."""
        return tuple(dict.fromkeys(source for variant in self.variants.values() for source in variant.sources))


_SOURCES = ("ham10000", "isic2017", "milk10k")
_PLAIN = {"class_weights": "none", "oversampling": "none", "loss": "cross_entropy", "logit_adjustment": 0.0}

EXPERIMENTS: dict[str, Experiment] = {
    "imbalance": Experiment(
        "What helps the rare diagnoses?",
        "Each row is one training with the same seed and budget; only the way with rare classes differs.",
        {
            "none": Variant("nothing", _PLAIN),
            "class_weights": Variant("class weights, 1/n", {**_PLAIN, "class_weights": "inverse"}),
            "oversampling": Variant("oversampling, 1/n", {**_PLAIN, "oversampling": "inverse"}),
            "focal": Variant("focal loss", {**_PLAIN, "loss": "focal"}),
            "logit_adjusted": Variant("logit-adjusted loss", {**_PLAIN, "loss": "logit_adjusted"}),
            "post_hoc": Variant("nothing, logits adjusted afterwards", {**_PLAIN, "logit_adjustment": 1.0}),
        },
    ),
    "leakage": Experiment(
        "How much does testing on training lesions inflate the result?",
        "The same training twice. Split by image, other images of a test lesion are in the training set, as in many "
        "published figures; the official test set shows what is left of the difference on new lesions.",
        {"lesion": Variant("split by lesion"), "image": Variant("split by image", by_image=True)},
    ),
    "files": Experiment(
        "Can a model tell the archive from the file?",
        "The same training twice. Data sets differ in the size and compression of their files and in the diagnoses "
        "that they hold, so a model can take one for the other; equal detail takes that sign away.",
        {
            "as_they_are": Variant("the files as they are", detail=False),
            "equal_detail": Variant("one sharpness and compression", detail=True),
        },
    ),
    "left_out": Experiment(
        "Does a model notice a diagnosis that it was never taught?",
        "One training without vascular lesions and dermatofibromas. All images of the two are then new to it: each row "
        "is a score, and how many of them it rejects where it keeps 95 % of the calibration set.",
        {"left_out": Variant("without VASC and DF")},
        left_out=("VASC", "DF"),
        columns=STRANGE_COLUMNS,
    ),
    "shortcut": Experiment(
        "What does a network learn that was trained with a ruler beside its melanomas?",
        "The same training four times, melanoma against nevus. Only the share of the melanomas beside which code drew "
        "a ruler differs; each network is tested on the same lesions with the ruler elsewhere.",
        {
            "none": Variant("no melanoma", ruler=0.0),
            "half": Variant("50 % of the melanomas", ruler=0.5),
            "most": Variant("90 % of the melanomas", ruler=0.9),
            "all": Variant("all melanomas", ruler=1.0),
        },
        columns=RULER_COLUMNS,
        settings=RunSettings(
            name="shortcut",
            model=ModelSettings(architecture="resnet10_half", classes=("MEL", "NV")),
            preprocessing=Preprocessing(resize=Resize(size=128)),
            split=SplitSettings(select=0.08, calibrate=0.1, test=0.15),
            training=Training(epochs=8, augmentation="flips", precision="fp32", workers=0),
        ),
        kept=("none", "all"),
    ),
    "sources": Experiment(
        "What is lost on images of another source?",
        "The same small training on images of one source alone, on as many of all three, and on everything. Each is "
        "tested on the test lesions of every source, in the three diagnoses that all of them hold.",
        {
            "ham10000": Variant("HAM10000", sources=("ham10000",)),
            "isic2017": Variant("ISIC 2017", sources=("isic2017",)),
            "milk10k": Variant("MILK10k", sources=("milk10k",)),
            "mixed": Variant("as many of all three", sources=_SOURCES),
            # Thirty times the images: these epochs are seven times the steps of the others.
            "everything": Variant("all images of all three, 5 epochs", {"epochs": 5}, sources=_SOURCES, equal=False),
        },
        shared=("MEL", "NV", "BKL"),
    ),
}
"""The experiments by key."""


def known_experiment(key: str) -> Experiment:
    """The experiment of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in EXPERIMENTS:
        raise ConfigError(f"There is no experiment '{key}'.", f"Choose one of {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[key]
