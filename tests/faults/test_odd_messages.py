"""Messages twice, early, late, in the wrong order, or not what they should be: the order ends as it
would have without them, and what can't be used is on the order's record."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlmodel import col, select
from standardwebhooks import Webhook
from temporalio.client import WorkflowHandle

from models.tables.operations import FactRow, RejectedMessageRow
from tests.support.exactly_once import (
    accounts_of,
    assert_asked_once,
    assert_completed_once,
    assert_happened_once,
    until_asked,
)
from tests.support.shop import Document, order, unique
from tests.support.world import SECRETS, World

TOTAL = "119.00"
UNUSABLE: dict[str, Sequence[Any]] = {
    "nothing": (),
    "null": (None,),
    "{}": ({},),
    "a string": ("hello",),
    "a number": (7,),
    "a list": ([1, {"a": 2}],),
    "only unknown fields": ({"colour": "red"},),
    "an id that is none": ({"payment_id": "", "event_id": 5, "receipt_id": {"a": 1}},),
    "two arguments": ("hello", {"a": 1}),
}
"""What a person may send from the Temporal UI: a list of JSON values."""
SIGNALS = (
    *("payment_received", "shipment_dispatched", "shipment_delivered", "shipment_tracked"),
    "stock_arrived",
)
LIFE = [
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
"""The history of a plain order, mails left out."""


def run_of(world: World, order_id: str) -> WorkflowHandle[Any, Any]:
    """The order's workflow."""
    return world.client.get_workflow_handle(f"order-{order_id}")


async def placed(world: World, **changes: Any) -> str:
    """A new order of one unit, its payment requested; returns its id."""
    sku, customer = world.shop(on_hand=1)
    document = order(sku, customer, **changes)
    await world.place(document)
    await world.until_event(document["order_id"], "payment_requested")
    return str(document["order_id"])


async def booked(world: World, order_id: str) -> None:
    """Paid and booked."""
    await world.pay(order_id, TOTAL)
    await world.until_event(order_id, "booked")


async def finish(world: World, order_id: str) -> None:
    """Whatever the order still waits for."""
    shown = await world.until_event(order_id, "payment_requested")
    if shown["paid"] != TOTAL:
        await world.pay(order_id, TOTAL)
    await world.until_event(order_id, "booked")
    for what in ("dispatched", "delivered"):
        await world.ship(order_id, what)


async def assert_as_plain(world: World, order_id: str) -> Document:
    """The order ended as if nothing odd had happened; returns it as shown."""
    await assert_completed_once(world, order_id)
    shown = await world.order(order_id)
    assert [r["event"] for r in shown["history"] if r["event"] != "mailed"] == LIFE
    assert {k: v for k, v in shown["lines"][0].items() if k != "sku"} == {
        "ordered": 1,
        "reserved": 0,
        "backordered": 0,
        "shipped": 1,
        "delivered": 1,
        "returned": 0,
        "given_up": 0,
    }
    return shown


def paid(order_id: str, /, **changes: Any) -> Document:
    """The data of a payment."""
    return {
        "payment_id": unique("pay"),
        "order_id": order_id,
        "amount": TOTAL,
        "currency": "EUR",
        "method": "card",
    } | changes


def event(order_id: str, shipment_id: str | None = None) -> Document:
    """The data of a carrier's event."""
    return {
        "event_id": unique("ev"),
        "order_id": order_id,
        "shipment_id": shipment_id or f"SH-{order_id}-1",
    }


# Signals, as the Temporal UI sends them.


@pytest.mark.parametrize("signal", SIGNALS)
async def test_an_unusable_signal_is_kept_as_odd_and_changes_nothing(
    pipeline: World, signal: str
) -> None:
    """Whatever JSON somebody sends, before and after the payment."""
    order_id = await placed(pipeline)
    handle = run_of(pipeline, order_id)
    for args in UNUSABLE.values():
        await handle.signal(signal, args=args)
    await finish(pipeline, order_id)
    shown = await assert_as_plain(pipeline, order_id)
    kept = {odd["body"] for odd in shown["odd_facts"] if odd["name"] == signal}
    sent = {json.dumps(args[0] if args else None, sort_keys=True) for args in UNUSABLE.values()}
    assert kept == sent
    assert all(odd["reason"] for odd in shown["odd_facts"])


