"""Where phones reach this server: an address that is not `localhost`."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

HOW_TO_FIND = (
    "Your computer's address in its network: `hostname -I` on Linux, `ipconfig getifaddr en0` on macOS, `ipconfig` on "
    "Windows (IPv4 address). Start the dashboard with it: "
    "`streamlit run app/Home.py -- --public-url http://ADDRESS:8501`."
)


@dataclass(frozen=True)
class Reach:
    """How phones come here.

    Attributes:
        origins: Addresses to choose from, the likeliest first, without a slash at their ends.
        doubt: Why they may not work, one sentence; empty where somebody has said that they do.
    """

    origins: tuple[str, ...]
    doubt: str = ""


def is_local(host: str) -> bool:
    """Whether a host is the computer that asks, whichever that is."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost") or not host


def reach(opened_at: str, base: str, public: str | None, listens_at: str, own: Sequence[str]) -> Reach:
    """What phones may open.

    Args:
        opened_at: The address of the teacher's page.
        base: The path before all pages of the server.
        public: What ``--public-url`` says.
        listens_at: The address that the server listens on; empty is all.
        own: Addresses of this computer in its networks.

    Example:
        >>> reach("http://localhost:8501/room", "", None, "", ["192.168.1.20"]).origins
        ('http://192.168.1.20:8501',)
        >>> reach("http://localhost:8501/room", "", None, "127.0.0.1", ["192.168.1.20"]).doubt
        'This server listens on this computer alone: start it with --server.address=0.0.0.0.'
    """
    if public:
        return Reach((public,))
    parts = urlsplit(opened_at)
    host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""

    def origin(name: str) -> str:
        return f"{parts.scheme or 'http'}://{f'[{name}]' if ':' in name else name}{port}{base}"

    if not is_local(host):
        others = [] if listens_at and not is_local(listens_at) else [name for name in own if name != host]
        return Reach((origin(host), *map(origin, others)))
    if listens_at and is_local(listens_at):
        return Reach((), "This server listens on this computer alone: start it with --server.address=0.0.0.0.")
    if listens_at and listens_at not in ("0.0.0.0", "::"):
        return Reach((origin(listens_at),))
    if not own:
        return Reach((), "The address of this computer in its network is not known.")
    return Reach(tuple(map(origin, own)), "Open it on one phone first: guest networks may keep phones from laptops.")


def own_addresses() -> list[str]:
    """IPv4 addresses of this computer, that of the way to the internet first; nothing is sent to find them."""
    found = [*_of_the_default_route(), *_of_interfaces(), *_of_the_name()]
    return list(dict.fromkeys(address for address in found if not ipaddress.ip_address(address).is_loopback))


def _of_the_default_route() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737); a datagram is never sent
            yield str(way.getsockname()[0])
        except OSError:  # no network
            return


def _of_interfaces() -> Iterator[str]:
    try:
        import fcntl
    except ImportError:  # Windows: the name of the computer has them all
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        for _, name in socket.if_nameindex():
            try:
                told = fcntl.ioctl(door, 0x8915, struct.pack("256s", name.encode()[:15]))  # Linux: SIOCGIFADDR
            except OSError:  # no address, or another system
                continue
            yield socket.inet_ntoa(told[20:24])


def _of_the_name() -> Iterator[str]:
    try:
        yield from sorted(
            {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        )
    except OSError:
        return
