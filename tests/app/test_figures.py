"""The charts of the pages of results: what is drawn, where, and what a click gives back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from app.components import outline
from app.figures import masks as mask_figures
from app.figures import results as result_figures
from app.figures import shares as share_figures
from app.figures import style
from lesion_core.analysis.calibration import reliability
from lesion_core.analysis.curves import roc_by_class
from lesion_core.analysis.intervals import shares_by
from lesion_core.analysis.metrics import confusion
from lesion_core.analysis.summaries import per_class_summary
from lesion_core.errors import DataError
from lesion_core.labels import BINARY, ISIC2019, diagnosis

CLASSES = ("MEL", "NV", "DF")


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    """Truth of two of three classes, and probabilities that mostly agree."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    logits = rng.normal(size=(200, 3))
    logits[np.arange(200), truth] += 2
    e = np.exp(logits)
    return truth, e / e.sum(axis=1, keepdims=True)


class TestConfusionMatrix:
    counts = np.array([[8, 2, 0], [1, 88, 1], [0, 0, 0]])

    def test_every_cell_is_a_clickable_square_that_names_itself(self) -> None:
        (trace,) = result_figures.confusion_matrix(self.counts, CLASSES, [10, 90, 0]).data
        assert trace.type == "scatter" and trace.marker.symbol == "square"
        for x, y, (truth, description, count) in zip(trace.x, trace.y, trace.customdata, strict=True):
            assert (truth, description) == (CLASSES[y], CLASSES[x])
            assert count == self.counts[y, x]
        assert len(trace.x) == 9

    def test_colour_is_the_share_of_the_true_class(self) -> None:
        (trace,) = result_figures.confusion_matrix(self.counts, CLASSES, [10, 90, 0]).data
        assert trace.marker.color[:3] == pytest.approx([0.8, 0.2, 0.0])
        assert trace.marker.color[4] == pytest.approx(88 / 90)
        assert (trace.marker.cmin, trace.marker.cmax) == (0, 1)
        assert trace.text[0] == "<b>8</b><br>80 %"

    def test_undecided_pictures_count_in_the_share(self) -> None:
        (trace,) = result_figures.confusion_matrix(self.counts, CLASSES, [16, 90, 0]).data
        assert trace.marker.color[0] == pytest.approx(0.5)

    def test_a_class_without_pictures_is_empty_and_not_zero_per_cent(self) -> None:
        figure = result_figures.confusion_matrix(self.counts, CLASSES, [10, 90, 0])
        assert figure.data[0].text[6:] == ("", "", "")
        assert np.isfinite(figure.data[0].marker.color).all()
        assert figure.layout.yaxis.ticktext[2].endswith("n 0")

    def test_text_is_light_on_dark_cells_and_dark_on_light_ones(self) -> None:
        (trace,) = result_figures.confusion_matrix(self.counts, CLASSES, [10, 90, 0]).data
        assert trace.textfont.color[4] == "#FFFFFF" and trace.textfont.color[5] == style.BLACK

    def test_the_first_class_is_on_top(self) -> None:
        low, high = result_figures.confusion_matrix(self.counts, CLASSES, [10, 90, 0]).layout.yaxis.range
        assert low > high

    def test_only_the_chosen_cell_is_framed(self) -> None:
        (trace,) = result_figures.confusion_matrix(self.counts, CLASSES, [10, 90, 0], chosen=("NV", "MEL")).data
        assert [i for i, width in enumerate(trace.marker.line.width) if width == 3] == [3]

    def test_the_squares_of_eight_classes_do_not_touch(self) -> None:
        figure = result_figures.confusion_matrix(np.eye(8, dtype=int), ISIC2019, np.ones(8), height=470)
        margin = figure.layout.margin
        assert figure.data[0].marker.size < (470 - margin.t - margin.b) / 8

    def test_a_real_matrix_adds_up(self, answers: tuple[np.ndarray, np.ndarray]) -> None:
        truth, probabilities = answers
        counts = confusion(truth, probabilities.argmax(1), 3)
        (trace,) = result_figures.confusion_matrix(counts, CLASSES, np.bincount(truth, minlength=3)).data
        assert sum(count for _, _, count in trace.customdata) == len(truth)


