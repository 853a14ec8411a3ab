"""Several processes without a training: Lightning starts them, or finds those that torchrun or SLURM has started."""

from __future__ import annotations

from lightning.fabric import Fabric


def launch(devices: str, nodes: int, strategy: str) -> None:
    """Start the same command in the other processes and meet them; `lesion_core.distributed` then divides the work.

    Args:
        devices, nodes, strategy: As Lightning's Trainer takes them.
    """
    Fabric(accelerator="auto", devices=devices, num_nodes=nodes, strategy=strategy).launch()
