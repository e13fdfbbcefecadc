"""Views of purchasing: offers, purchase orders, receipts and suppliers' invoices."""

from datetime import date, datetime

from pydantic import JsonValue

from models.base import Payload
from models.errors import Found, require_found
from models.messages.commands.base import UNKNOWN_PURCHASE_ORDER
from models.views.operations import RejectedMessageView
from models.views.stock import ShortageView


class TrackRecordView(Payload):
    """The track record of a supplier over its latest purchase orders."""

    purchase_orders: int
    mean_lead_time_days: float | None
    fill_rate_percent: str | None


class OfferView(Payload):
    """A price tier of a supplier's offer, and the cost of the smallest purchase by it."""

    supplier_id: str
    supplier: str
    from_quantity: int
    unit_cost: str
    break_quantity: int | None
    break_unit_cost: str | None
    freight_cost: str
    duty_percent: str
    minimum_quantity: int
    pack_size: int
    lead_time_days: int
    valid_until: date | None
    smallest_purchase: int
    landed_cost: str
    """Of the smallest purchase: goods, freight and duty."""
    landed_unit_cost: str
    why_not: str | None
    """Why the offer can't be used; None: it can."""
    track_record: TrackRecordView | None


class PurchaseProposalView(Payload):
    """A purchase that waits for an operator's approval, or was decided on."""

    sku: str
    location: str
    state: str
    quantity: int
    supplier_id: str
    landed: str
    currency: str
    why: str
    proposed_at: datetime
    decided_at: datetime | None
    decided_by: str
    reason: str


class OffersView(Payload):
    """The offers of a SKU: the best supplier first, each with the smallest quantity first."""

    sku: str
    name: str
    currency: str
    offers: tuple[OfferView, ...]


class PurchaseLineView(Payload):
    """One SKU of a purchase order; `due`: units promised and not received."""

    sku: str
    quantity: int
    unit_cost: str
    acknowledged_unit_cost: str | None = None
    """The price that the supplier has acknowledged; None: it named none."""
    due: int
    received: int
    damaged: int
    invoiced: int
    expected_date: date | None


class PurchaseOrderView(Payload):
    """A purchase order as listed."""

    po_id: str
    supplier_id: str
    location: str
    state: str
    currency: str
    goods: str
    freight: str
    expected_date: date | None
    created_at: datetime
    lines: tuple[PurchaseLineView, ...]


class ComparedView(Payload):
    """An offer as it was compared when the line was planned."""

    supplier_id: str
    from_quantity: int
    """Of its price tier."""
    quantity: int
    unit_cost: str
    landed_cost: str
    expected_date: date
    on_time: bool
    fill_rate_percent: str
    chosen: bool
    why_not: str | None


class ReasonView(Payload):
    """The reason for a line at its planning."""

    sku: str
    in_words: str
    orders: tuple[str, ...]
    short: int
    restock: int
    position: int
    reorder_point: int | None
    demand_a_day: float | None
    lead_time_days: float | None
    offers: tuple[ComparedView, ...]


class ReceiptView(Payload):
    """A goods receipt; its damaged units did not go into stock."""

    receipt_id: str
    sku: str
    quantity: int
    damaged: int
    value: str
    occurred_at: datetime


class SupplierInvoiceView(Payload):
    """A supplier's invoice, with its difference from the prices of the purchase order.

    `matched_at`: when it was matched with received goods, and posted; None: it is unmatched.
    """

    invoice_id: str
    amount: str
    difference: str
    lines: tuple[dict[str, JsonValue], ...]
    recorded_at: datetime
    matched_at: datetime | None = None


class PurchaseOrderDetails(PurchaseOrderView):
    """A purchase order with its reasons, shortages, receipts, invoices and rejected facts."""

    reference: str | None
    """The supplier's own number."""
    collects_until: datetime
    acknowledge_by: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    reasons: tuple[ReasonView, ...]
    waiting: tuple[ShortageView, ...]
    """The shortages that it completes."""
    receipts: tuple[ReceiptView, ...]
    invoices: tuple[SupplierInvoiceView, ...]
    odd_facts: tuple[RejectedMessageView, ...]


def require_purchase_order(view: Found | None, po_id: str) -> Found:
    """Return the view of a purchase order. Raises NotFound where there is none."""
    return require_found(view, UNKNOWN_PURCHASE_ORDER, f"there is no purchase order {po_id!r}")