class TestPerClass:
    def test_a_dot_for_each_figure_in_the_colour_of_its_class(self, answers: tuple[np.ndarray, np.ndarray]) -> None:
        truth, probabilities = answers
        table = per_class_summary(truth, probabilities, np.arange(200), CLASSES, n_boot=20)
        figure = result_figures.per_class(table, CLASSES)
        assert len(figure.data) == len(result_figures.CLASS_METRICS) * 3
        for trace in figure.data:
            assert trace.marker.color == diagnosis(trace.y[0]).colour
        mel = table[(table["class"] == "MEL") & (table["metric"] == "sensitivity")].iloc[0]
        assert figure.data[0].x[0] == pytest.approx(mel["value"])
        assert figure.data[0].x[0] - figure.data[0].error_x.arrayminus[0] == pytest.approx(mel["low"])
        assert figure.data[0].x[0] + figure.data[0].error_x.array[0] == pytest.approx(mel["high"])

    def test_an_absent_class_has_its_row_and_no_dot(self, answers: tuple[np.ndarray, np.ndarray]) -> None:
        truth, probabilities = answers
        table = per_class_summary(truth, probabilities, np.arange(200), CLASSES, n_boot=20)
        figure = result_figures.per_class(table, CLASSES)
        assert np.isnan(figure.data[2].x[0])
        assert list(figure.layout.yaxis.tickvals) == list(CLASSES)

    def test_the_binary_view_has_colours_too(self) -> None:
        assert len({style.colour_of(side) for side in BINARY}) == 2
        with pytest.raises(DataError, match="not a known diagnosis"):
            style.colour_of("XYZ")


def test_runs_side_by_side_mark_the_chosen_one_and_leave_out_what_is_not_known() -> None:
    table = pd.DataFrame({"value": [0.6, 0.9], "low": [0.5, 0.85], "high": [0.7, 0.95]}, index=["recall", "auroc"])
    empty = table * np.nan
    figure = result_figures.runs_side_by_side(
        {"a": table, "b": table - 0.1, "c": empty}, {"recall": "Recall", "auroc": "AUROC"}, "b"
    )
    assert [trace.x[0] for trace in figure.data] == pytest.approx([0.6, 0.5, np.nan, 0.9, 0.8, np.nan], nan_ok=True)
    filled = [trace.customdata[0][0] for trace in figure.data if trace.marker.symbol == "circle"]
    assert filled == ["b", "b"]
    first = figure.data[0]
    assert first.x[0] - first.error_x.arrayminus[0] == pytest.approx(0.5)
    assert [note.text for note in figure.layout.annotations] == ["0.600", "0.500", "none", "0.900", "0.800", "none"]
    assert figure.layout.xaxis.range[0] < 0.4, "the lowest interval is in sight"
    rows = [trace.y[0] for trace in figure.data]
    assert set(rows) < set(figure.layout.yaxis.tickvals) and len(set(rows)) == 6


