"""Terminate an order's workflow, place the same document again: it goes on from the tables."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.database.unit_of_work import utc_now
from intake import Intake
from models.errors import Refused
from tests.support.command_line import reconciled
from tests.support.exactly_once import (
    accounts_of,
    assert_asked_once,
    assert_completed_once,
    assert_happened_once,
    until_asked,
)
from tests.support.shop import Document, order
from tests.support.waiting import until
from tests.support.world import World

TOTAL = "119.00"


def run_of(world: World, order_id: str) -> WorkflowHandle[Any, Any]:
    """The order's workflow, whichever run of it is the last."""
    return world.client.get_workflow_handle(f"order-{order_id}")


async def terminate(world: World, order_id: str) -> None:
    """As an operator does in the Temporal UI."""
    await run_of(world, order_id).terminate("by the test")


async def place_again(world: World, document: Document) -> None:
    """The same document is the same order."""
    response = await world.api.post("/orders", json=document)
    assert response.status_code == 200, response.text
    assert response.json()["order_id"] == document["order_id"]


async def pay(world: World, order_id: str) -> None:
    """Paid, where it wasn't before; once the payment was asked for."""
    shown = await world.until_event(order_id, "payment_requested")
    if shown["paid"] != TOTAL:
        await world.pay(order_id, TOTAL)


async def finish(world: World, order_id: str) -> None:
    """Everything that the order may still wait for; what it knows is said twice."""
    await pay(world, order_id)
    await world.until_event(order_id, "booked")
    for what in ("dispatched", "delivered"):
        await world.ship(order_id, what)


async def placed(world: World, order_id: str) -> None:
    """Nothing more: it may be recorded, or allocated, or neither."""
    await world.until_event(order_id, "recorded")


async def request_in_flight(world: World, order_id: str) -> None:
    """The provider has the request; its answer comes too late for this run."""
    await until_asked(world, "payments", "request", order_id)


async def awaiting_payment(world: World, order_id: str) -> None:
    """The payment was requested."""
    await world.until_event(order_id, "payment_requested")


async def booking_in_flight(world: World, order_id: str) -> None:
    """Paid; the carrier has the booking, its answer comes too late for this run."""
    await pay(world, order_id)
    await until_asked(world, "carriers", "booking", order_id)


async def booked(world: World, order_id: str) -> None:
    """Paid and booked."""
    await pay(world, order_id)
    await world.until_event(order_id, "booked")


async def in_transit(world: World, order_id: str) -> None:
    """The goods have left."""
    await booked(world, order_id)
    await world.ship(order_id, "dispatched")
    await world.until(order_id, "in_transit")


Reach = Callable[[World, str], Awaitable[None]]
LATE = {"fault": "timeout_after", "seconds": 1.0}
PHASES: dict[str, tuple[Reach, Document | None]] = {
    "received": (placed, None),
    "payment request in flight": (
        request_in_flight,
        {"partner": "payments", "operation": "request", **LATE},
    ),
    "awaiting payment": (awaiting_payment, None),
    "paid, booking in flight": (
        booking_in_flight,
        {"partner": "carriers", "operation": "booking", **LATE},
    ),
    "booked": (booked, None),
    "in transit": (in_transit, None),
}


@pytest.mark.parametrize("phase", PHASES)
async def test_terminated_and_placed_again_the_order_completes_and_nothing_is_doubled(
    pipeline: World, phase: str
) -> None:
    """By the partners' own books, at each phase."""
    reach, fault = PHASES[phase]
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    if fault:
        await pipeline.misbehave(**fault)
    await pipeline.place(document)
    await reach(pipeline, order_id)
    await terminate(pipeline, order_id)
    assert (await pipeline.order(order_id))["attention"]["code"] == "workflow_ended"
    with pytest.raises(Refused, match="place the same document again"):
        await Intake(pipeline.client, pipeline.database, utc_now, pipeline.settings.buying).retry(
            order_id, "ann"
        )
    await place_again(pipeline, document)
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id)


async def test_terminated_before_it_is_recorded_the_order_is_placed_anew(
    idle_world: World,
) -> None:
    """No worker has seen it: only the engine knew it, and shows it as received."""
    sku, customer = idle_world.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await idle_world.place(document)
    await terminate(idle_world, order_id)
    shown = await idle_world.order(order_id)
    assert (shown["stage"], shown["attention"]["code"]) == ("received", "workflow_ended")
    response = await idle_world.api.post("/orders", json=document)
    assert response.is_success
    async with idle_world.worker():
        await finish(idle_world, order_id)
        await assert_completed_once(idle_world, order_id)


async def test_terminated_while_awaiting_stock_the_order_gets_the_goods_that_were_bought(
    pipeline: World,
) -> None:
    """They arrive while no workflow of the order runs."""
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "bought")
    po_id = shown["backorders"][0]["po_id"]
    await terminate(pipeline, order_id)
    await pipeline.receive(po_id, sku, 1)
    await pipeline.client.get_workflow_handle(f"replenish-BER-{sku}").result()
    await place_again(pipeline, document)
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id, purchased_sku=sku)


