"""Strict, frozen settings of a run: preprocessing, model, split and training. JSON both ways.

Unknown fields, wrong types and values out of range are refused: settings come from files that other
people wrote, and a setting that is silently ignored is a wrong result.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lesion_core.amounts import MOST
from lesion_core.errors import ConfigError
from lesion_core.foreign_text import shown

Role = Literal["train", "select", "calibrate", "test"]
"""What an image is for: train; select (early stopping, model choice); calibrate (temperature, thresholds);
test (shown, never chosen on)."""

ROLE_NAMES: dict[str, str] = {
    "train": "training set",
    "select": "validation set",
    "calibrate": "calibration set",
    "test": "test set",
}
"""What a person reads for each role."""

Deviation = Annotated[float, Field(gt=0)]
Side = Annotated[int, Field(ge=16, le=1024)]
MOST_SEED = 2**32 - 1
"""The largest that NumPy, PyTorch and Lightning all take."""
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, one sentence that begins with the field."""
    first = error.errors()[0]
    where = ".".join(shown(str(part)) for part in first["loc"]) or "the whole"
    return f"{where}: {shown(first['msg'], 200)}."


def refuse_named_twice(text: str | bytes, source: str) -> None:
    """Raise a ConfigError where an object of a JSON text has a key twice: parsers take one value without a word."""

    def look(pairs: list[tuple[str, object]]) -> None:
        keys = Counter(key for key, _ in pairs)
        if len(keys) < len(pairs):
            twice = shown(keys.most_common(1)[0][0])
            raise ConfigError(f"{shown(source, 100)}: {twice}: it is there twice.", "Keep one.")

    with suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=look)


def settings_bytes(path: Path) -> bytes:
    """What a file of settings holds, JSON or not; a ConfigError where there is none or it is too large."""
    remedy = "Give a JSON file of settings, or a run's config.json."
    if not path.is_file():
        raise ConfigError(f"There is no settings file at {shown(str(path), 200)}.", remedy)
    if (size := path.stat().st_size) > 2**24:
        raise ConfigError(f"{shown(path.name)} has {size >> 20:,} MiB, and settings may have 16.", remedy)
    return path.read_bytes()


class Settings(BaseModel):
    """Settings that are strict, frozen, and readable from JSON with an error in plain words."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "the settings") -> Self:
        """Read settings.

        Raises:
            ConfigError: The text is not valid JSON, or a field is there twice, unknown, missing, of another type or out
                of range.
        """
        refuse_named_twice(text, source)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ConfigError(f"{shown(source, 100)}: {first_problem(error)}", "Correct that field.") from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read settings from a JSON file.

        Raises:
            ConfigError: There is no such file, it is too large, or `from_json` refuses it.
        """
        return cls.from_json(settings_bytes(path), path.name)

    def to_json(self) -> str:
        """The settings as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

    def fingerprint(self) -> str:
        """16 hex digits that change with any setting."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class DarkCorner(Settings):
    """Crop to the bright field of a dermatoscope (the largest centred square free of the dark ring)."""

    enabled: bool = False
    darkness: int = Field(default=40, ge=1, le=120, description="grey level under which a corner counts as dark")


class HairRemoval(Settings):
    """DullRazor's idea: black-hat finds thin dark lines, inpainting fills them."""

    enabled: bool = False
    kernel: float = Field(default=0.03, ge=0.01, le=0.2, description="black-hat kernel, share of the short side")
    threshold: int = Field(default=12, ge=1, le=100, description="black-hat response that counts as hair, grey levels")
    radius: float = Field(default=0.01, ge=0.002, le=0.05, description="inpainting radius, share of the short side")


class ColorConstancy(Settings):
    """Shades of gray: the light's colour is the Minkowski mean of the image."""

    enabled: bool = False
    power: int = Field(default=6, ge=1, le=20, description="Minkowski norm; 1 is gray world, large is white patch")


class Clahe(Settings):
    """Contrast limited adaptive histogram equalisation on L of LAB."""

    enabled: bool = False
    clip_limit: float = Field(default=2.0, ge=0.5, le=10.0)
    tiles: int = Field(default=8, ge=1, le=32, description="tiles per side")


class Detail(Settings):
    """The same sharpness and compression for every image: reduced to a short side, then saved as JPEG."""

    enabled: bool = False
    short_side: int = Field(default=150, ge=16, le=2048, description="pixels; a smaller image keeps its size")
    quality: int = Field(default=75, ge=1, le=100, description="of the JPEG")


class Resize(Settings):
    """The last step: to the square that the model reads."""

    size: Side = Field(default=224, description="pixels per side")
    fit: Literal["crop", "pad", "stretch"] = Field(
        default="crop",
        description="crop: short side to size, centre square; pad: whole frame, borders mirrored; "
        "stretch: whole frame, aspect lost",
    )


