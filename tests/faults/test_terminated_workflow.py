"""A terminated order goes on from the tables when the same document is placed again."""

from collections.abc import Awaitable, Callable

import pytest

from models.errors import Refused
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document
from tests.support.orders.exactly_once import (
    assert_asked_once,
    assert_completed_once,
    assert_happened_once,
    until_asked,
)
from tests.support.orders.stages import (
    TOTAL,
    finish,
    pay_and_book,
    pay_when_requested,
    place_order,
    until_purchased,
)
from tests.support.pipeline.command_line import reconciled
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


async def terminate(world: World, order_id: str) -> None:
    """Terminate an order's workflow, as an operator does in the Temporal UI."""
    await world.order_workflow(order_id).terminate("by the test")


async def place_again(world: World, document: Document) -> None:
    """Place the same document again: it is the same order."""
    response = await world.api.post("/orders", json=document)
    assert response.status_code == 200, response.text
    assert response.json()["order_id"] == document["order_id"]


async def recorded(world: World, order_id: str) -> None:
    """Wait until the order is recorded; its stock may be allocated or not."""
    await world.until_event(order_id, "recorded")


async def request_in_flight(world: World, order_id: str) -> None:
    """Wait until the provider has the payment request; its answer comes too late for this run."""
    await until_asked(world, "payments", "request", order_id)


async def awaiting_payment(world: World, order_id: str) -> None:
    """Wait until the payment is requested."""
    await world.until_event(order_id, "payment_requested")


async def booking_in_flight(world: World, order_id: str) -> None:
    """Pay; wait until the carrier has the booking; its answer comes too late for this run."""
    await pay_when_requested(world, order_id)
    await until_asked(world, "carriers", "booking", order_id)


async def in_transit(world: World, order_id: str) -> None:
    """Pay, and wait until the goods have left."""
    await pay_and_book(world, order_id)
    await world.ship(order_id, "dispatched")
    await world.until(order_id, "in_transit")


Reach = Callable[[World, str], Awaitable[None]]
LATE = {"fault": "timeout_after", "seconds": 1.0}
PHASES: dict[str, tuple[Reach, Document | None]] = {
    "received": (recorded, None),
    "payment request in flight": (
        request_in_flight,
        {"partner": "payments", "operation": "request", **LATE},
    ),
    "awaiting payment": (awaiting_payment, None),
    "paid, booking in flight": (
        booking_in_flight,
        {"partner": "carriers", "operation": "booking", **LATE},
    ),
    "booked": (pay_and_book, None),
    "in transit": (in_transit, None),
}
"""How an order reaches the phase, and a partner's fault."""


@pytest.mark.parametrize("phase", PHASES)
async def test_terminated_order_placed_again_completes_exactly_once(
    pipeline: World, phase: str
) -> None:
    """At each phase; a retry is refused meanwhile."""
    reach, fault = PHASES[phase]
    if fault:
        await pipeline.misbehave(**fault)
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await reach(pipeline, order_id)
    await terminate(pipeline, order_id)
    assert (await pipeline.order(order_id))["attention"]["code"] == "workflow_ended"
    with pytest.raises(Refused, match="place the same document again"):
        await pipeline.intake().retry(order_id, "ann")
    await place_again(pipeline, placed.document)
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id)


async def test_order_terminated_before_it_is_recorded_is_accepted_again(idle_world: World) -> None:
    """No worker has run: only the engine knows the order, which is shown as received."""
    placed = await place_order(idle_world)
    order_id = placed.order_id
    await terminate(idle_world, order_id)
    shown = await idle_world.order(order_id)
    assert (shown["stage"], shown["attention"]["code"]) == ("received", "workflow_ended")
    response = await idle_world.api.post("/orders", json=placed.document)
    assert response.is_success
    async with idle_world.worker():
        await finish(idle_world, order_id)
        await assert_completed_once(idle_world, order_id)


async def test_order_terminated_while_awaiting_stock_gets_the_purchased_goods(
    pipeline: World,
) -> None:
    """They arrive while no workflow of the order runs."""
    placed = await place_order(pipeline, on_hand=0)
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(pipeline, order_id)
    await terminate(pipeline, order_id)
    await pipeline.receive(po_id, sku, 1)
    await pipeline.replenishment(sku).result()
    await place_again(pipeline, placed.document)
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id, purchased_sku=sku)


async def test_goods_of_a_terminated_replenishment_are_received(pipeline: World) -> None:
    """The receipt is applied, and the order notified."""
    placed = await place_order(pipeline, on_hand=0)
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(pipeline, order_id)
    await until_asked(pipeline, "suppliers", "purchase_order", sku)
    await pipeline.replenishment(sku).terminate("by the test")
    await pipeline.receive(po_id, sku, 1)
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id, purchased_sku=sku)


