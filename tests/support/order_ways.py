"""The ways an order can take, each played once: their histories are kept for replay.

A way places its orders in a world whose partners wait for the script, and returns the ids of the
workflows that it used, the order's own first.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import engine
from models.messages.nightly import RECONCILE, STOCK_REVIEW
from tests.support.shop import Document, order, unique
from tests.support.world import World

Way = Callable[[World], Awaitable[list[str]]]
WAYS: dict[str, Way] = {}
PRICE = "119.00"


def way(play: Way) -> Way:
    """Register a way under its function's name."""
    WAYS[play.__name__] = play
    return play


async def placed(world: World, on_hand: int = 10, quantity: int = 1, **changes: Any) -> Document:
    """Place an order of a new product; returns its document."""
    shop = {name: changes.pop(name) for name in ("weight_g", "credit_limit") if name in changes}
    sku, customer = world.shop(on_hand=on_hand, **shop)
    document = order(sku, customer, quantity=quantity, **changes)
    await world.place(document)
    return document


async def send(world: World, path: str, **fields: Any) -> Document:
    """Send an operator's command, which must be executed."""
    body = {"command_id": unique("cmd"), "reason": "recorded for replay", **fields}
    response = await world.api.post(path, json=body)
    assert response.status_code == 200, response.text
    answer: Document = response.json()
    return answer


async def workflows_ended(world: World, *workflow_ids: str) -> list[str]:
    """Wait until workflows have ended; returns their ids."""
    for workflow_id in workflow_ids:
        await world.client.get_workflow_handle(workflow_id).result()
    return list(workflow_ids)


async def delivered(world: World, order_id: str) -> None:
    """Report the one shipment of an order as dispatched and delivered."""
    await world.until_event(order_id, "booked")
    await world.ship(order_id, "dispatched")
    await world.ship(order_id, "delivered")


async def sold(world: World, quantity: int = 1) -> tuple[str, str]:
    """Complete a prepaid order; returns its id and its SKU."""
    document = await placed(world, quantity=quantity)
    await world.complete(document["order_id"], f"{119 * quantity}.00")
    return document["order_id"], document["lines"][0]["sku"]


async def purchase_order_of(world: World, order_id: str) -> str:
    """The purchase order that an order waits for, once its supplier has it."""
    shown = await world.until_event(order_id, "bought")
    po_id: str = shown["backorders"][0]["po_id"]
    return po_id


@way
async def prepaid(world: World) -> list[str]:
    """Paid online, sent as one parcel."""
    order_id, _ = await sold(world)
    return await workflows_ended(world, f"order-{order_id}")


@way
async def cash(world: World) -> list[str]:
    """Paid at the till, handed over at the counter."""
    document = await placed(
        world, terms="cash", channel="store", fulfilment="counter", location="BER"
    )
    await world.until(document["order_id"], "awaiting_payment")
    await world.pay(document["order_id"], PRICE)
    await world.until(document["order_id"], "completed")
    return await workflows_ended(world, f"order-{document['order_id']}")


