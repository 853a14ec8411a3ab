"""Policies: how they are chosen, kept on disk, refused, and told in words."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesion_core.data.tables import TO_CHOOSE_WITH
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.ood.benchmark import scoreboard
from lesion_core.ood.model_outputs import Outputs, ood_outputs, outputs_of
from lesion_core.ood.policy import Limit, Policy, PolicyFile, decide, keeps, read_policy, write_policy
from lesion_core.ood.scores import DEFAULT, SCORES, Scorer
from lesion_core.ood.threshold_rules import THRESHOLD_RULES, SplitScores, TuningGoal, split_scores
from lesion_core.ood.thresholds import cost_optimal_threshold, keep_share_threshold
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run, open_run

PLAIN = [key for key, score in SCORES.items() if not score.learned]
"""What every run has, whatever it had to learn from."""


@pytest.fixture(scope="module")
def scorer(small_run: Run) -> Scorer:
    return Scorer.of(small_run)


def policy(threshold=0.38, **changes):
    fields = {
        "score": "scaled_confidence",
        "temperature": 1.0,
        "how": "keep",
        "chosen": "By hand.",
        "limits": (Limit(score="scaled_confidence", threshold=threshold, kept_share=0.95),),
        "chosen_on": "calibrate",
        "kept_share": 0.95,
        "run": "abc",
    }
    return Policy(**{**fields, **changes})


def two(**changes):
    return policy(
        score=DEFAULT,
        limits=(
            Limit(score="scaled_confidence", threshold=0.38, kept_share=0.97),
            Limit(score="layer3_residual", threshold=5.0, kept_share=0.9996),
        ),
        **changes,
    )


def sure(*confidence):
    return {"scaled_confidence": 1 - np.array(confidence)}


def test_reason_is_a_sentence_with_both_numbers():
    rejected, kept = decide(policy(), sure(0.55, 0.8))
    assert rejected.rejected and not kept.rejected and rejected.scores == pytest.approx({"scaled_confidence": 0.45})
    assert rejected.reason == ("The model's confidence 0.55 is under 0.62, which 95 % of the calibration images reach.")
    assert kept.reason == "The model's confidence 0.80 is at least 0.62, which 95 % of the calibration images reach."
    bare = decide(policy(limits=(Limit(score="scaled_confidence", threshold=0.38),)), sure(0.55))[0]
    assert bare.reason == "The model's confidence 0.55 is under 0.62."
    near = decide(policy(), sure(0.61996))[0]
    assert near.rejected and "0.61996 is under 0.62000" in near.reason


def test_each_limit_that_is_passed_gives_its_reason():
    scores = {**sure(0.7, 0.5, 0.7, 0.5), "layer3_residual": [4.0, 4.0, 6.0, 6.0], "knn": ["not looked at"] * 4}
    found = decide(two(), scores)
    assert [d.rejected for d in found] == [False, True, True, True]
    far = (
        "This image looks unlike the dermoscopic images the model knows (layer 3 residual 6.00; limit 5.00, "
        "which 99.9 % of the calibration images meet)."
    )
    unsure = "The model's confidence 0.50 is under 0.62, which 97 % of the calibration images reach."
    assert [d.reason for d in found[1:]] == [unsure, far, f"{unsure} {far}"]
    kept = found[0].reason
    assert kept.count("calibration") == 2 and " at least " in kept and " looks like the dermoscopic images " in kept


@pytest.mark.parametrize("key", SCORES)
def test_every_score_can_be_told(key: str) -> None:
    limits = tuple(Limit(score=part, threshold=1.0, kept_share=0.5) for part in SCORES[key].parts)
    found = decide(policy(score=key, limits=limits), {part: [2.0, 1.0, 0.5] for part in SCORES[key].parts})
    assert [d.rejected for d in found] == [True, False, False]  # on the threshold is kept
    assert all(d.reason.endswith(".") and "50 % of the calibration images" in d.reason for d in found)


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="layer3_residual, which is not there"):
        decide(two(), sure(0.5))
    with pytest.raises(DataError, match="same images"):
        decide(two(), {**sure(0.5), "layer3_residual": [1.0, 2.0]})
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError, match="1 of 1 scaled_confidence scores"):
            decide(policy(), {"scaled_confidence": [bad]})
    assert decide(policy(), {"scaled_confidence": []}) == []


@pytest.mark.parametrize("key", PLAIN)
@pytest.mark.parametrize("share", [0.5, 0.95, 1.0])
def test_keeping_a_share_of_calibrate(key: str, share: float, small_run: Run, scorer: Scorer) -> None:
    made = tune(small_run, key, goal=TuningGoal(share=share), scorer=scorer)
    outputs = outputs_of(small_run, small_run.part("calibrate"))
    scores = scorer.all(outputs, made.parts)
    kept = keeps(made, scores)
    assert kept.mean() >= share and made.kept_share == kept.mean()
    assert (~kept).tolist() == [d.rejected for d in decide(made, scores)]
    assert (kept == (scorer(key, outputs) <= np.sort(scorer(key, outputs))[kept.sum() - 1])).all()
    assert made.chosen_on == "calibrate" and f"{100 * share:g} %" in made.chosen and str(len(outputs)) in made.chosen
    assert made.temperature == small_run.calibration.temperature and made.run == small_run.fingerprint


def test_the_first_score_is_chosen_among_what_the_second_keeps(small_run: Run, scorer: Scorer) -> None:
    """The second limit keeps so little that the cost of all images would be another."""
    goal = TuningGoal(share=0.4, cost=3)
    made = tune(small_run, DEFAULT, "cost", goal, scorer=scorer)
    first, second = (made.limit(key) for key in SCORES[DEFAULT].parts)
    far = split_scores(small_run, scorer, second.score, "select").scores
    assert second.threshold == keep_share_threshold(far, goal.share)
    part = split_scores(small_run, scorer, first.score, "calibrate")
    kept = split_scores(small_run, scorer, second.score, "calibrate").scores <= second.threshold
    assert 0 < kept.sum() < len(kept)
    bill = cost_optimal_threshold(part.scores[kept], part.missed[kept], goal.cost)
    assert first.threshold == bill.threshold and f"of {int(kept.sum()):,} calibration images" in made.chosen


@pytest.mark.parametrize("how", THRESHOLD_RULES)
def test_the_conditions_of_a_rule_hold(small_run: Run, scorer: Scorer, how: str) -> None:
    rule, goal = THRESHOLD_RULES[how], TuningGoal(threshold=0.4, error=0.5, confidence=0.5)
    if rule.only_for is not None:
        for key in set(SCORES) - {rule.only_for}:
            with pytest.raises(ConfigError, match=rule.only_for):
                tune(small_run, key, how, goal, scorer=scorer)
    if rule.needs_validation:
        with pytest.raises(ConfigError, match="Choose it on calibrate"):
            tune(small_run, DEFAULT, how, goal, on="select", scorer=scorer)
    if rule.by_hand:
        with pytest.raises(ConfigError, match="number"):
            tune(small_run, DEFAULT, how, TuningGoal(), scorer=scorer)
    if not rule.from_data:
        made = tune(small_run, rule.only_for or DEFAULT, how, goal, scorer=scorer)
        other = tune(small_run, rule.only_for or DEFAULT, how, goal, on="select", scorer=scorer)
        assert made.limits == other.limits and made.chosen_on == other.chosen_on == "published"


def test_every_way_to_choose(small_run: Run, scorer: Scorer) -> None:
    calibrate = outputs_of(small_run, small_run.part("calibrate"))
    for how, rule in THRESHOLD_RULES.items():
        for key in ("confidence", DEFAULT):
            if rule.needs_validation or rule.only_for not in (None, key):
                continue  # nine images promise nothing; the shipped run is asked in test_shipped
            goal = TuningGoal(threshold=0.4) if rule.by_hand else None
            made = tune(small_run, key, how, goal, scorer=scorer)
            scores = scorer.all(calibrate, made.parts)
            assert made.how == how and made.kept_share == keeps(made, scores).mean()
            assert [limit.kept_share for limit in made.limits] == [
                (scores[limit.score] <= limit.threshold).mean() for limit in made.limits
            ]
    with pytest.raises(DataError, match=r"cannot be promised.*Allow more errors"):
        tune(small_run, "confidence", "guarantee", TuningGoal(error=0.01), scorer=scorer)


@pytest.mark.parametrize("key", PLAIN)
def test_a_threshold_by_eye_keeps_what_is_within_it(small_run: Run, scorer: Scorer, key: str) -> None:
    calibrate = outputs_of(small_run, small_run.part("calibrate"))
    threshold = float(np.median(scorer(key, calibrate)))
    made = tune(small_run, key, "eye", TuningGoal(threshold=threshold), scorer=scorer)
    assert (keeps(made, scorer.all(calibrate, made.parts)) == (scorer(key, calibrate) <= threshold)).all()
    assert made.chosen_on == "calibrate" and "Set by hand" in made.chosen
    for bad in (None, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="needs its number"):
            tune(small_run, key, "eye", TuningGoal(threshold=bad), scorer=scorer)


@pytest.mark.parametrize("key", PLAIN)
def test_what_a_person_reads_leads_back_to_the_score(key: str) -> None:
    for score in (0.0, 0.3, 7.0):
        assert SCORES[key].from_display(SCORES[key].to_display(score)) == pytest.approx(score)
    low, high = SCORES[key].to_display(0.2), SCORES[key].to_display(0.6)
    assert (low > high) == (SCORES[key].rejected_side == "under")


def test_the_published_rule_is_of_the_plain_softmax(small_run: Run, scorer: Scorer) -> None:
    made = tune(small_run, "confidence", "published", scorer=scorer)
    z = np.array([[np.log(0.8), np.log(0.2)], [np.log(0.79), np.log(0.21)]])
    found = decide(made, {"confidence": scorer("confidence", Outputs.of(z))})
    assert made.chosen_on == "published" and [d.rejected for d in found] == [False, True]
    assert found[1].reason.startswith("The model's confidence before its temperature 0.79 is under 0.80")


def test_the_cost_is_paid_on_what_it_was_chosen_on(small_run: Run, scorer: Scorer) -> None:
    part = split_scores(small_run, scorer, "energy", "select")
    made = tune(small_run, "energy", "cost", TuningGoal(cost=0), on="select", scorer=scorer)
    assert made.limits[0].threshold == part.scores.max() and made.chosen_on == "select"
    dear = tune(small_run, "energy", "cost", TuningGoal(cost=1e6), on="select", scorer=scorer)
    assert not (part.missed & (part.scores <= dear.limits[0].threshold)).any()


def test_what_is_refused(small_run: Run, scorer: Scorer) -> None:
    with pytest.raises(ConfigError, match=r"cannot be chosen on 'test'.*looks better there"):
        tune(small_run, on="test", scorer=scorer)
    with pytest.raises(ConfigError, match="cannot be chosen on 'train'"):
        tune(small_run, on="train", scorer=scorer)
    with pytest.raises(ConfigError, match="'odin' is not a known OOD score"):
        tune(small_run, "odin", scorer=scorer)
    with pytest.raises(ConfigError, match="'magic' is not a known way to choose a threshold"):
        tune(small_run, how="magic", scorer=scorer)
    with pytest.raises(ConfigError, match="no published threshold for energy"):
        tune(small_run, "energy", "published", scorer=scorer)
    with pytest.raises(ConfigError, match="Choose it on calibrate"):
        tune(small_run, "energy", "guarantee", on="select", scorer=scorer)
    with pytest.raises(ConfigError, match="share"):
        tune(small_run, goal=TuningGoal(share=0), scorer=scorer)


def test_the_run_ships_the_default(small_run: Run, scorer: Scorer) -> None:
    shipped = read_policy(small_run)
    assert shipped == tune(small_run, scorer=scorer) and shipped is not None
    assert shipped.score == DEFAULT and len(shipped.limits) == 2 and shipped.kept_share and shipped.kept_share >= 0.95
    assert shipped.limit("layer3_residual") == shipped.limits[1] and shipped.limit("knn") is None


def test_every_digit_survives(small_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    made = two(run=small_run.fingerprint)
    made = made.model_copy(
        update={
            "limits": (
                Limit(score="scaled_confidence", threshold=1 / 3),
                Limit(score="layer3_residual", threshold=np.nextafter(5, 6)),
            )
        }
    )
    write_policy(made, path)
    assert read_policy(small_run, path) == made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["policy"]["limits"][0].update(threshold=0.9), "altered"),
        (lambda f: f["policy"].update(temperature=2.0), "altered"),
        (lambda f: f.update(check="0" * 16), "altered"),
        (lambda f: f["policy"].update(score="odin"), "score"),
        (lambda f: f["policy"].update(score="energy"), "needs limits on energy"),
        (lambda f: f["policy"]["limits"].pop(), "needs limits on scaled_confidence and layer3_residual"),
        (lambda f: f["policy"]["limits"].reverse(), "needs limits on"),
        (lambda f: f["policy"].update(limits=[]), "limits"),
        (lambda f: f["policy"]["limits"][0].update(threshold="0.5"), "threshold"),
        (lambda f: f["policy"]["limits"][0].update(threshold=float("nan")), "threshold"),
        (lambda f: f["policy"]["limits"][0].update(threshold=float("inf")), "threshold"),
        (lambda f: f["policy"]["limits"][0].update(extra=1), "extra"),
        (lambda f: f["policy"].update(temperature=0.0), "temperature"),
        (lambda f: f["policy"].update(how="magic"), "how"),
        (lambda f: f["policy"].update(chosen_on="test"), "chosen_on"),
        (lambda f: f["policy"].update(chosen=""), "chosen"),
        (lambda f: f["policy"].update(kept_share=1.5), "kept_share"),
        (lambda f: f["policy"].pop("run"), "run"),
        (lambda f: f.pop("check"), "check"),
        (lambda f: f.update(note="mine"), "note"),
    ],
)
def test_altered_files_are_refused(change, message: str, run_copy: Path) -> None:
    run, path = open_run(run_copy), run_copy / "policy.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match=message):
        read_policy(run)


def test_other_files_are_refused(run_copy: Path, tmp_path: Path) -> None:
    run, path = open_run(run_copy), run_copy / "policy.json"
    text = path.read_text()
    for torn in ("", text[: len(text) // 2], text[:-3], "[]", "{}", "\x00"):
        path.write_text(torn)
        with pytest.raises(ConfigError):
            read_policy(run)
    write_policy(policy(run="0" * 16), path)
    with pytest.raises(RunError, match=r"made for another run \(0{16}\)"):
        read_policy(run)
    path.unlink()
    assert read_policy(run) is None
    with pytest.raises(ConfigError, match="cannot be read"):
        read_policy(run, tmp_path / "gone.json")
    assert PolicyFile.model_json_schema()["additionalProperties"] is False


def test_the_scoreboard(small_run: Run, scorer: Scorer) -> None:
    board = scoreboard(small_run, scorer, ["energy", DEFAULT], n=100).set_index(["score", "kind", "measure"])
    ood_images = ood_outputs(small_run)
    for key in ("energy", DEFAULT):
        made = tune(small_run, key, scorer=scorer)
        test = outputs_of(small_run, small_run.part("test"))
        assert board.loc[(key, "", "coverage"), "value"] == keeps(made, scorer.all(test, made.parts)).mean()
        rejected = ~keeps(made, scorer.all(ood_images, made.parts))
        assert board.loc[(key, "all", "rejected"), "value"] == rejected.mean()
        datasets = small_run.part("test")["dataset"]
        kinds = {"", "all", "noise", "stripes", *CORRUPTIONS, *datasets}
        assert set(board.loc[key].index.get_level_values("kind")) == kinds
        for dataset in datasets.unique():
            kept = keeps(made, scorer.all(test, made.parts))[(datasets == dataset).to_numpy()]
            assert board.loc[(key, dataset, "coverage"), "value"] == pytest.approx(kept.mean(), abs=1e-12)
        near = ~keeps(made, scorer.all(ood_outputs(small_run, small_run.corrupted), made.parts))
        hair = near[(small_run.corrupted["kind"] == "hair").to_numpy()]
        assert board.loc[(key, "hair", "rejected"), "value"] == hair.mean()
        assert board.loc[(key, "noise", "rejected"), "value"] == float(rejected[0])


def test_a_score_is_chosen_by_images_of_which_no_other_figure_is(small_run: Run, scorer: Scorer) -> None:
    ood = small_run.ood.copy()
    aside = ood.index[ood["kind"] == "noise"]
    ood.loc[aside, "source"] = TO_CHOOSE_WITH
    run = replace(small_run)
    run.__dict__["ood"] = ood  # as the cached property keeps it
    told = scoreboard(run, scorer, ["energy"], n=20).set_index(["kind", "measure"])
    chosen = scoreboard(run, scorer, ["energy"], n=20, on="select").set_index(["kind", "measure"])
    assert "noise" not in told.index.get_level_values("kind")
    assert set(chosen.index.get_level_values("kind")) == {"", "all", "noise", *run.part("select")["dataset"]}
    made = tune(run, "energy", scorer=scorer)
    kept, stays = (
        keeps(made, scorer.all(outputs, made.parts))
        for outputs in (outputs_of(run, run.part("select")), ood_outputs(run, run.ood_to_choose_with))
    )
    assert chosen.loc[("", "coverage"), "value"] == kept.mean()
    assert chosen.loc[("noise", "rejected"), "value"] == (~stays).mean()
    with pytest.raises(ConfigError, match="no figures of scores on 'train'"):
        scoreboard(run, scorer, ["energy"], on="train")


def test_an_undecided_answer_to_an_unknown_label_is_not_correct(small_run: Run, scorer: Scorer) -> None:
    from lesion_core.labels import UNKNOWN_LABEL

    table = small_run.predictions.copy()
    row = table.index[table["split"] == "calibrate"][0]
    table.loc[row, "label"] = "no such diagnosis"
    table.loc[row, [f"logit_{code}" for code in small_run.classes]] = 0.0  # all alike: undecided, -1
    run = small_run.with_predictions(table)
    assert not split_scores(run, scorer, "confidence", "calibrate").correct[0]
    assert run.truth(table.loc[[row]]).tolist() == [UNKNOWN_LABEL] != [-1]


def _repeated(times: int) -> SplitScores:
    """400 lesions with as many images each; low scores are right, and a tenth of the wrong are melanomas missed."""
    scores = np.tile(np.arange(400) / 400, times)
    wrong = scores > 0.8
    missed = wrong & (np.arange(len(scores)) % 10 == 0)
    return SplitScores("calibrate", scores, ~wrong, missed, np.tile(np.arange(400).astype(str), times))


def test_a_guarantee_counts_one_picture_a_lesion() -> None:
    goal = TuningGoal(error=0.1)
    rule = THRESHOLD_RULES["guarantee"]
    once, thrice = (rule.choose(_repeated(times), _repeated(1), goal) for times in (1, 3))
    assert once == thrice and "400 calibration images" in thrice[1]


@pytest.mark.parametrize("key", THRESHOLD_RULES)
def test_numbers_in_sentences_have_their_comma(key: str) -> None:
    part = replace(_repeated(3), lesions=np.arange(1200).astype(str))
    for split, name in (("calibrate", "calibration"), ("select", "validation")):
        _, sentence = THRESHOLD_RULES[key].choose(
            replace(part, split=split), part, TuningGoal(cost=2000, error=0.1, threshold=0.5)
        )
        assert not re.search(r"\d{4}", sentence), sentence
        assert THRESHOLD_RULES[key].only_for or "1,200" in sentence
        assert key not in ("keep", "cost", "eye") or f"1,200 {name} images" in sentence


def test_the_cost_rule_counts_the_melanomas_that_are_missed() -> None:
    part = _repeated(1)
    _, sentence = THRESHOLD_RULES["cost"].choose(part, None, TuningGoal(cost=1000))
    assert f"0 of the {int(part.missed.sum()):,} misclassified melanomas" in sentence
    first = part.scores[part.missed].min()
    assert f"{int((part.scores >= first).sum()):,} of {len(part.scores):,} calibration images are referred" in sentence
