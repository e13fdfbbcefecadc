"""Long waits: partners that fail for an hour, goods not collected for days, closed locations.

They run on an engine that skips time while no workflow task is due.
"""

import shutil
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

import engine
from models.tables.shipping import Shipment
from tests.conftest import DATABASES, new_database
from tests.support.events.feed import pages
from tests.support.events.receiver import running_receiver
from tests.support.masterdata.locations import closed_location
from tests.support.masterdata.shop import Document
from tests.support.orders.exactly_once import assert_asked_once, assert_happened_once, keys_of
from tests.support.orders.stages import TOTAL, events, new_order, place_order
from tests.support.pipeline.start import running_world
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

NET30: Document = {"terms": "net30", "channel": "phone"}
OUTAGE = timedelta(hours=1)
BACKOFF = timedelta(minutes=1)
"""The longest time between two attempts of a partner step."""


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """Run an engine that skips time: Temporal's Java test server, as packaged for Python."""
    packaged = Path(sys.executable).parent / "temporal-test-server"
    binary = packaged if packaged.exists() else shutil.which(packaged.name)
    assert binary, "temporal-test-server is missing: run `make install`"
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(binary)
    ) as environment:
        client = environment.client
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace, search_attributes=engine.SEARCH_ATTRIBUTES
            )
        )
        yield environment


@pytest.fixture(params=DATABASES)
async def skipping_world(
    request: pytest.FixtureRequest, skipping: WorkflowEnvironment, tmp_path: Path
) -> AsyncIterator[World]:
    """Run a pipeline on that engine."""
    url = new_database(request.param, request, tmp_path)
    client = skipping.client
    address = client.service_client.config.target_host
    async with running_world(client, address, url, tmp_path, worker=True, auto=False) as world:
        yield world
        world.check_books()


def has_event(event: str) -> Callable[[Document], bool]:
    """Return a condition for `until_order`; this engine doesn't wake waiters for each event."""
    return lambda shown: event in events(shown)


def has_attention(code: str | None) -> Callable[[Document], bool]:
    """Return a condition for `until_order`: an attention with this code, or none."""
    return lambda shown: (shown["attention"] or {}).get("code") == code


async def carrier_calls(world: World, operation: str, order_id: str) -> list[Document]:
    """Read all calls to the carriers about an order."""
    calls = (await world.books("carriers"))["calls"]
    return [c for c in calls if c["operation"] == operation and order_id in str(c["body"])]


async def deliver_and_pay(world: World, order_id: str) -> None:
    """Complete an order on credit and assert that nothing of it happened twice."""
    await world.ship(order_id, "dispatched")
    await world.ship(order_id, "delivered")
    await world.pay(order_id, TOTAL)
    await world.until_order(order_id, lambda o: o["stage"] == "completed")
    await world.ended(order_id)
    shown = await world.order(order_id)
    assert shown["attention"] is None
    assert_happened_once(shown)


@pytest.mark.parametrize("operation", ["quote", "booking"])
async def test_carrier_books_once_after_an_outage_of_an_hour(
    skipping_world: World, skipping: WorkflowEnvironment, operation: str
) -> None:
    world = skipping_world
    await world.misbehave(partner="carriers", operation=operation, fault="error", times=None)
    placed = await place_order(world, **NET30)
    order_id = placed.order_id
    shown = await world.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "partner_unavailable"
    started = await skipping.get_current_time()
    await skipping.sleep(OUTAGE)
    assert await skipping.get_current_time() >= started + OUTAGE
    failed = await carrier_calls(world, operation, order_id)
    assert len(failed) >= OUTAGE / BACKOFF, "called at least once a minute"
    assert await world.requests("carriers", "booking", order_id) == []
    await world.partners.delete("/control/faults")
    await skipping.sleep(BACKOFF)
    await world.until_order(order_id, has_event("booked"))
    for called in ("quote", "booking"):
        await assert_asked_once(world, "carriers", called, f"SH-{order_id}-")
    await deliver_and_pay(world, order_id)
    [_] = await world.requests("carriers", "booking", order_id)


async def test_receiver_gets_every_event_after_an_outage_of_an_hour(
    skipping_world: World, skipping: WorkflowEnvironment
) -> None:
    """It is tried less and less often, and at once when an operator says so."""
    world = skipping_world
    async with running_receiver() as receiver:
        receiver.answer = lambda event: 503
        created = (await world.api.post("/subscriptions", json={"url": receiver.url})).json()
        path = f"/subscriptions/{created['subscription']['subscription_id']}"
        placed = await place_order(world, **NET30)
        await until(lambda: receiver.attempts)
        await skipping.sleep(OUTAGE)
        assert receiver.attempts <= 20
        receiver.answer = lambda event: 200
        await deliver_and_pay(world, placed.order_id)
        await world.api.post(f"{path}/resume")
        expected = await pages(world, 0, order_id=placed.order_id)
        await until(lambda: receiver.of(placed.order_id), lambda found: len(found) >= len(expected))
        came = {event.id: event for event in receiver.of(placed.order_id)}
        assert list(came.values()) == expected
        await world.api.post(f"{path}/removal")
        await world.client.get_workflow_handle(path.strip("/").replace("s/", "-")).result()


async def test_uncollected_goods_wait_for_an_operator(
    skipping_world: World, skipping: WorkflowEnvironment
) -> None:
    """Nothing is cancelled automatically. A retry restarts the period; a late collection ends it."""
    world = skipping_world
    placed = await place_order(world, **NET30, fulfilment="pick_up", location="BER")
    order_id = placed.order_id
    await world.until_order(order_id, has_event("consigned"))
    period = timedelta(days=world.settings.collect_within_days)
    await skipping.sleep(period - OUTAGE)
    assert (await world.order(order_id))["attention"] is None
    await skipping.sleep(2 * OUTAGE)
    await world.until_order(order_id, has_attention("not_collected"))
    assert (await world.intake().retry(order_id, "ann")).accepted
    await world.until_order(order_id, has_attention(None))
    await skipping.sleep(period - OUTAGE)
    assert (await world.order(order_id))["attention"] is None
    await skipping.sleep(2 * OUTAGE)
    await world.until_order(order_id, has_attention("not_collected"))
    await deliver_and_pay(world, order_id)


async def test_carrier_is_booked_when_a_closed_location_opens(
    skipping_world: World, skipping: WorkflowEnvironment
) -> None:
    world = skipping_world
    new = new_order(world, on_hand=0, **NET30)
    order_id = new.order_id
    closed_location(world, new.sku, on_hand=1)
    await world.place(new.document)
    await world.until_order(order_id, has_event("consigned"))
    shipment = world.database.read(lambda s: s.get_one(Shipment, f"SH-{order_id}-1"))
    assert shipment.book_from is not None
    closed_for = shipment.book_from - await skipping.get_current_time()
    await skipping.sleep(closed_for - BACKOFF)
    assert await keys_of(world, "carriers", "quote", order_id) == set()
    await skipping.sleep(2 * BACKOFF)
    await world.until_order(order_id, has_event("booked"))
    await deliver_and_pay(world, order_id)
