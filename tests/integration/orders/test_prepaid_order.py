"""A prepaid order from placement to completion, and the events and transactions that it costs."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event
from temporalio.api.enums.v1 import EventType
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import order
from tests.support.orders.stages import PLAIN_HISTORY, events, scheduled_activities
from tests.support.pipeline.world import World
from workflows.order import OrderWorkflow

MOST_EVENTS = 66
MOST_TRANSACTIONS = 16
"""Six database steps, two requests and five answers of partners, three stored facts."""
ACTIVITIES = [
    *("book_shipment", "mail_confirmation", "mail_dispatch", "mail_invoice", "request_payment"),
]


@pytest.fixture(params=DATABASES)
async def alone(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline of its own: every transaction counts."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        yield world


@contextmanager
def counted_transactions() -> Iterator[list[Connection]]:
    """Collect the connections of all writing transactions that this process commits."""
    committed: list[Connection] = []

    def count(connection: Connection) -> None:
        if not connection.get_execution_options().get("reads_only"):
            committed.append(connection)

    event.listen(Engine, "commit", count)
    try:
        yield committed
    finally:
        event.remove(Engine, "commit", count)


async def test_prepaid_order_takes_one_workflow_of_at_most_sixty_six_events(alone: World) -> None:
    """The facts arrive one by one. The history replays."""
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
    assert scheduled_activities(history) == ACTIVITIES
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
    assert [name for name in events(shown) if name != "mailed"] == PLAIN_HISTORY