async def test_more_fields_and_arguments_than_known_do_no_harm(pipeline: World) -> None:
    """What is needed is there, so it is used; the rest is ignored."""
    order_id = await placed(pipeline)
    handle = run_of(pipeline, order_id)
    more: Document = {"colour": "red", "nested": {"a": [1, None]}}
    await handle.signal("payment_received", args=[paid(order_id) | more, {"b": 1}, "c"])
    await pipeline.until_event(order_id, "booked")
    await handle.signal("shipment_dispatched", args=[event(order_id) | more, 7])
    await handle.signal("shipment_delivered", args=[event(order_id) | more, None])
    shown = await assert_as_plain(pipeline, order_id)
    assert shown["odd_facts"] == []


async def test_the_least_a_person_can_say_is_enough_for_a_shipment(pipeline: World) -> None:
    """An event's id: the order has one shipment only."""
    order_id = await placed(pipeline)
    await booked(pipeline, order_id)
    handle = run_of(pipeline, order_id)
    await handle.signal("shipment_dispatched", {"event_id": "by-hand-1"})
    await handle.signal("shipment_delivered", {"event_id": "by-hand-2"})
    await assert_as_plain(pipeline, order_id)


NO_PAYMENTS: list[Document] = [
    {"amount": None},
    {"currency": None},
    {"amount": "0.00"},
    {"amount": "-119.00"},
    {"amount": "119.001"},
    {"amount": "NaN"},
    {"amount": "1e3"},
    {"amount": "9" * 18},
    {"amount": 119},
    {"currency": "XXQ"},
    {"currency": "EUR\x00"},
    {"method": "ca\x00rd"},
    {"order_id": "a\x00b"},
    {"received_at": "yesterday"},
    {"received_at": "0001-01-01T00:00:00+14:00"},
    {"received_at": 10**30},
]
"""What makes a payment none."""


async def test_a_payment_that_is_none_is_kept_as_odd(pipeline: World) -> None:
    """No money is booked, and the order takes the right one afterwards."""
    order_id = await placed(pipeline)
    for wrong in NO_PAYMENTS:
        await run_of(pipeline, order_id).signal("payment_received", paid(order_id) | wrong)
    await finish(pipeline, order_id)
    shown = await assert_as_plain(pipeline, order_id)
    assert [odd["name"] for odd in shown["odd_facts"]] == ["payment_received"] * len(NO_PAYMENTS)


async def test_a_time_without_an_offset_is_taken_as_utc(pipeline: World) -> None:
    """As a person would type it."""
    order_id = await placed(pipeline)
    handle = run_of(pipeline, order_id)
    moment = {"received_at": "2026-07-01T12:00:00", "occurred_at": "2026-07-01T12:00:00"}
    await handle.signal("payment_received", paid(order_id) | moment)
    await pipeline.until_event(order_id, "booked")
    await handle.signal("shipment_dispatched", event(order_id) | moment)
    await handle.signal("shipment_delivered", event(order_id) | moment)
    await assert_as_plain(pipeline, order_id)


# Twice, early, late.


async def test_every_fact_twice_is_every_fact_once(pipeline: World) -> None:
    """The same signal, the same webhook, and the same payment under another webhook-id."""
    order_id = await placed(pipeline)
    handle = run_of(pipeline, order_id)
    payment = paid(order_id)
    await handle.signal("payment_received", payment)
    for webhook_id in ("again-1", "again-1", "again-2"):
        answer = await pipeline.tell("payment.received", payment, f"{order_id}-{webhook_id}")
        assert answer.status_code == 204
    await pipeline.until_event(order_id, "booked")
    for name in ("dispatched", "delivered"):
        fact = event(order_id)
        await handle.signal(f"shipment_{name}", fact)  # first: the last one ends the workflow
        for webhook_id in ("again-1", "again-1", "again-2"):
            answer = await pipeline.tell(
                f"shipment.{name}", fact, f"{order_id}-{name}-{webhook_id}"
            )
            assert answer.status_code == 204
        if name == "dispatched":
            await pipeline.until(order_id, "in_transit")
    shown = await assert_as_plain(pipeline, order_id)
    assert shown["paid"] == TOTAL
    assert shown["odd_facts"] == []
    assert order_id not in await unmatched(pipeline)


