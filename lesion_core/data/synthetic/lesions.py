"""Dermoscopy made by code: lesions with exact masks, and data sets of them in the layout of HAM10000.

Nothing here was taken from a patient. A seed shows the same lesion at any size; the skin and the camera
have random streams of their own, so `make_skin` gives the very same image without its lesion.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from lesion_core import files
from lesion_core.amounts import check_amount
from lesion_core.data.synthetic.canvas import SKIN_TONES, Canvas
from lesion_core.data.synthetic.dermoscopic_structures import KINDS
from lesion_core.data.synthetic.typical import typical
from lesion_core.errors import ConfigError, DataError
from lesion_core.foreign_text import shown
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import ARTEFACTS, add_artefact
from lesion_core.labels import ISIC2019

DETAIL = 160
"""Smaller images are drawn with this short side and scaled down."""
IMAGES = "HAM10000_images"
"""The folder of a data set's images."""
TONES = (0.45, 0.45, 0.10, 0.0, 0.0, 0.0)
"""Shares of Fitzpatrick's types I to VI where none is asked for: HAM10000's patients are light-skinned."""
SIZES = (32, 2048)
"""Least and largest side of an image in pixels."""


@dataclass(frozen=True, eq=False)
class SyntheticLesion:
    """One made-up lesion.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, exact: more than a blur's width outside of it the image is that of `make_skin`.
        diagnosis: Code of ISIC 2019.
        seed: What it was made from.
        skin_tone: Fitzpatrick's type, 1 to 6.
        age: Years, a multiple of 5 as in HAM10000.
        sex: 'male' or 'female'.
        site: In the words of HAM10000's `localization`.
        artefact_masks: (H, W) bool for each artefact that was asked for.
    """

    image: Pixels
    mask: Mask
    diagnosis: str
    seed: int
    skin_tone: int
    age: int
    sex: str
    site: str
    artefact_masks: dict[str, Mask] = field(default_factory=dict)


def picture_shape(size: int | tuple[int, int]) -> tuple[int, int]:
    """(H, W) from one side or both, checked.

    Raises:
        ConfigError: A side is not a whole number, or too small or too large.
    """
    shape = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(shape) != 2 or not all(isinstance(n, int) and SIZES[0] <= n <= SIZES[1] for n in shape):
        raise ConfigError(
            f"An image of size {size} cannot be made.",
            f"Give one whole number, or height and width, from {SIZES[0]} to {SIZES[1]} pixels.",
        )
    return shape


def _make(
    diagnosis: str, seed: int, size: int | tuple[int, int], skin_tone: int | None, *, skin_alone: bool = False
) -> tuple[Pixels, Mask, int]:
    """Pixels, mask and skin tone."""
    height, width = picture_shape(size)
    if seed < 0:
        raise ConfigError(f"The seed {seed} is negative.", "Give a whole number from 0.")
    if skin_tone is not None and not 1 <= skin_tone <= len(SKIN_TONES):
        raise ConfigError(f"There is no skin type {skin_tone}.", "Give 1 to 6 after Fitzpatrick, or None.")
    skin, camera = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    drawn = int(skin.choice(6, p=TONES)) + 1
    tone = skin_tone or drawn
    zoom = max(1.0, DETAIL / min(height, width))
    canvas = Canvas((round(height * zoom), round(width * zoom)), tone, typical(diagnosis))
    canvas.skin(skin)
    mask = np.zeros(canvas.shape, np.float32)
    if not skin_alone:
        lesion, kind = np.random.default_rng([seed, *diagnosis.encode()]), KINDS[diagnosis]
        canvas.form(lesion, kind.style)
        canvas.base(lesion, kind.style)
        kind.paint(canvas, lesion, kind.style.signs)
        mask = canvas.mask.astype(np.float32)
    image = canvas.photograph(camera)
    if zoom > 1:
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return image, mask > 0.5, tone


