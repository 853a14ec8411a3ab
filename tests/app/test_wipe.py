"""The images of the wipe slider: encoded faithfully, and each part of the skin in one place."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.widgets.comparison_slider import GROUND, data_uri, in_one_frame, kept_box
from lesion_core.config import ColorConstancy, DarkCorner, Preprocessing, Resize
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.imaging.preprocess import Pipeline

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def lesion() -> Pixels:
    return make_lesion("MEL", 3, (150, 200)).image


def decoded(uri: str) -> Pixels:
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(body, validate=True), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(bgr[..., ::-1], np.uint8)


def test_a_data_uri_holds_the_picture_with_red_first(lesion: Pixels) -> None:
    found = decoded(data_uri(lesion))
    assert found.shape == lesion.shape
    assert np.abs(found.astype(int) - lesion).mean() < 3
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    assert decoded(data_uri(red))[..., 0].min() > 240 > 20 > decoded(data_uri(red))[..., 2].max()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("shape", [(150, 200), (240, 160), (1500, 2200)])
def test_the_kept_box_of_all_steps_is_the_pipelines_frame(fit: str, corners: bool, shape: tuple[int, int]) -> None:
    height, width = shape
    image = np.zeros((height, width, 3), np.uint8)
    cv2.circle(image, (width // 2, height // 2), min(shape) // 2, (200, 160, 140), -1)
    pipeline = Pipeline(
        Preprocessing.model_validate(
            {
                "dark_corner": DarkCorner(enabled=corners),
                "color": ColorConstancy(enabled=True),
                "resize": Resize.model_validate({"size": 64, "fit": fit}),
            }
        )
    )
    steps = pipeline.run(image).steps
    assert kept_box(image.shape, steps) == pytest.approx(pipeline.frame(image), abs=1e-6)
    if corners:
        x0, y0, x1, y1 = kept_box(image.shape, steps[:-1])
        assert (x1 - x0) * (y1 - y0) < 0.8 * width * height


def test_without_steps_everything_is_kept() -> None:
    assert kept_box((150, 200, 3), ()) == (0, 0, 200, 150)


def test_an_unchanged_picture_gives_two_alike(lesion: Pixels) -> None:
    before, after = in_one_frame(lesion, lesion, kept_box(lesion.shape, ()))
    assert (before == lesion).all()
    assert (after == lesion).all()


def test_large_pictures_are_reduced_and_keep_their_form(lesion: Pixels) -> None:
    large = cv2.resize(lesion, (2000, 1500))
    before, after = in_one_frame(large, large, kept_box(large.shape, ()), side=900)
    assert before.shape == after.shape == (675, 900, 3)


def test_a_cropped_part_lies_where_it_was_and_the_rest_is_faded(lesion: Pixels) -> None:
    before, after = in_one_frame(lesion, lesion[:, 25:175], (25.0, 0.0, 175.0, 150.0))
    assert (after[:, 25:175] == lesion[:, 25:175]).all()
    outside = np.r_[0:25, 175:200]
    assert (np.abs(after[:, outside].astype(int) - GROUND) <= np.abs(before[:, outside].astype(int) - GROUND)).all()
    assert np.ptp(after[:, outside]) < np.ptp(before[:, outside])


def test_mirrored_borders_widen_the_frame(lesion: Pixels) -> None:
    square = np.full((64, 64, 3), 90, np.uint8)
    before, after = in_one_frame(lesion, square, (0.0, -25.0, 200.0, 175.0))
    assert before.shape == after.shape == (200, 200, 3)
    assert (before[:25] == GROUND).all()
    assert (before[25:175] == lesion).all()
    assert (after == 90).all()
