"""What every kind of run has in common: a folder whose `config.json` names the SHA-256 of its other files.

A kind (`RunKind`) says what is its own: its settings, the files that never change, what to do where one is missing.
Opening, listing and writing are the same for all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt
from safetensors import SafetensorError
from safetensors.numpy import load

from lesion_core.config import RunSettings, SegmenterRunSettings, Settings
from lesion_core.errors import ConfigError, RunError
from lesion_core.files import current, finish, read_parquet
from lesion_core.foreign_text import shown
from lesion_core.runs.hashes import check_hash, file_state, sha256
from lesion_core.runs.history import read_history
from lesion_core.runs.listing import run_folders, states
from lesion_core.runs.schema import NEVER_MISSING, Kind, check_table
from lesion_core.runs.small_files import read_small

SCHEMA_VERSION = 1
GOLDEN = "golden.safetensors"
"""An image and the model's answer to it, written with the run and asked again whenever its model is loaded."""
INCOMPLETE = "Copy the folder again, or score the run again with `evaluate --data`."
DAMAGED = "Copy the folder again."
Read = TypeVar("Read")
AnySettings = TypeVar("AnySettings", bound=RunSettings | SegmenterRunSettings)


class StoredConfig(Settings, Generic[AnySettings]):
    """`config.json`: what a run of any kind was made with."""

    kind: str
    schema_version: int = SCHEMA_VERSION
    settings: AnySettings
    split_fingerprint: str
    initial_weights: str = Field(description="one sentence: what the weights started from")
    created: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="date, ISO 8601")
    versions: dict[str, str]
    counts: dict[str, NonNegativeInt] = Field(description="images in each split")
    quantization: dict[str, NonNegativeFloat] = Field(
        default={}, description="what 8 bits per weight cost, against fp32"
    )
    files: dict[str, str] = Field(description="SHA-256 of the other files")


Config = TypeVar("Config", bound=StoredConfig[RunSettings] | StoredConfig[SegmenterRunSettings])


