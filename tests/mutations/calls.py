"""Calls of the command line, in this process: odd values, odd names, damaged pictures among healthy ones."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer
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
       "--", "-", "../nowhere", "nowhere", "\udce9", "\u202e", "1.5", "true", "[red]", "None")  # fmt: skip


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


def every_option(rng: Rng, folder: Path) -> Input:
    """Any option of any command, hidden ones too, with any value: nothing of it is ever a traceback.

    Places to write are in this folder; what is left out is what needs no value, and what starts a server.
    """
    path = list(OPTIONS)[rng.integers(len(OPTIONS))]
    option = OPTIONS[path][rng.integers(len(OPTIONS[path]))]
    needed = {
        "pictures": [saved(pictures()[0], folder / "a.png")],
        "run": [SEGMENTER if path[0] == "segment" else CLASSIFIER],
        "folder": [str(folder / "made")],
        "data": [str(folder / "empty")],
        "settings": [str(folder / "none.json")],
        "masks": [str(folder / "masks")],
        "key": ["leakage"],
    }
    (folder / "empty").mkdir()
    arguments: list[str] = []
    for parameter in COMMANDS[path].params:
        flag = parameter.opts[-1] if parameter.opts[-1].startswith("--") else None
        if parameter.name == option.name or not (parameter.required or parameter.name in ("data", "run")):
            continue
        arguments += [*([flag] if flag else []), *needed.get(parameter.name, ["x"])]
    places = [str(made(folder)) for made in PLACES]
    values = (*ODD, *places)
    text = values[rng.integers(len(values))]
    flag = option.opts[-1] if option.opts[-1].startswith("--") else None
    writes = option.name in ("runs", "work", "folder", "masks", "to")
    if writes and not text.startswith(str(folder)):
        text = str(folder / "new")  # nothing is written elsewhere
    if path in TRAIN and option.name != "work":
        arguments += ["--work", str(folder / "work"), *(["--out", str(folder)] if path == ("experiment",) else [])]
    if path == ("ood", "tune") and option.name != "to":
        arguments += ["--out", str(folder / "p.json")]
    words = [*path, *arguments, *([flag] if flag else []), text]
    return calling(f"{' '.join(path)} {option.opts[-1]} is {text[:40]!r}", *words)


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def loop(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def circle(folder: Path) -> Path:
    """A folder that a link in it leads back to."""
    (folder / "circle").mkdir()
    (folder / "circle" / "again").symlink_to(folder / "circle")
    return folder / "circle"


def not_text(folder: Path) -> Path:
    Path(os.fsdecode(os.fsencode(folder) + b"/na\xe9vus.png")).write_bytes(b"x")
    return folder / "na\udce9vus.png"


def long_name(folder: Path) -> Path:
    return folder / ("n" * 300)


def dark(folder: Path) -> Path:
    (folder / "dark").mkdir(mode=0)
    return folder / "dark"


def device(_: Path) -> Path:
    return Path("/dev/null")


PLACES = (pipe, loop, circle, not_text, long_name, dark, device)
"""Paths that are no ordinary file or folder."""


def surroundings(rng: Rng, folder: Path) -> Input:
    """A process of its own: closed or broken streams, no home, an odd locale and terminal, a folder without rights."""
    picture = saved(pictures()[0], folder / "a.png")
    asked = (
        ["runs", str(SHIPPED)],
        ["runs", str(SHIPPED), "--json"],
        ["--help"],
        ["evaluate", CLASSIFIER, "--resamples", "100", "--json"],
        ["segment", "evaluate", SEGMENTER, "--resamples", "100"],
        ["segment", "predict", picture, "--run", SEGMENTER, "--out", str(folder / "masks"), "--json"],
        ["runs", str(folder / "nowhere \udce9")],
        ["evaluate", "nowhere"],
    )[rng.integers(8)]
    how = HOWS[rng.integers(len(HOWS))]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SHIPPED.parent),
        "OMP_NUM_THREADS": "1",
        **({} if rng.integers(2) else {"COLUMNS": ("1", "0", "-3", "x", "100000")[rng.integers(5)]}),
        **({} if rng.integers(2) else {"LANG": ("C", "C.UTF-8", "tr_TR.UTF-8", "xx")[rng.integers(4)]}),
        **({} if rng.integers(2) else {"PYTHONIOENCODING": ("ascii", "utf-16", "latin-1")[rng.integers(3)]}),
        **({} if rng.integers(2) else {"HOME": ("/nowhere", "", "/dev/null")[rng.integers(3)]}),
    }
    words = " ".join(map(shlex.quote, [sys.executable, "-m", "lesion_core", *asked]))
    where = folder / "here"
    where.mkdir()
    where.chmod(0o555)

    def act() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # the shell makes the pipes that are tried
            f"set -o pipefail; {words} {how}", shell=True, executable="/bin/bash", cwd=where, env=environment,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=500,
        )  # fmt: skip

    def wrong(said: subprocess.CompletedProcess[bytes]) -> str | None:
        seen = (said.stdout + said.stderr).decode("latin-1")
        if "Traceback" in seen or "Exception ignored" in seen:
            return f"{said.returncode}: {seen[-300:]!r}"
        fails = "nowhere" in words.rpartition(" ")[2]
        expected = {1} if fails or "full" in how or how == FAR else {0}
        if how == HEAD:
            return None if not said.stderr or fails else f"it says {said.stderr[:200]!r}"
        return None if said.returncode in expected else f"exit code {said.returncode}: {seen[-300:]!r}"

    note = f"{' '.join(asked)} {how}, " + ", ".join(
        f"{k}={v}" for k, v in environment.items() if k in ("COLUMNS", "LANG", "HOME", "PYTHONIOENCODING")
    )
    return Input(act, wrong, False, note=note[:300])


HEAD = "| head -c 1"
FAR = ">/dev/full"
HOWS = ("", "<&-", ">&-", "2>&-", "<&- >&- 2>&-", HEAD, FAR, "2>&1 | cat")


def commands_below(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from commands_below(below, (*path, name))


COMMANDS = {
    path: command
    for path, command in commands_below(typer.main.get_command(cli.app))
    if path not in (("dashboard",), ("serve",))  # they run until they are ended
}
TRAIN = (("train",), ("segment", "train"), ("experiment",), ("study",))
OPTIONS = {path: [p for p in command.params if not getattr(p, "is_flag", False)] for path, command in COMMANDS.items()}
"""What takes a value, of each command."""

KINDS: dict[str, Make] = {
    make.__name__: make
    for make in (
        odd_value,
        odd_option,
        names,
        damaged_among_healthy,
        places_to_write,
        damaged_run,
        every_option,
        surroundings,
    )
}


def _warm() -> None:
    call("runs", str(SHIPPED))


PART = Part(KINDS, _warm, 60.0)
