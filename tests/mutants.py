"""Small edits that the suite must catch: `python -m tests.mutants`, or a tenth of them with `--tenth` or `--part 3/10`.

Each is applied to a temporary copy of the tree, never to the working tree, and its tests must then fail. A mutant that
survives names a line that no test looks at. The table itself is checked by `tests/test_mutants.py`.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINKED = ("checkpoints", "experiments", "shared")
"""Large folders that tests only read: linked into the copy."""
LIMIT_S = 600


@dataclass(frozen=True)
class Mutant:
    """One edit.

    Attributes:
        file: The module, from the root.
        old: Text that occurs exactly once in it.
        new: What stands there instead.
        tests: Files or node ids that must fail, parted by spaces.
    """

    file: str
    old: str
    new: str
    tests: str


def _of(file: str, tests: str, *edits: tuple[str, str]) -> list[Mutant]:
    return [Mutant(file, old, new, tests) for old, new in edits]


MUTANTS = [
    *_of(
        "lesion_core/ood/thresholds.py",
        "tests/ood/test_thresholds.py",
        ("bills = referrals + cost * missed", "bills = referrals - cost * missed"),
        ("missed = np.append(0, np.cumsum(bad[order])[ends])", "missed = np.append(0, np.cumsum(~bad[order])[ends])"),
        ("len(bills) - 1 - int(np.argmin(bills[::-1]))", "int(np.argmin(bills))"),
        ("/ len(s), share)])", '/ len(s), share, side="right")])'),
        ("int((~out).sum())", "int(out.sum())"),
        ("1 - a.high, 1 - a.low", "1 - a.low, 1 - a.high"),
        ('"accuracy": (r, k)', '"accuracy": (k, r)'),
    ),
    *_of(
        "lesion_core/ood/policy.py",
        "tests/ood/test_policy.py",
        ("scores[limit.score] <= limit.threshold for", "scores[limit.score] > limit.threshold for"),
    ),
    *_of(
        "lesion_core/ood/threshold_rules.py",
        "tests/ood/test_policy.py",
        ("one = one_per_group(part.lesions)", "one = np.arange(len(part.lesions))"),
        ("cost_optimal_threshold(part.scores, part.missed,", "cost_optimal_threshold(part.scores, ~part.missed,"),
    ),
    *_of(
        "lesion_core/ood/risk_control.py",
        "tests/ood/test_risk_control.py",
        ("binom.cdf(wrong, kept, error)", "binom.cdf(wrong - 1, kept, error)"),
        ("passes = p_values <= level / starts", "passes = p_values <= level"),
        ("np.logical_and.accumulate(passes[start:])", "passes[start:]"),
    ),
    *_of(
        "lesion_core/analysis/conformal.py",
        "tests/analysis/test_conformal.py",
        ("(len(y) + 1) * level - _HAIR", "len(y) * level - _HAIR"),
        ("check_probabilities(probabilities) >= self", "check_probabilities(probabilities) > self"),
    ),
    *_of(
        "lesion_core/ood/tuning.py",
        "tests/ood/test_policy.py",
        ("if rule.only_for not in (None, key):", "if False:"),
        ("kept = kept & (", "kept = kept | ("),
    ),
    *_of(
        "app/widgets/threshold.py",
        "tests/app/test_threshold.py",
        ("melanoma_wrong=by_answer[2]", "melanoma_wrong=by_answer[3]"),
    ),
    *_of(
        "lesion_core/ood/evaluation.py",
        "tests/ood/test_evaluation.py",
        ("(kept & ~correct, melanoma)", "(kept & correct, melanoma)"),
        ("after[~beyond]", "after[beyond]"),
    ),
    *_of(
        "lesion_core/ood/detection.py",
        "tests/ood/test_detection.py",
        ("found[-1])) >= share", "found[-1])) > share"),
        ("ranking.level[reached]", "ranking.above[reached]"),
        ("lambda _, known, weights: average", "lambda known, _, weights: average"),
        ("others=n_out", "others=0"),
    ),
    *_of(
        "lesion_core/ood/selective.py",
        "tests/ood/test_detection.py",
        ("error**2 / 2", "error**2"),
        ("auroc(rank(~correct, scores), weights)", "auroc(rank(correct, scores), weights)"),
        ("* ~correct[order, None]", "* correct[order, None]"),
    ),
    *_of(
        "lesion_core/analysis/ranking.py",
        "tests/analysis/test_metrics.py",
        ("negative[ranking.level]) / 2", "negative[ranking.level])"),
        ("found + negative[ranking.level]", "found + negative[ranking.above]"),
    ),
    *_of(
        "lesion_core/analysis/intervals.py",
        "tests/analysis/test_intervals.py",
        ("betaincinv(p * n, n - p * n + 1, tail)", "betaincinv(p * n + 1, n - p * n + 1, tail)"),
        ("betaincinv(p * n + 1, n - p * n, 1 - tail)", "betaincinv(p * n, n - p * n + 1, 1 - tail)"),
        ("effect = most\n", "effect = 1.0\n"),
        (" * n / (g * most)", ""),
        ("max(1.0, (rarer", "min(1.0, (rarer"),
        ("tail = (1 - level) / 2", "tail = 1 - level"),
        ("there[key] - here[key]", "here[key] - there[key]"),
        ("2 * self.value - b)", "2 * self.value - a)"),
    ),
    *_of(
        "lesion_core/analysis/resampling.py",
        "tests/analysis/test_intervals.py",
        ("np.sort(order[first])", "np.arange(len(ids))"),
    ),
    *_of(
        "lesion_core/analysis/summaries.py",
        "tests/analysis/test_intervals.py",
        ('"precision": (is_class, says_class)', '"precision": (says_class, is_class)'),
        ('"specificity": (~called, ~malignant)', '"specificity": (called, ~malignant)'),
    ),
    *_of(
        "lesion_core/analysis/metrics.py",
        "tests/analysis/test_metrics.py",
        ("(p >= threshold)", "(p > threshold)"),
        ("ratio(total - yes - said + hit, total - yes)", "ratio(total - yes - said + hit, total)"),
        ("y[decided] * k + said[decided]", "said[decided] * k + y[decided]"),
        ("(s.probabilities - s.is_class.T) ** 2", "abs(s.probabilities - s.is_class.T)"),
    ),
    *_of(
        "lesion_core/analysis/calibration.py",
        "tests/analysis/test_calibration.py",
        ("if slope(low) <= 0", "if slope(low) > 0"),
        ("c[inside].mean()", "c[inside].max()"),
    ),
    *_of(
        "lesion_core/explain/cam.py",
        "tests/explain/test_cam.py",
        ("below != 0, g**2 / torch", "below != 0, g / torch"),
        ("below = 2 * g**2", "below = g**2"),
    ),
    *_of(
        "lesion_core/imaging/lesion.py",
        "tests/imaging/test_lesion.py",
        ("float(np.mean([(upright & ~np.flip", "float(np.max([(upright & ~np.flip"),
        ("area = float(mask.mean())", "area = float(mask.sum())"),
        ("mean - skin.mean(axis=0)", "mean - skin.max(axis=0)"),
        ("((colours - mean) ** 2).sum(axis=1).mean()", "((colours - mean) ** 2).sum(axis=1).max()"),
    ),
]


def survives(mutant: Mutant, tree: Path) -> bool:
    """Whether the tests pass with the edit in `tree`, which is left as it was.

    Raises:
        RuntimeError: pytest did not run the tests: a table that fails to run must not read as caught.
    """
    file = tree / mutant.file
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests.split()],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        file.write_text(before, encoding="utf-8")
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{mutant.tests} did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def copied(to: Path) -> Path:
    """The tree without what git, tools and large folders hold; those that tests read are linked."""
    tree = to / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", *LINKED))
    for name in LINKED:
        if (ROOT / name).exists():
            (tree / name).symlink_to(ROOT / name, target_is_directory=True)
    return tree


def chosen(part: str | None) -> list[Mutant]:
    """Every n-th mutant from the k-th for "k/n" (k from 1), all for None."""
    if part is None:
        return MUTANTS
    k, n = (int(number) for number in part.split("/"))
    if not 1 <= k <= n:
        raise SystemExit(f"{part} is not a part: give k/n with k from 1 to n, such as 3/10.")
    return MUTANTS[k - 1 :: n]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--part", help="k/n: every n-th mutant from the k-th")
    which.add_argument("--tenth", action="store_true", help="the tenth of today, by the day of the year")
    asked = parser.parse_args(argv)
    today = datetime.datetime.now(datetime.UTC).timetuple().tm_yday
    part = f"{today % 10 + 1}/10" if asked.tenth else asked.part
    mutants = chosen(part)
    print(f"{len(mutants)} of {len(MUTANTS)} mutants{f', part {part}' if part else ''}", flush=True)
    left = []
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        for mutant in mutants:
            lives = survives(mutant, tree)
            print(f"{'SURVIVED' if lives else 'caught'}  {mutant.file}: {mutant.old!r} -> {mutant.new!r}", flush=True)
            left += [mutant] * lives
    print(f"{len(left)} survived", flush=True)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
