"""Events over HTTP, while orders run: as pages, and as server-sent events to many clients."""

import asyncio
import json

import pytest

from models.events import EVENT_TYPES, Event
from tests.support.events.feed import newest, pages
from tests.support.orders.stages import delivered, place_order
from tests.support.pipeline.world import World

CLIENTS = (4, 50)
ORDERS = (4, 500)
AT_ONCE = 10
"""At small and at full size: clients of the stream, and orders; orders at a time."""


async def follow(world: World, after: int, last: set[str], **headers: str) -> list[str]:
    """Read the stream until an order of `last` asks for its payment; returns the events' texts."""
    seen: list[str] = []
    path, rest = f"/events/stream?after={after}", ""
    async with world.api.stream("GET", path, headers=headers, timeout=600) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for text in response.aiter_text():
            *frames, rest = (rest + text).split("\n\n")
            new = [frame.partition("\ndata: ")[2] for frame in frames if "\ndata: " in frame]
            seen += new
            if any(is_last(frame, last) for frame in new):
                return seen
    raise AssertionError("the stream ended")


def is_last(text: str, last: set[str]) -> bool:
    """Check whether an event is the request for the payment of an order."""
    return "payment_requested" in text and Event.model_validate_json(text).subject in last


@pytest.mark.sized
async def test_clients_miss_no_event_while_orders_run(pipeline: World, full: bool) -> None:
    """All clients get what the pages have; entries of an order come in their order."""
    after, last = await newest(pipeline), set[str]()
    clients = [asyncio.create_task(follow(pipeline, after, last)) for _ in range(CLIENTS[full])]
    for done in range(0, ORDERS[full], AT_ONCE):
        some = min(AT_ONCE, ORDERS[full] - done)
        await asyncio.gather(*(delivered(pipeline, 1) for _ in range(some)))
    closing = await place_order(pipeline)
    last.add(closing.order_id)
    await pipeline.until_event(closing.order_id, "payment_requested")
    expected = await pages(pipeline, after)
    texts = [event.text for event in expected]
    for seen in await asyncio.gather(*clients):
        assert seen == texts[: len(seen)]
        assert len(seen) > len(texts) - 100, "the rest came after the last order's request"
    numbers: dict[str, list[int]] = {}
    for event in expected:
        numbers.setdefault(event.subject, []).append(event.data.entry_no)
    assert len(numbers) == ORDERS[full] + 1
    for order_id, entries in numbers.items():
        assert entries == [*range(1, len(entries) + 1)], order_id


async def test_stream_continues_after_the_last_event_of_a_client(pipeline: World) -> None:
    """Also when the address has an older number, as a browser sends it."""
    before = await newest(pipeline)
    order_id, _ = await delivered(pipeline, 1)
    all_of_it = await pages(pipeline, before, order_id=order_id)
    third = all_of_it[2].id
    closing = await place_order(pipeline)
    seen = await follow(pipeline, before, {closing.order_id}, **{"Last-Event-ID": third})
    came = map(Event.model_validate_json, seen)
    of_order = [event for event in came if event.subject == order_id]
    assert of_order == all_of_it[3:]


async def test_pages_are_filtered_by_order_and_type(pipeline: World) -> None:
    before = await newest(pipeline)
    order_id, _ = await delivered(pipeline, 1)
    found = await pages(pipeline, before, order_id=order_id, type="order.delivered", limit=1)
    assert [(event.subject, event.type) for event in found] == [(order_id, "order.delivered")]
    both = await pages(pipeline, before, type=["order.invoiced", "order.booked"], limit=1)
    assert {event.type for event in both} == {"order.invoiced", "order.booked"}
    shown = (await pipeline.api.get("/schemas/event")).json()
    assert shown["properties"]["type"]["enum"] == list(EVENT_TYPES)


@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        ("/events?type=order.forgotten", {}, "type"),
        ("/events/stream?type=delivered", {}, "type"),
        ("/events?after=-1", {}, "after"),
        ("/events?limit=0", {}, "limit"),
        ("/events/stream", {"Last-Event-ID": "x" * 5000}, "Last-Event-ID"),
        ("/events/stream", {"Last-Event-ID": "9" * 5000}, "Last-Event-ID"),
    ],
)
async def test_wrong_requests_are_refused_by_field(
    pipeline: World, path: str, headers: dict[str, str], field: str
) -> None:
    response = await pipeline.api.get(path, headers=headers)
    assert response.status_code == 422, response.text
    assert [error["field"] for error in json.loads(response.text)["errors"]] == [field]
