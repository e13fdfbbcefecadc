"""Freight: inquiries, the choice of a quote, and the time of booking."""

from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from activities.database.unit_of_work import utc_now
from models.tables.masterdata import Location
from models.tables.shipping import Shipment
from models.working_days import Calendar, hand_over_at
from tests.support.masterdata.locations import closed_location, open_location
from tests.support.masterdata.shop import Document, order, today
from tests.support.orders.exactly_once import assert_happened_once, keys_of
from tests.support.pipeline.waiting import PATIENCE_S, until_history
from tests.support.pipeline.world import World

TOTAL = "119.00"
SILENT_S = 2.5
"""A delay beyond PARTNER_TIMEOUT."""
NET30: Document = {"terms": "net30", "channel": "phone"}
CLOSED = "Until the location hands it over"


async def place(world: World, on_hand: int = 1, quantity: int = 1, **changes: Any) -> str:
    """Place an order on credit, which is booked without a payment; returns its id."""
    sku, customer = world.shop(on_hand=on_hand)
    document = order(sku, customer, quantity, **(NET30 | changes))
    await world.place(document)
    return str(document["order_id"])


async def booking_of(world: World, order_id: str) -> tuple[Document, str]:
    """The only booking in the carrier's own records, and its detail in the order's history."""
    shown = await world.until_event(order_id, "booked")
    [booking] = await world.requests("carriers", "booking", order_id)
    [detail] = [row["detail"] for row in shown["history"] if row["event"] == "booked"]
    body: Document = booking["body"]
    return body, detail


async def finish(world: World, order_id: str) -> None:
    """Deliver and pay an order, and check that nothing happened twice."""
    await world.ship(order_id, "delivered")
    await world.pay(order_id, TOTAL)
    await world.until(order_id, "completed")
    await world.ended(order_id)
    shown = await world.order(order_id)
    assert shown["attention"] is None
    assert_happened_once(shown)


def check_digit_is_right(sscc: str) -> bool:
    """GS1's own sum over all 18 digits: by three and by one in turn, from the left."""
    weighted = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(sscc))
    return len(sscc) == 18 and sscc.isdigit() and weighted % 10 == 0


