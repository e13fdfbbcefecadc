"""Tables of returns and their settlements."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import JSON, CheckConstraint
from sqlmodel import Field, SQLModel

from models.returns import RequestedOutcome, ReturnReason, ReturnState
from models.tables.columns import enum_column
from models.tracking import TrackingStatus


class ReturnRow(SQLModel, table=True):
    """A return (RMA) of goods of one order."""

    __tablename__ = "returns"

    return_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    state: ReturnState = enum_column(ReturnState)
    reason: ReturnReason = enum_column(ReturnReason)
    wish: RequestedOutcome = enum_column(RequestedOutcome)
    location: str
    """The location that receives the goods."""
    note: str
    """The reason of the last command, such as a rejection."""
    requested_at: datetime
    authorised_at: datetime | None = None
    expires_at: datetime | None = None
    """The day by which the goods must be on their way."""
    tracking: TrackingStatus | None = enum_column(TrackingStatus, default=None, nullable=True)
    """The combined status of the carrier's reports."""
    news_at: datetime | None = None
    """When the goods were sent, or their carrier last reported."""
    received_at: datetime | None = None
    ended_at: datetime | None = None


class ReturnLine(SQLModel, table=True):
    """One order line of a return, in units."""

    __tablename__ = "return_lines"
    __table_args__ = (CheckConstraint("quantity > 0", "quantity_above_zero"),)

    return_id: str = Field(primary_key=True, foreign_key="returns.return_id")
    line_no: int = Field(primary_key=True)
    sku: str
    quantity: int
    received: int = 0
    restocked: int = 0
    scrapped: int = 0
    sent_back: int = 0
    """Sent to the supplier."""
    lost: int = 0
    """Lost on the way back."""

    @property
    def inspected(self) -> int:
        """Received units with a disposition."""
        return self.restocked + self.scrapped + self.sent_back

    @property
    def here(self) -> int:
        """Received units that wait for inspection."""
        return self.received - self.inspected

    @property
    def expected(self) -> int:
        """Units that may still arrive."""
        return self.quantity - self.received - self.lost

    @property
    def settled(self) -> int:
        """Units that were refunded or exchanged, or are about to be."""
        return self.inspected + self.lost


class Settlement(SQLModel, table=True):
    """The refund or exchange for inspected units of a return."""

    __tablename__ = "return_settlements"

    settlement_id: str = Field(primary_key=True)
    return_id: str = Field(foreign_key="returns.return_id", index=True)
    credit_notes: list[str] = Field(default_factory=list, sa_type=JSON)
    refund_keys: list[str] = Field(default_factory=list, sa_type=JSON)
    exchange_order_id: str | None = Field(default=None, index=True, unique=True)
    exchange_lines: list[dict[str, JsonValue]] | None = Field(
        default=None, sa_type=JSON(none_as_null=True)
    )
    """The lines of the exchange order: `models.returns.ExchangeLine`."""
    settled_at: datetime
    done_at: datetime | None = None
    """When the refund was mailed, or the exchange order started."""
