"""Payments after the deadline: refunded, or (`LATE_MONEY=reallocate`) the order is reinstated."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import WorkflowHandle

from tests.conftest import DATABASES, new_world
from tests.support.billing.payments import unmatched_payments
from tests.support.gateways.messages import payment
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import TOTAL, events, place_order, requested
from tests.support.pipeline.clock import working
from tests.support.pipeline.world import World

REFUNDED = "refunded: the order is cancelled"


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker: each test runs one with its own settings."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


async def expired(world: World) -> tuple[str, str]:
    """Place an order that is cancelled because it isn't paid in time; returns its id and SKU."""
    placed = await place_order(world)
    await world.until(placed.order_id, "cancelled")
    await world.ended(placed.order_id)
    return placed.order_id, placed.sku


async def report_payment(world: World, order_id: str, amount: str) -> WorkflowHandle[object, str]:
    """Report a payment for a cancelled order; returns the workflow that applies it."""
    fact_id = unique("msg")
    data = payment(order_id, amount=amount)
    assert (await world.send_fact("payment.received", data, fact_id)).status_code == 204
    return world.client.get_workflow_handle(f"fact-payments-{fact_id}", result_type=str)


async def pay_late(world: World, order_id: str, amount: str) -> str:
    """Report a payment for a cancelled order; returns the outcome."""
    return await (await report_payment(world, order_id, amount)).result()


async def unmatched(world: World, order_id: str) -> list[Document]:
    """List the unmatched payments of an order."""
    return [row for row in await unmatched_payments(world) if row["order_id"] == order_id]


async def test_late_payments_are_refunded(idle: World) -> None:
    """Each of two, and the ledger has no balance."""
    async with working(idle, payment_deadline=0.5):
        order_id, _ = await expired(idle)
        for amount in (TOTAL, "5.00"):
            assert await pay_late(idle, order_id, amount) == REFUNDED
        shown = await idle.order(order_id)
        assert (shown["stage"], shown["attention"]) == ("cancelled", None)
        assert events(shown).count("refunded") == 2
        assert await unmatched(idle, order_id) == []
        assert accounts_of(idle, order_id) == {}
        refunds = await idle.requests("payments", "refund", order_id)
        assert [row["body"]["amount"] for row in refunds] == [TOTAL, "5.00"]


async def test_refused_refund_of_a_late_payment_waits_for_an_operator(idle: World) -> None:
    """Listed, and shown on the order until a retry succeeds."""
    async with working(idle, payment_deadline=0.5):
        order_id, _ = await expired(idle)
        await idle.misbehave(partner="payments", operation="refund", fault="refuse")
        handle = await report_payment(idle, order_id, TOTAL)
        shown = await idle.until_order(order_id, lambda order: order["attention"])
        assert shown["attention"]["code"] == "refused"
        assert handle.id in shown["attention"]["message"]
        assert len(await unmatched(idle, order_id)) == 1
        assert (await idle.intake().retry(order_id, "ann")).accepted
        await handle.result()
        shown = await idle.order(order_id)
        assert shown["attention"] is None
        assert await unmatched(idle, order_id) == []
        assert accounts_of(idle, order_id) == {}


async def test_late_payment_reinstates_the_order(idle: World) -> None:
    """Allocated again, invoiced once, delivered; its first run ended as cancelled."""
    async with working(idle, payment_deadline=0.5, late_money="reallocate"):
        order_id, _ = await expired(idle)
        assert await pay_late(idle, order_id, "130.00") == "applied"
        shown = await idle.until_event(order_id, "booked")
        assert shown["paid"] == TOTAL
        assert shown["invoice_number"]
        assert [row["reason"] for row in await unmatched(idle, order_id)] == ["more than was due"]
        await idle.ship(order_id, "delivered")
        await idle.until(order_id, "completed")
        await idle.ended(order_id)
        shown = await idle.order(order_id)
        assert events(shown).count("allocated") == 2
        assert events(shown).count("invoiced") == 1
        assert shown["lines"][0]["delivered"] == 1
        assert await idle.requests("payments", "refund", order_id) == []


async def test_reinstated_order_waits_for_stock_that_another_order_has(idle: World) -> None:
    """Its shortage is purchased."""
    async with working(idle, payment_deadline=0.5, late_money="reallocate"):
        order_id, sku = await expired(idle)
        other = order(sku, (await idle.order(order_id))["customer_id"], terms="net30")
        await idle.place(other)
        await idle.until_event(other["order_id"], "booked")
        await pay_late(idle, order_id, TOTAL)
        shown = await idle.until_event(order_id, "bought")
        assert shown["stage"] == "awaiting_stock"
        answer = await idle.order_workflow(order_id).execute_update("cancel", {})
        assert answer["accepted"] is True
        await idle.until(order_id, "cancelled")
        assert accounts_of(idle, order_id) == {}


async def test_late_payment_that_does_not_cover_the_order_is_refunded(idle: World) -> None:
    """A part paid in time was refunded and doesn't count; a full payment reinstates the order."""
    async with working(idle, payment_deadline=2.0, late_money="reallocate"):
        order_id = await requested(idle)
        await idle.pay(order_id, "100.00")
        await idle.until(order_id, "cancelled")
        await idle.ended(order_id)
        assert await pay_late(idle, order_id, "19.00") == REFUNDED
        shown = await idle.order(order_id)
        assert shown["stage"] == "cancelled"
        assert accounts_of(idle, order_id) == {}
        assert await pay_late(idle, order_id, TOTAL) == "applied"
        shown = await idle.until_event(order_id, "booked")
        assert (shown["paid"], await unmatched(idle, order_id)) == (TOTAL, [])


async def test_order_cancelled_by_an_operator_is_not_reinstated(idle: World) -> None:
    """Even if its request names reason and actor of an expiry: the payment is refunded."""
    async with working(idle, late_money="reallocate"):
        order_id = await requested(idle)
        request = {"reason": "not paid in time", "actor": "deadline"}
        await idle.order_workflow(order_id).execute_update("cancel", request)
        await idle.ended(order_id)
        assert await pay_late(idle, order_id, TOTAL) == REFUNDED
        assert (await idle.order(order_id))["stage"] == "cancelled"
