"""Views of stock. Amounts are decimal strings in the company's currency, quantities are units."""

from datetime import date, datetime

from models.base import Payload
from models.errors import Found, require_found
from models.messages.commands.base import UNKNOWN_SKU
from models.replenishment import Promisable


class StockAtLocation(Payload):
    """A SKU's counters at one location. The figures of the stock review are None before it."""

    location: str
    on_hand: int
    reserved: int
    available: int
    on_order: int
    backordered: int
    value: str
    reorder_point: int | None = None
    safety_stock: int | None = None
    order_quantity: int | None = None
    """EOQ; 0: without demand or holding cost, only missing units are purchased."""
    demand_a_day: float | None = None
    lead_time_days: float | None = None
    reviewed_at: datetime | None = None


class ShortageView(Payload):
    """The open shortage of an order, with the purchase order and the date that are known."""

    order_id: str
    location: str
    quantity: int
    po_id: str | None
    expected_date: date | None
    problem: str | None


class MovementView(Payload):
    """One change of a counter."""

    recorded_at: datetime
    movement_id: str
    kind: str
    location: str
    on_hand: int
    reserved: int
    value: str
    order_id: str | None
    reason: str | None
    actor: str | None


class StockView(Payload):
    """A SKU at all its locations."""

    sku: str
    name: str
    currency: str
    on_hand: int
    reserved: int
    available: int
    locations: tuple[StockAtLocation, ...]
    available_to_promise: tuple[Promisable, ...]
    """Over all locations."""
    waiting: tuple[ShortageView, ...]
    """Open shortages, the first promised first."""
    movements: tuple[MovementView, ...]
    """The latest, the newest first."""


def require_sku(view: Found | None, sku: str) -> Found:
    """Return the view of a SKU. Raises NotFound where there is none."""
    return require_found(view, UNKNOWN_SKU, f"there is no SKU {sku!r}")