class Preprocessing(Settings):
    """Everything between a decoded image and the model's input, in the order it happens."""

    dark_corner: DarkCorner = DarkCorner()
    hair: HairRemoval = HairRemoval()
    color: ColorConstancy = ColorConstancy()
    clahe: Clahe = Clahe()
    detail: Detail = Detail()
    resize: Resize = Resize()
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[Deviation, Deviation, Deviation] = (0.229, 0.224, 0.225)

    @property
    def sentence(self) -> str:
        """The steps that are on, in their order."""
        steps = [
            (self.dark_corner.enabled, f"crop of dark corners (under grey level {self.dark_corner.darkness})"),
            (self.hair.enabled, "hair removal"),
            (self.color.enabled, f"colour constancy (shades of gray, norm {self.color.power})"),
            (self.clahe.enabled, f"local contrast (clip limit {self.clahe.clip_limit:g})"),
            (
                self.detail.enabled,
                f"equal detail (short side {self.detail.short_side} px, JPEG quality {self.detail.quality})",
            ),
            (True, f"{self.resize.fit} to {self.resize.size} px"),
        ]
        return "Each image: " + ", ".join(words for on, words in steps if on) + "."


class ModelSettings(Settings):
    """Which network, with which classes, starting from what.

    `stride_in_1x1` puts the stride of a bottleneck in its first 1x1 convolution (ResNet v1, as in He et
    al. 2015) where torchvision has it in the 3x3 (v1.5): weights work best in the form they were trained in.
    """

    architecture: str = "resnet50"
    classes: tuple[str, ...] = Field(min_length=2)
    weights: str = Field(default="none", description="none, imagenet (torchvision's hub), or a safetensors file's name")
    new_head: bool = Field(
        default=False,
        description="the last layer starts at random even where the weights have one: keeps what an "
        "earlier training sees, forgets how it answered",
    )
    stride_in_1x1: bool = False

    @field_validator("classes")
    @classmethod
    def _differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("a class is named twice")
        return classes


class SplitSettings(Settings):
    """Shares of the four roles; each lesion is in one of them."""

    select: float = Field(default=0.1, gt=0, lt=1)
    calibrate: float = Field(default=0.1, gt=0, lt=1)
    test: float = Field(default=0.15, gt=0, lt=1)
    seed: Seed = 0

    @model_validator(mode="after")
    def _train_is_left(self) -> Self:
        if self.select + self.calibrate + self.test >= 0.95:
            raise ValueError("select, calibrate and test leave under 5 % for train")
        return self


RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


class Schedule(Settings):
    """How long and how fast a network learns: what classifiers and segmenters share."""

    epochs: int = Field(default=12, ge=1, le=MOST["epochs"])
    batch_size: int = Field(default=32, ge=1, le=MOST["images at a time"])
    sizes: tuple[Side, ...] = Field(
        default=(),
        max_length=100,
        description="input size by equal parts of the training, small first; empty: the size of the run",
    )
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    pretrained_factor: float = Field(
        default=1.0, gt=0, le=1, description="learning rate of the layers that came with weights, as a share"
    )
    weight_decay: float = Field(default=0.02, ge=0, le=1)
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps (cosine)")
    plateau_patience: int = Field(default=2, ge=1, le=MOST["epochs"])
    early_stopping: int = Field(
        default=0, ge=0, le=MOST["epochs"], description="epochs without a better select score; 0: never"
    )
    monitor: str = Field(default="select_loss", description="what chooses the best epoch")
    ema_decay: float = Field(default=0.0, ge=0, lt=1, description="moving average of the weights; 0: none")
    augmentation: Literal["none", "flips", "gentle", "full", "strong"] = "full"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    workers: int = Field(default=1, ge=0, le=MOST["workers"])
    seed: Seed = 0

    def size(self, epoch: int, otherwise: int) -> int:
        """Pixels per side in an epoch: `sizes`, each for an equal part of the training, or the one given."""
        sizes = self.sizes or (otherwise,)
        return sizes[min(len(sizes) - 1, epoch * len(sizes) // self.epochs)]


class Training(Schedule):
    """How a classifier is trained. What is not named here has Lightning's default."""

    monitor: Literal["select_auroc", "select_balanced_accuracy", "select_loss"] = Field(
        default="select_auroc",
        description="what chooses the best epoch; balanced accuracy jumps with single images "
        "where a class has ten of them",
    )
    class_weights: Literal["none", "sqrt", "inverse"] = "none"
    oversampling: Literal["none", "sqrt", "inverse"] = "none"
    loss: Literal["cross_entropy", "focal", "logit_adjusted"] = "cross_entropy"
    focal_gamma: float = Field(default=2.0, ge=0, le=10)
    logit_adjustment: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="after the training, how much of what the frequencies explain is taken "
        "from the logits; 1: answer as if all diagnoses were equally common",
    )
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0, le=10, description="of the Beta distribution that images are mixed by")
    label_spaces: bool = Field(
        default=False, description="compare an image only with the diagnoses that its own data set holds"
    )
    frozen_stages: int = Field(
        default=0, ge=0, le=3, description="so many of the network's first stages stay as they begin, statistics too"
    )
    draw: Literal["image", "lesion"] = Field(
        default="image", description="what an epoch draws once: each image, or each lesion, as one of its images"
    )
    coarse: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the draws that are brought to the detail in preprocessing.detail, be it enabled or not",
    )
    teachers: tuple[RunName, ...] = Field(
        default=(), max_length=8, description="run folders beside the weights, whose answers the network learns too"
    )
    distillation: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="what the teachers' answers count in the loss, the diagnoses count the rest",
    )
    softness: float = Field(default=2.0, gt=0, le=20, description="temperature at which they are compared")

    @model_validator(mode="after")
    def _over_all_classes(self) -> Self:
        if self.label_spaces and self.teachers:
            raise ValueError("teachers answer for all classes, label_spaces leaves some out: choose one")
        if self.label_spaces and self.label_smoothing:
            raise ValueError("label_smoothing spreads over all classes, label_spaces leaves some out: choose one")
        return self

    @model_validator(mode="after")
    def _adjusts_once(self) -> Self:
        if self.logit_adjustment and (self.loss == "logit_adjusted" or self.class_weights != "none"):
            raise ValueError("logit_adjustment takes away what the loss or class_weights took already: choose one")
        return self


