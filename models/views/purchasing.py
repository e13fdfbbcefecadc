"""Views of purchasing: offers, purchase orders, receipts and suppliers' invoices."""

from datetime import date, datetime

from pydantic import JsonValue

from models.base import Payload
from models.errors import Found, found
from models.messages.commands import UNKNOWN_PURCHASE_ORDER
from models.views.operations import RejectedMessageView
from models.views.stock import WaitingView


class TrackRecordView(Payload):
    """What was observed of a supplier in its last purchase orders."""

    purchase_orders: int
    mean_lead_time_days: float | None
    fill_rate_percent: str | None


class OfferView(Payload):
    """A supplier's offer, and what the smallest purchase by it costs."""

    supplier_id: str
    supplier: str
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
    """Why nothing can be bought by it; None: it can."""
    track_record: TrackRecordView | None


class OffersView(Payload):
    """Who sells a SKU to us."""

    sku: str
    name: str
    currency: str
    offers: tuple[OfferView, ...]


class PurchaseLineView(Payload):
    """One SKU of a purchase order; `due` units are still to come."""

    sku: str
    quantity: int
    unit_cost: str
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
    """An offer as it was compared when the line was bought."""

    supplier_id: str
    quantity: int
    unit_cost: str
    landed_cost: str
    expected_date: date
    on_time: bool
    fill_rate_percent: str
    chosen: bool
    why_not: str | None


class ReasonView(Payload):
    """Why a line was bought, as it was then."""

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
    """What arrived; the damaged units of it didn't become stock."""

    receipt_id: str
    sku: str
    quantity: int
    damaged: int
    value: str
    occurred_at: datetime


class SupplierInvoiceView(Payload):
    """What the supplier asks for, and how far that is from the purchase order's prices.

    `matched_at`: when its goods were here, so that it was posted; None: it waits for them."""

    invoice_id: str
    amount: str
    difference: str
    lines: tuple[dict[str, JsonValue], ...]
    recorded_at: datetime
    matched_at: datetime | None = None


class PurchaseOrderDetails(PurchaseOrderView):
    """One purchase order with everything that happened to it."""

    reference: str | None
    """The supplier's own."""
    collects_until: datetime
    acknowledge_by: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    reasons: tuple[ReasonView, ...]
    waiting: tuple[WaitingView, ...]
    """Orders that wait for it."""
    receipts: tuple[ReceiptView, ...]
    invoices: tuple[SupplierInvoiceView, ...]
    odd_facts: tuple[RejectedMessageView, ...]


def of_purchase_order(view: Found | None, po_id: str) -> Found:
    """What is shown of a purchase order. Raises NotFound where there is none."""
    return found(view, UNKNOWN_PURCHASE_ORDER, f"there is no purchase order {po_id!r}")
