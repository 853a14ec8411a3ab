"""The commands that fetch data: python -m lesion_core download demo."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from lesion_core.cli.options import JsonOption, named_path, print_json, say, tell
from lesion_core.cli.progress import bar
from lesion_core.errors import ConfigError
from lesion_core.foreign_text import shown

TOLD = 20
"""So many things that are not here are told one by one."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def download() -> None:
    """Fetch open images from the ISIC Archive."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="The folder; LESION_DATA may name it.", parser=named_path)] = Path(
        "data/demo"
    ),
    ids: Annotated[
        Path | None,
        typer.Option(
            help="A CSV table with a column isic_id (and sha256): these images and no others.", dir_okay=False
        ),
    ] = None,
    masks: Annotated[bool, typer.Option(help="Fetch lesion masks too, where ISIC 2017 has them.")] = True,
    server: Annotated[
        str, typer.Option(help="A server that answers as the archive does, in its place, such as a mirror.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Fetch about 200 dermoscopic images of the eight diagnoses, all under CC-0, as a data set.

    Each image's licence is checked, and any that is not CC-0 is left out and named. Licence, attribution and SHA-256
    of each are in metadata.csv. A download that was stopped goes on with the same command; what changed since it was
    fetched is fetched again. The exit code is 1 where an image is missing."""
    from lesion_core.archive import isic
    from lesion_core.archive.demo import download_demo
    from lesion_core.archive.web import Web

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it would warn of each try; what comes of them is told below
    api, challenges, places = isic.API, isic.CHALLENGES, list(isic.PLACES)
    if server:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(
                f"--server is {shown(server)}, which is not an address.", "Give http://HOST:PORT/api/v2/."
            )
        challenges = f"{parts.scheme}://{parts.netloc}/"
        api, places = f"{server.rstrip('/')}/", [challenges]
    tell(f"Fetching from {urlsplit(api).netloc} into {out} …")
    with bar("Fetching images") as progress:
        found = download_demo(
            out, Web(places), api=api, challenges=challenges, ids=ids, masks=masks, on_progress=progress
        )
    for note in found.notes:
        tell(note)
    for what, why in islice(found.left_out.items(), TOLD):
        tell(f"Left out, {what}: {why}")
    if (more := len(found.left_out) - TOLD) > 0:
        tell(f"And {more:,} more; --json lists them all.")
    if as_json:
        print_json(
            {
                "folder": str(found.folder),
                "images": len(found.rows),
                "fetched_now": len(found.fetched),
                "masks": len(found.masks),
                "by_diagnosis": found.by_diagnosis(),
                "left_out": found.left_out,
                "notes": found.notes,
            }
        )
    else:
        counts = ", ".join(f"{code} {n}" for code, n in found.by_diagnosis().items())
        say(
            f"{len(found.rows)} images ({counts or 'none'}) with {len(found.masks)} masks are in {found.folder}, "
            f"{len(found.fetched)} of them fetched now. The dashboard shows them with LESION_DATA={found.folder}."
        )
    if found.left_out:
        raise typer.Exit(1)