async def test_one_payment_id_with_two_amounts_is_one_payment_and_an_odd_fact(
    pipeline: World,
) -> None:
    """The first is money, the second a question."""
    order_id = await placed(pipeline)
    payment = paid(order_id)
    for amount in (TOTAL, "1.00"):
        await pipeline.tell("payment.received", payment | {"amount": amount})
    await pipeline.until_event(order_id, "payment_received")
    await finish(pipeline, order_id)
    shown = await assert_as_plain(pipeline, order_id)
    assert [odd["name"] for odd in shown["odd_facts"]] == ["payment_received"]


async def test_delivered_before_dispatched_is_both(pipeline: World) -> None:
    """And what comes late is nothing new."""
    order_id = await placed(pipeline)
    await booked(pipeline, order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.ship(order_id, "dispatched")
    await assert_as_plain(pipeline, order_id)


async def test_dispatched_before_the_booking_is_confirmed_is_taken(pipeline: World) -> None:
    """The carrier was asked, its answer is out, its van is faster."""
    order_id = await placed(pipeline)
    await pipeline.misbehave(
        partner="carriers", operation="booking", fault="timeout_after", seconds=1.0
    )
    await pipeline.pay(order_id, TOTAL)
    await until_asked(pipeline, "carriers", "booking", order_id)
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until(order_id, "in_transit")
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await assert_completed_once(pipeline, order_id)
    shown = await pipeline.order(order_id)
    assert shown["shipments"][0]["tracking_number"]


async def test_facts_before_the_order_is_recorded_wait_for_it(idle_world: World) -> None:
    """No worker runs: payment as webhook and as signal, odd ones in between."""
    sku, customer = idle_world.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await idle_world.place(document)
    payment = paid(order_id)
    await idle_world.tell("payment.received", payment)
    handle = run_of(idle_world, order_id)
    await handle.signal("payment_received", payment)
    await handle.signal("shipment_dispatched", args=[])
    async with idle_world.worker():
        shown = await idle_world.until_event(order_id, "booked")
        assert "payment_requested" not in {row["event"] for row in shown["history"]}
        for what in ("dispatched", "delivered"):
            await idle_world.ship(order_id, what)
        await idle_world.until(order_id, "completed")
        await idle_world.ended(order_id)
    shown = await idle_world.order(order_id)
    assert_happened_once(shown)
    assert len(shown["odd_facts"]) == 1
    assert await idle_world.requests("payments", "request", order_id) == []
    await assert_asked_once(idle_world, "carriers", "booking", order_id)
    idle_world.check_books()


async def test_a_dispatch_of_what_was_never_consigned_is_odd(pipeline: World) -> None:
    """Before there is a shipment, of another order's shipment, and of one that nobody knows."""
    other = await placed(pipeline)
    order_id = await placed(pipeline)
    await pipeline.ship(order_id, "delivered")
    await booked(pipeline, order_id)
    await pipeline.ship(order_id, "dispatched", shipment_id=f"SH-{other}-1")
    await pipeline.ship(order_id, "delivered", shipment_id="SH-nobody-1")
    await finish(pipeline, order_id)
    shown = await assert_as_plain(pipeline, order_id)
    names = sorted(odd["name"] for odd in shown["odd_facts"])
    assert names == ["shipment_delivered", "shipment_delivered", "shipment_dispatched"]
    await finish(pipeline, other)
    await assert_as_plain(pipeline, other)


async def test_a_carrier_s_fact_about_an_unknown_order_is_kept(pipeline: World) -> None:
    """There is nobody to tell."""
    order_id = unique("nobody")
    await pipeline.ship(order_id, "dispatched")
    await ended_facts(pipeline, order_id)
    assert odd_facts(pipeline, order_id) == ["shipment_dispatched"]
    pipeline.check_books()


# Updates and queries.


async def test_an_odd_update_is_refused_or_taken_and_the_order_goes_on(pipeline: World) -> None:
    """`retry_step` where nothing waits, `cancel` with what isn't a request; `status` at any time."""
    order_id = await placed(pipeline)
    handle = run_of(pipeline, order_id)
    for args in (*UNUSABLE.values(), [{"actor": "ann", "colour": "red"}, 2]):
        answer = await handle.execute_update("retry_step", args=args)
        assert answer["accepted"] is False
        assert answer["message"]
    for args in (["hello"], [7], [[1]], ["hello", 2], [{"reason": 5}]):
        answer = await handle.execute_update("cancel", args=args)
        assert answer["accepted"] is False, args
    for args in ([], [{}], [None], ["hello"], [1, 2]):
        status = await handle.query("status", args=args)
        assert status["stage"] == "awaiting_payment", args
    await finish(pipeline, order_id)
    await assert_as_plain(pipeline, order_id)


@pytest.mark.parametrize(
    "args",
    [[], [None], [{}], [{"reason": "why not", "colour": "red"}], [{"reason": "x"}, 7]],
    ids=str,
)
async def test_cancel_needs_no_words(pipeline: World, args: list[Any]) -> None:
    """With no input, an empty one, more than is known: the order is cancelled."""
    order_id = await placed(pipeline)
    answer = await run_of(pipeline, order_id).execute_update("cancel", args=args)
    assert answer["accepted"] is True
    await assert_undone(pipeline, order_id)


async def assert_undone(world: World, order_id: str) -> Document:
    """The order is cancelled, and nothing of it is left in stock, ledger or at the partners."""
    await world.until(order_id, "cancelled")
    await world.ended(order_id)
    shown = await world.order(order_id)
    assert_happened_once(shown)
    assert shown["attention"] is None
    assert all(s["state"] == "cancelled" for s in shown["shipments"])
    assert shown["lines"][0]["reserved"] == shown["lines"][0]["shipped"] == 0
    assert accounts_of(world, order_id) == {}
    requests = await world.requests("payments", "request", order_id)
    assert {row["state"] for row in requests} <= {"voided"}
    bookings = await world.requests("carriers", "booking", order_id)
    assert {row["state"] for row in bookings} <= {"cancelled"}
    world.check_books()
    return shown


# The cancel button of the Temporal UI.


async def test_the_cancel_button_cancels_and_undoes_the_order(pipeline: World) -> None:
    """Taken as the command, with actor `temporal`."""
    order_id = await placed(pipeline)
    await booked(pipeline, order_id)
    await run_of(pipeline, order_id).cancel()
    shown = await assert_undone(pipeline, order_id)
    [asked] = [row for row in shown["history"] if row["event"] == "cancel_requested"]
    assert asked["detail"].startswith("by temporal")
    await assert_asked_once(pipeline, "payments", "refund", order_id)


async def test_the_cancel_button_is_refused_after_dispatch_and_the_order_completes(
    pipeline: World,
) -> None:
    """The refusal is on the record."""
    order_id = await placed(pipeline)
    await booked(pipeline, order_id)
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until(order_id, "in_transit")
    await run_of(pipeline, order_id).cancel()
    await pipeline.until_event(order_id, "cancel_refused")
    await pipeline.ship(order_id, "delivered")
    await assert_completed_once(pipeline, order_id)


async def test_the_cancel_button_before_any_worker_saw_the_order_cancels_it(
    idle_world: World,
) -> None:
    """Start and cancel arrive in the same task."""
    sku, customer = idle_world.shop(on_hand=1)
    document = order(sku, customer)
    await idle_world.place(document)
    await run_of(idle_world, document["order_id"]).cancel()
    async with idle_world.worker():
        await assert_undone(idle_world, document["order_id"])


async def test_the_cancel_button_while_the_order_is_being_undone_does_no_harm(
    pipeline: World,
) -> None:
    """The undoing is finished, once."""
    order_id = await placed(pipeline)
    await booked(pipeline, order_id)
    await pipeline.misbehave(
        partner="payments", operation="void", fault="timeout_after", seconds=1.0
    )
    answer = await run_of(pipeline, order_id).execute_update("cancel", {"reason": "first"})
    assert answer["accepted"] is True
    await until_asked(pipeline, "payments", "void", order_id)
    await run_of(pipeline, order_id).cancel()
    await assert_undone(pipeline, order_id)
    await assert_asked_once(pipeline, "payments", "refund", order_id)


async def test_cancelling_twice_is_cancelling_once(pipeline: World) -> None:
    """By two people, while it is being undone."""
    order_id = await placed(pipeline)
    await booked(pipeline, order_id)
    await pipeline.misbehave(
        partner="payments", operation="void", fault="timeout_after", seconds=1.0
    )
    handle = run_of(pipeline, order_id)
    for reason in ("first", "second"):
        answer = await handle.execute_update("cancel", {"reason": reason})
        assert answer["accepted"] is True
        await until_asked(pipeline, "payments", "void", order_id)
    await assert_undone(pipeline, order_id)


# Replenishment.


async def test_odd_signals_to_a_replenishment_are_kept_and_the_goods_arrive(
    pipeline: World,
) -> None:
    """Its three signals and its update, with every odd input."""
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "bought")
    handle = pipeline.client.get_workflow_handle(f"replenish-BER-{sku}")
    names = ("shortage_reported", "supplier_acknowledged", "goods_received")
    for args in UNUSABLE.values():
        for name in names:
            await handle.signal(name, args=args)
        answer = await handle.execute_update("retry_step", args=args)
        assert answer["accepted"] is True
    po_id = shown["backorders"][0]["po_id"]
    receipt = {"receipt_id": unique("rc"), "po_id": po_id, "sku": sku, "quantity": 1}
    for wrong in ({"quantity": "1"}, {"quantity": 0}, {"quantity": 1.5}, {"quantity": 10**30}):
        await handle.signal("goods_received", args=[receipt | wrong])
    await handle.signal("goods_received", args=[receipt | {"po_id": "PO-nobody-1"}])
    await handle.signal("goods_received", args=[receipt | {"colour": "red"}, 7])
    await handle.signal("goods_received", args=[receipt])
    await handle.result()
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id, purchased_sku=sku)
    kept = odd_facts(pipeline, f"BER/{sku}")
    for name in names:
        assert kept.count(name) >= len({str(args[:1]) for args in UNUSABLE.values()}) - 1, name
    assert len(odd_facts(pipeline, po_id)) == 2


