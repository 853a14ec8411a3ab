"""nginx before several workers: its configuration, and whether it can be started here."""

from __future__ import annotations

import errno
import ipaddress
import os
import shutil
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from lesion_core.errors import ConfigError

UPLOAD_MB = 22
"""Above Streamlit's `server.maxUploadSize` of 20 MB: what is too large is told by the dashboard, not by nginx."""


@dataclass(frozen=True)
class Proxy:
    """What stands in the configuration of nginx.

    Args:
        ports: Where the workers listen, on 127.0.0.1.
        port: Where visitors come in.
        address: The IP address that visitors come to; 0.0.0.0 is every IPv4 interface.
        framed: Whether another site's page may show the dashboard in a frame, whose cookie then needs HTTPS.

    Raises:
        ConfigError: `address` is not an IP address.
    """

    ports: Sequence[int]
    port: int
    address: str = "127.0.0.1"
    framed: bool = False

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.address)
        except ValueError:
            raise ConfigError(
                f"'{self.address}' is not an IP address.",
                "Give one of this machine after --address, such as 127.0.0.1, or 0.0.0.0 for all of them.",
            ) from None

    @property
    def listen(self) -> str:
        """Address and port as nginx and browsers write them."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def site(self) -> str:
        """The part that belongs into the `http` block of any nginx, such as a file in /etc/nginx/conf.d."""
        return self._drawn("site")

    def whole(self) -> str:
        """A configuration of its own; files that nginx needs lie in its prefix (``nginx -p``)."""
        return self._drawn("whole")

    def _drawn(self, part: str) -> str:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("lesion_core.cli", "."),
            autoescape=False,  # numbers and an IP address: nothing here needs escaping
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # Cookies do not know ports: two dashboards on one machine each have their own.
        values = {
            "ports": self.ports,
            "listen": self.listen,
            "framed": self.framed,
            "cookie": f"lesion_lab_{self.port}",
            "upload_mb": UPLOAD_MB,
        }
        module = environment.get_template("nginx.conf").make_module(values)
        return str(getattr(module, part)()) + "\n"

    def check_free(self) -> None:
        """Find out before anything starts whether nginx will be able to listen.

        Raises:
            ConfigError: The port is in use or not allowed, or the address is not of this machine.
        """
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with socket.socket(family) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as nginx does
            try:
                door.bind((self.address, self.port))
            except OSError as error:
                why = {
                    errno.EADDRINUSE: (f"Port {self.port} is in use.", "End what listens there, or choose --port."),
                    errno.EACCES: (f"Port {self.port} is not open to this user.", "Choose a --port from 1024 on."),
                    errno.EADDRNOTAVAIL: (
                        f"{self.address} is not an address of this machine.",
                        "Give one that it has after --address, or 0.0.0.0 for all of them.",
                    ),
                }
                fallback = (f"Nothing can listen on {self.listen}: {error.strerror}.", "Choose --address and --port.")
                raise ConfigError(*why.get(error.errno or 0, fallback)) from None


def nginx() -> str:
    """The path of nginx; Debian keeps it where the PATH of most users does not lead.

    Raises:
        ConfigError: It is not installed.
    """
    found = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if found is None:
        raise ConfigError(
            "nginx is not installed, and several workers need it before them.",
            "Install it (Debian, Ubuntu: `sudo apt-get install nginx-light`; macOS: `brew install nginx`), or start "
            "one process with `lesion-lab dashboard`.",
        )
    return found


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nothing listens now."""
    with ExitStack() as held:
        doors = [held.enter_context(socket.socket()) for _ in range(count)]
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [int(door.getsockname()[1]) for door in doors]
