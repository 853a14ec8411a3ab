"""The loader of a training: a worker process that stands still or dies ends in a sentence, at once or in good time."""

from __future__ import annotations

import os
import signal
import time

import pytest
import torch
from torch.utils.data import Dataset

from lesion_core.errors import BusyError
from lesion_core.training import loop
from lesion_core.training.loop import RepeatableLoader


class Numbers(Dataset[int]):
    """Numbers, one of which makes the process that is asked for it do something else."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        if index == 5 and self.what == "stands still":
            time.sleep(60)
        if index == 5 and self.what == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 5 and self.what == "fails":
            raise RuntimeError("a fault of ours")
        return index


def loader(what: str, workers: int) -> RepeatableLoader[int]:
    return RepeatableLoader(
        Numbers(what), shuffle=True, generator=torch.Generator().manual_seed(3), num_workers=workers
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["stands still", "is killed"])
def test_a_worker_process_that_does_not_answer_ends_in_a_sentence(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LONGEST_WAIT_S", 1)
    with pytest.raises(BusyError, match="does not answer"):
        list(loader(what, 1))


def test_a_fault_of_the_code_is_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="a fault of ours"):
        list(loader("fails", 1))


@pytest.mark.parametrize("workers", [0, 1])
def test_it_draws_the_same_each_time(workers: int) -> None:
    numbers = loader("answers", workers)
    assert [int(n) for n in numbers] == [int(n) for n in numbers] != list(range(8))
