"""The ways an order can take, each played once: their histories are kept for replay.

A way places its orders in a world whose partners wait for the script, and returns the ids of the
workflows that it used, the order's own first. The engine suggests early to continue as new
(`SHORT_HISTORIES`).
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import engine
from models.messages.commands.returns import InspectReturn
from models.messages.nightly import RECONCILE, STOCK_REVIEW
from models.purchasing import PurchaseOrderState as State
from tests.support.billing.payments import charge_back
from tests.support.billing.sales import TOTAL as PRICE
from tests.support.billing.sales import execute
from tests.support.events.receiver import running_receiver
from tests.support.masterdata.shop import order, unique
from tests.support.orders.stages import (
    at_the_counter,
    delivered,
    dispatch_and_deliver,
    events,
    place_order,
    until_purchased,
)
from tests.support.pipeline.clock import TODAY, in_days, working
from tests.support.pipeline.waiting import until, until_timer
from tests.support.pipeline.world import World
from tests.support.purchasing.market import Market
from tests.support.purchasing.purchases import acknowledge, offer, reorder_at, until_purchases
from tests.support.returns.states import came_back, command, inspected

PAYMENT_DEADLINE_S = 0.5
Way = Callable[[World], Awaitable[list[str]]]
WAYS: dict[str, Way] = {}
WITHOUT_WORKER: set[str] = set()
"""The ways that run a worker of their own, with other settings."""


def way(play: Way) -> Way:
    """Register a way under its function's name."""
    WAYS[play.__name__] = play
    return play


def idle_way(play: Way) -> Way:
    """Register a way that runs a worker of its own."""
    WITHOUT_WORKER.add(play.__name__)
    return way(play)


async def workflows_ended(world: World, *workflow_ids: str) -> list[str]:
    """Wait until workflows have ended; returns their ids."""
    for workflow_id in workflow_ids:
        await world.client.get_workflow_handle(workflow_id).result()
    return list(workflow_ids)


async def fact_workflows(world: World) -> list[str]:
    """List the workflows that apply facts of ended orders; there must be one."""
    found = [run.id async for run in world.client.list_workflows("WorkflowType='FactWorkflow'")]
    assert found
    return found


@way
async def prepaid(world: World) -> list[str]:
    """Paid online, sent as one parcel."""
    order_id, _ = await delivered(world, quantity=1)
    return await workflows_ended(world, f"order-{order_id}")


@way
async def cash(world: World) -> list[str]:
    """Paid at the till, handed over at the counter."""
    placed = await place_order(world, **at_the_counter())
    await world.until(placed.order_id, "awaiting_payment")
    await world.pay(placed.order_id, PRICE)
    await world.until(placed.order_id, "completed")
    return await workflows_ended(world, f"order-{placed.order_id}")


@way
async def collected(world: World) -> list[str]:
    """Paid online, collected by the customer."""
    placed = await place_order(world, fulfilment="pick_up", location="BER")
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, PRICE)
    await world.until_event(order_id, "consigned")
    await world.ship(order_id, "delivered")
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def net30(world: World) -> list[str]:
    """Invoiced with its goods issue, paid in two parts after the delivery."""
    placed = await place_order(world, terms="net30", channel="phone")
    order_id = placed.order_id
    await dispatch_and_deliver(world, order_id)
    await world.until(order_id, "delivered")
    await world.pay(order_id, "100.00")
    await world.until_order(order_id, lambda shown: shown["paid"] == "100.00")
    await world.pay(order_id, "19.00")
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def shortage(world: World) -> list[str]:
    """Short, bought, received, paid and sent; with its replenishment."""
    placed = await place_order(world, on_hand=1, quantity=3)
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(world, order_id)
    await acknowledge(world, po_id, expected_date=in_days(3).isoformat())
    await world.receive(po_id, sku, 2)
    await world.complete(order_id, "357.00")
    return [*await workflows_ended(world, f"order-{order_id}"), f"replenish-BER-{sku}"]


@way
async def refused_by_suppliers(world: World) -> list[str]:
    """One supplier refuses the call, the other one promises nothing; a retry asks both again."""
    market = Market(world)
    await world.misbehave(partner="suppliers", operation="purchase_order", fault="refuse")
    order_id = await market.place(5)
    _, second = await market.until_states(State.REFUSED, State.SENT)
    nothing = [{"sku": market.sku, "quantity": 0}]
    await acknowledge(world, second.order.po_id, lines=nothing)
    shown = await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    assert shown["attention"]["code"] == "no_supply"
    assert (await world.intake().retry(order_id, "operator")).accepted
    *_, third = await market.until_states(State.REFUSED, State.REFUSED, State.SENT)
    await world.receive(third.order.po_id, market.sku, 5)
    await world.complete(order_id, "595.00")
    return [*await workflows_ended(world, f"order-{order_id}"), f"replenish-BER-{market.sku}"]


