"""Policies that were altered, forged, or belong to another run: what is rejected is never silently something else."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from lesion_core.ood.policy import Policy, read_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.runs.classifier import open_run
from lesion_core.runs.small_files import MOST_BYTES
from tests.mutations.oracle import Input, Make, Part
from tests.mutations.runs import RUNS, SHIPPED, damaged, policy_text
from tests.mutations.settings import ODD, leaves, same, text_of, with_value

Rng = np.random.Generator
ORIGINAL = SHIPPED / RUNS[0] / "policy.json"


@functools.cache
def run() -> Any:
    return open_run(SHIPPED / RUNS[0])


def reading(folder: Path, content: bytes, note: str, **oracle: Any) -> Input:
    path = folder / "policy.json"
    path.write_bytes(content)
    return Input(lambda: read_policy(run(), path), note=note, **oracle)


def unchanged(policy: Policy) -> str | None:
    original = json.loads(ORIGINAL.read_bytes())["policy"]
    return None if same(original, policy.model_dump(mode="json")) else "another policy than the one that was chosen"


def sound(rng: Rng, folder: Path) -> Input:
    tree = json.loads(ORIGINAL.read_bytes())
    text = (json.dumps(tree, indent=3), policy_text(tree["policy"]), ORIGINAL.read_text())[rng.integers(3)]
    return reading(folder, text.encode(), "as it is", wrong=unchanged, refusable=False)


def altered(rng: Rng, folder: Path) -> Input:
    """Another value and the old check."""
    tree = json.loads(ORIGINAL.read_bytes())
    places = leaves(tree)
    at = places[rng.integers(len(places))]
    return reading(
        folder, text_of(with_value(tree, at, ODD[rng.integers(len(ODD))])).encode(), f"{at}", wrong=unchanged
    )


def broken(rng: Rng, folder: Path) -> Input:
    content, how = damaged(rng, ORIGINAL.read_bytes())
    return reading(folder, content, how, wrong=unchanged)


def twice(rng: Rng, folder: Path) -> Input:
    """A field with two values, or a policy for two runs."""
    tree = json.loads(ORIGINAL.read_bytes())
    key = ("threshold", "kept_share", "temperature", "score", "run", "check")[rng.integers(6)]
    lines = json.dumps(tree, indent=1).splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith(f'"{key}"'))
    other = f'"{key}": ' + ("1e9", "null", '"confidence"')[rng.integers(3)] + ","
    lines.insert(at, other)
    return reading(folder, "\n".join(lines).encode(), f"{key} twice")


def forged(rng: Rng, folder: Path) -> Input:
    """Another value and a check that fits: understood as it stands, or refused; never something between."""
    policy = json.loads(ORIGINAL.read_bytes())["policy"]
    places = leaves(policy)
    at = places[rng.integers(len(places))]
    given = with_value(policy, at, ODD[rng.integers(len(ODD))])

    def wrong(found: Policy) -> str | None:
        return None if same(given, found.model_dump(mode="json")) else f"understood otherwise: {str(found)[:100]}"

    return reading(folder, policy_text(given).encode("utf-8", "surrogatepass"), f"forged {at}", wrong=wrong)


def loosened(rng: Rng, folder: Path) -> Input:
    """Thresholds that keep more or fewer than they say, with a check that fits: never put to work."""
    policy = json.loads(ORIGINAL.read_bytes())["policy"]
    what = int(rng.integers(3))
    if what == 0:
        limit = policy["limits"][rng.integers(len(policy["limits"]))]
        limit["threshold"] += float(rng.choice((-1, 1))) * float(rng.uniform(1, 1e6))  # past an image's score at least
    elif what == 1:
        policy["kept_share"] = float(rng.uniform(0, 0.9))
    else:
        policy["limits"] = [limit | {"kept_share": None} for limit in policy["limits"]]
    path = folder / "policy.json"
    path.write_text(policy_text(policy))
    return Input(lambda: Rejector.open(run(), path), note=f"loosened {what}")


def no_file(rng: Rng, folder: Path) -> Input:
    """A place with a name where no policy can be read: a folder, a pipe, links, a mark alone, blanks, too much."""
    path, what = folder / "policy.json", int(rng.integers(7))
    if what == 0:
        path.mkdir()
    elif what == 1:
        os.mkfifo(path)
    elif what <= 3:
        path.symlink_to(folder / ("nowhere", "policy.json")[what - 2])
    else:
        path.write_bytes((b"\xef\xbb\xbf", b" " * int(rng.integers(100)), b" " * (MOST_BYTES + 1))[what - 4])
    return Input(lambda: read_policy(run(), path), note=f"no file {what}")


KINDS: dict[str, Make] = {make.__name__: make for make in (sound, altered, broken, twice, forged, loosened, no_file)}

PART = Part(KINDS, run)
