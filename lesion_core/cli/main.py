"""The command line: python -m lesion_core synthesize | download | train | evaluate | predict | explain | robustness |
consistency | segment | ood | experiment | dashboard | serve | runs."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from lesion_core.amounts import MOST
from lesion_core.cli import consistency, download, evaluate, explain, ood, robustness, segment, train
from lesion_core.cli.answers import DetailsOption, answer_row, wanted_details
from lesion_core.cli.dashboard import dashboard
from lesion_core.cli.options import (
    JsonOption,
    as_it_is,
    err,
    never_fail_on_letters,
    new_table,
    open_streams,
    print_json,
    print_table,
    say,
    tell,
    tell_whether_rejected,
)
from lesion_core.cli.progress import bar
from lesion_core.cli.serve import serve
from lesion_core.config import MOST_SEED
from lesion_core.errors import ConfigError, LesionError
from lesion_core.foreign_text import sentence, shown

# Heavy imports wait inside the commands: `--help` and `runs` need no torch.


class _Commands(TyperGroup):
    """Commands whose wrong calls are told as short and harmless as all else: the message quotes what was given."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            # Click's exceptions are Typer's own from some version on, so they are known by what they have.
            if hasattr(error, "format_message") and isinstance(message := getattr(error, "message", None), str):
                vars(error)["message"] = sentence(message, 300)
            raise


app = typer.Typer(
    cls=_Commands,
    help="Train, score and try skin-lesion classifiers. For research and teaching, not a medical device.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(train.train)
app.command()(train.experiment)
app.command("study", hidden=True)(train.experiment)  # its former name
app.command()(dashboard)
app.command()(serve)
app.command()(evaluate.evaluate)
app.command()(explain.explain)
app.command()(robustness.robustness)
app.command()(consistency.consistency)
app.add_typer(download.app, name="download")
app.add_typer(segment.app, name="segment")
app.add_typer(ood.app, name="ood")

ALLOCATOR = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:"
    "glibc.malloc.trim_threshold=17179869184:glibc.malloc.mmap_max=0"
)
"""Keeps freed memory in the process: on a CPU each training step otherwise faults its pages in anew."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main() -> None:
    """Run the command line: 0 is success, 1 a problem told in one sentence, 2 a wrong call, 130 an interruption."""
    trains = sys.argv[1:2] in (["train"], ["experiment"], ["study"], ["robustness"], ["consistency"]) or sys.argv[
        1:3
    ] == [
        "segment",
        "train",
    ]
    if trains or (sys.argv[1:2] == ["evaluate"] and "--data" in sys.argv):
        _tune_allocator()
    open_streams()
    never_fail_on_letters()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a full disk can still be told
    except LesionError as error:
        _tell_problem(error.problem, error.remedy)
        sys.exit(1)
    except BrokenPipeError:  # `lesion-lab runs | head -1`: nobody reads on
        _drop_output()
        sys.exit(1)
    except OSError as error:
        what = error.strerror or str(error)
        what = f"{error.filename}: {what}" if error.filename else what
        _tell_problem(sentence(f"{what}.", 300), "Check the path, its permissions and the space left.")
        _drop_output()
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            err.print(
                "Stopped. Started again, a training goes on from its last finished epoch, and a download or "
                "`robustness` or `consistency` where it was.",
                soft_wrap=True,
            )
        raise


def _tell_problem(problem: str, remedy: str) -> None:
    err.print(Text(" ").join((as_it_is(problem, "bold"), as_it_is(remedy))), highlight=False, soft_wrap=True)


def _drop_output() -> None:
    """What standard output could not take is not tried again when Python ends."""
    with suppress(OSError):  # it is not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tune_allocator() -> None:
    """Start over with the allocator's settings: it reads them before Python starts."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc" and "GLIBC_TUNABLES" not in os.environ:
        arguments = [sys.executable, "-m", "lesion_core", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "GLIBC_TUNABLES": ALLOCATOR})


