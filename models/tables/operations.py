"""Tables of operations: facts, commands, attentions, audit, mail and findings."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import JSON, Index, UniqueConstraint
from sqlmodel import Field, SQLModel


class AttentionRow(SQLModel, table=True):
    """An attention: a workflow that waits for an operator about an order."""

    __tablename__ = "attentions"

    order_id: str = Field(foreign_key="orders.order_id", primary_key=True)
    source: str = Field(primary_key=True)
    """The id of the workflow; empty for the order's own."""
    code: str
    message: str
    subject: str = ""
    """The shipment or return that it is about; empty: the order."""
    since: datetime


class CommandRow(SQLModel, table=True):
    """An executed command, recorded so that it is executed once."""

    __tablename__ = "commands"

    command_id: str = Field(primary_key=True)
    kind: str
    actor: str
    reason: str
    outcome: dict[str, JsonValue] = Field(sa_type=JSON)
    """The result, with the command: `models.messages.commands.CommandResult`."""
    recorded_at: datetime


class Finding(SQLModel, table=True):
    """A difference that reconciliation found."""

    __tablename__ = "findings"

    finding_id: str = Field(primary_key=True)
    """The kind of difference and its subject, such as `reserved:SKU:location`."""
    subject: str
    message: str
    found_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None = None


class NumberSeries(SQLModel, table=True):
    """The last number drawn of a gapless series, such as `INV-2026`."""

    __tablename__ = "number_series"

    series: str = Field(primary_key=True)
    last_number: int


class PartnerCall(SQLModel, table=True):
    """The current attempt of a call to a partner, which a refusal raises, and its request."""

    __tablename__ = "partner_calls"

    call: str = Field(primary_key=True)
    attempt: int
    asked: dict[str, JsonValue] | None = Field(default=None, sa_type=JSON(none_as_null=True))


class FactRow(SQLModel, table=True):
    """A fact as received, once for each source and id."""

    __tablename__ = "facts"
    __table_args__ = (
        UniqueConstraint("source", "fact_id"),
        Index("ix_facts_type_business_id", "type", "business_id"),
        Index("ix_facts_order_id_applied_at", "order_id", "applied_at"),
        Index("ix_facts_po_id_applied_at", "po_id", "applied_at"),
    )

    fact_no: int | None = Field(default=None, primary_key=True)
    source: str
    fact_id: str
    type: str
    business_id: str
    order_id: str | None = None
    po_id: str | None = None
    data: dict[str, JsonValue] = Field(sa_type=JSON)
    received_at: datetime
    applied_at: datetime | None = None


class RejectedMessageRow(SQLModel, table=True):
    """A message that no step could apply."""

    __tablename__ = "rejected_messages"

    rejected_id: str = Field(primary_key=True)
    subject: str = Field(index=True)
    name: str
    body: str
    reason: str
    recorded_at: datetime


class AuditRow(SQLModel, table=True):
    """A row of an order's audit trail, inserted in the transaction of its fact."""

    __tablename__ = "audit_trail"
    __table_args__ = (UniqueConstraint("order_id", "entry_no"),)

    audit_no: int | None = Field(default=None, primary_key=True)
    order_id: str
    entry_no: int
    """The place in the order's trail, from 1."""
    event: str
    detail: str
    actor: str
    source: str
    reason: str
    """See `models.audit.Origin`."""
    recorded_at: datetime
    hash: str
    """The SHA-256 over the entry and the hash of the entry before it."""


class AuditAnchor(SQLModel, table=True):
    """The hash over all rows of the audit trail of a period: see `models.audit.Anchor`."""

    __tablename__ = "audit_anchors"

    anchor_no: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    from_no: int
    to_no: int
    entries: int
    hash: str
    anchored_at: datetime


class BulkRun(SQLModel, table=True):
    """An action for many orders: see `models.messages.bulk`."""

    __tablename__ = "bulk_runs"

    bulk_id: str = Field(primary_key=True)
    action: str
    where: str
    reason: str
    actor: str
    source: str
    expected: int
    state: str
    started_at: datetime
    ended_at: datetime | None = None


class BulkOutcome(SQLModel, table=True):
    """The outcome of a bulk for one order."""

    __tablename__ = "bulk_outcomes"

    bulk_id: str = Field(foreign_key="bulk_runs.bulk_id", primary_key=True)
    order_id: str = Field(primary_key=True)
    outcome: str
    message: str
    recorded_at: datetime


class Mail(SQLModel, table=True):
    """A mail that was sent, or whose address was refused."""

    __tablename__ = "mails"

    message_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    kind: str
    recipient: str
    refused: str | None = None
    """The mail server's reason, if it refused the address."""
    recorded_at: datetime
