"""The command `serve`: the dashboard as several processes behind one port, for a class."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lesion_core.cli.dashboard import (
    DataFolder,
    EmbedIn,
    MaxMegapixels,
    PublicUrl,
    RunsFolder,
    SavePolicies,
    dashboard_command,
    entrypoint,
)
from lesion_core.cli.options import tell
from lesion_core.cli.proxy import Proxy, free_ports, nginx

SECRET = "STREAMLIT_SERVER_COOKIE_SECRET"


def serve(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes, each with its own models in memory.")] = 2,
    port: Annotated[int, typer.Option(min=1, max=65535 - 64, help="Where visitors come in.")] = 8501,
    address: Annotated[
        str,
        typer.Option(help="IP address that they come to; 0.0.0.0 opens the port to the network, without a password."),
    ] = "127.0.0.1",
    data: DataFolder = None,
    runs: RunsFolder = None,
    save_policies: SavePolicies = False,
    embed_in: EmbedIn = None,
    max_megapixels: MaxMegapixels = None,
    public_url: PublicUrl = None,
    rooms: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="File in which the workers keep rooms together; by default one that goes with them."
        ),
    ] = None,
    proxy: Annotated[
        bool,
        typer.Option(help="Start nginx; without it the workers listen on the ports after PORT, for a proxy of yours."),
    ] = True,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print what such a proxy needs (nginx), and start nothing.")
    ] = False,
) -> None:
    """Start the dashboard as several processes behind nginx, for a class."""
    following = list(range(port + 1, port + 1 + workers))
    door = partial(Proxy, port=port, address=address, framed=bool(embed_in))
    if print_config:
        sys.stdout.write(door(following).site())
        return
    script = entrypoint()
    with tempfile.TemporaryDirectory(prefix="lesion-lab-rooms-") as folder:
        # A phone may come to another worker than its teacher.
        together = rooms or (Path(folder, "rooms.db") if workers > 1 else None)

        def command(own: int) -> list[str]:
            return dashboard_command(
                script,
                data,
                runs,
                save_policies=save_policies,
                port=own,
                address="127.0.0.1",
                browser=False,
                embed_in=embed_in or (),
                max_megapixels=max_megapixels,
                rooms=together,
                public_url=public_url,
            )

        if proxy:
            serve_behind_nginx(command, door(free_ports(workers)))
        else:
            serve_alone(command, following)


def serve_behind_nginx(command: Callable[[int], Sequence[str]], proxy: Proxy) -> None:
    """Run workers with nginx before them until a signal ends them; nothing is left, neither process nor file.

    Args:
        command: Gives what serves Streamlit on a port of 127.0.0.1.
        proxy: The ports, and where visitors come in.

    Raises:
        ConfigError: nginx is not installed, the port is in use, a worker does not start, or nginx ended.
    """
    from lesion_core.cli.workers import keep_running

    program = nginx()
    proxy.check_free()
    with tempfile.TemporaryDirectory(prefix="lesion-lab-") as folder:
        Path(folder).chmod(0o755)  # started by root, nginx answers as a user who owns nothing
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(proxy.whole())
        start = [program, "-p", folder, "-c", str(configuration), "-e", "stderr"]
        tell(f"{_counted(len(proxy.ports))} start …")
        keep_running(_commands(command, proxy.ports), _environment(), start, partial(_ready, proxy.listen))


def serve_alone(command: Callable[[int], Sequence[str]], ports: Sequence[int]) -> None:
    """Run workers on these ports of 127.0.0.1, for a proxy that somebody else runs.

    Raises:
        ConfigError: A port is in use, or a worker does not start.
    """
    from lesion_core.cli.workers import keep_running

    for port in ports:
        Proxy((), port).check_free()
    tell(f"{_counted(len(ports))} start …")
    listen = ", ".join(f"127.0.0.1:{port}" for port in ports)
    keep_running(_commands(command, ports), _environment(), None, partial(_ready, listen))


def _commands(command: Callable[[int], Sequence[str]], ports: Sequence[int]) -> dict[int, list[str]]:
    return {port: [*command(port)] for port in ports}


def _environment() -> dict[str, str]:
    """What the workers share: a cookie that one has signed holds for all. They announce no address of their own."""
    return {SECRET: secrets.token_hex(32), "STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE": "true", **os.environ}


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _ready(where: str) -> None:
    tell(f"Ready: {where}. Ctrl-C ends it.")