@way
async def collected(world: World) -> list[str]:
    """Paid online, collected by the customer."""
    document = await placed(world, fulfilment="pick_up", location="BER")
    order_id = document["order_id"]
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, PRICE)
    await world.until_event(order_id, "consigned")
    await world.ship(order_id, "delivered")
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def net30(world: World) -> list[str]:
    """Invoiced first, paid in two parts after the delivery."""
    document = await placed(world, terms="net30", channel="phone")
    order_id = document["order_id"]
    await delivered(world, order_id)
    await world.until(order_id, "delivered")
    await world.pay(order_id, "100.00")
    await world.until_order(order_id, lambda shown: shown["paid"] == "100.00")
    await world.pay(order_id, "19.00")
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def shortage(world: World) -> list[str]:
    """Short, bought, received, paid and sent; with its replenishment."""
    document = await placed(world, on_hand=1, quantity=3)
    order_id, sku = document["order_id"], document["lines"][0]["sku"]
    po_id = await purchase_order_of(world, order_id)
    acknowledged = {
        "acknowledgement_id": unique("ack"),
        "po_id": po_id,
        "expected_date": (datetime.now(UTC) + timedelta(days=3)).date().isoformat(),
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    await world.report("purchase_order.acknowledged", acknowledged)
    await world.receive(po_id, sku, 2)
    await world.complete(order_id, "357.00")
    return [*await workflows_ended(world, f"order-{order_id}"), f"replenish-BER-{sku}"]


@way
async def partial(world: World) -> list[str]:
    """What is in stock is sent, the rest follows."""
    document = await placed(world, on_hand=1, quantity=2, terms="net30", delivery="partial")
    order_id, sku = document["order_id"], document["lines"][0]["sku"]
    po_id = await purchase_order_of(world, order_id)
    await world.until_event(order_id, "booked")
    await world.ship(order_id, "delivered", f"SH-{order_id}-1")
    await world.receive(po_id, sku, 1)
    await world.until_order(
        order_id, lambda shown: [s["state"] for s in shown["shipments"]] == ["delivered", "booked"]
    )
    await world.ship(order_id, "delivered", f"SH-{order_id}-2")
    await world.until(order_id, "delivered")
    await world.pay(order_id, "238.00")
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def ltl(world: World) -> list[str]:
    """Too heavy for a parcel."""
    document = await placed(world, quantity=2, weight_g=40_000)
    order_id = document["order_id"]
    await world.complete(order_id, "238.00")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def refused_booking(world: World) -> list[str]:
    """The carrier refuses the booking; the order waits for an operator, whose retry books it."""
    await world.misbehave(partner="carriers", operation="booking", fault="refuse", code="no_route")
    document = await placed(world)
    order_id = document["order_id"]
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, PRICE)
    await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    await world.partners.delete("/control/faults")
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    assert (await handle.execute_update("retry_step"))["accepted"]
    await delivered(world, order_id)
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def rest_cancelled(world: World) -> list[str]:
    """One of two units is delivered; the customer doesn't wait for the other."""
    document = await placed(world, on_hand=1, quantity=2, delivery="partial")
    order_id = document["order_id"]
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "238.00")
    await delivered(world, order_id)
    await world.until_order(order_id, lambda shown: shown["lines"][0]["delivered"] == 1)
    answer = await send(world, f"/orders/{order_id}/rest-cancellation")
    await world.until(order_id, "completed")
    return await workflows_ended(
        world, f"order-{order_id}", f"command-{answer['command_id']}", f"refund-{order_id}-1"
    )


@way
async def card_at_dispatch(world: World) -> list[str]:
    """A card is authorised first and charged when the goods are about to leave."""
    document = await placed(world, payment_method="card", capture="at_dispatch")
    order_id = document["order_id"]
    await world.until_event(order_id, "payment_requested")
    authorised = {
        "authorisation_id": unique("auth"),
        "order_id": order_id,
        "amount": PRICE,
        "currency": "EUR",
        "expires_at": (datetime.now(UTC) + timedelta(days=7)).isoformat(),
    }
    await world.report("payment.authorised", authorised)
    await delivered(world, order_id)
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


async def _cancelled(world: World, order_id: str) -> list[str]:
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    assert (await handle.execute_update("cancel", {"reason": "not wanted"}))["accepted"]
    await world.until(order_id, "cancelled")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def cancelled_while_received(world: World) -> list[str]:
    """Cancelled while it waits for credit."""
    document = await placed(world, terms="net30", credit_limit="50.00")
    order_id = document["order_id"]
    await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    return await _cancelled(world, order_id)


@way
async def cancelled_while_short(world: World) -> list[str]:
    """Cancelled while it waits for stock."""
    document = await placed(world, on_hand=0)
    await purchase_order_of(world, document["order_id"])
    return await _cancelled(world, document["order_id"])


@way
async def cancelled_while_unpaid(world: World) -> list[str]:
    """Cancelled while it waits for its payment."""
    document = await placed(world)
    await world.until_event(document["order_id"], "payment_requested")
    return await _cancelled(world, document["order_id"])


@way
async def cancelled_while_booked(world: World) -> list[str]:
    """Cancelled when it was invoiced, paid and booked: all of it is undone and refunded."""
    document = await placed(world)
    order_id = document["order_id"]
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, PRICE)
    await world.until_event(order_id, "booked")
    return await _cancelled(world, order_id)


