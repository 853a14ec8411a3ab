"""The README's set-up commands as they stand: `1` runs the first until the dashboard answers, `2` prints the second."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
PORT = 8599
WITHIN_S = 120
"""Seconds until the dashboard must answer; the packages are installed by then, with the locked versions."""


def command(number: str) -> str:
    """The command under the comment that begins with this number."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```bash\n# {number}\. [^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(found).strip()


def answers() -> bool:
    """Whether a dashboard says on `PORT` that it is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/_stcore/health", timeout=2) as said:
            return bool(said.read() == b"ok")
    except OSError:
        return False


def start() -> None:
    """Run the first command until the dashboard answers, then stop it.

    Raises:
        SystemExit: It ended, or did not answer in time.
    """
    settings = {"STREAMLIT_SERVER_PORT": str(PORT), "STREAMLIT_SERVER_HEADLESS": "true"}
    environment = {**os.environ, **settings, "PIP_CONSTRAINT": str(ROOT / "requirements.lock"), "PIP_QUIET": "1"}
    begin = time.monotonic()
    shell = subprocess.Popen(["bash", "-c", command("1")], cwd=ROOT, env=environment, start_new_session=True)
    try:
        while not answers():
            if shell.poll() is not None or time.monotonic() - begin > WITHIN_S:
                raise SystemExit("The README's first command starts no dashboard.")
            time.sleep(0.2)
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(30)
    print(f"The README's first command: the dashboard answers after {time.monotonic() - begin:.0f} s.")


if __name__ == "__main__":
    if sys.argv[1:] == ["1"]:
        start()
    else:
        print(command("2"))
