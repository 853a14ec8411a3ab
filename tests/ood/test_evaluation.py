"""What scores, policies and rules do on a run's images, against counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_core.analysis import metrics, predictions
from lesion_core.ood import model_outputs
from lesion_core.ood.evaluation import EvaluatedScore, corrupted_shares, evaluate_score, try_rules
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.policy import keeps
from lesion_core.ood.scores import DEFAULT, Scorer
from lesion_core.ood.threshold_rules import THRESHOLD_RULES, TuningGoal
from lesion_core.runs.classifier import Run


def test_a_corrupted_image_is_followed_from_before_to_after(small_run: Run) -> None:
    judged = evaluate_score(small_run, Scorer.of(small_run), "confidence")
    half = len(judged.corrupted) // 2
    at = float(np.sort(judged.corrupted["shown"])[half - 1 : half + 1].mean())  # between two images, on none
    found = corrupted_shares(judged, at).set_index("group")
    test = small_run.predictions.set_index("image_id")
    logits = [f"logit_{code}" for code in small_run.classes]
    for kind in ("hair", "white_balance"):
        rows = small_run.corrupted[small_run.corrupted["kind"] == kind]
        right, before, kept = [], [], []
        for row in rows.itertuples():
            z = np.array([getattr(row, name) for name in logits])
            source = test.loc[row.image_id.split("/")[1]]
            right.append(small_run.classes[int(z.argmax())] == source["label"])
            before.append(small_run.classes[int(source[logits].to_numpy(float).argmax())] == source["label"])
            kept.append(np.exp(z - z.max()).max() / np.exp(z - z.max()).sum() >= at)
        told = found.loc[kind.replace("_", " ")]
        assert (told["n"], told["share"]) == (len(rows), 1 - np.mean(kept))
        assert (told["right_before"], told["right_after"]) == (np.mean(before), np.mean(right))
        expected = np.mean(np.array(right)[kept]) if any(kept) else np.nan
        np.testing.assert_equal(told["right_answered"], expected)
    assert np.isnan(found.loc["bare skin", "right_after"]) and found.index[0] == "unchanged"
    assert (
        found.loc["unchanged", "n"]
        == judged.corrupted.loc[judged.corrupted["kind"] != "bare_skin", "image_id"].nunique()
    )


def test_a_policy_is_counted_on_test_and_on_ood_images(small_run: Run) -> None:
    scorer = Scorer.of(small_run)
    tried = {rule.name: rule for rule in try_rules(small_run, scorer, DEFAULT, TuningGoal(error=0.5, confidence=0.5))}
    assert list(tried) == [rule.name for rule in THRESHOLD_RULES.values() if not rule.by_hand]
    test = small_run.part("test")
    truth = test["label"].to_numpy()
    answer = np.array(small_run.classes)[small_run.logits(test).argmax(axis=1)]
    for found in tried.values():
        if found.policy is None:
            assert not found.outcome and found.description
            continue
        kept = keeps(found.policy, scorer.all(outputs_of(small_run, test), found.policy.parts))
        strange = keeps(found.policy, scorer.all(ood_outputs(small_run), found.policy.parts))
        melanoma = truth == "MEL"
        expected = {
            "answered": kept.mean(),
            "right": (answer == truth)[kept].mean() if kept.any() else np.nan,
            "melanomas_missed": (kept & (answer != truth))[melanoma].mean(),
            "melanomas_to_a_person": (~kept)[melanoma].mean(),
            "ood_rejected": (~strange).mean(),
        }
        assert {key: share.value for key, share in found.outcome.items()} == pytest.approx(expected, nan_ok=True)
    assert sum(found.policy is not None for found in tried.values()) >= 3


def test_outputs_that_were_checked_are_trusted(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are checked when `Outputs` are made, and not again by what takes those."""
    scorer, outputs = Scorer.of(small_run), outputs_of(small_run, small_run.part("test"))
    before = scorer.all(outputs), outputs.predicted

    def again(*_: object, **__: object) -> None:
        raise AssertionError("checked again")

    for module in (metrics, predictions, model_outputs):
        for check in ("check_logits", "check_probabilities"):
            monkeypatch.setattr(module, check, again, raising=False)
    for key, scores in scorer.all(outputs).items():
        assert (scores == before[0][key]).all()
    assert (outputs.predicted == before[1]).all()


def test_corrupted_shares_by_hand() -> None:
    """Four test images with hair: two are rejected, of the two answered one is right, of all four three are."""
    test = pd.DataFrame(
        {"image_id": list("abcd"), "split": "test", "shown": [0.9, 0.9, 0.9, 0.1], "correct": [True, True, False, True]}
    )
    corrupted = pd.DataFrame(
        {
            "image_id": list("abcd"),
            "kind": "hair",
            "shown": [0.2, 0.8, 0.8, 0.2],
            "correct": [True, True, False, True],
            "correct_before": test["correct"],
        }
    )
    none = test.head(0)
    evaluated = EvaluatedScore("confidence", test, none, none, corrupted)
    found = corrupted_shares(evaluated, 0.5).set_index("group")
    assert found.loc["hair", ["share", "right_before", "right_after", "right_answered"]].tolist() == [
        0.5,
        0.75,
        0.75,
        0.5,
    ]
    assert found.loc["unchanged", "share"] == 0.25
    assert found.loc["unchanged", "right_answered"] == pytest.approx(2 / 3)