def make_skin(
    seed: int, size: int | tuple[int, int] = 256, skin_tone: int | None = None, diagnosis: str = "NV"
) -> Pixels:
    """Healthy skin: what `make_lesion` of the same arguments paints on.

    Args:
        seed: Not negative.
        size: Pixels per side, or (height, width).
        skin_tone: Fitzpatrick's type 1 to 6; None: drawn from the seed.
        diagnosis: Whose patients' skin and light it is: around an actinic keratosis it is that of an aged face.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ConfigError: An argument is out of range.
    """
    _check_diagnosis(diagnosis)
    return _make(diagnosis, seed, size, skin_tone, skin_alone=True)[0]


def _check_diagnosis(code: str) -> None:
    if code not in KINDS:
        raise ConfigError(f"'{code}' is not a diagnosis that can be made.", f"Choose one of {', '.join(ISIC2019)}.")


def make_lesion(
    diagnosis: str,
    seed: int,
    size: int | tuple[int, int] = 256,
    skin_tone: int | None = None,
    artefacts: Sequence[str] = (),
) -> SyntheticLesion:
    """A lesion with the dermoscopic signs of its diagnosis; the same arguments give the same pixels.

    Args:
        diagnosis: One of the eight codes of ISIC 2019.
        seed: Not negative; it decides size, place, form, colours, pattern, skin and patient.
        size: Pixels per side, or (height, width), 32 to 2048.
        skin_tone: Fitzpatrick's type 1 to 6; None: drawn from the seed.
        artefacts: Names in `lesion_core.imaging.artefacts.ARTEFACTS`, put on in this order.

    Raises:
        ConfigError: An argument is unknown or out of range.
    """
    _check_diagnosis(diagnosis)
    image, mask, tone = _make(diagnosis, seed, size, skin_tone)
    masks = {}
    for name in artefacts:
        image, masks[name] = add_artefact(image, name, seed)
    patient, kind = np.random.default_rng([seed, *b"patient", *diagnosis.encode()]), KINDS[diagnosis]
    age = int(np.clip(patient.normal(kind.age, 13), 10, 85) // 5 * 5)
    sex = "male" if patient.random() < kind.male else "female"
    return SyntheticLesion(image, mask, diagnosis, seed, tone, age, sex, str(patient.choice(kind.sites)), masks)


def gallery(n: int = 24, seed: int = 0, size: int | tuple[int, int] = 256) -> list[SyntheticLesion]:
    """`n` lesions that go round all diagnoses and skin tones, every fifth with an artefact.

    Raises:
        ConfigError: An argument is out of range.
    """
    check_amount(n, "images of a gallery")
    tones, names = (2, 1, 4, 3, 6, 2, 5, 1, 3), tuple(ARTEFACTS)
    return [
        make_lesion(ISIC2019[i % 8], seed * 100_003 + i, size, tones[i % 9], (names[i // 5 % 6],) if i % 5 == 4 else ())
        for i in range(n)
    ]


# A data set ----------------------------------------------------------------------------------------------------


def _again(lesion: SyntheticLesion, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """The same lesion photographed once more: turned, nearer or farther, in another light."""
    height, width = lesion.mask.shape
    move = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-180, 180), rng.uniform(0.92, 1.15))
    image = cv2.warpAffine(lesion.image, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    mask = cv2.warpAffine(
        lesion.mask.astype(np.uint8), move, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    )
    light = rng.uniform(0.9, 1.06) * (1 + rng.normal(0, 0.025, 3))
    return np.clip(image * light, 0, 255).astype(np.uint8), mask.astype(bool)


def _write(path: Path, picture: Pixels, quality: int = 95) -> None:
    bgr = picture[..., ::-1] if picture.ndim == 3 else picture
    how = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    path.write_bytes(cv2.imencode(path.suffix, bgr, how)[1].tobytes())


def make_dataset(
    root: Path,
    per_class: int,
    seed: int,
    size: int | tuple[int, int] = 256,
    artefact_share: float = 0.3,
    images_per_lesion: tuple[int, int] = (1, 2),
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a data set that the loaders of HAM10000 and of ISIC 2019 can read.

    `HAM10000_metadata.csv` has HAM10000's seven `dx` (AK and SCC are both akiec),
    `ISIC_2019_Training_GroundTruth.csv` the eight diagnoses and `ISIC_2019_Training_Metadata.csv` the lesion of each
    image, so that no lesion is split; images are `HAM10000_images/<id>.jpg`,
    masks `HAM10000_segmentations/<id>_segmentation.png`.

    Args:
        root: Folder to fill; it is made, or must be empty.
        per_class: Lesions of each of the eight diagnoses.
        seed: The same seed gives the same data set.
        size: Pixels per side, or (height, width).
        artefact_share: Share of the images with an artefact, in [0, 1].
        images_per_lesion: Least and largest number of images of a lesion; later ones are the lesion turned,
            zoomed and in another light.
        on_progress: Called with (lesions done, lesions in all).

    Returns:
        `root`.

    Raises:
        ConfigError: A number is out of range.
        DataError: `root` is a file or holds something.
    """
    check_amount(per_class, "lesions of each diagnosis")
    least, most = images_per_lesion
    if not 0 <= artefact_share <= 1 or not 1 <= least <= most <= 20 or seed < 0:
        raise ConfigError(
            f"A data set of {per_class} lesions per class, {least} to {most} images per lesion, artefacts on a share "
            f"of {artefact_share} and seed {seed} cannot be made.",
            "Give 1 to 20 images, a share from 0 to 1 and a seed from 0.",
        )
    picture_shape(size)
    if not root.is_file():
        files.finish(root)
    if root.is_file() or (root.is_dir() and any(path.name not in files.OWN for path in root.iterdir())):
        raise DataError(
            f"{shown(str(root), 200)} is not an empty folder.", "Choose a new folder: nothing is overwritten."
        )
    with files.rewritten(root) as new:
        _fill(new, per_class, seed, size, artefact_share, images_per_lesion, on_progress)
    return root


def _fill(
    root: Path,
    per_class: int,
    seed: int,
    size: int | tuple[int, int],
    artefact_share: float,
    images_per_lesion: tuple[int, int],
    on_progress: Callable[[int, int], None] | None,
) -> None:
    least, most = images_per_lesion
    images, masks = root / IMAGES, root / "HAM10000_segmentations"
    images.mkdir()
    masks.mkdir()
    rng, names = np.random.default_rng([seed, *b"dataset"]), tuple(ARTEFACTS)
    ham: list[list[str]] = []
    isic: list[list[str]] = []
    facts: list[list[str]] = []
    for i in range(total := 8 * per_class):
        lesion = make_lesion(code := ISIC2019[i % 8], int(rng.integers(2**31)), size)
        picture, mask = lesion.image, lesion.mask
        for shot in range(int(rng.integers(least, most + 1))):
            if shot:
                picture, mask = _again(lesion, rng)
            if rng.random() < artefact_share:
                picture, _ = add_artefact(
                    picture, str(rng.choice(names)), int(rng.integers(2**31)), float(rng.uniform(0.2, 0.8))
                )
            image_id = f"SYN_{len(ham) + 1:07d}"
            _write(images / f"{image_id}.jpg", picture)
            _write(masks / f"{image_id}_segmentation.png", mask.astype(np.uint8) * 255)
            dx = "akiec" if code in ("AK", "SCC") else code.lower()
            ham.append([f"SYNL_{i + 1:07d}", image_id, dx, "synthetic", f"{lesion.age}.0", lesion.sex, lesion.site])
            # ISIC 2019 tells HAM10000's part by this prefix of the lesion.
            facts.append([image_id, f"{lesion.age}.0", lesion.site, f"HAM_SYNL_{i + 1:07d}", lesion.sex])
            isic.append([image_id, *(f"{float(c == code)}" for c in (*ISIC2019, "UNK"))])
        if on_progress:
            on_progress(i + 1, total)
    tables = {
        "HAM10000_metadata.csv": [["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"], *ham],
        "ISIC_2019_Training_GroundTruth.csv": [["image", *ISIC2019, "UNK"], *isic],
        "ISIC_2019_Training_Metadata.csv": [["image", "age_approx", "anatom_site_general", "lesion_id", "sex"], *facts],
    }
    for name, rows in tables.items():
        with (root / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
