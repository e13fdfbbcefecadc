"""Cancelling the rest of an order: outstanding units after others have left."""

from typing import Any

from tests.support.ledger.balances import accounts_of
from tests.support.masterdata.shop import Document, order, unique
from tests.support.orders.stages import states, units
from tests.support.pipeline.command_line import run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World

PAID = {"CASH_CLEARING": 11_900, "COST_OF_GOODS_SOLD": 6_000, "INVENTORY": -6_000}
SOLD = {"REVENUE": -10_000, "TAX_PAYABLE": -1_900}
"""One unit of a shop's product."""


async def one_of_three(world: World, **changes: Any) -> tuple[str, str]:
    """Place an order of three units, of which one leaves; returns its id and SKU."""
    sku, customer = world.shop(on_hand=1)
    document = order(sku, customer, quantity=3, **({"delivery": "partial"} | changes))
    order_id = str(document["order_id"])
    await world.place(document)
    if document["terms"] == "prepaid":
        await world.until_event(order_id, "payment_requested")
        await world.pay(order_id, "357.00")
    await world.until_event(order_id, "booked")
    await world.ship(order_id, "dispatched")
    await world.until_event(order_id, "dispatched")
    await world.until_event(order_id, "bought")
    return order_id, sku


async def cancel_rest(world: World, order_id: str) -> Any:
    """Cancel the outstanding units of an order."""
    body = {"command_id": unique("cmd"), "reason": "bought elsewhere"}
    return await world.api.post(f"/orders/{order_id}/rest-cancellation", json=body)


async def test_order_completes_after_its_rest_is_refunded(pipeline: World) -> None:
    """Dispatched units are delivered, the rest is credited and refunded. The purchased units become
    stock."""
    order_id, sku = await one_of_three(pipeline)
    [backorder] = (await pipeline.order(order_id))["backorders"]
    response = await cancel_rest(pipeline, order_id)
    assert response.status_code == 200, response.text
    message = response.json()["message"]
    assert message.startswith(f"2 units of {order_id} are cancelled; CN-"), message
    assert message.endswith("238.00 EUR are being refunded"), message
    shown = await pipeline.until(order_id, "in_transit")
    assert units(shown, "ordered", "reserved", "backordered", "shipped") == [[3, 0, 0, 1]]
    await pipeline.ship(order_id, "delivered")
    await pipeline.ended(order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "238.00")
    assert (shown["stage"], shown["due"], states(shown)) == ("completed", "0.00", ["delivered"])
    assert accounts_of(pipeline, order_id) == PAID | SOLD
    mailed = [row["detail"] for row in shown["history"] if row["event"] == "mailed"]
    assert sorted(d.split()[0] for d in mailed if "credit_note" in d) == ["credit_note"]
    await until(lambda: pipeline.mails(f"refund of order {order_id}", order_id))
    await pipeline.receive(backorder["po_id"], sku, 2)

    async def on_hand() -> int:
        stock = (await pipeline.api.get(f"/stock/{sku}")).json()
        return sum(place["available"] for place in stock["locations"])

    await until(on_hand, lambda count: count == 2)


async def test_cancelled_rest_of_credit_sale_is_not_due(pipeline: World) -> None:
    """On the command line, after the first part is delivered: only its payment is open."""
    order_id, _ = await one_of_three(pipeline, terms="net30")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "awaiting_stock")
    words = ("cancel-rest", order_id, "--reason", "bought elsewhere")
    done = await run_json(pipeline, *words, "--id", f"rest-{order_id}")
    assert done["accepted"], done
    assert await run_json(pipeline, *words, "--id", f"rest-{order_id}") == done
    shown = await pipeline.until(order_id, "delivered")
    assert (shown["due"], shown["attention"]) == ("119.00", None)
    await pipeline.pay(order_id, "119.00")
    await pipeline.until(order_id, "completed")
    await pipeline.ended(order_id)
    assert accounts_of(pipeline, order_id) == PAID | SOLD


