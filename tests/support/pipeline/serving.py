"""Serve applications on loopback ports."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

WAIT_SECONDS = 20.0
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep a connection, so that none closes during a request."""


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to pytest and sets `up` when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: signals are for pytest."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and set `up`."""
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def served(app: FastAPI, listener: socket.socket | None = None) -> AsyncIterator[str]:
    """Serve an application on `listener`, or on a free port; yields its URL."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.wait_for(server.up.wait(), WAIT_SECONDS)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
