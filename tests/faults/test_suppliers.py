"""Suppliers that never answer, refuse, contradict themselves, ship wrongly or ask another price: each
ends right, and nothing is bought twice, by the suppliers' own books."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from activities.database.unit_of_work import utc_now
from intake import Intake
from models.messages.steps import PurchasePlan
from models.purchasing import PurchaseOrderState as State
from tests.conftest import DATABASES, new_world
from tests.support.exactly_once import assert_happened_once
from tests.support.purchases import (
    Purchase,
    accepted_by_suppliers,
    acknowledge,
    bought,
    offer,
    purchase_ledger,
    rejection_reasons,
    reorder_at,
    send_supplier_invoice,
    set_expected_date,
    stock_at,
    until_purchases,
)
from tests.support.shop import Document, order, unique
from tests.support.waiting import until
from tests.support.world import World
from workflows.replenishment import ReplenishmentWorkflow

CHEAP_MINOR, DEAR_MINOR = 5_000, 5_500
IMPATIENT = {"acknowledge_within": 2.0}
COLLECTING = {"replenishment_window": 3.0}
FAR = date(2031, 1, 31)


async def changed_world(
    request: pytest.FixtureRequest, engine_address: str, auto: bool, changes: Document
) -> AsyncIterator[World]:
    """A pipeline with other settings."""
    async with new_world(request, engine_address, worker=False, auto=auto) as made:
        made.settings = made.settings.model_copy(update=changes)
        async with made.worker():
            yield made


@pytest.fixture(scope="module", params=DATABASES)
async def impatient(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Suppliers have two seconds to acknowledge; partners act by themselves."""
    async for made in changed_world(request, engine_address, True, IMPATIENT):
        yield made


