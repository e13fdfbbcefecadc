"""Cancelling at each phase of an order, with slow and refusing partners, and with dispatched goods."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from activities.database.unit_of_work import utc_now
from models.errors import Refused
from models.tables.stock import Stock
from tests.support.gateways.messages import carrier_event, payment
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document
from tests.support.orders.exactly_once import (
    assert_asked_once,
    assert_completed_once,
    assert_undone,
    keys_of,
    refunded_by_provider,
    until_asked,
)
from tests.support.orders.stages import (
    TOTAL,
    NewOrder,
    dispatch_and_deliver,
    events,
    pay_and_book,
    pay_when_requested,
    place_order,
    requested,
)
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

SILENT_S = 2.5
"""Longer than PARTNER_TIMEOUT."""
NET30: Document = {"terms": "net30", "channel": "phone"}
CASH: Document = {"terms": "cash", "channel": "store"}
LATE: Document = {"fault": "timeout_after", "seconds": SILENT_S}
SLOW: Document = {"fault": "delay", "seconds": 1.0}
REQUEST = {"partner": "payments", "operation": "request"}
BOOKING = {"partner": "carriers", "operation": "booking"}
CANCEL = {"partner": "carriers", "operation": "cancel"}
PICKED_UP = CANCEL | {"fault": "refuse", "code": "already_picked_up"}


async def cancel(world: World, order_id: str) -> None:
    """Cancel an order, which must be accepted."""
    assert (await world.intake().cancel(order_id, "changed my mind", "ann")).accepted


def stock_of(world: World, sku: str) -> tuple[int, int]:
    """Read on hand and reserved in Berlin."""
    row = world.database.read(lambda session: session.get_one(Stock, (sku, "BER")))
    return row.on_hand, row.reserved


async def assert_refunded(world: World, order: NewOrder) -> None:
    """Assert that an order is cancelled, its payment refunded and its stock released."""
    await world.until(order.order_id, "cancelled")
    await world.ended(order.order_id)
    assert await refunded_by_provider(world, order.order_id) == Decimal(TOTAL)
    assert stock_of(world, order.sku) == (1, 0)
    world.check_books()


async def booked_order(world: World) -> NewOrder:
    """Place a paid order whose carrier is booked."""
    placed = await place_order(world)
    await pay_and_book(world, placed.order_id)
    return placed


# The phases of an order

Reach = Callable[[World, NewOrder], Awaitable[object]]


async def _purchased(world: World, order: NewOrder) -> None:
    await until_asked(world, "suppliers", "purchase_order", order.sku)


async def _request_in_flight(world: World, order: NewOrder) -> None:
    await until_asked(world, "payments", "request", order.order_id)


async def _requested(world: World, order: NewOrder) -> None:
    await world.until_event(order.order_id, "payment_requested")


async def _partly_paid(world: World, order: NewOrder) -> None:
    await _requested(world, order)
    await world.pay(order.order_id, "19.00")
    await world.until_event(order.order_id, "payment_received")


async def _booking_in_flight(world: World, order: NewOrder) -> None:
    await pay_when_requested(world, order.order_id)
    await until_asked(world, "carriers", "booking", order.order_id)


async def _booking_sent(world: World, order: NewOrder) -> None:
    """The carrier hasn't processed it."""
    await pay_when_requested(world, order.order_id)
    await world.until_event(order.order_id, "consigned")


async def _booked(world: World, order: NewOrder) -> None:
    await pay_and_book(world, order.order_id)


async def _booked_on_credit(world: World, order: NewOrder) -> None:
    await world.until_event(order.order_id, "booked")


async def _allocated(world: World, order: NewOrder) -> None:
    await world.until(order.order_id, "awaiting_payment")


PHASES: dict[str, tuple[Reach, Document, Document | None, str]] = {
    "awaiting stock": (_purchased, {}, None, "0.00"),
    "payment request in flight": (_request_in_flight, {}, REQUEST | LATE, "0.00"),
    "awaiting payment": (_requested, {}, None, "0.00"),
    "partly paid": (_partly_paid, {}, None, "19.00"),
    "booking in flight": (_booking_in_flight, {}, BOOKING | LATE, TOTAL),
    "booking sent": (_booking_sent, {}, BOOKING | SLOW, TOTAL),
    "booked": (_booked, {}, None, TOTAL),
    "booked on credit": (_booked_on_credit, NET30, None, "0.00"),
    "cash at the till": (_allocated, CASH, None, "0.00"),
}
"""How an order reaches the phase, its fields, a partner's fault, the amount to refund."""