async def test_goods_for_an_unknown_purchase_order_are_kept_as_odd(pipeline: World) -> None:
    """Nothing comes into stock."""
    po_id = unique("PO-nobody")
    await pipeline.receive(po_id, "SKU-nobody", 5)
    await ended_facts(pipeline, po_id)
    assert odd_facts(pipeline, po_id) == ["goods_received"]
    pipeline.check_books()


# Payments that nobody waits for.


async def unmatched(world: World) -> dict[str, Document]:
    """GET /payments/unmatched, by the order that the payer named."""
    rows = (await world.api.get("/payments/unmatched")).json()
    return {row["claimed_order_id"]: row for row in rows}


async def ended_facts(world: World, subject: str) -> None:
    """Wait until whatever was kept about `subject` was applied by a workflow of its own."""

    def waiting() -> list[tuple[str, str]]:
        def work(session: Any) -> list[tuple[str, str]]:
            of_subject = (FactRow.order_id == subject) | (FactRow.po_id == subject)
            return list(session.exec(select(FactRow.source, FactRow.fact_id).where(of_subject)))

        return world.database.read(work)

    for source, fact_id in waiting():
        await world.client.get_workflow_handle(f"fact-{source}-{fact_id}").result()


def odd_facts(world: World, subject: str) -> list[str]:
    """The names of the odd facts kept about `subject`."""

    def work(session: Any) -> list[str]:
        rows = select(RejectedMessageRow.name).where(RejectedMessageRow.subject == subject)
        return list(session.exec(rows.order_by(col(RejectedMessageRow.recorded_at))))

    return world.database.read(work)


