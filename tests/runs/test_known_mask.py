"""A segmenter's known answer covers all that its mask depends on: what was changed is told, also where hashes fit."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lesion_core.errors import RunError
from lesion_core.inference import known_mask
from lesion_core.inference.known_mask import FILE, SQUARES, KnownMask, read_known_mask
from lesion_core.inference.segmenter import write_known_mask
from lesion_core.runs.folder import fingerprint_of
from lesion_core.runs.hashes import file_state
from lesion_core.runs.segmenter import VARIANTS, SegmenterRun, open_segmenter
from lesion_core.serving.segmenter import SegmenterEngine
from tests.mutations.settings import leaves, with_value
from tests.runs.test_segmenter_runs import close_again

OTHER: dict[str, Any] = {"crop": "pad", "resnet18": "resnet34", "none": "other.safetensors"}


def changed(value: Any) -> Any:
    """Another value of the same kind, and in range."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 8
    return value + 1e-6 if isinstance(value, float) else OTHER[value]


def settings_of_the_answer(run: SegmenterRun) -> list[tuple[str | int, ...]]:
    tree = run.config.settings.model_dump(mode="json", include={"model", "preprocessing"})
    found = [at for at in leaves(tree) if not isinstance(functools.reduce(lambda t, k: t[k], at, tree), dict | list)]
    return [at for at in found if ".".join(map(str, at[1:])) not in ("dark_corner.enabled", "resize.fit")]


def forge_config(folder: Path, at: tuple[str | int, ...], value: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(with_value(config, ("settings", *at), value)))
    known = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(known | {"run": fingerprint_of(folder)}))


def test_each_setting_of_network_and_preprocessing_is_covered(segmenter_copy: Path, small_segmenter: Any) -> None:
    """No other setting is there, so that one which is added later is covered too."""
    places = settings_of_the_answer(small_segmenter)
    assert len(places) >= 25
    expected = small_segmenter.golden[1]
    for at in places:
        tree = small_segmenter.config.settings.model_dump(mode="json")
        forge_config(segmenter_copy, at, changed(functools.reduce(lambda t, k: t[k], at, tree)))
        run = open_segmenter(segmenter_copy)
        with pytest.raises(RunError, match=r"its (network|preprocessing) differs from when it was written"):
            # Even where the probabilities of its image are the same.
            read_known_mask(run).check(run, expected)
        forge_config(segmenter_copy, at, functools.reduce(lambda t, k: t[k], at, tree))
    SegmenterEngine.open(segmenter_copy)


def test_weights_of_another_network_beside_their_own_answer_are_refused(segmenter_copy: Path) -> None:
    path = segmenter_copy / "model.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "segmentation_head.0.bias": tensors["segmentation_head.0.bias"] + 0.3}, path)
    golden = load_file(segmenter_copy / "golden.safetensors")
    logits = np.log(golden["probabilities"] / (1 - golden["probabilities"])) + 0.3
    golden["probabilities"] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    save_file(golden, segmenter_copy / "golden.safetensors")
    close_again(segmenter_copy, "model.safetensors")
    close_again(segmenter_copy, "golden.safetensors")
    with pytest.raises(RunError, match="known answer: its probabilities differ"):
        SegmenterEngine.open(segmenter_copy)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_mask_of_another_size_is_refused(variant: str, small_segmenter: SegmenterRun) -> None:
    known = read_known_mask(small_segmenter)
    for pixels in (known.pixels[variant] + 5000, -1):
        other = known.model_copy(update={"pixels": known.pixels | {variant: pixels}})
        with pytest.raises(RunError, match="known answer: its masks"):
            other.check(small_segmenter, small_segmenter.golden[1])
    known.check(small_segmenter, small_segmenter.golden[1])


def test_another_threshold_of_the_program_is_told(
    small_segmenter: SegmenterRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_mask, "MEASURED_AT", 0.4)
    with pytest.raises(RunError, match="its threshold differs"):
        read_known_mask(small_segmenter).check(small_segmenter, small_segmenter.golden[1])


def test_rounding_of_other_processors_is_borne(small_segmenter: SegmenterRun) -> None:
    rng = np.random.default_rng(0)
    golden = small_segmenter.golden[1]
    moved = np.clip(golden + rng.uniform(-2e-3, 2e-3, golden.shape), 0, 1).astype(np.float32)
    read_known_mask(small_segmenter).check(small_segmenter, moved)
    with pytest.raises(RunError, match="its probabilities differ"):
        read_known_mask(small_segmenter).check(small_segmenter, np.full_like(golden, np.nan))


def test_a_square_is_the_mean_of_its_pixels(small_segmenter: SegmenterRun) -> None:
    golden = small_segmenter.golden[1].astype(np.float64)
    side = len(golden) // SQUARES
    expected = [
        [golden[y * side : (y + 1) * side, x * side : (x + 1) * side].mean() for x in range(SQUARES)]
        for y in range(SQUARES)
    ]
    assert np.array(read_known_mask(small_segmenter).probabilities) == pytest.approx(np.array(expected), abs=1e-3)


def test_a_segmenter_without_known_answer_says_how_it_gets_one(segmenter_copy: Path, call: Any) -> None:
    before = KnownMask.read(segmenter_copy / FILE)
    weights = file_state(segmenter_copy / "model.safetensors")
    (segmenter_copy / FILE).unlink()
    with pytest.raises(RunError, match=r"known_answer\.json .*cannot be read.*segment evaluate RUN --known-answer"):
        SegmenterEngine.open(segmenter_copy)
    code, _, _ = call("segment", "evaluate", segmenter_copy, "--known-answer", "--resamples", "100")
    after = KnownMask.read(segmenter_copy / FILE)
    assert code == 0 and np.allclose(after.probabilities, before.probabilities, atol=1e-4)
    assert after == before.model_copy(update={"probabilities": after.probabilities})
    assert file_state(segmenter_copy / "model.safetensors") == weights
    SegmenterEngine.open(segmenter_copy)


def test_a_known_answer_is_written_only_where_the_stored_one_is_given(segmenter_copy: Path) -> None:
    path = segmenter_copy / "golden.safetensors"
    golden = load_file(path)
    save_file({**golden, "probabilities": golden["probabilities"] * np.float32(0.5)}, path)
    close_again(segmenter_copy, "golden.safetensors")
    before = (segmenter_copy / FILE).read_bytes()
    with pytest.raises(RunError, match="does not give its known answer"):
        write_known_mask(open_segmenter(segmenter_copy))
    assert (segmenter_copy / FILE).read_bytes() == before
