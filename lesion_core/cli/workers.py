"""Several processes that are kept running until a signal ends them all."""

from __future__ import annotations

import asyncio
import http.client
import os
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from lesion_core.cli.options import tell
from lesion_core.errors import ConfigError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
"""A worker that dies again and again is started less and less often, down to this."""
LIVED_S = 60.0
"""A worker that lived so long begins again with the first pause."""
ENDS_WITHIN_S = 10.0
"""After it a process that was asked to end is killed."""
POLL_S = 0.1


def keep_running(
    workers: Mapping[int, Sequence[str]],
    environment: Mapping[str, str],
    proxy: Sequence[str] | None,
    ready: Callable[[], None],
) -> None:
    """Run workers, and a proxy as soon as all answer, until SIGINT, SIGTERM or SIGHUP; then all have ended.

    A worker that dies is started again. The proxy is not: without it nobody comes in.

    Args:
        workers: For each port of 127.0.0.1 the command that serves Streamlit there.
        environment: The workers' variables.
        proxy: Its command, in the foreground; None where the workers are served as they are.
        ready: Called once, as soon as visitors can come.

    Raises:
        ConfigError: A worker ended before it first answered, or the proxy ended.
    """
    asyncio.run(_keep_running(workers, environment, proxy, ready))


async def _keep_running(
    workers: Mapping[int, Sequence[str]],
    environment: Mapping[str, str],
    proxy: Sequence[str] | None,
    ready: Callable[[], None],
) -> None:
    asked_to_end = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    answered = {port: asyncio.Event() for port in workers}

    async def open_to_visitors() -> None:
        await asyncio.gather(*(event.wait() for event in answered.values()))
        if proxy is None:
            ready()
            return await asyncio.Event().wait() and None
        async with _running(proxy, os.environ) as process:
            told = asyncio.get_running_loop().call_later(POLL_S, ready)
            code = await process.wait()
            told.cancel()
            raise ConfigError(f"The proxy ended ({_how(code)}).", "What it said stands above.")

    work: list[Coroutine[Any, Any, object]] = [
        _keep(f"Worker {number}", port, command, environment, answered[port])
        for number, (port, command) in enumerate(workers.items(), 1)
    ]
    tasks = [asyncio.create_task(each) for each in (asked_to_end.wait(), open_to_visitors(), *work)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _keep(
    name: str, port: int, command: Sequence[str], environment: Mapping[str, str], answered: asyncio.Event
) -> None:
    """One worker, started again whenever it ends; `answered` is set when it first answers.

    Raises:
        ConfigError: It ended before that.
    """
    pause = FIRST_PAUSE_S
    while True:
        began = time.monotonic()
        async with _running(command, environment) as process:
            answers = asyncio.create_task(_answers(name, port, answered))
            code = await process.wait()
            answers.cancel()
        if not answered.is_set():
            raise ConfigError(f"{name} ended before it answered ({_how(code)}).", "What it said stands above.")
        pause = FIRST_PAUSE_S if time.monotonic() - began > LIVED_S else pause
        tell(f"{name} ended ({_how(code)}). It is started again in {pause:.0f} s; others take its visitors.")
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


async def _answers(name: str, port: int, answered: asyncio.Event) -> None:
    while not await asyncio.to_thread(_healthy, port):
        await asyncio.sleep(POLL_S)
    if answered.is_set():
        tell(f"{name} answers again.")
    answered.set()


def _healthy(port: int) -> bool:
    """Whether a Streamlit server answers here; asked without urllib, which a proxy of the environment would catch."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        try:
            connection.request("GET", "/_stcore/health")
            return connection.getresponse().status == 200
        finally:
            connection.close()
    return False


@asynccontextmanager
async def _running(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """A process that has ended when the block has, with all that it started.

    It has a session of its own, so that Ctrl-C reaches this process alone, which ends the others in order. Where this
    process is killed itself, Linux ends the others.
    """
    if setpriv := shutil.which("setpriv"):  # of util-linux; it becomes the command
        command = [setpriv, "--pdeathsig", "TERM", "--", *command]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdin=DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _how(code: int) -> str:
    """A return code for a person: the signal's name, or the number."""
    if code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
