"""Maps as they are drawn, and what a browser may send of a painted mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.explain.explanation import BLUE, VERMILION, lay, painted, paled, peak, scale_bar, spread
from app.widgets.brush import GRID, painted_mask
from lesion_core.explain.maps import Attribution, Target
from lesion_core.runs.classifier import Run


def of(raw: np.ndarray, size: int = 64) -> Attribution:
    return Attribution(np.asarray(raw, np.float32), Target(0), "gradcam", "layer4", size)


def test_a_map_is_laid_in_units_of_its_scale(small_run: Run) -> None:
    image = np.full((64, 96, 3), 128, np.uint8)
    map_of = of([[2.0, -4.0], [0.0, 1.0]])
    assert peak(map_of, signed=False) == 2 and peak(map_of, signed=True) == 4
    values = lay(map_of, small_run, image, 4.0)
    assert values.shape == (64, 96) and values.min() == -1 and values.max() == pytest.approx(0.5)
    assert not values[:, :16].any() and not values[:, 80:].any(), "what the model was not shown has no evidence"
    assert not lay(of(np.zeros((2, 2))), small_run, image, 0.0).any()
    pale = paled(image, small_run)
    assert (pale[:, 20:70] == 128).all() and (pale[:, :10] > 128).all()


def test_a_map_of_pixels_is_scaled_without_its_one_largest() -> None:
    raw = np.ones((64, 64), np.float32)
    raw[0, 0] = 1000
    assert peak(of(raw), signed=False) == 1 and spread(of(raw), signed=False) == pytest.approx(raw.mean())
    assert spread(of(-raw), signed=True) == pytest.approx(raw.mean()) and spread(of(-raw), signed=False) == 0


def test_evidence_in_one_spot_is_no_empty_map() -> None:
    raw = np.zeros((64, 64), np.float32)
    raw[3, 5] = 3
    assert peak(of(raw), signed=False) == 3


def test_colours_say_for_and_against() -> None:
    image = np.full((1, 3, 3), 90, np.uint8)
    drawn = painted(image, np.array([[-1.0, 0.0, 1.0]]), 1.0, signed=True)
    assert drawn[0].tolist() == [list(BLUE), [255, 255, 255], list(VERMILION)]
    assert (painted(image, np.array([[-1.0, 0.0, 1.0]]), 0.0, signed=False) == image).all()
    one_sided = painted(image, np.array([[-1.0, 0.0, 1.0]]), 1.0)
    assert (one_sided[0, :2] == 90).all() and one_sided[0, 2].tolist() != [90] * 3
    assert scale_bar(True).shape == scale_bar(False).shape == (8, 256, 3)


def test_a_painted_mask_is_enlarged() -> None:
    cells = np.zeros((GRID, GRID), int)
    cells[2, 5] = 1
    mask = painted_mask({"id": "a", "cells": "".join(map(str, cells.ravel()))}, "a", 2 * GRID)
    assert mask.sum() == 4 and mask[4:6, 10:12].all()
    assert painted_mask({"id": "a", "cells": "1" * GRID * GRID}, "a", 30).all()


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "x",
        {},
        {"id": "a"},
        {"id": "b", "cells": "1" * GRID * GRID},
        {"id": "a", "cells": "1"},
        {"id": "a", "cells": "2" * GRID * GRID},
        {"id": "a", "cells": "é" * GRID * GRID},
        {"id": "a", "cells": None},
    ],
)
def test_what_is_no_mask_paints_nothing(sent: Any) -> None:
    assert not painted_mask(sent, "a", 32).any()
