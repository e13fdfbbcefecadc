"""Tables of orders. Amounts are minor units, times are UTC.

Messages validate their content. CHECK constraints, and triggers (see `migrations/`), are the last
line of defence.
"""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import JSON, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from models.orders import Capture, Channel, Delivery, Fulfilment, PaymentMethod, Terms
from models.progress import Cancellation, Stage
from models.tables.columns import bigint, enum_column, running_total
from models.tax import ProductKind, TaxCase


class Order(SQLModel, table=True):
    """An order; every transaction that applies a fact recomputes its stage."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_stage_placed_at", "stage", "placed_at"),
        Index("ix_orders_placed_by_placed_at", "placed_by", "placed_at"),
        CheckConstraint("paid_minor >= 0", "paid_not_negative"),
    )

    order_id: str = Field(primary_key=True)
    customer_id: str = Field(foreign_key="customers.customer_id", index=True)
    channel: Channel = enum_column(Channel)
    terms: Terms = enum_column(Terms)
    delivery: Delivery = enum_column(Delivery)
    currency: str
    ship_to: dict[str, str | None] = Field(sa_type=JSON)
    bill_to: dict[str, str | None] | None = Field(sa_type=JSON(none_as_null=True))
    """None: a sale at the counter to a customer without an address."""
    requested_delivery_date: date | None
    tax_case: TaxCase = enum_column(TaxCase)
    prices_include_tax: bool = False
    """Whether the prices of the lines include the tax."""
    vat_id: str = ""
    """The customer's VAT id at acceptance, on which the tax case rests."""
    digest: str
    workflow_id: str
    discount_ppm: int = 0
    """The order's discount, which its lines share."""
    payment_method: PaymentMethod | None = enum_column(PaymentMethod, default=None, nullable=True)
    capture: Capture = enum_column(Capture, default=Capture.AT_ONCE)
    net_minor: int = bigint()
    total_minor: int = bigint()
    paid_minor: int = bigint(default=0)
    """Payments applied to the amount due, less reversals."""
    deposit_minor: int = bigint(default=0)
    """Payments beyond the amount due, less reversals."""
    refunded_minor: int = bigint(default=0)
    """Refunds of `payable_minor`, of deposits, and of payments before an invoice."""
    fees_minor: int = running_total()
    """Dunning fees, part of the amount due."""
    credited_minor: int = running_total()
    """The sum of all credit notes."""
    payable_minor: int = running_total()
    """The part of the credit notes that had been paid, so that it is owed to the customer."""
    reclaimed_minor: int = running_total()
    """Amounts refunded and reversed too, so that they are due again."""
    forgiven_minor: int = running_total()
    """Amounts due that were written off, or waived within the tolerance."""
    difference_minor: int = running_total()
    """The part of `forgiven_minor` that was waived within the tolerance."""
    relieved_minor: int = running_total()
    """The tax in `forgiven_minor` that is no longer owed."""
    taxed_minor: int = running_total()
    """Tax that fell due on payments before the invoice (2006/112/EC art. 65)."""
    invoiced_by_delivery: bool = False
    """Whether each delivery is invoiced with its goods issue; else the whole order at once."""
    invoiced_minor: int = running_total()
    """The sum of all invoices."""
    invoiced_tax_minor: int = running_total()
    """The tax in `invoiced_minor`."""
    resembles: str | None = None
    """The blocked customer whom its customer resembles, until an operator decides."""
    paused_by: str | None = None
    """The operator who paused it; None: it isn't paused."""
    paused_at: datetime | None = None
    pause_reason: str = ""
    credit_accepted: bool = False
    """Whether it counts towards its customer's exposure (net30)."""
    allocated: bool = False
    allocation_no: int = 0
    """The number of allocations; a late payment may start another one."""
    stage: Stage = enum_column(Stage, default=Stage.RECEIVED)
    stage_since: datetime
    """When it reached its stage."""
    cancellation: Cancellation = enum_column(Cancellation, default=Cancellation.NONE)
    cancel_reason: str = ""
    promised_date: date | None = None
    """The last date for dispatch that the customer agreed to; None after consent to a delay without
    a date."""
    notified_date: date | None = None
    """The date in the last letter to the customer."""
    delay_notices: int = 0
    """The number of delays that the customer agreed to, by silence or expressly."""
    consent_by: date | None = None
    """The last day for consent to the delay; None: no consent is required."""
    letter: dict[str, JsonValue] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """The last letter to the customer: `models.promises.Letter`."""
    amendments: int = 0
    """The amendments that made another payment request necessary."""
    pay_by: datetime | None = None
    """The time until which its payment request is to be paid; None: requested on credit, or not."""
    expired: bool = False
    """Whether it was cancelled because it was not paid in time."""
    document: dict[str, JsonValue] = Field(sa_type=JSON)
    """The order as it was placed; a late payment may resume it."""
    fulfilment: Fulfilment = enum_column(Fulfilment, default=Fulfilment.CARRIER)
    location: str | None = None
    """The location where the goods are handed over to the customer."""
    named_carrier: str = ""
    """The carrier that an operator named for bookings to come; empty: that of the best quote."""
    named_service: str = ""
    """A service of the named carrier; empty: the best."""
    taken_by: str = ""
    """The employee who took the order."""
    placed_by: str = ""
    """The name of the shop's token; empty: placed by CLI or with a token for all orders."""
    warnings: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """What was unusual about it when it was recorded; None: nothing."""
    customer_reference: str = Field(default="", index=True)
    """The customer's own reference; empty: none."""
    phone: str = ""
    """A phone number for the carrier, as E.164; empty: none."""
    attention_code: str | None = Field(default=None, index=True)
    """The attention that is shown: the oldest of the order (`AttentionRow`), or a problem with its
    money or goods."""
    attention_message: str | None = None
    version: int = 1
    placed_at: datetime = Field(index=True)
    updated_at: datetime


class OrderLineRow(SQLModel, table=True):
    """A line of an order, with its price."""

    __tablename__ = "order_lines"

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    line_no: int = Field(primary_key=True)
    sku: str = Field(foreign_key="products.sku")
    name: str
    quantity: int
    list_price_minor: int = bigint()
    unit_price_minor: int = bigint()
    discount_ppm: int
    net_minor: int = bigint()
    tax_rate_ppm: int
    order_discount_minor: int = running_total()
    gross_minor: int | None = bigint(default=None)
    """The amount with tax, if prices include it."""
    gross_discount_minor: int = running_total()
    kind: ProductKind = enum_column(ProductKind, default=ProductKind.GOODS)

    @property
    def is_goods(self) -> bool:
        """Whether its units are stocked and delivered."""
        return self.kind is ProductKind.GOODS