@way
async def restocked(world: World) -> list[str]:
    """The goods arrive unit by unit, until the replenishment has continued as new."""
    units = 20
    sku, customer = world.shop(on_hand=1, offers=False)
    offer(world, sku, unique("S"), 5_000)
    reorder_at(world, sku, reorder_point=0, order_quantity=units)
    await world.place(order(sku, customer))
    [bought] = await until_purchases(
        world, sku, lambda found: [purchase.order.state for purchase in found] == [State.SENT]
    )
    replenishment = world.replenishment(sku)
    first_run_id, received = (await replenishment.describe()).run_id, 0

    async def receive(quantity: int) -> None:
        nonlocal received
        received += quantity
        await world.receive(bought.order.po_id, sku, quantity)
        await until_purchases(world, sku, lambda found: found[0].lines[sku].received == received)

    while (await replenishment.describe()).run_id == first_run_id:
        await receive(1)
    await receive(units - received)
    return await workflows_ended(world, f"replenish-BER-{sku}")


@way
async def partial(world: World) -> list[str]:
    """What is in stock is sent, the rest follows: each is invoiced with its goods issue."""
    placed = await place_order(world, on_hand=1, quantity=2, terms="net30", delivery="partial")
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(world, order_id)
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
    placed = await place_order(world, 2, 2, shop={"weight_g": 40_000})
    order_id = placed.order_id
    await world.complete(order_id, "238.00")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def refused_booking(world: World) -> list[str]:
    """The carrier refuses the booking; the order waits for an operator, whose retry books it."""
    await world.misbehave(partner="carriers", operation="booking", fault="refuse", code="no_route")
    placed = await place_order(world)
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, PRICE)
    await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    await world.partners.delete("/control/faults")
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    assert (await handle.execute_update("retry_step"))["accepted"]
    await dispatch_and_deliver(world, order_id)
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def rest_cancelled(world: World) -> list[str]:
    """One of two units is delivered; the customer doesn't wait for the other."""
    placed = await place_order(world, on_hand=1, quantity=2, delivery="partial")
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "238.00")
    await dispatch_and_deliver(world, order_id)
    await world.until_order(order_id, lambda shown: shown["lines"][0]["delivered"] == 1)
    answer = await execute(world, f"/orders/{order_id}/rest-cancellation")
    await world.until(order_id, "completed")
    return await workflows_ended(
        world, f"order-{order_id}", f"command-{answer['command_id']}", f"refund-{order_id}-1"
    )


@way
async def card_at_dispatch(world: World) -> list[str]:
    """A card is authorised first and charged when the goods are about to leave."""
    placed = await place_order(world, payment_method="card", capture="at_dispatch")
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    authorised = {
        "authorisation_id": unique("auth"),
        "order_id": order_id,
        "amount": PRICE,
        "currency": "EUR",
        "expires_at": (datetime.now(UTC) + timedelta(days=7)).isoformat(),
    }
    await world.report("payment.authorised", authorised)
    await dispatch_and_deliver(world, order_id)
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
    placed = await place_order(world, terms="net30", shop={"credit_limit": "50.00"})
    order_id = placed.order_id
    await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    return await _cancelled(world, order_id)


@way
async def cancelled_while_short(world: World) -> list[str]:
    """Cancelled while it waits for stock."""
    placed = await place_order(world, on_hand=0)
    await until_purchased(world, placed.order_id)
    return await _cancelled(world, placed.order_id)


@way
async def cancelled_while_unpaid(world: World) -> list[str]:
    """Cancelled while it waits for its payment."""
    placed = await place_order(world)
    await world.until_event(placed.order_id, "payment_requested")
    return await _cancelled(world, placed.order_id)


@way
async def cancelled_while_booked(world: World) -> list[str]:
    """Cancelled when it was invoiced, paid and booked: all of it is undone and refunded."""
    placed = await place_order(world)
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, PRICE)
    await world.until_event(order_id, "booked")
    return await _cancelled(world, order_id)


async def _inspected(world: World, order_id: str, sku: str, wish: str) -> str:
    """Take one unit back from request to inspection; returns the return's id."""
    return_id = await came_back(world, order_id, sku, 1, wish=wish)
    await command(world, InspectReturn, return_id=return_id, lines=inspected(sku, restock=1))
    return return_id


