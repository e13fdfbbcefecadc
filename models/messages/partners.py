"""Requests to partners and their answers."""

from datetime import date

from models.base import Payload
from models.shipping import FreightMode, Quote


class FreightPackage(Payload):
    """A carton or pallet, as a carrier is told of it."""

    sscc: str
    kind: str
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


class FreightInquiry(Payload):
    """What carriers are asked for a quote for. `needed_by`: when it should have arrived."""

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


class FreightBooking(FreightInquiry):
    """What a carrier is asked to carry, by which of its quotes."""

    quote: Quote
    choice: str
    """Why this quote."""


class BookedFreight(Payload):
    """What a carrier answered."""

    booking_id: str
    carrier: str
    tracking_number: str


class PaymentDemand(Payload):
    """What the provider is asked to collect."""

    order_id: str
    amount: str
    currency: str
    due_date: date
    capture: str = "at_once"
    """`at_dispatch`: a card is only to be authorised."""


class CaptureDemand(Payload):
    """An authorisation that the provider is to turn into money."""

    order_id: str
    authorisation_id: str
    amount: str
    currency: str


class SupplierLine(Payload):
    """One line of a purchase order, as sent."""

    sku: str
    quantity: int
    unit_cost: str


class SupplierOrder(Payload):
    """A purchase order, as sent."""

    po_id: str
    supplier_id: str
    location: str
    currency: str
    lines: tuple[SupplierLine, ...]


class RefundDemand(Payload):
    """What the provider is asked to give back."""

    order_id: str
    amount: str
    currency: str
    reason: str
