"""The commands of docs/command-line.md run in a fresh folder as they stand: none fails, warns, or outlasts its time.

In CI those run that the table gives few seconds, the one that needs OpenVINO where it is installed;
``LESION_DOCUMENTED=1 python -m pytest tests/test_commands_run.py`` runs all of them.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest

from tests.documented import PROGRAM, commands, prepare, run, stated

INTERNET = f"{PROGRAM}download demo"
TRAINED = ("checkpoints/trial", "checkpoints/unet")
"""What the long commands make."""
QUICK_S = 30
"""Seconds that a command of CI is given in the table at most."""
NOISE = re.compile(r"warn|deprecat|traceback|unsupported|litlogger|https://lightning", re.IGNORECASE)


def short(command: str) -> bool:
    """Whether CI runs it: it is quick, and needs nothing that a long one makes."""
    return stated()[command] <= QUICK_S and not any(made in command for made in TRAINED)


def test_the_table_gives_every_command_of_the_example_its_time() -> None:
    assert list(stated()) == [command for command in commands() if command != INTERNET]
    assert sum(map(short, stated())) >= 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_ends_in_its_time_without_a_warning(tmp_path: Path) -> None:
    prepare(tmp_path)
    everything = os.environ.get("LESION_DOCUMENTED") == "1"
    chosen = [command for command in stated() if everything or short(command)]
    if importlib.util.find_spec("openvino") is None:
        chosen = [command for command in chosen if "openvino" not in command]
    for ran in run(chosen, tmp_path):
        assert ran.code == 0, (ran.command, ran.err[-2000:])
        assert not NOISE.search(ran.err), (ran.command, ran.err)
        assert ran.seconds <= stated()[ran.command], ran
