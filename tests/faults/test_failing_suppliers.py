"""Suppliers that don't answer, refuse, or ship and invoice otherwise than ordered.

Each order completes, and nothing is purchased twice by the suppliers' own records.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.service import RPCError, RPCStatusCode

from models.messages.steps import PurchasePlan
from models.purchasing import PurchaseOrderState as State
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import location_row, order, unique
from tests.support.orders.exactly_once import assert_happened_once
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.purchasing.market import CHEAP_MINOR, DEAR_MINOR, FAR, Market
from tests.support.purchasing.purchases import (
    acknowledge,
    offer,
    purchase_ledger,
    rejection_reasons,
    reorder_at,
    send_supplier_invoice,
    set_expected_date,
    stock_at,
    until_purchases,
)
from workflows.replenishment import ReplenishmentWorkflow

ACKNOWLEDGE_WITHIN_S = 2.0


@pytest.fixture(scope="module", params=DATABASES)
async def impatient(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline whose suppliers must acknowledge within two seconds; partners act alone."""
    async with (
        new_world(request, engine_address, worker=False, auto=True) as world,
        world.worker(acknowledge_within=ACKNOWLEDGE_WITHIN_S),
    ):
        world.import_tables(locations=[location_row("BER", name="Berlin", weekend="none")])
        yield world


# Purchase orders that aren't accepted


@pytest.mark.parametrize("how", ["silence", "decline", "refused call"])
async def test_shortage_is_purchased_from_the_next_offer_if_the_first_fails(
    impatient: World, how: str
) -> None:
    """One purchase order each; the second one follows when the first is given up."""
    market = Market(impatient)
    if how == "refused call":
        await impatient.misbehave(partner="suppliers", operation="purchase_order", fault="refuse")
    else:
        await market.inject_faults(market.cheap, how)
    order_id = await market.place(5)
    await market.completed(order_id)
    given_up = State.LAPSED if how == "silence" else State.REFUSED
    first, second = await market.until_states(given_up, State.INVOICED)
    accepted = [] if how == "refused call" else [("C", 5)]
    assert await market.purchased() == [*accepted, ("D", 5)]
    assert first.order.supplier_id == market.cheap
    assert purchase_ledger(impatient, first.order.po_id) == {}
    market.assert_payable(second.order.po_id, 5 * DEAR_MINOR)
    excluded = {row.supplier_id: row.why_not for row in second.reason(market.sku).comparison.rows}
    assert excluded[market.dear] is None
    assert (excluded[market.cheap] or "").startswith(f"{first.order.po_id}: ")
    assert stock_at(impatient, market.sku) == (0, 0, 0)


async def test_late_goods_of_a_lapsed_purchase_order_are_received(impatient: World) -> None:
    """They become stock; nothing more is purchased, and the late acknowledgement is rejected."""
    market = Market(impatient)
    await market.inject_faults(market.cheap, "silence")
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
    market.assert_payable(po_id, 5 * CHEAP_MINOR)
    assert await market.purchased() == [("C", 5), ("D", 5)]


async def test_units_that_are_not_promised_are_purchased_from_the_next_offer(
    busy_world: World,
) -> None:
    """Two of five are promised, three purchased elsewhere."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "promise_part", units=2)
    order_id = await market.place(5)
    await market.completed(order_id)
    first, second = await market.until_states(State.INVOICED, State.INVOICED)
    assert await market.purchased() == [("C", 2 + 3), ("D", 3)]
    market.assert_payable(first.order.po_id, 2 * CHEAP_MINOR)
    market.assert_payable(second.order.po_id, 3 * DEAR_MINOR)
    assert second.reason(market.sku).short == 3


@pytest.mark.parametrize("fault", ["answer_twice", "slip", "ship_first"])
async def test_repeated_and_late_acknowledgements_change_nothing(
    busy_world: World, fault: str
) -> None:
    """One purchase order, received and invoiced once."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, fault)
    order_id = await market.place(5)
    await market.completed(order_id)
    [only] = await market.until_states(State.INVOICED)
    assert await market.purchased() == [("C", 5)]
    market.assert_payable(only.order.po_id, 5 * CHEAP_MINOR)
    assert rejection_reasons(busy_world, only.order.po_id) == []
    shown = await busy_world.order(order_id)
    assert_happened_once(shown, "backorder_dated", "backorder_notified")


# Goods that differ from the purchase order


async def test_units_shipped_short_stay_due(busy_world: World) -> None:
    """Three of five: the order waits for two, and no other supplier is asked."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "ship_short", units=2)
    order_id = await market.place(5)
    only = await market.until_received(3)
    waiting = await busy_world.until(order_id, "awaiting_stock")
    assert [row["quantity"] for row in waiting["backorders"]] == [2]
    await busy_world.receive(only.order.po_id, market.sku, 2)
    await market.completed(order_id)
    assert await market.purchased() == [("C", 5)]
    assert stock_at(busy_world, market.sku) == (0, 0, 0)


async def test_overdue_units_are_purchased_from_the_next_offer(busy_world: World) -> None:
    """Three are received, and the expected date of the others is long past."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "ship_short", units=2)
    order_id = await market.place(5)
    only = await market.until_received(3)
    set_expected_date(busy_world, only.order.po_id, (datetime.now(UTC) - timedelta(days=60)).date())
    await busy_world.intake().replenish(market.sku, None)
    await market.completed(order_id)
    await market.until_states(State.INVOICED, State.INVOICED)
    assert await market.purchased() == [("C", 5), ("D", 2)]


