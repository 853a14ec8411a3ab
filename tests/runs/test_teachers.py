"""What teachers answer: the mean of their softened probabilities, and who may teach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from lesion_core.errors import ConfigError, DataError
from lesion_core.runs.classifier import Run
from lesion_core.runs.teachers import open_teachers, teachers_answers


def as_collected(run: Run) -> pd.DataFrame:
    """The run's table as a collection names its columns."""
    own = run.predictions
    columns = {"image_id": "image_id", "group": "lesion_id", "role": "split", "diagnosis": "label"}
    return pd.DataFrame({new: own[old] for new, old in columns.items()})


def with_logits(run: Run, logits: np.ndarray) -> Run:
    table = run.predictions.copy()
    table[[f"logit_{code}" for code in run.classes]] = logits
    return run.with_predictions(table)


@pytest.fixture
def two(small_run: Run) -> tuple[Run, Run]:
    rng = np.random.default_rng(0)
    shape = (len(small_run.predictions), len(small_run.classes))
    return with_logits(small_run, rng.normal(0, 3, shape)), with_logits(small_run, rng.normal(0, 3, shape))


def test_they_are_the_mean_of_those_that_scored_an_image(two: tuple[Run, Run], small_run: Run) -> None:
    one, other = two
    table = as_collected(small_run).sample(frac=1, random_state=0)
    train = table[table["role"] == "train"]["image_id"].tolist()
    other = other.with_predictions(other.predictions[other.predictions["image_id"] != train[0]])
    classes = tuple(reversed(small_run.classes))
    found = teachers_answers((one, other), table, classes, 2.0)
    assert found.index.tolist() == train and list(found.columns) == list(classes)
    for image in train[:4]:
        each = []
        for run in (one, other):
            row = run.predictions[run.predictions["image_id"] == image]
            each += [softmax(run.logits(row)[0] / 2)[::-1]] if len(row) else []
        assert len(each) == (1 if image == train[0] else 2)
        np.testing.assert_allclose(found.loc[image], np.mean(each, axis=0), atol=1e-6)


def test_an_image_that_none_scored_has_what_is_usual_for_its_diagnosis(two: tuple[Run, Run], small_run: Run) -> None:
    table, classes = as_collected(small_run), small_run.classes
    new = pd.DataFrame({"image_id": ["new"], "group": ["new"], "role": ["train"], "diagnosis": ["BCC"]})
    found = teachers_answers(two, pd.concat([table, new], ignore_index=True), classes, 2.0)
    alike = table[(table["role"] == "train") & (table["diagnosis"] == "BCC")]["image_id"]
    assert len(alike) > 1 and found.dtypes.eq(np.float32).all()
    np.testing.assert_allclose(found.loc["new"], found.loc[alike].mean(axis=0), atol=1e-6)
    pd.testing.assert_frame_equal(found.drop(index="new"), teachers_answers(two, table, classes, 2.0))


def test_who_may_not_teach_is_told(two: tuple[Run, Run], small_run: Run, tmp_path: Path) -> None:
    table, classes = as_collected(small_run), small_run.classes
    with pytest.raises(ConfigError, match="learned from lesions that are kept for calibration or test"):
        teachers_answers(
            two, table.assign(role=table["role"].replace({"train": "test", "test": "train"})), classes, 2.0
        )
    with pytest.raises(ConfigError, match="has other classes"):
        teachers_answers(two, table, (*classes[1:], "SCC2"), 2.0)
    new = pd.DataFrame({"image_id": ["new"], "group": ["new"], "role": ["train"], "diagnosis": ["rare"]})
    with pytest.raises(DataError, match="No teacher scored a training image of rare"):
        teachers_answers(two, pd.concat([table, new], ignore_index=True), classes, 2.0)
    with pytest.raises(ConfigError, match="--weights-folder"):
        open_teachers(("small",), None)
    assert open_teachers((), None) == [] and replace(small_run).name
    assert [run.name for run in open_teachers((small_run.folder.name,), small_run.folder.parent)] == [small_run.name]
    with pytest.raises(Exception, match="gone"):
        open_teachers(("gone",), tmp_path)
