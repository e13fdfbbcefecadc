"""Partners that are slow, broken, contradictory or say no; and cancelling at every phase."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import select

from activities.database.unit_of_work import utc_now
from activities.gateways.http import PartnerClient
from intake import Intake
from models.errors import Refused
from models.tables.billing import CreditNoteRow
from models.tables.stock import Stock
from tests.support.exactly_once import (
    accounts_of,
    assert_asked_once,
    assert_completed_once,
    assert_happened_once,
    keys_of,
    until_asked,
)
from tests.support.shop import Document, order, unique
from tests.support.waiting import until
from tests.support.world import World

TOTAL = "119.00"
CALLS = (("payments", "request"), ("suppliers", "purchase_order"), ("carriers", "booking"))
SILENT_S = 2.5
"""Longer than PARTNER_TIMEOUT."""


def intake(world: World) -> Intake:
    """The door through which operators command."""
    return Intake(world.client, world.database, utc_now, world.settings.buying)


async def place(world: World, on_hand: int = 1, **changes: Any) -> tuple[str, str]:
    """A new order of one unit; returns its id and SKU."""
    sku, customer = world.shop(on_hand=on_hand)
    document = order(sku, customer, **changes)
    await world.place(document)
    return document["order_id"], sku


async def po_of(world: World, order_id: str) -> str:
    """The purchase order for what the order is short of."""
    shown = await world.until_event(order_id, "bought")
    return str(shown["backorders"][0]["po_id"])


async def receive(world: World, order_id: str, sku: str) -> None:
    """What was bought arrives, once the supplier has the purchase order."""
    po_id = await po_of(world, order_id)
    await until_asked(world, "suppliers", "purchase_order", sku)
    await world.receive(po_id, sku, 1)


async def booked(world: World, order_id: str) -> None:
    """Paid and booked."""
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, TOTAL)
    await world.until_event(order_id, "booked")


async def deliver(world: World, order_id: str) -> None:
    """The goods go, and arrive."""
    await world.until_event(order_id, "booked")
    for what in ("dispatched", "delivered"):
        await world.ship(order_id, what)


async def shown_attention(world: World, order_id: str) -> Document:
    """Wait for the order's attention; it is in the list of those that need somebody."""
    shown = await world.until_order(order_id, lambda o: o["attention"] is not None)
    assert order_id in await world.attentions()
    return shown["attention"]


async def assert_nobody_needed(world: World, order_id: str) -> None:
    """The order isn't in the list of those that need somebody."""
    assert order_id not in await world.attentions()


# Calls that fail and are made again.


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "error", "status": 500},
        {"fault": "timeout_after", "seconds": SILENT_S},
        {"fault": "delay", "seconds": SILENT_S},
    ],
    ids=lambda fault: fault["fault"],
)
async def test_a_call_that_failed_is_made_again_under_the_same_key(
    pipeline: World, fault: Document
) -> None:
    """Payment request, purchase order and booking, each failing first: each done once."""
    for partner, operation in CALLS:
        await pipeline.misbehave(partner=partner, operation=operation, **fault)
    order_id, sku = await place(pipeline, on_hand=0)
    await receive(pipeline, order_id, sku)
    await booked(pipeline, order_id)
    await deliver(pipeline, order_id)
    await assert_completed_once(pipeline, order_id, purchased_sku=sku)


async def test_a_partner_that_stays_away_is_shown_as_attention_and_asked_on(
    pipeline: World,
) -> None:
    """A retry asks at once; then nobody is needed any more."""
    await pipeline.misbehave(partner="carriers", operation="booking", fault="error", times=None)
    order_id, _ = await place(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, TOTAL)
    attention = await shown_attention(pipeline, order_id)
    assert attention["code"] == "partner_unavailable"
    assert f"the carrier, asked to book SH-{order_id}-1, answered 503" in attention["message"]
    assert (await intake(pipeline).retry(order_id, "ann")).accepted
    await pipeline.partners.delete("/control/faults")  # not before: it would be asked by itself
    await deliver(pipeline, order_id)
    await assert_completed_once(pipeline, order_id)
    await assert_nobody_needed(pipeline, order_id)


