"""What each command prints with `--json`: one schema each."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, RootModel

from lesion_core.cli.robustness_schema import Consistent, Robust
from lesion_core.cli.schema_parts import (
    Count,
    FingerprintField,
    Interval,
    Measured,
    NotesField,
    Output,
    PictureField,
    RunNameField,
    Value,
    WrittenField,
)
from lesion_core.ood.policy import Policy


class AtChosenThreshold(Output):
    """Two classes at the threshold with the best F1 on the calibration set."""

    threshold: Annotated[float, Field(ge=0, le=1, description="malignant at or over this probability")]
    metrics: list[Measured]


class EvaluationView(Output):
    """A set of images seen as one list of classes."""

    classes: Annotated[list[str] | None, Field(description="only with --as: the classes")] = None
    n: Annotated[Count, Field(description="images")]
    lesions: Count
    metrics: list[Measured]
    at_chosen_threshold: Annotated[AtChosenThreshold | None, Field(description="only of two classes")] = None


class MaskView(Output):
    """The masks of a set of images, cleaned up or as found."""

    meaning: Annotated[str, Field(description="what was done to the masks")]
    n: Annotated[Count, Field(description="images")]
    metrics: list[Measured]


class Synthesized(Output):
    """What `synthesize` made."""

    folder: str
    lesions: Count
    images: Count


class HistoryRow(Output):
    """A value of an epoch."""

    epoch: Annotated[Count, Field(description="from 0")]
    phase: Annotated[str, Field(description="train or select, the validation set")]
    metric: str
    value: Value


class Trained(Output):
    """A run that was trained."""

    run: RunNameField
    fingerprint: FingerprintField
    written: WrittenField
    counts: Annotated[dict[str, Count], Field(description="images of each role")]
    history: list[HistoryRow]


class Experimented(Output):
    """An experiment's table."""

    experiment: Annotated[str, Field(description="its key")]
    written: WrittenField
    rows: Annotated[list[dict[str, Any]], Field(description="the rows of the table, with its columns")]


class Evaluated(Output):
    """A run's figures."""

    run: RunNameField
    fingerprint: FingerprintField
    views: Annotated[dict[str, EvaluationView], Field(description="by the key of the set of images")]
    notes: NotesField


class OtherDiagnosis(Output):
    """Images of a diagnosis that is none of the eight."""

    diagnosis: str
    n: Count
    rejected: Annotated[Count | None, Field(description="by the policy; null without one")]


class EvaluatedUnseen(Output):
    """A classifier's figures on images that it never saw."""

    run: RunNameField
    fingerprint: FingerprintField
    set_name: Annotated[str, Field(alias="as", description="the name given to the set of images")]
    images: Count
    lesions: Count
    views: Annotated[dict[str, EvaluationView], Field(description="diagnosis and binary")]
    rejection: Annotated[
        dict[str, Interval] | None, Field(description="answered and right_of_answered; null without a policy")
    ]
    other_diagnoses: list[OtherDiagnosis]
    told: Annotated[list[str], Field(description="the same in sentences")]
    left_out: Annotated[dict[str, Count], Field(description="images that were not scored, by the reason")]
    notes: NotesField
    written: WrittenField


class SegmenterEvaluatedUnseen(Output):
    """A segmenter's figures on images that it never saw."""

    run: RunNameField
    fingerprint: FingerprintField
    set_name: Annotated[str, Field(alias="as", description="the name given to the set of images")]
    images: Count
    lesions: Count
    masks: Annotated[dict[str, MaskView], Field(description="clean and raw")]
    left_out: Annotated[dict[str, Count], Field(description="images that were not measured, by the reason")]
    notes: NotesField
    written: WrittenField


class Features(Output):
    """With --with features."""

    reduced: Annotated[list[float], Field(description="principal components of the penultimate features")]
    residual: float
    layer3_residual: float
    photograph: Annotated[
        float | None, Field(description="evidence for a clinical photograph; null where the run has learned of none")
    ]


class Answer(Output):
    """What a run says of an image, or why it says nothing."""

    picture: PictureField
    error: Annotated[str | None, Field(description="why it cannot be read; then nothing else is there")] = None
    answer: Annotated[str | None, Field(description="the diagnosis, or UNKNOWN where it is rejected")] = None
    diagnosis: Annotated[str | None, Field(description="the most probable one, rejected or not")] = None
    confidence: float | None = None
    rejected: Annotated[bool | None, Field(description="null without a policy")] = None
    reason: str | None = None
    logits: Annotated[dict[str, float] | None, Field(description="only with --with logits; before the temperature")] = (
        None
    )
    features: Annotated[Features | None, Field(description="only with --with features")] = None


class Predicted(Answer):
    """An image's answer."""

    probabilities: Annotated[dict[str, float] | None, Field(description="of each class, after the temperature")] = None


class Scored(Answer):
    """An image's OOD scores."""

    scores: Annotated[dict[str, float] | None, Field(description="higher is further out of distribution")] = None