async def test_excess_within_the_tolerance_is_received(busy_world: World) -> None:
    """Two above twenty, a tenth: they are stock, and payable."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "ship_long", units=2)
    order_id = await market.place(20)
    await market.completed(order_id)
    [only] = await market.until_states(State.INVOICED)
    assert stock_at(busy_world, market.sku) == (2, 0, 2 * CHEAP_MINOR)
    market.assert_payable(only.order.po_id, 22 * CHEAP_MINOR)
    assert await market.purchased() == [("C", 20)]


async def test_excess_beyond_the_tolerance_is_rejected(busy_world: World) -> None:
    """Until an operator reports the accepted units; the invoice waits for those goods."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "ship_long", units=5)
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
    market.assert_payable(po_id, 5 * CHEAP_MINOR)
    assert await market.purchased() == [("C", 5)]


async def test_damaged_units_are_neither_stock_nor_payable(busy_world: World) -> None:
    """They stay due, and may be replaced."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "damage", units=2)
    order_id = await market.place(5)
    only = await market.until_received(3)
    assert only.lines[market.sku].damaged == 2
    await until_purchases(
        busy_world, market.sku, lambda found: found[0].lines[market.sku].invoiced == 3
    )
    market.assert_payable(only.order.po_id, 3 * CHEAP_MINOR)
    await busy_world.receive(only.order.po_id, market.sku, 2)
    await market.completed(order_id)
    assert await market.purchased() == [("C", 5)]


async def test_all_faults_of_one_supplier_together_complete_the_order(busy_world: World) -> None:
    """Two acknowledgements after goods that are short and damaged, at another price."""
    market = Market(busy_world)
    faults = ("ship_first", "answer_twice", "ship_short", "damage", "other_price")
    await market.inject_faults(market.cheap, *faults)
    order_id = await market.place(5)
    only = await market.until_received(3)
    await busy_world.receive(only.order.po_id, market.sku, 2)
    await market.completed(order_id)
    assert await market.purchased() == [("C", 5)]


@pytest.mark.parametrize("percent", [10, -10])
async def test_invoiced_price_is_payable_and_its_difference_is_cost(
    busy_world: World, percent: int
) -> None:
    """Wherever the goods are when the invoice arrives, no other balance is left."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "other_price", percent=percent)
    order_id = await market.place(5)
    await market.completed(order_id)
    [only] = await market.until_states(State.INVOICED)
    posted = purchase_ledger(busy_world, only.order.po_id)
    invoiced_minor = 5 * CHEAP_MINOR * (100 + percent) // 100
    assert posted.pop("ACCOUNTS_PAYABLE") == -invoiced_minor
    assert posted.keys() <= {"INVENTORY", "COST_OF_GOODS_SOLD"}
    assert sum(posted.values()) == invoiced_minor
    assert stock_at(busy_world, market.sku) == (0, 0, 0)


@pytest.mark.parametrize("fault", ["duplicate", "reorder"])
async def test_repeated_and_reordered_callbacks_of_suppliers_change_nothing(
    busy_world: World, fault: str
) -> None:
    """Acknowledgement, ship notice, receipt and invoice."""
    market = Market(busy_world)
    for _ in range(2):
        await busy_world.misbehave(partner="suppliers", operation="callback", fault=fault, times=2)
    order_id = await market.place(5)
    await market.completed(order_id)
    await busy_world.partners.delete("/control/faults")
    [only] = await market.until_states(State.INVOICED)
    market.assert_payable(only.order.po_id, 5 * CHEAP_MINOR)
    assert rejection_reasons(busy_world, only.order.po_id) == []
    assert await market.purchased() == [("C", 5)]


# No offer left


async def test_attention_of_an_unsupplied_order_lists_the_refusals(busy_world: World) -> None:
    """A retry asks all suppliers again, with new purchase orders."""
    market = Market(busy_world)
    await market.inject_faults(market.cheap, "decline")
    await market.inject_faults(market.dear, "decline")
    order_id = await market.place(5)
    stuck = await busy_world.until_order(order_id, lambda o: o["attention"] is not None)
    assert stuck["attention"]["code"] == "no_supply"
    for purchase in await market.until_states(State.REFUSED, State.REFUSED):
        po = purchase.order
        assert f"{po.supplier_id}: {po.po_id}: " in stuck["attention"]["message"]
    assert (await busy_world.intake().retry(order_id, "ann")).accepted
    await market.completed(order_id)
    await market.until_states(State.REFUSED, State.REFUSED, State.INVOICED)
    assert await market.purchased() == [("C", 5), ("D", 5), ("C", 5)]


async def test_restocking_without_an_offer_waits_for_one_while_orders_go_on(
    pipeline: World,
) -> None:
    """The replenishment shows the problem, not the order that reached the reorder point."""
    sku, customer = pipeline.shop(on_hand=10, offers=False)
    reorder_at(pipeline, sku, reorder_point=8, order_quantity=20)
    document = order(sku, customer, quantity=3)
    await pipeline.place(document)
    await pipeline.until(document["order_id"], "awaiting_payment")
    replenishment = pipeline.replenishment(sku)

    async def read_plan() -> PurchasePlan | None:
        try:
            return await replenishment.query(ReplenishmentWorkflow.status)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None  # the order notifies it in a background task

    stuck = await until(read_plan, lambda plan: plan and plan.problem)
    assert stuck
    assert f"20 x {sku} are to be restocked at BER" in (stuck.problem or "")
    assert (await pipeline.order(document["order_id"]))["attention"] is None
    offer(pipeline, sku, unique("S"), CHEAP_MINOR)
    await pipeline.intake().replenish(sku, None)
    [only] = await until_purchases(
        pipeline, sku, lambda found: [p.order.state for p in found] == [State.SENT]
    )
    assert only.lines[sku].quantity == 20
    assert await until(read_plan, lambda plan: plan and not plan.problem)
