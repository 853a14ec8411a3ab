"""A segmenter on changed test images: which ones, against which truth, and what the command says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from lesion_core.analysis.segmentation import MASK_METRICS, mask_differences, mask_summary
from lesion_core.config import Preprocessing, Resize, SegmenterSettings, SegmenterTraining
from lesion_core.data.masks import read_mask
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.imaging.artefacts import ARTEFACTS
from lesion_core.imaging.changes.entry import Changed
from lesion_core.imaging.changes.overlays import RADII, black_corner
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, change
from lesion_core.imaging.decode import decode
from lesion_core.inference.segmenter import count_pixels, mask_under_change, probabilities_of
from lesion_core.inference.segmenter_changes import (
    AKIN,
    DRAWN_AS,
    FEWEST,
    HIDES,
    UNCHANGED,
    count_changed,
    draw_lesions,
    seen_in_training,
)
from lesion_core.models.segmenters import build_segmenter
from lesion_core.models.segmenters import trained_segmenter as load_segmenter
from lesion_core.runs.segmenter import SegmenterRun
from tests import literal


def lesions(sizes: list[int]) -> pd.DataFrame:
    """Test images of as many lesions as there are sizes."""
    groups = np.repeat([f"L{i:02}" for i in range(len(sizes))], sizes)
    return pd.DataFrame(
        {
            "image_id": [f"i{i}" for i in range(len(groups))],
            "group": groups,
            "role": "test",
            "path": "p",
            "mask_path": "m",
        }
    )


def test_whole_lesions_are_drawn_and_fewer_are_among_more() -> None:
    table = lesions([1, 3, 2, 1, 4] * 10)
    few, more = draw_lesions(table, 30), draw_lesions(table, 60)
    sizes = table.groupby("group").size()
    for drawn, n in ((few, 30), (more, 60)):
        assert n <= len(drawn) < n + 4
        assert (drawn.groupby("group").size() == sizes[drawn["group"].unique()]).all()
    assert set(few["group"]) < set(more["group"])
    shuffled = table.sample(frac=1, random_state=1)
    assert set(draw_lesions(shuffled, 30)["image_id"]) == set(few["image_id"])
    assert set(draw_lesions(table, 30, seed=1)["group"]) != set(few["group"])
    assert len(draw_lesions(table, 1000)) == len(table)


def test_only_test_pictures_with_a_mask_are_drawn() -> None:
    table = lesions([1] * 40)
    table.loc[:9, "role"] = "train"
    table.loc[10:14, "mask_path"] = None
    table.loc[15:16, "path"] = None
    assert draw_lesions(table, 100)["image_id"].tolist() == [f"i{i}" for i in range(17, 40)]


def test_what_cannot_be_measured_is_told() -> None:
    with pytest.raises(ConfigError, match="too few"):
        draw_lesions(lesions([1] * 40), FEWEST - 1)
    with pytest.raises(DataError, match="No test image has a mask"):
        draw_lesions(lesions([1] * 40).assign(mask_path=None), FEWEST)
    with pytest.raises(DataError, match="one lesion only"):
        draw_lesions(lesions([30]), FEWEST)


def test_what_the_training_drew_is_said() -> None:
    full = {key: seen_in_training(key, SegmenterTraining()) for key in CHANGES}
    drawn = {DRAWN_AS.get(key, key) for key, seen in full.items() if seen == "same kind"}
    assert drawn == set(ARTEFACTS), "each artefact that the training draws is among the changes"
    assert set(AKIN) | set(DRAWN_AS) | set(HIDES) <= set(CHANGES)
    assert full["jpeg_compression"] == "no" and full["white_balance"] == "colour jitter"
    bare = SegmenterTraining(artefacts=0)
    assert seen_in_training("hair", bare) == "no" and seen_in_training("focus", bare) == "slight blur"
    assert {seen_in_training(key, SegmenterTraining(augmentation="flips")) for key in CHANGES} == {"no"}


def outside(width: float, height: float, radius: float) -> float:
    """The share of a rectangle that lies outside of a circle about its centre, by adding up its columns."""
    x = np.linspace(-width / 2, width / 2, 20_001)
    inside = np.minimum(height, 2 * np.sqrt(np.maximum(radius**2 - x**2, 0)))
    return 1 - float(np.trapezoid(inside, x)) / (width * height)


def test_a_black_corner_leaves_a_whole_frame_about_what_it_leaves_of_a_square() -> None:
    square, long = np.full((450, 450, 3), 200, np.uint8), np.full((450, 600, 3), 200, np.uint8)
    for radius in RADII:
        expected = {
            "square": outside(450, 450, radius * 225),
            "long": outside(600, 450, radius * 225),
            "long, whole": outside(600, 450, radius * 375 / np.sqrt(2)),  # the half diagonal is 375
        }
        made = {
            "square": black_corner(square, radius, whole=True),
            "long": black_corner(long, radius),
            "long, whole": black_corner(long, radius, whole=True),
        }
        for name, one in made.items():
            assert one.artefact is not None and not one.image[one.artefact].any() and one.image[~one.artefact].all()
            assert one.artefact.mean() == pytest.approx(expected[name], abs=0.002), (name, radius)
        near, far = (abs(expected[name] - expected["square"]) for name in ("long, whole", "long"))
        assert near < far / 4
        assert np.array_equal(black_corner(square, radius).image, made["square"].image)


def test_only_black_corners_are_others_for_a_whole_frame() -> None:
    long = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for key in CHANGES:
        same = np.array_equal(change(long, key, 3, "x").image, change(long, key, 3, "x", whole=True).image)
        assert same == (key != "black_corner"), key


# The counts of one image, by loops -----------------------------------------------------------------------------


def enlarge(field: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear between pixel centres, the edge repeated."""
    result = np.zeros(shape)
    for y in range(shape[0]):
        for x in range(shape[1]):
            v = min(max((y + 0.5) * field.shape[0] / shape[0] - 0.5, 0), field.shape[0] - 1)
            u = min(max((x + 0.5) * field.shape[1] / shape[1] - 0.5, 0), field.shape[1] - 1)
            y0, x0 = int(v), int(u)
            y1, x1 = min(y0 + 1, field.shape[0] - 1), min(x0 + 1, field.shape[1] - 1)
            upper = field[y0, x0] * (1 - u + x0) + field[y0, x1] * (u - x0)
            lower = field[y1, x0] * (1 - u + x0) + field[y1, x1] * (u - x0)
            result[y, x] = upper * (1 - v + y0) + lower * (v - y0)
    return result


