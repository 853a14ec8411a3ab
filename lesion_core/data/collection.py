"""Everything that one run is trained and scored on, from one data folder: tables, split, test set, OOD images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lesion_core.config import ROLE_NAMES, Forms, SplitSettings
from lesion_core.data.catalog import LAYOUTS, Roots, discover, folders_of, read
from lesion_core.data.corruptions import corrupted_images
from lesion_core.data.csv_tables import read_csv, some
from lesion_core.data.masks import check_frame, read_mask
from lesion_core.data.pictures import ood_pictures
from lesion_core.data.readers.pad_ufes_20 import patient_of
from lesion_core.data.splits import Manifest, assign_roles, split
from lesion_core.data.tables import CLOSE_UPS, OFFICIAL_TEST, PHONES, TO_CHOOSE_WITH
from lesion_core.data.training_table import training_table
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown
from lesion_core.imaging.decode import decode_listed

CORRUPTED_PER_KIND = 100
"""Test images of a run that are corrupted in each way of `data.corruptions`, to see what becomes of them."""


@dataclass(frozen=True)
class Collection:
    """Images with their roles.

    Attributes:
        table: Catalog rows with their image, and the columns `role` and `group`; the official ISIC 2018 test
            set, where it is there, has the data set name `OFFICIAL_TEST` and the role test.
        ood: Columns image_id, kind, source, path, mask_path: images that are not dermoscopic or of another diagnosis,
            and changed test images (source `CORRUPTED`, see `data.corruptions`), which are changed when they are read.
            Of clinical images and other diagnoses, those of lesions outside of the test set have the source
            `TO_CHOOSE_WITH`.
        manifest: The split of the rows that are not official.
        unseen: Catalog rows that are left out, because their lesion has no role in the split that was asked for.
        notes: Sentences on what was left out.
    """

    table: pd.DataFrame
    ood: pd.DataFrame
    manifest: Manifest
    unseen: pd.DataFrame
    notes: tuple[str, ...]

    def compared(self, name: str, listed: pd.DataFrame, *, all_listed: bool = True) -> tuple[str, ...]:
        """Sentences, with n, on how these images differ from those of a run; none where they do not.

        Args:
            name: The run's name.
            listed: Its table, columns image_id and split.
            all_listed: Whether that lists what the run was trained on too; a segmenter's does not.
        """
        here, known = set(self.table["image_id"]), set(listed["image_id"])
        said = []
        if len(self.unseen):
            lesions = self.unseen["lesion_id"].fillna(self.unseen["image_id"]).nunique()
            why = f"{name} never saw" if all_listed else f"{name} learned from or never saw (its table lists neither)"
            said.append(f"{len(self.unseen):,} images of {lesions:,} lesions that {why} are left out.")
        new = self.table[~self.table["image_id"].isin(known) & (self.table["dataset"] != OFFICIAL_TEST)]
        dealt = ~new["group"].isin(set(listed["lesion_id"] if "lesion_id" in listed else listed["group"]))
        for images, what in (
            (new[~dealt], f"of lesions that {name} knows take these lesions' roles"),
            (new[dealt], f"of lesions that {name} never saw are dealt"),
        ):
            counts = ", ".join(
                f"{n:,} in the {ROLE_NAMES[str(role)]}" for role, n in images["role"].value_counts().items()
            )
            if counts:
                said.append(f"{len(images):,} new images {what}: {counts}.")
        gone = listed[~listed["image_id"].isin(here)]
        if len(gone):
            counts = ", ".join(
                f"{n:,} in the {ROLE_NAMES[str(role)]}" for role, n in gone["split"].value_counts().items()
            )
            said.append(
                f"{len(gone):,} of the {len(listed):,} images of {name} are not in this folder ({counts}), such as "
                f"{some(gone['image_id'].sort_values())}."
            )
        return tuple(said)


def collect(
    root: Roots,
    settings: SplitSettings | None,
    *,
    known: Manifest | None = None,
    ood_images: Path | None = None,
    corrupted_per_kind: int = 0,
    images: Forms = "first",
) -> Collection:
    """Read a data folder and give each lesion its role.

    Args:
        root: Such as LESION_DATA names: data sets one level down, ``ood/<kind>/`` for OOD images. Or several.
        settings: Shares and seed by which lesions without a role are dealt; None, to measure what was trained
            before: they are left out.
        known: An earlier split, such as a run's (`Manifest.of_run`): its lesions keep their roles.
        ood_images: A folder with a ``manifest.csv`` of further images that show no lesion, such as `ood_samples/`.
        corrupted_per_kind: Test images that are corrupted in each way of `data.corruptions`.
        images: As in `training_table`.

    Raises:
        DataError: There is no data set, none of its images, or none of a lesion with a role.

    Examples:
        >>> import tempfile
        >>> from lesion_core.data.synthetic.lesions import make_dataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = make_dataset(Path(folder) / "synthetic", per_class=2, seed=0, size=64)
        ...     found = collect(Path(folder), SplitSettings())
        >>> found.table["diagnosis"].nunique(), set(found.table["role"]) <= {"train", "select", "calibrate", "test"}
        (8, True)
    """
    catalog = training_table(root, images)
    table = catalog.table[catalog.table["path"].notna()].reset_index(drop=True)
    manifest = split(table, settings, known)
    roles = manifest.table.set_index("image_id")
    table = table.assign(role=table["image_id"].map(roles["role"]), group=table["image_id"].map(roles["group"]))
    unseen = table[table["role"].isna()].drop(columns=["role", "group"]).reset_index(drop=True)
    table = table[table["role"].notna()].reset_index(drop=True)
    notes = [*catalog.notes]
    if found := _official_test(root):
        official, said = found
        notes += said
        shared = set(official["image_id"]) & set(table["image_id"])
        if shared:
            raise DataError(
                f"{len(shared):,} images of the official test set are in the training table too.",
                "Take them out of the training data: what was learned from cannot be tested on.",
            )
        table = pd.concat([table, official], ignore_index=True)
    ood = pd.concat([_ood_images(root, ood_images), _strange_lesions(root, manifest)], ignore_index=True)
    if corrupted_per_kind:
        ood = pd.concat([ood, corrupted_images(table, corrupted_per_kind)], ignore_index=True)
    ood = ood.astype(dict.fromkeys(("image_id", "kind", "source", "path"), "str"))
    return Collection(table, ood, manifest, unseen, tuple(dict.fromkeys(notes)))


def drawn_test(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Test images at random, and as many of the official test set: one per lesion as long as there are other lesions.

    Args:
        table: Catalog rows with their role and group.
        most: Images of each of the two sets at most, 1 or more. A larger sample holds the smaller ones.

    Returns:
        Rows of the table, the official ones last, in an order that does not depend on the table's.

    Raises:
        DataError: There is no test image.
    """
    test = table[(table["role"] == "test") & table["diagnosis"].notna() & table["path"].notna()]
    drawn = []
    for own in (test[test["dataset"] != OFFICIAL_TEST], test[test["dataset"] == OFFICIAL_TEST]):
        drawn.append(lesions_first(own).head(most))
    found = pd.concat(drawn, ignore_index=True)
    if found.empty:
        raise DataError("No test image of the run is here.", "Give data with lesions that it was tested on.")
    return found


