"""The networks: their registry, initial weights, and features."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.resnet import Bottleneck

from lesion_core.config import ModelSettings
from lesion_core.errors import ModelError
from lesion_core.models.classifiers import (
    ARCHITECTURES,
    architecture,
    build,
    initialise,
    pool,
    sharing_weights,
    stages,
    untrained,
)

SMALL = ModelSettings(architecture="resnet10", classes=("MEL", "NV", "BCC"))


def settings(name: str, **changes: object) -> ModelSettings:
    return SMALL.model_copy(update={"architecture": name, **changes})


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_features_and_the_last_layer_are_the_network(name: str) -> None:
    torch.manual_seed(0)
    model = build(settings(name))
    x = torch.randn(2, 3, 33, 40)
    with torch.inference_mode():
        earlier, last = stages(model, x)
        found, width = pool(model, last), {"resnet10": 512, "resnet10_half": 256}.get(name, 2048)
        assert found.shape == (2, width) and pool(model, earlier).shape == (2, width // 2)
        torch.testing.assert_close(model.fc(found), model(x))
        torch.testing.assert_close(pool(model, earlier), earlier.mean(dim=(2, 3)))
    assert not model.training and model.fc.out_features == 3


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_the_registry_says_is_so(name: str) -> None:
    with torch.device("meta"):
        model = ARCHITECTURES[name].build(8)
    trunk = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("fc."))
    said = re.search(r"([\d.]+) M weights", ARCHITECTURES[name].sentence)
    assert said and float(said[1]) == pytest.approx(trunk / 1e6, abs=0.1)


def test_the_stride_is_where_the_settings_say() -> None:
    v15, v1 = (build(settings("resnet50", stride_in_1x1=first)) for first in (False, True))
    blocks = [(a, b) for a, b in zip(v15.modules(), v1.modules(), strict=True) if isinstance(a, Bottleneck)]
    assert len(blocks) == 16
    for usual, original in blocks:
        assert (usual.conv1.stride, usual.conv2.stride) == (original.conv2.stride, original.conv1.stride)
    assert sum(b.conv1.stride == (2, 2) for _, b in blocks) == 3
    assert all(b.conv2.stride == (1, 1) for _, b in blocks)
    v1.load_state_dict(v15.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert [stage.shape for stage in stages(v1, x)] == [stage.shape for stage in stages(v15, x)]
        assert not torch.allclose(v1(x), v15(x))


def test_basic_blocks_have_no_1x1_to_move() -> None:
    x = torch.randn(1, 3, 32, 32)
    a, b = build(SMALL), build(settings("resnet10", stride_in_1x1=True))
    b.load_state_dict(a.state_dict())
    torch.testing.assert_close(a(x), b(x), rtol=0, atol=0)


def test_unknown_names_list_the_known() -> None:
    for call in (lambda: architecture("vgg"), lambda: build(settings("vgg"))):
        with pytest.raises(ModelError, match=r"no classifier 'vgg'.*resnet10.*resnet152"):
            call()


def test_no_weights_leave_the_network_as_it_is() -> None:
    model = build(SMALL)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    assert initialise(model, SMALL).sentence == "All weights start at random."
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


def test_partial_weights_say_what_is_missing(tmp_path: Path) -> None:
    other = build(settings("resnet10", classes=("a", "b", "c", "d")))
    state = {n: t for n, t in other.state_dict().items() if not n.startswith("layer4") and "num_batches" not in n}
    save_file({**state, "head.weight": torch.zeros(1)}, tmp_path / "part.safetensors")
    model = build(SMALL)
    layer4 = model.layer4[0].conv1.weight.clone()
    found = initialise(model, settings("resnet10", weights="part.safetensors"), tmp_path)
    torch.testing.assert_close(model.layer3[0].conv1.weight, other.layer3[0].conv1.weight, rtol=0, atol=0)
    torch.testing.assert_close(model.layer4[0].conv1.weight, layer4, rtol=0, atol=0)
    assert found.ignored == ("fc.bias", "fc.weight", "head.weight")
    assert {n.split(".")[0] for n in found.missing} == {"fc", "layer4"}
    assert set(found.loaded) == {n for n in state if not n.startswith("fc.")}
    own = len([n for n in model.state_dict() if "num_batches" not in n])
    assert found.sentence == f"{len(found.loaded)} of {own} tensors were taken over; fc, layer4 start at random."


def test_blocks_of_a_deeper_network_that_are_dropped_are_named(tmp_path: Path) -> None:
    model = build(SMALL)
    deeper = {n.replace("layer2.0.", f"layer2.{i}."): t for i in range(4) for n, t in model.state_dict().items()}
    save_file({n: t.clone() for n, t in deeper.items()}, tmp_path / "deep.safetensors")
    found = initialise(model, settings("resnet10", weights="deep.safetensors"), tmp_path)
    assert found.sentence.endswith("taken over; of the source's layer2 the blocks from 2 to 4 were dropped.")


def test_weights_may_be_named_by_path(tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    save_file(build(SMALL).state_dict(), path)
    found = initialise(build(SMALL), settings("resnet10", weights=str(path)))
    assert not found.missing and found.sentence.endswith("tensors were taken over.")


def test_a_blank_network_draws_nothing_and_is_the_same_once_filled() -> None:
    whole = build(SMALL)
    before = torch.get_rng_state()
    empty = untrained(SMALL)
    assert torch.equal(before, torch.get_rng_state()), "others draw from this stream"
    empty.load_state_dict(whole.state_dict())
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(empty(x), whole(x), rtol=0, atol=0)
    assert not empty.training


def test_a_twin_has_the_same_weights_and_hooks_of_its_own() -> None:
    model = build(ModelSettings(architecture="resnet10", classes=("a", "b")))
    second = sharing_weights(model)
    for one, other in zip(
        (*model.parameters(), *model.buffers()), (*second.parameters(), *second.buffers()), strict=True
    ):
        assert one.data_ptr() == other.data_ptr()
    calls: list[str] = []
    second.layer4.register_forward_hook(lambda *_: calls.append("second"))
    x = torch.rand(1, 3, 32, 32)
    expected = model(x)
    assert not calls
    torch.testing.assert_close(second(x), expected)
    assert calls == ["second"]


def test_a_new_head_forgets_how_an_earlier_training_answered(tmp_path: Path) -> None:
    earlier, model = build(SMALL), build(SMALL)
    save_file(earlier.state_dict(), tmp_path / "earlier.safetensors")
    head = model.fc.weight.clone()
    found = initialise(model, settings("resnet10", weights="earlier.safetensors", new_head=True), tmp_path)
    torch.testing.assert_close(model.fc.weight, head, rtol=0, atol=0)
    torch.testing.assert_close(model.layer4[0].conv1.weight, earlier.layer4[0].conv1.weight, rtol=0, atol=0)
    assert set(found.missing) == {"fc.weight", "fc.bias"}


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_file({"encoder.weight": torch.zeros(3)}, tmp_path / "strange.safetensors")
    (tmp_path / "weights.pth").write_bytes(b"\x80\x04K\x01.")
    for name, description in (
        ("strange.safetensors", "None of the 1 tensors"),
        ("weights.pth", "cannot be read as safetens"),
        ("none.safetensors", "no weights file"),
    ):
        with pytest.raises(ModelError, match=description):
            initialise(build(SMALL), settings("resnet10", weights=name), tmp_path)


def test_the_hub_has_no_small_network() -> None:
    with pytest.raises(ModelError, match="no weights for resnet10"):
        initialise(build(SMALL), settings("resnet10", weights="imagenet"))


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("lesion_core.models.classifiers.get_model", offline)
    with pytest.raises(ModelError, match=r"could not be downloaded.*Check the network"):
        initialise(build(SMALL), settings("resnet50", weights="imagenet"))
