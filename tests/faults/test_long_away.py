"""Partners that are away for long, and locations that are closed: on an engine whose time is skipped
while nothing is to be done, so that an hour is over in a moment."""

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
from activities.database.unit_of_work import utc_now
from intake import Intake
from models.tables.shipping import Shipment
from tests.conftest import DATABASES, new_database
from tests.support.exactly_once import assert_asked_once, assert_happened_once, keys_of
from tests.support.locations import closed_location
from tests.support.pipeline import running_world
from tests.support.shop import Document, order
from tests.support.world import World

TOTAL = "119.00"
NET30: Document = {"terms": "net30", "channel": "phone"}
AWAY = timedelta(hours=1)
BACKOFF = timedelta(minutes=1)
"""Between two attempts of a partner step, at most."""


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """An engine that skips time: the Java test server, as packaged for Python."""
    beside = Path(sys.executable).parent / "temporal-test-server"
    binary = beside if beside.exists() else shutil.which(beside.name)
    assert binary, "there is no temporal-test-server: `make install` brings it"
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
async def away(
    request: pytest.FixtureRequest, skipping: WorkflowEnvironment, tmp_path: Path
) -> AsyncIterator[World]:
    """A pipeline on that engine."""
    url = new_database(request.param, request, tmp_path)
    client = skipping.client
    address = client.service_client.config.target_host
    async with running_world(client, address, url, tmp_path, worker=True, auto=False) as made:
        yield made
        made.check_books()


async def until_shown(
    world: World, order_id: str, reached: Callable[[Document], object]
) -> Document:
    """As `World.until_order`; this engine doesn't tell of every event as it happens."""
    return await world.until_order(order_id, reached)


def has(event: str) -> Callable[[Document], bool]:
    """Whether an order's history has `event`."""
    return lambda shown: event in {row["event"] for row in shown["history"]}


async def calls_of(world: World, operation: str, order_id: str) -> list[Document]:
    """Every call that the carriers ever heard about an order."""
    calls = (await world.books("carriers"))["calls"]
    return [c for c in calls if c["operation"] == operation and order_id in str(c["body"])]


async def deliver(world: World, order_id: str) -> None:
    """Delivered and paid: nothing of it happened twice."""
    await world.ship(order_id, "dispatched")
    await world.ship(order_id, "delivered")
    await world.pay(order_id, TOTAL)
    await until_shown(world, order_id, lambda o: o["stage"] == "completed")
    await world.ended(order_id)
    shown = await world.order(order_id)
    assert shown["attention"] is None
    assert_happened_once(shown)


@pytest.mark.parametrize("operation", ["quote", "booking"])
async def test_a_carrier_that_is_away_for_an_hour_books_once_when_it_is_back(
    away: World, skipping: WorkflowEnvironment, operation: str
) -> None:
    await away.misbehave(partner="carriers", operation=operation, fault="error", times=None)
    sku, customer = away.shop(on_hand=1)
    document = order(sku, customer, **NET30)
    order_id = document["order_id"]
    await away.place(document)
    shown = await until_shown(away, order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "partner_unavailable"
    started = await skipping.get_current_time()
    await skipping.sleep(AWAY)
    assert await skipping.get_current_time() >= started + AWAY
    in_vain = await calls_of(away, operation, order_id)
    assert len(in_vain) >= AWAY / BACKOFF, "asked at least once a minute"
    assert await away.requests("carriers", "booking", order_id) == []
    await away.partners.delete("/control/faults")
    await skipping.sleep(BACKOFF)
    await until_shown(away, order_id, has("booked"))
    for asked in ("quote", "booking"):
        await assert_asked_once(away, "carriers", asked, f"SH-{order_id}-")
    await deliver(away, order_id)
    [_] = await away.requests("carriers", "booking", order_id)


async def test_goods_that_nobody_collects_wait_for_a_person(
    away: World, skipping: WorkflowEnvironment
) -> None:
    """Nothing is cancelled by itself. A retry gives the customer as long again; who comes at last
    ends it."""
    sku, customer = away.shop(on_hand=1)
    document = order(sku, customer, **NET30, fulfilment="pick_up", location="BER")
    order_id = document["order_id"]
    await away.place(document)
    await until_shown(away, order_id, has("consigned"))
    within = timedelta(days=away.settings.collect_within_days)
    await skipping.sleep(within - AWAY)
    assert (await away.order(order_id))["attention"] is None

    def not_collected(shown: Document) -> bool:
        return (shown["attention"] or {}).get("code") == "not_collected"

    await skipping.sleep(2 * AWAY)
    await until_shown(away, order_id, not_collected)
    door = Intake(away.client, away.database, utc_now, away.settings.buying)
    assert (await door.retry(order_id, "ann")).accepted
    await until_shown(away, order_id, lambda o: o["attention"] is None)
    await skipping.sleep(within - AWAY)
    assert (await away.order(order_id))["attention"] is None
    await skipping.sleep(2 * AWAY)
    await until_shown(away, order_id, not_collected)
    await deliver(away, order_id)


async def test_a_location_that_was_closed_is_sent_a_carrier_when_it_opens(
    away: World, skipping: WorkflowEnvironment
) -> None:
    sku, customer = away.shop(on_hand=0)
    closed_location(away, sku, on_hand=1)
    document = order(sku, customer, **NET30)
    order_id = document["order_id"]
    await away.place(document)
    await until_shown(away, order_id, has("consigned"))
    shipment = away.database.read(lambda s: s.get_one(Shipment, f"SH-{order_id}-1"))
    assert shipment.book_from is not None
    closed = shipment.book_from - await skipping.get_current_time()
    await skipping.sleep(closed - BACKOFF)
    assert await keys_of(away, "carriers", "quote", order_id) == set()
    await skipping.sleep(2 * BACKOFF)
    await until_shown(away, order_id, has("booked"))
    await deliver(away, order_id)