async def test_a_payment_for_an_unknown_order_is_kept_and_listed(pipeline: World) -> None:
    """Twice told, once there."""
    order_id = unique("nobody")
    payment_id = await pipeline.pay(order_id, "50.00")
    await pipeline.pay(order_id, "50.00", payment_id)
    await ended_facts(pipeline, order_id)
    listed = (await unmatched(pipeline))[order_id]
    assert (listed["payment_id"], listed["amount"], listed["applied"]) == (
        payment_id,
        "50.00",
        "0.00",
    )
    assert listed["order_id"] is None
    pipeline.check_books()


async def test_money_that_came_before_its_order_pays_it(pipeline: World) -> None:
    """No longer unmatched, then; what is more than was due stays listed."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    for amount in ("100.00", "50.00"):
        await pipeline.pay(order_id, amount)
    await ended_facts(pipeline, order_id)
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "booked")
    assert (shown["paid"], bool(shown["invoice_number"])) == (TOTAL, True)
    rows = (await pipeline.api.get("/payments/unmatched")).json()
    mine = [r for r in rows if r["order_id"] == order_id]
    assert sum(Decimal(r["amount"]) - Decimal(r["applied"]) for r in mine) == Decimal("31.00")
    assert len(mine) == 1
    pipeline.check_books()
    for what in ("dispatched", "delivered"):
        await pipeline.ship(order_id, what)
    await pipeline.until(order_id, "completed")


async def test_money_for_an_order_that_is_being_cancelled_is_given_back_and_not_listed(
    pipeline: World,
) -> None:
    """It came for nothing, and is gone again."""
    order_id = await placed(pipeline)
    await pipeline.pay(order_id, "200.00")
    await pipeline.until_event(order_id, "payment_received")
    assert order_id in await unmatched(pipeline)
    await run_of(pipeline, order_id).execute_update("cancel", {})
    await pipeline.until(order_id, "cancelled")
    assert order_id not in await unmatched(pipeline)
    assert accounts_of(pipeline, order_id) == {}
    pipeline.check_books()


async def test_a_payment_after_completion_is_kept_and_listed(pipeline: World) -> None:
    """The order stays as it is; the money is a deposit."""
    order_id = await placed(pipeline)
    await finish(pipeline, order_id)
    await assert_as_plain(pipeline, order_id)
    payment_id = unique("pay")
    for _ in range(2):
        await pipeline.pay(order_id, "20.00", payment_id)
    answer = await pipeline.tell("payment.received", paid(order_id, payment_id=payment_id), "late")
    assert answer.status_code == 204
    handle = pipeline.client.get_workflow_handle("fact-payments-late")
    await handle.result()
    listed = (await unmatched(pipeline))[order_id]
    assert (listed["payment_id"], listed["amount"]) == (payment_id, "20.00")
    shown = await pipeline.order(order_id)
    assert (shown["stage"], shown["paid"]) == ("completed", TOTAL)
    pipeline.check_books()


async def test_a_payment_after_cancellation_is_given_back_and_not_listed(pipeline: World) -> None:
    """There is no order to pay any more; told twice, it is given back once."""
    order_id = await placed(pipeline)
    await run_of(pipeline, order_id).execute_update("cancel", {})
    await assert_undone(pipeline, order_id)
    payment_id = await pipeline.pay(order_id, TOTAL)
    await pipeline.pay(order_id, TOTAL, payment_id)
    await ended_facts(pipeline, order_id)
    assert order_id not in await unmatched(pipeline)
    assert len(await pipeline.requests("payments", "refund", order_id)) == 1
    assert accounts_of(pipeline, order_id) == {}
    assert (await pipeline.order(order_id))["stage"] == "cancelled"
    pipeline.check_books()


async def test_more_than_was_due_completes_the_order_and_lists_the_rest(pipeline: World) -> None:
    """In two payments, the second too large."""
    order_id = await placed(pipeline)
    await pipeline.pay(order_id, "100.00")
    await pipeline.pay(order_id, "100.00")
    await pipeline.until_event(order_id, "booked")
    await finish(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    listed = (await unmatched(pipeline))[order_id]
    assert (listed["amount"], listed["applied"]) == ("100.00", "19.00")
    pipeline.check_books()


async def test_one_receipt_or_payment_id_for_something_else_is_odd(pipeline: World) -> None:
    """Never swallowed: a person has to look."""
    first, second = unique("nobody"), unique("nobody")
    payment_id = await pipeline.pay(first, "10.00")
    await ended_facts(pipeline, first)
    await pipeline.pay(second, "999.00", payment_id)
    await ended_facts(pipeline, second)
    assert odd_facts(pipeline, second) == ["payment_received"]
    assert first in await unmatched(pipeline)
    pipeline.check_books()


async def test_a_payer_may_name_the_invoice(pipeline: World) -> None:
    """As the invoice asks for."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, terms="net30")
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "booked")
    await pipeline.pay(shown["invoice_number"], TOTAL)
    paid_order = await pipeline.until_event(order_id, "payment_received")
    assert paid_order["paid"] == TOTAL


