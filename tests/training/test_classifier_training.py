"""A training: it learns, it keeps its history, it goes on after a kill, and it refuses what it cannot do."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from lesion_core.config import ModelSettings, Preprocessing, Resize, RunSettings, Training
from lesion_core.errors import ConfigError, DataError, ModelError
from lesion_core.models.classifiers import build
from lesion_core.training.classifier import Fitted, fit
from lesion_core.training.classifier_data_module import SplitData
from lesion_core.training.classifier_module import ClassifierModule


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Reddish melanomas, bluish nevi: 24 images that any classifier can tell apart."""
    folder = tmp_path_factory.mktemp("easy")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(24):
        code = ("MEL", "NV")[i % 2]
        pixels = rng.integers(60, 140, (36, 36, 3))
        pixels[..., 2 if code == "MEL" else 0] += 100
        cv2.imwrite(str(folder / f"{i}.png"), pixels.astype(np.uint8))
        rows.append((f"{i}", str(folder / f"{i}.png"), code, "train" if i < 16 else "select"))
    return pd.DataFrame(rows, columns=["image_id", "path", "diagnosis", "role"])


def settings(**training: Any) -> RunSettings:
    return RunSettings(
        name="easy",
        model=ModelSettings(architecture="resnet10", classes=("MEL", "NV")),
        preprocessing=Preprocessing(resize=Resize(size=32)),
        training=Training(
            **{
                "epochs": 2,
                "batch_size": 8,
                "workers": 0,
                "precision": "fp32",
                "augmentation": "flips",
                "monitor": "select_balanced_accuracy",
                **training,
            }
        ),
    )


def run(chosen: RunSettings, table: pd.DataFrame, folder: Path, **options: Any) -> Fitted:
    return fit(chosen, table, folder, **{"accelerator": "cpu", **options})


def epochs(fitted: Fitted, metric: str = "loss", phase: str = "train") -> list[int]:
    table = fitted.history
    return table[(table["phase"] == phase) & (table["metric"] == metric)]["epoch"].tolist()


class KilledError(Exception):
    """Stands for a kill."""


def kill_in(epoch: int) -> Any:
    def on_epoch(number: int, _: dict[str, float]) -> None:
        if number == epoch:
            raise KilledError

    return on_epoch


@pytest.mark.slow
def test_it_learns_what_can_be_learned(easy: pd.DataFrame, tmp_path: Path) -> None:
    fitted = run(settings(epochs=5), easy, tmp_path)
    history = fitted.history
    best = history[(history["metric"] == "balanced_accuracy") & (history["phase"] == "select")]["value"].max()
    assert best == 1.0
    assert not fitted.model.training
    assert {
        ("train", "loss"),
        ("train", "accuracy"),
        ("train", "learning_rate"),
        ("select", "loss"),
        ("select", "auroc"),
    } <= set(zip(history["phase"], history["metric"], strict=True))
    for phase in ("train", "select"):
        assert epochs(fitted, phase=phase) == [0, 1, 2, 3, 4]
    # The returned model is the one that was measured.
    data = SplitData(easy, settings(epochs=5), tmp_path / "pictures")
    data.setup("fit")
    with torch.inference_mode():
        right = torch.cat([fitted.model(x).argmax(1) == y for x, y, *_ in data.val_dataloader()])
    assert right.float().mean() == best


@pytest.mark.slow
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_killed_training_goes_on(easy: pd.DataFrame, tmp_path: Path, ema: float) -> None:
    chosen = settings(epochs=3, ema_decay=ema)
    straight = run(chosen, easy, tmp_path / "straight")
    with pytest.raises(KilledError):
        run(chosen, easy, tmp_path / "killed", on_epoch=kill_in(1))
    later: list[int] = []
    resumed = run(chosen, easy, tmp_path / "killed", on_epoch=lambda epoch, _: later.append(epoch))
    assert later == [1, 2]
    assert epochs(resumed) == [0, 1, 2]
    both = straight.history.merge(resumed.history, on=["epoch", "phase", "metric"], suffixes=("", "_again"))
    assert len(both) == len(straight.history) == len(resumed.history)
    np.testing.assert_allclose(both["value"], both["value_again"], rtol=1e-3)
    # Called again when all is done, it trains no further and gives the same model.
    again = run(chosen, easy, tmp_path / "killed", on_epoch=lambda epoch, _: later.append(epoch))
    assert later == [1, 2]
    for name, tensor in again.model.state_dict().items():
        torch.testing.assert_close(tensor, resumed.model.state_dict()[name])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_training_is_the_straight_one(easy: pd.DataFrame, tmp_path: Path, workers: int) -> None:
    """Order, augmentation, drawing of rare classes, mixing, optimizer and average: what was drawn is drawn again."""
    chosen = settings(
        epochs=4, ema_decay=0.9, augmentation="gentle", oversampling="inverse", mixup=0.4, workers=workers
    )
    straight = run(chosen, easy, tmp_path / "straight")
    for epoch in (1, 2):
        with pytest.raises(KilledError):
            run(chosen, easy, tmp_path / "killed", on_epoch=kill_in(epoch))
    # Meanwhile the folder was moved.
    resumed = run(chosen, easy, (tmp_path / "killed").rename(tmp_path / "moved"))
    pd.testing.assert_frame_equal(straight.history, resumed.history, rtol=1e-4)
    for name, tensor in straight.model.state_dict().items():
        torch.testing.assert_close(tensor, resumed.model.state_dict()[name], rtol=1e-3, atol=1e-5)


