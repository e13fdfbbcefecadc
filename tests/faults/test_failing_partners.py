"""Partners that fail, don't answer, refuse, or send callbacks in the wrong order."""

from typing import Any

import pytest

from activities.gateways.http import PartnerClient
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.exactly_once import (
    assert_completed_once,
    assert_happened_once,
    until_asked,
)
from tests.support.orders.stages import (
    dispatch_and_deliver,
    events,
    pay_and_book,
    pay_when_requested,
    place_order,
    until_purchased,
)
from tests.support.pipeline.world import World

CALLS = (("payments", "request"), ("suppliers", "purchase_order"), ("carriers", "booking"))
SILENT_S = 2.5
"""Longer than PARTNER_TIMEOUT."""


async def receive_purchase(world: World, order_id: str, sku: str) -> None:
    """Receive one purchased unit, once the supplier has the purchase order."""
    po_id = await until_purchased(world, order_id)
    await until_asked(world, "suppliers", "purchase_order", sku)
    await world.receive(po_id, sku, 1)


async def shown_attention(world: World, order_id: str) -> Document:
    """Wait for the order's attention, which must be listed."""
    shown = await world.until_order(order_id, lambda o: o["attention"] is not None)
    assert order_id in await world.attentions()
    attention: Document = shown["attention"]
    return attention


# Failed calls


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "error", "status": 500},
        {"fault": "timeout_after", "seconds": SILENT_S},
        {"fault": "delay", "seconds": SILENT_S},
    ],
    ids=lambda fault: str(fault["fault"]),
)
async def test_failed_call_is_repeated_with_the_same_key(pipeline: World, fault: Document) -> None:
    """Payment request, purchase order and booking, whose first call fails: each is done once."""
    for partner, operation in CALLS:
        await pipeline.misbehave(partner=partner, operation=operation, **fault)
    placed = await place_order(pipeline, on_hand=0)
    await receive_purchase(pipeline, placed.order_id, placed.sku)
    await pay_and_book(pipeline, placed.order_id)
    await dispatch_and_deliver(pipeline, placed.order_id)
    await assert_completed_once(pipeline, placed.order_id, purchased_sku=placed.sku)


async def test_unavailable_partner_is_shown_as_attention_and_called_again(pipeline: World) -> None:
    """A retry calls at once, and clears the attention."""
    await pipeline.misbehave(partner="carriers", operation="booking", fault="error", times=None)
    order_id = (await place_order(pipeline)).order_id
    await pay_when_requested(pipeline, order_id)
    attention = await shown_attention(pipeline, order_id)
    assert attention["code"] == "partner_unavailable"
    assert f"the carrier, asked to book SH-{order_id}-1, answered 503" in attention["message"]
    assert (await pipeline.intake().retry(order_id, "ann")).accepted
    await pipeline.partners.delete("/control/faults")  # after the retry: a repeated call would do
    await dispatch_and_deliver(pipeline, order_id)
    await assert_completed_once(pipeline, order_id)
    assert order_id not in await pipeline.attentions()


async def test_request_body_has_the_same_bytes_in_any_order_of_fields(pipeline: World) -> None:
    """Another process may read a row's columns in another order."""
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


# Refusals