ASKED = ("hair", "dark_corner", "black_corner", "white_balance", "elastic_transform")
KINDS = (UNCHANGED, *((key, severity) for key in ASKED for severity in (2, 5)))
Counted = tuple[pd.DataFrame, dict[tuple[str, int], np.ndarray]]


@pytest.fixture(scope="module")
def counted(trained_segmenter: Any) -> Counted:
    return count_changed(trained_segmenter.run, trained_segmenter.collection.table, FEWEST, ASKED, (2, 5))


@pytest.mark.parametrize("kind", [UNCHANGED, *((key, 5) for key in ASKED)], ids=lambda kind: kind[0])
def test_one_changed_picture_s_dice_is_the_literal_one(
    kind: tuple[str, int], trained_segmenter: Any, counted: Counted
) -> None:
    run, (rows, counts) = trained_segmenter.run, counted
    assert run.config.settings.preprocessing.resize.fit == "stretch"
    model = load_segmenter(run.config.settings.model, run.weights)
    # Where the change alters most: a wrong truth or another random stream would show.
    moved = np.abs(counts[kind] - counts[UNCHANGED]).sum(axis=1)
    hidden = (counts[UNCHANGED] - counts[kind])[:, [0, 2]].sum(axis=1)
    for i in {int(moved.argmax()), int(hidden.argmax())}:
        row = rows.iloc[i]
        image, true = decode(Path(row["path"])), read_mask(Path(row["mask_path"]))
        made = Changed(image) if kind == UNCHANGED else change(image, *kind, row["image_id"], whole=True)
        found = literal.clean_up(
            enlarge(probabilities_of(model, run.config.settings.preprocessing, made.image), true.shape) >= 0.5
        )
        if CHANGES.get(kind[0]) and CHANGES[kind[0]].moves:
            assert made.moved is not None
            true = made.moved(true)
        pixels = {(a, b): 0 for a in (True, False) for b in (True, False)}
        for y in range(true.shape[0]):
            for x in range(true.shape[1]):
                covered = kind[0] in HIDES and made.artefact is not None and made.artefact[y, x]
                pixels[bool(found[y, x]), bool(true[y, x]) and not covered] += 1
        expected = pixels[True, True], pixels[True, False], pixels[False, True], pixels[False, False]
        assert np.abs(counts[kind][i] - expected).max() <= 3, "rounding at the contour"
        dice = 2 * expected[0] / (2 * expected[0] + expected[1] + expected[2])
        assert dice < 1 and (dice > 0 or kind != UNCHANGED)
        assert float(MASK_METRICS["dice"](counts[kind])[i]) == pytest.approx(dice, abs=0.005)
    assert kind[0] not in HIDES or hidden.max() > 3, "a ring that hides some lesion is among them"


