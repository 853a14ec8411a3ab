"""Files from named servers and no other: bounded in bytes and in time, tried again where that may help.

`requests` (Apache-2.0; Streamlit needs it too) holds the connections, urllib3's `Retry` tries again what a server
refuses for a while. What they leave open is closed here: how long a whole file may take, how large it may be, how long
a server may ask one to wait, and where a redirect may lead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from lesion_core.errors import DataError, DownloadError, ImageError, ImageTooLargeError, NotFetchedError
from lesion_core.foreign_text import shown

T = TypeVar("T")
BLOCK = 2**16
MOST_REDIRECTS = 5
FOR_A_WHILE = (429, 500, 502, 503, 504)
"""Answers that may be another one soon: too many requests, and a server in trouble."""
BUSY = (429, 503)
"""Those of them that are meant for every request."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    Attributes:
        connect: For a connection.
        read: For the next byte.
        whole: For all of a file.
        asked: The longest that a server may ask to wait (``Retry-After``).
        pause: Before the second try; doubled before each further one.
        tries: Of a file that ends early or is not what it should be, and further ones of a refused request.
    """

    connect: float = 10.0
    read: float = 20.0
    whole: float = 300.0
    asked: float = 120.0
    pause: float = 1.0
    tries: int = 4


class _Bounded(Retry):
    """Waits as long as the server asks for (RFC 9110, 10.2.3), but not for hours."""

    longest = 120.0

    def parse_retry_after(self, retry_after: str) -> float:
        seconds = super().parse_retry_after(retry_after)
        if seconds > self.longest:
            raise DownloadError(
                f"The server asks to wait {seconds / 60:,.0f} minutes before the next request.",
                "Start again then: what is here is kept.",
            )
        return seconds


class _StalledError(Exception):
    pass


_ELSEWHERE = (
    requests.exceptions.InvalidSchema,  # no adapter is mounted
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)


class Web:
    """Files from a few places.

    Args:
        places: The beginnings of all addresses that may be asked, each up to the slash behind the host or further.
            Redirects, too, lead to one of them or are refused.
        patience: How long to wait.
    """

    def __init__(self, places: Iterable[str], patience: Patience = Patience()) -> None:
        self.patience = patience
        kind = type("Bounded", (_Bounded,), {"longest": patience.asked})
        retry = kind(
            total=patience.tries,
            read=False,  # what stops halfway is tried again by `get`
            status_forcelist=FOR_A_WHILE,
            backoff_factor=patience.pause,
            raise_on_status=False,
        )
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "lesion-lab"
        self._session.adapters.clear()  # an address that no adapter is mounted for is not asked
        for place in places:
            self._session.mount(place, HTTPAdapter(max_retries=retry))

    def get(self, url: str, most: int, check: Callable[[bytes], T]) -> T:
        """A file, as `check` returns it.

        Args:
            url: Its address.
            most: Bytes that it may have.
            check: Says what the bytes are; where it raises an `ImageError` or a `DataError`, the file is fetched again.

        Raises:
            NotFetchedError: This file is not there, too large, elsewhere, or was damaged at every try; the next may
                be all right.
            DownloadError: The server cannot be reached, or asks to come back much later.
        """
        name = shown(urlsplit(url).path.rstrip("/").rpartition("/")[2] or url)
        for remaining in reversed(range(self.patience.tries)):
            try:
                return check(self._body(url, most, name))
            except ImageTooLargeError as error:
                raise NotFetchedError(error.problem) from None
            except (ImageError, DataError) as error:
                why = error.problem
            except (_StalledError, urllib3.exceptions.HTTPError, requests.Timeout) as error:
                why = _plainly(error)
            if remaining:
                time.sleep(min(self.patience.asked, self.patience.pause * 2 ** (self.patience.tries - 1 - remaining)))
        raise NotFetchedError(
            f"{name} was fetched {self.patience.tries} times and is not usable: {why}", "Try again later."
        )

    def _body(self, url: str, most: int, name: str) -> bytes:
        began = time.monotonic()
        with self._answer(url, name) as answer:
            if answer.status_code in BUSY:
                raise DownloadError(
                    f"{shown(urlsplit(url).netloc)} is busy (HTTP {answer.status_code}).",
                    "Start again later: what is here is kept.",
                )
            if not answer.ok:
                what = {404: "is not there", 410: "is no longer there", 403: "is not public"}.get(answer.status_code)
                raise NotFetchedError(f"{name} {what or 'was refused'} (HTTP {answer.status_code}).")
            told = answer.headers.get("Content-Length", "")
            length = int(told) if told.isdecimal() else None
            body = bytearray()
            if length is None or length <= most:
                # `read1` returns what is there: `iter_content` would wait for a whole block, however slow it comes.
                while block := answer.raw.read1(BLOCK, decode_content=True):
                    body += block
                    if len(body) > most:
                        break
                    if time.monotonic() - began > self.patience.whole:
                        raise _StalledError(f"only {len(body):,} bytes came in {self.patience.whole:,.0f} s")
            if max(len(body), length or 0) > most:
                raise NotFetchedError(f"{name} has more than {most / 2**20:,.0f} MiB, which is not taken.")
            if length is not None and len(body) < length and "Content-Encoding" not in answer.headers:
                raise _StalledError(f"it ended after {len(body):,} of {length:,} bytes")
        return bytes(body)

    def _answer(self, url: str, name: str) -> requests.Response:
        """The answer behind all redirects, its body unread."""
        for _ in range(MOST_REDIRECTS + 1):
            try:
                answer = self._session.get(
                    url,
                    stream=True,
                    allow_redirects=False,
                    timeout=(self.patience.connect, self.patience.read),
                )
            except _ELSEWHERE:
                host = shown(urlsplit(url).netloc or url)
                raise NotFetchedError(
                    f"{name} is said to be at {host}, which is not one of the servers asked."
                ) from None
            except requests.ReadTimeout:
                raise
            except requests.RequestException as error:
                if any(isinstance(cause, urllib3.exceptions.ProtocolError) for cause in error.args):
                    raise _StalledError("the connection ended early") from None
                raise DownloadError(
                    f"{shown(urlsplit(url).netloc)} cannot be reached ({_plainly(error)}).",
                    "Check the connection (a proxy is named by the variable HTTPS_PROXY) and start again: what is here "
                    "is kept.",
                ) from None
            target = self._session.get_redirect_target(answer)
            if target is None:
                return answer
            answer.close()
            url = urljoin(url, target)
        raise NotFetchedError(f"{name} is redirected more than {MOST_REDIRECTS} times.")


def _plainly(error: BaseException) -> str:
    """What went wrong, without the names of classes and addresses in memory."""
    if isinstance(error, _StalledError):
        return str(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "nothing came for too long"
    if isinstance(error, urllib3.exceptions.IncompleteRead | urllib3.exceptions.ProtocolError):
        return "the connection ended early"
    text = str(error)
    known = {
        "NameResolution": "its name is not known here",
        "refused": "the connection was refused",
        "certificate": "its certificate is not trusted",
        "too many": "it kept answering that it is busy",
        "timed out": "nothing came for too long",
    }
    return next((said for word, said in known.items() if word in text), "the connection failed")
