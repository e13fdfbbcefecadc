"""A prepaid order, all the way, and what it costs the engine."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event
from temporalio.api.enums.v1 import EventType
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.conftest import DATABASES, new_world
from tests.support.shop import order
from tests.support.world import World
from workflows.order import OrderWorkflow

MOST_EVENTS = 66
MOST_TRANSACTIONS = 16
"""Six database steps, two wishes and five answers of partners, three facts at the door."""
ACTIVITIES = [
    *("book_shipment", "mail_confirmation", "mail_dispatch", "mail_invoice", "request_payment"),
]


@pytest.fixture(params=DATABASES)
async def alone(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """A pipeline in which nothing else is going on: every transaction counts."""
    async with new_world(request, engine_address, worker=True, auto=False) as made:
        yield made


@contextmanager
def counted_transactions() -> Iterator[list[Connection]]:
    """Every writing transaction that is committed in this process meanwhile."""
    seen: list[Connection] = []

    def count(connection: Connection) -> None:
        if not connection.get_execution_options().get("reads_only"):
            seen.append(connection)

    event.listen(Engine, "commit", count)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", count)


async def test_a_prepaid_order_takes_one_workflow_and_at_most_sixty_six_events(
    alone: World,
) -> None:
    """Facts arriving one by one; counted from the order's own history."""
    sku, customer = alone.shop()
    document = order(sku, customer, quantity=2)
    placed = await alone.place(document)
    assert placed["total"] == "238.00"
    with counted_transactions() as transactions:
        shown = await alone.complete(document["order_id"], "238.00")
        handle = await alone.ended(document["order_id"])
    assert len(transactions) <= MOST_TRANSACTIONS

    history = await handle.fetch_history()
    kinds = Counter(EventType.Name(event.event_type) for event in history.events)
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert sorted(scheduled) == ACTIVITIES
    assert len(history.events) <= MOST_EVENTS, kinds
    assert "EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED" not in kinds

    await Replayer(
        workflows=[OrderWorkflow], data_converter=pydantic_data_converter
    ).replay_workflow(history)

    assert shown["paid"] == "238.00"
    assert shown["lines"] == [
        {
            "sku": sku,
            "ordered": 2,
            "reserved": 0,
            "backordered": 0,
            "shipped": 2,
            "delivered": 2,
            "returned": 0,
            "given_up": 0,
        }
    ]
    events = [row["event"] for row in shown["history"]]
    assert [e for e in events if e != "mailed"] == [
        "recorded",
        "allocated",
        "payment_requested",
        "payment_received",
        "invoiced",
        "consigned",
        "booked",
        "dispatched",
        "delivered",
    ]
