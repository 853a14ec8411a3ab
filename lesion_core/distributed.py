"""Several processes at one job: which one this is, and everybody's part together. Alone, all of it is a formality.

`torchrun` and Lightning (under SLURM too) start the same command in every process; each scores its share of the
images, and only the first one writes.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import torch
import torch.distributed as process_group

from lesion_core.errors import ConfigError, LesionError

T = TypeVar("T")


def join() -> None:
    """Meet the other processes that `torchrun` has started, unless Lightning already did.

    Raises:
        ConfigError: SLURM has started several processes and nobody said how they belong together.
    """
    if _together():
        return
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        process_group.init_process_group("gloo")
        atexit.register(_leave)  # as PyTorch asks
    elif int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        raise ConfigError(
            "SLURM started several processes, and each would do everything.",
            "Say how many there are: --devices (a machine), --nodes, --strategy ddp.",
        )


def _leave() -> None:
    if _together():
        process_group.destroy_process_group()


def _together() -> bool:
    return process_group.is_available() and process_group.is_initialized()


def rank() -> int:
    """The number of this process, from 0."""
    return process_group.get_rank() if _together() else 0


def world() -> int:
    """How many processes there are."""
    return process_group.get_world_size() if _together() else 1


def first() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank() == 0


def starts() -> bool:
    """Whether this is the first process also while they have not met yet, by what their launcher told them."""
    names = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    return first() and all(os.environ.get(name, "0") == "0" for name in names)


def gather(part: T) -> list[T]:
    """Every process's part, by rank, in every process."""
    if world() == 1:
        return [part]
    parts: list[T | None] = [None] * world()
    process_group.all_gather_object(parts, part)
    return parts  # type: ignore[return-value]


def parts(work: Callable[[], T]) -> list[T]:
    """What each process makes, by rank, in every process; where one fails, all do: they would wait for it for ever.

    Raises:
        LesionError, OSError: What the first of those that failed raised.
    """
    made: T | LesionError | OSError
    try:
        made = work()
    except (LesionError, OSError) as error:
        made = error
    found = gather(made)
    for one in found:
        if isinstance(one, LesionError | OSError):
            raise one
    return [one for one in found if not isinstance(one, LesionError | OSError)]


def wait() -> None:
    """Go on when all are here: what the first process wrote can be read then."""
    if world() > 1:
        process_group.barrier()


@contextmanager
def by_first(context: AbstractContextManager[T]) -> Iterator[T]:
    """Enter a context in the first process only; all get its value, or its error."""
    with ExitStack() as stack:
        entered: list[T] = []
        error: LesionError | OSError | None = None
        if first():
            try:
                entered.append(stack.enter_context(context))
            except (LesionError, OSError) as problem:
                error = problem
        entered, error = gather((entered, error))[0]
        if error is not None:
            raise error
        yield entered[0]


def device() -> torch.device:
    """Where this process computes: its own GPU where there is one."""
    if torch.cuda.is_available():
        local = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
        return torch.device("cuda", int(local) % torch.cuda.device_count())
    return torch.device("cpu")