async def test_a_signal_that_names_another_order_is_odd(pipeline: World) -> None:
    """Its money belongs there."""
    order_id = await placed(pipeline)
    await run_of(pipeline, order_id).signal("payment_received", paid("another"))
    await finish(pipeline, order_id)
    shown = await assert_as_plain(pipeline, order_id)
    assert [odd["name"] for odd in shown["odd_facts"]] == ["payment_received"]


async def test_long_odd_messages_that_begin_alike_are_all_kept(pipeline: World) -> None:
    """By their whole content."""
    order_id = await placed(pipeline)
    for end in "ab":
        await run_of(pipeline, order_id).signal("payment_received", "x" * 600 + end)
    await finish(pipeline, order_id)
    shown = await assert_as_plain(pipeline, order_id)
    assert len(shown["odd_facts"]) == 2


# The webhook door.


async def test_one_webhook_id_with_other_content_is_409_and_changes_nothing(
    pipeline: World,
) -> None:
    """Also while the first isn't applied yet; the same at another time is the same."""
    order_id = await placed(pipeline)
    payment, webhook_id = paid(order_id, amount="19.00"), unique("msg")
    assert (await pipeline.tell("payment.received", payment, webhook_id)).status_code == 204
    for change in ({"amount": "100.00"}, {"order_id": "another"}, {"payment_id": "another"}):
        answer = await pipeline.tell("payment.received", payment | change, webhook_id)
        assert (answer.status_code, answer.json()["code"]) == (409, "fact_id_taken")
    again = payment | {"received_at": "2030-01-01T00:00:00Z"}
    assert (await pipeline.tell("payment.received", again, webhook_id)).status_code == 204
    await pipeline.pay(order_id, "100.00")
    await finish(pipeline, order_id)
    shown = await pipeline.until(order_id, "completed")
    assert (shown["paid"], shown["odd_facts"]) == (TOTAL, [])
    pipeline.check_books()


