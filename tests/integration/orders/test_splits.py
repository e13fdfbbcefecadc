"""Split orders: what is reserved leaves now, the rest later."""

from typing import Any

from tests.support.database.rows import rows_about
from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import unique
from tests.support.orders.stages import booked, delivered, place_order, states, until_purchased
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.world import World

WORDS = ("--reason", "the customer needs one now")


async def short(world: World, **changes: Any) -> tuple[str, str, str]:
    """Place an order of three units, one of which is there; returns its id, SKU and purchase."""
    placed = await place_order(world, 1, 3, **changes)
    return placed.order_id, placed.sku, await until_purchased(world, placed.order_id)


async def paid(world: World, order_id: str) -> None:
    """Pay a split order, and wait until its first shipment is booked."""
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "357.00")
    await world.until_event(order_id, "booked")


async def test_reserved_units_leave_now_and_the_others_when_they_arrive(pipeline: World) -> None:
    """The payment of the whole order is requested with the split."""
    order_id, sku, po_id = await short(pipeline)
    before = rows_about(pipeline.database, order_id)
    shown = await run_json(pipeline, "split", order_id, *WORDS, "--dry-run")
    assert rows_about(pipeline.database, order_id) == before
    assert "collect what is due for the whole order" in shown["effects"]["partners"][0]
    done = await run_json(pipeline, "split", order_id, *WORDS)
    assert done["message"] == f"1 units of {order_id} leave now, 2 later, once the order is paid"
    await paid(pipeline, order_id)
    await pipeline.ship(order_id, "delivered")
    await pipeline.until_event(order_id, "delivered")
    await pipeline.receive(po_id, sku, 2)
    shown = await pipeline.until_order(
        order_id, lambda o: states(o)[1:] == ["booked"] and o["stage"] == "dispatching"
    )
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-2")
    await pipeline.ended(order_id)
    assert not [finding for finding in await reconciled(pipeline) if order_id in finding]


async def test_split_order_is_cancelled_as_a_whole(pipeline: World) -> None:
    """Before anything has left: booking, purchase and money are undone."""
    order_id, _, _ = await short(pipeline)
    body = {"command_id": unique("cmd"), "reason": "one now"}
    done = await pipeline.api.post(f"/orders/{order_id}/split", json=body)
    assert done.status_code == 200, done.text
    await paid(pipeline, order_id)
    await run_json(pipeline, "cancel", order_id)
    await pipeline.ended(order_id)
    shown = await pipeline.until(order_id, "cancelled")
    assert (shown["refunded"], shown["backorders"]) == ("357.00", [])
    assert accounts_of(pipeline, order_id) == {}
    assert len(await pipeline.mails(f"Refund for your order {order_id}")) == 1


async def test_order_that_needs_no_split_is_not_split(pipeline: World) -> None:
    """Nothing short, nothing there, in parts already, over: no row changes."""
    all_there, over = await booked(pipeline), (await delivered(pipeline, 1))[0]
    nothing = (await place_order(pipeline, on_hand=0)).order_id
    await until_purchased(pipeline, nothing)
    parts, _, _ = await short(pipeline, delivery="partial", terms="net30")
    await pipeline.until_event(parts, "booked")
    ids = (all_there, over, nothing, parts)
    before = rows_about(pipeline.database, *ids)
    for order_id, words in zip(
        ids, ("not short", "not short", "is reserved", "in parts already"), strict=True
    ):
        body = {"command_id": unique("cmd"), "reason": "one now"}
        refused = await pipeline.api.post(f"/orders/{order_id}/split", json=body)
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True)
        status, _, err = await run(pipeline, "split", order_id, *WORDS)
        assert (status, words in err) == (1, True)
    assert rows_about(pipeline.database, *ids) == before
    await run_json(pipeline, "cancel", nothing)