async def test_facts_between_two_runs_are_applied(pipeline: World) -> None:
    """Payment, dispatch and delivery each arrive between a terminated run and the next."""
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await awaiting_payment(pipeline, order_id)
    await terminate(pipeline, order_id)
    await pipeline.pay(order_id, TOTAL)
    await place_again(pipeline, placed.document)
    await pipeline.until_event(order_id, "booked")
    for event in ("dispatched", "delivered"):
        await terminate(pipeline, order_id)
        await pipeline.ship(order_id, event)
        await place_again(pipeline, placed.document)
        await pipeline.until_event(order_id, event)
    await assert_completed_once(pipeline, order_id)


async def test_facts_that_the_terminated_run_has_not_handled_are_applied(idle_world: World) -> None:
    """No worker ran: the signals are only in the history of the terminated run."""
    placed = await place_order(idle_world)
    order_id = placed.order_id
    async with idle_world.worker():
        await awaiting_payment(idle_world, order_id)
    await idle_world.pay(order_id, TOTAL)
    await terminate(idle_world, order_id)
    await place_again(idle_world, placed.document)
    async with idle_world.worker():
        await idle_world.until_event(order_id, "booked")
    for event in ("dispatched", "delivered"):
        await idle_world.ship(order_id, event)
    await terminate(idle_world, order_id)
    await place_again(idle_world, placed.document)
    async with idle_world.worker():
        await assert_completed_once(idle_world, order_id)


async def test_terminated_cancellation_is_finished_when_the_order_is_placed_again(
    pipeline: World,
) -> None:
    """Nothing is undone twice."""
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await pay_and_book(pipeline, order_id)
    await pipeline.misbehave(partner="payments", operation="refund", **LATE)
    handle = pipeline.order_workflow(order_id)
    await handle.execute_update("cancel", args=[{"reason": "changed mind"}])
    await until_asked(pipeline, "payments", "refund", order_id)
    await terminate(pipeline, order_id)
    await place_again(pipeline, placed.document)
    shown = await pipeline.until(order_id, "cancelled")
    await pipeline.ended(order_id)
    assert_happened_once(await pipeline.order(order_id))
    assert shown["lines"][0]["reserved"] == 0
    for partner, operation in (
        ("payments", "refund"),
        ("payments", "void"),
        ("carriers", "cancel"),
    ):
        await assert_asked_once(pipeline, partner, operation, order_id)
    assert accounts_of(pipeline, order_id) == {}


async def test_attention_of_the_terminated_run_is_cleared_by_the_next(pipeline: World) -> None:
    """The new run calls the carrier again."""
    await pipeline.misbehave(partner="carriers", operation="booking", fault="refuse")
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await pay_when_requested(pipeline, order_id)
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await terminate(pipeline, order_id)
    await place_again(pipeline, placed.document)
    await finish(pipeline, order_id)
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert (shown["stage"], shown["attention"]) == ("completed", None)


async def test_mails_of_an_order_completed_without_a_workflow_are_sent_by_the_next_run(
    pipeline: World,
) -> None:
    """The facts were applied without the terminated run."""
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await pay_and_book(pipeline, order_id)
    await terminate(pipeline, order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until_order(order_id, lambda shown: shown["stage"] == "completed")
    await place_again(pipeline, placed.document)
    await pipeline.ended(order_id)
    details = [r["detail"] for r in (await pipeline.order(order_id))["history"]]
    assert sum(detail.startswith("dispatch to") for detail in details) == 1
    await assert_completed_once(pipeline, order_id)


async def test_completed_order_placed_again_starts_no_run(pipeline: World) -> None:
    """Its row prevents it: the engine may have deleted the history."""
    placed = await place_order(pipeline)
    await finish(pipeline, placed.order_id)
    handle = await pipeline.ended(placed.order_id)
    before = (await handle.describe()).run_id
    await place_again(pipeline, placed.document)
    assert (await handle.describe()).run_id == before
    await assert_completed_once(pipeline, placed.order_id)


async def test_order_terminated_before_it_is_recorded_is_listed_and_a_finding(
    idle_world: World,
) -> None:
    """Until it is placed again."""
    placed = await place_order(idle_world)
    order_id = placed.order_id
    await terminate(idle_world, order_id)
    listed = await until(idle_world.attentions, lambda codes: order_id in codes)
    assert listed[order_id] == "workflow_ended"
    async with idle_world.worker():
        assert f"workflow:{order_id}" in await reconciled(idle_world)
        await idle_world.place(placed.document)
        await finish(idle_world, order_id)
        await until(idle_world.attentions, lambda codes: order_id not in codes)
        assert f"workflow:{order_id}" not in await reconciled(idle_world)
        await assert_completed_once(idle_world, order_id)
