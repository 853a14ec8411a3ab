"""The commands of the documentation, taken from it and run: `python -m tests.documented` prints how long each takes,
in seconds of the processor: what else the machine does counts as little as it can. Arguments: these commands alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "command-line.md"
PROGRAM = "python -m lesion_core "

FORKS = """
import json, os, sys
import lesion_core.experiments.trainings, lesion_core.inference.attribution, lesion_core.inference.unseen
import lesion_core.serving.segmenter, lesion_core.serving.classifier, lesion_core.training.segmenter
from lesion_core.cli.main import main
os.environ["GLIBC_TUNABLES"] = os.environ.get("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.argv = ["lesion_core", *json.loads(line)]
        main()
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    seconds = used.ru_utime + used.ru_stime
    print(json.dumps([os.waitstatus_to_exitcode(status), seconds]), file=sys.stderr, flush=True)
"""
"""Runs one command after the other, each in a process of its own that begins where the libraries are loaded."""


@dataclass(frozen=True)
class Ran:
    """A command that was run: its exit code, its seconds of the processor, and what it wrote to standard error."""

    command: str
    code: int
    seconds: float
    err: str


def commands() -> list[str]:
    """The example's commands, in order, without their comments."""
    block = re.findall(r"^```bash\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    return [shlex.join(shlex.split(line, comments=True)) for line in block.splitlines() if line.startswith(PROGRAM)]


def stated() -> dict[str, float]:
    """The seconds of the processor that the table gives each command."""
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) s \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {f"{PROGRAM}{command}": float(seconds) for command, seconds in rows}


def prepare(folder: Path) -> None:
    """A fresh folder as a reader has it: the repository's runs, images of their own with diagnoses and masks, settings
    of an experiment."""
    from lesion_core.config import ModelSettings, Preprocessing, Resize, RunSettings, Training
    from lesion_core.labels import ISIC2019
    from tests.own_set import own_set

    shutil.copytree(ROOT / "checkpoints" / "resnet50-isic2019", folder / "checkpoints" / "resnet50-isic2019")
    (folder / "ood_samples").symlink_to(ROOT / "ood_samples")
    own_set(folder / "mine", 8)
    shutil.copytree(folder / "mine", folder / "FOLDER", ignore=lambda _, names: [n for n in names if "_lesion" in n])
    shutil.copy(folder / "mine" / "image_0.png", folder / "picture.jpg")
    quick = RunSettings(
        name="quick",
        model=ModelSettings(architecture="resnet10", classes=ISIC2019),
        preprocessing=Preprocessing(resize=Resize(size=32)),
        training=Training(epochs=1, workers=0),
    )
    (folder / "FILE").write_text(quick.to_json(), encoding="utf-8")


def run(chosen: Sequence[str], folder: Path) -> Iterator[Ran]:
    """Run commands in a folder, one after the other."""
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LESION_DATA")}
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stderr
    with process:
        for command in chosen:
            process.stdin.write(json.dumps(shlex.split(command.removeprefix(PROGRAM))) + "\n")
            process.stdin.flush()
            said = []
            for line in process.stderr:
                if re.fullmatch(r"\[-?\d+, [\d.e-]+\]\n", line):
                    code, seconds = json.loads(line)
                    yield Ran(command, code, seconds, "".join(said))
                    break
                said.append(line)
            else:
                raise AssertionError(f"{command} did not end: {''.join(said)}")
        process.stdin.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        prepare(Path(made))
        for ran in run(sys.argv[1:] or commands(), Path(made)):
            print(f"| `{ran.command.removeprefix(PROGRAM)}` | {ran.seconds:.1f} s |", flush=True)
            if ran.code:
                print(ran.code, ran.err)
