"""The tables: the record of business facts. Amounts are minor units, times are UTC.

Validation is the messages' work; the CHECK constraints here are the last line. Journal and
invoices are also guarded by triggers (see `migrations/`).
"""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Index,
)
from sqlmodel import Field, SQLModel

from models.customers import TaxTreatment
from models.orders import Capture, Channel, Delivery, Fulfilment, PaymentMethod, Terms
from models.progress import Cancellation, Stage
from models.tables.columns import bigint, enum_column, running_total


class Order(SQLModel, table=True):
    """An order; stage and counters are recomputed in the transaction of every fact."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_stage_placed_at", "stage", "placed_at"),
        CheckConstraint("paid_minor >= 0", "paid_not_negative"),
    )

    order_id: str = Field(primary_key=True)
    customer_id: str = Field(foreign_key="customers.customer_id", index=True)
    channel: Channel = enum_column(Channel)
    terms: Terms = enum_column(Terms)
    delivery: Delivery = enum_column(Delivery)
    currency: str
    ship_to: dict[str, str | None] = Field(sa_type=JSON)
    bill_to: dict[str, str | None] = Field(sa_type=JSON)
    requested_delivery_date: date | None
    tax_treatment: TaxTreatment = enum_column(TaxTreatment)
    digest: str
    workflow_id: str
    discount_ppm: int = 0
    """Of the whole order; each line has its share of it."""
    payment_method: PaymentMethod | None = enum_column(PaymentMethod, default=None, nullable=True)
    capture: Capture = enum_column(Capture, default=Capture.AT_ONCE)
    net_minor: int = bigint()
    total_minor: int = bigint()
    paid_minor: int = bigint(default=0)
    """Money applied to what was due, less what was reversed."""
    deposit_minor: int = bigint(default=0)
    """Received beyond what was due, less what was reversed."""
    refunded_minor: int = bigint(default=0)
    """Given back, of `payable_minor`, of deposits, and of what was paid before any invoice."""
    fees_minor: int = running_total()
    """Dunning fees: due like the rest."""
    credited_minor: int = running_total()
    """All credit notes together."""
    payable_minor: int = running_total()
    """What credit notes gave back of money that had been paid."""
    reclaimed_minor: int = running_total()
    """Given back, and then taken back by the payer's bank as well: due again."""
    forgiven_minor: int = running_total()
    """Due and not paid: written off, or too small a difference to ask for."""
    difference_minor: int = running_total()
    """The part of it that was too small a difference."""
    relieved_minor: int = running_total()
    """The tax in what was forgiven that is owed no longer."""
    taxed_minor: int = running_total()
    """Tax that fell due on payments before the invoice (2006/112/EC art. 65)."""
    dunning_level: int = 0
    """How many reminders were sent."""
    credit_accepted: bool = False
    """It counts towards its customer's exposure (net30)."""
    allocated: bool = False
    allocation_no: int = 0
    """How often it was allocated: late money may have it done again."""
    stage: Stage = enum_column(Stage, default=Stage.RECEIVED)
    cancellation: Cancellation = enum_column(Cancellation, default=Cancellation.NONE)
    cancel_reason: str = ""
    promised_date: date | None = None
    """When the goods are to leave at the latest: the last date that the customer agreed to. None
    after a delay: agreed to wait without one."""
    told_date: date | None = None
    """The date that the customer was last told."""
    delay_notices: int = 0
    """How many delays the customer has agreed to, by silence or expressly."""
    consent_by: date | None = None
    """Until when the customer must accept the delay; None: nothing is to be accepted."""
    letter: dict[str, JsonValue] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """What the customer was told last about the date: `models.promises.Letter`."""
    expired: bool = False
    """It was cancelled because it wasn't paid in time."""
    document: dict[str, JsonValue] = Field(sa_type=JSON)
    """The order as it was placed: late money may start it again."""
    fulfilment: Fulfilment = enum_column(Fulfilment, default=Fulfilment.CARRIER)
    location: str | None = None
    """Where the goods are handed over to the customer."""
    taken_by: str = ""
    """Who of us took the order."""
    attention_code: str | None = Field(default=None, index=True)
    """What is shown: of what waits for a person the oldest (`AttentionRow`), else what happened to
    its money or goods."""
    attention_message: str | None = None
    version: int = 1
    placed_at: datetime = Field(index=True)
    updated_at: datetime


class OrderLineRow(SQLModel, table=True):
    """A line with its settled price."""

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
