"""Checkpoints that a failing disk damaged: told, and the training goes on from the other one where there is one."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lesion_core.errors import ModelError
from lesion_core.training import loop
from lesion_core.training.classifier import Fitted, fit
from tests.writers import TINY


def train(trained: object, folder: Path) -> Fitted:
    table = trained.collection.table  # type: ignore[attr-defined]
    few = pd.concat([rows.head(8) for _, rows in table.groupby("role")], ignore_index=True)
    return fit(TINY, few, folder, accelerator="cpu")


def tear(path: Path, how: str) -> None:
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {
            "cut off": whole[:half],
            "empty": b"",
            "zeros in it": whole[:half] + bytes(4096) + whole[half + 4096 :],
            "one bit": whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :],
        }[how]
    )


def stop_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training die when the last checkpoint of an epoch was written."""
    plain = loop.WholeCheckpoints.save_checkpoint

    def save(self: loop.WholeCheckpoints, checkpoint: dict[str, int], path: str, storage_options: object) -> None:
        plain(self, checkpoint, path, storage_options)
        if Path(path).name == "last.ckpt" and checkpoint["epoch"] == epoch:
            raise RuntimeError("killed")

    monkeypatch.setattr(loop.WholeCheckpoints, "save_checkpoint", save)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut off", "empty", "zeros in it", "one bit"])
def test_a_damaged_last_checkpoint_is_told_and_the_best_one_is_gone_on_from(
    how: str, trained: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    straight = train(trained, tmp_path / "straight")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        stop_after(1, patch)
        train(trained, tmp_path / "torn")
    tear(tmp_path / "torn" / "last.ckpt", how)
    with caplog.at_level(logging.WARNING):
        again = train(trained, tmp_path / "torn")
    assert "last.ckpt is damaged. The training goes on from its best epoch." in caplog.text
    np.testing.assert_allclose(again.history["value"], straight.history["value"], rtol=1e-4)
    assert list(again.history["epoch"]) == list(straight.history["epoch"])
    for name, tensor in straight.model.state_dict().items():
        torch.testing.assert_close(tensor, again.model.state_dict()[name], rtol=1e-3, atol=1e-5)


def test_without_a_whole_best_checkpoint_it_says_what_to_do(trained: object, tmp_path: Path) -> None:
    train(trained, tmp_path)
    best, last = tmp_path / "best.ckpt", tmp_path / "last.ckpt"
    tear(best, "cut off")
    with pytest.raises(ModelError, match=r"best\.ckpt is damaged or missing.*Start over with --fresh"):
        train(trained, tmp_path)
    tear(last, "cut off")
    with pytest.raises(ModelError, match="Start over with --fresh"):
        train(trained, tmp_path)
    best.unlink()
    with pytest.raises(ModelError, match="Start over with --fresh"):
        train(trained, tmp_path)
    last.unlink()
    train(trained, tmp_path)
