"""Simulate carriers, one per freight mode: quote, book, pick up and deliver shipments."""

import hashlib
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from simulators.books import Books
from simulators.contract import Body, BusinessId, Callback, Data, Outcome, conflict
from simulators.desk import Operation

CARRIERS = {
    "parcel": ("Swift Parcel", "SP"),
    "ltl": ("Overland LTL", "OL"),
    "truckload": ("Longhaul Trucks", "LT"),
}
"""By mode: the carrier's name and the prefix of its tracking numbers."""

SERVICES = {
    "parcel": (("economy", 4, 1, 4), ("express", 9, 2, 1)),
    "ltl": (("standard", 60, 1, 5), ("guaranteed", 110, 1, 3)),
    "truckload": (("full truck", 900, 0, 3),),
}
"""By mode: service name, charge per shipment, charge per kilogram, transit days."""


class Inquiry(Body):
    """A request for quotes of one shipment; addresses as in the order document."""

    shipment_id: BusinessId
    order_id: BusinessId
    mode: Literal["parcel", "ltl", "truckload"]
    weight_g: Annotated[int, Field(strict=True, ge=0)]
    billed_weight_g: Annotated[int, Field(strict=True, ge=0)]
    freight_class: str | None
    packages: list[Data]
    ready_on: date
    needed_by: date | None
    currency: str
    ship_from: Annotated[Data, Field(min_length=1)]
    ship_to: Annotated[Data, Field(min_length=1)]
    phone: str


class Booking(Inquiry):
    """A request to carry a shipment on a quoted service."""

    quote: Data
    choice: str


class Cancellation(Body):
    """A request to cancel a booking."""

    shipment_id: BusinessId


def quote(books: Books, body: Inquiry) -> Outcome:
    """Quote every service of the mode's carrier, priced by billed weight."""
    carrier, _ = CARRIERS[body.mode]
    quotes: list[JsonValue] = [
        {
            "quote_id": f"qt-{body.shipment_id}-{service}",
            "carrier": carrier,
            "service": service,
            "charge": _charge(body.billed_weight_g, base, per_kg),
            "currency": body.currency,
            "arrives_on": (body.ready_on + timedelta(days=days)).isoformat(),
        }
        for service, base, per_kg, days in SERVICES[body.mode]
    ]
    return Outcome(201, {"quotes": quotes}, "quoted")


def _charge(weight_g: int, base: int, per_kg: int) -> str:
    """Return the charge in whole currency units, for each kilogram or part of one."""
    return str(base + per_kg * -(-weight_g // 1000))


def book(books: Books, body: Booking) -> Outcome:
    """Book a shipment; it is dispatched after one delay and delivered after two.

    Reject a booking cancelled before: a delayed booking may arrive after its cancellation.
    """
    shipment_id = body.shipment_id
    if books.states("carriers", "cancel", shipment_id):
        return conflict("cancelled", f"{shipment_id} was cancelled before")
    if states := books.states("carriers", "booking", shipment_id):
        return conflict("already_booked", f"{shipment_id} is {states[0]}")
    carrier, prefix = CARRIERS[body.mode]
    callbacks = (_event(body, "dispatched", 1), _event(body, "delivered", 2))
    answer: Data = {
        "booking_id": f"bk-{shipment_id}",
        "carrier": carrier,
        "tracking_number": _tracking_number(prefix, shipment_id),
    }
    return Outcome(201, answer, "booked", callbacks)


def cancel(books: Books, body: Cancellation) -> Outcome:
    """Cancel a booking, unless the shipment has been picked up."""
    shipment_id = body.shipment_id
    books.cancel_requests("carriers", "booking", shipment_id, "booked", "cancelled")
    states = books.states("carriers", "booking", shipment_id)
    if "picked_up" in states or "delivered" in states:
        return conflict("already_picked_up", f"{shipment_id} is {states[0]}")
    return Outcome(200, {"state": "cancelled" if states else "unknown"}, "done")


def _event(body: Booking, status: str, delays: int) -> Callback:
    event_id = f"{body.shipment_id}-{status}"
    data: Data = {
        "event_id": event_id,
        "order_id": body.order_id,
        "shipment_id": body.shipment_id,
    }
    return Callback(f"shipment.{status}", event_id, data, delays)


def _tracking_number(prefix: str, shipment_id: str) -> str:
    """Derive the tracking number: the carrier's prefix and ten digits of the shipment id's hash."""
    digest = hashlib.sha256(shipment_id.encode()).digest()
    return f"{prefix}{int.from_bytes(digest[:8], 'big') % 10**10:010d}"


OPERATIONS = (
    Operation(
        "carriers", "quote", "/carriers/quotes",
        Inquiry, lambda body: body.shipment_id, quote,
    ),
    Operation(
        "carriers", "booking", "/carriers/bookings",
        Booking, lambda body: body.shipment_id, book,
    ),
    Operation(
        "carriers", "cancel", "/carriers/bookings/cancel",
        Cancellation, lambda body: body.shipment_id, cancel,
    ),
)  # fmt: skip
