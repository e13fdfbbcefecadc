"""Purchase orders: which needs they combine, their reasons, and the expected dates of orders."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest

from activities.database.company import day_of
from models.purchasing import PurchaseOrderState as State
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import order, unique
from tests.support.orders.exactly_once import assert_happened_once
from tests.support.orders.stages import events
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.purchasing.market import CHEAP_MINOR, DEAR_MINOR, FAR, Market
from tests.support.purchasing.purchases import (
    acknowledge,
    bought,
    offer,
    purchase_ledger,
    rejection_reasons,
    reorder_at,
    send_supplier_invoice,
    stock_at,
    until_purchases,
)

COLLECTING_S = 3.0


@pytest.fixture(scope="module", params=DATABASES)
async def collecting(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline whose purchase orders collect lines for three seconds."""
    async with (
        new_world(request, engine_address, worker=False, auto=False) as world,
        world.worker(replenishment_window=COLLECTING_S),
    ):
        yield world


# Combined needs and reasons


async def test_ten_short_orders_of_a_sku_become_one_purchase_order_line(collecting: World) -> None:
    """The purchase order lists the orders it is for."""
    market = Market(collecting)
    order_ids = await asyncio.gather(*(market.place(2) for _ in range(10)))
    for order_id in order_ids:
        await collecting.until_event(order_id, "bought")
    [only] = bought(collecting.database, market.sku)
    assert await market.purchased() == [("C", 20)]
    reason = only.reason(market.sku)
    assert sorted(reason.orders) == sorted(order_ids)
    assert (reason.short, reason.restock, reason.position) == (20, 0, -20)
    assert "20 short for " in only.order.reason


async def test_needs_of_one_supplier_and_location_share_a_purchase_order(collecting: World) -> None:
    """Two SKUs, one of them with a worthwhile price break; the higher freight, shared by value."""
    supplier_id = unique("S")
    (one, customer), (other, _) = (collecting.shop(on_hand=0, offers=False) for _ in range(2))
    offer(
        collecting,
        one,
        supplier_id,
        1_000,
        break_quantity=10,
        break_unit_cost_minor=800,
        freight_cost_minor=1_200,
        duty_ppm=100_000,
    )
    offer(collecting, other, supplier_id, 2_000, freight_cost_minor=900)
    lines = [{"sku": one, "quantity": 9}, {"sku": other, "quantity": 6}]
    document = order(one, customer, lines=lines)
    await collecting.place(document)
    await collecting.until_event(document["order_id"], "bought")
    [only] = bought(collecting.database, one)
    po_id = only.order.po_id
    assert [p.order.po_id for p in bought(collecting.database, other)] == [po_id]
    [sent] = await collecting.requests("suppliers", "purchase_order", one)
    assert {
        line["sku"]: (line["quantity"], line["unit_cost"]) for line in sent["body"]["lines"]
    } == {
        one: (10, "8.00"),
        other: (6, "20.00"),
    }
    assert only.order.freight_minor == 1_200
    await collecting.receive(po_id, one, 10)
    await collecting.receive(po_id, other, 6)
    await until_purchases(collecting, one, lambda found: found[0].order.state is State.RECEIVED)
    # Goods 80.00 and 120.00, freight 4.80 and 7.20, duty of a tenth on the first.
    assert stock_at(collecting, one) == (10, 9, 8_000 + 480 + 800)
    assert stock_at(collecting, other) == (6, 6, 12_000 + 720)
    assert purchase_ledger(collecting, po_id) == {
        "INVENTORY": 22_000,
        "GOODS_RECEIVED_NOT_INVOICED": -20_000,
        "ACCRUED_FREIGHT": -2_000,
    }
    await send_supplier_invoice(collecting, po_id, [(one, 10, "8.00"), (other, 6, "20.00")])
    await until_purchases(collecting, one, lambda found: found[0].order.state is State.INVOICED)
    assert purchase_ledger(collecting, po_id) == {
        "INVENTORY": 22_000,
        "ACCOUNTS_PAYABLE": -20_000,
        "ACCRUED_FREIGHT": -2_000,
    }
    await collecting.until(document["order_id"], "awaiting_payment")


async def test_purchase_order_records_its_reason(pipeline: World) -> None:
    """Orders, position, reorder point, demand, lead time, the offers compared, the choice."""
    market = Market(pipeline, on_hand=1)
    reorder_at(pipeline, market.sku, reorder_point=8, order_quantity=20)
    order_id = await market.place(4)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    reason = only.reason(market.sku)
    assert (reason.orders, reason.short, reason.restock) == ((order_id,), 3, 20)
    assert (reason.position, reason.reorder_point) == (-3, 8)
    assert (reason.demand_a_day, reason.lead_time_days) == (2.0, 3.0)
    rows = [(row.supplier_id, row.landed_minor) for row in reason.comparison.rows]
    assert rows == [(market.cheap, 23 * CHEAP_MINOR), (market.dear, 23 * DEAR_MINOR)]
    cheapest = "lowest landed cost for the 23 units wanted, of 2 offers that arrive by"
    assert reason.comparison.reason.startswith(cheapest)
    assert only.lines[market.sku].quantity == 23
    assert only.order.reason.startswith(
        f"{market.sku}: 3 short for {order_id} and 20 to restock (position -3, reorder point 8): "
        + cheapest
    )


