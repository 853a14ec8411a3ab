"""Tables, images and masks that do not fit together, and hostile text in all of them.

What a catalog must say is counted here from what was taken away or added.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesion_core.data.catalog import Catalog, read
from tests.mutations.data_sets import DataSet, N, Rng, any_set, ham, isic2018, isic2019, pictures, written
from tests.mutations.oracle import Input, Make, bad_sentence

IDS = ("image_id", "image", "isic_id")
HOSTILE = (
    "x" * 10**5, "ab cd " * 10**4, "a\x1b[2J\x1b]0;title\x07", "a\nb\r\n\tc", "a\u202egnp", "a\u2028b",
    "\u0301" * 10**4, "*a* [b](http://c) $d$", "<img src=x onerror=alert(1)>", "=1+1", "'; --", "\U000e0041" * 10**4,
    "a\u00a0\u200b", "#N/A", "é" * 90, "../../x",
)  # fmt: skip


def id_at(data: DataSet) -> int:
    """The place of the ids in the main table."""
    return next(i for i, name in enumerate(data.table[0]) if name in IDS)


def reading(data: DataSet, root: Path, note: str, **oracle: Any) -> Input:
    return Input(lambda: read(data.layout, root), note=f"{data.layout}, {note}", **oracle)


def told(notes: tuple[str, ...], *words: str) -> str | None:
    """What is wrong where no sentence has all the words."""
    return None if any(all(word in note for word in words) for note in notes) else f"{words} is not told: {notes}"


def _bad_notes(catalog: Catalog) -> str | None:
    return next((bad for note in catalog.notes if (bad := bad_sentence(note, 1_000))), None)


def hostile_text(rng: Rng, folder: Path) -> Input:
    """In a cell, a column's name, a file's or folder's name: what is said of it is short and can be seen."""
    data = any_set(rng)
    text = HOSTILE[rng.integers(len(HOSTILE))]
    side = data.beside is not None and bool(rng.integers(2))
    table = [list(row) for row in (data.beside[1] if side and data.beside else data.table)]
    what, column = int(rng.integers(5)), int(rng.integers(len(table[0])))
    rows = rng.permutation(N)[: int(rng.choice((1, 4, N)))]
    name = "".join(c for c in text if c not in "/\0").encode()[:200].decode(errors="ignore")
    if what < 2:
        for row in rows:
            table[1 + row][column] = f"{text}{'' if rng.integers(2) else row}"
    elif what == 2:
        table[0][column] = text
    given = written(table)
    data.put(rng, folder, main=None if side else given, beside=given if side else None)
    if what == 3:
        pictures(rng, folder / name, [f"{i}{name}"[:60] for i in range(3)])
        (folder / "pictures" / f"{data.people[0].image}.png").rename(folder / name / f"{data.people[0].image}.png")
    elif what == 4:
        (folder / f"{Path(data.path).stem[:9]}{name}.csv").write_text("x")
        (folder / name).mkdir(exist_ok=True)
        (folder / name / data.path).write_text(written(table))

    def wrong(catalog: Catalog) -> str | None:
        if bad := _bad_notes(catalog):
            return bad
        out = N - len(catalog.table)  # another word in place of "dermoscopic" is another kind of image
        return told(catalog.notes, f"{out} images that are not dermoscopic are left out") if out else None

    return reading(data, folder, f"hostile {what}, {text[:12]!r}", wrong=wrong)


