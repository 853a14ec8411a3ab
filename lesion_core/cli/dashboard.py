"""The command `dashboard`: Streamlit on the dashboard, from any folder."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lesion_core.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (PACKAGE.parent, PACKAGE.parent / "lesion_lab")
"""Where `app/` and `pages/` may lie: beside the library in a checkout, in a folder of their own when installed, because
top-level modules named `app` and `pages` would get in the way of others."""

DataFolder = Annotated[Path | None, typer.Option(help="Folder with the data sets.", exists=True, file_okay=False)]
RunsFolder = Annotated[Path | None, typer.Option(help="Folder of run folders.", exists=True, file_okay=False)]
SavePolicies = Annotated[
    bool, typer.Option("--save-policies", help="Visitors may write a policy into a run, for everybody.")
]
EmbedIn = Annotated[
    list[str] | None,
    typer.Option(help="A site whose pages may show the dashboard in a frame, as https://host; once for each."),
]
MaxMegapixels = Annotated[
    float | None, typer.Option(min=1, max=150, help="Pixels of an upload, in millions; by default 50.3.")
]
PublicUrl = Annotated[
    str | None, typer.Option("--public-url", help="What phones open to come in, as http://192.168.1.20:8501.")
]


def entrypoint() -> Path:
    """The script that Streamlit runs.

    Raises:
        ConfigError: The dashboard was not installed, or Streamlit is not there.
    """
    found = [place / "app" / "Home.py" for place in PLACES if (place / "app" / "Home.py").is_file()]
    if not found:
        raise ConfigError("The dashboard is not installed.", "Install it with `pip install .` in the repository.")
    if importlib.util.find_spec("streamlit") is None:
        raise ConfigError("Streamlit is not installed.", "Install it with `pip install streamlit`.")
    return found[0]


def dashboard_command(
    script: Path,
    data: Path | None,
    runs: Path | None,
    *,
    save_policies: bool,
    port: int | None,
    browser: bool,
    address: str | None = None,
    embed_in: Sequence[str] = (),
    max_megapixels: float | None = None,
    rooms: Path | None = None,
    public_url: str | None = None,
) -> list[str]:
    """What is started: Streamlit's own options, the script, and behind ``--`` the dashboard's.

    Runs are looked for beside the script, as a checkout has them, and else in `checkpoints/` of the current folder; a
    folder that is named by ``--runs`` or the variable LESION_RUNS comes first.
    """
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [f"--server.address={address}"] if address else []
    command += [f"--server.port={port}"] if port else []
    command += [] if browser else ["--server.headless=true"]
    if runs is None and "LESION_RUNS" not in os.environ and not (script.parents[1] / "checkpoints").is_dir():
        runs = Path("checkpoints")
    own = ["--data", str(data.resolve())] if data else []
    own += ["--runs", str(runs.resolve())] if runs else []
    own += ["--save-policies"] if save_policies else []
    own += [argument for site in embed_in for argument in ("--embed-in", site)]
    own += ["--max-megapixels", f"{max_megapixels:g}"] if max_megapixels is not None else []
    own += ["--rooms", str(rooms.resolve())] if rooms else []
    own += ["--public-url", public_url] if public_url else []
    return [*command, "--", *own] if own else command


def dashboard(
    data: DataFolder = None,
    runs: RunsFolder = None,
    save_policies: SavePolicies = False,
    embed_in: EmbedIn = None,
    max_megapixels: MaxMegapixels = None,
    public_url: PublicUrl = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; the first free one from 8501.")] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Start the dashboard on this machine."""
    command = dashboard_command(
        entrypoint(),
        data,
        runs,
        save_policies=save_policies,
        port=port,
        browser=browser,
        embed_in=embed_in or (),
        max_megapixels=max_megapixels,
        public_url=public_url,
    )
    sys.stdout.flush()
    os.execv(command[0], command)