def signed(data: Document, secret: str, when: datetime | None = None) -> tuple[bytes, Document]:
    """The body and headers of a payment webhook."""
    now = when or datetime.now(UTC)
    body = json.dumps({"type": "payment.received", "timestamp": now.isoformat(), "data": data})
    headers = {
        "webhook-id": unique("msg"),
        "webhook-timestamp": str(int(now.timestamp())),
        "content-type": "application/json",
    }
    headers["webhook-signature"] = Webhook(secret).sign(headers["webhook-id"], now, body)
    return body.encode(), headers


def forged(order_id: str) -> dict[str, tuple[bytes, Document]]:
    """Webhooks that no partner has sent as they are."""
    data, own = paid(order_id), SECRETS["payments"]
    body, headers = signed(data, own)
    other_body, other_headers = signed(data, SECRETS["carriers"])
    old_body, old_headers = signed(data, own, datetime.now(UTC) - timedelta(minutes=6))
    new_body, new_headers = signed(data, own, datetime.now(UTC) + timedelta(minutes=6))
    without = {k: v for k, v in headers.items() if k != "webhook-signature"}
    signature = headers["webhook-signature"]
    return {
        "unsigned": (body, {"content-type": "application/json"}),
        "no signature": (body, without),
        "no id": (body, {k: v for k, v in headers.items() if k != "webhook-id"}),
        "no time": (body, {k: v for k, v in headers.items() if k != "webhook-timestamp"}),
        "altered body": (body.replace(b"119.00", b"919.00"), headers),
        "altered id": (body, headers | {"webhook-id": "another"}),
        "altered time": (
            body,
            headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
        ),
        "stale": (old_body, old_headers),
        "from the future": (new_body, new_headers),
        "another partner's": (other_body, other_headers),
        "empty signature": (body, headers | {"webhook-signature": ""}),
        "no version": (body, headers | {"webhook-signature": signature.removeprefix("v1,")}),
        "another version": (body, headers | {"webhook-signature": f"v2{signature[2:]}"}),
        "not base64": (body, headers | {"webhook-signature": "v1,%%%"}),
        "short": (body, headers | {"webhook-signature": signature[:-8]}),
        "commas": (body, headers | {"webhook-signature": ",,, v1 v1, ,v1,"}),
        "random": (
            body,
            headers | {"webhook-signature": f"v1,{base64.b64encode(b'0' * 32).decode()}"},
        ),
        "time is no number": (body, headers | {"webhook-timestamp": "soon"}),
        "time is infinite": (body, headers | {"webhook-timestamp": "inf"}),
        "time is huge": (body, headers | {"webhook-timestamp": "9" * 40}),
        "not UTF-8": (b"\xff\xfe" + body, headers),
        "nothing": (b"", headers),
    }


