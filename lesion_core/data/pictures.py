"""What counts as an image in a folder: one rule for data sets, commands, samples and images that show no lesion."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lesion_core.errors import ConfigError, DataError
from lesion_core.foreign_text import shown
from lesion_core.imaging.formats import IMAGE_ENDINGS

MASK_ENDING = "_segmentation"
NOT_PICTURES = (MASK_ENDING, "_superpixels")
"""How the stems of files end that lie beside the images of a data set and describe them, in lower case."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that systems put beside people's own: hidden, a twin of macOS, its folder."""
    return name.startswith(".") or name.casefold() == "__macosx"


def is_image(path: str | Path) -> bool:
    """Whether a file's name ends like an image that can be read: an image, or a mask."""
    return PurePosixPath(path).suffix.lower() in IMAGE_ENDINGS


def is_picture(path: str | Path) -> bool:
    """Whether a file's name is that of an image: no mask, no superpixels, nothing hidden.

    Example:
        >>> [is_picture(name) for name in ("a.JFIF", "a_Segmentation.png", "._a.jpg", "a.csv")]
        [True, False, False, False]
    """
    name = PurePosixPath(path)
    return is_image(path) and not is_hidden(name.name) and not name.stem.lower().endswith(NOT_PICTURES)


def listing(root: Path) -> list[str]:
    """All files under a folder but the hidden ones, in order, links followed.

    Raises:
        DataError: There is no such folder.
    """
    if not root.is_dir():
        raise DataError(f"There is no folder {shown(str(root), 200)}.", "Check the path.")
    paths: list[str] = []
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back up would otherwise never end
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not is_hidden(name))
        paths += [Path(folder, name).as_posix() for name in sorted(names) if not is_hidden(name)]
    return paths


def picture_files(given: Sequence[Path]) -> list[Path]:
    """The files that were named, whatever they are, and the images below the folders that were, in order.

    Raises:
        ConfigError: There is none.
    """
    files = [
        path for one in given for path in ([Path(p) for p in listing(one) if is_picture(p)] if one.is_dir() else [one])
    ]
    if not files:
        raise ConfigError("There are no images in what was given.", "Name image files, or a folder that holds some.")
    return files


def ood_pictures(root: Path) -> list[Path]:
    """The images without a lesion in a data folder, ``ood/<kind>/<file>``, in order; none where there is no such
    folder."""
    folders = (folder for folder in sorted(root.glob("ood/*")) if folder.is_dir() and not is_hidden(folder.name))
    return [path for folder in folders for path in sorted(folder.iterdir()) if is_picture(path) and path.is_file()]
