"""The training of a segmenter: its loss, its images, that it learns and that it goes on after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.config import Preprocessing, Resize, SegmenterRunSettings, SegmenterSettings, SegmenterTraining
from lesion_core.data.collection import collect
from lesion_core.errors import ConfigError, DataError
from lesion_core.training.masked_pictures import MaskedPictures, make_store, transform
from lesion_core.training.segmenter import FittedSegmenter, fit_segmenter
from lesion_core.training.segmenter_data_module import SegmenterData
from lesion_core.training.segmenter_module import dice_loss

PLAIN = Preprocessing(resize=Resize(size=32, fit="stretch"), mean=(0, 0, 0), std=(1, 1, 1))


def settings(**training: Any) -> SegmenterRunSettings:
    return SegmenterRunSettings(
        name="small",
        model=SegmenterSettings(encoder="resnet18", decoder=(32, 16, 8)),
        preprocessing=PLAIN,
        training=SegmenterTraining(
            **{"epochs": 2, "batch_size": 8, "workers": 0, "precision": "fp32", "augmentation": "flips", **training}
        ),
    )


@pytest.fixture(scope="module")
def table(data_root: Path) -> pd.DataFrame:
    return collect(data_root, settings().split).table


def fitted(chosen: SegmenterRunSettings, table: pd.DataFrame, folder: Path, **options: Any) -> FittedSegmenter:
    return fit_segmenter(chosen, table, folder, **{"accelerator": "cpu", **options})


@given(st.integers(0, 2**31 - 1))
def test_the_dice_loss_is_the_literal_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, target = rng.normal(0, 3, (3, 1, 4, 5)), rng.random((3, 1, 4, 5))
    losses = []
    for z, t in zip(logits, target, strict=True):
        p = 1 / (1 + np.exp(-z))
        losses.append(1 - (2 * sum((p * t).ravel()) + 1) / (sum(p.ravel()) + sum(t.ravel()) + 1))
    found = float(dice_loss(torch.tensor(logits), torch.tensor(target)))
    assert found == pytest.approx(np.mean(losses)) and 0 <= found <= 1


def test_a_perfect_mask_costs_nothing_an_empty_one_too() -> None:
    target = (torch.rand(2, 1, 8, 8) > 0.5).float()
    assert float(dice_loss(200 * target - 100, target)) == pytest.approx(0, abs=1e-6)
    assert float(dice_loss(torch.full((1, 1, 8, 8), -100.0), torch.zeros(1, 1, 8, 8))) == pytest.approx(0, abs=1e-6)


def planted(side: int = 48) -> torch.Tensor:
    """An image that is white just where its mask is."""
    rng = np.random.default_rng(3)
    mask = np.zeros((side, side), np.uint8)
    y, x = rng.integers(5, side - 25, 2)
    mask[y : y + 20, x : x + 14] = 255
    return torch.from_numpy(np.repeat(mask[None], 4, axis=0))


@pytest.mark.parametrize("kind", ["none", "flips", "full", "strong"])
def test_picture_and_mask_move_together(kind: str) -> None:
    torch.manual_seed(0)
    change = transform(SegmenterTraining(augmentation=kind, artefacts=0), PLAIN, 32, augment=True)  # type: ignore[arg-type]
    for _ in range(20):
        image, mask = change(planted())
        assert image.shape == (3, 32, 32) and mask.shape == (1, 32, 32) and image.dtype == mask.dtype == torch.float32
        assert mask.min() >= 0 and mask.max() <= 1
        inside, outside = mask[0] > 0.99, mask[0] < 0.01
        if inside.any() and outside.any():
            assert image.mean(0)[inside].mean() > image.mean(0)[outside].mean() + 0.3


def test_the_select_split_is_never_changed() -> None:
    change = transform(SegmenterTraining(), PLAIN, 48, augment=False)
    first, mask = change(planted())
    assert torch.equal(first, change(planted())[0]) and torch.equal(mask[0], planted()[3] / 255)


def test_artefacts_leave_the_mask_but_for_what_a_dark_corner_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    from lesion_core.training import masked_pictures

    whole = torch.full((1, 64, 64), 255, dtype=torch.uint8)
    image = torch.full((3, 64, 64), 180, dtype=torch.uint8)
    for name, entry in masked_pictures.ARTEFACTS.items():
        monkeypatch.setattr(masked_pictures, "ARTEFACTS", {name: entry})
        torch.manual_seed(1)
        changed, mask = masked_pictures._with_artefact(image, whole)
        assert changed.shape == image.shape and (changed != image).any(), name
        if name == "dark_corner":
            hidden = mask[0] == 0
            assert hidden.any() and (changed[:, hidden] != 180).any(0).all() and mask[0, 32, 32] == 255
        else:
            assert torch.equal(mask, whole), name


def test_the_store_is_made_once_and_holds_picture_and_mask(table: pd.DataFrame, tmp_path: Path) -> None:
    rows = table[table["mask_path"].notna()].head(5)
    pairs = list(zip(rows["path"], rows["mask_path"], strict=True))
    done: list[int] = []
    store = make_store(pairs, PLAIN, 40, tmp_path, on_progress=lambda i, _: done.append(i))
    assert store.shape == (5, 40, 40, 4) and store.dtype == np.uint8 and done == [1, 2, 3, 4, 5]
    again = make_store(pairs, PLAIN, 40, tmp_path, on_progress=lambda *_: pytest.fail("made again"))
    assert np.array_equal(again, store)
    assert len(list(tmp_path.iterdir())) == 1, "nothing half-made is left"
    share = store[..., 3].mean() / 255
    assert 0.02 < share < 0.9
    image, mask = MaskedPictures(store, transform(SegmenterTraining(), PLAIN, 40, augment=False))[2]
    assert np.array_equal((255 * image).round().byte().permute(1, 2, 0).numpy(), store[2, ..., :3])
    assert np.array_equal((255 * mask[0]).round().byte().numpy(), store[2, ..., 3])


@pytest.mark.slow
def test_it_learns_to_find_lesions(table: pd.DataFrame, tmp_path: Path) -> None:
    result = fitted(settings(epochs=8, learning_rate=3e-3), table, tmp_path)
    jaccard = result.history[(result.history["phase"] == "select") & (result.history["metric"] == "jaccard")]["value"]
    assert jaccard.max() > 0.5 and not result.model.training
    # The returned model is the one that was measured.
    data = SegmenterData(table, settings(), tmp_path / "pictures")
    data.make_stores()
    with torch.inference_mode():
        found, truth = [], []
        for images, target in data.val_dataloader():
            found.append(result.model(images)[:, 0] > 0)
            truth.append(target[:, 0] >= 0.5)
    a, b = torch.cat(found).flatten(1), torch.cat(truth).flatten(1)
    assert float(((a & b).sum(1) / (a | b).sum(1)).mean()) == pytest.approx(jaccard.max(), abs=2e-3)


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_training_goes_on_and_ends_as_a_straight_one(
    table: pd.DataFrame, tmp_path: Path, workers: int
) -> None:
    chosen = settings(epochs=3, ema_decay=0.9, augmentation="full", artefacts=0.5, workers=workers)

    def kill(epoch: int, _: dict[str, float]) -> None:
        if epoch == 1:
            raise KilledError

    straight = fitted(chosen, table, tmp_path / "straight")
    with pytest.raises(KilledError):
        fitted(chosen, table, tmp_path / "killed", on_epoch=kill)
    later: list[int] = []
    resumed = fitted(chosen, table, tmp_path / "killed", on_epoch=lambda epoch, _: later.append(epoch))
    assert later and later[-1] == 2 and 0 not in later
    pd.testing.assert_frame_equal(straight.history, resumed.history, rtol=1e-3)
    for name, tensor in straight.model.state_dict().items():
        torch.testing.assert_close(tensor, resumed.model.state_dict()[name], rtol=1e-2, atol=1e-4)


def test_a_folder_of_another_training_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    fitted(settings(epochs=1), table, tmp_path)
    with pytest.raises(ConfigError, match="other settings"):
        fitted(settings(epochs=1, seed=1), table, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(mask_path=None), "training set has no image with a mask"),
        (lambda t: t.assign(mask_path="/nowhere/m.png"), "m.png cannot be read"),
        (lambda t: t.assign(path="/nowhere/x.png"), "x.png cannot be used"),
    ],
)
def test_tables_that_cannot_be_trained_on(table: pd.DataFrame, tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fitted(settings(), change(table), tmp_path)


def test_a_mask_of_another_frame_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    cropped = tmp_path / "cropped.png"
    cv2.imwrite(str(cropped), 255 * np.eye(40, 64, dtype=np.uint8))
    first = table.index[(table["role"] == "train") & table["mask_path"].notna()][0]
    with pytest.raises(DataError, match=r"cropped\.png is 64x40.*not show the same frame"):
        wrong = table["mask_path"].where(table.index != first, str(cropped))
        fitted(settings(), table.assign(mask_path=wrong), tmp_path)