async def test_goods_arrive_though_the_replenishment_was_terminated(pipeline: World) -> None:
    """The receipt is applied all the same, and the order told."""
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "bought")
    await until_asked(pipeline, "suppliers", "purchase_order", sku)
    await pipeline.client.get_workflow_handle(f"replenish-BER-{sku}").terminate("by the test")
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 1)
    await finish(pipeline, order_id)
    await assert_completed_once(pipeline, order_id, purchased_sku=sku)


async def test_facts_that_arrive_while_no_run_is_there_are_not_lost(pipeline: World) -> None:
    """Payment, dispatch and delivery each come between a terminated run and the next."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    await awaiting_payment(pipeline, order_id)
    await terminate(pipeline, order_id)
    await pipeline.pay(order_id, TOTAL)
    await place_again(pipeline, document)
    await pipeline.until_event(order_id, "booked")
    for what in ("dispatched", "delivered"):
        await terminate(pipeline, order_id)
        await pipeline.ship(order_id, what)
        await place_again(pipeline, document)
        await pipeline.until_event(order_id, what)
    await assert_completed_once(pipeline, order_id)


async def test_facts_that_the_terminated_run_never_read_are_not_lost(idle_world: World) -> None:
    """No worker ran: the signals were in the history of the terminated run only."""
    sku, customer = idle_world.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await idle_world.place(document)
    async with idle_world.worker():
        await awaiting_payment(idle_world, order_id)
    await idle_world.pay(order_id, TOTAL)
    await terminate(idle_world, order_id)
    await place_again(idle_world, document)
    async with idle_world.worker():
        await idle_world.until_event(order_id, "booked")
    for what in ("dispatched", "delivered"):
        await idle_world.ship(order_id, what)
    await terminate(idle_world, order_id)
    await place_again(idle_world, document)
    async with idle_world.worker():
        await assert_completed_once(idle_world, order_id)


async def test_terminated_while_cancelling_the_order_is_cancelled_when_placed_again(
    pipeline: World,
) -> None:
    """What was undone isn't undone twice; what wasn't is."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    await booked(pipeline, order_id)
    await pipeline.misbehave(partner="payments", operation="refund", **LATE)
    await run_of(pipeline, order_id).execute_update("cancel", args=[{"reason": "changed mind"}])
    await until_asked(pipeline, "payments", "refund", order_id)
    await terminate(pipeline, order_id)
    await place_again(pipeline, document)
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


async def test_what_waited_for_a_person_before_waits_no_longer_when_it_goes_on(
    pipeline: World,
) -> None:
    """The new run asks the carrier again, and the old attention is gone."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.misbehave(partner="carriers", operation="booking", fault="refuse")
    await pipeline.place(document)
    await pay(pipeline, order_id)
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await terminate(pipeline, order_id)
    await place_again(pipeline, document)
    await finish(pipeline, order_id)
    await pipeline.ended(order_id)
    shown = await pipeline.order(order_id)
    assert (shown["stage"], shown["attention"]) == ("completed", None)


async def test_completed_by_facts_alone_the_mails_are_sent_when_it_is_placed_again(
    pipeline: World,
) -> None:
    """The run that would have sent them was terminated."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await pipeline.place(document)
    await booked(pipeline, order_id)
    await terminate(pipeline, order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until_order(order_id, lambda shown: shown["stage"] == "completed")
    await place_again(pipeline, document)
    await pipeline.ended(order_id)
    details = [r["detail"] for r in (await pipeline.order(order_id))["history"]]
    assert sum(detail.startswith("dispatch to") for detail in details) == 1
    await assert_completed_once(pipeline, order_id)


async def test_an_order_that_is_over_stays_over_when_it_is_placed_again(pipeline: World) -> None:
    """Completed, and its history may be gone from the engine: the row is the guard."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer)
    await pipeline.place(document)
    await finish(pipeline, document["order_id"])
    handle = await pipeline.ended(document["order_id"])
    before = (await handle.describe()).run_id
    await place_again(pipeline, document)
    assert (await handle.describe()).run_id == before
    await assert_completed_once(pipeline, document["order_id"])


async def test_an_order_that_was_ended_before_it_was_recorded_is_listed_and_found(
    idle_world: World,
) -> None:
    """It was accepted, so nobody may forget it; placed again, it goes on."""
    sku, customer = idle_world.shop(on_hand=1)
    document = order(sku, customer)
    order_id = document["order_id"]
    await idle_world.place(document)
    await terminate(idle_world, order_id)
    listed = await until(idle_world.attentions, lambda codes: order_id in codes)
    assert listed[order_id] == "workflow_ended"
    async with idle_world.worker():
        assert f"workflow:{order_id}" in await reconciled(idle_world)
        await idle_world.place(document)
        await finish(idle_world, order_id)
        await until(idle_world.attentions, lambda codes: order_id not in codes)
        assert f"workflow:{order_id}" not in await reconciled(idle_world)
        await assert_completed_once(idle_world, order_id)
