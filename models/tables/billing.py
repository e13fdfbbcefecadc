"""Tables of billing: invoices, credit notes, payments and refunds."""

from datetime import date, datetime

from sqlalchemy import (
    JSON,
    CheckConstraint,
)
from sqlmodel import Field, SQLModel

from models.billing import AuthorisationState, RefundState
from models.tables.columns import bigint, enum_column, running_total


class InvoiceRow(SQLModel, table=True):
    """An invoice, never changed: `content` is `models.billing.Invoice` as issued."""

    __tablename__ = "invoices"

    number: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", unique=True)
    customer_id: str = Field(index=True)
    currency: str
    net_minor: int = bigint()
    total_minor: int = bigint()
    issued_on: date
    due_on: date | None
    content: dict[str, object] = Field(sa_type=JSON)


class CreditNoteRow(SQLModel, table=True):
    """The reversal of an invoice or of a part of it, never changed: `content` is
    `models.billing.CreditNote` as issued."""

    __tablename__ = "credit_notes"

    number: str = Field(primary_key=True)
    invoice_number: str = Field(foreign_key="invoices.number", index=True)
    order_id: str = Field(index=True)
    currency: str
    net_minor: int = bigint()
    total_minor: int = bigint()
    reason: str
    issued_on: date
    content: dict[str, object] = Field(sa_type=JSON)


class PaymentRequest(SQLModel, table=True):
    """What the provider was asked to collect."""

    __tablename__ = "payment_requests"

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    amount_minor: int = bigint()
    currency: str
    due_date: date
    request_id: str
    requested_at: datetime
    number: int = 1
    """Counts what the provider was asked for: again, where an authorisation has lapsed."""


class Authorisation(SQLModel, table=True):
    """A card's promise to pay: it posts nothing until it is captured."""

    __tablename__ = "authorisations"

    authorisation_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    amount_minor: int = bigint()
    currency: str
    state: AuthorisationState = enum_column(AuthorisationState)
    authorised_at: datetime
    expires_at: datetime


class Payment(SQLModel, table=True):
    """Money received. `applied_minor` settled an order; the rest is a deposit or unapplied."""

    __tablename__ = "payments"
    __table_args__ = (CheckConstraint("amount_minor > 0", "amount_above_zero"),)

    payment_id: str = Field(primary_key=True)
    order_id: str | None = Field(default=None, foreign_key="orders.order_id", index=True)
    claimed_order_id: str | None = None
    """What the payer wrote, whether or not such an order exists."""
    amount_minor: int = bigint()
    currency: str
    method: str
    applied_minor: int = bigint()
    unmatched_reason: str | None = Field(default=None, index=True)
    """Why (part of) the money has no use yet; None: all of it is applied."""
    reversed_minor: int = running_total()
    """Taken back by the payer's bank."""
    taxed_minor: int = running_total()
    """The tax that fell due with it, as it came before the invoice."""
    acknowledged: str = ""
    """What was said of a problem with it that a person has seen to."""
    received_at: datetime


class PaymentReversal(SQLModel, table=True):
    """Money that the payer's bank took back (chargeback)."""

    __tablename__ = "payment_reversals"

    reversal_id: str = Field(primary_key=True)
    payment_id: str = Field(index=True)
    """It may be known before the payment is."""
    order_id: str | None = Field(default=None, index=True)
    amount_minor: int = bigint()
    fee_minor: int = bigint()
    currency: str
    reason: str
    recorded_at: datetime
    applied_at: datetime | None = None
    """When it was posted; None: its payment hasn't come yet."""


class Payout(SQLModel, table=True):
    """What the payment provider paid out to our bank account, and kept as its fee."""

    __tablename__ = "payouts"

    payout_id: str = Field(primary_key=True)
    amount_minor: int = bigint()
    fee_minor: int = bigint()
    currency: str
    recorded_at: datetime


class Refund(SQLModel, table=True):
    """Money given back, of an order or (with no order) of a payment. The row is written before the
    provider is asked, so that nothing is promised twice."""

    __tablename__ = "refunds"
    __table_args__ = (CheckConstraint("amount_minor > 0", "amount_above_zero"),)

    refund_key: str = Field(primary_key=True)
    """The name of the call to the provider: `<order>/refund/<n>`."""
    order_id: str | None = Field(default=None, foreign_key="orders.order_id", index=True)
    payment_id: str | None = Field(default=None, foreign_key="payments.payment_id")
    amount_minor: int = bigint()
    payable_minor: int = bigint(default=0)
    """The part that credit notes owe; the rest was never invoiced, or had no order."""
    taxed_minor: int = bigint(default=0)
    """The tax in it, which had fallen due with payments before the invoice."""
    currency: str
    reason: str
    state: RefundState = enum_column(RefundState)
    refund_id: str | None = None
    """The provider's."""
    asked_at: datetime
    refunded_at: datetime | None = None


class Reminder(SQLModel, table=True):
    """A reminder of an invoice that is overdue, with its fee."""

    __tablename__ = "reminders"

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    level: int = Field(primary_key=True)
    fee_minor: int = bigint()
    due_minor: int = bigint()
    """What was due then, with the fee."""
    reminded_on: date
