"""Choose the ports that the processes listen on.

Configured ports first, then those of the last start, then the defaults, then any free port.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from models.errors import Refused

HOST = "127.0.0.1"
LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


class PortTaken(Refused):
    """A configured port is in use."""

    def __init__(self, variable: str, port: int) -> None:
        super().__init__(
            "port_taken",
            f"{variable} requires port {port}, which another program uses. "
            f"Stop that program, set {variable} to a free port, or unset it.",
        )


def is_free(port: int) -> bool:
    """Return whether a server can listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """Return a free port chosen by the operating system."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(group: int, port: int) -> bool:
    """Return whether a process of this group listens on the port (reads /proc: Linux only)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[9]}]"
        for row in rows
        if row[1].endswith(f":{port:04X}") and row[3] == LISTENING
    }
    return not sockets.isdisjoint(_open_files(group))


def _open_files(group: int) -> Iterator[str]:
    """Yield the open files of a process group, skipping processes that end meanwhile."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(process.name)) == group:
                yield from map(os.readlink, (process / "fd").iterdir())


class Ports:
    """Choose ports, none twice. `prefer_defaults`: try a default before any free port."""

    def __init__(
        self,
        *,
        prefer_defaults: bool,
        is_free: Callable[[int], bool] = is_free,
        any_free: Callable[[], int] = any_free,
    ) -> None:
        self._prefer_defaults = prefer_defaults
        self._is_free = is_free
        self._any_free = any_free
        self._chosen: set[int] = set()
        self._previous: set[int] = set()

    def is_available(self, port: int) -> bool:
        """Return whether the port is free and not chosen yet."""
        return port not in self._chosen and self._is_free(port)

    def was_available(self, port: int) -> bool:
        """Return whether the port is available, or was before the last `reset`."""
        return port in self._previous or self.is_available(port)

    def reset(self) -> None:
        """Discard all choices, because another program took one of the ports."""
        self._previous |= self._chosen
        self._chosen.clear()

    def choose(self, variable: str, port: int, *, configured: bool, last: int = 0) -> int:
        """Choose `port` if it is configured, else `last`, `port` as a default, or a free port.

        `last`: the port of the last start, for open browser tabs and scripts; 0 if unknown.
        Raises PortTaken if a configured port is not available.
        """
        if configured:
            if not self.is_available(port):
                raise PortTaken(variable, port)
        elif last and self.is_available(last):
            port = last
        elif not (self._prefer_defaults and self.is_available(port)):
            port = next(free for free in iter(self._any_free, None) if free not in self._chosen)
        self._chosen.add(port)
        return port
