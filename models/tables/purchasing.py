"""Tables of purchasing: purchase orders, receipts and suppliers' invoices."""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import JSON, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from models.approvals import ProposalState
from models.purchasing import PurchaseOrderState
from models.tables.columns import bigint, enum_column


class PurchaseOrder(SQLModel, table=True):
    """A purchase order for one location."""

    __tablename__ = "purchase_orders"
    __table_args__ = (
        Index("ix_purchase_orders_created_at", "created_at", "po_id"),
        Index("ix_purchase_orders_state_supplier_id", "state", "supplier_id"),
        Index("ix_purchase_orders_supplier_id_created_at", "supplier_id", "created_at"),
    )

    po_id: str = Field(primary_key=True)
    supplier_id: str = Field(foreign_key="suppliers.supplier_id")
    location: str = Field(foreign_key="locations.location")
    currency: str
    state: PurchaseOrderState = enum_column(PurchaseOrderState)
    reference: str | None = None
    expected_date: date | None = None
    reason: str
    freight_minor: int = bigint(default=0)
    created_at: datetime
    collects_until: datetime
    """When it is sent; until then lines may be added."""
    sender_sku: str | None = None
    """The SKU whose replenishment sends it."""
    acknowledge_by: datetime | None = None
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    """When the applied acknowledgement was made: an earlier one changes nothing."""
    reported_at: datetime | None = None
    """When the report that set the dates was made: an earlier one changes no dates."""
    ended_reason: str | None = None
    """Why its goods, or the rest of them, are no longer expected."""
    ended_at: datetime | None = None


class PurchaseOrderLine(SQLModel, table=True):
    """One SKU of a purchase order."""

    __tablename__ = "purchase_order_lines"
    __table_args__ = (Index("ix_purchase_order_lines_sku", "sku"),)

    po_id: str = Field(primary_key=True, foreign_key="purchase_orders.po_id")
    sku: str = Field(primary_key=True, foreign_key="products.sku")
    quantity: int
    unit_cost_minor: int = bigint()
    acknowledged_unit_cost_minor: int | None = bigint(default=None)
    """The price that the supplier has acknowledged; None: it named none."""
    duty_ppm: int = 0
    expected: int | None = None
    """Units that are promised; None: not acknowledged, so all of them."""
    expected_date: date | None = None
    received: int = 0
    """Units received, without the damaged ones."""
    damaged: int = 0
    invoiced: int = 0
    reassigned_to: str | None = None
    """The supplier that an operator named instead; None: any other."""
    failed_at: datetime | None = None
    """When the supplier failed to promise or deliver all units. It isn't asked again until its rest
    is over or an operator retries."""
    reason: dict[str, JsonValue] = Field(sa_type=JSON)
    """Why it was purchased: a `models.purchasing.Reason`."""


class PurchaseProposal(SQLModel, table=True):
    """A purchase of a SKU for a location that waits for an operator's approval."""

    __tablename__ = "purchase_proposals"

    sku: str = Field(primary_key=True, foreign_key="products.sku")
    location: str = Field(primary_key=True, foreign_key="locations.location")
    quantity: int = 0
    supplier_id: str = ""
    landed_minor: int = bigint(default=0)
    currency: str = ""
    why: str = ""
    """Why it waits for approval."""
    state: ProposalState = enum_column(ProposalState, default=ProposalState.OPEN)
    proposed_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    reason: str = ""
    """The operator's reason."""


class SupplierInvoice(SQLModel, table=True):
    """A supplier's invoice, matched with purchase order and receipts."""

    __tablename__ = "supplier_invoices"

    invoice_id: str = Field(primary_key=True)
    po_id: str = Field(foreign_key="purchase_orders.po_id", index=True)
    currency: str
    amount_minor: int = bigint()
    difference_minor: int = bigint()
    """The amount less the cost of the goods by the purchase order."""
    lines: list[dict[str, JsonValue]] = Field(sa_type=JSON)
    recorded_at: datetime
    matched_at: datetime | None = None
    """When it was matched with received goods, and posted; None: it is unmatched."""


class GoodsReceipt(SQLModel, table=True):
    """Goods received for a purchase order."""

    __tablename__ = "goods_receipts"
    __table_args__ = (CheckConstraint("quantity > 0", "quantity_above_zero"),)

    receipt_id: str = Field(primary_key=True)
    po_id: str = Field(foreign_key="purchase_orders.po_id", index=True)
    sku: str = Field(index=True)
    location: str
    quantity: int
    damaged: int = 0
    value_minor: int = bigint()
    occurred_at: datetime