def sides_missing(rng: Rng, folder: Path) -> Input:
    """Rows without an image, images without a row: both are counted, with examples."""
    data = any_set(rng)
    at = id_at(data)
    order = rng.permutation(N)
    rows, images = (
        sorted(order[: int(rng.integers(0, N // 2))]),
        sorted(order[N // 2 :][: int(rng.integers(0, N // 2))]),
    )
    spelled = int(rng.integers(3))
    if data.layout == "image_table" and spelled == 1:  # its images are named with and without their ending
        spelled = 2
    body = [list(row) for row in data.table[1:]]
    if spelled == 0:  # these rows are not in the table at all
        body = [row for i, row in enumerate(body) if i not in rows]
    else:
        for i in rows:
            body[i][at] += (".jpg", " copy")[spelled - 1]
    data.put(rng, folder, main=written([data.table[0], *body]))
    for i in images:
        (folder / "pictures" / f"{data.people[i].image}.png").unlink()
    listed, lost = len(body), len(images) + (len(rows) if spelled else 0)

    def wrong(catalog: Catalog) -> str | None:
        if len(catalog.missing) != lost or len(catalog.table) != listed:
            return f"{len(catalog.missing)} missing for {lost}"
        if lost and (bad := told(catalog.notes, f"{lost} of the {listed} images listed were not found")):
            return bad
        if rows and (bad := told(catalog.notes, f"not used: {len(rows)}", data.people[rows[0]].image)):
            return bad
        lone = not (rows or images) and catalog.notes
        return f"nothing is missing, and {catalog.notes} is told" if lone else _bad_notes(catalog)

    return reading(data, folder, f"{len(rows)} rows, {len(images)} images", wrong=wrong, refusable=False)


def lesion_ids_gone(rng: Rng, folder: Path) -> Input:
    """Some or all lesion ids are missing, in some way of saying so: the leak is named with its number."""
    data = (ham, isic2018, isic2019)[rng.integers(3)](rng)
    table = data.beside[1] if data.beside else data.table
    at = table[0].index("lesion_id")
    n = int(rng.choice((1, 3, N - 1, N)))
    gone = set(rng.permutation(N)[:n].tolist())
    word = ("", "NA", "#N/A", "-", "unknown", "None", "NaN")[rng.integers(7)]
    cut = data.beside is not None and bool(rng.integers(2)) and n < N
    body = [
        row if i not in gone else [*row[:at], word, *row[at + 1 :]]
        for i, row in enumerate(table[1:])
        if not (cut and i in gone)
    ]
    given = written([table[0], *body])
    data.put(rng, folder, main=None if data.beside else given, beside=given if data.beside else None)

    def wrong(catalog: Catalog) -> str | None:
        if (found := int(catalog.table["lesion_id"].isna().sum())) != n:
            return f"{found} images without lesion for {n}"
        if cut and (bad := told(catalog.notes, f"{n} of the {N} images have no row")):
            return bad
        words = "no image has a lesion id" if n == N else f"{n} of the {N} images have no lesion id"
        return told(catalog.notes, words, "a leak") or _bad_notes(catalog)

    return reading(data, folder, f"{n} lesion ids are {word!r}, cut {cut}", wrong=wrong, refusable=False)


def header_spoilt(rng: Rng, folder: Path) -> Input:
    """In either table the header again, a column twice but for case and blanks, or a column without a name."""
    data = any_set(rng)
    side = data.beside is not None and bool(rng.integers(2))
    head, *body = [list(row) for row in (data.beside[1] if side and data.beside else data.table)]

    def spelled(name: str) -> str:
        return (name, name.upper(), f" {name}", f"{name}\t", name.title(), name.lower())[rng.integers(6)]

    what = int(rng.integers(3))
    at = int(rng.integers(len(head)))
    if what == 0:
        body.insert(int(rng.integers(N + 1)), [spelled(name) for name in head])
    elif what == 1:
        place = int(rng.integers(len(head) + 1))
        twin = spelled(head[at])
        head.insert(place, twin)
        for i, row in enumerate(body):
            row.insert(place, row[at] if rng.integers(2) else body[(i + 5) % N][0])
    else:
        head[at] = ("", " ", "\t")[rng.integers(3)]
    given = written([head, *body], ",;\t|"[rng.integers(4)])
    data.put(rng, folder, main=None if side else given, beside=given if side else None)
    return reading(data, folder, f"header {what}, {'side' if side else 'main'} table")


def _mask(rng: Rng) -> Image.Image:
    y, x = np.mgrid[:96, :128]
    centre, radius = rng.integers(35, 60, 2), int(rng.integers(15, 30))
    inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    return Image.fromarray((255 * inside).astype(np.uint8))


def masks_among_images(rng: Rng, folder: Path) -> Input:
    """Masks in any format, sharp or smeared, under any name and in any folder, are never the images."""
    data = any_set(rng)
    data.put(rng, folder)
    ending = (".jpg", ".png", ".bmp", ".tif", ".webp")[rng.integers(5)]
    if ending == ".jpg":  # the images too: they are not all looked at
        for path in (folder / "pictures").iterdir():
            noise = rng.integers(60, 200, (96, 128, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path.with_suffix(".jpg"))
            path.unlink()
    soft = bool(rng.integers(2))
    named = int(rng.integers(4))
    chosen = rng.permutation(N)[: int(rng.choice((1, 5, N)))]
    made: set[str] = set()
    for i in chosen:
        own = data.people[i].image
        name = (
            own,
            f"{own}{('_mask', '-Seg', '_GT', '_annotation')[rng.integers(4)]}",
            f"{own}_Segmentation",
            f"m{i}",
        )[named]
        place = folder / (("Annotations", "zz")[rng.integers(2)] if named == 0 or rng.integers(2) else "pictures")
        place.mkdir(exist_ok=True)
        image = _mask(rng).convert(("L", "RGB")[rng.integers(2)])
        if soft:
            image = image.resize((192, 144), Image.Resampling.BILINEAR)
        options = {"quality": int(rng.integers(50, 96))} if ending == ".jpg" else {}
        if ending == ".webp" and not soft:
            options = {"lossless": True}
        image.save(place / f"{name}{ending}", **options)
        made.add(str(place / f"{name}{ending}"))

    def wrong(catalog: Catalog) -> str | None:
        if taken := made & set(catalog.table["path"].dropna()):
            return f"{len(taken)} masks are taken for images"
        if len(catalog.table) != N or catalog.missing:
            return f"{len(catalog.table)} rows, {len(catalog.missing)} missing"
        used = len(made & set(catalog.table["mask_path"].dropna()))
        if used != (len(made) if named < 3 else 0):
            return f"{used} of {len(made)} masks are used"
        return None if named == 2 else told(catalog.notes, f"count as masks: {len(made)}")

    return reading(data, folder, f"{ending} soft {soft} named {named}", wrong=wrong, refusable=False)


KINDS: dict[str, Make] = {
    make.__name__: make for make in (hostile_text, sides_missing, lesion_ids_gone, header_spoilt, masks_among_images)
}
