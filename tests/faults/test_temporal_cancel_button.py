"""The cancel button of the Temporal UI: it cancels the order as the command does."""

from tests.support.orders.exactly_once import (
    assert_asked_once,
    assert_completed_once,
    assert_undone,
    until_asked,
)
from tests.support.orders.stages import TOTAL, booked, place_order
from tests.support.pipeline.world import World


async def slow_void(world: World) -> None:
    """Delay the provider's answer to the next void by a second."""
    await world.misbehave(partner="payments", operation="void", fault="timeout_after", seconds=1.0)


async def test_cancel_button_cancels_the_order(pipeline: World) -> None:
    """With actor `temporal`; the payment is refunded once."""
    order_id = await booked(pipeline)
    await pipeline.order_workflow(order_id).cancel()
    shown = await assert_undone(pipeline, order_id, TOTAL)
    [requested] = [row for row in shown["history"] if row["event"] == "cancel_requested"]
    assert requested["detail"].startswith("by temporal")
    await assert_asked_once(pipeline, "payments", "refund", order_id)


async def test_cancel_button_is_refused_after_dispatch(pipeline: World) -> None:
    """The refusal is in the history, and the order completes."""
    order_id = await booked(pipeline)
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until(order_id, "in_transit")
    await pipeline.order_workflow(order_id).cancel()
    await pipeline.until_event(order_id, "cancel_refused")
    await pipeline.ship(order_id, "delivered")
    await assert_completed_once(pipeline, order_id)


async def test_cancel_button_before_the_first_workflow_task_cancels_the_order(
    idle_world: World,
) -> None:
    """Start and cancellation arrive in the same task."""
    placed = await place_order(idle_world)
    await idle_world.order_workflow(placed.order_id).cancel()
    async with idle_world.worker():
        await assert_undone(idle_world, placed.order_id, "0.00")


async def test_cancel_button_during_a_cancellation_changes_nothing(pipeline: World) -> None:
    """The cancellation is finished, once."""
    order_id = await booked(pipeline)
    await slow_void(pipeline)
    answer = await pipeline.order_workflow(order_id).execute_update("cancel", {"reason": "first"})
    assert answer["accepted"] is True
    await until_asked(pipeline, "payments", "void", order_id)
    await pipeline.order_workflow(order_id).cancel()
    await assert_undone(pipeline, order_id, TOTAL)
    await assert_asked_once(pipeline, "payments", "refund", order_id)


async def test_second_cancel_command_during_a_cancellation_changes_nothing(pipeline: World) -> None:
    """Two operators cancel the same order."""
    order_id = await booked(pipeline)
    await slow_void(pipeline)
    handle = pipeline.order_workflow(order_id)
    for reason in ("first", "second"):
        answer = await handle.execute_update("cancel", {"reason": reason})
        assert answer["accepted"] is True
        await until_asked(pipeline, "payments", "void", order_id)
    await assert_undone(pipeline, order_id, TOTAL)