async def test_what_is_not_signed_by_the_partner_is_401_and_nothing_happens(
    pipeline: World,
) -> None:
    """Then the true one is taken."""
    order_id = await placed(pipeline)
    for name, (body, headers) in forged(order_id).items():
        answer = await pipeline.api.post("/webhooks/payments", content=body, headers=headers)
        assert answer.status_code == 401, (name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    latin = [
        (k.encode(), v.encode()) for k, v in signed(paid(order_id), SECRETS["payments"])[1].items()
    ]
    latin.append((b"webhook-signature", b"v1,\xff\xfe"))
    body = signed(paid(order_id), SECRETS["payments"])[0]
    request = httpx.Request(
        "POST", pipeline.api.base_url.join("/webhooks/payments"), content=body, headers=latin
    )
    assert (await pipeline.api.send(request)).status_code == 401

    facts = select(FactRow.fact_no).where(FactRow.order_id == order_id)
    assert pipeline.database.read(lambda session: list(session.exec(facts))) == []
    assert (await pipeline.order(order_id))["stage"] == "awaiting_payment"
    await finish(pipeline, order_id)
    shown = await assert_as_plain(pipeline, order_id)
    assert shown["odd_facts"] == []


async def test_a_signed_body_that_is_no_fact_is_422_and_nothing_happens(pipeline: World) -> None:
    """Naming what is wrong; not UTF-8 though signed, broken, of another partner, incomplete."""
    order_id = await placed(pipeline)
    now = datetime.now(UTC)
    good = {"type": "payment.received", "data": paid(order_id)}
    bodies = [
        "{",
        "[]",
        "null",
        json.dumps(good | {"type": "shipment.delivered"}),
        json.dumps(good | {"type": 5}),
        json.dumps({"type": "payment.received"}),
        json.dumps(good | {"data": [1]}),
        json.dumps(good | {"data": {}}),
        json.dumps(good | {"data": paid(order_id, amount="-1.00")}),
        json.dumps(good | {"data": paid(order_id, currency="XXQ")}),
        json.dumps(good | {"data": paid(order_id, payment_id="")}),
        json.dumps(good | {"data": paid(order_id, method="ca\x00rd")}),
        json.dumps(good | {"data": paid("a\x00b")}),
        json.dumps(good | {"data": paid(order_id, method="\ud800")}),
        json.dumps(good | {"data": paid(order_id, received_at="soon")}),
    ]
    for body in bodies:
        headers = {
            "webhook-id": unique("msg"),
            "webhook-timestamp": str(int(now.timestamp())),
            "content-type": "application/json",
        }
        headers["webhook-signature"] = Webhook(SECRETS["payments"]).sign(
            headers["webhook-id"], now, body
        )
        answer = await pipeline.api.post("/webhooks/payments", content=body, headers=headers)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.json()["errors"]
    facts = select(FactRow.fact_no).where(FactRow.order_id == order_id)
    assert pipeline.database.read(lambda session: list(session.exec(facts))) == []
    await finish(pipeline, order_id)
    await assert_as_plain(pipeline, order_id)
