"""What CLI and API show. Amounts are decimal strings in the currency's own number of decimals."""

from datetime import date, datetime

from models.base import Payload
from models.messages.attention import Attention
from models.views.operations import RejectedMessageView


class LineView(Payload):
    """One SKU of an order, in units."""

    sku: str
    ordered: int
    reserved: int = 0
    backordered: int = 0
    shipped: int = 0
    delivered: int = 0
    returned: int = 0
    given_up: int = 0
    """They won't come: their price was given back, or won't be asked for."""


class ShipmentView(Payload):
    """A shipment with its carrier."""

    shipment_id: str
    state: str
    carrier: str | None
    tracking_number: str | None
    tracking: str | None = None
    """What the carrier says: in_transit, lost..."""


class OrderView(Payload):
    """An order as shown everywhere."""

    order_id: str
    customer_id: str
    channel: str
    terms: str
    stage: str
    attention: Attention | None = None
    currency: str
    total: str
    paid: str
    due: str | None = None
    """What is still to be paid, fees included; None: not known yet."""
    refunded: str | None = None
    invoice_number: str | None = None
    lines: tuple[LineView, ...]
    shipments: tuple[ShipmentView, ...] = ()
    promised_date: date | None = None
    """By when the goods are to leave."""
    expected_date: date | None = None
    """When the last of what is short comes; None: nothing is short, or a date is missing."""
    consent_by: date | None = None
    """Until when the customer must accept the delay."""
    placed_at: datetime
    updated_at: datetime
    workflow_id: str


class HistoryView(Payload):
    """One row of the audit trail."""

    recorded_at: datetime
    event: str
    detail: str


class BackorderView(Payload):
    """What an order waits for, and until when."""

    sku: str
    quantity: int
    location: str
    po_id: str | None
    expected_date: date | None


class OrderDetails(OrderView):
    """One order with everything that happened to it."""

    delivery: str
    fulfilment: str = "carrier"
    location: str | None = None
    """Where the goods are handed over."""
    taken_by: str | None = None
    """Who of us took the order."""
    backorders: tuple[BackorderView, ...] = ()
    history: tuple[HistoryView, ...] = ()
    odd_facts: tuple[RejectedMessageView, ...] = ()


class CustomerView(Payload):
    """A customer with history, volume and preferences."""

    customer_id: str
    name: str
    email: str
    phone: str
    country: str
    language: str
    status: str
    payment_preference: str
    credit_limit: str
    currency: str
    open_credit: str
    """What the credit check counts: orders on credit that are not paid, also while they are being
    cancelled."""
    order_count: int
    volume: str
    """The total of all orders that were not cancelled, tax included."""
    first_order_at: datetime | None
    last_order_at: datetime | None
    orders: tuple[OrderView, ...]
