"""Drawing at a seed: one at a time, and whoever waits can leave."""

from __future__ import annotations

import threading

import pytest
import torch

from lesion_core.explain.target_function import seeded


class StoppedError(Exception):
    """What a page raises when a visitor presses *Stop*."""


def test_who_waits_for_the_random_numbers_can_stop_and_the_next_one_draws() -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with seeded(0):
            inside.set()
            leave.wait(30)

    def stop(_: int) -> None:
        raise StoppedError

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert inside.wait(10)
        with pytest.raises(StoppedError), seeded(1, stop):
            pytest.fail("drew while another did")
    finally:
        leave.set()
        other.join()
    with seeded(2, stop):  # nothing to wait for: it is not asked
        drawn = torch.rand(3)
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(2)))
