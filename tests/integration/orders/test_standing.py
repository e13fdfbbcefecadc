"""Block and credit of a customer are judged again before goods leave, not only at acceptance."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import customer_row, order
from tests.support.orders.stages import (
    NewOrder,
    at_the_counter,
    dispatch_and_deliver,
    events,
    pay_when_requested,
    place_order,
    until_purchased,
)
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World

BLOCKED = {"status": "blocked"}


@pytest.fixture(params=DATABASES)
async def idle(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline without a worker."""
    async with new_world(request, engine_address, worker=False, auto=False) as world:
        yield world


def change(world: World, placed: NewOrder, **columns: str) -> None:
    """Import the customer of an order again; without columns, active and with credit."""
    world.import_tables(customers=[customer_row(placed.customer, **columns)])


async def until_attention(world: World, order_id: str, code: str) -> list[str]:
    """Wait for an attention; return the events of the order."""
    shown = await world.until_order(
        order_id, lambda shown: (shown["attention"] or {}).get("code") == code
    )
    return events(shown)


@pytest.mark.parametrize(
    ("columns", "code"),
    [(BLOCKED, "customer_blocked"), ({"credit_limit": "100.00"}, "credit_limit_exceeded")],
)
async def test_goods_on_credit_wait_for_an_operator(
    pipeline: World, columns: dict[str, str], code: str
) -> None:
    """Not invoiced, not booked, until the customer is imported again and an operator retries."""
    placed = await place_order(pipeline, on_hand=0, terms="net30")
    order_id = placed.order_id
    po_id = await until_purchased(pipeline, order_id)
    change(pipeline, placed, **columns)
    await pipeline.receive(po_id, placed.sku, 1)
    assert {"invoiced", "consigned", "booked"}.isdisjoint(
        await until_attention(pipeline, order_id, code)
    )
    assert await run_json(pipeline, "retry", order_id)
    await until_attention(pipeline, order_id, code)
    change(pipeline, placed)
    assert await run_json(pipeline, "retry", order_id)
    booked = await pipeline.until_event(order_id, "booked")
    assert booked["attention"] is None
    await dispatch_and_deliver(pipeline, order_id)
    await pipeline.pay(order_id, "119.00")
    await pipeline.until(order_id, "completed")


async def test_next_part_waits_when_the_customer_is_blocked_after_the_first(
    pipeline: World,
) -> None:
    placed = await place_order(pipeline, 1, 2, terms="net30", delivery="partial")
    order_id = placed.order_id
    await dispatch_and_deliver(pipeline, order_id)
    po_id = await until_purchased(pipeline, order_id)
    change(pipeline, placed, **BLOCKED)
    await pipeline.receive(po_id, placed.sku, 1)
    assert (await until_attention(pipeline, order_id, "customer_blocked")).count("booked") == 1
    change(pipeline, placed)
    status, _, err = await run(pipeline, "retry", order_id)
    assert status == 0, err
    await pipeline.until_order(order_id, lambda shown: events(shown).count("booked") == 2)


async def test_paid_goods_of_a_blocked_customer_do_not_leave(pipeline: World) -> None:
    """A block is judged for all terms; cancelled, the payment is refunded."""
    placed = await place_order(pipeline)
    order_id = placed.order_id
    await pipeline.until_event(order_id, "payment_requested")
    change(pipeline, placed, **BLOCKED)
    await pay_when_requested(pipeline, order_id)
    assert "booked" not in await until_attention(pipeline, order_id, "customer_blocked")
    assert await run_json(pipeline, "cancel", order_id, "--reason", "blocked")
    assert (await pipeline.until(order_id, "cancelled"))["refunded"] == "119.00"


async def test_goods_at_the_counter_stay_when_the_customer_is_blocked(pipeline: World) -> None:
    placed = await place_order(pipeline, **at_the_counter())
    order_id = placed.order_id
    await pipeline.until(order_id, "awaiting_payment")
    change(pipeline, placed, **BLOCKED)
    await pipeline.pay(order_id, "119.00")
    assert "dispatched" not in await until_attention(pipeline, order_id, "customer_blocked")
    change(pipeline, placed)
    assert await run_json(pipeline, "retry", order_id)
    await pipeline.until(order_id, "completed")


async def test_collection_by_a_blocked_customer_is_refused(pipeline: World) -> None:
    fields = at_the_counter() | {"fulfilment": "pick_up", "terms": "prepaid"}
    placed = await place_order(pipeline, **fields)
    order_id = placed.order_id
    await pay_when_requested(pipeline, order_id)
    await pipeline.until_event(order_id, "consigned")
    change(pipeline, placed, **BLOCKED)
    status, _, err = await run(pipeline, "deliver", f"SH-{order_id}-1")
    assert (status, "is blocked" in err) == (1, True), err
    answer = await pipeline.api.post(
        f"/shipments/SH-{order_id}-1/events", json={"status": "delivered"}
    )
    assert (answer.status_code, "is blocked" in answer.text) == (422, True), answer.text


async def test_order_of_a_customer_blocked_before_it_is_recorded_waits(idle: World) -> None:
    """Nothing is reserved, requested or sent; unblocked, it goes on."""
    sku, customer = idle.shop()
    documents = [order(sku, customer), order(sku, customer, terms="net30")]
    for document in documents:
        await idle.place(document)
    placed = NewOrder(sku, customer, documents[0])
    change(idle, placed, **BLOCKED)
    async with idle.worker():
        for document in documents:
            found = await until_attention(idle, document["order_id"], "customer_blocked")
            assert {"allocated", "payment_requested", "invoiced"}.isdisjoint(found)
        change(idle, placed)
        for document in documents:
            assert await run_json(idle, "retry", document["order_id"])
            on_credit = document["terms"] == "net30"
            event = "booked" if on_credit else "payment_requested"
            await idle.until_event(document["order_id"], event)
