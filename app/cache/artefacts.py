"""What a run's stored answers say with each artefact and without it: computed once for all visitors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.cache import images as cached_images
from app.cache.elsewhere import HASHES
from app.cache.facts import facts, facts_state, labels, labels_state
from app.cache.results import answers
from app.cache.runs import BY_FINGERPRINT, rejector
from app.components import outline
from lesion_core.analysis.evaluation_sets import evaluation_data
from lesion_core.analysis.slices import of_melanoma, slices
from lesion_core.analysis.small_slices import RandomSlices, random_slices
from lesion_core.data.artefact_labels import LABELLED
from lesion_core.data.image_facts import SCORES
from lesion_core.data.samples import real_samples
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.finders.registry import find_artefact
from lesion_core.labels import HAM10000
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import FileState

FOUND = 0.5
"""Score from which on a finder says that the artefact is there: the cut that separated the images tuned on best."""
LABELLED_SET = "isic2017"


Seen = tuple[FileState, FileState | None]


def seen_in(root: Path | None) -> Seen:
    """What changes with the tables that say what images show: for what is kept of them."""
    return facts_state(SCORES), labels_state(root)


@dataclass(frozen=True)
class Sliced:
    """Slices of a run's images.

    Attributes:
        table: As `slices` gives it.
        n_images: Images of which somebody says what they show.
        without: Images of which nobody does.
        present: By artefact, how many images show it.
    """

    table: pd.DataFrame
    n_images: int
    without: int
    present: dict[str, int]


@st.cache_resource(show_spinner="Comparing slices …", max_entries=32, hash_funcs=HASHES)
def sliced(run: Run, policy: Policy | None, by: str, root: Path | None, seen_in: Seen) -> Sliced | None:  # noqa: ARG001
    """Melanomas found, nevi called melanoma and rejection by artefact.

    Args:
        run: The run.
        policy: What it rejects by.
        by: "labels", by people, of ISIC 2017's test images; "finders", of all test images; "official", the same of the
            official test set.
        root: The data folder, which holds the labels.
        seen_in: `seen_in` of now.

    Returns:
        None where nobody says what any of the images shows.
    """
    if by == "labels":
        labelled = labels(root) if root else None
        seen = None if labelled is None else labelled.set_index("image_id")[list(LABELLED)]
    else:
        scores = facts(SCORES)
        seen = None if scores is None else scores.set_index("image_id")[list(LABELLED)] > FOUND
    own = run.part("test", {"official": OFFICIAL_TEST, "labels": LABELLED_SET}.get(by))
    if seen is None or not (known := own["image_id"].isin(seen.index).to_numpy(bool)).any():
        return None
    rows = own[known]
    data = evaluation_data(run, rows, HAM10000) or evaluation_data(run, rows, run.classes)
    if data is None:
        return None
    there = seen.loc[rows["image_id"]]
    present = {key: there[key].to_numpy(bool) for key in LABELLED}
    rejected = None if policy is None else ~rejector(run, policy).keeps(outputs_of(run, rows))
    table = slices(data, present, rejected, asked=of_melanoma)
    return Sliced(table, len(rows), len(own) - len(rows), {key: int(has.sum()) for key, has in present.items()})


@st.cache_resource(show_spinner="Drawing slices at random …", max_entries=256, hash_funcs=BY_FINGERPRINT)
def drawn_at_random(run: Run, size: int) -> RandomSlices:
    """The share of melanomas found in slices of the test melanomas that are drawn at random."""
    return random_slices(melanomas_found(run), size)


def melanomas_found(run: Run) -> NDArray[np.bool_]:
    """(N,) bool: which of the test melanomas the run finds; N is 0 where it has none."""
    data = answers(run, "test")
    if data is None or "MEL" not in data.classes:
        return np.zeros(0, np.bool_)
    melanoma = data.classes.index("MEL")
    return np.asarray((data.predicted == melanoma)[data.truth == melanoma])


@dataclass(frozen=True)
class Example:
    """An image of an artefact.

    Attributes:
        image_id: Its id.
        pixels: The image with what the finder marks outlined.
        score: What the finder says.
        labelled: Whether people saw the artefact; None where nobody looked.
    """

    image_id: str
    pixels: Pixels
    score: float
    labelled: bool | None


@st.cache_resource(show_spinner="Looking for examples …", max_entries=8)
def examples(root: Path, artefact: str, seen_in: Seen, most: int = 5) -> list[Example]:  # noqa: ARG001
    """Test images of ISIC 2017 that show an artefact, as far as they lie in a data folder.

    Where people have labelled them: three that they and the finder agree on, one that it misses, and one where it sees
    what they do not; else those with the highest scores.

    Args:
        root: The data folder.
        artefact: Of `LABELLED`.
        seen_in: `seen_in` of now.
        most: Images.
    """
    scores = facts(SCORES)
    if scores is None or LABELLED_SET not in cached_images.data_sets():
        return []
    here = cached_images.catalog(LABELLED_SET).present.set_index("image_id")
    table = scores[scores["image_id"].isin(here.index)].sort_values([artefact, "image_id"], ascending=[False, True])
    labelled = labels(root)
    said = None if labelled is None else labelled.set_index("image_id")[artefact]
    if said is not None:
        table = table[table["image_id"].isin(said.index)]
        seen = said.loc[table["image_id"]].to_numpy(bool)
        table = pd.concat([table[seen].head(most - 2), table[seen].tail(1), table[~seen].head(1)])
        table = table.drop_duplicates("image_id")
    found = []
    for sample in real_samples(here.loc[table["image_id"].head(most)].reset_index()):
        image = cached_images.picture(sample).image
        said_here = find_artefact(image, artefact)
        shown = outline(image, said_here.mask, (255, 255, 0)) if said_here.mask.any() else image
        people = None if said is None else bool(said[sample.id])
        found.append(Example(sample.id, shown, said_here.score, people))
    return found
