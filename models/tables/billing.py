"""The tables of billing: invoices, credit notes, payments, refunds and reminders."""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import JSON, CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from models.billing import AuthorisationState
from models.refunds import PaidBy, RefundState
from models.tables.columns import bigint, enum_column, running_total


class InvoiceRow(SQLModel, table=True):
    """An invoice, never changed; `content` is `models.billing.Invoice` as issued."""

    __tablename__ = "invoices"
    __table_args__ = (
        Index(
            "uq_invoices_whole_order",
            "order_id",
            unique=True,
            sqlite_where=text("shipment_id IS NULL"),
            postgresql_where=text("shipment_id IS NULL"),
        ),
    )

    number: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    shipment_id: str | None = Field(default=None, foreign_key="shipments.shipment_id", unique=True)
    """The shipment with whose goods issue it was issued; None: the whole order."""
    customer_id: str = Field(index=True)
    currency: str
    net_minor: int = bigint()
    total_minor: int = bigint()
    issued_on: date
    due_on: date | None
    content: dict[str, object] = Field(sa_type=JSON)


class CreditNoteRow(SQLModel, table=True):
    """A credit note, never changed; `content` is `models.billing.CreditNote` as issued."""

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


class CreditBalance(SQLModel, table=True):
    """What became of the paid part of a credit note: kept as credit, given back, or used."""

    __tablename__ = "credit_balances"

    number: str = Field(primary_key=True, foreign_key="credit_notes.number")
    order_id: str = Field(index=True)
    payable_minor: int = bigint()
    """The paid part, which is owed to the customer."""
    refunded_minor: int = running_total()
    """The part of it that was given back, or is being refunded."""
    used_minor: int = running_total()
    """The part of it that met an amount due: of a reversed payment."""

    @property
    def kept_minor(self) -> int:
        """The part that is the customer's credit."""
        return self.payable_minor - self.refunded_minor - self.used_minor


class PaymentRequest(SQLModel, table=True):
    """The latest request to the payment provider to collect an amount."""

    __tablename__ = "payment_requests"

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    amount_minor: int = bigint()
    currency: str
    due_date: date
    request_id: str
    requested_at: datetime
    number: int = 1
    """Counts the requests of an order: there is another one after an authorisation has lapsed."""


class Authorisation(SQLModel, table=True):
    """A card authorisation; it posts nothing until it is captured."""

    __tablename__ = "authorisations"

    authorisation_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    amount_minor: int = bigint()
    currency: str
    state: AuthorisationState = enum_column(AuthorisationState)
    authorised_at: datetime
    expires_at: datetime


class Payment(SQLModel, table=True):
    """A payment. `applied_minor` is applied to its order; the rest is a deposit or unapplied."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", "amount_above_zero"),
        Index(
            "ix_payments_unmatched",
            "received_at",
            "payment_id",
            sqlite_where=text("unmatched_reason IS NOT NULL"),
            postgresql_where=text("unmatched_reason IS NOT NULL"),
        ),
    )

    payment_id: str = Field(primary_key=True)
    order_id: str | None = Field(default=None, foreign_key="orders.order_id", index=True)
    claimed_order_id: str | None = Field(default=None, index=True)
    """The order named by the payer, which may not exist."""
    invoice_number: str | None = None
    """The invoice of the order that it pays first; None: the one that is due first."""
    amount_minor: int = bigint()
    currency: str
    method: str
    applied_minor: int = bigint()
    unmatched_reason: str | None = None
    """The reason why (part of) the payment is not applied; None: all of it is applied."""
    reversed_minor: int = running_total()
    """The amount taken back by the payer's bank."""
    taxed_minor: int = running_total()
    """The tax that fell due with a payment before the invoice."""
    refunded_minor: int = running_total()
    """The amount given back, or being refunded."""
    refund_failed: str = ""
    """Why a refund of it, which the provider had accepted, was not paid; empty: none failed."""
    acknowledged: str = ""
    """The problem with this payment that an operator has acknowledged."""
    received_at: datetime

    @property
    def left_minor(self) -> int:
        """The amount that has not gone back; below zero if it was refunded and reversed."""
        return self.amount_minor - self.reversed_minor - self.refunded_minor


class PaymentReversal(SQLModel, table=True):
    """A reversal: money taken back by the payer's bank (chargeback)."""

    __tablename__ = "payment_reversals"

    reversal_id: str = Field(primary_key=True)
    payment_id: str = Field(index=True)
    """The reversed payment, which may be recorded later."""
    order_id: str | None = Field(default=None, index=True)
    amount_minor: int = bigint(default=0)
    fee_minor: int = bigint(default=0)
    currency: str = ""
    """Amounts and currency count once it is applied: they may follow from the payment."""
    reason: str
    recorded_at: datetime
    reported: dict[str, JsonValue] = Field(sa_type=JSON)
    """The report: `models.messages.facts.PaymentReversed`."""
    applied_at: datetime | None = None
    """The time of posting; None: its payment is not recorded yet."""


class EarlyRefundReport(SQLModel, table=True):
    """A report about a refund that waits: one made for the payment, one failed for the refund.

    The row is deleted when the report is applied.
    """

    __tablename__ = "early_refund_reports"

    report_id: str = Field(primary_key=True)
    """`<type>:<refund id>`."""
    type: str
    payment_id: str | None = Field(default=None, index=True)
    reported: dict[str, JsonValue] = Field(sa_type=JSON)
    """The report: `models.messages.facts.PaymentRefunded` or `RefundFailed`."""
    recorded_at: datetime


class Payout(SQLModel, table=True):
    """A payout of the payment provider to our bank account, and the fee it kept."""

    __tablename__ = "payouts"

    payout_id: str = Field(primary_key=True)
    amount_minor: int = bigint()
    fee_minor: int = bigint()
    currency: str
    recorded_at: datetime


class Refund(SQLModel, table=True):
    """A refund: an amount of one payment that goes back, of an order or of a payment without one.

    The row is written before the call to the provider, so that no amount is refunded twice.
    """

    __tablename__ = "refunds"
    __table_args__ = (CheckConstraint("amount_minor > 0", "amount_above_zero"),)

    refund_key: str = Field(primary_key=True)
    """The key of the partner call: `<order>/refund/<number>`."""
    order_id: str | None = Field(default=None, foreign_key="orders.order_id", index=True)
    number: int
    """Counts the refunds of its order, or of its payment without one."""
    payment_id: str = Field(foreign_key="payments.payment_id", index=True)
    amount_minor: int = bigint()
    payable_minor: int = bigint(default=0)
    """The part from credit notes."""
    deposit_minor: int = bigint(default=0)
    """The part from deposits; the rest was never invoiced, or had no order."""
    taxed_minor: int = bigint(default=0)
    """The tax in it that had fallen due with payments before the invoice."""
    credits: dict[str, int] = Field(default_factory=dict, sa_type=JSON)
    """The parts from each credit note, by its number."""
    currency: str
    reason: str
    paid_by: PaidBy = enum_column(PaidBy)
    state: RefundState = enum_column(RefundState)
    refund_id: str | None = None
    """The provider's id, or that of the command that recorded it."""
    asked_at: datetime
    refunded_at: datetime | None = None


class Reminder(SQLModel, table=True):
    """A reminder of an overdue invoice, with its fee."""

    __tablename__ = "reminders"

    invoice_number: str = Field(primary_key=True, foreign_key="invoices.number")
    level: int = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    fee_minor: int = bigint()
    due_minor: int = bigint()
    """The amount due at that time, with the fee."""
    reminded_on: date