async def test_cancelled_rest_clears_attention_of_missing_supply(pipeline: World) -> None:
    """No offer exists for the short unit."""
    sku, customer = pipeline.shop(on_hand=1, offers=False)
    document = order(sku, customer, quantity=2, delivery="partial", terms="net30")
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "delivered")
    await pipeline.until_event(order_id, "delivered")
    assert (await cancel_rest(pipeline, order_id)).status_code == 200
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is None)
    assert shown["stage"] == "delivered"
    await pipeline.pay(order_id, "119.00")
    await pipeline.ended(order_id)


async def refusal(world: World, order_id: str) -> Document:
    """Try to cancel the rest of an order; returns the problem."""
    response = await cancel_rest(world, order_id)
    assert response.status_code == 422, response.text
    problem: Document = response.json()
    assert problem["code"] == "order_refused"
    assert [error["field"] for error in problem["errors"]] == ["order_id"]
    return problem


async def test_order_without_rest_refuses_cancellation(pipeline: World) -> None:
    sku, customer = pipeline.shop(on_hand=2)
    document = order(sku, customer, quantity=2, delivery="partial", terms="net30")
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_event(order_id, "booked")
    assert "cancel the order instead" in (await refusal(pipeline, order_id))["detail"]
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until_event(order_id, "dispatched")
    assert "waits for nothing" in (await refusal(pipeline, order_id))["detail"]
    await pipeline.ship(order_id, "delivered")
    await pipeline.until(order_id, "delivered")
    assert "a return" in (await refusal(pipeline, order_id))["detail"]
    await pipeline.pay(order_id, "238.00")
    await pipeline.ended(order_id)
    assert (await cancel_rest(pipeline, unique("T"))).status_code == 404


async def test_refused_cancel_names_cancel_rest(pipeline: World) -> None:
    order_id, _ = await one_of_three(pipeline, terms="net30")
    handle = pipeline.client.get_workflow_handle(f"order-{order_id}")
    outcome = await handle.execute_update("cancel", {"reason": "too late"})
    assert not outcome["accepted"]
    assert "cancel-rest" in outcome["message"]
    assert (await cancel_rest(pipeline, order_id)).status_code == 200
    await pipeline.ship(order_id, "delivered")
    await pipeline.pay(order_id, "119.00")
    await pipeline.ended(order_id)


async def test_uncollected_goods_are_cancelled_with_the_rest(pipeline: World) -> None:
    """The first part was collected; the second is released to other orders."""
    sku, customer = pipeline.shop(on_hand=1)
    pick_up = {"fulfilment": "pick_up", "location": "BER", "delivery": "partial"}
    document = order(sku, customer, quantity=2, **pick_up)
    order_id = str(document["order_id"])
    await pipeline.place(document)
    await pipeline.until_event(order_id, "payment_requested")
    await pipeline.pay(order_id, "238.00")
    await pipeline.until_event(order_id, "consigned")
    await pipeline.ship(order_id, "delivered", f"SH-{order_id}-1")
    shown = await pipeline.until_event(order_id, "bought")
    await pipeline.receive(shown["backorders"][0]["po_id"], sku, 1)
    await pipeline.until_order(order_id, lambda o: states(o) == ["delivered", "planned"])
    response = await cancel_rest(pipeline, order_id)
    assert response.status_code == 200, response.text
    await pipeline.ended(order_id)
    shown = await pipeline.until_order(order_id, lambda o: o["refunded"] == "119.00")
    assert (shown["stage"], states(shown)) == ("completed", ["delivered", "cancelled"])
    stock = (await pipeline.api.get(f"/stock/{sku}")).json()
    assert [(p["on_hand"], p["reserved"]) for p in stock["locations"]] == [(1, 0)]
    assert accounts_of(pipeline, order_id) == PAID | SOLD
