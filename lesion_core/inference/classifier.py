"""A classifier over whole folders of images, written to a run folder as frozen logits and features."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models import ResNet

from lesion_core import distributed
from lesion_core.amounts import check_amount
from lesion_core.analysis.calibration import fit_temperature
from lesion_core.analysis.metrics import METRICS, softmax
from lesion_core.config import ROLE_NAMES, Preprocessing, RunSettings
from lesion_core.data.tables import OFFICIAL_TEST, ROLES
from lesion_core.errors import RunError
from lesion_core.files import current, rewritten
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.inference.features import stored_features
from lesion_core.inference.identity import check_same_images
from lesion_core.inference.inputs import Changed, ModelInputs, batches, corrupted_rows, stack, train_batches
from lesion_core.inference.records import known_image, known_outputs, stored_facts, versions
from lesion_core.models.checkpoints import save_weights
from lesion_core.models.classifiers import pool, stages, trained
from lesion_core.models.quantization import gram_matrices
from lesion_core.ood.known_answer import FILE as KNOWN_ANSWER
from lesion_core.ood.known_answer import known_answer
from lesion_core.ood.policy import write_policy
from lesion_core.ood.tuning import tune
from lesion_core.runs.beside import rewriting
from lesion_core.runs.classifier import (
    OOD_FACTS,
    Calibration,
    Run,
    RunConfig,
    open_run,
    write_config,
    write_tables,
)
from lesion_core.runs.listing import POLICY
from lesion_core.steps import Progress, Step, silent

FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))
"""Axes of (N, 3, H, W) that are mirrored: a lesion has no upright side."""


@dataclass(frozen=True)
class RawOutputs:
    """What the model gives for N images, float32, before a run reduces it; rows as the paths were given.

    Attributes:
        logits: (N, K).
        penultimate: (N, D) features, averaged over the places.
        layer3: (N, C) features of the stage before, averaged too.
    """

    logits: NDArray[np.float32]
    penultimate: NDArray[np.float32]
    layer3: NDArray[np.float32]


def infer(
    model: ResNet,
    preprocessing: Preprocessing,
    paths: Sequence[str],
    *,
    changes: Mapping[int, Changed] | None = None,
    batch_size: int = 32,
    workers: int = 1,
    flips: bool = False,
    on_progress: Progress | None = None,
) -> RawOutputs:
    """Run the model over images, in float32. Several processes take each a part, and all get the whole.

    Args:
        model: In evaluation mode.
        preprocessing: The run's own.
        paths: Image files; none may be missing.
        changes: What is done to an image before the preprocessing, by its place in `paths`.
        batch_size: Images at a time; it changes no result beyond rounding.
        workers: Threads that decode.
        flips: Read each image as it is, mirrored either way, and both: logits and features are the four's mean.
        on_progress: Called with images done and images in all, of this process's part.

    Raises:
        RunError: An image cannot be decoded, or the model gives logits that are NaN or infinite.
        ConfigError: `batch_size` or `workers` is out of range.
    """
    check_amount(batch_size, "images at a time")
    check_amount(workers, "workers", least=0)
    mine = range(distributed.rank(), len(paths), distributed.world())
    own = {i: made for i, place in enumerate(mine) if (made := (changes or {}).get(place))}
    pictures = ModelInputs([paths[i] for i in mine], preprocessing, own)
    with full_precision():
        outputs = distributed.parts(
            lambda: _infer(model, pictures, preprocessing, batch_size, workers, flips, on_progress)
        )
    whole = {}
    for name in (field.name for field in fields(RawOutputs)):
        own_parts = [getattr(found, name) for found in outputs]
        whole[name] = np.empty((len(paths), own_parts[0].shape[1]), np.float32)
        for i, rows in enumerate(own_parts):
            whole[name][i :: len(outputs)] = rows
    return RawOutputs(**whole)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute in float32: a GPU would round to 10 bits."""
    tf32, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32


@torch.inference_mode()
def _infer(
    model: ResNet,
    pictures: ModelInputs,
    preprocessing: Preprocessing,
    batch_size: int,
    workers: int,
    flips: bool,
    on_progress: Progress | None,
) -> RawOutputs:
    device = distributed.device()
    model = model.eval().to(device, memory_format=torch.channels_last)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    done = 0
    for squares in map(stack, batches(pictures, batch_size, workers)):
        if isinstance(squares, RunError):
            raise squares
        images = torch.from_numpy(normalize(squares.numpy(), preprocessing)).to(device)  # (N, 3, S, S)
        mirrored = [images.flip(axes) if axes else images for axes in (FLIPS if flips else FLIPS[:1])]
        # (N, C, 2h, 2w) and (N, D, h, w) of each mirroring
        activations = [stages(model, each.contiguous(memory_format=torch.channels_last)) for each in mirrored]
        layer3, penultimate = (  # (N, C), (N, D)
            torch.stack([pool(model, each) for each in stage]).mean(0) for stage in zip(*activations, strict=True)
        )
        # The last layer is linear: the mean of the logits is the logits of the mean.
        found.append((model.fc(penultimate).cpu(), penultimate.cpu(), layer3.cpu()))
        done += len(squares)
        if on_progress:
            on_progress(done, len(pictures))
    model.cpu()
    widths = model.fc.out_features, model.fc.in_features, model.fc.in_features // 2
    empty = tuple(torch.zeros(0, width) for width in widths)
    result = RawOutputs(*(torch.cat(parts).numpy() for parts in zip(empty, *found, strict=True)))
    if not np.isfinite(result.logits).all():
        raise RunError(
            "The model gives logits that are NaN or infinite.", "The training diverged; train again at a lower rate."
        )
    return result


