"""A purchase order is taken from a supplier that doesn't deliver, and given to another one."""

from typing import Any

from tests.support.database.rows import rows_about
from tests.support.masterdata.shop import offer_row, supplier_row, unique
from tests.support.orders.stages import place_order, until_purchased
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

LATE = ("--reason", "doesn't deliver")


async def purchased(world: World) -> tuple[str, str, str, list[str]]:
    """Place an order whose unit is purchased; two dearer suppliers offer it too.

    Returns the order, its SKU, its purchase order and the other suppliers.
    """
    placed = await place_order(world, on_hand=0)
    po_id = await until_purchased(world, placed.order_id)
    others = [unique("S")[:12].upper() for _ in range(2)]
    world.import_tables(
        suppliers=[supplier_row(other) for other in others],
        offers=[
            offer_row(other, placed.sku, unit_cost=cost)
            for other, cost in zip(others, ("60.00", "70.00"), strict=True)
        ],
    )
    return placed.order_id, placed.sku, po_id, others


async def next_purchase(world: World, order_id: str, po_id: str) -> str:
    """Wait until an order's unit is on another purchase order; returns its id."""

    async def read() -> Any:
        backorders = (await world.order(order_id))["backorders"]
        return backorders[0]["po_id"] if backorders else None

    found = await until(read, lambda other: other not in (None, po_id))
    return str(found)


async def test_named_supplier_gets_the_purchase(pipeline: World) -> None:
    """Though it is dearer; the first supplier is asked to cancel, and the order goes on."""
    order_id, sku, po_id, (_, named) = await purchased(pipeline)
    words = ("reassign-supplier", po_id, "--supplier", named, *LATE)
    before = rows_about(pipeline.database, po_id)
    shown = await run_json(pipeline, *words, "--dry-run")
    assert rows_about(pipeline.database, po_id) == before
    assert shown["effects"]["partners"] == [
        f"the supplier of {po_id} is asked to cancel it",
        f"a purchase order is sent to {named}",
    ]
    await run_json(pipeline, *words)
    again = await next_purchase(pipeline, order_id, po_id)
    assert again.startswith(f"PO-{named}-")
    await until(lambda: pipeline.requests("suppliers", "cancel", po_id))
    await until(lambda: pipeline.requests("suppliers", "purchase_order", again))
    await pipeline.receive(again, sku, 1)
    await pipeline.until_event(order_id, "payment_requested")
    await run_json(pipeline, "cancel", order_id)
    await pipeline.ended(order_id)


async def test_best_other_supplier_gets_the_purchase(pipeline: World) -> None:
    """By API, without a name; a supplier that doesn't cancel is noted with its purchase order."""
    order_id, _, po_id, (best, _) = await purchased(pipeline)
    await pipeline.misbehave(partner="suppliers", operation="cancel", fault="refuse")
    body = {"command_id": unique("cmd"), "reason": "late"}
    done = await pipeline.api.post(f"/purchase-orders/{po_id}/reassignment", json=body)
    assert done.status_code == 200, done.text
    assert (await next_purchase(pipeline, order_id, po_id)).startswith(f"PO-{best}-")

    async def ended_reason() -> str:
        return str(await run_json(pipeline, "po", "show", po_id))

    await until(ended_reason, lambda text: "not cancelled by its supplier" in text)
    await run_json(pipeline, "cancel", order_id)
    await pipeline.ended(order_id)


async def test_wrong_reassignment_is_refused(pipeline: World) -> None:
    """To its own supplier, to one without an offer, of an unknown one, and of one that is over."""
    order_id, sku, po_id, _ = await purchased(pipeline)
    own = po_id.removeprefix("PO-").rpartition("-BER-")[0]
    before = rows_about(pipeline.database, order_id, po_id)
    for subject, supplier, words in (
        (po_id, own, "already"),
        (po_id, "ANOTHER", "doesn't offer"),
        ("PO-0", own, "there is no purchase order"),
    ):
        status, _, err = await run(
            pipeline, "reassign-supplier", subject, "--supplier", supplier, *LATE
        )
        assert (status, words in err) == (1, True), err
    assert rows_about(pipeline.database, order_id, po_id) == before
    await pipeline.receive(po_id, sku, 1)
    await pipeline.until_event(order_id, "payment_requested")
    body = {"command_id": unique("cmd"), "reason": "late"}
    refused = await pipeline.api.post(f"/purchase-orders/{po_id}/reassignment", json=body)
    assert (refused.status_code, "nothing more is to come" in refused.json()["detail"]) == (
        422,
        True,
    )
    await run_json(pipeline, "cancel", order_id)