@app.command()
def synthesize(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    per_class: Annotated[
        int, typer.Option(min=1, max=MOST["lesions of each diagnosis"], help="Lesions of each of the eight diagnoses.")
    ] = 25,
    size: Annotated[int, typer.Option(min=32, max=2048, help="Pixels per side.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a data set of synthetic dermoscopy, laid out like HAM10000, masks included."""
    from lesion_core.data.synthetic.lesions import IMAGES, make_dataset

    with bar("Making lesions") as progress:
        made = make_dataset(folder, per_class, seed, size=size, on_progress=progress)
    images = sum(1 for _ in (made / IMAGES).iterdir())
    if as_json:
        print_json({"folder": str(made), "lesions": 8 * per_class, "images": images})
    else:
        say(f"{8 * per_class:,} synthetic lesions, {images:,} images, are in {made}.")


@app.command()
def predict(
    pictures: Annotated[list[Path], typer.Argument(help="Image files or folders.")],
    run: Annotated[Path, typer.Option(help="A run folder.")],
    policy: Annotated[Path | None, typer.Option(help="Reject by this policy file, in place of the run's own.")] = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", "--trunk", help="How the network is computed: eager, bfloat16, compiled or openvino."
        ),
    ] = "eager",
    as_json: JsonOption = False,
    details: DetailsOption = None,
) -> None:
    """Classify images. An image that cannot be read is reported and the others go on; the exit code is then 1."""
    from lesion_core.data.pictures import picture_files
    from lesion_core.ood.policy import NO_POLICY
    from lesion_core.ood.rejector import Rejector
    from lesion_core.runs.classifier import open_run

    wanted = wanted_details(details, as_json)
    files = picture_files(pictures)
    opened = open_run(run)
    rejector = Rejector.open(opened, policy)

    from lesion_core.serving.classifier import Engine

    engine = Engine(opened, backend=backend)
    tell_whether_rejected(rejector)
    rows: list[dict[str, Any]] = []
    whys: list[str] = []  # in plain words: the figures are in the JSON
    with bar("Classifying") as progress:
        found = []
        for p in engine.predict_files(files):
            found.append(p)
            progress(len(found), len(files))
    for path, p in zip(files, found, strict=True):
        if isinstance(p, LesionError):
            rows.append({"picture": str(path), "error": str(p)})
            whys.append(str(p))
            continue
        probabilities = {c: round(float(v), 4) for c, v in zip(p.classes, p.probabilities, strict=True)}
        decision = rejector.decide(p.outputs)[0] if rejector else None
        rows.append(answer_row(path, p, decision, wanted) | {"probabilities": probabilities})
        whys.append(NO_POLICY if decision is None else decision.plain)
    if as_json:
        print_json(rows)
    else:
        table = new_table("picture", "answer", "confidence", "why")
        for row, why in zip(rows, whys, strict=True):
            table.add_row(
                as_it_is(row["picture"]), row.get("answer", "-"), str(row.get("confidence", "")), as_it_is(why)
            )
        print_table(table)
    if any("error" in row for row in rows):
        raise typer.Exit(1)


@app.command("runs")
def list_all(
    runs: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("checkpoints"),
    as_json: JsonOption = False,
) -> None:
    """List classifiers and segmenters, and folders that cannot be opened with the reason."""
    from lesion_core.runs.classifier import list_runs
    from lesion_core.runs.segmenter import list_segmenters

    if not runs.is_dir():
        raise ConfigError(
            f"There is no folder {shown(str(runs), 200)}.", "Name the folder that --runs of `train` named."
        )
    found, broken = list_runs(runs)
    segmenters, broken_segmenters = list_segmenters(runs)
    broken |= broken_segmenters
    if as_json:
        print_json(
            {
                "runs": [
                    {
                        "name": r.name,
                        "fingerprint": r.fingerprint,
                        "architecture": r.config.settings.model.architecture,
                        "classes": r.classes,
                        "created": r.config.created,
                        "counts": r.config.counts,
                    }
                    for r in found
                ],
                "segmenters": [
                    {
                        "name": s.name,
                        "fingerprint": s.fingerprint,
                        "encoder": s.config.settings.model.encoder,
                        "created": s.config.created,
                        "counts": s.config.counts,
                    }
                    for s in segmenters
                ],
                "broken": {name: str(error) for name, error in broken.items()},
            }
        )
    else:
        table = new_table("run", "model", "made", "test images", "fingerprint")
        for r in found:
            table.add_row(
                as_it_is(r.name),
                r.config.settings.model.architecture,
                r.config.created,
                str(r.config.counts.get("test", 0)),
                r.fingerprint,
            )
        for s in segmenters:
            table.add_row(
                as_it_is(s.name),
                f"U-Net on {s.config.settings.model.encoder}",
                s.config.created,
                str(s.config.counts.get("test", 0)),
                s.fingerprint,
            )
        print_table(table)
        for name, error in broken.items():
            tell(f"{name}: {error}")
    if broken:
        raise typer.Exit(1)
