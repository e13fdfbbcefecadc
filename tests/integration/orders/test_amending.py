"""Amended orders: before billing, price, stock, credit and payment request follow the lines; after
it, fewer units are credited."""

from typing import Any

from tests.support.database.rows import rows_about
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import customer_row, unique
from tests.support.orders.stages import (
    booked,
    delivered,
    events,
    place_order,
    units,
    until_purchased,
)
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

WHY = ("--reason", "the customer called")


async def amend(world: World, order_id: str, **quantities: int) -> Any:
    """Amend an order by API."""
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    body = {"command_id": unique("cmd"), "reason": "the customer called", "lines": lines}
    return await world.api.post(f"/orders/{order_id}/lines", json=body)


async def asked_amounts(world: World, order_id: str) -> list[str]:
    """Return the amounts that the payment provider was asked to collect."""
    requests = await world.requests("payments", "request", order_id)
    return [row["body"]["amount"] for row in requests]


async def available(world: World, sku: str) -> int:
    """Return the units of a SKU that no order has."""
    stock = (await world.api.get(f"/stock/{sku}")).json()
    return sum(place["available"] for place in stock["locations"])


async def test_fewer_units_lower_price_and_request(pipeline: World) -> None:
    """The first request is replaced; the units are free again; the order completes."""
    placed = await place_order(pipeline, 3, 3)
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    words = ("amend", order_id, f"{placed.sku}:2", *WHY)
    before = rows_about(pipeline.database, order_id)
    shown = await run_json(pipeline, *words, "--dry-run")
    assert rows_about(pipeline.database, order_id) == before
    assert shown["effects"]["partners"] == [
        "the payment provider is asked to collect the new amount instead"
    ]
    done = await run_json(pipeline, *words)
    assert "3 -> 2, 357.00 EUR -> 238.00 EUR" in done["message"]
    amounts = await until(lambda: asked_amounts(pipeline, order_id), lambda sent: len(sent) == 2)
    assert amounts == ["357.00", "238.00"]
    assert await available(pipeline, placed.sku) == 1
    await pipeline.pay(order_id, "238.00")
    shown = await pipeline.until_event(order_id, "booked")
    assert (shown["total"], units(shown, "ordered")) == ("238.00", [[2]])
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "completed")
    assert events(shown).count("amended") == 1
    assert accounts_of(pipeline, order_id)["REVENUE"] == -20_000
    assert not [finding for finding in await reconciled(pipeline) if order_id in finding]


async def test_more_units_and_another_sku_are_reserved_or_purchased(pipeline: World) -> None:
    """Before the payment is requested, as units are short; then another SKU replaces them."""
    placed = await place_order(pipeline, 1, 2)
    order_id, sku = placed.order_id, placed.sku
    await until_purchased(pipeline, order_id)
    other, _ = pipeline.shop(on_hand=5)
    assert (await amend(pipeline, order_id, **{sku: 1, other: 2})).status_code == 200
    shown = await pipeline.until_event(order_id, "payment_requested")
    assert (shown["total"], shown["backorders"]) == ("357.00", [])
    assert units(shown, "ordered", "reserved") == [[1, 1], [2, 2]]
    assert (await amend(pipeline, order_id, **{other: 3, sku: 0})).status_code == 200
    amounts = await until(lambda: asked_amounts(pipeline, order_id), lambda sent: len(sent) == 1)
    assert amounts == ["357.00"]
    assert await available(pipeline, sku) == 1
    await pipeline.pay(order_id, "357.00")
    await pipeline.until_event(order_id, "booked")


async def test_sku_added_after_the_last_one_was_removed_gets_its_own_goods(
    pipeline: World,
) -> None:
    """Reserved, and purchased where it is short, while the order awaits its payment."""
    placed = await place_order(pipeline, 2, 1)
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    second, _ = pipeline.shop(on_hand=1)
    third, _ = pipeline.shop(on_hand=1)
    assert (await amend(pipeline, order_id, **{second: 2})).status_code == 200
    assert await until_purchased(pipeline, order_id)
    await until(lambda: asked_amounts(pipeline, order_id), lambda sent: len(sent) == 2)
    await pipeline.until_order(order_id, lambda o: events(o).count("payment_requested") == 2)
    assert (await amend(pipeline, order_id, **{second: 0})).status_code == 200
    await pipeline.until_order(order_id, lambda o: events(o).count("payment_requested") == 3)
    assert (await amend(pipeline, order_id, **{third: 1})).status_code == 200
    assert (await available(pipeline, second), await available(pipeline, third)) == (1, 0)
    await run_json(pipeline, "cancel", order_id)
    await pipeline.ended(order_id)
    assert (await available(pipeline, second), await available(pipeline, third)) == (1, 1)


async def test_amended_order_is_cancelled(pipeline: World) -> None:
    """All of its units are free again, and nothing is owed; a payment of the old amount comes
    back."""
    placed = await place_order(pipeline, 3, 3)
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    assert (await amend(pipeline, order_id, **{placed.sku: 1})).status_code == 200
    await run_json(pipeline, "cancel", order_id)
    await pipeline.ended(order_id)
    await pipeline.pay(order_id, "357.00")
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "357.00")
    assert shown["stage"] == "cancelled"
    assert await available(pipeline, placed.sku) == 3
    assert accounts_of(pipeline, order_id) == {}