@way
async def returned(world: World) -> list[str]:
    """One of two units comes back and its price is refunded."""
    order_id, sku = await delivered(world, quantity=2)
    return_id = await _inspected(world, order_id, sku, "refund")
    return await workflows_ended(world, f"return-{return_id}", f"order-{order_id}")


@way
async def exchanged(world: World) -> list[str]:
    """A unit comes back and the same goods are sent again."""
    order_id, sku = await delivered(world, quantity=1)
    return_id = await _inspected(world, order_id, sku, "exchange")
    await world.client.get_workflow_handle(f"return-{return_id}").result()
    response = await world.api.get(f"/returns/{return_id}")
    exchange_id = response.json()["settlements"][0]["exchange_order_id"]
    await dispatch_and_deliver(world, exchange_id)
    await world.until(exchange_id, "completed")
    return await workflows_ended(world, f"order-{exchange_id}", f"return-{return_id}")


@way
async def charged_back(world: World) -> list[str]:
    """The payer's bank takes the payment back after completion; the customer pays again."""
    placed = await place_order(world)
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    payment_id = await world.pay(order_id, PRICE)
    await dispatch_and_deliver(world, order_id)
    await world.until(order_id, "completed")
    await workflows_ended(world, f"order-{order_id}")
    await charge_back(world, payment_id, amount=PRICE, order_id=order_id, currency="EUR")
    await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    await world.pay(order_id, PRICE)
    await world.until_order(order_id, lambda shown: shown["attention"] is None)
    return [f"order-{order_id}", *await fact_workflows(world)]


@idle_way
async def dunned(world: World) -> list[str]:
    """The payment is taken back after its due date; after two reminders it is paid with the fee."""
    async with working(world, dunning="7:0 8:5.00") as hands:
        placed = await place_order(world, terms="net30", channel="phone")
        order_id = placed.order_id
        await world.until_event(order_id, "booked")
        await world.ship(order_id, "dispatched")
        await world.until_event(order_id, "dispatched")
        payment_id = await world.pay(order_id, PRICE)
        await world.until_event(order_id, "payment_received")
        hands.end_of(in_days(30 + 7))
        await charge_back(world, payment_id)
        await until_timer(world.order_workflow(order_id), "Until a reminder is due", 2)
        hands.begin(in_days(30 + 8))
        await world.until_order(order_id, lambda shown: events(shown).count("reminded") == 2)
        await world.pay(order_id, "124.00")
        await world.ship(order_id, "delivered")
        await world.until(order_id, "completed")
        return await workflows_ended(world, f"order-{order_id}")


async def _paid_late(world: World) -> str:
    """Pay an order that was cancelled at its payment deadline; returns its id."""
    placed = await place_order(world)
    await world.until(placed.order_id, "cancelled")
    await world.ended(placed.order_id)
    await world.pay(placed.order_id, PRICE)
    return placed.order_id


@idle_way
async def paid_late(world: World) -> list[str]:
    """Cancelled at the payment deadline; the payment that follows is refunded."""
    async with world.worker(payment_deadline=PAYMENT_DEADLINE_S):
        order_id = await _paid_late(world)
        await world.until_event(order_id, "refunded")
        facts = await workflows_ended(world, *await fact_workflows(world))
        return [f"order-{order_id}", *facts]


@idle_way
async def reinstated(world: World) -> list[str]:
    """Cancelled at the payment deadline; the payment that follows starts the order again."""
    async with world.worker(payment_deadline=PAYMENT_DEADLINE_S, late_money="reallocate"):
        order_id = await _paid_late(world)
        await dispatch_and_deliver(world, order_id)
        await world.until(order_id, "completed")
        facts = await fact_workflows(world)
        return await workflows_ended(world, f"order-{order_id}", *facts)


@way
async def promised_later(world: World) -> list[str]:
    """The supplier's date slips, the customer is asked and accepts the delay."""
    placed = await place_order(world, on_hand=0, requested_delivery_date=TODAY.isoformat())
    order_id, sku = placed.order_id, placed.sku
    po_id = await until_purchased(world, order_id)
    await acknowledge(world, po_id, expected_date=in_days(60).isoformat())
    await world.until_order(order_id, lambda shown: shown["consent_by"] is not None)
    handle = world.client.get_workflow_handle(f"order-{order_id}")
    assert (await handle.execute_update("accept_delay", {"actor": "customer"}))["accepted"]
    await world.receive(po_id, sku, 1)
    await world.complete(order_id, PRICE)
    return await workflows_ended(world, f"order-{order_id}")


