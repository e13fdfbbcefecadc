"""A prepaid order from placement to completion."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import order
from tests.support.orders.stages import PLAIN_HISTORY, events
from tests.support.pipeline.world import World
from workflows.order import OrderWorkflow


@pytest.fixture(params=DATABASES)
async def alone(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline of its own: every transaction counts."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        yield world


async def test_prepaid_order_takes_one_workflow_whose_history_replays(alone: World) -> None:
    """The facts arrive one by one. The history replays."""
    sku, customer = alone.shop()
    document = order(sku, customer, quantity=2)
    placed = await alone.place(document)
    assert placed["total"] == "238.00"
    shown = await alone.complete(document["order_id"], "238.00")
    handle = await alone.ended(document["order_id"])

    history = await handle.fetch_history()
    kinds = Counter(EventType.Name(event.event_type) for event in history.events)
    assert "EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED" not in kinds

    await Replayer(
        workflows=[OrderWorkflow], data_converter=pydantic_data_converter
    ).replay_workflow(history)

    assert shown["paid"] == "238.00"
    assert shown["lines"] == [
        {
            "sku": sku,
            "kind": "goods",
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
