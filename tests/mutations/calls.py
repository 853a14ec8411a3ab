"""Calls of the command line, in this process: odd values, odd names, damaged pictures among healthy ones."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesion_core.cli import main as cli
from tests.mutations import picture_files as files
from tests.mutations.oracle import Input, Make, Part
from tests.mutations.runs import RUNS, SHIPPED, copy_of, pictures

Rng = np.random.Generator
Answer = tuple[int, str, str]
CLASSIFIER, SEGMENTER = (str(SHIPPED / name) for name in RUNS)
LONGEST_PROBLEM = 2000
"""Letters on standard error: notes and a sentence. The box of a wrong call may repeat what was typed."""
ODD = ("", " ", "nan", "inf", "-inf", "-1", "0", "1e999", "9" * 5000, "1" + "0" * 30, "x" * 10**5, "\x1b[2J", "a\nb",
       "--", "-", "../..", "nowhere", "\udce9", "\u202e", "1.5", "true", "[red]", "None")  # fmt: skip


def call(*arguments: str) -> Answer:
    """`python -m lesion_core ARGUMENTS`: exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["lesion_core", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
        code: Any = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return int(code or 0), out.getvalue(), err.getvalue()


def ill(said: Answer) -> str | None:
    """What is wrong with how a call ended, whatever was asked."""
    code, out, err = said
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if "Traceback" in out + err:
        return f"a traceback: {(out + err)[-200:]!r}"
    if strange := [c for c in out + err if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n"]:
        return f"control letters {strange[:3]!r}: {(out + err)[:200]!r}"
    if code and not err.strip() and not out.strip():
        return "no word"
    return f"a problem of {len(err):,} letters" if code != 2 and len(err) > LONGEST_PROBLEM else None


def calling(note: str, *arguments: str, wrong: Callable[[Answer], str | None] = lambda _: None) -> Input:
    return Input(lambda: call(*arguments), lambda said: ill(said) or wrong(said), False, note=note[:300])


def saved(picture: Any, path: Path) -> str:
    Image.fromarray(picture).save(path, "PNG")
    return str(path)


def commands(picture: str, folder: Path) -> list[list[str]]:
    """Calls that work, without what would train."""
    return [
        ["runs", str(SHIPPED)],
        ["predict", picture, "--run", CLASSIFIER],
        ["predict", picture, "--run", CLASSIFIER, "--backend", "eager", "--json"],
        ["predict", picture, "--run", CLASSIFIER, "--policy", f"{CLASSIFIER}/policy.json"],
        ["evaluate", CLASSIFIER, "--resamples", "100"],
        ["ood", "score", picture, "--run", CLASSIFIER],
        ["ood", "fit", CLASSIFIER, "--share", "0.95", "--resamples", "100"],
        ["ood", "tune", "--run", CLASSIFIER, "--how", "keep", "--share", "0.9", "--out", str(folder / "p.json")],
        ["ood", "tune", "--run", CLASSIFIER, "--how", "cost", "--cost", "20", "--on", "select", "--out",
         str(folder / "q.json")],
        ["ood", "tune", "--run", CLASSIFIER, "--how", "guarantee", "--error", "0.2", "--confidence", "0.9", "--out",
         str(folder / "r.json")],
        ["ood", "tune", "--run", CLASSIFIER, "--how", "eye", "--score", "confidence", "--threshold", "0.5", "--out",
         str(folder / "s.json")],
        ["segment", "predict", picture, "--run", SEGMENTER, "--out", str(folder / "masks"), "--threshold", "0.5"],
        ["segment", "evaluate", SEGMENTER],
        ["synthesize", str(folder / "made"), "--per-class", "1", "--size", "32", "--seed", "1"],
        ["train", "--data", str(folder), "--name", "a", "--work", str(folder / "w"), "--runs", str(folder / "runs")],
    ]  # fmt: skip


def odd_value(rng: Rng, folder: Path) -> Input:
    """One word of a call is another: told in words, or done."""
    some = commands(saved(pictures()[0], folder / "a.png"), folder)
    words = some[rng.integers(len(some))]
    places = [i for i, word in enumerate(words) if i and not (word.startswith("--") or words[i - 1] == "--out")]
    at = places[rng.integers(len(places))]
    # What a call would write goes to this folder, or nowhere.
    value = ODD[rng.integers(len(ODD))] if rng.integers(4) else str(folder)
    if words[0] in ("synthesize", "train") and words[at].startswith(str(folder)):
        value = str(folder / "a.png")
    changed = [*words[:at], value, *words[at + 1 :]]
    return calling(f"{' '.join(words[:3])}: {words[at - 1]} is {value[:30]!r}", *changed)


def odd_option(rng: Rng, folder: Path) -> Input:
    """An option that is not there, without its value, or twice."""
    some = commands(saved(pictures()[0], folder / "a.png"), folder)
    words = some[int(rng.integers(len(some)))]
    extra = (["--what"], ["--run"], ["--json", "--json"], ["x" * 3000], ["\x1b]0;a\x07"], ["--" + "y" * 3000, "1"])
    return calling(f"{' '.join(words[:2])} and more", *words, *extra[rng.integers(len(extra))])


def names(rng: Rng, folder: Path) -> Input:
    """Pictures whose names are drawn, computed or no text: each has a row, and the exit code is 0."""
    odd = ("=1+1.png", "@SUM(1).png", "-rf.png", "[red]a[bold].png", ":x:.png", "a\nb.png", "a\x1b[2Jb.png",
           "\u202egnp.png", "病変 Übersicht.png", "na\udce9vus.png", "n" * 250 + ".png", "'\".png", "%s{}$x$.png",
           "&lt;b&gt;.PNG")  # fmt: skip
    chosen = [odd[i] for i in rng.choice(len(odd), 3, replace=False)]
    for name in chosen:
        saved(pictures()[0], folder / name)
    as_json = bool(rng.integers(2))

    def wrong(said: Answer) -> str | None:
        if said[0]:
            return f"exit code {said[0]}: {said[2][:200]}"
        if not as_json:
            return None
        rows = json.loads(said[1])
        return None if len(rows) == 3 and all("answer" in row for row in rows) else f"{len(rows)} rows"

    return calling(f"names {chosen}", "predict", str(folder), "--run", CLASSIFIER, *["--json"] * as_json, wrong=wrong)


def damaged_among_healthy(rng: Rng, folder: Path) -> Input:
    """A folder with one picture cut off: it is reported, the others are answered as alone."""
    data, _ = files.healthy(rng, "png")
    (folder / "m.png").write_bytes(data[: len(data) // 2])
    for name in ("a", "z"):
        saved(pictures()[0], folder / f"{name}.png")

    def wrong(said: Answer) -> str | None:
        rows = {Path(row["picture"]).stem: row for row in json.loads(said[1])}
        if said[0] != 1 or set(rows) != {"a", "m", "z"} or "error" not in rows["m"]:
            return f"exit code {said[0]}, rows {rows}"
        alone = json.loads(call("predict", str(folder / "a.png"), "--run", CLASSIFIER, "--json")[1])[0]
        keys = ("answer", "diagnosis", "rejected")
        return None if all(rows[n][k] == alone[k] for n in "az" for k in keys) else f"{rows} and alone {alone}"

    return calling("one is damaged", "predict", str(folder), "--run", CLASSIFIER, "--json", wrong=wrong)


def places_to_write(rng: Rng, folder: Path) -> Input:
    """A link is followed, what is no ordinary file is refused, and nothing is left over after a failure."""
    what = ("link", "pipe", "folder", "empty", "in a file", "new")[rng.integers(6)]
    place = folder / "p.json"
    target = folder / "target.json"
    if what == "link":
        place.symlink_to(target)
    elif what == "pipe":
        os.mkfifo(place)
    elif what == "folder":
        place.mkdir()
    elif what == "in a file":
        (folder / "file").write_text("x")
        place = folder / "file" / "p.json"
    before = {path.name for path in folder.iterdir()}

    def wrong(said: Answer) -> str | None:
        new = {path.name for path in folder.iterdir()} - before
        if what in ("link", "new"):
            expected = {"target.json"} if what == "link" else {"p.json"}
            return (
                None if said[0] == 0 and new == expected and place.is_symlink() == (what == "link") else f"{said} {new}"
            )
        return None if said[0] and not new else f"exit code {said[0]}, new files {new}"

    where = "" if what == "empty" else str(place)
    return calling(f"--out is a {what}", "ood", "tune", "--run", CLASSIFIER, "--out", where, wrong=wrong)


def damaged_run(rng: Rng, folder: Path) -> Input:
    """A run that cannot be opened: a sentence and exit code 1, from every command."""
    run = copy_of(RUNS[0], folder)
    name = ("config.json", "model.safetensors", "predictions.parquet", "golden.safetensors")[rng.integers(4)]
    (run / name).unlink()
    (run / name).write_bytes(rng.bytes(200))
    picture = saved(pictures()[0], folder / "a.png")
    asked = (["predict", picture, "--run", str(run)], ["evaluate", str(run)], ["ood", "tune", "--run", str(run)],
             ["ood", "score", picture, "--run", str(run)], ["runs", str(folder)])[rng.integers(5)]  # fmt: skip
    return calling(f"{name} is random, {asked[0]}", *asked, wrong=lambda s: None if s[0] == 1 else f"exit code {s[0]}")


KINDS: dict[str, Make] = {
    make.__name__: make for make in (odd_value, odd_option, names, damaged_among_healthy, places_to_write, damaged_run)
}


def _warm() -> None:
    call("runs", str(SHIPPED))


PART = Part(KINDS, _warm, 60.0)