@dataclass(frozen=True)
class StoredRun(Generic[Config]):
    """An opened run folder. Its settings are in memory; tables are read when first asked for.

    Attributes:
        folder: Where it is.
        config: What it was made with.
        fingerprint: 16 hex digits of `config.json`; they change with any file that it lists.
        verify: A file is compared with its SHA-256 before it is read, also long after the run was opened.
    """

    folder: Path
    config: Config
    fingerprint: str
    verify: bool = True

    ANSWER: ClassVar[str]
    """What the model says of an image: the name of the known answer in ``golden.safetensors``."""

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """The shape of the model's answer to one image."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The run's name in links and lists."""
        return self.config.settings.name

    @property
    def weights(self) -> Path:
        """The weights file; errors as in `file`."""
        return self.file("model.safetensors")

    @cached_property
    def history(self) -> pd.DataFrame:
        """Long form: epoch, phase, metric, value.

        Raises:
            RunError: The file is missing, altered or damaged, as `read_history` raises it.
        """
        named = f"history.csv of {self.name}"
        try:
            return self.read("history.csv", partial(read_history, named=named))
        except OSError as error:
            raise RunError(f"{named} cannot be read ({error.strerror}).", DAMAGED) from None

    @property
    def card(self) -> str:
        """The run's card in Markdown: for people. No page and no command reads it, and no hash covers it.

        Raises:
            RunError: It is missing or not a text file.
        """
        try:
            return self.read("card.md", read_small).decode("utf-8")
        except UnicodeDecodeError:
            raise RunError(f"card.md of {self.name} is not a text file.", DAMAGED) from None
        except OSError as error:
            raise RunError(f"card.md of {self.name} cannot be read ({error.strerror}).", DAMAGED) from None

    @cached_property
    def golden(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The known answer: an image (H, W, 3) and what the model said of it when the run was written."""
        tensors = self.read_tensors(GOLDEN, ("image", self.ANSWER))
        image, answer = tensors["image"], tensors[self.ANSWER]
        fits = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size
        if not fits or answer.shape != self.answer_shape or not np.issubdtype(answer.dtype, np.floating):
            raise RunError(f"{GOLDEN} of {self.name} is not an image with its {self.ANSWER}.", DAMAGED)
        return image.astype(np.uint8), answer.astype(np.float32)

    def check_known_answer(self, ask: Callable[[NDArray[np.uint8]], NDArray[np.float32]], tolerance: float) -> None:
        """Refuse a model in memory that does not say what the run's model said.

        Args:
            ask: The model: an image (H, W, 3) to its answer, of `answer_shape`.
            tolerance: The largest difference that other processors' rounding explains.

        Raises:
            RunError: The answer is another, or not finite.
        """
        image, expected = self.golden
        difference = float(np.abs(ask(image) - expected).max())
        if not difference <= tolerance:
            raise RunError(
                f"Run {self.name} does not give its known answer: its {self.ANSWER} differ by up to {difference:.3g}.",
                "Weights, settings or library versions do not belong together; install the versions in config.json.",
            )

    def file(self, name: str) -> Path:
        """A file of the run.

        Raises:
            RunError: It is missing, or not the one that `config.json` lists.
        """
        while True:
            path = current(self.folder, name)
            try:
                if not path.is_file():
                    raise RunError(f"Run {shown(self.folder.name)} lacks {name}.", INCOMPLETE)
                if self.verify and name in self.config.files:
                    check_hash(path, self.config.files)
                return path
            except (RunError, FileNotFoundError):
                if current(self.folder, name) == path:
                    if fingerprint_of(self.folder) != self.fingerprint:
                        raise replaced(self) from None
                    raise

    def read(self, name: str, how: Callable[[Path], Read]) -> Read:
        """What a function makes of a file: of the one that `config.json` lists, also where the run is replaced
        meanwhile; errors as in `file`, and the function's own."""
        while True:
            before = file_state(current(self.folder, name))[:3]
            path = self.file(name)
            try:
                found = how(path)
            except Exception:
                if file_state(path)[:3] == before:
                    raise
            else:
                if file_state(current(self.folder, name))[:3] == before:
                    return found

    def read_table(self, name: str, kinds: Mapping[str, Kind]) -> pd.DataFrame:
        """A Parquet table.

        Args:
            name: The file.
            kinds: What the columns that are wanted hold.

        Raises:
            RunError: It is missing, altered, damaged, lacks a column, or one holds something else.
        """
        try:
            table = self.read(name, read_parquet)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise RunError(f"{name} of {self.name} is damaged ({shown(str(error), 200)}).", DAMAGED) from None
        check_table(table, kinds, f"{name} of {self.name}", INCOMPLETE, NEVER_MISSING)
        return table

    def read_tensors(self, name: str, wanted: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """The tensors of a file by name.

        Raises:
            RunError: It is missing, altered, damaged, or lacks a tensor.
        """
        try:
            tensors: dict[str, NDArray[np.generic]] = self.read(name, lambda path: load(path.read_bytes()))
        except (SafetensorError, OSError, ValueError, KeyError) as error:  # KeyError: a type that NumPy does not have
            raise RunError(f"{name} of {self.name} is damaged ({shown(str(error), 200)}).", DAMAGED) from None
        missing = [tensor for tensor in wanted if tensor not in tensors]
        if missing:
            raise RunError(f"{name} of {self.name} lacks the tensor {shown(missing[0])}.", INCOMPLETE)
        return tensors


class Named(Protocol):
    """A run, of any kind."""

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...


AnyRun = TypeVar("AnyRun", bound=Named)


@dataclass(frozen=True)
class RunKind(Generic[Config, AnyRun]):
    """What is a kind of run's own.

    Attributes:
        key: The field `kind` of its `config.json`.
        config: What `config.json` is read as.
        hashed: Files that never change after they are written, with `config.json` closing them.
        make: The run of a folder, its config, its fingerprint and `verify`.
        incomplete: What to do where a file is missing, one sentence.
        other_kind: Problem and remedy where a folder holds another kind; the problem goes on from the folder's name.
    """

    key: str
    config: type[Config]
    hashed: tuple[str, ...]
    make: Callable[[Path, Config, str, bool], AnyRun]
    incomplete: str
    other_kind: tuple[str, str]

    def open(self, folder: Path, *, verify: bool = True, needed: Collection[str] | None = None) -> AnyRun:
        """Open a run folder.

        Args:
            folder: The run folder.
            verify: Compare every needed file's SHA-256 with the one in `config.json`; each state of a file is hashed
                once (about 0.1 s for 30 MB), so that opening the run again costs next to nothing.
            needed: Files that must be there; fewer than `hashed` for who will write the others anew.

        Raises:
            RunError: The folder or a file is missing, `config.json` is not valid, a file was altered, or the folder
                holds another kind of run.
        """
        finish(folder)
        while True:
            before = states(folder)
            try:
                return self._open(folder, verify, self.hashed if needed is None else needed)
            except (RunError, FileNotFoundError):
                if states(folder) == before:  # else it was replaced meanwhile
                    raise

    def _open(self, folder: Path, verify: bool, needed: Collection[str]) -> AnyRun:
        try:
            text = read_small(current(folder, "config.json"))
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(
                f"{shown(folder.name)} is not a run folder: config.json is missing.",
                "Name a folder that `train` has written.",
            ) from None
        except OSError as error:
            raise RunError(f"config.json of {shown(folder.name)} cannot be read ({error.strerror}).", DAMAGED) from None
        if kind_of(folder) != self.key:
            problem, remedy = self.other_kind
            raise RunError(f"{shown(folder.name)} {problem}", remedy)
        try:
            version = json.loads(text).get("schema_version")
        except (ValueError, AttributeError, RecursionError):
            raise RunError(f"config.json of {shown(folder.name)} is not a JSON object.", DAMAGED) from None
        if version != SCHEMA_VERSION:
            raise RunError(
                f"Run {shown(folder.name)} has schema version {shown(str(version))}, and this program reads "
                f"{SCHEMA_VERSION}.",
                "Open it with the version that wrote it, or train it again with this one.",
            )
        try:
            config = cast("Config", self.config.from_json(text, f"config.json of {shown(folder.name)}"))
        except ConfigError as error:
            raise RunError(error.problem, "The run was altered or made by another version; train it again.") from None
        for name in needed:
            file = current(folder, name)
            if not file.is_file():
                raise RunError(f"Run {shown(folder.name)} lacks {name}.", self.incomplete)
            if verify:
                check_hash(file, config.files)
        return self.make(folder, config, _fingerprint(text), verify)

    def list(self, root: Path, *, verify: bool = True) -> tuple[list[AnyRun], dict[str, RunError]]:
        """All runs of this kind below a folder, by name, and the folders that cannot be opened, with the reason."""
        found: list[AnyRun] = []
        broken: dict[str, RunError] = {}
        for folder in run_folders(root):
            if kind_of(folder) != self.key:
                continue
            try:
                run = self.open(folder, verify=verify)
                check_name(run.name, folder, found)
                found.append(run)
            except RunError as error:
                broken[folder.name] = error
        return found, broken

    def close(self, folder: Path, config: Config) -> AnyRun:
        """Write `config.json` with the hashes of the files that are there, and open the run.

        Args:
            folder: As `rewritten` yields it; what is not in it is kept of the run that it will be part of.
            config: What the run was made with; its hashes are found here.

        Raises:
            RunError: A file that belongs to a run is missing.
        """
        missing = [name for name in self.hashed if not current(folder, name).is_file()]
        if missing:
            raise RunError(
                f"The run {shown(folder.name)} is incomplete: {missing[0]} was not written.", self.incomplete
            )
        files = {name: sha256(current(folder, name)) for name in self.hashed}
        text = config.model_copy(update={"files": files}).to_json()
        (folder / "config.json").write_text(text, encoding="utf-8")
        return self.open(folder)


def fingerprint_of(folder: Path) -> str:
    """16 hex digits of the `config.json` that a folder has now; empty where it has none."""
    try:
        return _fingerprint(read_small(current(folder, "config.json")))
    except OSError:
        return ""


def _fingerprint(config: bytes) -> str:
    return hashlib.sha256(config).hexdigest()[:16]


def replaced(run: Named) -> RunError:
    """What to tell where a run's folder holds another one by now."""
    return RunError(f"Run {run.name} was replaced by a newer one after it was opened.", "Open it again.")


def kind_of(folder: Path) -> str:
    """The kind of run that the folder's `config.json` names: segmenter, or classifier for all else."""
    try:
        found = json.loads(read_small(current(folder, "config.json")))
    except (OSError, ValueError, RecursionError):
        return "classifier"
    return "segmenter" if isinstance(found, dict) and found.get("kind") == "segmenter" else "classifier"


def check_name(name: str, folder: Path, known: Sequence[Named]) -> None:
    """Refuse a run whose name another one has: links and lists tell runs by their names.

    Raises:
        RunError: It has.
    """
    for other in known:
        if other.name == name:
            raise RunError(
                f"{shown(folder.name)} and {shown(other.folder.name)} both hold a run named {name}.",
                "Move one of them to another folder; a backup belongs beside the runs, not among them.",
            )