@pytest.mark.parametrize("phase", PHASES)
async def test_cancellation_before_dispatch_undoes_everything(pipeline: World, phase: str) -> None:
    """In the partners' records, in stock, and in the ledger."""
    reach, changes, fault, refund = PHASES[phase]
    if fault:
        await pipeline.misbehave(**fault)
    placed = await place_order(pipeline, on_hand=0 if phase == "awaiting stock" else 1, **changes)
    order_id, sku = placed.order_id, placed.sku
    await reach(pipeline, placed)
    await cancel(pipeline, order_id)
    await assert_undone(pipeline, order_id, refund)
    if phase == "awaiting stock":
        [sent] = await pipeline.requests("suppliers", "purchase_order", sku)
        await pipeline.receive(sent["body"]["po_id"], sku, 1)
        await pipeline.replenishment(sku).result()
    assert stock_of(pipeline, sku) == (1, 0)
    with pytest.raises(Refused):
        await pipeline.intake().cancel(order_id, "again", "ann")
    pipeline.check_books()


async def test_order_over_the_credit_limit_can_be_cancelled(pipeline: World) -> None:
    """There is nothing to undo."""
    placed = await place_order(pipeline, shop={"credit_limit": "1.00"}, **NET30)
    order_id = placed.order_id
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert order_id in await pipeline.attentions()
    assert shown["attention"]["code"] == "credit_limit_exceeded"
    await cancel(pipeline, order_id)
    await assert_undone(pipeline, order_id, "0.00")
    assert stock_of(pipeline, placed.sku) == (1, 0)


async def test_cancellation_undoes_a_booking_that_is_still_in_flight(pipeline: World) -> None:
    """Whether the carrier has processed it or not."""
    await pipeline.misbehave(**BOOKING, fault="delay", seconds=1.5)
    placed = await place_order(pipeline)
    await _booking_sent(pipeline, placed)
    await cancel(pipeline, placed.order_id)
    await assert_undone(pipeline, placed.order_id, TOTAL)


# Goods that have left


@pytest.mark.parametrize("event", ["dispatched", "delivered"])
async def test_cancellation_after_dispatch_is_refused(pipeline: World, event: str) -> None:
    """The refusal states the reason and is in the history; the order completes."""
    order_id = (await place_order(pipeline, **NET30)).order_id
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, event)
    await pipeline.until_event(order_id, event)
    with pytest.raises(Refused, match="goods have left"):
        await pipeline.intake().cancel(order_id, "too late", "ann")
    await pipeline.ship(order_id, "delivered")
    await pipeline.pay(order_id, TOTAL)
    await assert_completed_once(pipeline, order_id)
    assert "cancel_refused" in events(await pipeline.order(order_id))


async def test_carrier_that_has_picked_up_stops_the_cancellation(pipeline: World) -> None:
    """Its dispatch isn't reported yet; nothing else is undone and the order completes."""
    placed = await booked_order(pipeline)
    order_id = placed.order_id
    await pipeline.misbehave(**PICKED_UP)
    await cancel(pipeline, order_id)
    shown = await pipeline.until_event(order_id, "cancel_given_up")
    assert shown["stage"] == "dispatching"
    await dispatch_and_deliver(pipeline, order_id)
    await assert_completed_once(pipeline, order_id)
    assert await pipeline.requests("payments", "void", order_id) == []
    assert stock_of(pipeline, placed.sku) == (0, 0)