async def test_one_body_is_the_same_bytes_whatever_the_order_of_its_fields(
    pipeline: World,
) -> None:
    """A row's columns come in any order, another one in another process: not so on the wire."""
    client = PartnerClient(pipeline.settings.payments_url, 2)
    order_id = unique("T")
    fields: Document = {
        "order_id": order_id,
        "amount": "1.00",
        "currency": "EUR",
        "due_date": "2030-01-01",
    }
    first = await client.post("/requests", fields, order_id, "x")
    second = await client.post("/requests", dict(reversed(fields.items())), order_id, "x")
    await client.close()
    assert first == second
    calls = (await pipeline.books("payments"))["calls"]
    assert len({str(call["body"]) for call in calls if call["key"] == order_id}) == 1


# A definite no.


@pytest.mark.parametrize(("partner", "operation"), CALLS)
async def test_a_refusal_waits_for_a_person_and_a_retry_is_the_next_attempt(
    pipeline: World, partner: str, operation: str
) -> None:
    """Shown with its code on the order; asked again only on command, under the next key."""
    await pipeline.misbehave(partner=partner, operation=operation, fault="refuse")
    order_id, sku = await place(pipeline, on_hand=0 if partner == "suppliers" else 1)
    if partner == "carriers":
        await pipeline.until_event(order_id, "payment_requested")
        await pipeline.pay(order_id, TOTAL)
    attention = await shown_attention(pipeline, order_id)
    assert attention["code"] == ("no_supply" if partner == "suppliers" else "refused")
    assert ", asked to " in attention["message"]
    assert ", refused: " in attention["message"]
    assert "http" not in attention["message"]
    assert await pipeline.requests(partner, operation, sku) == []
    assert (await intake(pipeline).retry(order_id, "ann")).accepted
    if partner == "suppliers":
        await receive(pipeline, order_id, sku)
    if partner != "carriers":
        await booked(pipeline, order_id)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    subject = sku if partner == "suppliers" else order_id
    [done] = await pipeline.requests(partner, operation, subject)
    calls = (await pipeline.books(partner))["calls"]
    keys = [c["key"] for c in calls if c["operation"] == operation and subject in str(c["body"])]
    refused, granted = keys
    assert done["key"] == granted
    if partner == "suppliers":  # another purchase order, as the first one was declined
        assert refused.rpartition("/send/")[0] != granted.rpartition("/send/")[0]
    else:
        assert [key.rpartition("/")[2] for key in keys] == ["1", "2"]
    assert_happened_once(await pipeline.order(order_id))
    await assert_nobody_needed(pipeline, order_id)
    pipeline.check_books()


async def test_a_second_refusal_waits_for_a_person_again(pipeline: World) -> None:
    """The third attempt is granted."""
    await pipeline.misbehave(partner="payments", operation="request", fault="refuse", times=2)
    order_id, _ = await place(pipeline)
    for _ in range(2):
        await shown_attention(pipeline, order_id)
        events = len((await pipeline.order(order_id))["history"])
        assert (await intake(pipeline).retry(order_id, "ann")).accepted
        await pipeline.until_order(order_id, lambda o, seen=events: len(o["history"]) > seen + 1)
    await booked(pipeline, order_id)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    [done] = await pipeline.requests("payments", "request", order_id)
    assert done["key"].endswith("/3")
    pipeline.check_books()


async def test_a_refused_mail_address_is_on_the_record_and_the_order_completes(
    pipeline: World,
) -> None:
    """Invoice and dispatch mail both."""
    sku, customer = pipeline.shop(on_hand=1, email="refused.ada@example.com")
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    await booked(pipeline, order_id)
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    refused = [row["detail"] for row in shown["history"] if row["event"] == "mail_refused"]
    assert len(refused) == 3
    assert all("550" in detail for detail in refused)
    assert "mailed" not in {row["event"] for row in shown["history"]}
    assert shown["attention"] is None
    pipeline.check_books()


# Callbacks, from partners that do everything by themselves.


@pytest.mark.parametrize("fault", ["duplicate", "reorder", "delay"])
async def test_callbacks_twice_late_or_in_the_wrong_order_end_as_they_should(
    busy_world: World, fault: str
) -> None:
    """Of the provider, the supplier and the carrier."""
    for partner in ("payments", "suppliers", "carriers"):
        await busy_world.misbehave(
            partner=partner, operation="callback", fault=fault, times=2, seconds=0.2
        )
    order_id, sku = await place(busy_world, on_hand=0)
    await assert_completed_once(busy_world, order_id, purchased_sku=sku)
    await busy_world.partners.delete("/control/faults")
    assert (await busy_world.order(order_id))["odd_facts"] == []


