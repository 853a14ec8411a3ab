"""What the commands share: where they write, their tables, their common options, settings from a file."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lesion_core.amounts import MOST
from lesion_core.config import Settings, refuse_named_twice, settings_bytes
from lesion_core.errors import ConfigError
from lesion_core.foreign_text import sentence, visible

if TYPE_CHECKING:
    import pandas as pd

    from lesion_core.data.splits import Manifest
    from lesion_core.runs.classifier import Run
    from lesion_core.runs.segmenter import SegmenterRun

# Names are drawn as they are: rich would make an emoji of `:x:`, even where markup is off.
out, err = Console(emoji=False), Console(stderr=True, emoji=False)


def named_path(text: str | Path) -> Path:
    """A path that an option names to be written; an empty name would be the current folder."""
    if not str(text).strip():
        raise typer.BadParameter("it is empty: name a place.")
    return Path(text)


DataOption = Annotated[
    list[Path],
    typer.Option(
        "--data",
        envvar="LESION_DATA",
        help="Folder with the data sets, one level down; it may be given several times.",
        exists=True,
        file_okay=False,
    ),
]
NameOption = Annotated[str, typer.Option("--name", help="The run's name; with --settings, in place of the one there.")]
SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Settings as JSON; a run's config.json repeats that run.")
]
WeightsFolderOption = Annotated[
    Path | None, typer.Option("--weights-folder", help="Where weights, and runs that teach, named in the settings are.")
]
WorkOption = Annotated[
    Path, typer.Option("--work", help="Folder for checkpoints and preprocessed images.", parser=named_path)
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start over instead of going on.")]
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder of run folders.", parser=named_path)]
KnownAnswerOption = Annotated[
    bool,
    typer.Option(
        "--known-answer",
        help="Write known_answer.json anew from the folder as it is, which you trust; the rest of the run stays.",
    ),
]
AsOption = Annotated[
    str, typer.Option("--as", help="With --data: score labelled images that the run never saw, as a set of this name.")
]
EvaluationsOption = Annotated[
    Path | None,
    typer.Option(
        "--out", help="With --as: folder for what is found; the run's own, evaluations, if none.", parser=named_path
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json/--table", help="JSON for programs on standard output, or tables for people.")
]


def some_devices(text: str) -> str:
    """Lightning's devices: auto, how many, or their numbers; every one may become a process."""
    for part in text.split(","):
        if part.strip().lstrip("-").isdecimal() and int(part) > MOST["devices"]:
            raise typer.BadParameter(f"{text} is more than {MOST['devices']:,}, the most that make sense.")
    return text


ResamplesOption = Annotated[int, typer.Option(min=100, max=MOST["resamples"], help="Bootstrap resamples, by lesion.")]
DevicesOption = Annotated[str, typer.Option(help="Lightning's devices.", parser=some_devices)]
NodesOption = Annotated[int, typer.Option(min=1, max=MOST["nodes"], help="Lightning's num_nodes.")]
StrategyOption = Annotated[str, typer.Option(help="Lightning's strategy.")]

S = TypeVar("S", bound=Settings)


SplitOfOption = Annotated[
    Path | None,
    typer.Option(
        "--split-of",
        help="Keep the roles of a classifier's run folder, or of a split.csv that a training wrote; only lesions that "
        "are not in it are dealt anew.",
    ),
]


def read_split(path: Path) -> Manifest:
    """The split of a classifier's run, or of a file that `train` wrote.

    Raises:
        ConfigError: It is a segmenter: its table does not tell what it was trained on.
        RunError, DataError: It is not a run, or the file is missing or altered.
    """
    from lesion_core.data.splits import Manifest
    from lesion_core.runs.classifier import open_run
    from lesion_core.runs.folder import kind_of

    if not path.is_dir():
        return Manifest.read(path)
    if kind_of(path) == "segmenter":
        raise ConfigError(
            f"{path.name} is a segmenter: its table does not tell which lesions it was trained on.",
            "Name a classifier's run of the same split, or the split.csv that its training wrote.",
        )
    return Manifest.of_run(open_run(path, needed=("predictions.parquet",)).predictions)


def read_settings(file: Path, name: str, kind: type[S]) -> S:
    """Settings from a file, a run's `config.json` too; `name` takes the place of the one there.

    Raises:
        ConfigError: There is no such file, it is not valid JSON, or a field is wrong.
    """
    found = _json(file)
    if isinstance(found, dict) and "settings" in found:
        found = found["settings"]
    if isinstance(found, dict) and name:
        found["name"] = name
    return kind.from_json(json.dumps(found), file.name)