def test_a_moved_folder_keeps_its_best_epoch(easy: pd.DataFrame, tmp_path: Path) -> None:
    chosen = settings(epochs=3, learning_rate=1e-12, augmentation="none")  # no epoch is better than the first
    with pytest.raises(KilledError):
        run(chosen, easy, tmp_path / "here", on_epoch=kill_in(2))
    best = (tmp_path / "here" / "best.ckpt").read_bytes()
    moved = (tmp_path / "here").rename(tmp_path / "there")
    run(chosen, easy, moved)
    run(chosen, easy, moved.rename(tmp_path / "elsewhere"))  # finished, it gives the model from there too
    assert (tmp_path / "elsewhere" / "best.ckpt").read_bytes() == best


def test_another_split_in_the_folder_is_refused(easy: pd.DataFrame, tmp_path: Path) -> None:
    with_test = pd.concat([easy, easy.iloc[:2].assign(image_id=["98", "99"], role="test")], ignore_index=True)
    run(settings(epochs=1), with_test, tmp_path)
    run(settings(epochs=1), with_test.sample(frac=1, random_state=0), tmp_path)  # the order of rows is not a split
    for other in (
        with_test.assign(role=with_test["role"].where(with_test["image_id"] != "3", "test")),
        with_test[with_test["image_id"] != "99"],
    ):
        with pytest.raises(ConfigError, match=r"another split of them.*--fresh"):
            run(settings(epochs=1), other, tmp_path)
    run(settings(epochs=1), other, tmp_path, resume=False)
    (tmp_path / "roles.sha256").unlink()
    with pytest.raises(ConfigError, match=r"on which split is not known.*--fresh"):
        run(settings(epochs=1), other, tmp_path)


def test_a_killed_training_keeps_epochs_that_were_no_better(easy: pd.DataFrame, tmp_path: Path) -> None:
    chosen = settings(epochs=4, learning_rate=1e-12, augmentation="none")  # no epoch is better than the first
    with pytest.raises(KilledError):
        run(chosen, easy, tmp_path, on_epoch=kill_in(3))
    later: list[int] = []
    run(chosen, easy, tmp_path, on_epoch=lambda epoch, _: later.append(epoch))
    assert later == [3]


