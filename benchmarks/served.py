"""Streamlit servers in processes of their own, for the scripted visitors, and what they use of the machine."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

HOME = Path(__file__).parents[1] / "app" / "Home.py"
BARE = """
import time
import plotly.graph_objects as go
import streamlit as st

st.title("A bare page")
state = int(st.query_params.get("state", 1))
st.plotly_chart(go.Figure(go.Scatter(y=[(i * state) % 97 for i in range(200)])))
if "slow" in st.query_params:
    time.sleep(0.5)
if "wrong" in st.query_params:
    raise ValueError("asked for")
if "red" in st.query_params:
    st.error("asked for")
"""


def usage(pid: int) -> dict[str, float]:
    """What Linux says of a process: memory in MB, CPU seconds, threads, open files; empty where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":
            return {}
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        return {
            "rss": int(fields[21]) * page / 1e6,
            "cpu": (int(fields[11]) + int(fields[12])) / ticks,
            "threads": int(fields[17]),
            "files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        }
    except OSError:
        return {}


@contextlib.contextmanager
def server(
    script: Path,
    settings: Sequence[str] = (),
    *,
    arguments: Sequence[str] = (),
    log: Path | None = None,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Streamlit server in a process of its own, without LESION_DATA: its address and the process.

    Args:
        script: What it runs.
        settings: Of Streamlit, name=value.
        arguments: Of the script.
        log: Where the server writes what it says.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = (
        "server.headless=true",
        "server.address=127.0.0.1",
        f"server.port={port}",
        "browser.gatherUsageStats=false",
        "server.fileWatcherType=none",
        *settings,
    )
    with (log or Path(os.devnull)).open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), *(f"--{s}" for s in given), "--", *arguments],
            cwd=script.parent,
            env={name: value for name, value in os.environ.items() if name != "LESION_DATA"},
            stdout=said,
            stderr=said,
        )
    url = f"http://127.0.0.1:{port}"
    base = "".join(f"/{name.partition('=')[2]}" for name in settings if name.startswith("server.baseUrlPath="))
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}{base}/_stcore/health", timeout=1):
                break
            time.sleep(0.05)
        yield url, process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def bare_server(settings: Sequence[str] = ()) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A bare Streamlit page: its address and the process."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "bare.py"
        script.write_text(BARE)
        with server(script, settings) as found:
            yield found