@way
async def commanded(world: World) -> list[str]:
    """A stock count, a partial credit note with its refund, a review and a reconciliation."""
    placed = await place_order(world, on_hand=10)
    order_id, sku = placed.order_id, placed.sku
    shown = await world.complete(order_id, PRICE)
    counted = await execute(world, f"/stock/{sku}/counts", location="BER", counted=8)
    number = shown["invoice_number"]
    credited = await execute(world, f"/invoices/{number}/credit-notes", amount="11.90")
    ids = [f"command-{answer['command_id']}" for answer in (counted, credited)]
    await workflows_ended(world, *ids, f"refund-{order_id}-1")
    for kind, workflow_id in (
        ("StockReviewWorkflow", STOCK_REVIEW),
        ("ReconcileWorkflow", RECONCILE),
    ):
        await world.client.execute_workflow(kind, id=workflow_id, task_queue=engine.TASK_QUEUE)
    return [*ids, f"refund-{order_id}-1", STOCK_REVIEW, RECONCILE]


@way
async def in_bulk(world: World) -> list[str]:
    """All orders are paused at once."""
    placed = await place_order(world)
    await world.until_event(placed.order_id, "payment_requested")
    sent = {"action": "pause", "where": "channel = online", "reason": "stock-taking"}
    started = (await world.api.post("/bulks", json=sent)).json()
    return await workflows_ended(world, f"bulk-{started['bulk_id']}")


@way
async def subscribed(world: World) -> list[str]:
    """Events are posted to a receiver that fails at first; paused, resumed and removed."""
    async with running_receiver() as receiver:
        receiver.answer = lambda event: 503
        created = (await world.api.post("/subscriptions", json={"url": receiver.url})).json()
        path = f"/subscriptions/{created['subscription']['subscription_id']}"
        placed = await place_order(world)
        await until(lambda: receiver.attempts)
        await world.api.post(f"{path}/pause")
        receiver.answer = lambda event: 200
        await world.api.post(f"{path}/resume")
        await until(lambda: receiver.of(placed.order_id))
        await world.api.post(f"{path}/removal")
        return await workflows_ended(world, path.strip("/").replace("ions/", "ion-"))


@way
async def paused(world: World) -> list[str]:
    """Paused while it is unpaid, and resumed after its payment."""
    placed = await place_order(world)
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    await execute(world, f"/orders/{order_id}/pause")
    await world.until_order(order_id, lambda shown: shown["attention"] is not None)
    await world.pay(order_id, PRICE)
    await world.until_event(order_id, "payment_received")
    await execute(world, f"/orders/{order_id}/resume")
    await dispatch_and_deliver(world, order_id)
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def split(world: World) -> list[str]:
    """Amended to fewer units, and split: one of two leaves first."""
    placed = await place_order(world, on_hand=1, quantity=3)
    order_id = placed.order_id
    po_id = await until_purchased(world, order_id)
    lines = [{"sku": placed.sku, "quantity": 2}]
    await execute(world, f"/orders/{order_id}/lines", lines=lines)
    await execute(world, f"/orders/{order_id}/split")
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, "238.00")
    await dispatch_and_deliver(world, order_id)
    await world.until_order(order_id, lambda shown: shown["lines"][0]["delivered"] == 1)
    await world.receive(po_id, placed.sku, 1)
    second = f"SH-{order_id}-2"
    await world.until_order(
        order_id, lambda shown: [s["state"] for s in shown["shipments"]][1:] == ["booked"]
    )
    await world.ship(order_id, "delivered", second)
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}")


@way
async def readdressed(world: World) -> list[str]:
    """Its address is changed when it is booked: the pick-up is cancelled and booked again."""
    placed = await place_order(world)
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    await world.pay(order_id, PRICE)
    await world.until_event(order_id, "booked")
    answer = await execute(world, f"/orders/{order_id}/address", street="Am Kupfergraben 6")
    await world.until_order(
        order_id, lambda shown: [s["state"] for s in shown["shipments"]][1:] == ["booked"]
    )
    await world.ship(order_id, "delivered", f"SH-{order_id}-2")
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}", f"after-{answer['command_id']}")


@way
async def amended(world: World) -> list[str]:
    """Fewer units after the payment was requested: the new amount is requested."""
    placed = await place_order(world, on_hand=2, quantity=2)
    order_id = placed.order_id
    await world.until_event(order_id, "payment_requested")
    lines = [{"sku": placed.sku, "quantity": 1}]
    answer = await execute(world, f"/orders/{order_id}/lines", lines=lines)
    await workflows_ended(world, f"after-{answer['command_id']}")
    await world.pay(order_id, PRICE)
    await dispatch_and_deliver(world, order_id)
    await world.until(order_id, "completed")
    return await workflows_ended(world, f"order-{order_id}", f"after-{answer['command_id']}")
