"""The command line of out-of-distribution scores: python -m lesion_core ood fit | score | tune."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from lesion_core.cli.answers import DetailsOption, answer_row, wanted_details
from lesion_core.cli.options import (
    JsonOption,
    ResamplesOption,
    as_it_is,
    named_path,
    new_table,
    print_json,
    print_table,
    say,
    tell,
    tell_whether_rejected,
)
from lesion_core.cli.progress import bar
from lesion_core.config import ROLE_NAMES
from lesion_core.data.pictures import picture_files
from lesion_core.errors import LesionError
from lesion_core.files import file_to_write

app = typer.Typer(
    help="Scores, thresholds and policies for images that the model should not answer for.", no_args_is_help=True
)

MOST_COST = 1_000_000
"""Referrals that one missed melanoma may count as."""
MOST_SCORE = 1e9
"""A threshold beyond it is not one on any score."""
WORDS = {"coverage": "kept", "rejected": "rejected"}
"""What was done with the images of a kind."""
RunOption = Annotated[Path, typer.Option("--run", help="A run folder.")]


@app.command()
def fit(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    as_json: JsonOption = False,
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Of calibrate that the thresholds of the report keep.")
    ] = 0.95,
    on: Annotated[str, typer.Option(help="test, or select: what a score is chosen by.")] = "test",
    resamples: ResamplesOption = 1000,
) -> None:
    """Fit every score on the run's training set and say what it does on its test set and OOD images.

    `--on select` shows the validation set, and the OOD images that the run keeps to choose a score with: no other
    figure is of these."""
    from lesion_core.ood.benchmark import scoreboard
    from lesion_core.ood.scores import Scorer
    from lesion_core.runs.consistency import open_consistent

    opened = open_consistent(run)
    scorer, seconds = Scorer.of(opened), {}
    if on != "test" and opened.knows_photographs:
        tell("The clinical photographs here are those that scores learned from: these look better than they are.")
    for key in scorer.keys:
        start = time.perf_counter()
        scorer.function(key)
        seconds[key] = round(time.perf_counter() - start, 4)
    with bar("Measuring") as progress:
        board = scoreboard(opened, scorer, share=share, n=resamples, on=on, on_progress=progress)
    if as_json:
        rows = board.round(6).astype(object).where(board.notna(), None)
        print_json(
            {
                "run": opened.name,
                "fingerprint": opened.fingerprint,
                "temperature": scorer.known.temperature,
                "fitted_on": {"split": "train", "n": len(scorer.known.train)},
                "fit_seconds": seconds,
                "shown_on": on,
                "thresholds_keep": {"split": "calibrate", "share": share},
                "scores": {
                    str(key): part.drop(columns="score").to_dict("records") for key, part in rows.groupby("score")
                },
            }
        )
        return
    # What fits a terminal; intervals and the other measures are in the JSON.
    measures = ("auroc", "rejected", "coverage", "risk", "augrc")
    shown = board[board["kind"].isin(["", "all"])].pivot(index="score", columns="measure", values="value")
    table = new_table("score", *measures, title=f"{opened.name}, {ROLE_NAMES[on]}")
    for key in scorer.keys:
        table.add_row(key, *(f"{shown[name].get(key, float('nan')):.3f}" for name in measures))
    print_table(table)
    by_kind = board[~board["kind"].isin(["", "all"])]
    wide = by_kind.pivot(index=["measure", "kind"], columns="score", values="value")
    table = new_table("images", *scorer.keys, title="kept or rejected, %")
    for measure, kind in wide.index:
        row = wide.loc[(measure, kind)]
        table.add_row(f"{kind}, {WORDS[measure]}", *(f"{100 * row[key]:.1f}" for key in scorer.keys))
    print_table(table)


@app.command("score")
def score_pictures(
    pictures: Annotated[list[Path], typer.Argument(help="Image files or folders.")],
    run: RunOption,
    policy: Annotated[Path | None, typer.Option(help="Decide by this policy file, not by the run's own.")] = None,
    as_json: JsonOption = False,
    details: DetailsOption = None,
) -> None:
    """All scores of images, higher = more out of distribution. One that cannot be read is reported; exit code 1."""
    from lesion_core.imaging.decode import decode
    from lesion_core.ood.rejector import Rejector
    from lesion_core.ood.scores import Scorer
    from lesion_core.runs.classifier import open_run

    wanted = wanted_details(details, as_json)
    files = picture_files(pictures)
    opened = open_run(run)
    rejector = Rejector.open(opened, policy)

    from lesion_core.serving.classifier import Engine

    engine = Engine(opened)
    tell_whether_rejected(rejector)
    scorer = Scorer.of(engine.run)
    rows: list[dict[str, Any]] = []
    with bar("Scoring") as progress:
        for done, path in enumerate(files, start=1):
            try:
                found = engine.predict(decode(path))
            except LesionError as error:
                rows.append({"picture": str(path), "error": str(error)})
            else:
                decision = rejector.decide(found.outputs)[0] if rejector else None
                scores = {key: float(s[0]) for key, s in scorer.all(found.outputs).items()}
                rows.append(answer_row(path, found, decision, wanted) | {"scores": scores})
            progress(done, len(files))
    if as_json:
        print_json(rows)
    else:
        table = new_table("picture", "rejected", *scorer.keys)
        for row in rows:
            values = [f"{value:.3f}" for value in row.get("scores", {}).values()]
            unchecked = "no policy: nothing is rejected" if row.get("rejected") is None else str(row["rejected"])
            table.add_row(as_it_is(row["picture"]), as_it_is(row.get("error") or unchecked), *values)
        print_table(table)
    if any("error" in row for row in rows):
        raise typer.Exit(1)


@app.command()
def tune(
    run: RunOption,
    score: Annotated[str, typer.Option(help="Key of a score; the run's default if none is given.")] = "",
    how: Annotated[str, typer.Option(help="keep, cost, guarantee, published or eye.")] = "keep",
    share: Annotated[float, typer.Option(min=0, max=1, help="keep: the share of dermoscopy that is answered.")] = 0.95,
    cost: Annotated[
        float, typer.Option(min=0, max=MOST_COST, help="cost: how many referrals one missed melanoma counts as.")
    ] = 20.0,
    error: Annotated[float, typer.Option(min=0, max=1, help="guarantee: the most errors among the answered.")] = 0.1,
    confidence: Annotated[float, typer.Option(min=0, max=1, help="guarantee: how sure that is to hold.")] = 0.9,
    threshold: Annotated[
        float | None, typer.Option(min=-MOST_SCORE, max=MOST_SCORE, help="eye: the threshold on the score.")
    ] = None,
    on: Annotated[str, typer.Option(help="Set to choose on, calibrate or select; never test.")] = "calibrate",
    to: Annotated[
        Path | None, typer.Option("--out", help="File to write; the run's policy.json if none.", parser=named_path)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Choose thresholds, write them as a policy and print it."""
    from lesion_core.ood.policy import save_policy, write_policy
    from lesion_core.ood.scores import default_score
    from lesion_core.ood.threshold_rules import TuningGoal
    from lesion_core.ood.tuning import tune as choose
    from lesion_core.runs.consistency import open_consistent
    from lesion_core.runs.listing import POLICY

    if to is not None:
        file_to_write(to)
    opened = open_consistent(run)
    policy = choose(
        opened, score or default_score(opened), how, TuningGoal(share, cost, error, confidence, threshold), on
    )
    # Under its own name beside the run it is the run's policy, and no other one may be writing the run.
    if to is None or file_to_write(to) == Path(os.path.realpath(opened.folder)) / POLICY:
        to = save_policy(policy, opened)
    else:
        write_policy(policy, to)
    if as_json:
        print_json({"written": str(to), "policy": json.loads(policy.to_json())})
        return
    table = new_table("score", "limit", "calibration set kept")
    for limit in policy.limits:
        kept = "" if limit.kept_share is None else f"{100 * limit.kept_share:.1f} %"
        table.add_row(limit.score, f"{limit.threshold:.4g}", kept)
    print_table(table)
    say(policy.chosen)
    say(f"The policy is in {to}.")
