"""The known answer covers all that an answer hangs on: whoever alters one of it, with hashes that fit, is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from lesion_core.errors import RunError
from lesion_core.ood.known_answer import FILE, read_known_answer
from lesion_core.ood.policy import Policy, write_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.ood.scores import Scorer, offered
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run, open_run, write_config
from lesion_core.serving.classifier import Engine

Json = dict[str, Any]


def test_it_is_what_the_engine_says(small_run: Run, engine: Engine) -> None:
    known, found = read_known_answer(small_run), engine.predict(small_run.golden[0])
    assert list(known.logits) == list(small_run.classes)
    np.testing.assert_allclose(list(known.logits.values()), found.logits, atol=1e-4)
    np.testing.assert_allclose(known.reduced, found.outputs.reduced[0], atol=0.02)
    assert known.temperature == small_run.calibration.temperature
    assert set(known.scores) == set(offered(small_run))
    for key, values in Scorer.of(small_run).all(found.outputs).items():
        assert values[0] == pytest.approx(known.scores[key], rel=0.01, abs=0.01)


def alter_config(folder: Path, change: Callable[[Json], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config["settings"])
    (folder / "config.json").write_text(json.dumps(config))


def swap_classes(settings: Json) -> None:
    classes = settings["model"]["classes"]
    classes[0], classes[1] = classes[1], classes[0]


def swap_logits(folder: Path) -> None:
    """Two names swapped everywhere, so that the tables fit the config."""
    alter_config(folder, swap_classes)
    for name in ("predictions.parquet", "ood.parquet"):
        table = pd.read_parquet(folder / name)
        a, b = "logit_MEL", "logit_NV"
        table.rename(columns={a: b, b: a}).to_parquet(folder / name, index=False)


def alter_calibration(folder: Path) -> None:
    path = folder / "calibration.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "temperature": 2 * found["temperature"]}))


def alter_features(name: str) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        tensors = load_file(folder / "features.safetensors")
        tensors[name] = (tensors[name] * np.float16(3) + np.float16(0.5)).astype(np.float16)
        save_file(tensors, folder / "features.safetensors")

    return alter


def widen(folder: Path) -> None:
    tensors = load_file(folder / "features.safetensors")
    tensors["mean"] = np.append(tensors["mean"], np.float16(0))
    tensors["components"] = np.pad(tensors["components"], ((0, 0), (0, 1)))
    save_file(tensors, folder / "features.safetensors")


MODEL: dict[str, Callable[[Path], object]] = {
    "names": lambda folder: alter_config(folder, swap_classes),
    "names in the tables too": swap_logits,
    "colours": lambda folder: alter_config(folder, lambda s: s["preprocessing"]["color"].update(enabled=False)),
    "hair": lambda folder: alter_config(folder, lambda s: s["preprocessing"]["hair"].update(enabled=True)),
    "corners": lambda folder: alter_config(folder, lambda s: s["preprocessing"]["dark_corner"].update(enabled=True)),
    "temperature": alter_calibration,
    "mean": alter_features("mean"),
    "components": alter_features("components"),
    "layer3_mean": alter_features("layer3_mean"),
    "layer3_components": alter_features("layer3_components"),
    "width of the features": widen,
}
"""What a model is loaded with, each altered."""


def forge(folder: Path) -> Run:
    """Hashes and fingerprints of what was altered made to fit, as whoever alters a run might do."""
    run = write_config(folder, open_run(folder, verify=False).config)
    known = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps({**known, "run": run.fingerprint}))
    policy = json.loads((folder / "policy.json").read_text())
    (folder / "policy.json").unlink()
    made = Policy.from_json(json.dumps({**policy["policy"], "run": run.fingerprint}), "policy")
    write_policy(made, folder / "policy.json")
    return run


@pytest.mark.parametrize("what", MODEL)
def test_what_a_model_is_loaded_with_is_covered(what: str, run_copy: Path, call: Any, data_root: Path) -> None:
    MODEL[what](run_copy)
    run = write_config(run_copy, open_run(run_copy, verify=False).config)
    with pytest.raises(RunError, match=r"known answer|was made for another run|features, its model gives"):
        Engine(run)
    with pytest.raises(RunError, match=r"does not give its known answer|features, its model gives"):
        Engine(forge(run_copy))
    code, out, err = call("predict", data_root / "ood" / "noise" / "noise_1.png", "--run", run_copy)
    assert code == 1 and not out.strip() and "Traceback" not in err


def test_what_scores_are_fitted_on_is_covered(run_copy: Path) -> None:
    """A policy is not obeyed where its score is another than when the run was written."""
    alter_features("reduced")(run_copy)
    run = forge(run_copy)
    known, scorer = read_known_answer(run), Scorer.of(run)
    differing = []
    for key in offered(run):
        try:
            known.check_scores(run, scorer, [key])
        except RunError as error:
            assert f"the score {key} differ" in str(error)
            differing.append(key)
    assert "mahalanobis" in differing
    policy = tune(run, differing[0])
    with pytest.raises(RunError, match="does not give its known answer: the score"):
        Rejector(run, policy)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[", b"\xff"])
def test_a_known_answer_that_is_none_is_refused(content: bytes | None, run_copy: Path, call: Any) -> None:
    if content is None:
        (run_copy / FILE).unlink()
    else:
        (run_copy / FILE).write_bytes(content)
    with pytest.raises(RunError, match=r"known_answer\.json.*evaluate RUN --known-answer"):
        Engine(open_run(run_copy))
    assert call("evaluate", run_copy, "--known-answer", "--resamples", 100)[0] == 0
    Engine(open_run(run_copy))
    assert Rejector.open(open_run(run_copy)) is not None
