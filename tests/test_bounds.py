"""Every number that decides how much work is done has an upper bound, and the refusal names it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_core.analysis.calibration import expected_calibration_error
from lesion_core.analysis.intervals import bootstrap, resamples
from lesion_core.config import MOST, Resize, Training, check_amount
from lesion_core.data.corruptions import corrupted_images
from lesion_core.data.synthetic.lesions import gallery, make_dataset
from lesion_core.data.synthetic.ood_images import write_ood_samples
from lesion_core.errors import ConfigError
from lesion_core.explain.faithfulness import perturbed_curve
from lesion_core.inference.classifier import infer
from lesion_core.inference.segmenter import count_pixels


@pytest.mark.parametrize("what", MOST)
def test_what_decides_how_much_work_is_done_has_an_upper_bound_in_its_sentence(what: str) -> None:
    for fine in (1, MOST[what], np.int64(1)):
        assert check_amount(fine, what) == fine
    for wrong in (0, -1, MOST[what] + 1, 10**12, True, 1.0, float("nan"), float("inf"), "1", None):
        with pytest.raises(
            ConfigError, match=rf"{what} are out of range\. Ask for at least 1 and at most {MOST[what]:,}\."
        ):
            check_amount(wrong, what)


HUGE = 10**12
WORK: dict[str, Callable[[], object]] = {
    "resamples": lambda: list(resamples(["a", "b"], HUGE)),
    "bootstrap": lambda: bootstrap(lambda w: w.sum(0), ["a", "b"], HUGE),
    "bins": lambda: expected_calibration_error([0.5], np.array([True]), HUGE),
    "gallery": lambda: gallery(HUGE),
    "data set": lambda: make_dataset(Path("never"), HUGE, 0),
    "strangers": lambda: write_ood_samples(Path("never"), HUGE),
    "near": lambda: corrupted_images(pd.DataFrame(), HUGE),
    "curve": lambda: next(perturbed_curve(*[None] * 4, "deletion", steps=HUGE)),
    "curve at a time": lambda: next(perturbed_curve(*[None] * 4, "deletion", batch=HUGE)),
    "model over images": lambda: infer(None, None, [], batch_size=HUGE),
    "its workers": lambda: infer(None, None, [], workers=HUGE),
    "masks over images": lambda: count_pixels(None, None, [], batch_size=HUGE),
    "their workers": lambda: count_pixels(None, None, [], workers=HUGE),
    "epochs": lambda: Training.from_json(f'{{"epochs": {HUGE}}}', "settings"),
    "batch": lambda: Training.from_json(f'{{"batch_size": {HUGE}}}', "settings"),
    "workers of a training": lambda: Training.from_json(f'{{"workers": {HUGE}}}', "settings"),
    "sizes": lambda: Training.from_json(f'{{"sizes": {[64] * 1000}}}', "settings"),
    "size": lambda: Resize.from_json(f'{{"size": {HUGE}}}', "settings"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("work", WORK)
def test_too_much_work_is_refused_before_it_begins(work: str) -> None:
    with pytest.raises(ConfigError, match=r"at most|less than or equal"):
        WORK[work]()


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "RUN", "--resamples"),
        ("evaluate", "RUN", "--nodes"),
        ("evaluate", "RUN", "--devices"),
        ("ood", "fit", "RUN", "--resamples"),
        ("segment", "evaluate", "RUN", "--resamples"),
        ("segment", "evaluate", "RUN", "--pictures"),
        ("segment", "train", "--data", ".", "--nodes"),
        ("segment", "train", "--data", ".", "--devices"),
        ("train", "--data", ".", "--epochs"),
        ("train", "--data", ".", "--batch-size"),
        ("train", "--data", ".", "--size"),
        ("train", "--data", ".", "--nodes"),
        ("train", "--data", ".", "--devices"),
        ("explain", "RUN", "--data", ".", "--most"),
        ("synthesize", "never", "--per-class"),
        ("synthesize", "never", "--size"),
    ],
)
def test_the_command_line_names_the_most(arguments: tuple[str, ...], call: Any) -> None:
    code, _, err = call(*arguments, HUGE)
    assert code in (1, 2) and (
        re.search(r"(<=x<=|less than or equal to )\d+", err) or "the most that make sense" in err
    )
