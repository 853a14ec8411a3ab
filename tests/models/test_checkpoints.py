"""Weights on disk: within half a scale of what they were, and nothing else is loaded."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import load_file, save_file

from lesion_core.config import ModelSettings
from lesion_core.errors import ModelError
from lesion_core.models.checkpoints import SCALE, load_tensors, load_weights, save_weights
from lesion_core.models.classifiers import build
from lesion_core.models.quantization import dequantize, gram_matrices, quantize

SMALL = ModelSettings(architecture="resnet10", classes=("MEL", "NV", "BCC"))
FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), elements=FLOATS))
def test_eight_bits_are_within_half_a_scale(values: np.ndarray) -> None:
    weight = torch.from_numpy(values)
    q, scale = quantize(weight)
    assert q.dtype == torch.int8 and q.shape == weight.shape and scale.shape == weight.shape[:1]
    assert int(q.min()) >= -127 and bool((scale > 0).all())
    each = scale.double().view(-1, *[1] * (weight.ndim - 1))
    assert bool(((dequantize(q, scale).double() - weight.double()).abs() <= each * (0.5 + 1e-4)).all())


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-10, 10, width=32)))
def test_quantizing_twice_changes_no_integer(values: np.ndarray) -> None:
    q, scale = quantize(torch.from_numpy(values))
    again, _ = quantize(dequantize(q, scale))
    assert torch.equal(q, again)


def test_a_channel_of_zeros_stays_zero() -> None:
    q, scale = quantize(torch.tensor([[0.0, 0.0], [1.0, -2.0]]))
    assert scale[0] == 1 and dequantize(q, scale)[0].tolist() == [0, 0]
    assert q[1].tolist() == [64, -127]


def inputs(places: int, width: int, seed: int = 0) -> torch.Tensor:
    """Inputs (width, places) as after a ReLU: not negative, and each much like the next."""
    random = torch.Generator().manual_seed(seed)
    few = torch.randn(4, places, generator=random)
    mixed = torch.randn(width, 4, generator=random) @ few + 0.1 * torch.randn(width, places, generator=random)
    return mixed.clamp_min(0)


def test_weights_rounded_with_regard_to_the_inputs_change_the_answers_less() -> None:
    weight, x = torch.randn(16, 200, generator=torch.Generator().manual_seed(1)), inputs(500, 200)
    errors = []
    for gram in (None, x @ x.T):
        q, scale = quantize(weight, gram)
        assert q.dtype == torch.int8 and q.shape == weight.shape and int(q.min()) >= -127
        errors.append(float(((dequantize(q, scale) - weight) @ inputs(500, 200, seed=0)).pow(2).mean().sqrt()))
    assert torch.equal(quantize(weight)[1], quantize(weight, x @ x.T)[1])
    assert errors[1] < errors[0] / 2, errors


def test_rounding_with_regard_to_the_inputs_as_in_the_paper() -> None:
    """Against the update of Hassibi and Stork, one weight at a time with the inverse made anew each time."""
    weight, x = torch.randn(3, 12, generator=torch.Generator().manual_seed(2)), inputs(60, 12)
    gram = (x @ x.T).double()
    damped = gram + 0.01 * gram.diagonal().mean() * torch.eye(12)
    scale = weight.abs().amax(1).double() / 127
    left, expected = weight.double().clone(), torch.zeros(3, 12)
    for i in range(12):
        inverse = torch.linalg.inv(damped[i:, i:])
        expected[:, i] = torch.clamp(torch.round(left[:, i] / scale), -127, 127)
        error = (left[:, i] - expected[:, i] * scale) / inverse[0, 0]
        left[:, i:] -= error[:, None] * inverse[0]
    assert torch.equal(quantize(weight, gram.float())[0].float(), expected)


def test_inputs_that_say_nothing_leave_plain_rounding() -> None:
    weight = torch.randn(4, 9, generator=torch.Generator().manual_seed(3))
    for gram in (torch.zeros(9, 9), torch.eye(9)):
        assert torch.equal(quantize(weight, gram)[0], quantize(weight)[0])


def test_gram_matrices_are_of_what_each_convolution_sees() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1, stride=2)
    ).eval()
    x = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(4))
    grams = gram_matrices(model, [x])
    patches = torch.nn.functional.pad(x, (1, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2).permute(0, 2, 3, 1, 4, 5)
    rows = patches.reshape(-1, 27)
    torch.testing.assert_close(grams["0.weight"], rows.T @ rows, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        seen = model[:2](x)[:, :, ::2, ::2].permute(0, 2, 3, 1).reshape(-1, 4)
    torch.testing.assert_close(grams["2.weight"], seen.T @ seen, rtol=1e-4, atol=1e-4)
    twice = gram_matrices(model, [x, x])
    torch.testing.assert_close(twice["0.weight"], 2 * grams["0.weight"])


@pytest.mark.parametrize("bits", [8, 32])
def test_a_model_comes_back(tmp_path: Path, bits: int) -> None:
    model, again = build(SMALL), build(SMALL)
    path = tmp_path / "new" / "model.safetensors"
    save_weights(path, model.state_dict(), bits=bits)
    load_weights(again, path)
    stored = load_file(path)
    assert not any(n.endswith("num_batches_tracked") for n in stored)
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        found = again.state_dict()[name]
        if bits == 8 and tensor.ndim >= 2 and not name.startswith("fc."):
            assert stored[name].dtype == torch.int8
            assert ((found - tensor).abs().flatten(1).amax(1) <= stored[name + SCALE] * 0.5001).all()
        else:
            assert stored[name].dtype == torch.float32 and torch.equal(found, tensor)


def test_only_8_and_32_bits(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="16 bits"):
        save_weights(tmp_path / "w.safetensors", {}, bits=16)


def test_a_diverged_model_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"layer1\.weight has values that are not finite"):
        save_weights(tmp_path / "w.safetensors", {"layer1.weight": torch.tensor([[float("nan")]])})
    assert not (tmp_path / "w.safetensors").exists()


class Trap:
    """What an unpickler would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path(self.target),)) if hasattr(self, "target") else (str, ("",))


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    trap, sprung = Trap(), tmp_path / "sprung"
    trap.target = str(sprung)  # type: ignore[attr-defined]
    for name, data in (("a.pt", pickle.dumps(trap)), ("b.safetensors", pickle.dumps(trap))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            load_tensors(tmp_path / name)
    assert not sprung.exists()
    pickle.loads((tmp_path / "a.pt").read_bytes())
    assert sprung.exists(), "the trap itself works"


def test_torch_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"never loaded"):
        load_tensors(tmp_path / "w.pth")


