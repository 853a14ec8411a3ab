"""A program that writes runs and all else in processes of its own."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.writers import Made
from tests.writing_server import Server


@pytest.fixture(scope="session")
def made(trained: Any, small_segmenter: Any, data_root: Path) -> Made:
    table = pd.concat([rows.head(8) for _, rows in trained.collection.table.groupby("role")], ignore_index=True)
    return Made(data_root, trained.run.folder, small_segmenter.folder, table, trained.collection.ood.head(2))


@pytest.fixture(scope="session")
def server(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "made").write_bytes(pickle.dumps(made))
    running = Server(folder / "made", folder / "told")
    with running.program:
        yield running
        assert running.program.stdin is not None
        running.program.stdin.close()
