"""Shipments on their way: tracking events, and the decision about goods that won't arrive."""

from datetime import UTC, datetime
from typing import Any

from models.messages.commands.shipping import RecoverShipment, WriteOffShipment
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import booked
from tests.support.pipeline.world import World


async def report(
    world: World, order_id: str, status: str, event_id: str = "", **fields: Any
) -> int:
    """Send a tracking event of an order's first shipment; returns the HTTP status.

    `fields`: other fields of the event.
    """
    data = {
        "event_id": event_id or unique("ev"),
        "order_id": order_id,
        "shipment_id": f"SH-{order_id}-1",
        "status": status,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    response = await world.send_fact("shipment.tracked", data | fields)
    return response.status_code


def tracking(shown: Document) -> str | None:
    """Return the tracking status of an order's first shipment."""
    status: str | None = shown["shipments"][0]["tracking"]
    return status


async def until_tracked(world: World, order_id: str, status: str) -> Document:
    """Wait until an order's first shipment has a tracking status."""
    return await world.until_order(order_id, lambda shown: tracking(shown) == status)


async def lost(world: World) -> str:
    """Place a paid order of one unit whose shipment is reported lost; returns its id."""
    order_id = await booked(world)
    await report(world, order_id, "lost")
    await world.until_order(order_id, lambda o: o["attention"])
    return order_id


async def give_up(
    world: World, kind: type[WriteOffShipment | RecoverShipment], shipment_id: str, **fields: str
) -> str:
    """Execute a command about a shipment that won't arrive; returns its message."""
    sent: Document = {"command_id": unique("cmd"), "reason": "lost", "shipment_id": shipment_id}
    return (await world.intake().command(kind, sent | fields)).message
