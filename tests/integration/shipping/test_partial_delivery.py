"""Partial delivery: consignments of one order, each with its own state."""

from tests.support.masterdata.shop import Document, order
from tests.support.orders.stages import states, units
from tests.support.pipeline.world import World


async def until_shipments(world: World, order_id: str, count: int) -> Document:
    """Wait until an order has `count` shipments."""
    return await world.until_order(order_id, lambda shown: len(shown["shipments"]) == count)


async def test_available_units_are_dispatched_before_the_rest(pipeline: World) -> None:
    """Two of five units are in stock and leave once the order is paid; three follow on receipt."""
    sku, customer = pipeline.shop(on_hand=2)
    document = order(sku, customer, quantity=5, delivery="partial")
    order_id = document["order_id"]
    await pipeline.place(document)
    waiting = await pipeline.until_event(order_id, "payment_requested")
    assert waiting["stage"] == "awaiting_payment"
    await pipeline.pay(order_id, "595.00")
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "dispatched")
    await pipeline.ship(order_id, "delivered")
    shown = await pipeline.until_order(order_id, lambda o: states(o) == ["delivered"])
    assert shown["stage"] == "awaiting_stock"
    assert units(shown, "ordered", "backordered", "shipped", "delivered") == [[5, 3, 2, 2]]
    shown = await pipeline.until_event(order_id, "bought")
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 3)
    second = f"SH-{order_id}-2"
    shown = await pipeline.until_order(order_id, lambda o: states(o) == ["delivered", "booked"])
    assert shown["stage"] == "dispatching"
    await pipeline.ship(order_id, "dispatched", second)
    await pipeline.ship(order_id, "delivered", second)
    shown = await pipeline.until(order_id, "completed")
    assert units(shown, "ordered", "reserved", "backordered", "shipped", "delivered") == [
        [5, 0, 0, 5, 5]
    ]
    assert [row["event"] for row in shown["history"]].count("invoiced") == 1
    bookings = await pipeline.requests("carriers", "booking", order_id)
    assert [row["body"]["shipment_id"] for row in bookings] == [f"SH-{order_id}-1", second]


async def test_partial_order_without_available_units_requests_payment_after_the_first_receipt(
    pipeline: World,
) -> None:
    sku, customer = pipeline.shop(on_hand=0)
    document = order(sku, customer, quantity=2, delivery="partial")
    order_id = document["order_id"]
    await pipeline.place(document)
    shown = await pipeline.until_event(order_id, "bought")
    assert shown["stage"] == "awaiting_stock"
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 1)
    shown = await pipeline.until(order_id, "awaiting_payment")
    assert units(shown, "reserved", "backordered") == [[1, 1]]
    await pipeline.pay(order_id, "238.00")
    await pipeline.until_event(order_id, "booked")
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 1)
    for number in (1, 2):
        await until_shipments(pipeline, order_id, number)
        await pipeline.ship(order_id, "delivered", f"SH-{order_id}-{number}")
    await pipeline.until(order_id, "completed")


async def test_partial_order_can_be_cancelled_before_goods_issue(pipeline: World) -> None:
    """Reservations are released, shortages withdrawn, and the payment refunded."""
    sku, customer = pipeline.shop(on_hand=1)
    document = order(sku, customer, quantity=2, delivery="partial")
    order_id = document["order_id"]
    await pipeline.place(document)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "238.00")
    await pipeline.until_event(order_id, "booked")
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    outcome = await handle.execute_update("cancel", {"reason": "changed my mind"})
    assert outcome["accepted"], outcome
    shown = await pipeline.until(order_id, "cancelled")
    assert states(shown) == ["cancelled"]
    assert units(shown, "reserved", "backordered", "shipped") == [[0, 0, 0]]
    assert shown["refunded"] == "238.00"
