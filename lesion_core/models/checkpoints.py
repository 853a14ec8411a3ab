"""Weights on disk: safetensors only, 8 bits per weight for what ships. No pickle is ever loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from lesion_core.errors import ModelError
from lesion_core.foreign_text import shown
from lesion_core.models.quantization import dequantize, quantize
from lesion_core.steps import Progress

SCALE = ".scale"
EXACT = ("fc.", "segmentation_head.")
"""The last layers: small, and every answer hangs on them."""


def save_weights(
    path: Path,
    state: dict[str, Tensor],
    *,
    bits: int = 8,
    grams: Mapping[str, Tensor] | None = None,
    on_progress: Progress | None = None,
) -> None:
    """Write a model's state: convolutions and matrices at `bits` (8 or 32) a weight, vectors at float32.

    The layers of `EXACT` stay at float32.

    Args:
        path: The safetensors file.
        state: By name.
        bits: 8 or 32.
        grams: What the layers see, of `quantization.gram_matrices`: their weights are rounded with regard to it.
        on_progress: Called with tensors done and tensors in all.

    Raises:
        ModelError: Another number of bits, or a weight is not finite.
    """
    if bits not in (8, 32):
        raise ModelError(f"Weights cannot be stored at {bits} bits.", "Use 8 or 32.")
    stored: dict[str, Tensor] = {}
    for done, (name, tensor) in enumerate(state.items()):
        if on_progress:
            on_progress(done, len(state))
        if name.endswith("num_batches_tracked"):
            continue
        if not torch.isfinite(tensor).all():
            raise ModelError(
                f"The weight {name} has values that are not finite.", "The training diverged: lower its rate."
            )
        if bits == 8 and tensor.ndim >= 2 and not name.startswith(EXACT):
            stored[name], stored[name + SCALE] = quantize(tensor, (grams or {}).get(name))
        else:
            stored[name] = tensor.float().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Through bytes: safetensors itself opens no path that is not UTF-8.
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in stored.items()}, {"bits": str(bits)}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; 8-bit weights come back as float32, other tensors as they are.

    Raises:
        ModelError: There is no such file, it is not a safetensors file, or a scale is missing or does not fit.
    """
    if not path.is_file():
        raise ModelError(f"There is no weights file at {shown(str(path), 200)}.", "Check the path.")
    try:
        stored = load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path.name} cannot be read as safetensors ({error}).",
            "It is truncated, altered or another format; copy it again. Pickled .pt and .pth files are never loaded.",
        ) from None
    weights: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE) and name[: -len(SCALE)] in stored:
            continue
        if tensor.dtype == torch.int8:
            if name + SCALE not in stored:
                raise ModelError(f"{path.name} lacks the scales of {name}.", "The file is incomplete; copy it again.")
            scale = stored[name + SCALE]
            if scale.shape != tensor.shape[:1] or not scale.is_floating_point():
                raise ModelError(
                    f"The scales of {name} in {path.name} are not one number per output channel.",
                    "The file was altered; copy it again.",
                )
            weights[name] = dequantize(tensor, scale)
        else:
            weights[name] = tensor
    return weights


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Load a whole model's weights, all of them and no others.

    Raises:
        ModelError: `load_tensors` refuses the file, or a tensor is missing, unknown, of another shape or
            holds no floating-point numbers.
    """
    found = load_tensors(path)
    own = {n: t for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    both = own.keys() & found.keys()
    others = {n for n in both if own[n].shape != found[n].shape or not found[n].is_floating_point()}
    wrong = sorted((own.keys() ^ found.keys()) | others)
    if wrong:
        raise ModelError(
            f"{path.name} does not fit the model: {len(wrong)} tensors differ, the first is {wrong[0]}.",
            "The weights and config.json belong to different models; take both from one run.",
        )
    model.load_state_dict(found, strict=False)
