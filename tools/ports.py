"""Which ports the processes listen on: those asked for, else the usual ones, else free ones."""

import socket
from collections.abc import Callable

from models.errors import Refused

HOST = "127.0.0.1"


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

    def can_have(self, port: int) -> bool:
        return port not in self._chosen and self._is_free(port)

    def choose(self, variable: str, wanted: int, *, given: bool) -> int:
        """The port `wanted` if it can be had; raises PortTaken if it was `given` and can't."""
        if given and not self.can_have(wanted):
            raise PortTaken(variable, wanted)
        if given or (self._usual and self.can_have(wanted)):
            port = wanted
        else:
            port = next(port for port in iter(self._any_free, None) if port not in self._chosen)
        self._chosen.add(port)
        return port