@pytest.mark.parametrize("keep", [0, 7, 100, 0.5, 0.999])
def test_truncated_files_are_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, build(SMALL).state_dict())
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        load_tensors(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(ModelError, match="no weights file"):
            load_tensors(path)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (None, "lacks the scales of conv"),
        (torch.ones(3), "not one number per output channel"),
        (torch.ones(1), "not one number per output channel"),
        (torch.ones(2, dtype=torch.int8), "not one number"),
    ],
)
def test_scales_must_be_there_and_fit(tmp_path: Path, scale: torch.Tensor | None, message: str) -> None:
    tensors = {"conv": torch.ones(2, 3, dtype=torch.int8)}
    if scale is not None:
        tensors["conv" + SCALE] = scale
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=message):
        load_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize("change", ["another class count", "a tensor less", "a tensor more"])
def test_weights_of_another_model_are_refused(tmp_path: Path, change: str) -> None:
    given = SMALL
    if change == "another class count":
        given = SMALL.model_copy(update={"classes": ("MEL", "NV")})
    state = build(given).state_dict()
    if change == "a tensor less":
        del state["bn1.bias"]
    elif change == "a tensor more":
        state["bn9.bias"] = torch.zeros(2)
    save_weights(tmp_path / "w.safetensors", state)
    model = build(SMALL)
    before = {n: t.clone() for n, t in model.state_dict().items()}
    with pytest.raises(ModelError, match=r"does not fit the model: \d+ tensors differ"):
        load_weights(model, tmp_path / "w.safetensors")
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