class Evidence(Output):
    """Where the evidence lies in a group of images."""

    group: Annotated[str, Field(description="right or wrong answers")]
    n: Annotated[Count, Field(description="images")]
    share: Annotated[Value, Field(description="of the evidence that lies inside the lesion, mean")]
    low: Value
    high: Value
    area: Annotated[Value, Field(description="share of what is seen that is lesion, mean")]
    peak: Annotated[Value, Field(description="share of the maps whose maximum lies inside the lesion")]


class TellsRight(Output):
    """How well a number of a map tells right answers from wrong ones."""

    number: Annotated[str, Field(description="confidence, or the key of a number of the map")]
    n: Annotated[Count, Field(description="images")]
    lesions: Count
    right: Annotated[Count, Field(description="images whose answer is right")]
    value: Annotated[Value, Field(description="AUROC for a right answer")]
    low: Value
    high: Value


class Explained(Output):
    """Where a model looks."""

    run: RunNameField
    fingerprint: FingerprintField
    written: WrittenField
    methods: Annotated[dict[str, list[Evidence]], Field(description="by the method's key")]
    tells_right: Annotated[dict[str, list[TellsRight]], Field(description="by the method's key")]
    notes: NotesField


class ListedRun(Output):
    """A classifier."""

    name: str
    fingerprint: FingerprintField
    architecture: str
    classes: list[str]
    created: Annotated[str, Field(description="date")]
    counts: Annotated[dict[str, Count], Field(description="images of each role")]


class ListedSegmenter(Output):
    """A segmenter."""

    name: str
    fingerprint: FingerprintField
    encoder: str
    created: Annotated[str, Field(description="date")]
    counts: Annotated[dict[str, Count], Field(description="images of each role")]


class Listed(Output):
    """The runs of a folder."""

    runs: list[ListedRun]
    segmenters: list[ListedSegmenter]
    broken: Annotated[dict[str, str], Field(description="by folder, why it cannot be opened")]


class SegmenterEvaluated(Output):
    """A segmenter's figures on its test set."""

    run: RunNameField
    fingerprint: FingerprintField
    split: str
    masks: Annotated[dict[str, MaskView], Field(description="clean and raw")]


class Change(Output):
    """A segmenter's figures on images that something was done to."""

    change: str
    severity: Annotated[int, Field(ge=0, le=5, description="0 for the images as they are")]
    meaning: str
    in_training: Annotated[str | None, Field(description="how near the training's augmentation came to it")]
    n: Annotated[Count, Field(description="images")]
    lesions: Count
    metrics: list[Measured]
    less_unchanged: Annotated[list[Measured] | None, Field(description="differences from the images as they are")]


class SegmenterChanged(Output):
    """A segmenter's figures under changes."""

    run: RunNameField
    fingerprint: FingerprintField
    split: str
    masks: Annotated[str, Field(description="clean or raw")]
    says: Annotated[str, Field(description="how to read them")]
    notes: NotesField
    changes: list[Change]


class Segmented(Output):
    """An image's mask."""

    picture: PictureField
    error: Annotated[str | None, Field(description="why there is none; then nothing else is there")] = None
    mask: Annotated[str | None, Field(description="path of the mask")] = None
    area: Annotated[float | None, Field(description="share of the image that is lesion")] = None


class Detected(Output):
    """What a score does."""

    kind: Annotated[str, Field(description="of OOD image; all, or empty where the measure needs none")]
    measure: str
    value: Value
    low: Value
    high: Value
    n: Annotated[Count, Field(description="images")]


class FittedOn(Output):
    """A part of the run's images."""

    split: str
    n: Count


class Kept(Output):
    """What the report's thresholds keep."""

    split: str
    share: float


class Fitted(Output):
    """Every OOD score, compared."""

    run: RunNameField
    fingerprint: FingerprintField
    temperature: float
    fitted_on: FittedOn
    fit_seconds: Annotated[dict[str, float], Field(description="by the score's key")]
    shown_on: Annotated[str, Field(description="the split of the dermoscopic images")]
    thresholds_keep: Kept
    scores: Annotated[dict[str, list[Detected]], Field(description="by the score's key")]


class Tuned(Output):
    """A policy that was chosen."""

    written: WrittenField
    policy: Annotated[Policy, Field(description="as policy.json holds it")]


class Downloaded(Output):
    """Images that were fetched."""

    folder: str
    images: Count
    fetched_now: Count
    masks: Count
    by_diagnosis: dict[str, Count]
    left_out: Annotated[dict[str, str], Field(description="what is not there, and why")]
    notes: NotesField


SCHEMAS: dict[str, Any] = {
    "synthesize": Synthesized,
    "train": Trained,
    "experiment": Experimented,
    "evaluate": Evaluated,
    "evaluate --as": EvaluatedUnseen,
    "predict": RootModel[list[Predicted]],
    "explain": Explained,
    "robustness": Robust,
    "consistency": Consistent,
    "runs": Listed,
    "segment train": Trained,
    "segment evaluate": SegmenterEvaluated,
    "segment evaluate --changed": SegmenterChanged,
    "segment evaluate --as": SegmenterEvaluatedUnseen,
    "segment predict": RootModel[list[Segmented]],
    "ood fit": Fitted,
    "ood score": RootModel[list[Scored]],
    "ood tune": Tuned,
    "download demo": Downloaded,
}
"""By command, and by the option that prints something else. A field without a value is absent or null."""
