"""Several processes without a training: Lightning starts them, or finds those that torchrun or SLURM has started."""

from __future__ import annotations

from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lesion_core.errors import ConfigError
from lesion_core.foreign_text import sentence


def check_workplaces(devices: str, nodes: int, strategy: str) -> Fabric:
    """What Lightning makes of these; arguments as in `launch`.

    Raises:
        ConfigError: It cannot use them on this machine.
    """
    try:
        return Fabric(accelerator="auto", devices=devices, num_nodes=nodes, strategy=strategy)
    except (MisconfigurationException, TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"--devices {sentence(devices, 50)}, --nodes {nodes}, --strategy {sentence(strategy, 50)} cannot be used "
            f"here: {sentence(str(error), 200)}",
            "Leave them out for one process, or name what Lightning knows.",
        ) from None


def launch(devices: str, nodes: int, strategy: str) -> None:
    """Start the same command in the other processes and meet them; `lesion_core.distributed` then divides the work.

    Args:
        devices: Lightning's devices, such as "auto" or "4".
        nodes: Machines.
        strategy: Lightning's strategy, such as "auto" or "ddp".

    Raises:
        ConfigError: Lightning cannot use them on this machine.
    """
    check_workplaces(devices, nodes, strategy).launch()