Forms = Literal["first", "finest"]
"""Of an image that several folders of its data set hold: the first folder's, or the one with the most detail."""


class RunSettings(Settings):
    """All that a run was made with; `config.json` of a run folder holds it."""

    name: RunName
    model: ModelSettings
    images: Forms = "first"
    preprocessing: Preprocessing = Preprocessing()
    split: SplitSettings = SplitSettings()
    training: Training = Training()

    def with_detail(self, enabled: bool = True) -> Self:
        """The same settings with equal detail on or off."""
        detail = self.preprocessing.detail.model_copy(update={"enabled": enabled})
        return self.model_copy(update={"preprocessing": self.preprocessing.model_copy(update={"detail": detail})})


class SegmenterSettings(Settings):
    """A U-Net on the first blocks of a ResNet.

    `depth` 5 uses all of the ResNet, 4 leaves out layer4. `stride_in_1x1` is as in `ModelSettings`.
    """

    encoder: Literal["resnet18", "resnet34", "resnet50"] = "resnet18"
    decoder: tuple[Annotated[int, Field(ge=4, le=1024)], ...] = Field(
        default=(256, 128, 64, 32, 16), min_length=3, max_length=5, description="channels from coarse to fine"
    )
    weights: str = Field(
        default="none",
        description="none, a safetensors file or a classifier's model.safetensors for the encoder, or another "
        "segmenter's for all of it",
    )
    stride_in_1x1: bool = False

    @property
    def depth(self) -> int:
        """Halvings of the image."""
        return len(self.decoder)


class SegmenterTraining(Schedule):
    """How a segmenter is trained: Dice and cross-entropy in equal parts."""

    monitor: Literal["select_jaccard", "select_loss"] = "select_jaccard"
    augmentation: Literal["none", "flips", "full", "strong"] = "full"
    artefacts: float = Field(default=0.3, ge=0, le=1, description="share of images that get a synthetic artefact")


class SegmenterRunSettings(Settings):
    """All that a segmenter was made with; `config.json` of its run folder holds it."""

    name: RunName
    model: SegmenterSettings = SegmenterSettings()
    images: Forms = "first"
    preprocessing: Preprocessing = Preprocessing(resize=Resize(size=160, fit="stretch"))
    split: SplitSettings = SplitSettings()
    training: SegmenterTraining = SegmenterTraining()

    @model_validator(mode="after")
    def _whole_frame(self) -> Self:
        if self.preprocessing.resize.fit != "stretch" or self.preprocessing.dark_corner.enabled:
            raise ValueError(
                "a segmenter reads the whole frame: resize.fit is stretch, and dark corners are not cropped"
            )
        for size in (self.preprocessing.resize.size, *self.training.sizes):
            if size % 2**self.model.depth:
                raise ValueError(f"{size} px cannot be halved {self.model.depth} times")
        return self