def _with_logits(facts: pd.DataFrame, logits: NDArray[np.float32], classes: Sequence[str]) -> pd.DataFrame:
    return pd.concat([facts, pd.DataFrame(logits, columns=[f"logit_{code}" for code in classes])], axis=1)


def write_run(
    folder: Path,
    settings: RunSettings,
    model: ResNet | None,
    table: pd.DataFrame,
    ood: pd.DataFrame,
    *,
    split_fingerprint: str,
    history: pd.DataFrame,
    initial_weights: str,
    bits: int = 8,
    earlier: Run | None = None,
    detail_added: bool = False,
    scored_later: Sequence[str] = (),
    describe: Callable[[Run], None] | None = None,
    on_step: Step = silent,
) -> Run:
    """Run the model over every image with the weights as they ship and write the run folder.

    Several processes share the images; the first one writes, and all of them get the run.

    Args:
        folder: Where the run is written; a run that is there stays until all of the new one is known, and is replaced
            at once.
        settings: The run's settings.
        model: The trained network, float32; None with `earlier`.
        table: Catalog rows with their role; rows of `OFFICIAL_TEST` have the role test.
        ood: As a `Collection` has it; rows of the source `CORRUPTED` are changed before the model reads them.
        split_fingerprint: Of the split's manifest.
        history: Long form: epoch, phase, metric, value.
        initial_weights: One sentence on what the weights started from.
        bits: 8 or 32 a weight.
        earlier: The run in `folder`, to be written again: its weights, and what storing them cost, stay as they are.
        detail_added: The settings have equal detail, and the training had not.
        scored_later: Data sets that nothing was trained on, whatever the role of their lesions.
        describe: Writes the card into the folder of the run that it is given, before the run takes its place.
        on_step: Told what begins (rounding, scoring, calibrating ...), and how far it is.

    Raises:
        RunError: An image cannot be read, or `earlier` was replaced by another run meanwhile.
        BusyError: Another process is writing `earlier`; a new run waits for that.
        DataError: The calibration set is empty, or an image of it is not a class of the model.
    """
    classes = settings.model.classes
    rewriter = rewriting(earlier) if earlier else rewritten(folder, wait=True)
    with distributed.by_first(rewriter) as new:
        if model is not None and distributed.first():
            learned = settings.with_detail(False) if detail_added else settings
            grams = None
            if bits == 8:
                progress = on_step("Looking at what the layers see of training images")
                grams = gram_matrices(model, train_batches(table, learned.preprocessing, progress))
            progress = on_step(f"Storing the weights at {bits} bits, layer by layer")
            save_weights(new / "model.safetensors", model.state_dict(), bits=bits, grams=grams, on_progress=progress)
        distributed.wait()
        shipped = trained(settings.model, current(new, "model.safetensors"))

        paths, n = [*table["path"], *ood["path"]], len(table)
        outputs = infer(
            shipped,
            settings.preprocessing,
            paths,
            changes=corrupted_rows(ood, n),
            workers=settings.training.workers,
            on_progress=on_step(_scored(table, len(ood))),
        )
        if earlier is not None:
            _check_known(earlier, table["image_id"], outputs.logits[:n])
        predictions = _with_logits(stored_facts(table), outputs.logits[:n], classes)
        ood_images = _with_logits(ood[list(OOD_FACTS)].reset_index(drop=True), outputs.logits[n:], classes)

        calibrate = (table["role"] == "calibrate").to_numpy()
        truth = pd.Index(classes).get_indexer(pd.Index(table["diagnosis"][calibrate])).astype(np.int64)
        on_step("Fitting the temperature on the calibration set")
        calibration = _calibrate(outputs.logits[:n][calibrate].astype(np.float64), truth)
        if model is not None:
            quantization = _quantization(model, settings, table, outputs, on_step) if bits == 8 else {}
        else:
            quantization = earlier.config.quantization if earlier else {}
        if distributed.first():
            on_step("Reducing the features to their principal components")
            features = stored_features(outputs.penultimate, outputs.layer3, table, ood)
            image = known_image()
            golden = image, logits_of(shipped, settings.preprocessing, image)
            write_tables(
                new, predictions, ood_images, features, calibration, None if model is None else history, golden
            )
            run = write_config(
                new,
                RunConfig(
                    settings=settings,
                    split_fingerprint=split_fingerprint,
                    initial_weights=initial_weights,
                    created=datetime.datetime.now(datetime.UTC).date().isoformat(),
                    versions=versions(),
                    counts={
                        **{
                            role: int(((table["role"] == role) & (table["dataset"] != OFFICIAL_TEST)).sum())
                            for role in ROLES
                        },
                        OFFICIAL_TEST: int((table["dataset"] == OFFICIAL_TEST).sum()),
                        "ood": len(ood),
                    },
                    quantization=quantization,
                    detail_added=detail_added,
                    scored_later=tuple(scored_later),
                    files={},
                ),
            )
            on_step("Choosing the rejection policy and recording the known answer")
            write_policy(tune(run), new / POLICY)
            known = known_answer(run, known_outputs(run, shipped))
            (new / KNOWN_ANSWER).write_text(known.to_json(), encoding="utf-8")
            if describe:
                on_step("Measuring the test set for the card")
                describe(run)
    distributed.wait()
    return open_run(folder)