# Cancelling.


Reach = Callable[[World, str, str], Awaitable[None]]


async def _bought(world: World, order_id: str, sku: str) -> None:
    await until_asked(world, "suppliers", "purchase_order", sku)


async def _request_in_flight(world: World, order_id: str, sku: str) -> None:
    await until_asked(world, "payments", "request", order_id)


async def _requested(world: World, order_id: str, sku: str) -> None:
    await world.until_event(order_id, "payment_requested")


async def _partly_paid(world: World, order_id: str, sku: str) -> None:
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "19.00")
    await world.until_event(order_id, "payment_received")


async def _booking_in_flight(world: World, order_id: str, sku: str) -> None:
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, TOTAL)
    await until_asked(world, "carriers", "booking", order_id)


async def _booking_on_its_way(world: World, order_id: str, sku: str) -> None:
    """The carrier has heard it and not done it yet."""
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, TOTAL)
    await world.until_event(order_id, "consigned")


async def _booked(world: World, order_id: str, sku: str) -> None:
    await booked(world, order_id)


async def _booked_on_credit(world: World, order_id: str, sku: str) -> None:
    await world.until_event(order_id, "booked")


async def _allocated(world: World, order_id: str, sku: str) -> None:
    await world.until(order_id, "awaiting_payment")


NET30 = {"terms": "net30", "channel": "phone"}
CASH = {"terms": "cash", "channel": "store"}
LATE = {"fault": "timeout_after", "seconds": SILENT_S}
SLOW = {"fault": "delay", "seconds": 1.0}
REQUEST = {"partner": "payments", "operation": "request"}
BOOKING = {"partner": "carriers", "operation": "booking"}
PHASES: dict[str, tuple[Reach, Document, Document | None, str]] = {
    "awaiting stock": (_bought, {}, None, "0.00"),
    "payment request in flight": (_request_in_flight, {}, REQUEST | LATE, "0.00"),
    "awaiting payment": (_requested, {}, None, "0.00"),
    "partly paid": (_partly_paid, {}, None, "19.00"),
    "booking in flight": (_booking_in_flight, {}, BOOKING | LATE, TOTAL),
    "booking on its way": (_booking_on_its_way, {}, BOOKING | SLOW, TOTAL),
    "booked": (_booked, {}, None, TOTAL),
    "booked on credit": (_booked_on_credit, NET30, None, "0.00"),
    "cash at the till": (_allocated, CASH, None, "0.00"),
}
"""How to get there, the order's changes, a partner's fault, what is to be given back."""


@pytest.mark.parametrize("phase", PHASES)
async def test_cancelled_before_goods_left_everything_is_undone(
    pipeline: World, phase: str
) -> None:
    """By the partners' books: no booking, no request, the money back; and by ours: no trace left in
    stock and ledger but entries and their reversals."""
    reach, changes, fault, back = PHASES[phase]
    if fault:
        await pipeline.misbehave(**fault)
    order_id, sku = await place(pipeline, on_hand=0 if phase == "awaiting stock" else 1, **changes)
    await reach(pipeline, order_id, sku)
    assert (await intake(pipeline).cancel(order_id, "changed mind", "ann")).accepted
    await assert_undone(pipeline, order_id, back)
    if phase == "awaiting stock":
        await pipeline.receive(await po_after_all(pipeline, sku), sku, 1)
        await pipeline.client.get_workflow_handle(f"replenish-BER-{sku}").result()
    assert stock_of(pipeline, sku) == (1, 0)
    with pytest.raises(Refused):
        await intake(pipeline).cancel(order_id, "again", "ann")
    pipeline.check_books()


async def po_after_all(world: World, sku: str) -> str:
    """The purchase order that the supplier has for a SKU."""
    [row] = await world.requests("suppliers", "purchase_order", sku)
    return str(row["body"]["po_id"])


def stock_of(world: World, sku: str) -> tuple[int, int]:
    """On hand and reserved in Berlin."""
    row = world.database.read(lambda session: session.get_one(Stock, (sku, "BER")))
    return row.on_hand, row.reserved


