"""The carriers: one for each freight mode; pick a shipment up and deliver it."""

import hashlib
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from simulators.books import Books
from simulators.contract import (
    Body,
    BusinessId,
    Callback,
    Data,
    Outcome,
    problem,
)
from simulators.desk import Operation

CARRIERS = {
    "parcel": ("Swift Parcel", "SP"),
    "ltl": ("Overland LTL", "OL"),
    "truckload": ("Longhaul Trucks", "LT"),
}


SERVICES = {
    "parcel": (("economy", 4, 1, 4), ("express", 9, 2, 1)),
    "ltl": (("standard", 60, 1, 5), ("guaranteed", 110, 1, 3)),
    "truckload": (("full truck", 900, 0, 3),),
}
"""By mode: name, price of a shipment, price per kilogram, days on the way."""


class Inquiry(Body):
    """What does it cost to carry a shipment? Addresses are as in the order document."""

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


class Booking(Inquiry):
    """Carry it, by a quote of ours."""

    quote: Data
    choice: str


class Cancellation(Body):
    """Do not carry it."""

    shipment_id: BusinessId


def quote(books: Books, body: Inquiry) -> Outcome:
    """Every service of the mode's carrier, priced by the billed weight."""
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
    """Per kilogram begun, in whole units of the currency."""
    return str(base + per_kg * -(-weight_g // 1000))


def book(books: Books, body: Booking) -> Outcome:
    """Take the booking; dispatched after one delay, delivered after two. Not where it was called
    off before: a booking may be on its way longer than its undo."""
    shipment_id = body.shipment_id
    if books.states("carriers", "cancel", shipment_id):
        return Outcome(409, problem("cancelled", f"{shipment_id} was called off before"))
    if states := books.states("carriers", "booking", shipment_id):
        return Outcome(409, problem("already_booked", f"{shipment_id} is {states[0]}"))
    carrier, prefix = CARRIERS[body.mode]
    callbacks = (_event(body, "dispatched", 1), _event(body, "delivered", 2))
    answer: Data = {
        "booking_id": f"bk-{shipment_id}",
        "carrier": carrier,
        "tracking_number": _tracking_number(prefix, shipment_id),
    }
    return Outcome(201, answer, "booked", callbacks)


def cancel(books: Books, body: Cancellation) -> Outcome:
    """Call a booking off, unless the shipment has been picked up."""
    shipment_id = body.shipment_id
    books.call_off("carriers", "booking", shipment_id, "booked", "cancelled")
    states = books.states("carriers", "booking", shipment_id)
    if "picked_up" in states or "delivered" in states:
        return Outcome(409, problem("already_picked_up", f"{shipment_id} is {states[0]}"))
    return Outcome(200, {"state": "cancelled" if states else "unknown"}, "done")


def _event(body: Booking, what: str, delays: int) -> Callback:
    event_id = f"{body.shipment_id}-{what}"
    data: Data = {
        "event_id": event_id,
        "order_id": body.order_id,
        "shipment_id": body.shipment_id,
    }
    return Callback(f"shipment.{what}", event_id, data, delays)


def _tracking_number(prefix: str, shipment_id: str) -> str:
    """The carrier's prefix and ten digits that depend on the shipment's id only."""
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