async def test_order_that_reaches_the_reorder_point_restocks_once(pipeline: World) -> None:
    """Ten less two are eight: twenty are purchased, and the order doesn't wait."""
    market = Market(pipeline, on_hand=10)
    reorder_at(pipeline, market.sku, reorder_point=8, order_quantity=20)
    first = await market.place(1)
    await pipeline.until(first, "awaiting_payment")
    assert bought(pipeline.database, market.sku) == []
    second = await market.place(1)
    await pipeline.until(second, "awaiting_payment")
    await market.until_states(State.SENT)
    third = await market.place(1)
    await pipeline.until(third, "awaiting_payment")
    [only] = await market.until_states(State.SENT)
    assert await market.purchased() == [("C", 20)]
    reason = only.reason(market.sku)
    assert (reason.orders, reason.short, reason.restock, reason.position) == ((), 0, 20, 8)


# Expected dates


async def test_partial_receipt_serves_the_first_promised_order_and_keeps_other_dates(
    collecting: World,
) -> None:
    """Three orders of two, three units received: the first goes on, the second holds one."""
    market = Market(collecting)
    order_ids = []
    for _ in range(3):
        order_id = await market.place(2)
        await collecting.until(order_id, "awaiting_stock")
        order_ids.append(order_id)
    first, second, third = order_ids
    await collecting.until_event(third, "bought")
    [only] = bought(collecting.database, market.sku)
    po_id = only.order.po_id
    await acknowledge(collecting, po_id, expected_date=FAR.isoformat())
    for order_id in order_ids:
        dated = await collecting.until_event(order_id, "backorder_dated")
        assert [b["expected_date"] for b in dated["backorders"]] == [FAR.isoformat()]
    await collecting.receive(po_id, market.sku, 3)
    await collecting.until(first, "awaiting_payment")
    half = await collecting.until_order(second, lambda o: o["lines"][0]["reserved"] == 1)
    for shown, short in ((half, 1), (await collecting.order(third), 2)):
        [backorder] = shown["backorders"]
        assert (backorder["quantity"], backorder["po_id"]) == (short, po_id)
        assert backorder["expected_date"] == FAR.isoformat()
    await collecting.receive(po_id, market.sku, 3)
    for order_id in (second, third):
        await collecting.until(order_id, "awaiting_payment")
        assert_happened_once(await collecting.order(order_id), "backorder_filled")
    assert await market.purchased() == [("C", 6)]


async def test_latest_acknowledgement_sets_the_expected_date(pipeline: World) -> None:
    """By its time, whenever it arrives; without a date the offer's lead time counts."""
    market = Market(pipeline)
    order_id = await market.place(1)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id = only.order.po_id
    now = datetime.now(UTC)

    async def acknowledged(minutes_ago: int, **fields: str) -> None:
        occurred_at = (now - timedelta(minutes=minutes_ago)).isoformat()
        await acknowledge(pipeline, po_id, occurred_at=occurred_at, **fields)

    await acknowledged(30)
    quoted = pipeline.database.read(lambda s: day_of(s, now)) + timedelta(days=3)
    await until_expected_on(pipeline, order_id, quoted)
    await acknowledged(10, expected_date=FAR.isoformat())
    await until_expected_on(pipeline, order_id, FAR)
    await acknowledged(20, expected_date=(FAR - timedelta(days=9)).isoformat())
    await acknowledged(5, expected_date=(FAR + timedelta(days=7)).isoformat())
    await until_expected_on(pipeline, order_id, FAR + timedelta(days=7))
    assert events(await pipeline.order(order_id)).count("backorder_dated") == 3
    assert await market.purchased() == [("C", 1)]


async def test_date_that_stands_for_an_unknown_one_is_no_expected_date(pipeline: World) -> None:
    """The offer's lead time counts, and replenishment goes on."""
    market = Market(pipeline)
    order_id = await market.place(1)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    quoted = pipeline.database.read(lambda s: day_of(s, datetime.now(UTC))) + timedelta(days=3)
    await acknowledge(pipeline, only.order.po_id, expected_date="9999-12-31")
    await until_expected_on(pipeline, order_id, quoted)
    await pipeline.receive(only.order.po_id, market.sku, 1)
    await pipeline.until_event(order_id, "payment_requested")
    assert await market.purchased() == [("C", 1)]


async def until_expected_on(world: World, order_id: str, day: date) -> None:
    """Wait until the order's backorder is expected on `day`."""
    await world.until_order(
        order_id, lambda o: [b["expected_date"] for b in o["backorders"]] == [day.isoformat()]
    )


async def test_refusal_after_an_acceptance_is_applied(pipeline: World) -> None:
    """An acceptance after a refusal is rejected: the next supplier has the purchase order then."""
    market = Market(pipeline)
    order_id = await market.place(2)
    await pipeline.until_event(order_id, "bought")
    [first] = bought(pipeline.database, market.sku)
    await acknowledge(pipeline, first.order.po_id, expected_date=FAR.isoformat())
    await market.until_states(State.ACKNOWLEDGED)
    nothing = [{"sku": market.sku, "quantity": 0}]
    await acknowledge(pipeline, first.order.po_id, lines=nothing)
    await market.until_states(State.REFUSED, State.SENT)
    await acknowledge(pipeline, first.order.po_id, expected_date=FAR.isoformat())
    await until(lambda: rejection_reasons(pipeline, first.order.po_id))
    await market.until_states(State.REFUSED, State.SENT)
    assert await market.purchased() == [("C", 2), ("D", 2)]
