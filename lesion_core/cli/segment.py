"""The commands of segmenters: python -m lesion_core segment train | evaluate | predict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from lesion_core.amounts import MOST
from lesion_core.cli.options import (
    AsOption,
    DataOption,
    DevicesOption,
    EvaluationsOption,
    FreshOption,
    JsonOption,
    KnownAnswerOption,
    NameOption,
    NodesOption,
    ResamplesOption,
    RunsOption,
    SettingsOption,
    SplitOfOption,
    StrategyOption,
    WeightsFolderOption,
    WorkOption,
    as_it_is,
    counted,
    epoch_teller,
    err,
    log_training,
    named_path,
    new_table,
    print_json,
    print_table,
    read_settings,
    read_split,
    records,
    refuse_beside_settings,
    tell,
    tell_trained,
)
from lesion_core.cli.progress import Steps
from lesion_core.cli.segment_changes import evaluate_changed
from lesion_core.cli.unseen import evaluate_unseen
from lesion_core.config import Preprocessing, Resize, SegmenterRunSettings, SegmenterTraining, first_problem
from lesion_core.errors import ConfigError, LesionError
from lesion_core.files import folder_to_write, written

if TYPE_CHECKING:
    pass

# Heavy imports wait inside the commands: `--help` needs no torch.

app = typer.Typer(
    help="Train, measure and try segmenters: the mask of a lesion.", no_args_is_help=True, rich_markup_mode="rich"
)


@app.command()
def train(
    context: typer.Context,
    data: DataOption,
    name: NameOption = "",
    settings: SettingsOption = None,
    weights_folder: WeightsFolderOption = None,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels per side that the model reads.")] = 160,
    epochs: Annotated[int, typer.Option(min=1, max=MOST["epochs"])] = 12,
    runs: RunsOption = Path("checkpoints"),
    work: WorkOption = Path("scratch"),
    split_of: SplitOfOption = None,
    fresh: FreshOption = False,
    devices: DevicesOption = "auto",
    nodes: NodesOption = 1,
    strategy: StrategyOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a U-Net on images with masks, measure it and write the run. A killed training goes on where it was."""
    from lesion_core.data.collection import check_masks, check_pictures, collect
    from lesion_core.models.known import weights_file

    log_training()
    if settings:
        refuse_beside_settings(context, ("size", "epochs"))
        chosen = read_settings(settings, name, SegmenterRunSettings)
    else:
        try:
            chosen = SegmenterRunSettings(
                name=name or "unet",
                preprocessing=Preprocessing(resize=Resize(size=size, fit="stretch")),
                training=SegmenterTraining(epochs=epochs),
            )
        except ValidationError as error:
            raise ConfigError(f"The options: {first_problem(error)}", "Correct that option.") from None
    folder_to_write(runs / chosen.name, "--runs")
    folder_to_write(work / chosen.name, "--work")
    weights_file(chosen.model.weights, weights_folder)
    tell(f"Segmenter {chosen.name}: U-Net on {chosen.model.encoder}, {counted(chosen.training.epochs, 'epoch')}.")
    known = read_split(split_of) if split_of else None
    with Steps() as step:
        step("Reading the tables and dealing the lesions")
        collection = collect(data, chosen.split, known=known, images=chosen.images)
        for note in collection.notes:
            tell(note)
        masked = collection.table.dropna(subset=["path", "mask_path"])
        check_masks(masked)
        step("Loading the libraries that train")

        from lesion_core import distributed
        from lesion_core.inference.segmenter import write_segmenter_run
        from lesion_core.reports.segmenter_card import write_segmenter_card
        from lesion_core.training.loop import check_folder
        from lesion_core.training.processes import check_workplaces
        from lesion_core.training.segmenter import fit_segmenter

        check_folder(work / chosen.name, chosen, masked, not fresh)
        check_workplaces(devices, nodes, strategy)
        if distributed.starts():
            scored = masked[masked["role"].isin(["calibrate", "test"])]
            progress = step(f"Checking {len(scored):,} images and masks that are only measured")
            check_pictures(scored["path"].astype(str).tolist(), scored["mask_path"].astype(str).tolist(), progress)
        fitted = fit_segmenter(
            chosen,
            collection.table,
            work / chosen.name,
            weights_folder=weights_folder,
            resume=not fresh,
            on_step=step,
            on_epoch=epoch_teller(chosen.training.epochs),
            devices=devices,
            num_nodes=nodes,
            strategy=strategy,
        )
        if not distributed.first():  # measuring is one process's work
            return
        collection.manifest.write(work / chosen.name / "split.csv")
        run = write_segmenter_run(
            runs / chosen.name,
            chosen,
            fitted.model,
            collection.table,
            split_fingerprint=collection.manifest.fingerprint,
            history=fitted.history,
            initial_weights=fitted.initialised.sentence,
            describe=write_segmenter_card,
            on_step=step,
        )
    tell_trained(run, fitted.history, as_json)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A segmenter's run folder.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --changed: images with masks, some of the run's test lesions among them; with --as, yours."
        ),
    ] = None,
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            help=(
                "With --data: segment test images again, as they are and under the changes of `robustness` (hair, ink, "
                "dark corners, another light, blur ...); the run stays as it is. A stand-in for other cameras, not "
                "another hospital: many of these were drawn in the training too."
            ),
        ),
    ] = False,
    pictures: Annotated[
        int,
        typer.Option(
            min=1, max=MOST["images"], help="With --changed: how many, whole lesions drawn with a fixed seed."
        ),
    ] = 200,
    changes: Annotated[
        list[str] | None,
        typer.Option("--change", help="With --changed: a change; may be repeated. All if none is named."),
    ] = None,
    severities: Annotated[
        list[int] | None,
        typer.Option("--severity", min=1, max=5, help="With --changed: 1 to 5; may be repeated. All if none."),
    ] = None,
    known_answer: KnownAnswerOption = False,
    as_json: JsonOption = False,
    resamples: ResamplesOption = 1000,
    as_name: AsOption = "",
    to: EvaluationsOption = None,
    split_of: Annotated[
        Path | None,
        typer.Option(
            "--split-of",
            help="With --as: the classifier's run folder, or the split.csv of a training, that tells what the "
            "segmenter was trained on; a classifier of the same split beside it is found by itself.",
        ),
    ] = None,
) -> None:
    """Print a segmenter's figures on its test set with 95 % intervals, cleaned up and as found; with --changed, on
    test images that something was done to; with --as, on images with masks that it never saw.

    Test images are those of the run's own test lesions, whatever folder is given; images of other lesions, which it
    learned from or never saw, are counted and left out."""
    from lesion_core.analysis.segmentation import mask_summary
    from lesion_core.runs.segmenter import VARIANTS, open_segmenter

    if as_name or to is not None or split_of is not None:
        if not as_name or changed or known_answer:
            raise ConfigError(
                "--out and --split-of belong to --as, which scores images that the run never saw and goes with neither "
                "--changed nor --known-answer.",
                "Give --as with --data.",
            )
        evaluate_unseen(run, data, as_name, to, split_of=split_of, resamples=resamples, as_json=as_json)
        return
    if changed != (data is not None):
        raise ConfigError(
            "--changed reads the images again, and nothing else does.",
            "Say where they are with --data, or leave both out; --as scores other images.",
        )
    if not changed and (changes or severities):
        raise ConfigError("--change and --severity belong to --changed.", "Give --changed with --data.")
    opened = open_segmenter(run)
    if known_answer:
        from lesion_core.inference.segmenter import write_known_mask

        write_known_mask(opened)
    if data is not None:
        evaluate_changed(opened, data, pictures, changes or [], severities or [], resamples, as_json)
        return
    result: dict[str, Any] = {"run": opened.name, "fingerprint": opened.fingerprint, "split": "test", "masks": {}}
    for variant, meaning in VARIANTS.items():
        table, counts = opened.counts("test", variant)
        summary = mask_summary(counts, table["lesion_id"], n_boot=resamples)
        result["masks"][variant] = {"meaning": meaning, "n": len(table), "metrics": records(summary.round(4))}
        if not as_json:
            shown = new_table(
                "metric",
                "value",
                "95 % interval",
                title=(
                    f"test set, n = {len(table):,} images of {table['lesion_id'].nunique():,} lesions, masks {meaning}"
                ),
            )
            for row in summary.itertuples():
                shown.add_row(str(row.metric), f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}")
            print_table(shown)
    if as_json:
        print_json(result)