def _scored(table: pd.DataFrame, ood: int) -> str:
    """What is scored, by its role."""
    counts = table["role"].value_counts()
    parts = [f"{ROLE_NAMES[role]} {counts[role]:,}" for role in ROLES if role in counts]
    return f"Scoring all {len(table) + ood:,} images ({', '.join(parts)}, out of distribution {ood:,})"


def infer_test(run: Run, table: pd.DataFrame, on_progress: Progress | None = None, *, flips: bool = False) -> Run:
    """The run with new outputs of the test images of a table, in memory: nothing is written. Temperature and policy
    stay as they were chosen, without flips.

    Args:
        run: A run.
        table: Catalog rows with role and group, of the run's own split: some of its test images, and new ones.
        on_progress: As in `infer`.
        flips: Read each image over `FLIPS`.

    Returns:
        A run whose predictions are these images and no others.

    Raises:
        RunError: An image cannot be read, or the table has no test image.
    """
    test = table[table["role"] == "test"].reset_index(drop=True)
    if test.empty:
        raise RunError(f"No test image of {run.name} is there.", "Give data with lesions that it was tested on.")
    settings = run.config.settings
    outputs = infer(
        trained(settings.model, run.weights),
        settings.preprocessing,
        test["path"].astype(str).tolist(),
        workers=settings.training.workers,
        flips=flips,
        on_progress=on_progress,
    )
    check_same_images(run, test["image_id"], outputs.logits)
    return run.with_predictions(_with_logits(stored_facts(test), outputs.logits, run.classes))


def _check_known(earlier: Run, image_ids: pd.Series[str], logits: NDArray[np.float32]) -> None:
    try:
        earlier.predictions  # noqa: B018
    except RunError:
        return  # the very table that is to be written anew is missing or damaged: there is nothing to compare with
    check_same_images(earlier, image_ids, logits)


def _calibrate(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> Calibration:
    temperature = fit_temperature(logits, truth)
    before, after = softmax(logits), softmax(logits, temperature)
    return Calibration(
        temperature=temperature,
        n=len(truth),
        log_loss_before=METRICS["log_loss"](truth, before),
        log_loss_after=METRICS["log_loss"](truth, after),
        ece_before=METRICS["ece"](truth, before),
        ece_after=METRICS["ece"](truth, after),
    )


@torch.inference_mode()
def logits_of(model: ResNet, preprocessing: Preprocessing, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The logits (K,) float32 of one image (H, W, 3) uint8, the whole way that an image goes."""
    square = Pipeline(preprocessing).apply(image)[None]  # (1, S, S, 3)
    found: NDArray[np.float32] = model(torch.from_numpy(normalize(square, preprocessing))).numpy()[0]
    return found


def _quantization(
    model: ResNet, settings: RunSettings, table: pd.DataFrame, outputs: RawOutputs, on_step: Step
) -> dict[str, float]:
    """What 8 bits per weight cost against float32, on both test sets: balanced accuracy and largest logit difference;
    nothing where the test set is empty."""
    test = (table["role"] == "test").to_numpy()
    own = (table["dataset"] != OFFICIAL_TEST).to_numpy()[test]
    if not own.any():
        return {}
    paths = list(table["path"][test])
    progress = on_step("Scoring the test set with the weights before rounding")
    exact = infer(model, settings.preprocessing, paths, workers=settings.training.workers, on_progress=progress).logits
    stored = outputs.logits[: len(table)][test]
    truth = pd.Index(settings.model.classes).get_indexer(pd.Index(table["diagnosis"][test]))[own]
    balanced = METRICS["balanced_accuracy"]
    return {
        "test_images": float(len(paths)),
        "largest_logit_difference": float(np.abs(exact - stored).max()),
        "same_decision": float((exact.argmax(1) == stored.argmax(1)).mean()),
        "balanced_accuracy_fp32": balanced(truth, softmax(exact[own])),
        "balanced_accuracy_8bit": balanced(truth, softmax(stored[own])),
        "equal_detail": float(settings.preprocessing.detail.enabled),
    }