@pytest.mark.parametrize(("partner", "operation"), CALLS)
async def test_refused_call_waits_for_an_operator_and_is_retried_with_the_next_key(
    pipeline: World, partner: str, operation: str
) -> None:
    """It is shown as attention and never repeated without a command."""
    await pipeline.misbehave(partner=partner, operation=operation, fault="refuse")
    placed = await place_order(pipeline, on_hand=0 if partner == "suppliers" else 1)
    order_id, sku = placed.order_id, placed.sku
    if partner == "carriers":
        await pay_when_requested(pipeline, order_id)
    attention = await shown_attention(pipeline, order_id)
    assert attention["code"] == ("no_supply" if partner == "suppliers" else "refused")
    assert ", asked to " in attention["message"]
    assert ", refused: " in attention["message"]
    assert "http" not in attention["message"]
    assert await pipeline.requests(partner, operation, sku) == []
    assert (await pipeline.intake().retry(order_id, "ann")).accepted
    if partner == "suppliers":
        await receive_purchase(pipeline, order_id, sku)
    if partner != "carriers":
        await pay_and_book(pipeline, order_id)
    await dispatch_and_deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    subject = sku if partner == "suppliers" else order_id
    [done] = await pipeline.requests(partner, operation, subject)
    calls = (await pipeline.books(partner))["calls"]
    keys = [c["key"] for c in calls if c["operation"] == operation and subject in str(c["body"])]
    refused, granted = keys
    assert done["key"] == granted
    if partner == "suppliers":  # a refused purchase order is replaced by another one
        assert refused.rpartition("/send/")[0] != granted.rpartition("/send/")[0]
    else:
        assert [key.rpartition("/")[2] for key in keys] == ["1", "2"]
    assert_happened_once(await pipeline.order(order_id))
    assert order_id not in await pipeline.attentions()
    pipeline.check_books()


async def test_facts_do_not_repeat_a_refused_payment_request(pipeline: World) -> None:
    """An order on credit is delivered meanwhile; the operator's retry repeats it."""
    await pipeline.misbehave(partner="payments", operation="request", fault="refuse")
    order_id = (await place_order(pipeline, terms="net30", channel="phone")).order_id
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "dispatched")
    await shown_attention(pipeline, order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    assert await pipeline.requests("payments", "request", order_id) == []
    assert (await shown_attention(pipeline, order_id))["code"] == "refused"
    assert (await pipeline.intake().retry(order_id, "ann")).accepted
    await pipeline.until_event(order_id, "payment_requested")
    [done] = await pipeline.requests("payments", "request", order_id)
    assert done["key"].endswith("/2")
    await pipeline.pay(order_id, "119.00")
    await pipeline.until(order_id, "completed")


async def test_second_refusal_waits_for_an_operator_again(pipeline: World) -> None:
    """The third attempt is granted."""
    await pipeline.misbehave(partner="payments", operation="request", fault="refuse", times=2)
    order_id = (await place_order(pipeline)).order_id
    for _ in range(2):
        await shown_attention(pipeline, order_id)
        before = len((await pipeline.order(order_id))["history"])
        assert (await pipeline.intake().retry(order_id, "ann")).accepted
        await pipeline.until_order(order_id, _history_longer_than(before + 1))
    await pay_and_book(pipeline, order_id)
    await dispatch_and_deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    [done] = await pipeline.requests("payments", "request", order_id)
    assert done["key"].endswith("/3")
    pipeline.check_books()


def _history_longer_than(count: int) -> Any:
    return lambda shown: len(shown["history"]) > count


async def test_refused_mail_address_is_recorded_and_the_order_completes(pipeline: World) -> None:
    """Confirmation, invoice and dispatch mail."""
    order_id = (await place_order(pipeline, shop={"email": "refused.ada@example.com"})).order_id
    await pay_and_book(pipeline, order_id)
    await dispatch_and_deliver(pipeline, order_id)
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    refused = [row["detail"] for row in shown["history"] if row["event"] == "mail_refused"]
    assert len(refused) == 3
    assert all("550" in detail for detail in refused)
    assert "mailed" not in events(shown)
    assert shown["attention"] is None
    pipeline.check_books()


# Callbacks, from partners that act by themselves


@pytest.mark.parametrize("fault", ["duplicate", "reorder", "delay"])
async def test_repeated_reordered_and_late_callbacks_complete_the_order_once(
    busy_world: World, fault: str
) -> None:
    """Of the provider, the supplier and the carrier."""
    for partner in ("payments", "suppliers", "carriers"):
        await busy_world.misbehave(
            partner=partner, operation="callback", fault=fault, times=2, seconds=0.2
        )
    placed = await place_order(busy_world, on_hand=0)
    await assert_completed_once(busy_world, placed.order_id, purchased_sku=placed.sku)
    await busy_world.partners.delete("/control/faults")
    assert (await busy_world.order(placed.order_id))["odd_facts"] == []
