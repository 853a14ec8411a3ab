"""The commands train and experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from lesion_core.amounts import MOST
from lesion_core.cli.options import (
    DataOption,
    DevicesOption,
    FreshOption,
    JsonOption,
    NameOption,
    NodesOption,
    RunsOption,
    SettingsOption,
    SplitOfOption,
    StrategyOption,
    WeightsFolderOption,
    WorkOption,
    counted,
    detail_was_added,
    epoch_teller,
    log_training,
    named_path,
    print_json,
    read_settings,
    read_split,
    records,
    refuse_beside_settings,
    say,
    tell,
    tell_trained,
)
from lesion_core.cli.progress import Steps
from lesion_core.config import MOST_SEED, ModelSettings, Preprocessing, Resize, RunSettings, Training, first_problem
from lesion_core.errors import ConfigError
from lesion_core.files import folder_to_write
from lesion_core.foreign_text import shown
from lesion_core.labels import ISIC2019


def _settings(file: Path | None, name: str, **given: Any) -> RunSettings:
    """Settings from a file (a run's config.json too) or from the options."""
    if file is None:
        fit = {k: v for k, v in given.items() if v is not None}
        try:
            return RunSettings(
                name=name,
                model=ModelSettings(architecture=fit["architecture"], classes=ISIC2019, weights=fit["weights"]),
                preprocessing=Preprocessing(resize=Resize(size=fit["size"])),
                training=Training(**{k: fit[k] for k in ("epochs", "batch_size", "learning_rate", "seed") if k in fit}),
            )
        except ValidationError as error:
            raise ConfigError(f"The options: {first_problem(error)}", "Correct that option.") from None
    return read_settings(file, name, RunSettings)


def train(
    context: typer.Context,
    data: DataOption,
    name: NameOption = "",
    settings: SettingsOption = None,
    architecture: Annotated[
        str, typer.Option(help="resnet10, resnet10_half, resnet50, resnet101 or resnet152.")
    ] = "resnet50",
    weights: Annotated[str, typer.Option(help="none, imagenet, or a safetensors file, also a partial one.")] = "none",
    weights_folder: WeightsFolderOption = None,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels per side that the model reads.")] = 128,
    epochs: Annotated[int | None, typer.Option(min=1, max=MOST["epochs"])] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, max=MOST["images at a time"])] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-8, max=1)] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=MOST_SEED)] = None,
    runs: RunsOption = Path("checkpoints"),
    work: WorkOption = Path("scratch"),
    split_of: SplitOfOption = None,
    fresh: FreshOption = False,
    devices: DevicesOption = "auto",
    nodes: NodesOption = 1,
    strategy: StrategyOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a classifier, score every image and write the run. A killed training goes on where it was."""
    from lesion_core.data.collection import CORRUPTED_PER_KIND, check_pictures, check_roles, collect
    from lesion_core.models.known import known_architecture, weights_file
    from lesion_core.runs.teachers import open_teachers, teachers_answers

    if settings:
        refuse_beside_settings(
            context, ("architecture", "weights", "size", "epochs", "batch_size", "learning_rate", "seed")
        )
    log_training()
    chosen = _settings(
        settings,
        name or ("" if settings else architecture),
        architecture=architecture,
        weights=weights,
        size=size,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    # A run that got equal detail after its training is repeated as it was made.
    later = settings is not None and detail_was_added(settings)
    learned = chosen.with_detail(False) if later else chosen
    known_architecture(chosen.model.architecture)
    folder_to_write(runs / chosen.name, "--runs")
    folder_to_write(work / chosen.name, "--work")
    weights_file(chosen.model.weights, weights_folder)
    tell(f"Run {chosen.name}: {chosen.model.architecture}, {counted(chosen.training.epochs, 'epoch')}.")
    known = read_split(split_of) if split_of else None
    teachers = open_teachers(chosen.training.teachers, weights_folder)
    with Steps() as step:
        step("Reading the tables and dealing the lesions")
        collection = collect(
            data,
            chosen.split,
            known=known,
            ood_images=Path("ood_samples"),
            corrupted_per_kind=CORRUPTED_PER_KIND,
            images=chosen.images,
        )
        for note in collection.notes:
            tell(note)
        check_roles(collection.table, chosen.model.classes)
        taught = (
            teachers_answers(teachers, collection.table, chosen.model.classes, chosen.training.softness)
            if teachers
            else None
        )
        step("Loading the libraries that train")

        from lesion_core import distributed
        from lesion_core.inference.classifier import write_run
        from lesion_core.reports.classifier_card import write_card
        from lesion_core.training.classifier import fit
        from lesion_core.training.loop import check_folder
        from lesion_core.training.processes import check_workplaces

        own = work / chosen.name
        check_folder(own, learned, collection.table, not fresh)
        check_workplaces(devices, nodes, strategy)
        if distributed.starts():
            # The others are decoded when the training begins.
            scored = collection.table["role"].isin(["calibrate", "test"])
            paths = list(dict.fromkeys([*collection.table["path"][scored], *collection.ood["path"]]))
            check_pictures(paths, on_progress=step(f"Checking {len(paths):,} images that are only scored"))
        fitted = fit(
            learned,
            collection.table,
            own,
            weights_folder=weights_folder,
            taught=taught,
            resume=not fresh,
            on_step=step,
            on_epoch=epoch_teller(chosen.training.epochs),
            devices=devices,
            num_nodes=nodes,
            strategy=strategy,
        )
        if distributed.first():
            collection.manifest.write(own / "split.csv")
        run = write_run(
            runs / chosen.name,
            chosen,
            fitted.model,
            collection.table,
            collection.ood,
            split_fingerprint=collection.manifest.fingerprint,
            history=fitted.history,
            initial_weights=fitted.initialised.sentence,
            detail_added=later,
            describe=write_card,
            on_step=step,
        )
    if distributed.first():
        tell_trained(run, fitted.history, as_json)


def experiment(
    key: Annotated[str, typer.Argument(help="imbalance, leakage, files, left_out, shortcut or sources.")],
    data: DataOption,
    settings: Annotated[
        Path | None,
        typer.Option(help="What all variants share, as JSON; a run's config.json is one. The shortcut has its own."),
    ] = None,
    weights_folder: WeightsFolderOption = None,
    work: Annotated[Path, typer.Option(help="Folder for the variants' trainings and runs.", parser=named_path)] = Path(
        "scratch"
    ),
    folder: Annotated[Path, typer.Option("--out", help="Folder of the table.", parser=named_path)] = Path(
        "experiments"
    ),
    as_json: JsonOption = False,
) -> None:
    """Train variants side by side with one seed and one budget, and write what they measure as a table."""
    from lesion_core.experiments.registry import known_experiment
    from lesion_core.experiments.trainings import run_experiment
    from lesion_core.findings import Finding, keep_run, read_experiment, write_experiment
    from lesion_core.runs.classifier import Run

    entry = known_experiment(key)
    folder_to_write(folder, "--out")
    log_training()
    chosen = read_settings(settings, "", RunSettings) if settings else entry.settings
    if chosen is None:
        raise ConfigError(
            f"The experiment {key} has no settings of its own.",
            f"Name a file of what its trainings share, such as --settings experiments/{key}.json.",
        )
    earlier = read_experiment(key, folder)
    if earlier and earlier.settings != chosen:
        raise ConfigError(
            f"{shown(str(folder), 200)} holds this experiment with other settings.", "Name another folder with --out."
        )
    runs: dict[str, Run] = {}
    with Steps() as step:
        table = run_experiment(
            key,
            chosen,
            data,
            work,
            weights_folder=weights_folder,
            on_variant=lambda name: tell(f"Variant: {name}."),
            on_note=tell,
            on_run=runs.__setitem__,
            on_step=step,
        )
    for name in entry.kept:
        keep_run(key, name, runs[name], folder)
    written = write_experiment(key, Finding(table, chosen), folder)
    if as_json:
        print_json({"experiment": key, "written": str(written), "rows": records(table)})
    else:
        say(f"The table is {written}.")