def lesions_first(table: pd.DataFrame) -> pd.DataFrame:
    """Images at random with seed 0, one of each lesion before the others, in an order that is not the table's.

    Args:
        table: Columns image_id and group (the lesion).
    """
    order = table.sort_values("image_id").sample(frac=1, random_state=0)
    return order.iloc[order["group"].duplicated().to_numpy().argsort(kind="stable")]


def check_roles(
    table: pd.DataFrame, classes: Sequence[str], roles: Sequence[str] = ("train", "select", "calibrate")
) -> None:
    """Refuse a split that a classifier cannot be trained or calibrated on, before hours of work.

    Args:
        table: Catalog rows with their role.
        classes: Codes that the model tells apart.
        roles: Those that must have images, each of one of the classes.

    Raises:
        DataError: A role has no image, or a diagnosis that the model has no class for.
    """
    for role in roles:
        part = table[table["role"] == role]
        if part.empty:
            raise DataError(f"The {ROLE_NAMES[role]} has no image.", "Use more images, or change the split's shares.")
        unknown = sorted(set(part["diagnosis"].dropna()) - set(classes))
        if unknown or part["diagnosis"].isna().any():
            raise DataError(
                f"The {ROLE_NAMES[role]} has diagnoses that are not classes of the model: "
                f"{', '.join(unknown) or 'none given'}.",
                "Drop these rows or add the class.",
            )