async def assert_undone(world: World, order_id: str, back: str) -> Document:
    """The order is cancelled and `back` was given back, once; nothing of it is left anywhere."""
    await world.until(order_id, "cancelled")
    await world.ended(order_id)
    shown = await world.order(order_id)
    assert_happened_once(shown)
    assert shown["attention"] is None
    assert all(s["state"] == "cancelled" for s in shown["shipments"])
    assert shown["lines"][0]["reserved"] == shown["lines"][0]["shipped"] == 0
    requests = await world.requests("payments", "request", order_id)
    assert {row["state"] for row in requests} <= {"voided"}
    bookings = await world.requests("carriers", "booking", order_id)
    assert {row["state"] for row in bookings} <= {"cancelled"}
    assert await given_back(world, order_id) == Decimal(back)
    assert accounts_of(world, order_id) == {}
    notes = world.database.read(
        lambda s: list(s.exec(select(CreditNoteRow).where(CreditNoteRow.order_id == order_id)))
    )
    assert len(notes) == (1 if shown["invoice_number"] else 0)
    world.check_books()
    return shown


async def given_back(world: World, order_id: str) -> Decimal:
    """What the provider has refunded, by its own books."""
    rows = await world.requests("payments", "refund", order_id)
    return sum((Decimal(row["body"]["amount"]) for row in rows), Decimal("0.00"))


async def test_an_order_over_the_credit_limit_can_be_cancelled(pipeline: World) -> None:
    """Nothing was touched, so nothing is asked of anybody but to stop asking."""
    sku, customer = pipeline.shop(on_hand=1, credit_limit="1.00")
    document = order(sku, customer, **NET30)
    order_id = document["order_id"]
    await pipeline.place(document)
    attention = await shown_attention(pipeline, order_id)
    assert attention["code"] == "credit_limit_exceeded"
    assert (await intake(pipeline).cancel(order_id, "", "ann")).accepted
    await assert_undone(pipeline, order_id, "0.00")
    assert stock_of(pipeline, sku) == (1, 0)


async def test_a_cancel_waits_for_a_call_that_hangs_and_undoes_it_too(pipeline: World) -> None:
    """Whether the carrier did it or not: it is called off, and stays so."""
    await pipeline.misbehave(**BOOKING, fault="delay", seconds=1.5)
    order_id, sku = await place(pipeline)
    await _booking_on_its_way(pipeline, order_id, sku)
    assert (await intake(pipeline).cancel(order_id, "too slow", "ann")).accepted
    await assert_undone(pipeline, order_id, TOTAL)
    bookings = await pipeline.requests("carriers", "booking", order_id)
    assert {row["state"] for row in bookings} <= {"cancelled"}


@pytest.mark.parametrize("what", ["dispatched", "delivered"])
async def test_after_goods_left_a_cancel_is_refused_and_the_order_goes_on(
    pipeline: World, what: str
) -> None:
    """The refusal says why, and is on the record."""
    order_id, _ = await place(pipeline, **NET30)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, what)
    await pipeline.until_event(order_id, what)
    with pytest.raises(Refused, match="goods have left"):
        await intake(pipeline).cancel(order_id, "too late", "ann")
    await pipeline.ship(order_id, "delivered")
    await pipeline.pay(order_id, TOTAL)
    await assert_completed_once(pipeline, order_id)
    events = {row["event"] for row in (await pipeline.order(order_id))["history"]}
    assert "cancel_refused" in events


async def test_a_carrier_that_has_picked_up_ends_the_cancelling_and_the_order_completes(
    pipeline: World,
) -> None:
    """It has the goods, though we don't know yet: nothing else was undone."""
    order_id, sku = await place(pipeline)
    await booked(pipeline, order_id)
    await pipeline.misbehave(
        partner="carriers", operation="cancel", fault="refuse", code="already_picked_up"
    )
    assert (await intake(pipeline).cancel(order_id, "too late", "ann")).accepted
    shown = await pipeline.until_event(order_id, "cancel_given_up")
    assert shown["stage"] == "dispatching"
    await deliver(pipeline, order_id)
    await assert_completed_once(pipeline, order_id)
    assert await pipeline.requests("payments", "void", order_id) == []
    assert stock_of(pipeline, sku) == (0, 0)


async def test_a_carrier_that_comes_before_its_answer_is_found_by_the_key(
    pipeline: World,
) -> None:
    """It took the booking, its answer got lost, and it reports the pick-up before we ask again: who
    carries it is known all the same, and told to the customer."""
    await pipeline.misbehave(**BOOKING, **LATE)
    order_id, sku = await place(pipeline)
    await _booking_on_its_way(pipeline, order_id, sku)
    await until(lambda: pipeline.requests("carriers", "booking", order_id))
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


