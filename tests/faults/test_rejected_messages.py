"""Signals and updates that no step can use are rejected and recorded; the order goes on as without
them."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.billing.payments import unmatched_payments
from tests.support.gateways.messages import (
    assert_completed_as_plain,
    carrier_event,
    payment,
    rejected_messages,
    until_facts_applied,
)
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.exactly_once import assert_completed_once, assert_undone
from tests.support.orders.stages import (
    finish,
    pay_and_book,
    place_order,
    requested,
    until_purchased,
)
from tests.support.pipeline.world import World

UNUSABLE: dict[str, Sequence[Any]] = {
    "nothing": (),
    "null": (None,),
    "{}": ({},),
    "a string": ("hello",),
    "a number": (7,),
    "a list": ([1, {"a": 2}],),
    "only unknown fields": ({"colour": "red"},),
    "invalid ids": ({"payment_id": "", "event_id": 5, "receipt_id": {"a": 1}},),
    "two arguments": ("hello", {"a": 1}),
}
"""Arguments that an operator may send from the Temporal UI: a list of JSON values."""
SIGNALS = (
    *("payment_received", "shipment_dispatched", "shipment_delivered", "shipment_tracked"),
    "stock_arrived",
)


# Signals of an order


@pytest.mark.parametrize("signal", SIGNALS)
async def test_unusable_signal_is_rejected_without_effect(pipeline: World, signal: str) -> None:
    """Any JSON, before and after the payment."""
    order_id = await requested(pipeline)
    handle = pipeline.order_workflow(order_id)
    for args in UNUSABLE.values():
        await handle.signal(signal, args=args)
    await finish(pipeline, order_id)
    shown = await assert_completed_as_plain(pipeline, order_id)
    rejected = {row["body"] for row in shown["odd_facts"] if row["name"] == signal}
    sent = {json.dumps(args[0] if args else None, sort_keys=True) for args in UNUSABLE.values()}
    assert rejected == sent
    assert all(row["reason"] for row in shown["odd_facts"])


async def test_unknown_fields_and_arguments_are_ignored(pipeline: World) -> None:
    order_id = await requested(pipeline)
    handle = pipeline.order_workflow(order_id)
    more: Document = {"colour": "red", "nested": {"a": [1, None]}}
    await handle.signal("payment_received", args=[payment(order_id) | more, {"b": 1}, "c"])
    await pipeline.until_event(order_id, "booked")
    await handle.signal("shipment_dispatched", args=[carrier_event(order_id) | more, 7])
    await handle.signal("shipment_delivered", args=[carrier_event(order_id) | more, None])
    shown = await assert_completed_as_plain(pipeline, order_id)
    assert shown["odd_facts"] == []


async def test_carrier_event_needs_only_its_id(pipeline: World) -> None:
    """For an order with a single shipment."""
    order_id = await requested(pipeline)
    await pay_and_book(pipeline, order_id)
    handle = pipeline.order_workflow(order_id)
    await handle.signal("shipment_dispatched", {"event_id": "by-hand-1"})
    await handle.signal("shipment_delivered", {"event_id": "by-hand-2"})
    await assert_completed_as_plain(pipeline, order_id)


INVALID_PAYMENTS: list[Document] = [
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
    {"received_at": 10**30},
]
"""Fields that make a payment invalid."""


async def test_invalid_payment_is_rejected_and_a_valid_one_applied(pipeline: World) -> None:
    order_id = await requested(pipeline)
    for invalid in INVALID_PAYMENTS:
        await pipeline.order_workflow(order_id).signal(
            "payment_received", payment(order_id) | invalid
        )
    await finish(pipeline, order_id)
    shown = await assert_completed_as_plain(pipeline, order_id)
    names = [row["name"] for row in shown["odd_facts"]]
    assert names == ["payment_received"] * len(INVALID_PAYMENTS)


async def test_time_without_offset_is_rejected_with_an_example(pipeline: World) -> None:
    """As an operator would type it; the same payment with the offset is applied."""
    order_id = await requested(pipeline)
    handle = pipeline.order_workflow(order_id)
    paid = payment(order_id)
    await handle.signal("payment_received", paid | {"received_at": "2026-07-01T12:00:00"})
    await handle.signal("payment_received", paid | {"received_at": "2026-07-01T12:00:00+02:00"})
    await pipeline.until_event(order_id, "booked")
    moment = {"occurred_at": "2026-07-01T12:00:00Z"}
    await handle.signal("shipment_dispatched", carrier_event(order_id) | moment)
    await handle.signal("shipment_delivered", carrier_event(order_id) | moment)
    shown = await assert_completed_as_plain(pipeline, order_id)
    [rejected] = shown["odd_facts"]
    assert rejected["reason"].startswith(
        "received_at: '2026-07-01T12:00:00' has no offset from UTC"
    )


async def test_signal_for_another_order_is_rejected(pipeline: World) -> None:
    order_id = await requested(pipeline)
    await pipeline.order_workflow(order_id).signal("payment_received", payment("another"))
    await finish(pipeline, order_id)
    shown = await assert_completed_as_plain(pipeline, order_id)
    assert [row["name"] for row in shown["odd_facts"]] == ["payment_received"]


async def test_rejected_messages_with_the_same_beginning_are_all_recorded(pipeline: World) -> None:
    """They are compared by their whole content."""
    order_id = await requested(pipeline)
    for end in "ab":
        await pipeline.order_workflow(order_id).signal("payment_received", "x" * 600 + end)
    await finish(pipeline, order_id)
    shown = await assert_completed_as_plain(pipeline, order_id)
    assert len(shown["odd_facts"]) == 2


# Facts about unknown subjects, and ids with other content


async def test_payment_id_with_a_second_amount_is_rejected(pipeline: World) -> None:
    """The first payment is applied."""
    order_id = await requested(pipeline)
    data = payment(order_id)
    for amount in (data["amount"], "1.00"):
        await pipeline.send_fact("payment.received", data | {"amount": amount})
    await pipeline.until_event(order_id, "payment_received")
    await finish(pipeline, order_id)
    shown = await assert_completed_as_plain(pipeline, order_id)
    assert [row["name"] for row in shown["odd_facts"]] == ["payment_received"]


async def test_payment_id_with_a_second_order_is_rejected(pipeline: World) -> None:
    first, second = unique("nobody"), unique("nobody")
    payment_id = await pipeline.pay(first, "10.00")
    await until_facts_applied(pipeline, first)
    await pipeline.pay(second, "999.00", payment_id)
    await until_facts_applied(pipeline, second)
    assert rejected_messages(pipeline, second) == ["payment_received"]
    assert first in {row["claimed_order_id"] for row in await unmatched_payments(pipeline)}
    pipeline.check_books()


async def test_dispatch_without_a_shipment_is_rejected(pipeline: World) -> None:
    """Before the shipment is planned, for another order's shipment, and for an unknown one."""
    other = await requested(pipeline)
    order_id = await requested(pipeline)
    await pipeline.ship(order_id, "delivered")
    await pay_and_book(pipeline, order_id)
    await pipeline.ship(order_id, "dispatched", shipment_id=f"SH-{other}-1")
    await pipeline.ship(order_id, "delivered", shipment_id="SH-nobody-1")
    await finish(pipeline, order_id)
    shown = await assert_completed_as_plain(pipeline, order_id)
    names = sorted(row["name"] for row in shown["odd_facts"])
    assert names == ["shipment_delivered", "shipment_delivered", "shipment_dispatched"]
    await finish(pipeline, other)
    await assert_completed_as_plain(pipeline, other)