async def test_pick_up_in_the_carrier_s_record_stops_the_cancellation(pipeline: World) -> None:
    """Its report is later than our cancellation, which it answers with 409."""
    order_id = (await booked_order(pipeline)).order_id
    await pipeline.misbehave(**CANCEL, **SLOW)
    await cancel(pipeline, order_id)
    data = carrier_event(order_id) | {"occurred_at": utc_now().isoformat()}
    sent: Document = {"partner": "carriers", "type": "shipment.dispatched", "data": data}
    assert (await pipeline.partners.post("/control/send", json=sent)).json()["status"] == 204
    await pipeline.until_event(order_id, "cancel_given_up")
    await pipeline.ship(order_id, "delivered")
    await assert_completed_once(pipeline, order_id)


async def test_dispatch_during_the_cancellation_of_the_booking_stops_it(pipeline: World) -> None:
    """Though the carrier confirms the cancellation."""
    placed = await booked_order(pipeline)
    order_id = placed.order_id
    await pipeline.misbehave(**CANCEL, **SLOW)
    await cancel(pipeline, order_id)
    await pipeline.ship(order_id, "dispatched")
    shown = await pipeline.until_event(order_id, "cancel_given_up")
    assert shown["stage"] == "in_transit"
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    assert await refunded_by_provider(pipeline, order_id) == 0
    assert stock_of(pipeline, placed.sku) == (0, 0)
    pipeline.check_books()


async def test_second_cancellation_succeeds_after_a_stopped_one(pipeline: World) -> None:
    """The carrier is called again with the next key."""
    placed = await booked_order(pipeline)
    await pipeline.misbehave(**PICKED_UP)
    await cancel(pipeline, placed.order_id)
    await pipeline.until_event(placed.order_id, "cancel_given_up")
    await cancel(pipeline, placed.order_id)
    await assert_refunded(pipeline, placed)
    assert accounts_of(pipeline, placed.order_id) == {}


async def test_other_refusal_to_cancel_a_booking_waits_for_an_operator(pipeline: World) -> None:
    """Only "picked up" stops the cancellation; a retry finishes it."""
    placed = await booked_order(pipeline)
    order_id = placed.order_id
    await pipeline.misbehave(**CANCEL, fault="refuse")
    await cancel(pipeline, order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert order_id in await pipeline.attentions()
    assert shown["attention"]["code"] == "refused"
    assert (await pipeline.order(order_id))["stage"] == "cancelling"
    assert (await pipeline.intake().retry(order_id, "ann")).accepted
    await assert_refunded(pipeline, placed)


async def test_dispatch_before_the_answer_to_the_booking_has_its_tracking_number(
    pipeline: World,
) -> None:
    """The carrier's answer is lost, and it picks up before the next attempt.

    That finds the booking by its key, so the customer gets the tracking number.
    """
    await pipeline.misbehave(**BOOKING, **LATE)
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await _booking_sent(pipeline, placed)
    await until_asked(pipeline, "carriers", "booking", order_id)
    await pipeline.ship(order_id, "dispatched")
    shown = await pipeline.until_event(order_id, "booked")
    [shipment] = shown["shipments"]
    assert shipment["state"] == "dispatched"
    number = shipment["tracking_number"]
    await until(lambda: pipeline.mails(f"{order_id} is on its way"))
    mails = [path.read_text() for path in (pipeline.folder / "mail").glob("*.eml")]
    assert any(f"{order_id} is on its way" in mail and number in mail for mail in mails)
    await pipeline.ship(order_id, "delivered")
    await assert_completed_once(pipeline, order_id)


async def test_dispatch_without_a_booking_needs_none(pipeline: World) -> None:
    """The booking was refused and waits for an operator."""
    await pipeline.misbehave(**BOOKING, fault="refuse")
    order_id = (await place_order(pipeline, **NET30)).order_id
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert order_id in await pipeline.attentions()
    assert shown["attention"]["code"] == "refused"
    await pipeline.ship(order_id, "delivered")
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    assert (await pipeline.order(order_id))["attention"] is None
    assert await pipeline.requests("carriers", "booking", order_id) == []


@pytest.mark.parametrize(
    ("partner", "operation"), [("payments", "request"), ("carriers", "booking")]
)
async def test_request_that_arrives_after_its_cancellation_is_refused(
    pipeline: World, partner: str, operation: str
) -> None:
    """It timed out and was undone before it reaches the partner: nothing is collected or carried."""
    await pipeline.misbehave(partner=partner, operation=operation, fault="error", times=None)
    placed = await place_order(pipeline, **(NET30 if operation == "booking" else {}))
    order_id = placed.order_id
    await until(lambda: keys_of(pipeline, partner, operation, order_id))
    await cancel(pipeline, order_id)
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    await pipeline.partners.delete("/control/faults")
    calls = (await pipeline.books(partner))["calls"]
    [late, *_] = [c for c in calls if c["operation"] == operation and order_id in str(c["body"])]
    path = {"request": "/payments/requests", "booking": "/carriers/bookings"}[operation]
    headers = {"Idempotency-Key": late["key"]}
    answer = await pipeline.partners.post(path, json=late["body"], headers=headers)
    assert answer.status_code == 409
    assert await pipeline.requests(partner, operation, order_id) == []
    assert stock_of(pipeline, placed.sku) == (1, 0)
    assert accounts_of(pipeline, order_id) == {}


# Payments during a cancellation


async def test_payment_collected_before_the_void_is_awaited_and_refunded(pipeline: World) -> None:
    """The provider answers "paid": the order isn't cancelled before the payment is reported."""
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await _requested(pipeline, placed)
    collected = payment(order_id)
    sent: Document = {"partner": "payments", "type": "payment.received", "data": collected}
    lost: Document = sent | {"data": collected | {"amount": "0.00"}}
    assert (await pipeline.partners.post("/control/send", json=lost)).json()["status"] == 422
    await cancel(pipeline, order_id)
    await until_asked(pipeline, "payments", "void", order_id)
    assert (await pipeline.order(order_id))["stage"] == "cancelling"
    assert (await pipeline.partners.post("/control/send", json=sent)).json()["status"] == 204
    await assert_refunded(pipeline, placed)
    assert accounts_of(pipeline, order_id) == {}


async def test_payment_during_a_cancellation_is_refunded(pipeline: World) -> None:
    """It arrives before the refund is requested."""
    order_id = await requested(pipeline)
    await pipeline.misbehave(partner="payments", operation="void", **SLOW)
    await cancel(pipeline, order_id)
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "payment_received")
    await assert_undone(pipeline, order_id, TOTAL)


