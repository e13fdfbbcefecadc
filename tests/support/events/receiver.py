"""A receiver of events with its own books: a real HTTP server that verifies each signature."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from models.events import Event


@dataclass
class Receiver:
    """What came in, in order. `answer` decides the status of each event."""

    secrets: list[str] = field(default_factory=list)
    received: list[Event] = field(default_factory=list)
    """Events that were answered with success."""
    attempts: int = 0
    answer: Callable[[Event], int] = lambda event: 200
    url: str = ""

    def of(self, order_id: str) -> list[Event]:
        """Return the events of an order, in the order in which they came."""
        return [event for event in self.received if event.subject == order_id]

    async def take(self, request: web.Request) -> web.Response:
        """Verify an event as a subscriber would, with the library of Standard Webhooks."""
        body = await request.read()
        for secret in self.secrets:
            Webhook(secret).verify(body, dict(request.headers))
        event = Event.model_validate_json(body)
        assert request.headers["webhook-id"] == f"event-{event.id}"
        self.attempts += 1
        status = self.answer(event)
        if status == 200:
            self.received.append(event)
        return web.Response(status=status, text=f"{event.type} is {status}")


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """Run a receiver on loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/events", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    yield receiver
    await runner.cleanup()