async def _inspected(world: World, order_id: str, sku: str, wish: str) -> str:
    """Take one unit back from request to inspection; returns the return's id."""
    return_id, lines = f"RMA-{order_id}-1", [{"sku": sku, "quantity": 1}]
    await send(world, "/returns", order_id=order_id, lines=lines, wish=wish)
    await send(world, f"/returns/{return_id}/authorisation")
    await send(world, f"/returns/{return_id}/dispatch")
    await send(world, f"/returns/{return_id}/receipts", lines=lines)
    looked_at = [{"sku": sku, "quantity": 1, "disposition": "restock"}]
    await send(world, f"/returns/{return_id}/inspections", lines=looked_at)
    return return_id


@way
async def returned(world: World) -> list[str]:
    """One of two units comes back and its price is refunded."""
    order_id, sku = await sold(world, quantity=2)
    return_id = await _inspected(world, order_id, sku, "refund")
    return await workflows_ended(world, f"return-{return_id}", f"order-{order_id}")


@way
async def exchanged(world: World) -> list[str]:
    """A unit comes back and the same goods are sent again."""
    order_id, sku = await sold(world)
    return_id = await _inspected(world, order_id, sku, "exchange")
    await world.client.get_workflow_handle(f"return-{return_id}").result()
    response = await world.api.get(f"/returns/{return_id}")
    exchange_id = response.json()["settlements"][0]["exchange_order_id"]
    await delivered(world, exchange_id)
    await world.until(exchange_id, "completed")
    return await workflows_ended(world, f"order-{exchange_id}", f"return-{return_id}")


@way
async def charged_back(world: World) -> list[str]:
    """The payer's bank takes the payment back after completion; the customer pays again."""
    document = await placed(world)
    order_id = document["order_id"]
    await world.until_event(order_id, "payment_requested")
    payment_id = await world.pay(order_id, PRICE)
    await delivered(world, order_id)
    await world.until(order_id, "completed")
    await workflows_ended(world, f"order-{order_id}")
    data = {"reversal_id": unique("rv"), "payment_id": payment_id, "amount": PRICE}
    await world.report("payment.reversed", {**data, "order_id": order_id, "currency": "EUR"})
    await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    await world.pay(order_id, PRICE)
    await world.until_order(order_id, lambda shown: shown["attention"] is None)
    facts = [run.id async for run in world.client.list_workflows("WorkflowType='FactWorkflow'")]
    assert facts
    return [f"order-{order_id}", *facts]


@way
async def promised_later(world: World) -> list[str]:
    """The supplier's date slips, the customer is asked and accepts the delay."""
    document = await placed(
        world, on_hand=0, requested_delivery_date=datetime.now(UTC).date().isoformat()
    )
    order_id, sku = document["order_id"], document["lines"][0]["sku"]
    po_id = await purchase_order_of(world, order_id)
    acknowledged = {
        "acknowledgement_id": unique("ack"),
        "po_id": po_id,
        "expected_date": (datetime.now(UTC) + timedelta(days=60)).date().isoformat(),
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    await world.report("purchase_order.acknowledged", acknowledged)
    await world.until_order(order_id, lambda shown: shown["consent_by"] is not None)
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    assert (await handle.execute_update("accept_delay", {"actor": "customer"}))["accepted"]
    await world.receive(po_id, sku, 1)
    await world.complete(order_id, PRICE)
    return await workflows_ended(world, f"order-{order_id}")


@way
async def commanded(world: World) -> list[str]:
    """A stock count, a partial credit note with its refund, a review and a reconciliation."""
    order_id, sku = await sold(world)
    shown = await world.order(order_id)
    counted = await send(world, f"/stock/{sku}/counts", location="BER", counted=8)
    number = shown["invoice_number"]
    credited = await send(world, f"/invoices/{number}/credit-notes", amount="11.90")
    ids = [f"command-{answer['command_id']}" for answer in (counted, credited)]
    await workflows_ended(world, *ids, f"refund-{order_id}-1")
    for kind, workflow_id in (
        ("StockReviewWorkflow", STOCK_REVIEW),
        ("ReconcileWorkflow", RECONCILE),
    ):
        await world.client.execute_workflow(kind, id=workflow_id, task_queue=engine.TASK_QUEUE)
    return [*ids, f"refund-{order_id}-1", STOCK_REVIEW, RECONCILE]
