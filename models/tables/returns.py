"""Tables of returns and their settlements."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import (
    JSON,
    CheckConstraint,
)
from sqlmodel import Field, SQLModel

from models.returns import RequestedOutcome, ReturnReason, ReturnState
from models.tables.columns import enum_column
from models.tracking import TrackingStatus


class ReturnRow(SQLModel, table=True):
    """Goods of an order that come back."""

    __tablename__ = "returns"

    return_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    state: ReturnState = enum_column(ReturnState)
    reason: ReturnReason = enum_column(ReturnReason)
    wish: RequestedOutcome = enum_column(RequestedOutcome)
    location: str
    """Where the goods are to come."""
    note: str
    """What was said about it last: why it was refused, say."""
    requested_at: datetime
    authorised_at: datetime | None = None
    expires_at: datetime | None = None
    """Until then the goods must be on their way."""
    tracking: TrackingStatus | None = enum_column(TrackingStatus, default=None, nullable=True)
    """What the carrier's reports say together."""
    news_at: datetime | None = None
    """Since when the goods are on their way, or when their carrier told us something last."""
    received_at: datetime | None = None
    ended_at: datetime | None = None


class ReturnLine(SQLModel, table=True):
    """One SKU of a return, in units."""

    __tablename__ = "return_lines"
    __table_args__ = (CheckConstraint("quantity > 0", "quantity_above_zero"),)

    return_id: str = Field(primary_key=True, foreign_key="returns.return_id")
    line_no: int = Field(primary_key=True)
    """Of the order."""
    sku: str
    quantity: int
    received: int = 0
    restocked: int = 0
    scrapped: int = 0
    sent_back: int = 0
    """To their supplier."""
    lost: int = 0
    """On their way back."""

    @property
    def inspected(self) -> int:
        """Units that came, and whose disposition is decided."""
        return self.restocked + self.scrapped + self.sent_back

    @property
    def here(self) -> int:
        """Units that came, and that nobody has looked at."""
        return self.received - self.inspected

    @property
    def expected(self) -> int:
        """Units that may still come."""
        return self.quantity - self.received - self.lost

    @property
    def settled(self) -> int:
        """Units for which the customer has got, or is to get, what they are worth."""
        return self.inspected + self.lost


class Settlement(SQLModel, table=True):
    """What the customer gets for goods that came back and were inspected."""

    __tablename__ = "return_settlements"

    settlement_id: str = Field(primary_key=True)
    return_id: str = Field(foreign_key="returns.return_id", index=True)
    credit_note: str | None = None
    refund_key: str | None = Field(default=None, index=True)
    exchange_order_id: str | None = Field(default=None, index=True, unique=True)
    exchange_lines: list[dict[str, JsonValue]] | None = Field(
        default=None, sa_type=JSON(none_as_null=True)
    )
    """What of it replaces the goods: `models.returns.ExchangeLine`."""
    settled_at: datetime
    done_at: datetime | None = None
    """When the customer was refunded and told, or the new order was started."""