async def test_after_a_cancelling_that_was_given_up_another_one_may_succeed(
    pipeline: World,
) -> None:
    """The carrier is asked again, under the next key."""
    order_id, sku = await place(pipeline)
    await booked(pipeline, order_id)
    await pipeline.misbehave(
        partner="carriers", operation="cancel", fault="refuse", code="already_picked_up"
    )
    assert (await intake(pipeline).cancel(order_id, "first", "ann")).accepted
    await pipeline.until_event(order_id, "cancel_given_up")
    assert (await intake(pipeline).cancel(order_id, "second", "ann")).accepted
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    assert await given_back(pipeline, order_id) == Decimal(TOTAL)
    assert stock_of(pipeline, sku) == (1, 0)
    assert accounts_of(pipeline, order_id) == {}
    pipeline.check_books()


async def test_another_refusal_to_call_back_waits_for_a_person_and_the_order_is_cancelled(
    pipeline: World,
) -> None:
    """Only "picked up" says that the goods are gone."""
    order_id, sku = await place(pipeline)
    await booked(pipeline, order_id)
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="refuse")
    assert (await intake(pipeline).cancel(order_id, "changed my mind", "ann")).accepted
    assert (await shown_attention(pipeline, order_id))["code"] == "refused"
    assert (await pipeline.order(order_id))["stage"] == "cancelling"
    assert (await intake(pipeline).retry(order_id, "ann")).accepted
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    assert await given_back(pipeline, order_id) == Decimal(TOTAL)
    assert stock_of(pipeline, sku) == (1, 0)
    pipeline.check_books()


async def test_money_that_was_collected_before_the_void_is_waited_for_and_given_back(
    pipeline: World,
) -> None:
    """The provider says "paid": its message is on its way, and the order isn't cancelled before."""
    order_id, _ = await place(pipeline)
    await pipeline.until_event(order_id, "payment_requested")
    collected = {
        "payment_id": unique("pay"),
        "order_id": order_id,
        "amount": TOTAL,
        "currency": "EUR",
        "method": "card",
    }
    said: Document = {"partner": "payments", "type": "payment.received", "data": collected}
    lost: Document = said | {"data": collected | {"amount": "0.00"}}
    assert (await pipeline.partners.post("/control/send", json=lost)).json()["status"] == 422
    assert (await intake(pipeline).cancel(order_id, "changed my mind", "ann")).accepted
    await until_asked(pipeline, "payments", "void", order_id)
    assert (await pipeline.order(order_id))["stage"] == "cancelling"
    assert (await pipeline.partners.post("/control/send", json=said)).json()["status"] == 204
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    assert await given_back(pipeline, order_id) == Decimal(TOTAL)
    assert accounts_of(pipeline, order_id) == {}
    pipeline.check_books()


@pytest.mark.parametrize(
    ("partner", "operation"), [("payments", "request"), ("carriers", "booking")]
)
async def test_a_request_that_arrives_after_its_undo_is_refused_by_the_partner(
    pipeline: World, partner: str, operation: str
) -> None:
    """It timed out, was undone, and reaches the partner only then: nothing is collected or carried."""
    await pipeline.misbehave(partner=partner, operation=operation, fault="error", times=None)
    order_id, sku = await place(pipeline, **NET30)
    await until(lambda: keys_of(pipeline, partner, operation, order_id))
    assert (await intake(pipeline).cancel(order_id, "changed my mind", "ann")).accepted
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
    assert stock_of(pipeline, sku) == (1, 0)
    assert accounts_of(pipeline, order_id) == {}


async def test_goods_that_left_while_their_booking_waits_for_a_person_need_no_booking(
    pipeline: World,
) -> None:
    """They are there: nobody is sent to fetch them."""
    await pipeline.misbehave(partner="carriers", operation="booking", fault="refuse")
    order_id, _ = await place(pipeline, **NET30)
    assert (await shown_attention(pipeline, order_id))["code"] == "refused"
    await pipeline.ship(order_id, "delivered")
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    assert (await pipeline.order(order_id))["attention"] is None
    assert await pipeline.requests("carriers", "booking", order_id) == []


