"""Facts that arrive twice, early or in the wrong order: the order ends as with each fact once."""

from tests.support.billing.payments import unmatched_payments
from tests.support.gateways.messages import assert_completed_as_plain, carrier_event, payment
from tests.support.orders.exactly_once import (
    assert_asked_once,
    assert_completed_once,
    assert_happened_once,
    until_asked,
)
from tests.support.orders.stages import (
    TOTAL,
    dispatch_and_deliver,
    events,
    pay_and_book,
    place_order,
    requested,
)
from tests.support.pipeline.world import World


async def test_repeated_facts_are_applied_once(pipeline: World) -> None:
    """The same signal, the same webhook, and the same payment with another webhook-id."""
    order_id = await requested(pipeline)
    handle = pipeline.order_workflow(order_id)
    data = payment(order_id)
    await handle.signal("payment_received", data)
    for webhook_id in ("again-1", "again-1", "again-2"):
        answer = await pipeline.send_fact("payment.received", data, f"{order_id}-{webhook_id}")
        assert answer.status_code == 204
    await pipeline.until_event(order_id, "booked")
    for name in ("dispatched", "delivered"):
        fact = carrier_event(order_id)
        await handle.signal(f"shipment_{name}", fact)  # first: the last fact ends the workflow
        for webhook_id in ("again-1", "again-1", "again-2"):
            answer = await pipeline.send_fact(
                f"shipment.{name}", fact, f"{order_id}-{name}-{webhook_id}"
            )
            assert answer.status_code == 204
        if name == "dispatched":
            await pipeline.until(order_id, "in_transit")
    shown = await assert_completed_as_plain(pipeline, order_id)
    assert shown["paid"] == TOTAL
    assert shown["odd_facts"] == []
    unmatched = {row["claimed_order_id"] for row in await unmatched_payments(pipeline)}
    assert order_id not in unmatched


async def test_delivery_before_dispatch_counts_as_both(pipeline: World) -> None:
    """The late dispatch changes nothing."""
    placed = await place_order(pipeline)
    await pay_and_book(pipeline, placed.order_id)
    await pipeline.ship(placed.order_id, "delivered")
    await pipeline.ship(placed.order_id, "dispatched")
    await assert_completed_as_plain(pipeline, placed.order_id)


async def test_dispatch_before_the_confirmed_booking_is_applied(pipeline: World) -> None:
    """The carrier picks up before its answer to the booking arrives."""
    order_id = await requested(pipeline)
    await pipeline.misbehave(
        partner="carriers", operation="booking", fault="timeout_after", seconds=1.0
    )
    await pipeline.pay(order_id, TOTAL)
    await until_asked(pipeline, "carriers", "booking", order_id)
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until(order_id, "in_transit")
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await assert_completed_once(pipeline, order_id)
    shown = await pipeline.order(order_id)
    assert shown["shipments"][0]["tracking_number"]


async def test_facts_before_the_recorded_order_are_applied(idle_world: World) -> None:
    """No worker runs: the payment as webhook and signal, and an unusable signal."""
    placed = await place_order(idle_world)
    order_id = placed.order_id
    data = payment(order_id)
    await idle_world.send_fact("payment.received", data)
    handle = idle_world.order_workflow(order_id)
    await handle.signal("payment_received", data)
    await handle.signal("shipment_dispatched", args=[])
    async with idle_world.worker():
        shown = await idle_world.until_event(order_id, "booked")
        assert "payment_requested" not in events(shown)
        await dispatch_and_deliver(idle_world, order_id)
        await idle_world.until(order_id, "completed")
        await idle_world.ended(order_id)
    shown = await idle_world.order(order_id)
    assert_happened_once(shown)
    assert len(shown["odd_facts"]) == 1
    assert await idle_world.requests("payments", "request", order_id) == []
    await assert_asked_once(idle_world, "carriers", "booking", order_id)
    idle_world.check_books()
