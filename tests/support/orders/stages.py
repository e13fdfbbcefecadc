"""Orders of one SKU that tests bring to a stage, and parts of their API view."""

from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from tests.support.masterdata.shop import Document, order
from tests.support.pipeline.world import World

TOTAL = "119.00"
"""One unit of a shop's product, with tax."""
PLAIN_HISTORY = [
    "recorded",
    "allocated",
    "payment_requested",
    "payment_received",
    "invoiced",
    "consigned",
    "booked",
    "dispatched",
    "delivered",
]
"""The history of an undisturbed prepaid order, without mails."""


@dataclass(frozen=True)
class NewOrder:
    """An order for a SKU and a customer of its own."""

    sku: str
    customer: str
    document: Document

    @property
    def order_id(self) -> str:
        """The order's id."""
        return str(self.document["order_id"])


def new_order(
    world: World,
    on_hand: int = 1,
    quantity: int = 1,
    *,
    shop: Document | None = None,
    **changes: Any,
) -> NewOrder:
    """Import a shop and build an order of it, without placing it.

    `shop`: options of `World.shop`; `changes` replace fields of the document.
    """
    sku, customer = world.shop(on_hand=on_hand, **(shop or {}))
    return NewOrder(sku, customer, order(sku, customer, quantity, **changes))


async def place_order(
    world: World,
    on_hand: int = 1,
    quantity: int = 1,
    *,
    shop: Document | None = None,
    **changes: Any,
) -> NewOrder:
    """Import a shop and place an order of it; arguments as of `new_order`."""
    new = new_order(world, on_hand, quantity, shop=shop, **changes)
    await world.place(new.document)
    return new


async def pay_when_requested(world: World, order_id: str) -> None:
    """Pay an order of one unit when its payment is requested, unless it is paid."""
    shown = await world.until_event(order_id, "payment_requested")
    if shown["paid"] != TOTAL:
        await world.pay(order_id, TOTAL)


async def pay_and_book(world: World, order_id: str) -> None:
    """Pay an order of one unit and wait until its carrier is booked."""
    await pay_when_requested(world, order_id)
    await world.until_event(order_id, "booked")


async def dispatch_and_deliver(world: World, order_id: str) -> None:
    """Report dispatch and delivery of a booked order."""
    await world.until_event(order_id, "booked")
    for event in ("dispatched", "delivered"):
        await world.ship(order_id, event)


async def finish(world: World, order_id: str) -> None:
    """Send an order of one unit all that it may still wait for; facts may be sent twice."""
    await pay_when_requested(world, order_id)
    await dispatch_and_deliver(world, order_id)


async def requested(world: World, **changes: Any) -> str:
    """Place an order of one unit whose payment is requested; returns its id."""
    placed = await place_order(world, **changes)
    await world.until_event(placed.order_id, "payment_requested")
    return placed.order_id


async def booked(world: World) -> str:
    """Place a paid order whose carrier is booked; returns its id."""
    placed = await place_order(world, on_hand=10)
    await pay_and_book(world, placed.order_id)
    return placed.order_id


async def delivered(world: World, quantity: int = 3, **changes: Any) -> tuple[str, str]:
    """Place an order and complete it; returns its id and SKU."""
    placed = await place_order(world, quantity, quantity, **changes)
    await world.complete(placed.order_id, f"{119 * quantity}.00")
    await world.ended(placed.order_id)
    return placed.order_id, placed.sku


async def until_purchased(world: World, order_id: str) -> str:
    """Wait until an order's shortage is purchased; returns the purchase order's id."""
    shown = await world.until_event(order_id, "bought")
    return str(shown["backorders"][0]["po_id"])


def at_the_counter(location: str = "BER") -> Document:
    """Build the fields of a store's order that is handed over at the counter."""
    return {"channel": "store", "terms": "cash", "fulfilment": "counter", "location": location}


def states(shown: Document) -> list[str]:
    """Return the states of an order's shipments."""
    return [shipment["state"] for shipment in shown["shipments"]]


def units(shown: Document, *names: str) -> list[list[int]]:
    """Return the named quantities of each line of an order."""
    return [[line[name] for name in names] for line in shown["lines"]]


def events(shown: Document) -> list[str]:
    """Return the names of the events in an order's history."""
    return [row["event"] for row in shown["history"]]


def scheduled_activities(history: WorkflowHistory) -> list[str]:
    """Return the sorted names of a workflow's activities; local activities don't count."""
    return sorted(
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
