"""Tables of stock: counters, movements, policies, reservations and shortages."""

from datetime import date, datetime
from typing import Protocol

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from models.messages.steps import StockKey
from models.stock import MovementKind, ReservationState, ShortageState
from models.tables.columns import bigint, enum_column, running_total


class _AtLocation(Protocol):
    sku: str
    location: str


class _Keyed:
    @property
    def key(self: _AtLocation) -> StockKey:
        """The SKU and location of the row."""
        return StockKey(sku=self.sku, location=self.location)


class Stock(_Keyed, SQLModel, table=True):
    """The counters of a SKU at a location; the row locks its reservations and shortages too."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("reserved >= 0 AND reserved <= on_hand", "available_not_negative"),
        CheckConstraint("value_minor >= 0", "value_not_negative"),
        CheckConstraint("on_hand > 0 OR value_minor = 0", "nothing_is_worth_nothing"),
    )

    sku: str = Field(primary_key=True, foreign_key="products.sku")
    location: str = Field(primary_key=True, foreign_key="locations.location")
    on_hand: int = bigint(default=0)
    reserved: int = bigint(default=0)
    value_minor: int = bigint(default=0)


class StockMovement(SQLModel, table=True):
    """One change of a counter; `movement_id` is the natural key of its cause."""

    __tablename__ = "stock_movements"

    movement_id: str = Field(primary_key=True)
    sku: str = Field(index=True)
    location: str
    kind: MovementKind = enum_column(MovementKind)
    on_hand_change: int = bigint()
    reserved_change: int = bigint()
    value_change_minor: int = bigint()
    cause: str = Field(index=True)
    """The fact or command behind it: `receipt:<id>`, `release:<order>:<n>`, `adjust:<id>`..."""
    order_id: str | None = None
    reason: str | None = None
    """The operator's reason, of a command."""
    actor: str | None = None
    recorded_at: datetime


class StockPolicy(_Keyed, SQLModel, table=True):
    """The result of the stock review for a SKU at a location (`models/replenishment.py`)."""

    __tablename__ = "stock_policies"

    sku: str = Field(primary_key=True, foreign_key="products.sku")
    location: str = Field(primary_key=True, foreign_key="locations.location")
    demand_a_day: float
    demand_deviation: float
    observed_days: int
    lead_time_days: float | None
    lead_time_deviation: float
    safety_stock: int
    reorder_point: int
    order_quantity: int
    """EOQ, in units."""
    reviewed_at: datetime


class Reservation(_Keyed, SQLModel, table=True):
    """Stock held for one order line at one location.

    Units that are reserved after the earlier ones were picked are a further `part`.
    """

    __tablename__ = "reservations"
    __table_args__ = (CheckConstraint("quantity > 0", "quantity_above_zero"),)

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    line_no: int = Field(primary_key=True)
    location: str = Field(primary_key=True)
    part: int = Field(default=1, primary_key=True)
    sku: str = Field(index=True)
    quantity: int
    state: ReservationState = enum_column(ReservationState)
    shipment_id: str | None = Field(default=None, index=True)
    revenue_minor: int = running_total()
    """Net of tax, posted at goods issue."""
    cost_minor: int = running_total()
    """Posted at goods issue."""


class Shortage(_Keyed, SQLModel, table=True):
    """Units that could not be reserved; with an expected date it is a backorder."""

    __tablename__ = "shortages"
    __table_args__ = (
        Index("ix_shortages_sku_state", "sku", "state"),
        Index("ix_shortages_po_id_state", "po_id", "state"),
        CheckConstraint("filled >= 0 AND filled <= quantity", "filled_within_quantity"),
    )

    shortage_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    line_no: int
    sku: str
    location: str
    quantity: int
    filled: int = 0
    state: ShortageState = enum_column(ShortageState)
    promised_at: datetime
    """When the order was allocated: shortages are filled in this order."""
    po_id: str | None = None
    expected_date: date | None = None
    problem: str | None = None
    """Why no supplier delivers the units; None: one does, or planning is due."""
