"""Events over HTTP: pages with a cursor, and server-sent events."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import StreamingResponse

from activities.events.feed import EventFeed
from models.errors import FieldError, InvalidInput
from models.events import EVENT_TYPES, Event, EventPage, Filter

MAX_NUMBER = 2**63 - 1
Number = Annotated[int, Query(ge=0, le=MAX_NUMBER, description="events above this number")]
PageLimit = Annotated[int, Query(ge=1, le=1_000, description="the most events of a page")]
Types = Annotated[list[str] | None, Query(description="may be repeated; without: all")]
LastEventId = Annotated[str | None, Header(description="sent by browsers that connect again")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events as they come: their number, type and content",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""Proxies must not hold a stream back."""


def events_router(feed: EventFeed) -> APIRouter:
    """Build the routes of events."""
    router = APIRouter()

    @router.get("/events")
    async def list_events(
        after: Number = 0,
        limit: PageLimit = 100,
        order_id: str | None = None,
        type: Types = None,
    ) -> EventPage:
        """List events of orders, the oldest first. `next`: the value of `after` that continues."""
        return await feed.page(after, limit, _filter(order_id, type))

    @router.get("/events/stream", response_class=StreamingResponse, responses=STREAM)
    async def stream_events(
        after: Number | None = None,
        order_id: str | None = None,
        type: Types = None,
        last_event_id: LastEventId = None,
    ) -> StreamingResponse:
        """Send events as they come, as server-sent events; without `after` only new ones."""
        wanted = _filter(order_id, type)
        if last_event_id is not None:
            after = _number(last_event_id)
        elif after is None:
            after = await feed.newest()
        return StreamingResponse(
            _frames(feed, after, wanted), media_type="text/event-stream", headers=HEADERS
        )

    @router.get("/schemas/event")
    async def event_schema() -> dict[str, Any]:
        """Show the JSON Schema of an event."""
        return Event.model_json_schema()

    return router


def _filter(order_id: str | None, types: list[str] | None) -> Filter:
    """Build the filter of a request. Raises InvalidInput for a type that doesn't exist."""
    unknown = sorted(set(types or ()) - set(EVENT_TYPES))
    if unknown:
        reason = f"there is no type {unknown[0][:100]!r}: docs/events.md lists all"
        raise InvalidInput([FieldError("type", reason)])
    return Filter(order_id, tuple(types or ()))


def _number(sent: str) -> int:
    """Read the number of the last event that a client has. Raises InvalidInput."""
    if not (sent.isascii() and sent.isdigit() and len(sent) < 20 and int(sent) <= MAX_NUMBER):
        raise InvalidInput([FieldError("Last-Event-ID", "is not the id of an event")])
    return int(sent)


async def _frames(feed: EventFeed, after: int, wanted: Filter) -> AsyncIterator[str]:
    """Write events as server-sent events, and a comment in a long silence."""
    yield ": events of orders\n\n"
    async with aclosing(feed.follow(after, wanted)) as batches:
        async for events in batches:
            yield "".join(map(_frame, events)) or ": no events\n\n"


def _frame(event: Event) -> str:
    return f"id: {event.id}\nevent: {event.type}\ndata: {event.text}\n\n"