@pytest.fixture(scope="module", params=DATABASES)
async def collecting(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Purchase orders collect lines for three seconds; partners do nothing by themselves."""
    async for made in changed_world(request, engine_address, False, COLLECTING):
        yield made


class Market:
    """A SKU that two suppliers offer, and what becomes of its orders."""

    def __init__(self, world: World, on_hand: int = 0) -> None:
        self.world = world
        self.sku, self.customer = world.shop(on_hand=on_hand, offers=False)
        self.cheap, self.dear = unique("CHEAP"), unique("DEAR")
        offer(world, self.sku, self.cheap, CHEAP_MINOR)
        offer(world, self.sku, self.dear, DEAR_MINOR)

    async def goes_wrong(self, supplier_id: str, *faults: str, **how: Any) -> None:
        """Tell a supplier what to do wrong with its next purchase order."""
        for fault in faults:
            await self.world.misbehave(
                partner="suppliers",
                operation="fulfilment",
                fault=fault,
                supplier_id=supplier_id,
                **how,
            )

    async def place(self, quantity: int, **changes: Any) -> str:
        """An order; returns its id."""
        document = order(self.sku, self.customer, quantity=quantity, **changes)
        await self.world.place(document)
        return str(document["order_id"])

    async def completed(self, order_id: str) -> None:
        """Wait for the order's end; nothing of it happened twice."""
        await self.world.until(order_id, "completed")
        await self.world.ended(order_id)
        shown = await self.world.order(order_id)
        assert shown["attention"] is None
        events = [row["event"] for row in shown["history"]]
        for event in ("recorded", "allocated", "invoiced", "booked", "dispatched", "delivered"):
            assert events.count(event) == 1, events

    async def taken(self) -> list[tuple[str, int]]:
        """What was bought of whom, by the suppliers' books: C(heap) or D(ear), and units."""
        rows = await accepted_by_suppliers(self.world, self.sku)
        return [(supplier_id[0], units) for supplier_id, units in rows]

    async def until_states(self, *states: State) -> list[Purchase]:
        """Wait until the purchase orders, the earliest first, are in these states."""
        return await until_purchases(
            self.world, self.sku, lambda found: [b.order.state for b in found] == list(states)
        )

    async def until_received(self, units: int) -> Purchase:
        """Wait until the first purchase order has brought so many good units."""
        found = await until_purchases(
            self.world,
            self.sku,
            lambda found: bool(found) and found[0].lines[self.sku].received == units,
        )
        return found[0]

    def assert_owed(self, po_id: str, amount_minor: int) -> None:
        """Received and invoiced as ordered: goods in the inventory, the supplier to be paid."""
        assert purchase_ledger(self.world, po_id) == {
            "INVENTORY": amount_minor,
            "ACCOUNTS_PAYABLE": -amount_minor,
        }


# Suppliers that act by themselves: what one doesn't bring, the next one does.


@pytest.mark.parametrize("how", ["says nothing", "declines", "refuses the call"])
async def test_who_does_not_take_it_is_followed_by_the_next_offer(
    impatient: World, how: str
) -> None:
    """One purchase order each, the second when the first is given up."""
    market = Market(impatient)
    if how == "refuses the call":
        await impatient.misbehave(partner="suppliers", operation="purchase_order", fault="refuse")
    else:
        fault = {"says nothing": "silence", "declines": "decline"}[how]
        await market.goes_wrong(market.cheap, fault)
    order_id = await market.place(5)
    await market.completed(order_id)
    over = State.LAPSED if how == "says nothing" else State.REFUSED
    first, second = await market.until_states(over, State.INVOICED)
    refused = [] if how == "refuses the call" else [("C", 5)]
    assert await market.taken() == [*refused, ("D", 5)]
    assert first.order.supplier_id == market.cheap
    assert purchase_ledger(impatient, first.order.po_id) == {}
    market.assert_owed(second.order.po_id, 5 * DEAR_MINOR)
    excluded = {row.supplier_id: row.why_not for row in second.reason(market.sku).comparison.rows}
    assert excluded[market.dear] is None
    assert (excluded[market.cheap] or "").startswith(f"{first.order.po_id}: ")
    assert stock_at(impatient, market.sku) == (0, 0, 0)


async def test_goods_of_one_who_never_answered_are_taken_in_when_they_come_after_all(
    impatient: World,
) -> None:
    """They become stock; nothing more is bought, and the late answer is kept as odd."""
    market = Market(impatient)
    await market.goes_wrong(market.cheap, "silence")
    order_id = await market.place(5)
    await market.completed(order_id)
    first, _ = await market.until_states(State.LAPSED, State.INVOICED)
    po_id = first.order.po_id
    await impatient.receive(po_id, market.sku, 5)
    await market.until_received(5)
    await send_supplier_invoice(impatient, po_id, [(market.sku, 5, "50.00")])
    await until_purchases(
        impatient, market.sku, lambda found: found[0].lines[market.sku].invoiced == 5
    )
    await acknowledge(impatient, po_id, expected_date=FAR.isoformat())
    await until(lambda: rejection_reasons(impatient, po_id))
    assert stock_at(impatient, market.sku) == (5, 0, 5 * CHEAP_MINOR)
    market.assert_owed(po_id, 5 * CHEAP_MINOR)
    assert await market.taken() == [("C", 5), ("D", 5)]


async def test_what_one_does_not_promise_the_next_one_brings(busy_world: World) -> None:
    """Two of five promised: three of the other."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "promise_part", units=2)
    order_id = await market.place(5)
    await market.completed(order_id)
    first, second = await market.until_states(State.INVOICED, State.INVOICED)
    assert await market.taken() == [("C", 2 + 3), ("D", 3)]
    market.assert_owed(first.order.po_id, 2 * CHEAP_MINOR)
    market.assert_owed(second.order.po_id, 3 * DEAR_MINOR)
    assert second.reason(market.sku).short == 3


@pytest.mark.parametrize("fault", ["answer_twice", "slip", "ship_first"])
async def test_answers_twice_late_or_after_the_goods_change_nothing(
    busy_world: World, fault: str
) -> None:
    """One purchase order, received and invoiced once."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, fault)
    order_id = await market.place(5)
    await market.completed(order_id)
    [only] = await market.until_states(State.INVOICED)
    assert await market.taken() == [("C", 5)]
    market.assert_owed(only.order.po_id, 5 * CHEAP_MINOR)
    assert rejection_reasons(busy_world, only.order.po_id) == []
    shown = await busy_world.order(order_id)
    assert_happened_once_but(shown, "backorder_dated", "backorder_told", "mailed")


async def test_what_is_shipped_short_stays_due_and_may_follow(busy_world: World) -> None:
    """Three of five: the order waits for two, and nobody else is asked."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "ship_short", units=2)
    order_id = await market.place(5)
    only = await market.until_received(3)
    waiting = await busy_world.until(order_id, "awaiting_stock")
    assert [row["quantity"] for row in waiting["backorders"]] == [2]
    await busy_world.receive(only.order.po_id, market.sku, 2)
    await market.completed(order_id)
    assert await market.taken() == [("C", 5)]
    assert stock_at(busy_world, market.sku) == (0, 0, 0)


async def test_what_is_overdue_for_too_long_is_bought_of_the_next_offer(busy_world: World) -> None:
    """Three came, and the date of the others has passed long ago."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "ship_short", units=2)
    order_id = await market.place(5)
    only = await market.until_received(3)
    set_expected_date(busy_world, only.order.po_id, (datetime.now(UTC) - timedelta(days=60)).date())
    door = Intake(busy_world.client, busy_world.database, utc_now, busy_world.settings.buying)
    await door.look_again(market.sku, None)
    await market.completed(order_id)
    await market.until_states(State.INVOICED, State.INVOICED)
    assert await market.taken() == [("C", 5), ("D", 2)]


async def test_a_little_more_than_ordered_is_taken_in(busy_world: World) -> None:
    """Two above twenty, a tenth: they are stock, and owed for."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "ship_long", units=2)
    order_id = await market.place(20)
    await market.completed(order_id)
    [only] = await market.until_states(State.INVOICED)
    assert stock_at(busy_world, market.sku) == (2, 0, 2 * CHEAP_MINOR)
    market.assert_owed(only.order.po_id, 22 * CHEAP_MINOR)
    assert await market.taken() == [("C", 20)]


async def test_far_more_than_ordered_is_odd_and_changes_nothing(busy_world: World) -> None:
    """Until somebody says what was kept of it; the invoice waits for those goods."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "ship_long", units=5)
    order_id = await market.place(5)
    [only] = await market.until_states(State.SHIPPED)
    po_id = only.order.po_id
    reasons = await until(
        lambda: rejection_reasons(busy_world, po_id), lambda found: len(found) == 2
    )
    goods, money = sorted(reasons, key=len, reverse=True)
    assert "5 more can be taken, not 10" in goods
    assert "10 x" in money
    assert purchase_ledger(busy_world, po_id) == {}
    await busy_world.receive(po_id, market.sku, 5)
    await market.completed(order_id)
    await send_supplier_invoice(busy_world, po_id, [(market.sku, 5, "50.00")])
    await market.until_states(State.INVOICED)
    market.assert_owed(po_id, 5 * CHEAP_MINOR)
    assert await market.taken() == [("C", 5)]


async def test_damaged_goods_are_no_stock_and_not_owed_for(busy_world: World) -> None:
    """They stay due, and may be replaced."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "damage", units=2)
    order_id = await market.place(5)
    only = await market.until_received(3)
    assert only.lines[market.sku].damaged == 2
    await until_purchases(
        busy_world, market.sku, lambda found: found[0].lines[market.sku].invoiced == 3
    )
    market.assert_owed(only.order.po_id, 3 * CHEAP_MINOR)
    await busy_world.receive(only.order.po_id, market.sku, 2)
    await market.completed(order_id)
    assert await market.taken() == [("C", 5)]


async def test_everything_at_once_from_one_supplier_ends_right(busy_world: World) -> None:
    """Two answers after goods that came short and damaged, at another price."""
    market = Market(busy_world)
    faults = ("ship_first", "answer_twice", "ship_short", "damage", "other_price")
    await market.goes_wrong(market.cheap, *faults)
    order_id = await market.place(5)
    only = await market.until_received(3)
    await busy_world.receive(only.order.po_id, market.sku, 2)
    await market.completed(order_id)
    assert await market.taken() == [("C", 5)]


@pytest.mark.parametrize("percent", [10, -10])
async def test_another_price_is_owed_and_the_difference_is_cost(
    busy_world: World, percent: int
) -> None:
    """Wherever the goods were when the invoice came, nothing is left in between."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "other_price", percent=percent)
    order_id = await market.place(5)
    await market.completed(order_id)
    [only] = await market.until_states(State.INVOICED)
    posted = purchase_ledger(busy_world, only.order.po_id)
    asked_minor = 5 * CHEAP_MINOR * (100 + percent) // 100
    assert posted.pop("ACCOUNTS_PAYABLE") == -asked_minor
    assert posted.keys() <= {"INVENTORY", "COST_OF_GOODS_SOLD"}
    assert sum(posted.values()) == asked_minor
    assert stock_at(busy_world, market.sku) == (0, 0, 0)


@pytest.mark.parametrize("fault", ["duplicate", "reorder"])
async def test_callbacks_of_suppliers_twice_or_in_the_wrong_order_end_the_same(
    busy_world: World, fault: str
) -> None:
    """Acknowledgement, notice, receipt and invoice."""
    market = Market(busy_world)
    for _ in range(2):
        await busy_world.misbehave(partner="suppliers", operation="callback", fault=fault, times=2)
    order_id = await market.place(5)
    await market.completed(order_id)
    await busy_world.partners.delete("/control/faults")
    [only] = await market.until_states(State.INVOICED)
    market.assert_owed(only.order.po_id, 5 * CHEAP_MINOR)
    assert rejection_reasons(busy_world, only.order.po_id) == []
    assert await market.taken() == [("C", 5)]


async def test_where_no_offer_is_left_the_order_says_who_was_tried(busy_world: World) -> None:
    """A retry asks all of them again, with a new purchase order."""
    market = Market(busy_world)
    await market.goes_wrong(market.cheap, "decline")
    await market.goes_wrong(market.dear, "decline")
    order_id = await market.place(5)
    stuck = await busy_world.until_order(order_id, lambda o: o["attention"] is not None)
    assert stuck["attention"]["code"] == "no_supply"
    tried = await market.until_states(State.REFUSED, State.REFUSED)
    for one in tried:
        assert f"{one.order.supplier_id}: {one.order.po_id}: " in stuck["attention"]["message"]
    door = Intake(busy_world.client, busy_world.database, utc_now, busy_world.settings.buying)
    assert (await door.retry(order_id, "ann")).accepted
    await market.completed(order_id)
    await market.until_states(State.REFUSED, State.REFUSED, State.INVOICED)
    assert await market.taken() == [("C", 5), ("D", 5), ("C", 5)]


async def test_what_runs_low_and_nobody_brings_waits_for_a_person_until_it_is_offered(
    pipeline: World,
) -> None:
    """The order that took the last above the reorder point goes on."""
    sku, customer = pipeline.shop(on_hand=10, offers=False)
    reorder_at(pipeline, sku, reorder_point=8, order_quantity=20)
    document = order(sku, customer, quantity=3)
    await pipeline.place(document)
    await pipeline.until(document["order_id"], "awaiting_payment")
    replenishment = pipeline.client.get_workflow_handle(f"replenish-BER-{sku}")

    async def plan() -> PurchasePlan | None:
        try:
            return await replenishment.query(ReplenishmentWorkflow.status)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None  # it is told beside the order's way

    stuck = await until(plan, lambda seen: seen and seen.problem)
    assert stuck
    assert f"20 x {sku} are to be restocked at BER" in (stuck.problem or "")
    assert (await pipeline.order(document["order_id"]))["attention"] is None
    offer(pipeline, sku, unique("S"), CHEAP_MINOR)
    door = Intake(pipeline.client, pipeline.database, utc_now, pipeline.settings.buying)
    await door.look_again(sku, None)
    [only] = await until_purchases(
        pipeline, sku, lambda found: [b.order.state for b in found] == [State.SENT]
    )
    assert only.lines[sku].quantity == 20
    assert await until(plan, lambda seen: seen and not seen.problem)


# What a purchase order is made of.


async def test_ten_short_orders_of_one_sku_are_one_line(collecting: World) -> None:
    """Of one purchase order, which says whom it is for."""
    market = Market(collecting)
    order_ids = await asyncio.gather(*(market.place(2) for _ in range(10)))
    for order_id in order_ids:
        await collecting.until_event(order_id, "bought")
    [only] = bought(collecting.database, market.sku)
    assert await market.taken() == [("C", 20)]
    reason = only.reason(market.sku)
    assert sorted(reason.orders) == sorted(order_ids)
    assert (reason.short, reason.restock, reason.position) == (20, 0, -20)
    assert "20 short for " in only.order.reason


async def test_needs_of_one_supplier_and_location_share_a_purchase_order(
    collecting: World,
) -> None:
    """Two SKUs, one with a price break that is worth it; the dearer freight, shared by value."""
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
    document = order(one, customer) | {"lines": lines}
    await collecting.place(document)
    await collecting.until_event(document["order_id"], "bought")
    [only] = bought(collecting.database, one)
    assert [b.order.po_id for b in bought(collecting.database, other)] == [only.order.po_id]
    [sent] = await collecting.requests("suppliers", "purchase_order", one)
    assert {
        line["sku"]: (line["quantity"], line["unit_cost"]) for line in sent["body"]["lines"]
    } == {
        one: (10, "8.00"),
        other: (6, "20.00"),
    }
    assert only.order.freight_minor == 1_200
    po_id = only.order.po_id
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


async def test_a_purchase_order_says_why(pipeline: World) -> None:
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


async def test_an_order_from_stock_that_reaches_the_reorder_point_restocks(
    pipeline: World,
) -> None:
    """Ten less two are eight: twenty are bought, once, and the order doesn't wait."""
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
    assert await market.taken() == [("C", 20)]
    reason = only.reason(market.sku)
    assert (reason.orders, reason.short, reason.restock, reason.position) == ((), 0, 20, 8)


# Dates, and who is served.


async def test_a_receipt_of_half_serves_the_first_promised_and_the_rest_keep_their_dates(
    collecting: World,
) -> None:
    """Three orders of two, three units come: the first goes on, the second holds one."""
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
    for shown, missing in ((half, 1), (await collecting.order(third), 2)):
        [waits] = shown["backorders"]
        assert (waits["quantity"], waits["po_id"]) == (missing, po_id)
        assert waits["expected_date"] == FAR.isoformat()
    await collecting.receive(po_id, market.sku, 3)
    for order_id in (second, third):
        await collecting.until(order_id, "awaiting_payment")
        assert_happened_once_but(await collecting.order(order_id), "backorder_filled")
    assert await market.taken() == [("C", 6)]


def assert_happened_once_but(shown: Document, *events: str) -> None:
    """Nothing stands twice in the history but `events`."""
    rows = [row for row in shown["history"] if row["event"] not in events]
    assert_happened_once(shown | {"history": rows})


async def test_a_date_that_slips_and_one_without_a_date(pipeline: World) -> None:
    """The last one said counts, whenever it arrives; who says none is held to the offer's."""
    market = Market(pipeline)
    order_id = await market.place(1)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id = only.order.po_id
    now = datetime.now(UTC)

    async def said(minutes_ago: int, **what: str) -> None:
        moment = (now - timedelta(minutes=minutes_ago)).isoformat()
        await acknowledge(pipeline, po_id, occurred_at=moment, **what)

    await said(30)
    quoted = (now + timedelta(days=3)).date()
    await dated(pipeline, order_id, quoted)
    await said(10, expected_date=FAR.isoformat())
    await dated(pipeline, order_id, FAR)
    await said(20, expected_date=(FAR - timedelta(days=9)).isoformat())
    await said(5, expected_date=(FAR + timedelta(days=7)).isoformat())
    await dated(pipeline, order_id, FAR + timedelta(days=7))
    shown = await pipeline.order(order_id)
    assert [row["event"] for row in shown["history"]].count("backorder_dated") == 3
    assert await market.taken() == [("C", 1)]


async def dated(world: World, order_id: str, day: date) -> None:
    """Wait until the order's backorder is expected on `day`."""
    await world.until_order(
        order_id, lambda o: [b["expected_date"] for b in o["backorders"]] == [day.isoformat()]
    )


async def test_a_refusal_that_is_said_after_an_acceptance_counts(pipeline: World) -> None:
    """And an acceptance after a refusal doesn't: the next one has the order by then."""
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
    assert await market.taken() == [("C", 2), ("D", 2)]


# Invoices.


async def test_a_price_difference_is_cost_of_what_is_held_and_of_what_is_gone(
    pipeline: World,
) -> None:
    """Two of four have left when 10 % more is asked: 10.00 to the inventory, 10.00 to cost."""
    market = Market(pipeline)
    order_id = await market.place(2, terms="net30", channel="phone")
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id = only.order.po_id
    other = await market.place(2)
    await pipeline.until_event(other, "bought")
    _, second = bought(pipeline.database, market.sku)
    await pipeline.receive(po_id, market.sku, 2)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until(order_id, "in_transit")
    await pipeline.receive(second.order.po_id, market.sku, 2)
    await pipeline.until(other, "awaiting_payment")
    await send_supplier_invoice(
        pipeline, po_id, [(market.sku, 1, "55.00"), (market.sku, 1, "55.00")]
    )
    await until_purchases(
        pipeline, market.sku, lambda found: found[0].order.state is State.INVOICED
    )
    # Two units of the SKU are still held, be they of this order or of the other.
    assert purchase_ledger(pipeline, po_id) == {"INVENTORY": 11_000, "ACCOUNTS_PAYABLE": -11_000}
    await pipeline.pay(other, "238.00")
    await pipeline.until_event(other, "booked")
    await pipeline.ship(other, "dispatched")
    await pipeline.until(other, "in_transit")
    await send_supplier_invoice(pipeline, second.order.po_id, [(market.sku, 2, "45.00")])
    await until_purchases(
        pipeline, market.sku, lambda found: found[1].order.state is State.INVOICED
    )
    assert purchase_ledger(pipeline, second.order.po_id) == {
        "INVENTORY": 10_000,
        "COST_OF_GOODS_SOLD": -1_000,
        "ACCOUNTS_PAYABLE": -9_000,
    }
    assert stock_at(pipeline, market.sku) == (0, 0, 0)


async def test_an_invoice_before_its_goods_waits_for_them(pipeline: World) -> None:
    """In parts, told twice; a second one for the same goods is odd."""
    market = Market(pipeline)
    order_id = await market.place(4)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id, invoice_id = only.order.po_id, unique("si")
    for _ in range(2):
        await send_supplier_invoice(pipeline, po_id, [(market.sku, 4, "50.00")], invoice_id)
    await send_supplier_invoice(pipeline, po_id, [(market.sku, 4, "50.00")])
    await send_supplier_invoice(pipeline, po_id, [(market.sku, 3, "50.00")], invoice_id)
    await pipeline.receive(po_id, market.sku, 3)
    await pipeline.until_order(order_id, lambda o: o["lines"][0]["reserved"] == 3)
    assert purchase_ledger(pipeline, po_id) == {
        "INVENTORY": 3 * CHEAP_MINOR,
        "GOODS_RECEIVED_NOT_INVOICED": -3 * CHEAP_MINOR,
    }
    await pipeline.receive(po_id, market.sku, 1)
    await market.until_states(State.INVOICED)
    market.assert_owed(po_id, 4 * CHEAP_MINOR)
    other_content, too_many = sorted(rejection_reasons(pipeline, po_id))
    assert other_content == "invoice_id: known with other content"
    assert too_many.startswith("quantity: 4 x ")


BAD_INVOICES: dict[str, tuple[Document, str]] = {
    "another currency": ({"currency": "USD"}, "currency"),
    "a SKU that wasn't ordered": ({"sku": "NOBODY"}, "lines"),
    "more than was ordered": ({"quantity": 6}, "quantity"),
    "no money": ({"unit_cost": "5,00"}, "unit_cost"),
    "below nothing": ({"unit_cost": "-1.00"}, "unit_cost"),
    "out of range": ({"unit_cost": "9999999999999.00"}, "unit_cost"),
}


async def test_invoices_that_can_not_be_right_are_odd_and_post_nothing(pipeline: World) -> None:
    """Each with the field that is wrong."""
    market = Market(pipeline)
    order_id = await market.place(5)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id = only.order.po_id
    await pipeline.receive(po_id, market.sku, 5)
    await pipeline.until(order_id, "awaiting_payment")
    for change, _ in BAD_INVOICES.values():
        line = {"sku": market.sku, "quantity": 5, "unit_cost": "50.00"}
        currency = change.get("currency", "EUR")
        line |= {k: v for k, v in change.items() if k != "currency"}
        data = {"invoice_id": unique("si"), "po_id": po_id, "currency": currency, "lines": [line]}
        assert (await pipeline.tell("purchase_order.invoiced", data)).status_code == 204
    reasons = await until(
        lambda: rejection_reasons(pipeline, po_id), lambda found: len(found) == len(BAD_INVOICES)
    )
    fields = sorted(reason.partition(":")[0] for reason in reasons)
    assert fields == sorted(field for _, field in BAD_INVOICES.values())
    assert purchase_ledger(pipeline, po_id) == {
        "INVENTORY": 5 * CHEAP_MINOR,
        "GOODS_RECEIVED_NOT_INVOICED": -5 * CHEAP_MINOR,
    }
    assert purchase_ledger(pipeline, po_id)["INVENTORY"] == stock_at(pipeline, market.sku)[2]
    await send_supplier_invoice(pipeline, po_id, [(market.sku, 5, "50.00")])
    await market.until_states(State.INVOICED)
