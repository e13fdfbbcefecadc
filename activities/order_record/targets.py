"""The targets of commands: the orders, shipments, locations and amounts that they name."""

from activities.database.unit_of_work import UnitOfWork
from activities.order_record.progress import find_order
from models.messages.commands.base import UNKNOWN, refuse
from models.money import parse_amount
from models.tables.masterdata import Location
from models.tables.orders import Order
from models.tables.shipping import Shipment


def target_order(work: UnitOfWork, order_id: str) -> Order:
    """Lock the order that a command names. Raises CommandRefused."""
    order = find_order(work, order_id)
    if order is None:
        refuse("order_id", f"there is no order {order_id!r}", UNKNOWN)
    return order


def why_paused(order_id: str) -> str:
    """Word the refusal of a command that calls partners, for a paused order."""
    return f"{order_id} is paused, and no partner is called: `resume {order_id}` first"


def target_shipment(work: UnitOfWork, shipment_id: str) -> tuple[Order, Shipment]:
    """Lock the order of the shipment that a command names. Raises CommandRefused."""
    shipment = work.session.get(Shipment, shipment_id)
    order = find_order(work, shipment.order_id) if shipment else None
    if order is None:
        refuse("shipment_id", f"there is no shipment {shipment_id!r}", UNKNOWN)
    return order, work.session.get_one(Shipment, shipment_id, populate_existing=True)


def target_location(work: UnitOfWork, location: str | None, code: str) -> str | None:
    """Check the location that a command names, if any. Raises CommandRefused with `code`."""
    if location is not None and work.session.get(Location, location) is None:
        refuse("location", f"there is no location {location!r}", code)
    return location


def target_amount(text: str, currency: str, field: str, code: str, *, zero: bool = False) -> int:
    """Parse the amount in a command's `field` into minor units; `zero`: an amount of 0 is valid.

    Raises CommandRefused with `code`.
    """
    try:
        amount_minor = parse_amount(text, currency)
    except ValueError as error:
        refuse(field, str(error), code)
    if amount_minor < 0 or not (amount_minor or zero):
        refuse(field, "is below zero" if zero else "is not above zero", code)
    return amount_minor