def test_each_change_is_counted_and_unchanged_is_what_the_run_stored(trained_segmenter: Any, counted: Counted) -> None:
    run, (rows, counts) = trained_segmenter.run, counted
    assert tuple(counts) == KINDS
    for image_id, own in zip(rows["image_id"], counts[UNCHANGED], strict=True):
        stored = run.counts_of(image_id)
        assert stored is not None and np.abs(stored - own).max() <= 3
    pixels = counts[UNCHANGED].sum(axis=1)
    lesion = counts[UNCHANGED][:, 0] + counts[UNCHANGED][:, 2]
    for kind in KINDS[1:]:
        assert (counts[kind].sum(axis=1) == pixels).all() and (counts[kind] != counts[UNCHANGED]).any()
        own = counts[kind][:, 0] + counts[kind][:, 2]
        if kind[0] in HIDES:
            assert (own <= lesion).all()
        elif CHANGES[kind[0]].moves:
            assert (own != lesion).any() and (np.abs(own - lesion) < 0.2 * lesion + 9).all()
        else:
            assert (own == lesion).all()
    assert run.counts_of("nobody") is None and run.counts_of(rows["image_id"][0], "select") is None


def test_the_mask_moves_and_loses_what_is_hidden_at_any_size(tmp_path: Path) -> None:
    image = np.full((32, 48, 3), 200, np.uint8)
    artefact = np.zeros((32, 48), bool)
    artefact[:, :5] = True
    true = np.zeros((96, 144), bool)  # three times as fine as the image
    true[:, 60:90] = True
    shifted = Changed(image, moved=lambda array: np.roll(array, 4, axis=1))
    assert np.array_equal(mask_under_change(true, shifted), np.roll(true, 12, axis=1))
    assert np.array_equal(mask_under_change(~true, Changed(image, artefact=artefact)), ~true & (np.arange(144) >= 15))
    assert np.array_equal(mask_under_change(true, Changed(image)), true)
    cv2.imwrite(str(tmp_path / "p.png"), image)
    cv2.imwrite(str(tmp_path / "m.png"), np.full((96, 144), 255, np.uint8))  # all is lesion
    model = build_segmenter(SegmenterSettings(encoder="resnet18", decoder=(16, 8, 4)))
    preprocessing = Preprocessing(resize=Resize(size=32, fit="stretch"))
    pictures = [(str(tmp_path / "p.png"), str(tmp_path / "m.png"))] * 2

    def blacken(given: np.ndarray) -> Changed:
        return Changed(given * ~artefact[..., None], artefact=artefact)

    rows = count_pixels(model, preprocessing, pictures, changes={0: blacken, 1: blacken}, masks_too={1}, workers=0)
    assert (rows["raw"][:, 0] + rows["raw"][:, 2]).tolist() == [96 * 144, 96 * (144 - 15)]


# The figures and the command -------------------------------------------------------------------------------------


def test_a_difference_is_that_of_the_means_and_narrower_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    hard = rng.integers(40, 90, 60)
    before = np.stack([hard, 100 - hard, np.zeros(60, int), np.full(60, 100)], axis=1)
    after = before + np.array([-5, 5, 0, 0])
    groups = np.arange(60) // 3
    found = mask_differences(before, after, groups, n_boot=300).set_index("metric")
    assert list(found.index) == list(MASK_METRICS)
    row = found.loc["jaccard"]
    assert row["value"] == pytest.approx(-0.05) and row["low"] == pytest.approx(-0.05) == row["high"]
    assert row["n_images"] == 60 and row["n_groups"] == 20
    alone = mask_summary(before, groups, n_boot=300).set_index("metric").loc["jaccard"]
    assert alone["high"] - alone["low"] > 0.02
    with pytest.raises(DataError, match="not the same ones"):
        mask_differences(before, after[:3], groups)