async def test_a_carrier_that_has_the_goods_already_ends_the_cancelling(pipeline: World) -> None:
    """Its van was there, and its message is later than our cancel: 409 by its own books."""
    order_id, _ = await place(pipeline)
    await booked(pipeline, order_id)
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="delay", seconds=1.0)
    assert (await intake(pipeline).cancel(order_id, "too late", "ann")).accepted
    data = {
        "event_id": unique("ev"),
        "order_id": order_id,
        "shipment_id": f"SH-{order_id}-1",
        "occurred_at": utc_now().isoformat(),
    }
    said: Document = {"partner": "carriers", "type": "shipment.dispatched", "data": data}
    assert (await pipeline.partners.post("/control/send", json=said)).json()["status"] == 204
    await pipeline.until_event(order_id, "cancel_given_up")
    await pipeline.ship(order_id, "delivered")
    await assert_completed_once(pipeline, order_id)


async def test_goods_that_leave_while_the_booking_is_called_off_have_left(pipeline: World) -> None:
    """A carrier that says both: what it has fetched is gone, so the order goes on."""
    order_id, sku = await place(pipeline)
    await booked(pipeline, order_id)
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="delay", seconds=1.0)
    assert (await intake(pipeline).cancel(order_id, "too late", "ann")).accepted
    await pipeline.ship(order_id, "dispatched")
    shown = await pipeline.until_event(order_id, "cancel_given_up")
    assert shown["stage"] == "in_transit"
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    assert await given_back(pipeline, order_id) == 0
    assert stock_of(pipeline, sku) == (0, 0)
    pipeline.check_books()


async def test_money_that_comes_while_the_order_is_undone_goes_back_too(pipeline: World) -> None:
    """Before the refund was asked for."""
    order_id, _ = await place(pipeline)
    await _requested(pipeline, order_id, "")
    await pipeline.misbehave(partner="payments", operation="void", **SLOW)
    assert (await intake(pipeline).cancel(order_id, "changed mind", "ann")).accepted
    await pipeline.pay(order_id, TOTAL)
    await pipeline.until_event(order_id, "payment_received")
    await assert_undone(pipeline, order_id, TOTAL)


async def test_money_that_comes_while_a_refund_is_in_flight_is_refunded_apart(
    pipeline: World,
) -> None:
    """The refund whose answer was lost is asked for again as it was, not with another amount."""
    order_id, _ = await place(pipeline)
    await _requested(pipeline, order_id, "")
    await pipeline.pay(order_id, "100.00")
    await pipeline.until_event(order_id, "payment_received")
    await pipeline.misbehave(partner="payments", operation="refund", **LATE)
    assert (await intake(pipeline).cancel(order_id, "changed mind", "ann")).accepted
    await until_asked(pipeline, "payments", "refund", order_id)
    await pipeline.pay(order_id, "10.00")
    await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    refunds = await pipeline.requests("payments", "refund", order_id)
    assert [row["body"]["amount"] for row in refunds] == ["100.00", "10.00"]
    assert accounts_of(pipeline, order_id) == {}
    pipeline.check_books()


async def test_part_of_the_money_comes_while_the_request_is_in_flight(pipeline: World) -> None:
    """The request whose answer was lost is made again as it was."""
    await pipeline.misbehave(**REQUEST, **LATE)
    order_id, _ = await place(pipeline)
    await until_asked(pipeline, "payments", "request", order_id)
    await pipeline.pay(order_id, "100.00")
    shown = await pipeline.until_event(order_id, "payment_requested")
    assert shown["attention"] is None
    await pipeline.pay(order_id, "19.00")
    await deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    await assert_asked_once(pipeline, "payments", "request", order_id)
    pipeline.check_books()


async def test_money_on_account_counts_when_the_cancelling_is_given_up(pipeline: World) -> None:
    """On credit: paid while the carrier was asked, and the carrier had the goods."""
    order_id, _ = await place(pipeline, **NET30)
    await _booked_on_credit(pipeline, order_id, "")
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.misbehave(partner="carriers", operation="cancel", fault="delay", seconds=1.0)
    assert (await intake(pipeline).cancel(order_id, "too late", "ann")).accepted
    await pipeline.pay(order_id, TOTAL)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until_event(order_id, "cancel_given_up")
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    assert accounts_of(pipeline, order_id).get("ACCOUNTS_RECEIVABLE", 0) == 0
    pipeline.check_books()