async def test_payment_during_a_refund_is_refunded_separately(pipeline: World) -> None:
    """The refund whose answer was lost is requested again with the same amount."""
    order_id = await requested(pipeline)
    await pipeline.pay(order_id, "100.00")
    await pipeline.until_event(order_id, "payment_received")
    await pipeline.misbehave(partner="payments", operation="refund", **LATE)
    await cancel(pipeline, order_id)
    await until_asked(pipeline, "payments", "refund", order_id)
    await pipeline.pay(order_id, "10.00")
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    refunds = await pipeline.requests("payments", "refund", order_id)
    assert [row["body"]["amount"] for row in refunds] == ["100.00", "10.00"]
    assert accounts_of(pipeline, order_id) == {}
    pipeline.check_books()


async def test_payment_on_account_counts_after_a_stopped_cancellation(pipeline: World) -> None:
    """On credit: paid while the carrier was called, which already had the goods."""
    order_id = (await place_order(pipeline, **NET30)).order_id
    await pipeline.until_event(order_id, "booked")
    await pipeline.misbehave(**CANCEL, **SLOW)
    await cancel(pipeline, order_id)
    await pipeline.pay(order_id, TOTAL)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until_event(order_id, "cancel_given_up")
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    assert accounts_of(pipeline, order_id).get("ACCOUNTS_RECEIVABLE", 0) == 0
    pipeline.check_books()


async def test_partial_payment_during_the_payment_request_leaves_the_request_unchanged(
    pipeline: World,
) -> None:
    """The request whose answer was lost is repeated with the same amount."""
    await pipeline.misbehave(**REQUEST, **LATE)
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await _request_in_flight(pipeline, placed)
    await pipeline.pay(order_id, "100.00")
    shown = await pipeline.until_event(order_id, "payment_requested")
    assert shown["attention"] is None
    await pipeline.pay(order_id, "19.00")
    await dispatch_and_deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    await assert_asked_once(pipeline, "payments", "request", order_id)
    pipeline.check_books()