class TestCommand:
    @pytest.mark.slow
    def test_each_change_has_its_figures_and_the_run_stays(
        self, call: Any, segmenter_copy: Path, data_root: Path, trained_segmenter: Any
    ) -> None:
        before = {path.name: path.read_bytes() for path in segmenter_copy.iterdir()}
        where = ["segment", "evaluate", segmenter_copy, "--data", data_root, "--changed", "--resamples", 100]
        where += ["--change", "hair", "--change", "white_balance", "--severity", 1, "--severity", 5]
        code, out, _ = call(*where, "--json")
        found = json.loads(out)
        kinds = [(entry["change"], entry["severity"]) for entry in found["changes"]]
        asked = [(key, severity) for key in ("hair", "white_balance") for severity in (1, 5)]
        assert code == 0 and kinds == [UNCHANGED, *asked] and set(SEVERITIES) >= {1, 5}
        assert "not other hospitals" in found["says"] and found["masks"] == "clean"
        test = trained_segmenter.collection.table.query("role == 'test' and mask_path.notna()")
        stored = mask_summary(trained_segmenter.run.counts("test")[1], test["group"], n_boot=100).set_index("metric")
        for entry in found["changes"]:
            assert entry["n"] == len(test) and entry["lesions"] == test["group"].nunique()
            rows = {row["metric"]: row for row in entry["metrics"]}
            assert set(rows) == {*MASK_METRICS, "failures"}
            for key in ("dice", "jaccard", "threshold_jaccard"):
                assert rows[key]["low"] <= rows[key]["value"] <= rows[key]["high"]
            if entry["change"] == UNCHANGED[0]:
                assert entry["less_unchanged"] is None and entry["in_training"] is None
                assert rows["dice"]["value"] == pytest.approx(stored.loc["dice", "value"], abs=1e-3)
            else:
                less = {row["metric"]: row["value"] for row in entry["less_unchanged"]}
                unchanged = {row["metric"]: row["value"] for row in found["changes"][0]["metrics"]}
                assert less["jaccard"] == pytest.approx(rows["jaccard"]["value"] - unchanged["jaccard"], abs=2e-4)
                assert entry["in_training"] == "no", "the small segmenter saw flips only"
        code, out, _ = call(*where)
        assert code == 0 and "White balance" in out and "Jaccard, 5" in out and "not other hospitals" in out
        assert {path.name: path.read_bytes() for path in segmenter_copy.iterdir()} == before

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--changed"], "Say where they are with --data"),
            (["--data", "DATA"], "nothing else does"),
            (["--change", "hair"], "belong to --changed"),
            (["--data", "DATA", "--changed", "--change", "earthquake"], "no change 'earthquake'"),
            (["--data", "DATA", "--changed", "--pictures", 3], "3 images are too few"),
        ],
    )
    def test_options_that_do_not_fit_are_told(
        self, options: list[object], message: str, call: Any, small_segmenter: SegmenterRun, data_root: Path
    ) -> None:
        given = [data_root if option == "DATA" else option for option in options]
        code, out, err = call("segment", "evaluate", small_segmenter.folder, *given)
        assert code == 1 and out == "" and message in err and "Traceback" not in err

    def test_data_of_another_split_or_without_masks_are_told(
        self, call: Any, segmenter_copy: Path, data_root: Path, tmp_path: Path
    ) -> None:
        bare = Path(shutil.copytree(data_root, tmp_path / "data"))
        shutil.rmtree(bare / "synthetic" / "HAM10000_segmentations")
        code, out, err = call("segment", "evaluate", segmenter_copy, "--data", bare, "--changed")
        assert code == 1 and out == "" and "No test image has a mask" in err and "Traceback" not in err

    def test_a_damaged_picture_is_named(self, trained_segmenter: Any, tmp_path: Path) -> None:
        table = trained_segmenter.collection.table
        (tmp_path / "broken.jpg").write_bytes(b"no picture")
        first = table.index[(table["role"] == "test") & table["mask_path"].notna()][0]
        wrong = table.assign(path=table["path"].where(table.index != first, str(tmp_path / "broken.jpg")))
        with pytest.raises(RunError, match=r"broken\.jpg cannot be scored"):
            count_changed(trained_segmenter.run, wrong, FEWEST, ("hair",), (1,))