async def test_request_that_was_paid_before_it_was_replaced_leaves_the_rest_due(
    pipeline: World,
) -> None:
    """An operator retries when the payment is reported; the rest is requested with a request of its own."""
    placed = await place_order(pipeline, 3, 2)
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    fault = {"operation": "request", "fault": "refuse", "code": "already_paid", "times": None}
    await pipeline.misbehave(partner="payments", **fault)
    assert (await amend(pipeline, order_id, **{placed.sku: 3})).status_code == 200
    await pipeline.until_order(
        order_id, lambda o: (o["attention"] or {}).get("code") == "already_paid"
    )
    await pipeline.partners.delete("/control/faults")
    await pipeline.pay(order_id, "238.00")
    await pipeline.until_event(order_id, "payment_received")
    await run_json(pipeline, "retry", order_id)
    amounts = await until(lambda: asked_amounts(pipeline, order_id), lambda sent: len(sent) == 2)
    assert amounts == ["238.00", "119.00"]
    requests = await pipeline.requests("payments", "request", order_id)
    assert [row["body"].get("replaces") for row in requests] == [None, None]
    await pipeline.pay(order_id, "119.00")
    await pipeline.until_event(order_id, "booked")


async def billed_in_parts(world: World) -> tuple[str, str, str]:
    """Place an order of three units, pay it, and book the first; returns id, SKU and purchase."""
    placed = await place_order(world, 1, 3, delivery="partial")
    order_id = placed.order_id
    po_id = await until_purchased(world, order_id)
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "357.00")
    await world.until_event(order_id, "booked")
    return order_id, placed.sku, po_id


async def test_billed_order_is_lowered_by_credit_note(pipeline: World) -> None:
    """A short unit is cancelled and refunded; the others are delivered; no more can be added."""
    order_id, sku, po_id = await billed_in_parts(pipeline)
    words = ("amend", order_id, f"{sku}:2", *WHY)
    before = rows_about(pipeline.database, order_id)
    shown = await run_json(pipeline, *words, "--dry-run")
    assert rows_about(pipeline.database, order_id) == before
    assert any("refund of 119.00 EUR" in text for text in shown["effects"]["money"])
    await run_json(pipeline, *words)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "119.00")
    assert units(shown, "ordered", "backordered") == [[3, 1]]
    raised = await amend(pipeline, order_id, **{sku: 4})
    assert (raised.status_code, "place another order for 2" in raised.json()["detail"]) == (
        422,
        True,
    )
    await pipeline.ship(order_id, "delivered")
    await pipeline.receive(po_id, sku, 2)
    await pipeline.until_order(order_id, lambda o: len(o["shipments"]) == 2)
    packed = await amend(pipeline, order_id, **{sku: 1})
    assert (packed.status_code, "are packed or have left" in packed.json()["detail"]) == (422, True)
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.ended(order_id)
    assert accounts_of(pipeline, order_id)["REVENUE"] == -20_000
    assert await available(pipeline, sku) == 1
    assert not [finding for finding in await reconciled(pipeline) if order_id in finding]


async def test_lowered_order_is_cancelled(pipeline: World) -> None:
    """Before anything has left: each part is refunded once, and nothing stays in the ledger."""
    order_id, sku, _ = await billed_in_parts(pipeline)
    assert (await amend(pipeline, order_id, **{sku: 1})).status_code == 200
    await run_json(pipeline, "cancel", order_id)
    await pipeline.ended(order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "357.00")
    assert shown["stage"] == "cancelled"
    assert accounts_of(pipeline, order_id) == {}
    assert await available(pipeline, sku) == 1
    assert not [finding for finding in await reconciled(pipeline) if order_id in finding]


async def test_amendment_beyond_the_credit_limit_is_refused(pipeline: World) -> None:
    """The order stays as it is, and can be amended within the limit."""
    placed = await place_order(pipeline, 0, 1, terms="net30")
    await until_purchased(pipeline, placed.order_id)
    limited = customer_row(placed.customer, credit_limit="200.00")
    pipeline.import_tables(customers=[limited])
    before = rows_about(pipeline.database, placed.order_id)
    refused = await amend(pipeline, placed.order_id, **{placed.sku: 2})
    assert (refused.status_code, "limit" in refused.json()["detail"]) == (422, True)
    assert rows_about(pipeline.database, placed.order_id) == before
    await run_json(pipeline, "cancel", placed.order_id)


async def test_wrong_amendment_is_refused(pipeline: World) -> None:
    """After delivery, after billing, of nothing, to nothing, and of an unknown SKU."""
    over, sku = await delivered(pipeline, 1)
    billed = await booked(pipeline)
    placed = await place_order(pipeline, 1, 1)
    waiting = placed.order_id
    await pipeline.until_event(waiting, "payment_requested")
    before = rows_about(pipeline.database, over, billed, waiting)
    for order_id, change, words in (
        (over, f"{sku}:2", "is delivered: authorise a return"),
        (billed, f"{sku}:2", "is billed with INV"),
        (waiting, f"{placed.sku}:1", "already"),
        (waiting, f"{placed.sku}:0", "cancel it instead"),
        (waiting, "UNKNOWN:1", "there is no SKU UNKNOWN"),
        (waiting, "UNKNOWN:0", "has no UNKNOWN to remove"),
    ):
        name, _, quantity = change.partition(":")
        refused = await amend(pipeline, order_id, **{name: int(quantity)})
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True), words
        status, _, err = await run(pipeline, "amend", order_id, change, *WHY)
        assert (status, words in err) == (1, True), err
    status, _, err = await run(pipeline, "amend", waiting, "SAW", *WHY)
    assert (status, "isn't SKU:QUANTITY" in err) == (2, True)
    assert rows_about(pipeline.database, over, billed, waiting) == before