def test_an_interruption_stays_one(easy: pd.DataFrame, tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(settings(), easy, tmp_path, on_epoch=stop)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores further ones


@pytest.mark.slow
def test_fresh_starts_over_even_if_it_is_killed(easy: pd.DataFrame, tmp_path: Path) -> None:
    run(settings(), easy, tmp_path)
    with pytest.raises(KilledError):
        run(settings(seed=5), easy, tmp_path, resume=False, on_epoch=kill_in(0))
    seen: list[int] = []
    run(settings(seed=5), easy, tmp_path, on_epoch=lambda epoch, _: seen.append(epoch))
    assert seen == [0, 1], "nothing of the earlier training is gone on from"


def test_other_settings_in_the_folder_are_refused(easy: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(settings(seed=1).to_json())
    with pytest.raises(ConfigError, match=r"training with other settings.*--fresh"):
        run(settings(), easy, tmp_path)


def test_both_measures_against_imbalance_warn(easy: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(settings().to_json())

    def told(**training: str) -> list[str]:
        with warnings.catch_warnings(record=True) as caught, pytest.raises(ConfigError):
            warnings.simplefilter("always")
            run(settings(**training), easy, tmp_path)
        return [str(w.message) for w in caught if "count twice" in str(w.message)]

    assert len(told(class_weights="sqrt", oversampling="sqrt")) == 1
    assert not told(class_weights="sqrt") and not told(oversampling="sqrt")


def test_it_stops_early(easy: pd.DataFrame, tmp_path: Path) -> None:
    # At this rate nothing improves, so the second epoch is the last that is waited for.
    chosen = settings(epochs=9, early_stopping=1, learning_rate=1e-12, schedule="constant")
    stopped = run(chosen, easy, tmp_path)
    assert epochs(stopped) in ([0, 1], [0, 1, 2])
    again = run(chosen, easy, tmp_path)
    assert epochs(again) == epochs(stopped), "called again, it stays stopped"


def test_a_plateau_lowers_the_rate(easy: pd.DataFrame, tmp_path: Path) -> None:
    chosen = settings(epochs=4, schedule="plateau", plateau_patience=1, learning_rate=1e-12)
    history = run(chosen, easy, tmp_path).history
    rates = history[history["metric"] == "learning_rate"]["value"].to_numpy()
    assert rates[0] == pytest.approx(1e-12) and rates[-1] == pytest.approx(1e-13)


@pytest.mark.slow
def test_everything_at_once(easy: pd.DataFrame, tmp_path: Path) -> None:
    chosen = settings(
        epochs=2,
        sizes=(32, 40),
        optimizer="sgd",
        learning_rate=0.01,
        loss="focal",
        label_smoothing=0.1,
        oversampling="inverse",
        ema_decay=0.9,
        augmentation="full",
        monitor="select_loss",
        precision="bf16",
        workers=1,
    )
    fitted = run(chosen, easy, tmp_path)
    assert epochs(fitted) == [0, 1] and np.isfinite(fitted.history["value"]).all()
    assert all(t.dtype == torch.float32 for t in fitted.model.parameters())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t[t["role"] == "train"], DataError, "validation set has no image"),
        (lambda t: t[t["role"] == "select"], DataError, "training set has no image"),
        (lambda t: t.replace({"diagnosis": {"NV": "BCC"}}), DataError, "not classes of the model: BCC"),
        (lambda t: t.assign(diagnosis=None), DataError, "none given"),
        (lambda t: t.assign(path="/nowhere/x.png"), DataError, "x.png cannot be used"),
    ],
)
def test_tables_that_cannot_be_trained_on(
    easy: pd.DataFrame, tmp_path: Path, change: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(settings(), change(easy), tmp_path)


def test_a_diverged_training_is_told(easy: pd.DataFrame, tmp_path: Path) -> None:
    chosen = settings(epochs=1, optimizer="sgd", learning_rate=1.0, schedule="constant", weight_decay=1.0)
    bad = build(chosen.model)
    torch.nn.init.constant_(bad.fc.weight, float("nan"))
    path = tmp_path / "nan.safetensors"
    save_file({n: t.clone() for n, t in bad.state_dict().items()}, path)
    chosen = chosen.model_copy(update={"model": chosen.model.model_copy(update={"weights": str(path)})})
    with pytest.raises(ModelError, match="diverged"):
        run(chosen, easy, tmp_path / "work")


def test_sizes_grow_by_equal_parts(easy: pd.DataFrame, tmp_path: Path) -> None:
    data = SplitData(easy, settings(epochs=7, sizes=(32, 48, 64)), tmp_path)
    assert [data.size(epoch) for epoch in range(7)] == [32, 32, 32, 48, 48, 64, 64]
    assert {SplitData(easy, settings(), tmp_path).size(epoch) for epoch in range(2)} == {32}


def test_oversampling_evens_the_classes(easy: pd.DataFrame, tmp_path: Path) -> None:
    rare = easy[(easy["diagnosis"] == "MEL") | (easy["role"] == "select") | (easy["image_id"] == "1")]
    data = SplitData(rare, settings(oversampling="inverse", batch_size=4), tmp_path)
    data.setup("fit")
    loader = data.train_dataloader()
    drawn = np.concatenate([[int(loader.dataset[i][1]) for i in loader.sampler] for _ in range(20)])
    assert 0.35 < drawn.mean() < 0.65 and (data.labels["train"] == 1).mean() < 0.2


def test_logit_adjustment_takes_the_frequencies_from_the_logits(easy: pd.DataFrame, tmp_path: Path) -> None:
    uneven = easy.drop(easy[(easy["role"] == "train") & (easy["diagnosis"] == "MEL")].index[:5])
    plain = run(settings(epochs=1), uneven, tmp_path / "plain").model
    adjusted = run(settings(epochs=1, logit_adjustment=0.5), uneven, tmp_path / "adjusted").model
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        # 3 melanomas and 8 nevi.
        expected = plain(images) - 0.5 * torch.tensor([3 / 11, 8 / 11]).log()
        assert torch.allclose(adjusted(images), expected, atol=1e-5)


def test_a_picture_is_compared_with_what_its_data_set_holds(easy: pd.DataFrame, tmp_path: Path) -> None:
    names = np.where(easy["diagnosis"] == "MEL", np.where(easy.index % 4 == 0, "melanomas", "both"), "both")
    data = SplitData(easy.assign(dataset=names), settings(label_spaces=True), tmp_path)
    train = data.parts["train"]
    data_sets = names[easy.index.get_indexer(train.index)]
    expected = [[True, data_set == "both"] for data_set in data_sets]
    assert set(data_sets) == {"melanomas", "both"} and data.compared["train"].tolist() == expected
    assert data.compared["select"].all()
    assert SplitData(easy.assign(dataset=names), settings(), tmp_path).compared["train"].all()
    fitted = run(settings(label_spaces=True, mixup=0.4), easy.assign(dataset=names), tmp_path / "mixed")
    assert np.isfinite(fitted.history["value"]).all()


def test_a_pupil_answers_as_its_teachers_do(easy: pd.DataFrame, tmp_path: Path) -> None:
    """Even against the diagnoses, where only the teachers count."""
    train = easy[easy["role"] == "train"]
    wrong = (train["diagnosis"] == "MEL").to_numpy()[:, None] == np.array([[False, True]])
    taught = pd.DataFrame(wrong * 0.9 + 0.05, index=train["image_id"], columns=["MEL", "NV"], dtype=np.float32)
    chosen = settings(epochs=6, learning_rate=3e-3, teachers=("wrong",), distillation=1.0, softness=1.0)
    pupil = run(chosen, easy, tmp_path / "pupil", taught=taught.sample(frac=1, random_state=0))
    assert pupil.history.query("phase == 'train' and metric == 'accuracy'")["value"].iloc[-1] < 0.3
    with pytest.raises(ConfigError, match="name teachers"):
        run(chosen, easy, tmp_path / "alone")
    with pytest.raises(ValidationError, match="teachers answer for all classes"):
        settings(teachers=("one",), label_spaces=True)


def test_pretrained_layers_learn_slower_and_vectors_do_not_decay() -> None:
    chosen = Training(schedule="constant", learning_rate=0.1, pretrained_factor=0.5, weight_decay=0.3)
    model = build(settings().model)
    old = frozenset(n for n, _ in model.named_parameters() if not n.startswith("fc"))
    optimizer = ClassifierModule(model, chosen, None, old).configure_optimizers()
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        assert found[id(parameter)] == (0.05 if name in old else 0.1, 0.3 if parameter.ndim >= 2 else 0.0), name


@pytest.mark.parametrize("oversampling", ["none", "sqrt"])
def test_each_lesion_is_drawn_once_an_epoch(easy: pd.DataFrame, tmp_path: Path, oversampling: str) -> None:
    groups = easy.index.to_series().floordiv(4).astype(str) + easy["role"] + easy["diagnosis"]
    table = easy.assign(group=groups)
    chosen = settings(draw="lesion", coarse=0.3, oversampling=oversampling, workers=0)
    data = SplitData(table, chosen, tmp_path / "pictures")
    data.setup("fit")
    train = table[table["role"] == "train"]
    lesions = train.groupby("group")["diagnosis"].first()
    counts = np.bincount(data.drawn, minlength=len(chosen.model.classes))
    assert counts.sum() == len(lesions) < len(train)
    assert counts.tolist() == [int((lesions == code).sum()) for code in chosen.model.classes]
    loader = data.train_dataloader()
    assert len(loader.dataset) == len(lesions)  # type: ignore[arg-type]
    if oversampling == "none":
        labels = torch.cat([y for _, y, *_ in loader])
        assert len(labels) >= len(lesions) - chosen.training.batch_size
    fitted = run(chosen, table, tmp_path / "run")
    assert np.isfinite(fitted.history["value"]).all()


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_frozen_stages_stay_as_they_begin(easy: pd.DataFrame, tmp_path: Path, ema: float) -> None:
    chosen = settings(frozen_stages=2, epochs=1, ema_decay=ema)
    torch.manual_seed(0)
    start = build(chosen.model)
    save_file(start.state_dict(), tmp_path / "start.safetensors")
    model = chosen.model.model_copy(update={"weights": str(tmp_path / "start.safetensors")})
    fitted = run(chosen.model_copy(update={"model": model}), easy, tmp_path / "run").model.state_dict()
    for name, before in start.state_dict().items():
        frozen = name.split(".")[0] in ("conv1", "bn1", "layer1", "layer2")
        same = torch.equal(before, fitted[name])
        assert same == frozen or name.endswith("num_batches_tracked"), name
