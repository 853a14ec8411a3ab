"""Equal parts of several sources: the same diagnoses in the same numbers, whatever else the table holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_core.data.equal_sources import LEARNED, of_sources
from lesion_core.data.tables import OFFICIAL_TEST, ROLES
from lesion_core.errors import DataError

SOURCES = ("a", "b", "c")


def table_of(seed: int = 0, n: int = 900) -> pd.DataFrame:
    """Lesions of three sources, the last with few and with another mix of diagnoses; some have two images."""
    rng = np.random.default_rng(seed)
    source = rng.choice(SOURCES, n, p=[0.6, 0.3, 0.1])
    mix = {"a": [0.2, 0.7, 0.1], "b": [0.4, 0.4, 0.2], "c": [0.3, 0.3, 0.4]}
    table = pd.DataFrame(
        {
            "group": [f"lesion {i}" for i in range(n)],
            "dataset": source,
            "diagnosis": [str(rng.choice(["MEL", "NV", "BKL"], p=mix[one])) for one in source],
            "role": rng.choice(ROLES, n, p=[0.4, 0.2, 0.2, 0.2]),
        }
    )
    official = table.head(5).assign(dataset=OFFICIAL_TEST, role="test", group=[f"official {i}" for i in range(5)])
    table = pd.concat([table, table[::3], official], ignore_index=True)
    return table.assign(image_id=[f"image {i}" for i in range(len(table))])


@pytest.mark.parametrize("seed", range(3))
def test_every_source_gives_as_many_of_each_diagnosis(seed: int) -> None:
    table = table_of(seed)
    counts = {}
    for sources in (("a",), ("b",), ("c",), SOURCES):
        own = of_sources(table, sources, SOURCES)
        learned = own[own["role"].isin(LEARNED)]
        assert set(learned["dataset"]) == set(sources) and not learned["group"].duplicated().any()
        pd.testing.assert_frame_equal(own[own["role"] == "test"], table[table["role"] == "test"])
        counts[sources] = learned.groupby(["role", "diagnosis"]).size()
        if sources == SOURCES:
            by_source = pd.crosstab([learned["role"], learned["diagnosis"]], learned["dataset"])
            assert (by_source.max(axis=1) - by_source.min(axis=1)).max() <= 1
            assert by_source.sum().max() - by_source.sum().min() <= len(SOURCES), "no source is always first"
    lesions = table[table["role"].isin(LEARNED)].drop_duplicates("group")
    fewest = lesions.groupby(["dataset", "role", "diagnosis"]).size().groupby(["role", "diagnosis"]).min()
    for found in counts.values():
        pd.testing.assert_series_equal(found, fewest, check_names=False)


def test_a_lesion_is_chosen_by_its_name_alone() -> None:
    table = table_of()
    own = of_sources(table, ["b"], SOURCES)
    again = of_sources(table.sample(frac=1, random_state=1), ["b"], SOURCES)
    assert set(own["image_id"]) == set(again["image_id"])
    without_a = table[(table["dataset"] != "a") | (table["role"] == "test")]
    alone = of_sources(without_a, ["b"], ["b", "c"])
    assert set(own["image_id"]) <= set(alone["image_id"])


def test_a_source_without_a_diagnosis_is_told() -> None:
    table = table_of()
    gone = (table["dataset"] == "c") & (table["diagnosis"] == "BKL") & (table["role"] == "select")
    with pytest.raises(DataError, match=r"c has no BKL in the validation set"):
        of_sources(table[~gone], ["a"], SOURCES)