async def test_carrier_event_of_an_unknown_order_is_rejected(pipeline: World) -> None:
    order_id = unique("nobody")
    await pipeline.ship(order_id, "dispatched")
    await until_facts_applied(pipeline, order_id)
    assert rejected_messages(pipeline, order_id) == ["shipment_dispatched"]
    pipeline.check_books()


async def test_receipt_of_an_unknown_purchase_order_is_rejected(pipeline: World) -> None:
    """No stock is received."""
    po_id = unique("PO-nobody")
    await pipeline.receive(po_id, "SKU-nobody", 5)
    await until_facts_applied(pipeline, po_id)
    assert rejected_messages(pipeline, po_id) == ["goods_received"]
    pipeline.check_books()


# Updates and queries


async def test_unusable_update_is_answered_and_the_order_goes_on(pipeline: World) -> None:
    """`retry_step` of a running order, `cancel` without a request; `status` at any time."""
    order_id = await requested(pipeline)
    handle = pipeline.order_workflow(order_id)
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
    await assert_completed_as_plain(pipeline, order_id)


@pytest.mark.parametrize(
    "args",
    [[], [None], [{}], [{"reason": "why not", "colour": "red"}], [{"reason": "x"}, 7]],
    ids=str,
)
async def test_cancel_needs_no_argument(pipeline: World, args: list[Any]) -> None:
    """No input, an empty one, unknown fields and arguments: the order is cancelled."""
    order_id = await requested(pipeline)
    answer = await pipeline.order_workflow(order_id).execute_update("cancel", args=args)
    assert answer["accepted"] is True
    await assert_undone(pipeline, order_id, "0.00")


# Signals of a replenishment


async def test_unusable_signals_of_a_replenishment_are_rejected_and_its_goods_received(
    pipeline: World,
) -> None:
    """Its three signals and its update, with each unusable argument."""
    placed = await place_order(pipeline, on_hand=0)
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(pipeline, order_id)
    handle = pipeline.replenishment(sku)
    names = ("shortage_reported", "supplier_acknowledged", "goods_received")
    for args in UNUSABLE.values():
        for name in names:
            await handle.signal(name, args=args)
        answer = await handle.execute_update("retry_step", args=args)
        assert answer["accepted"] is True
    receipt = {"receipt_id": unique("rc"), "po_id": po_id, "sku": sku, "quantity": 1}
    for invalid in ({"quantity": "1"}, {"quantity": 0}, {"quantity": 1.5}, {"quantity": 10**30}):
        await handle.signal("goods_received", args=[receipt | invalid])
    await handle.signal("goods_received", args=[receipt | {"po_id": "PO-nobody-1"}])
    await handle.signal("goods_received", args=[receipt | {"colour": "red"}, 7])
    await handle.signal("goods_received", args=[receipt])
    await handle.result()
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id, purchased_sku=sku)
    rejected = rejected_messages(pipeline, f"BER/{sku}")
    for name in names:
        least = len({str(args[:1]) for args in UNUSABLE.values()}) - 1
        assert rejected.count(name) >= least, name
    assert len(rejected_messages(pipeline, po_id)) == 2