async def test_booking_has_its_packages_and_its_quote(pipeline: World) -> None:
    order_id = await place(pipeline, on_hand=30, quantity=30)
    body, detail = await booking_of(pipeline, order_id)
    packages = body["packages"]
    assert len(packages) > 1
    assert all(check_digit_is_right(package["sscc"]) for package in packages)
    assert len({package["sscc"] for package in packages}) == len(packages)
    assert sum(package["weight_g"] for package in packages) >= body["weight_g"] == 60_000
    quote = body["quote"]
    assert quote["service"] == "economy"
    assert quote["charge"] == str(4 + -(-body["billed_weight_g"] // 1000))
    assert (quote["currency"], body["currency"]) == ("EUR", "EUR")
    [asked] = await pipeline.requests("carriers", "quote", order_id)
    assert asked["body"] == {k: v for k, v in body.items() if k not in ("quote", "choice")}
    assert body["choice"] == f"economy for {quote['charge']} EUR, the cheapest of 2 quotes"
    assert body["choice"] in detail
    shipment = pipeline.database.read(lambda s: s.get_one(Shipment, f"SH-{order_id}-1"))
    assert (shipment.service, shipment.choice) == ("economy", body["choice"])
    assert shipment.charge_minor == int(quote["charge"]) * 100
    assert str(shipment.arrives_on) == quote["arrives_on"]


async def test_packages_have_distinct_numbers(pipeline: World) -> None:
    numbers = []
    for _ in range(2):
        body, _ = await booking_of(pipeline, await place(pipeline))
        numbers += [package["sscc"] for package in body["packages"]]
    assert len(set(numbers)) == len(numbers) == 2


async def test_urgent_order_is_booked_with_the_cheapest_service_in_time(pipeline: World) -> None:
    """Express takes a day and economy four; the history gives the reason."""
    soon = (utc_now() + timedelta(days=2)).date()
    order_id = await place(pipeline, requested_delivery_date=soon.isoformat())
    body, detail = await booking_of(pipeline, order_id)
    assert body["needed_by"] == soon.isoformat()
    assert body["quote"]["service"] == "express"
    assert f"the cheapest of 1 quote that arrive by {soon}" in detail


async def test_order_that_no_service_delivers_in_time_is_booked_with_the_earliest(
    pipeline: World,
) -> None:
    day = today()
    order_id = await place(pipeline, requested_delivery_date=day.isoformat())
    body, detail = await booking_of(pipeline, order_id)
    assert body["quote"]["service"] == "express"
    assert f"the earliest of 2 quotes: none arrives by {day}" in detail


async def test_order_without_urgency_is_booked_with_the_cheapest_service(pipeline: World) -> None:
    late = (utc_now() + timedelta(days=20)).date()
    order_id = await place(pipeline, requested_delivery_date=late.isoformat())
    body, detail = await booking_of(pipeline, order_id)
    assert body["quote"]["service"] == "economy"
    assert f"the cheapest of 2 quotes that arrive by {late}" in detail


async def test_ready_day_is_that_of_the_location(pipeline: World) -> None:
    """At any hour, some time zone has another day than UTC."""
    zone = "Etc/GMT-14" if utc_now().hour >= 11 else "Etc/GMT+12"  # their sign: ahead, behind
    sku, customer = pipeline.shop(on_hand=0)
    open_location(pipeline, sku, on_hand=1, timezone=zone)
    document = order(sku, customer, **NET30)
    await pipeline.place(document)
    body, _ = await booking_of(pipeline, document["order_id"])
    shipment = pipeline.database.read(lambda s: s.get_one(Shipment, body["shipment_id"]))
    assert shipment.planned_at is not None
    there = shipment.planned_at.astimezone(ZoneInfo(zone)).date()
    assert there != shipment.planned_at.date()
    assert body["ready_on"] == there.isoformat()


async def retry(world: World, order_id: str) -> None:
    """Wait for a refusal, and retry as an operator."""
    shown = await world.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "refused"
    intake = world.intake()
    assert (await intake.retry(order_id, "ann")).accepted


@pytest.mark.parametrize("operation", ["quote", "booking"])
async def test_retry_after_a_refusal_requests_a_new_quote(pipeline: World, operation: str) -> None:
    """Also after a refused booking, which the quote may have caused. Each request has a key of its
    own: carriers repeat their answer to a key."""
    await pipeline.misbehave(partner="carriers", operation=operation, fault="refuse")
    order_id = await place(pipeline)
    await retry(pipeline, order_id)
    await booking_of(pipeline, order_id)
    assert len(await keys_of(pipeline, "carriers", "quote", order_id)) == 2
    granted = await pipeline.requests("carriers", "quote", order_id)
    assert len(granted) == (1 if operation == "quote" else 2)
    await finish(pipeline, order_id)
    [_] = await pipeline.requests("carriers", "booking", order_id)


FAILING: list[Document] = [
    {"fault": "error", "status": 503},
    {"fault": "timeout_after", "seconds": SILENT_S},
    {"fault": "delay", "seconds": SILENT_S},
]


@pytest.mark.parametrize("operation", ["quote", "booking"])
@pytest.mark.parametrize("fault", FAILING, ids=lambda fault: fault["fault"])
async def test_failing_carrier_is_asked_again_under_the_same_key_and_books_once(
    pipeline: World, operation: str, fault: Document
) -> None:
    """No attention is raised."""
    await pipeline.misbehave(partner="carriers", operation=operation, **fault)
    order_id = await place(pipeline)
    await booking_of(pipeline, order_id)
    for asked in ("quote", "booking"):
        assert len(await keys_of(pipeline, "carriers", asked, order_id)) == 1
    calls = (await pipeline.books("carriers"))["calls"]
    again = [c for c in calls if c["operation"] == operation and order_id in str(c["body"])]
    assert len(again) == 2
    await finish(pipeline, order_id)
    shown = await pipeline.order(order_id)
    assert "attention" not in {row["event"] for row in shown["history"]}
    [_] = await pipeline.requests("carriers", "booking", order_id)


# A closed location.


def is_wait_for_the_location(event: HistoryEvent) -> bool:
    """Whether an event starts the timer of a closed location."""
    started = event.HasField("timer_started_event_attributes")
    return started and CLOSED in event.user_metadata.summary.data.decode()


async def until_it_waits(world: World, order_id: str) -> WorkflowHandle[Any, Any]:
    """Wait until the timer of a closed location has started."""
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    await until_history(handle, is_wait_for_the_location)
    return handle


async def place_where_it_is_closed(world: World) -> tuple[str, str]:
    """Place an order on credit for goods at a closed location; returns its id and SKU."""
    sku, customer = world.shop(on_hand=0)
    closed_location(world, sku, on_hand=1)
    document = order(sku, customer, **NET30)
    await world.place(document)
    await until_it_waits(world, document["order_id"])
    return str(document["order_id"]), sku


async def assert_no_carrier_asked(world: World, order_id: str) -> None:
    """Check that no quote and no booking was requested."""
    for operation in ("quote", "booking"):
        assert await keys_of(world, "carriers", operation, order_id) == set()


async def test_goods_of_a_closed_location_are_booked_on_its_next_working_day(
    pipeline: World,
) -> None:
    """A durable timer waits until then; no carrier is asked before."""
    order_id, _ = await place_where_it_is_closed(pipeline)

    def expected(session: Any) -> tuple[Any, Any]:
        shipment = session.get_one(Shipment, f"SH-{order_id}-1")
        location = session.get_one(Location, shipment.location)
        fields = location.model_dump(include=set(Calendar.model_fields))
        return hand_over_at(Calendar.model_validate(fields), shipment.planned_at), shipment

    opens_at, shipment = pipeline.database.read(expected)
    assert shipment.book_from == opens_at > utc_now()
    handle = await until_it_waits(pipeline, order_id)
    events = (await handle.fetch_history()).events
    [timer] = [event for event in events if is_wait_for_the_location(event)]
    duration = timer.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
    fires_at = timer.event_time.ToDatetime(tzinfo=UTC) + duration
    assert timedelta(0) <= fires_at - opens_at < timedelta(seconds=PATIENCE_S)
    shown = await pipeline.order(order_id)
    assert shown["stage"] == "dispatching"
    assert [s["state"] for s in shown["shipments"]] == ["planned"]
    await assert_no_carrier_asked(pipeline, order_id)


async def test_order_at_a_closed_location_can_be_cancelled(pipeline: World) -> None:
    order_id, sku = await place_where_it_is_closed(pipeline)
    intake = pipeline.intake()
    assert (await intake.cancel(order_id, "changed my mind", "ann")).accepted
    shown = await pipeline.until(order_id, "cancelled")
    assert [s["state"] for s in shown["shipments"]] == ["cancelled"]
    await pipeline.ended(order_id)
    await assert_no_carrier_asked(pipeline, order_id)
    stock = (await pipeline.api.get(f"/stock/{sku}")).json()
    assert [(p["on_hand"], p["reserved"]) for p in stock["locations"] if p["on_hand"]] == [(1, 0)]


@pytest.mark.parametrize("what", ["dispatched", "delivered"])
async def test_goods_that_leave_a_closed_location_need_no_booking(
    pipeline: World, what: str
) -> None:
    order_id, _ = await place_where_it_is_closed(pipeline)
    await pipeline.ship(order_id, what)
    await pipeline.until_event(order_id, what)
    await finish(pipeline, order_id)
    await assert_no_carrier_asked(pipeline, order_id)
