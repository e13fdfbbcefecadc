"""Which ports the processes listen on.

Those asked for, else those of the last time, else the usual ones, else free ones.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from models.errors import Refused

HOST = "127.0.0.1"
LISTENING = "0A"
"""The state of such a socket in /proc/net/tcp."""


class PortTaken(Refused):
    """A port that was asked for is in use."""

    def __init__(self, variable: str, port: int) -> None:
        super().__init__(
            "port_taken",
            f"{variable} asks for port {port}, which another program is using. "
            f"Stop that program, or give {variable} a free port, or leave it out.",
        )


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port on which nothing listens, of the system's choice."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(group: int, port: int) -> bool:
    """Whether a process of this group listens on the port (found through /proc: Linux)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[9]}]"
        for row in rows
        if row[1].endswith(f":{port:04X}") and row[3] == LISTENING
    }
    return not sockets.isdisjoint(_open_files(group))


def _open_files(group: int) -> Iterator[str]:
    """What the processes of a group have open; one that is just ending has nothing."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(process.name)) == group:
                yield from map(os.readlink, (process / "fd").iterdir())


class Ports:
    """Chooses ports, none twice. `usual`: try a setting's default before any free port."""

    def __init__(
        self,
        *,
        usual: bool,
        is_free: Callable[[int], bool] = is_free,
        any_free: Callable[[], int] = any_free,
    ) -> None:
        self._usual = usual
        self._is_free = is_free
        self._any_free = any_free
        self._chosen: set[int] = set()
        self._lost: set[int] = set()

    def can_have(self, port: int) -> bool:
        return port not in self._chosen and self._is_free(port)

    def could_have(self, port: int) -> bool:
        """Whether it can be had, or could when ports were chosen before."""
        return port in self._lost or self.can_have(port)

    def choose_again(self) -> None:
        """Forget what was chosen: somebody else was quicker to take one of them."""
        self._lost |= self._chosen
        self._chosen.clear()

    def choose(self, variable: str, wanted: int, *, given: bool, last: int = 0) -> int:
        """The port `wanted` if it can be had; raises PortTaken if it was `given` and can't.

        `last`: where the part listened the last time; browsers and scripts look for it there.
        """
        if given and not self.can_have(wanted):
            raise PortTaken(variable, wanted)
        if last and not given and self.can_have(last):
            port = last
        elif given or (self._usual and self.can_have(wanted)):
            port = wanted
        else:
            port = next(port for port in iter(self._any_free, None) if port not in self._chosen)
        self._chosen.add(port)
        return port
