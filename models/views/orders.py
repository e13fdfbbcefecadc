"""Views of orders and customers. Amounts are decimal strings with the currency's decimals."""

from datetime import date, datetime

from models.base import Payload
from models.messages.attention import Attention
from models.views.operations import RejectedMessageView


class LineView(Payload):
    """A line of an order, with the units in each state.

    `kind`: goods or service; services are billed, and have no other state.
    """

    sku: str
    kind: str = "goods"
    ordered: int
    reserved: int = 0
    backordered: int = 0
    shipped: int = 0
    delivered: int = 0
    returned: int = 0
    given_up: int = 0
    """Units that will not be delivered; their price is refunded or not charged."""


class ShipmentView(Payload):
    """A shipment of an order."""

    shipment_id: str
    state: str
    carrier: str | None
    tracking_number: str | None
    tracking: str | None = None
    """The carrier's latest status, such as `in_transit`."""


class InvoiceView(Payload):
    """An invoice of an order. `open`: its open amount, fees included."""

    number: str
    shipment_id: str | None
    """The delivery that it is for; None: the whole order."""
    issued_on: date
    due_on: date | None
    total: str
    open: str


class OrderView(Payload):
    """An order, as lists show it."""

    order_id: str
    customer_id: str
    customer_reference: str | None = None
    warnings: tuple[str, ...] = ()
    """What is unusual about the order, and doesn't stop it."""
    """The customer's own reference."""
    channel: str
    terms: str
    stage: str
    attention: Attention | None = None
    currency: str
    total: str
    paid: str
    due: str | None = None
    """The amount still to be paid, including fees; None while it is unknown."""
    refunded: str | None = None
    overpaid: str | None = None
    """The customer's deposit: paid beyond what was due."""
    credit: str | None = None
    """The part of credit notes that is kept as the customer's credit."""
    invoice_number: str | None = None
    """The first invoice; `status` shows all of them."""
    lines: tuple[LineView, ...]
    shipments: tuple[ShipmentView, ...] = ()
    promised_date: date | None = None
    """The day by which the goods are promised to leave."""
    expected_date: date | None = None
    """The expected date of the last shortage; None without shortages, or if one has no date."""
    consent_by: date | None = None
    """The last day for consent to a delay."""
    placed_at: datetime
    updated_at: datetime
    workflow_id: str


class HistoryView(Payload):
    """One row of the audit trail."""

    recorded_at: datetime
    event: str
    detail: str


class RefundView(Payload):
    """A refund of an order, to one of its payments.

    `paid_by`: provider, cash or transfer. `state`: asked, held, refunded or withdrawn.
    """

    number: int
    payment_id: str
    amount: str
    paid_by: str
    state: str
    reason: str
    asked_at: datetime


class BackorderView(Payload):
    """A shortage of an order, with its expected date."""

    sku: str
    quantity: int
    location: str
    po_id: str | None
    expected_date: date | None


class OrderDetails(OrderView):
    """An order with its backorders, history and rejected messages."""

    delivery: str
    fulfilment: str = "carrier"
    location: str | None = None
    """The location where the goods are handed over."""
    taken_by: str | None = None
    """The employee who took the order."""
    phone: str | None = None
    """A phone number for the carrier, as E.164, with an extension as in RFC 3966."""
    backorders: tuple[BackorderView, ...] = ()
    refunds: tuple[RefundView, ...] = ()
    invoices: tuple[InvoiceView, ...] = ()
    """The invoices, in the order of issue: of an order on credit one for each delivery."""
    uninvoiced: str | None = None
    """The part of the total that is not invoiced yet."""
    history: tuple[HistoryView, ...] = ()
    odd_facts: tuple[RejectedMessageView, ...] = ()


class CustomerView(Payload):
    """A customer with orders, volume and credit."""

    customer_id: str
    name: str
    company: str = ""
    email: str
    phone: str
    country: str
    vat_id: str = ""
    language: str
    status: str
    merged_ids: tuple[str, ...] = ()
    """Ids of customers that were merged into this one; orders under them are its own."""
    possible_duplicates: tuple[str, ...] = ()
    """Ids of customers with the same mail address, VAT id, phone number, or name and address."""
    payment_preference: str
    credit_limit: str
    currency: str
    open_credit: str
    """The amount that the credit check counts: orders on credit that are not paid, also while they
    are being cancelled."""
    order_count: int
    volume: str
    """The total of all orders that were not cancelled, tax included."""
    first_order_at: datetime | None
    last_order_at: datetime | None
    orders: tuple[OrderView, ...]
