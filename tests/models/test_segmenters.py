"""The U-Nets: what they are built from, what they start from, and how they are stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torchvision.models.resnet import Bottleneck

from lesion_core.config import DarkCorner, ModelSettings, Preprocessing, Resize, SegmenterRunSettings, SegmenterSettings
from lesion_core.errors import ModelError
from lesion_core.models.checkpoints import load_weights, save_weights
from lesion_core.models.classifiers import build
from lesion_core.models.segmenters import build_segmenter, initialise_segmenter

SMALL = SegmenterSettings(encoder="resnet18", decoder=(32, 16, 8))


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("resnet18", (64, 32, 16, 8, 4)),
        ("resnet18", (32, 16, 8)),
        ("resnet34", (32, 16, 8, 4)),
        ("resnet50", (32, 16, 8, 4)),
    ],
)
def test_a_picture_becomes_a_logit_a_pixel(encoder: str, decoder: tuple[int, ...]) -> None:
    model = build_segmenter(SegmenterSettings(encoder=encoder, decoder=decoder))  # type: ignore[arg-type]
    assert not model.training
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, 64, 96)).shape == (2, 1, 64, 96)
        assert torch.isfinite(model(torch.randn(1, 3, 32, 32))).all()


def test_blocks_that_no_picture_goes_through_are_left_out() -> None:
    names = build_segmenter(SMALL).state_dict()
    assert not any(name.startswith(("encoder.layer3", "encoder.layer4")) for name in names)
    assert any(name.startswith("encoder.layer2") for name in names)


def test_every_weight_takes_part() -> None:
    model = build_segmenter(SMALL).train()
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_the_stride_moves_into_the_first_convolution() -> None:
    model = build_segmenter(SegmenterSettings(encoder="resnet50", decoder=(32, 16, 8, 4), stride_in_1x1=True))
    blocks = [m for m in model.modules() if isinstance(m, Bottleneck)]
    assert any(b.conv1.stride == (2, 2) for b in blocks) and all(b.conv2.stride == (1, 1) for b in blocks)


def test_the_encoder_starts_from_a_classifier_s_weights(tmp_path: Path) -> None:
    classifier = build(ModelSettings(architecture="resnet50", classes=("a", "b")))
    save_weights(tmp_path / "model.safetensors", classifier.state_dict(), bits=32)
    settings = SegmenterSettings(encoder="resnet50", decoder=(32, 16, 8, 4), weights="model.safetensors")
    model = build_segmenter(settings)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    done = initialise_segmenter(model, settings, tmp_path)
    after = model.state_dict()
    assert torch.equal(after["encoder.layer3.0.conv1.weight"], classifier.layer3[0].conv1.weight)
    assert torch.equal(after["encoder.bn1.running_var"], classifier.bn1.running_var)
    assert set(done.loaded) == {n for n in after if n.startswith("encoder.") and "num_batches" not in n}
    assert all(torch.equal(before[n], after[n]) for n in done.missing)
    assert "decoder, segmentation_head start at random" in done.sentence
    assert "encoder.fc.weight" in done.ignored and "encoder.layer4.0.conv1.weight" in done.ignored


def test_another_segmenter_gives_all_of_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = build_segmenter(SMALL), build_segmenter(SMALL)
    save_weights(tmp_path / "unet.safetensors", first.state_dict(), bits=32)
    done = initialise_segmenter(second, SMALL.model_copy(update={"weights": "unet.safetensors"}), tmp_path)
    assert not done.missing and not done.ignored
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


def test_no_weights_change_nothing() -> None:
    assert initialise_segmenter(build_segmenter(SMALL), SMALL).sentence == "All weights start at random."


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "x.safetensors", nn.Linear(3, 2).state_dict(), bits=32)
    settings = SMALL.model_copy(update={"weights": "x.safetensors"})
    with pytest.raises(ModelError, match="fits a U-Net on resnet18"):
        initialise_segmenter(build_segmenter(settings), settings, tmp_path)
    with pytest.raises(ModelError, match="no weights file"):
        initialise_segmenter(build_segmenter(settings), settings)


def test_eight_bits_come_back_close_and_the_last_layer_exact(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, again = build_segmenter(SMALL), build_segmenter(SMALL)
    save_weights(tmp_path / "m.safetensors", model.state_dict(), bits=8)
    load_weights(again, tmp_path / "m.safetensors")
    last = "segmentation_head.0.weight"
    assert torch.equal(model.state_dict()[last], again.state_dict()[last])
    with torch.inference_mode():
        x = torch.randn(2, 3, 32, 32)
        assert (model(x).sigmoid() - again(x).sigmoid()).abs().max() < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preprocessing": Preprocessing(resize=Resize(size=160, fit="crop"))}, "whole frame"),
        (
            {
                "preprocessing": Preprocessing(
                    resize=Resize(size=160, fit="stretch"), dark_corner=DarkCorner(enabled=True)
                )
            },
            "whole frame",
        ),
        ({"preprocessing": Preprocessing(resize=Resize(size=100, fit="stretch"))}, "cannot be halved 5 times"),
    ],
)
def test_settings_that_lose_a_part_of_the_frame_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SegmenterRunSettings(name="x", **change)  # type: ignore[arg-type]