def refuse_beside_settings(context: typer.Context, keys: Iterable[str]) -> None:
    """Refuse options that a settings file would silently win over.

    Raises:
        ConfigError: One of the parameters was given on the command line.
    """
    given = [
        f"--{key.replace('_', '-')}"
        for key in keys
        if (source := context.get_parameter_source(key)) and source.name == "COMMANDLINE"
    ]
    if given:
        raise ConfigError(f"{', '.join(given)} cannot be given beside --settings.", "Change the settings file instead.")


def detail_was_added(file: Path) -> bool:
    """Whether a file is the `config.json` of a run that got equal detail after its training.

    Raises:
        ConfigError: There is no such file, or it is not valid JSON.
    """
    found = _json(file)
    return isinstance(found, dict) and found.get("detail_added") is True


def _json(file: Path) -> Any:
    raw = settings_bytes(file)
    refuse_named_twice(raw, file.name)
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ConfigError(
            f"{file.name} is not valid JSON.", "Give a JSON file of settings, or a run's config.json."
        ) from None


class _OneLine(logging.Formatter):
    """A message in one line: what a training logs has names from folders and tables in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return sentence(super().formatMessage(record), 2_000)


def log_training() -> None:
    """What a training logs goes to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("lesion_core").setLevel(logging.INFO)  # what libraries tell of themselves is not for a user


def epoch_teller(epochs: int) -> Callable[[int, Mapping[str, float]], None]:
    """A callback that tells an epoch's values, one line each, out of `epochs`."""

    def told(epoch: int, values: Mapping[str, float]) -> None:
        tell(f"epoch {epoch + 1}/{epochs}: " + ", ".join(f"{key} {value:.4g}" for key, value in sorted(values.items())))

    return told


def print_json(value: Any) -> None:
    """A value on standard output as JSON; it holds no NaN."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


WIDEST = 1_000_000
"""Letters in a line of a table that nobody reads on a terminal."""


def new_table(*columns: str, title: str = "") -> Table:
    """A table in which no name is cut: on a narrow terminal a cell is folded."""
    table = Table(title=as_it_is(title, "table.title") if title else None)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def print_table(table: Table) -> None:
    """A table on standard output: as wide as a terminal, and elsewhere as wide as its rows are, one line each."""
    if out.file.isatty():
        out.print(table)
        return
    width = Measurement.get(out, out.options.update(max_width=WIDEST), table).maximum
    Console(file=out.file, width=width, emoji=False).print(table)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON, which has no NaN."""
    rows = table.astype(object).where(table.notna(), None)
    return [dict(zip(map(str, rows.columns), row, strict=True)) for row in rows.itertuples(index=False)]


def tell_trained(run: Run | SegmenterRun, history: pd.DataFrame, as_json: bool) -> None:
    """What a training ends with: where the run is, or all of it as JSON."""
    if as_json:
        facts = {"run": run.name, "fingerprint": run.fingerprint, "written": str(run.folder)}
        print_json({**facts, "counts": dict(run.config.counts), "history": records(history)})
    else:
        say(f"The run is in {run.folder}.")


def counted(n: int, thing: str) -> str:
    """A number with what is counted: *1 epoch*, *2 epochs*."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def tell(text: str) -> None:
    """A sentence on standard error, as it is: paths may hold what rich takes for markup."""
    err.print(as_it_is(text), highlight=False, soft_wrap=True)


def tell_whether_rejected(rejector: object | None) -> None:
    """Say where nothing is rejected because the run has no policy."""
    if rejector is None:
        tell("The run has no policy: nothing is rejected, whatever the images show. `ood tune` makes one.")


def say(text: str) -> None:
    """A sentence on standard output, as it is."""
    out.print(as_it_is(text), highlight=False, soft_wrap=True)


def as_it_is(text: str, style: str = "") -> Text:
    """A name, path or sentence for rich, letter by letter: no markup, no emoji, what cannot be seen escaped."""
    return Text(visible(text), style)


def open_streams() -> None:
    """Where a caller has closed standard output or error, what is said goes nowhere in place of ending the work; open
    as long as the process."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115


def never_fail_on_letters() -> None:
    """Let standard output and error escape what their encoding lacks, in place of ending after hours of work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