@app.command()
def predict(
    pictures: Annotated[list[Path], typer.Argument(help="Image files or folders.")],
    run: Annotated[Path, typer.Option(help="A segmenter's run folder.")],
    masks: Annotated[Path, typer.Option("--out", help="Folder for the masks, black and white PNG.", parser=named_path)],
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Probability from which a pixel is lesion.")] = 0.5,
    as_json: JsonOption = False,
) -> None:
    """Segment images. An image that cannot be read is reported and the others go on; the exit code is then 1."""
    from lesion_core.data.pictures import picture_files
    from lesion_core.runs.segmenter import open_segmenter

    folder_to_write(masks, "--out")
    files = picture_files(pictures)
    opened = open_segmenter(run)

    import cv2

    from lesion_core.imaging.decode import decode
    from lesion_core.serving.segmenter import SegmenterEngine

    engine = SegmenterEngine(opened)
    masks.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    for path in files:
        try:
            found = engine.segment(decode(path)).mask(threshold)
        except LesionError as error:
            rows.append({"picture": str(path), "error": str(error)})
            continue
        name = f"{path.stem}_segmentation.png"
        number = 2
        # Two folders may hold images of one name, and an expert's mask has this name too.
        while name in taken or os.path.lexists(masks / name):
            name, number = f"{path.stem}_{number}_segmentation.png", number + 1
        taken.add(name)
        try:  # OpenCV's own writing knows names of UTF-8 only; a name can get too long by the ending
            with written(masks / name) as new:
                new.write_bytes(cv2.imencode(".png", found.astype("uint8") * 255)[1].tobytes())
        except OSError as error:
            rows.append({"picture": str(path), "error": f"{masks / name} cannot be written ({error.strerror})."})
            continue
        rows.append({"picture": str(path), "mask": str(masks / name), "area": round(float(found.mean()), 4)})
    if as_json:
        print_json(rows)
    else:
        table = new_table("picture", "mask", "area")
        for row in rows:
            table.add_row(as_it_is(row["picture"]), as_it_is(row.get("mask") or row["error"]), str(row.get("area", "")))
        print_table(table)
    if any("error" in row for row in rows):
        err.print("Some images could not be read.", highlight=False)
        raise typer.Exit(1)
