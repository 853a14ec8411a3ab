"""Several processes without a training: Lightning starts them, or finds those that torchrun or SLURM has started."""

from __future__ import annotations

from lightning.fabric import Fabric


def launch(devices: str, nodes: int, strategy: str) -> None:
    """Start the same command in the other processes and meet them; `lesion_core.distributed` then divides the work.

    Args:
        devices: Lightning's devices, such as "auto" or "4".
        nodes: Machines.
        strategy: Lightning's strategy, such as "auto" or "ddp".
    """
    Fabric(accelerator="auto", devices=devices, num_nodes=nodes, strategy=strategy).launch()