def check_masks(masked: pd.DataFrame) -> None:
    """Refuse a split that a segmenter cannot be trained or measured on.

    Args:
        masked: Catalog rows with their role, an image and a mask each.

    Raises:
        DataError: The training, validation or test set has no image with a mask.
    """
    for role in ("train", "select", "test"):
        if not (masked["role"] == role).any():
            raise DataError(
                f"The {ROLE_NAMES[role]} has no image with a mask.",
                "Give a data set with masks, such as HAM10000 with HAM10000_segmentations.",
            )


def check_pictures(
    paths: Sequence[str], masks: Sequence[str] = (), on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Decode images, and their masks where they are given: what cannot be measured must not be found out after hours
    of training.

    Args:
        paths: Image files.
        masks: One per image, or none at all.
        on_progress: Called with images done and images in all.

    Raises:
        DataError: An image or a mask cannot be used; the message names it.
    """
    for i, path in enumerate(paths):
        image = decode_listed(path)
        if masks:
            check_frame(read_mask(Path(masks[i])), (image.shape[0], image.shape[1]), Path(masks[i]))
        if on_progress:
            on_progress(i + 1, len(paths))


def _official_test(root: Roots) -> tuple[pd.DataFrame, tuple[str, ...]] | None:
    """The ISIC 2018 Task 3 test set, if it is below `root`, and the notes of its data set."""
    folder = discover(root).get("isic2018_task3")
    if folder is None:
        return None
    catalog = read("isic2018_task3", folder)
    test = catalog.table["dataset"] == "isic2018_task3_test"  # training and validation may lie beside it
    table = catalog.table[test & catalog.table["path"].notna() & catalog.table["diagnosis"].notna()]
    if table.empty:
        return None
    own = table.assign(dataset=OFFICIAL_TEST, role="test", group=table["lesion_id"].fillna(table["image_id"]))
    return own, catalog.notes


def _ood_images(root: Roots, shipped: Path | None) -> pd.DataFrame:
    rows: list[tuple[str, str, str, str, None]] = [
        (f"{path.parent.name}/{path.stem}", path.parent.name, "data folder", str(path), None)
        for folder in folders_of(root)
        for path in ood_pictures(folder)
    ]
    if shipped and (shipped / "manifest.csv").is_file():
        listed = read_csv(shipped / "manifest.csv", ("path", "kind"))
        lost = [path for path in listed["path"] if not (shipped / path).is_file()]
        if lost:
            raise DataError(
                f"The manifest.csv of {shown(str(shipped), 200)} lists images that are not there: "
                f"{len(lost):,}, such as {some(lost, 3)}.",
                "Copy the folder again as a whole.",
            )
        rows += [
            (f"{kind}/{Path(path).stem}", kind, "ood_samples", str(shipped / path), None)
            for path, kind in zip(listed["path"], listed["kind"], strict=True)
        ]
    return pd.DataFrame(rows, columns=["image_id", "kind", "source", "path", "mask_path"])


STRANGE_LESIONS: dict[str, str] = {
    "milk10k": "other diagnosis",
    "milk10k_close_ups": CLOSE_UPS,
    "pad_ufes_20": PHONES,
}
"""Layouts whose lesions a classifier of dermoscopy should not answer, and what they are; of MILK10k's dermoscopic
images those whose diagnosis is none of the eight."""


def _strange_lesions(root: Roots, manifest: Manifest) -> pd.DataFrame:
    """Rows of `Collection.ood` of lesions that are not for a classifier, with their lesion's or patient's role."""
    dealt = manifest.table.drop_duplicates("group").set_index("group")["role"]
    found, tables = discover(root), []
    for layout, kind in STRANGE_LESIONS.items():
        if layout not in found:
            continue
        table = read(layout, found[layout]).present
        if not LAYOUTS[layout].clinical:
            table = table[table["diagnosis"].isna() & table["other_diagnosis"].notna()].reset_index(drop=True)
        if table.empty:
            continue
        group, shares = table["lesion_id"].fillna(table["image_id"]), SplitSettings()
        if layout == "pad_ufes_20":
            group = group.map(patient_of)
            shares = SplitSettings(test=0.5)  # nothing is trained on them
        role = group.map(dealt).fillna(assign_roles(group, shares))
        source = pd.Series(TO_CHOOSE_WITH, table.index).mask(role == "test", layout)
        facts = table[["image_id", "path"]].assign(kind=kind, source=source, mask_path=None)
        tables.append(facts[["image_id", "kind", "source", "path", "mask_path"]])
    return pd.concat(tables, ignore_index=True) if tables else _ood_images((), None)
