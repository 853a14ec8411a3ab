"""Robustness evaluation: a model's answers to test images under every change at every severity, and to their series.

The work goes image by image, so that an image is decoded once. What is found is written in parts into a work folder: a
command that was killed goes on where it was, and one with more images, changes or severities computes only these.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torchvision.models import ResNet

from lesion_core import distributed
from lesion_core.analysis.metrics import softmax
from lesion_core.config import Preprocessing
from lesion_core.errors import ConfigError, ModelError, RunError
from lesion_core.files import read_parquet, written
from lesion_core.imaging.changes.registry import CHANGES, change, known_change
from lesion_core.imaging.changes.series import length, member
from lesion_core.imaging.preprocess import normalize
from lesion_core.inference.classifier import RawOutputs, full_precision, infer
from lesion_core.inference.identity import check_same_images
from lesion_core.inference.inputs import Changed, ModelInputs, batches, stack
from lesion_core.inference.records import checked_classifier
from lesion_core.models.backends import BACKENDS, Backend, make_backend
from lesion_core.models.classifiers import pool
from lesion_core.ood.model_outputs import Outputs, reduce
from lesion_core.ood.policy import Policy, read_policy
from lesion_core.ood.scores import Scorer
from lesion_core.runs.classifier import Run
from lesion_core.runs.robustness import (
    AGREEMENT,
    CHANGED,
    CLEAN,
    EXACT,
    SERIES,
    SEVERITIES,
    AnswerTable,
    read_robustness,
    relative,
    write_stored,
)
from lesion_core.steps import Progress, Step, silent

PART = 512
"""Answers that are written at once: less than a minute of work."""
BATCH = 32
DECODED = 8
"""Images that are kept decoded, for those of one batch and the next."""

Job = tuple[int, str, int]
"""A row of the images, a change or series, and a severity or place."""


@dataclass(frozen=True)
class Evaluated:
    """Answers under changes, or to series.

    Attributes:
        table: Rows of `runs.robustness`: the images as they are, and what was not in the run's table before.
        agreement: Share of the images as they are to which the backend gives the answers of float32.
        kept: How many answers were in the run's table before, and stay.
    """

    table: pd.DataFrame
    agreement: float
    kept: int


def evaluate_robustness(
    run: Run,
    images: pd.DataFrame,
    changes: Sequence[str] = tuple(CHANGES),
    severities: Sequence[int] = SEVERITIES,
    *,
    backend: str = EXACT,
    work: Path,
    fresh: bool = False,
    on_step: Step = silent,
) -> Evaluated | None:
    """Ask a run's model about images as they are and under changes. Several processes share the images.

    Args:
        run: The run.
        images: Columns image_id, group (the lesion), dataset, diagnosis and path, such as
            `data.collection.drawn_test` gives.
        changes: Keys of `CHANGES`.
        severities: Of each change, 1 to 5.
        backend: Key of `BACKENDS`. Another one than float32 must give its answers on `AGREEMENT` of the images.
        work: Folder for what is found until all is; the caller deletes `work_folder` once it is in the run.
        fresh: Begin anew, whatever is there.
        on_step: Told what begins, and how far it is.

    Returns:
        The answers in the first process, None in others.

    Raises:
        ConfigError: A change or severity is unknown.
        ModelError: The backend cannot be used, or gives other answers.
        RunError: An image cannot be read or is another one of that id; or the model does not give its known answer.
    """
    check_asked(changes, severities)
    asked = [(key, severity) for key in changes for severity in severities]
    return _evaluate(run, images, asked, CHANGED, backend, work, fresh, on_step)


def evaluate_series(
    run: Run,
    images: pd.DataFrame,
    series: Sequence[str],
    *,
    backend: str = EXACT,
    work: Path,
    fresh: bool = False,
    on_step: Step = silent,
) -> Evaluated | None:
    """Ask a run's model about images as they are and about every member of some series of each.

    Args:
        series: Keys of `imaging.changes.series.SERIES`, one or more.

    Other arguments, what is returned and errors are those of `evaluate_robustness`.
    """
    asked = [(key, place) for key in series for place in range(length(key))]
    if not asked:
        raise ConfigError("No series is asked for.", "Name one, or leave them out for all sets of poses.")
    return _evaluate(run, images, asked, SERIES, backend, work, fresh, on_step)


def _evaluate(
    run: Run,
    images: pd.DataFrame,
    asked: Sequence[tuple[str, int]],
    of: AnswerTable,
    backend: str,
    work: Path,
    fresh: bool,
    on_step: Step,
) -> Evaluated | None:
    policy = read_policy(run)
    model = checked_classifier(run).requires_grad_(False)
    evaluation = _Evaluation(run, model, images, policy, backend, of)
    agreement, clean = evaluation.clean(on_step)
    folder = work_folder(run, policy, backend, work, of)
    if fresh and distributed.first():
        shutil.rmtree(folder, ignore_errors=True)
    distributed.wait()
    earlier = None if fresh else evaluation.earlier(clean)
    wanted = [(i, key, step) for i in range(len(images)) for key, step in asked]
    there = set() if earlier is None else _keys(earlier, of)
    ids = images["image_id"].astype(str).tolist()
    kept = sum((ids[i], key, step) in there for i, key, step in wanted)
    there |= _keys(_read_parts(folder, run, of), of)
    rank, world = distributed.rank(), distributed.world()
    todo = [job for job in wanted if job[0] % world == rank and (ids[job[0]], *job[1:]) not in there]
    progress = on_step("Asking about the changed images")
    distributed.parts(lambda: evaluation.work(todo, folder, progress))
    if not distributed.first():
        return None
    # Also what an earlier command found that this one did not ask for: the folder is deleted once it is in the run.
    return Evaluated(pd.concat([clean, _read_parts(folder, run, of)], ignore_index=True), agreement, kept)


def check_asked(changes: Sequence[str], severities: Sequence[int]) -> None:
    """Refuse changes and severities that are not known.

    Raises:
        ConfigError: There are none, or one is unknown.
    """
    for key in changes:
        known_change(key)
    for severity in severities:
        if severity not in SEVERITIES:
            raise ConfigError(f"There is no severity {severity}.", "Give a whole number from 1 to 5.")
    if not changes or not severities:
        raise ConfigError("No change or no severity is asked for.", "Name one of each, or leave them out for all.")


def work_folder(run: Run, policy: Policy | None, backend: str, work: Path, of: AnswerTable = CHANGED) -> Path:
    """Where parts of an evaluation wait: of one run with one policy, computed in one way."""
    return work / f"{of.command}-{run.fingerprint}-{policy.fingerprint() if policy else 'none'}-{backend}"


class _Images(ModelInputs):
    """The model's square of each job's image; an image is decoded once for jobs that follow one another."""

    def __init__(
        self, images: pd.DataFrame, jobs: Sequence[Job], preprocessing: Preprocessing, of: AnswerTable
    ) -> None:
        paths, ids = images["path"].astype(str).tolist(), images["image_id"].astype(str).tolist()
        draw = _changed if of == CHANGED else _member
        changes = {
            place: partial(draw, key=key, step=step, image_id=ids[i])
            for place, (i, key, step) in enumerate(jobs)
            if key != CLEAN
        }
        super().__init__([paths[i] for i, _, _ in jobs], preprocessing, changes)
        self.decoded: Changed = lru_cache(DECODED)(self.decoded)  # type: ignore[assignment]


def _changed(image: NDArray[np.uint8], *, key: str, step: int, image_id: str) -> NDArray[np.uint8]:
    return change(image, key, step, image_id).image


def _member(image: NDArray[np.uint8], *, key: str, step: int, image_id: str) -> NDArray[np.uint8]:
    return member(image, key, step, image_id)


class _Evaluation:
    """One run's model, its policy's scores, and the images that it is asked about."""

    def __init__(
        self, run: Run, model: ResNet, images: pd.DataFrame, policy: Policy | None, backend: str, of: AnswerTable
    ) -> None:
        self.run, self.model, self.images, self.backend, self.of = run, model, images, backend, of
        self.preprocessing = run.config.settings.preprocessing
        self.workers = run.config.settings.training.workers
        self.temperature = policy.temperature if policy else run.calibration.temperature
        self.parts = policy.parts if policy else ()
        self.scorer = Scorer.of(run, policy.temperature) if policy else None
        self.device = distributed.device() if backend == EXACT else torch.device("cpu")
        self.trunk: Backend = make_backend(backend, model, self.preprocessing.resize.size)

    def clean(self, on_step: Step) -> tuple[float, pd.DataFrame]:
        """The share of answers that are those of float32, and the rows of the images as they are, in every process."""
        jobs = [(i, CLEAN, 0) for i in range(distributed.rank(), len(self.images), distributed.world())]
        exact = infer(
            self.model,
            self.preprocessing,
            self.images["path"].astype(str).tolist(),
            workers=max(1, self.workers),
            on_progress=on_step("Asking about the images as they are"),
        )
        check_same_images(self.run, self.images["image_id"], exact.logits)
        if self.backend == EXACT:
            every = [(i, CLEAN, 0) for i in range(len(self.images))]
            return 1.0, self.rows(every, exact)
        progress = on_step(f"Comparing {BACKENDS[self.backend].description} with float32")
        found = distributed.parts(lambda: (jobs, self.outputs(jobs, progress)))
        same = [
            exact.logits[[i for i, _, _ in own]].argmax(axis=1) == part.logits.argmax(axis=1) for own, part in found
        ]
        agreement = float(np.concatenate(same).mean())
        if agreement < AGREEMENT:
            raise ModelError(
                f"The backend '{self.backend}' gives the answers of float32 on {100 * agreement:.1f} % of "
                f"{len(self.images):,} images, under {100 * AGREEMENT:.1f} %.",
                f"Use the backend '{EXACT}'.",
            )
        return agreement, pd.concat([self.rows(own, part) for own, part in found], ignore_index=True)

    def earlier(self, clean: pd.DataFrame) -> pd.DataFrame | None:
        """The run's table, where its rows are of the same kind as those that are made now."""
        try:
            found = read_robustness(self.run, self.of)
        except RunError:
            return None
        if found is None or set(found.columns) != set(clean.columns):
            return None
        alike = (found["backend"] == self.backend).all() and np.isclose(found["temperature"], self.temperature).all()
        return found if alike else None

    def work(self, jobs: Sequence[Job], folder: Path, progress: Progress) -> int:
        """Do some jobs and write what is found, part by part; how many."""
        for start in range(0, len(jobs), PART):
            own = jobs[start : start + PART]

            def told(done: int, total: int, before: int = start) -> None:
                del total
                progress(before + done, len(jobs))

            rows = self.rows(own, self.outputs(own, told))
            with written(folder / f"{distributed.rank()}-{uuid.uuid4().hex}.parquet") as new:
                write_stored(rows, new, self.of)
        return len(jobs)

    @torch.inference_mode()
    def outputs(self, jobs: Sequence[Job], progress: Progress) -> RawOutputs:
        """What the model gives for some jobs, in their order."""
        inputs = _Images(self.images, jobs, self.preprocessing, self.of)
        with full_precision():
            found = list(self._batches(inputs, progress))
        return RawOutputs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _batches(self, inputs: ModelInputs, progress: Progress) -> Iterator[tuple[NDArray[np.float32], ...]]:
        self.model.to(self.device)
        done = 0
        for squares in map(stack, batches(inputs, BATCH, max(1, self.workers))):
            if isinstance(squares, RunError):
                raise squares
            images = torch.from_numpy(normalize(squares.numpy(), self.preprocessing)).to(self.device)
            layer3, last = self.trunk(images)
            penultimate = pool(self.model, last)
            logits = self.model.fc(penultimate)
            yield tuple(part.cpu().numpy() for part in (logits, penultimate, layer3))
            done += len(squares)
            progress(done, len(inputs))

    def rows(self, jobs: Sequence[Job], outputs: RawOutputs) -> pd.DataFrame:
        """The rows of `runs.robustness` of some jobs."""
        own = self.images.iloc[[i for i, _, _ in jobs]]
        if not np.isfinite(outputs.logits).all():
            raise RunError(f"{self.run.name} gives logits that are NaN or infinite.", "Train it again at a lower rate.")
        p = softmax(outputs.logits, self.run.calibration.temperature)
        facts = {
            "image_id": own["image_id"].to_numpy(str),
            "lesion_id": own["group"].to_numpy(str),
            "dataset": own["dataset"].to_numpy(str),
            "label": own["diagnosis"].to_numpy(str),
            self.of.kind: [key for _, key, _ in jobs],
            self.of.step: [step for _, _, step in jobs],
            "answer": [self.run.classes[k] for k in outputs.logits.argmax(axis=1)],
            "confidence": p.max(axis=1),
            "temperature": self.temperature,
            "backend": self.backend,
            "run": self.run.fingerprint,
        }
        half = relative(outputs.logits)
        facts |= {f"logit_{code}": column for code, column in zip(self.run.classes, half.T, strict=True)}
        if self.scorer is not None:
            features = reduce(self.run.features, outputs.penultimate, outputs.layer3)
            scores = self.scorer.all(Outputs.of(outputs.logits, *features), self.parts)
            facts |= {f"score_{key}": values for key, values in scores.items()}
        return pd.DataFrame(facts)


def _keys(table: pd.DataFrame, of: AnswerTable) -> set[tuple[str, str, int]]:
    columns = [table[name].astype(kind).tolist() for name, kind in zip(of.key, (str, str, int), strict=True)]
    return set(zip(*columns, strict=True))


def _read_parts(folder: Path, run: Run, of: AnswerTable) -> pd.DataFrame:
    """All parts of a folder that are whole and of this run, an answer once; those that are not are computed again."""
    found = [pd.DataFrame(columns=list(of.columns))]
    for path in sorted(folder.glob("*.parquet")):
        try:
            part = read_parquet(path)
        except (OSError, ValueError, pa.ArrowException):
            continue
        if set(of.columns) <= set(part.columns) and (part["run"] == run.fingerprint).all():
            found.append(part.astype(dict.fromkeys(of.texts, str)))
    return pd.concat(found[1:] or found, ignore_index=True).drop_duplicates(of.key, ignore_index=True)
