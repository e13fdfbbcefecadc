"""Requests to partners and their answers."""

from datetime import date
from typing import Annotated

from pydantic import Field

from models.base import Payload
from models.orders import Capture
from models.shipping import FreightMode, Quote


class FreightPackage(Payload):
    """A carton or pallet, as described to carriers."""

    sscc: str
    kind: str
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


class FreightInquiry(Payload):
    """A request for quotes. `needed_by`: the latest day of delivery."""

    shipment_id: str
    order_id: str
    mode: FreightMode
    weight_g: int
    billed_weight_g: int
    freight_class: str | None = None
    packages: tuple[FreightPackage, ...] = ()
    ready_on: date
    needed_by: date | None = None
    currency: str
    ship_from: dict[str, str]
    ship_to: dict[str, str | None]
    phone: str = ""
    """A phone number of the recipient, as E.164, with an extension as in RFC 3966."""


class FreightBooking(FreightInquiry):
    """A request to book a shipment by a quote."""

    quote: Quote
    choice: str
    """The reason for choosing the quote."""


class BookedFreight(Payload):
    """A confirmed booking."""

    booking_id: str
    carrier: str
    tracking_number: str


class PaymentDemand(Payload):
    """A request to collect a payment. `amount`: a decimal string, here and below."""

    order_id: str
    amount: str
    currency: str
    due_date: date
    capture: Capture = Capture.AT_ONCE
    """At dispatch: authorise a card, without charging it."""
    replaces: Annotated[str | None, Field(exclude_if=lambda request_id: request_id is None)] = None
    """The id of the earlier request that this one replaces, as the order was amended."""


class CaptureDemand(Payload):
    """A request to capture an authorised amount."""

    order_id: str
    authorisation_id: str
    amount: str
    currency: str


class SupplierLine(Payload):
    """A line of a purchase order; `unit_cost` is a decimal string."""

    sku: str
    quantity: int
    unit_cost: str


class SupplierOrder(Payload):
    """A purchase order, as sent to its supplier."""

    po_id: str
    supplier_id: str
    location: str
    currency: str
    lines: tuple[SupplierLine, ...]


class SupplierCancellation(Payload):
    """A request to cancel a purchase order."""

    po_id: str
    supplier_id: str


class RefundDemand(Payload):
    """A request to refund an amount of a payment."""

    order_id: str
    payment_id: str
    amount: str
    currency: str
    reason: str