def test_roc_curves_have_the_colours_and_areas_of_their_classes(answers: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = answers
    curves = roc_by_class(truth, probabilities, CLASSES)
    figure = result_figures.roc_by_class(curves, {"MEL": 0.91234, "NV": 0.5, "DF": float("nan")})
    assert [trace.name for trace in figure.data] == ["guessing, 0.500", "MEL, 0.912", "NV, 0.500"]
    assert figure.data[1].line.color == diagnosis("MEL").colour
    assert (figure.data[1].x[0], figure.data[1].y[-1]) == (0, 1)


def test_roc_without_any_class_still_draws_the_frame() -> None:
    assert len(result_figures.roc_by_class(pd.DataFrame(columns=["class", "threshold", "fpr", "tpr"]), {}).data) == 1


def test_reliability_leaves_empty_bins_out() -> None:
    table = reliability(np.array([0.55, 0.56, 0.95]), np.array([True, False, True]), bins=10)
    figure = result_figures.reliability_diagram(table, table)
    for trace in figure.data[1:]:
        assert len(trace.x) == 2
        assert np.isfinite(np.asarray(trace.error_y.array, float)).all()


class TestHistory:
    rows = pd.DataFrame(
        [
            (e, p, m, 1.0 + e)
            for e in (1, 0)
            for p, m in (("train", "loss"), ("select", "loss"), ("select", "balanced_accuracy"))
        ],
        columns=["epoch", "phase", "metric", "value"],
    )

    def test_a_line_each_in_the_order_of_epochs_from_one(self) -> None:
        figure = result_figures.training_history(self.rows, 1)
        assert [t.name for t in figure.data] == [
            "loss, training set",
            "loss, validation set",
            "balanced accuracy, validation set",
        ]
        assert list(figure.data[0].x) == [1, 2] and list(figure.data[0].y) == [1, 2]
        assert {shape.x0 for shape in figure.layout.shapes} == {2}

    def test_no_chosen_epoch_no_line(self) -> None:
        assert not result_figures.training_history(self.rows, None).layout.shapes

    def test_what_was_not_logged_is_not_drawn(self) -> None:
        assert len(result_figures.training_history(self.rows[self.rows["phase"] == "train"], None).data) == 1


class TestShares:
    def test_small_groups_are_grey(self) -> None:
        table = shares_by(pd.Series(["MEL"] * 20 + ["DF"] * 19), np.zeros(39, bool))
        figure = share_figures.share_dots(table, "rejected", 20, {"MEL": "#D55E00", "DF": "#009E73"})
        assert [trace.marker.color for trace in figure.data] == ["#D55E00", style.PALE]
        assert "n 19" in figure.layout.yaxis.ticktext[1]

    def test_no_groups_no_dots(self) -> None:
        table = shares_by(pd.Series([], dtype=str), np.zeros(0, bool))
        assert table.empty and not share_figures.share_dots(table, "rejected").data


@pytest.mark.parametrize(("value", "text"), [(0.873, "87 %"), (0.0, "0 %"), (1.0, "100 %"), (float("nan"), "none")])
def test_percent(value: float, text: str) -> None:
    assert style.percent(value) == text


def test_every_figure_has_its_height() -> None:
    table = pd.DataFrame({"group": ["a"], "n": [30], "share": [0.1], "low": [0.0], "high": [0.2]})
    for figure in (
        result_figures.confusion_matrix([[1, 0], [0, 1]], ("benign", "malignant"), [1, 1]),
        share_figures.share_dots(table, "x"),
        mask_figures.jaccard_histogram([0.5, 0.9], 0.65),
    ):
        assert figure.layout.height > 0


class TestJaccards:
    def test_bars_count_all_pictures_and_failures_are_dark(self) -> None:
        figure = mask_figures.jaccard_histogram([0.0, 0.649, 0.65, 1.0], 0.65)
        bars = figure.data[0]
        assert sum(bars.y) == 4
        dark = [n for n, colour in zip(bars.y, bars.marker.color, strict=True) if colour == style.WRONG]
        assert sum(dark) == 2
        assert "50.0 %" in figure.layout.annotations[0].text

    def test_the_picture_on_the_page_is_marked(self) -> None:
        assert len(mask_figures.jaccard_histogram([0.5], 0.65).layout.shapes) == 1
        assert [shape.x0 for shape in mask_figures.jaccard_histogram([0.5], 0.65, 0.9).layout.shapes] == [0.65, 0.9]


def test_a_contour_is_thin_and_shows_holes() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    mask[25:35, 25:35] = False
    image = np.full((60, 60, 3), 128, np.uint8)
    drawn = outline(image, mask, (255, 0, 0))
    assert drawn.shape == (240, 240, 3) and (image == 128).all(), "the image itself stays"
    red = (drawn == (255, 0, 0)).all(axis=2)
    assert red[38:42, 120].any() and red[120, 98:102].any(), "outside and hole"
    assert not red[120, 50:90].any() and not red[120, 110:130].any()
    again = outline(drawn, mask, (0, 255, 0))
    assert again.shape[:2] == (480, 480) and (again == (0, 255, 0)).all(axis=2)[76:84, 240].any()
    assert outline(np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), bool)).shape == (4, 4, 3)
    assert outline(np.zeros((500, 600, 3), np.uint8), np.ones((500, 600), bool)).shape == (500, 600, 3)
